"""Weights files: the authors' .pth and our own .safetensors, read safely; an ensemble is one network a view."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from darts_ensemble.channels import Channels
from darts_ensemble.checksums import network_files_in
from darts_ensemble.errors import CheckpointError
from darts_ensemble.labels import N_CHANNELS
from darts_ensemble.networks import DenseUNet, UNet
from darts_ensemble.views import NORMALISATIONS, VIEWS

__all__ = [
    "BUNDLED", "NETWORK_METADATA", "Ensemble", "ViewNetwork", "load_ensemble", "load_view", "save_view", "view_of_name",
    "voxel_checksum",
]  # fmt: skip

#: The compact ensemble inside the package.
BUNDLED = Path(__file__).parent / "weights"
_VIEW_PATTERNS = {
    "coronal": r"coronal|back2front|back_to_front",
    "axial": r"axial|top2bottom|top2down|top_to_bottom",
    "sagittal": r"sagg?itt?al|left2right|left_to_right",
}
#: Metadata of a safetensors file that :func:`save_view` writes of the network itself; the others tell of the run that made it.
NETWORK_METADATA = (
    "format_version", "architecture", "view", "classes", "in_channels", "thick_slices", "positions", "filters", "normalisation",
    "training_subjects",
)  # fmt: skip
#: Present in released U-Net files and used by nothing.
_UNUSED_KEYS = re.compile(r"outconv[pm]1\.(weight|bias)")


@dataclass(frozen=True)
class ViewNetwork:
    """The network of one view, ready to predict.

    Attributes
    ----------
    view : {"coronal", "axial", "sagittal"}
    network : torch.nn.Module
        In evaluation mode, float32, on the CPU.
    architecture : {"dense-unet", "unet"}
    filters : int
    normalisation : str
        See :func:`darts_ensemble.views.normalise_slices`.
    channels : Channels
        What its input is made of.
    path : Path or None
    metadata : dict of str to str
        Of a safetensors file; `training_subjects` is a JSON list of {"id", "sha256"}.
    """

    view: str
    network: nn.Module
    architecture: str
    filters: int
    normalisation: str
    channels: Channels = field(default_factory=Channels)
    path: Path | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def in_channels(self) -> int:
        """Channels of the network's input."""
        return self.channels.count

    @property
    def training_subjects(self) -> list[dict[str, str]]:
        """The scans this network was trained on; empty where its file doesn't say."""
        subjects: list[dict[str, str]] = json.loads(self.metadata.get("training_subjects", "[]"))
        return subjects


@dataclass(frozen=True)
class Ensemble:
    """One network a view, in the order coronal, axial, sagittal."""

    networks: dict[str, ViewNetwork]
    name: str


def voxel_checksum(data: npt.NDArray[Any]) -> str:
    """Return the sha256 of a scan's voxels as stored: shape, then values rounded to little-endian int16, C order."""
    digest = hashlib.sha256(json.dumps(list(data.shape)).encode())
    digest.update(np.ascontiguousarray(np.rint(np.clip(data, -32768, 32767)).astype("<i2")).tobytes())
    return digest.hexdigest()


def view_of_name(path: Path) -> str | None:
    """Return the view that a file's name tells (also in the released files' spelling), or None."""
    views = [view for view, pattern in _VIEW_PATTERNS.items() if re.search(pattern, path.name.lower())]
    return views[0] if len(views) == 1 else None


def load_view(path: str | Path, view: str | None = None) -> ViewNetwork:
    """Read one weights file; architecture and sizes are taken from the shapes in it.

    Parameters
    ----------
    path : path
        `.safetensors`, or a released `.pth`/`.pt` state dict.
    view : str, optional
        Needed where neither metadata nor name tells it.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, unsafe, of another architecture, its view is not known, or a number in it is none.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; expected a .safetensors or a released .pth file")
    metadata: dict[str, str] = {}
    state = _read_safetensors(path, metadata) if path.suffix == ".safetensors" else _read_pickle(path)
    state = {
        name.removeprefix("module."): value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if not _UNUSED_KEYS.fullmatch(name.removeprefix("module."))
    }
    view = view or metadata.get("view") or view_of_name(path)
    if view not in VIEWS:
        raise CheckpointError(
            f"{path}: view {view or 'unknown'}; expected {', '.join(VIEWS)}: name the view in the file's name or give it"
        )
    normalisation = metadata.get("normalisation", "slice-minmax")
    if normalisation not in NORMALISATIONS:
        raise CheckpointError(f"{path}: normalisation {normalisation!r}; expected one of {', '.join(NORMALISATIONS)}")
    _check_training_subjects(path, metadata)
    architecture, filters, in_channels, network = _network_for(path, state)
    broken = _not_finite(state)
    if broken:
        raise CheckpointError(f"{path}: {broken} holds infinity or NaN; expected numbers: train or export these weights again")
    channels = _channels(path, metadata, in_channels)
    return ViewNetwork(view, network.eval(), architecture, filters, normalisation, channels, path, metadata)


def load_ensemble(weights: str | Path | Mapping[str, str | Path] = "bundled") -> Ensemble:
    """Read the networks of an ensemble.

    Parameters
    ----------
    weights : "bundled", a folder, a file, a manifest or a mapping
        A folder holds one file a view. A manifest is a JSON file such as `{"coronal": "a.pth"}`, its paths relative to it,
        for files whose names don't tell the view; the mapping is the same in Python.

    Raises
    ------
    CheckpointError
        If a file can't be used, or two files are for the same view.
    """
    if isinstance(weights, Mapping):
        loaded = [load_view(path, view) for view, path in weights.items()]
        name = "given files"
    elif str(weights).endswith(".json"):
        manifest = Path(weights)
        loaded = [load_view(manifest.parent / file, view) for view, file in _read_manifest(manifest).items()]
        name = str(weights)
    else:
        folder = BUNDLED if str(weights) == "bundled" else Path(weights)
        name = "bundled" if folder == BUNDLED else str(weights)
        if folder.is_dir():
            files = network_files_in(folder)
            if not files:
                raise CheckpointError(f"{folder}: no weights file; expected one .safetensors or .pth a view")
        else:
            files = [folder]
        loaded = [load_view(path) for path in files]
    networks: dict[str, ViewNetwork] = {}
    for network in sorted(loaded, key=lambda one: VIEWS.index(one.view)):
        if network.view in networks:
            raise CheckpointError(
                f"{network.path}: a second {network.view} network beside {networks[network.view].path}; expected one a view"
            )
        networks[network.view] = network
    return Ensemble(networks, name)


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}; expected a JSON manifest of view: file") from None
    if not isinstance(content, dict) or not content or not all(isinstance(file, str) for file in content.values()):
        raise CheckpointError(f'{path}: not a manifest; expected JSON such as {{"coronal": "a.pth", "axial": "b.pth"}}')
    return content


def _not_finite(state: Mapping[str, Tensor]) -> str | None:
    """The first tensor that holds infinity or NaN: a network with one says the same of every voxel."""
    return next((name for name, value in state.items() if not torch.isfinite(value).all()), None)


def compact(value: Tensor) -> Tensor:
    """Return floats as float16, or as float32 where one is too large for that, as a variance of BatchNorm may be."""
    if not value.is_floating_point():
        return value
    return value.float() if value.numel() and value.abs().max() > torch.finfo(torch.float16).max else value.half()


def save_view(
    path: Path,
    network: nn.Module,
    *,
    view: str,
    normalisation: str,
    training_subjects: list[dict[str, str]],
    channels: Channels | None = None,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a network as float16 safetensors with what is needed to use it; the name appears when it is whole.

    Raises
    ------
    CheckpointError
        If the network holds a number that is none, or the file can't be written.
    """
    state = {
        name: compact(value).contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    broken = _not_finite(state)
    if broken:
        raise CheckpointError(f"{path}: {broken} holds infinity or NaN; expected numbers: its training has diverged")
    architecture, filters, in_channels, _ = _network_for(path, state)
    channels = channels or Channels()
    if channels.count != in_channels:
        raise ValueError(f"a network of {in_channels} channels; expected {channels.count} for {channels}")
    metadata = {
        "format_version": "1",
        "architecture": architecture,
        "view": view,
        "classes": str(N_CHANNELS),
        "in_channels": str(in_channels),
        "thick_slices": str(channels.thick_slices),
        "positions": str(channels.positions).lower(),
        "filters": str(filters),
        "normalisation": normalisation,
        "training_subjects": json.dumps(training_subjects),
        **(extra or {}),
    }
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        save_file(state, temporary, metadata=metadata)
        # safetensors writes for the owner alone; weights are there to be shared: readable as any new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: {error}; expected a folder with room to write") from None
    finally:
        temporary.unlink(missing_ok=True)


def _read_safetensors(path: Path, metadata: dict[str, str]) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata.update(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {error}; expected a whole safetensors file: copy or download it again") from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path}: holds Python objects, not only tensors; expected a plain state dict. Such a file can run code when read: "
            "if you trust its source, load it yourself and save its state_dict()"
        ) from None
    except Exception:  # torch lets through whatever a damaged file makes struct, zipfile or an index raise
        raise CheckpointError(f"{path}: truncated or not a PyTorch file; expected a state dict: download it again") from None
    plain = isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    if not plain or not state:
        raise CheckpointError(f"{path}: {type(state).__name__} found; expected a plain state dict of tensors")
    return state


def _channels(path: Path, metadata: Mapping[str, str], found: int) -> Channels:
    """What a file says of its network's input, held against the shape of its first convolution."""
    thick, positions = metadata.get("thick_slices", "1"), metadata.get("positions", "false")
    try:
        channels = Channels(int(thick), {"true": True, "false": False}[positions])
    except (ValueError, KeyError):
        raise CheckpointError(
            f"{path}: metadata thick_slices {thick!r}, positions {positions!r}; expected an odd number of slices, and true or "
            "false: save the weights again"
        ) from None
    if channels.count != found:
        raise CheckpointError(
            f"{path}: a network of {found} input channels; expected {channels.count} by its metadata, thick_slices {thick} "
            f"and positions {positions}: only files with these tell what more channels mean"
        )
    return channels


def _check_training_subjects(path: Path, metadata: Mapping[str, str]) -> None:
    try:
        subjects = json.loads(metadata.get("training_subjects", "[]"))
        fits = isinstance(subjects, list) and all(isinstance(one, dict) and {"id", "sha256"} <= set(one) for one in subjects)
    except ValueError:
        fits = False
    if not fits:
        raise CheckpointError(f"{path}: metadata training_subjects is not a JSON list of id and sha256; save the weights again")


def _network_for(path: Path, state: Mapping[str, Tensor]) -> tuple[str, int, int, nn.Module]:
    """Build the network whose shapes a state dict has, and fill it."""
    make: Callable[[], nn.Module]
    if "d1.conv_list.0.weight" in state and "conv1.weight" in state:
        architecture, first = "dense-unet", "conv1.weight"
        convolutions = sum(bool(re.fullmatch(r"d1\.conv_list\.\d+\.weight", name)) for name in state)
        make = lambda: DenseUNet(in_channels, N_CHANNELS, filters, convolutions)  # noqa: E731
    elif "down1.conv1.weight" in state:
        architecture, first = "unet", "down1.conv1.weight"
        make = lambda: UNet(in_channels, N_CHANNELS, filters)  # noqa: E731
    else:
        shown = ", ".join(sorted(state)[:3])
        raise CheckpointError(f"{path}: keys such as {shown}; expected those of a DARTS Dense U-Net or U-Net")
    if state[first].ndim != 4 or 0 in state[first].shape:
        raise CheckpointError(
            f"{path}: {first} of shape {tuple(state[first].shape)}; expected (filters, channels, rows, columns)"
        )
    filters, in_channels = state[first].shape[:2]
    with torch.device("meta"):  # shapes alone: a damaged file may claim more filters than there is memory for
        expected = {name: value for name, value in make().state_dict().items() if not name.endswith("num_batches_tracked")}
    found = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    wrong = sorted(set(expected) ^ set(found)) or [n for n in expected if expected[n].shape != found[n].shape]
    if wrong:
        raise CheckpointError(
            f"{path}: keys that don't fit a {architecture} of {filters} filters: {', '.join(wrong[:4])} ({len(wrong)} in all)"
        )
    network = make()
    network.load_state_dict({name: value.float() for name, value in found.items()}, strict=False)
    return architecture, int(filters), int(in_channels), network
