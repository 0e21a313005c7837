"""Write one view's network as a compact safetensors file: float16, with what is needed to use it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from darts_ensemble.errors import CheckpointError
from darts_ensemble.labels import N_CHANNELS
from darts_ensemble.networks.view_network import network_for, not_finite
from darts_ensemble.slices.channels import Channels
from darts_ensemble.whole_files import written_whole

__all__ = ["NETWORK_METADATA", "compact", "save_view"]

#: Metadata of a safetensors file that describe the network itself; all others describe the run that made it.
NETWORK_METADATA = (
    "format_version", "architecture", "view", "classes", "in_channels", "thick_slices", "positions", "filters", "normalisation",
    "training_subjects",
)  # fmt: skip


def compact(value: Tensor) -> Tensor:
    """Return floats as float16, or as float32 if one is too large for float16, as a variance of BatchNorm can be."""
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
    """Write a network as float16 safetensors with what is needed to use it; the file gets its name when it is complete.

    Raises
    ------
    CheckpointError
        If the network holds infinity or NaN, or the file can't be written.
    """
    state = {
        name: compact(value).contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    broken = not_finite(state)
    if broken:
        raise CheckpointError(f"{path}: {broken} holds infinity or NaN; expected numbers: its training has diverged")
    architecture, filters, in_channels, _ = network_for(path, state)
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
    try:
        with written_whole(path, error=CheckpointError) as temporary:
            save_file(state, temporary, metadata=metadata)
            # safetensors makes files that only the owner can read; weights are for sharing: give the usual permissions.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {error}; expected a folder with room to write") from None
