"""The file of a second look, refinement.safetensors in a weights folder: its network and the views that it was fitted for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from darts_ensemble.errors import CheckpointError
from darts_ensemble.networks.refinement_network import Refinement, RefinementNetwork
from darts_ensemble.whole_files import written_whole

__all__ = ["read_refinement", "save_refinement"]

_REPAIR = "expected a file of darts-weights fit-refinement: copy it again, or remove it to do without"


def save_refinement(
    path: Path,
    network: RefinementNetwork,
    *,
    views: Mapping[str, str],
    training_subjects: list[dict[str, str]],
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a second look as float16; the file gets its name when it is complete.

    Raises
    ------
    CheckpointError
        If the network holds infinity or NaN, or the file can't be written.
    """
    state = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    if not all(torch.isfinite(value).all() for value in state.values()):
        raise CheckpointError(f"{path}: infinity or NaN; expected numbers: the fit has diverged, use a lower --rate")
    metadata = {
        "format_version": "1",
        "kind": "refinement",
        "views": json.dumps(dict(views)),
        "training_subjects": json.dumps(training_subjects),
        **(extra or {}),
    }
    try:
        with written_whole(path, error=CheckpointError) as temporary:
            save_file(state, temporary, metadata=metadata)
            # safetensors makes files that only the owner can read; weights are for sharing: give the usual permissions.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {error}; expected a folder with room to write") from None


def read_refinement(path: Path) -> Refinement:
    """Read a file of :func:`save_refinement`.

    Raises
    ------
    CheckpointError
        If it is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {error}; {_REPAIR}") from None
    try:
        views, subjects = json.loads(metadata["views"]), json.loads(metadata["training_subjects"])
        network = RefinementNetwork(state["first.weight"].shape[0])
        network.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError, IndexError):
        raise CheckpointError(f"{path}: not the network of a second look; {_REPAIR}") from None
    if not all(torch.isfinite(value).all() for value in state.values()):
        raise CheckpointError(f"{path}: holds infinity or NaN; {_REPAIR}")
    return Refinement(network.eval().requires_grad_(requires_grad=False), path, views, subjects)
