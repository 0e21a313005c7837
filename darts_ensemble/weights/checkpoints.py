"""Read weights files (released .pth, or .safetensors) without running code in them, and the networks of an ensemble."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from darts_ensemble.errors import CheckpointError
from darts_ensemble.networks.refinement_network import Refinement
from darts_ensemble.networks.view_network import Ensemble, ViewNetwork, network_for, not_finite
from darts_ensemble.slices.channels import Channels
from darts_ensemble.slices.views import NORMALISATIONS, VIEWS
from darts_ensemble.weights.checksums import REFINEMENT_NAME, network_files_in
from darts_ensemble.weights.file_form import refuse_other_forms
from darts_ensemble.weights.refinement_file import read_refinement

__all__ = ["BUNDLED", "load_ensemble", "load_view", "view_of_name"]

#: The compact ensemble inside the package.
BUNDLED = Path(__file__).parent / "bundled"
_VIEW_PATTERNS = {
    "coronal": r"coronal|back2front|back_to_front",
    "axial": r"axial|top2bottom|top2down|top_to_bottom",
    "sagittal": r"sagg?itt?al|left2right|left_to_right",
}
#: Parameters in released U-Net files that nothing uses.
_UNUSED_KEYS = re.compile(r"outconv[pm]1\.(weight|bias)")


def view_of_name(path: Path) -> str | None:
    """Return the view named in a file name (also in the spelling of the released files), or None."""
    views = [view for view, pattern in _VIEW_PATTERNS.items() if re.search(pattern, path.name.lower())]
    return views[0] if len(views) == 1 else None


def load_view(path: str | Path, view: str | None = None) -> ViewNetwork:
    """Read one weights file; architecture and sizes are taken from the shapes in it.

    Parameters
    ----------
    path : path
        `.safetensors`, or a released `.pth`/`.pt` state dict.
    view : str, optional
        Needed if neither the metadata nor the file name gives it.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, unsafe or of another architecture, its view is unknown, or it holds infinity or NaN.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; expected a .safetensors or a released .pth file")
    refuse_other_forms(path)
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
    architecture, filters, in_channels, network = network_for(path, state)
    broken = not_finite(state)
    if broken:
        raise CheckpointError(f"{path}: {broken} holds infinity or NaN; expected numbers: train or export these weights again")
    channels = _channels(path, metadata, in_channels)
    return ViewNetwork(view, network.eval(), architecture, filters, normalisation, channels, path, metadata)


def load_ensemble(weights: str | Path | Mapping[str, str | Path] = "bundled") -> Ensemble:
    """Read the networks of an ensemble.

    Parameters
    ----------
    weights : "bundled", a folder, a file, a manifest or a mapping
        A folder holds one file per view, and the second look at what they say, if it has one. A manifest is a JSON file such
        as `{"coronal": "a.pth"}`, with paths relative to it, for files without the view in their names; a mapping is the same
        in Python.

    Raises
    ------
    CheckpointError
        If a file can't be used, or two files are for the same view.
    """
    folder: Path | None = None
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
                raise CheckpointError(f"{folder}: no weights file; expected one .safetensors or .pth per view")
        else:
            files, folder = [folder], None
        loaded = [load_view(path) for path in files]
    networks: dict[str, ViewNetwork] = {}
    refinement: Refinement | None = None
    for network in sorted(loaded, key=lambda one: VIEWS.index(one.view)):
        if network.view in networks:
            raise CheckpointError(
                f"{network.path}: a second {network.view} network beside {networks[network.view].path}; expected one per view"
            )
        networks[network.view] = network
    if folder is not None and (second := folder / REFINEMENT_NAME).is_file():
        refinement = read_refinement(second)
    return Ensemble(networks, name, refinement)


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}; expected a JSON manifest of view: file") from None
    if not isinstance(content, dict) or not content or not all(isinstance(file, str) for file in content.values()):
        raise CheckpointError(f'{path}: not a manifest; expected JSON such as {{"coronal": "a.pth", "axial": "b.pth"}}')
    return content


def _read_safetensors(path: Path, metadata: dict[str, str]) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata.update(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {error}; expected a whole safetensors file: copy or download it again") from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    damaged = f"{path}: truncated or not a PyTorch file; expected a state dict: download it again"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "unexpected EOF" in str(error):  # so says torch 2.4 of a truncated file
            raise CheckpointError(damaged) from None
        raise CheckpointError(
            f"{path}: holds Python objects, not only tensors; expected a plain state dict. Such a file can run code when read: "
            "if you trust its source, load it yourself and save its state_dict()"
        ) from None
    except Exception:  # in a damaged file, struct, zipfile and indexing raise errors of many kinds, which torch passes on
        raise CheckpointError(damaged) from None
    plain = isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    if not plain or not state:
        raise CheckpointError(f"{path}: {type(state).__name__} found; expected a plain state dict of tensors")
    return state


def _channels(path: Path, metadata: Mapping[str, str], found: int) -> Channels:
    """Return the input channels that a file declares, checked against the shape of its first convolution."""
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
            f"and positions {positions}: without these two, the meaning of further channels is not known"
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
