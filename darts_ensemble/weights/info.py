"""Describe a weights file: architecture, size, view, normalisation, the subjects it was trained on, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.weights.checksums import sha256_of
from darts_ensemble.weights.view_file import NETWORK_METADATA

__all__ = ["describe_network"]


def describe_network(network: ViewNetwork) -> dict[str, Any]:
    """Describe a weights file that was read.

    Returns
    -------
    dict
        `file`, `view`, `architecture`, `filters`, `parameters` (number of learnt ones, without running statistics),
        `in_channels`, `thick_slices` and `positions` (see :class:`darts_ensemble.slices.channels.Channels`), `normalisation`,
        `training_subjects` (ids; empty if the file doesn't name them), `size_bytes`, `sha256`, `settings` (all other metadata
        of the file, such as seed, steps and learning rate).
    """
    assert network.path is not None
    path: Path = network.path
    parameters = sum(parameter.numel() for parameter in network.network.parameters())
    return {
        "file": str(path),
        "view": network.view,
        "architecture": network.architecture,
        "filters": network.filters,
        "parameters": parameters,
        "in_channels": network.in_channels,
        "thick_slices": network.channels.thick_slices,
        "positions": network.channels.positions,
        "normalisation": network.normalisation,
        "training_subjects": [subject["id"] for subject in network.training_subjects],
        "size_bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "settings": {key: value for key, value in sorted(network.metadata.items()) if key not in NETWORK_METADATA},
    }
