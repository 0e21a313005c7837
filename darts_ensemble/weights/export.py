"""Convert any network that can be read (a released .pth, a training checkpoint) to compact float16 safetensors."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from darts_ensemble.errors import CheckpointError
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.weights.checkpoints import load_view
from darts_ensemble.weights.view_file import NETWORK_METADATA, compact, save_view

__all__ = ["Exported", "export_weights"]


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes
    ----------
    path : Path
    view : str
    rounding : float
        Largest difference between a number and its stored value, relative to the largest number of the tensor.
    """

    path: Path
    view: str
    rounding: float


def export_weights(source: Path, out: Path, *, view: str | None = None, overwrite: bool = False) -> Exported:
    """Write one network as `<view>.safetensors` in `out`, with the metadata on its training.

    Parameters
    ----------
    source : Path
        A file that :func:`darts_ensemble.weights.checkpoints.load_view` reads, or a checkpoint of `darts-train`
        (`<view>.checkpoint.pt`), from which the moving average of the weights is taken, as at the end of training.
    out : Path
        Folder; created if missing.
    view : {"coronal", "axial", "sagittal"}, optional
        Needed if neither the file nor its name gives it.
    overwrite : bool

    Raises
    ------
    CheckpointError
        If the source can't be read or holds infinity or NaN, or the target exists already.
    """
    network = _load_checkpoint(source, view) if source.name.endswith(".checkpoint.pt") else load_view(source, view)
    rounding = _rounding(network.network.state_dict())
    target = out / f"{network.view}.safetensors"
    if target.exists() and not overwrite:
        raise CheckpointError(f"{target}: is there already; expected another folder, or --overwrite")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{out}: {error.strerror}; expected a folder that can be made and written") from None
    save_view(
        target,
        network.network,
        view=network.view,
        normalisation=network.normalisation,
        training_subjects=network.training_subjects,
        channels=network.channels,
        extra={key: value for key, value in network.metadata.items() if key not in NETWORK_METADATA},
    )
    return Exported(target, network.view, rounding)


def _load_checkpoint(path: Path, view: str | None) -> ViewNetwork:
    """Read the averaged network of a training checkpoint, with the settings of its run as metadata."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a checkpoint of darts-train")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # in a damaged file, pickle, struct and zipfile raise errors of many kinds, which torch passes on
        raise CheckpointError(f"{path}: damaged, or not a checkpoint of darts-train; expected <view>.checkpoint.pt") from None
    if not isinstance(state, dict) or not {"settings", "average"} <= set(state):
        raise CheckpointError(f"{path}: no settings and averaged weights found; expected a checkpoint of darts-train")
    settings: dict[str, Any] = state["settings"]
    metadata = {
        "normalisation": str(settings["normalisation"]),
        "thick_slices": str(settings.get("thick_slices", 1)),
        "positions": str(settings.get("positions", False)).lower(),
        "training_subjects": json.dumps(state.get("training_subjects", [])),
        "steps": str(state.get("step", "unknown")),
        **{f"setting_{key}": str(value) for key, value in settings.items()},
    }
    # With validation subjects, training keeps the weights of the best validation.
    average = {name: value.contiguous() for name, value in (state.get("kept") or state["average"]).items()}
    # Saved and read again, so that names and shapes are checked as those of any weights file.
    with tempfile.TemporaryDirectory() as folder:
        passed = Path(folder) / "average.safetensors"
        save_file(average, passed, metadata=metadata)
        try:
            return load_view(passed, view or settings["view"])
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(passed), str(path))) from None


def _rounding(state: dict[str, Tensor]) -> float:
    """Return the largest change of a tensor when it is stored, relative to its largest number."""
    largest = 0.0
    for value in state.values():
        if value.is_floating_point() and value.numel():
            top = max(float(value.abs().max()), 1e-30)
            largest = max(largest, float((value - compact(value).float()).abs().max()) / top)
    return largest
