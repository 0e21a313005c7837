"""The network of one view with what is needed to use it, an ensemble of them, and how to build one from a state dict."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from darts_ensemble.errors import CheckpointError
from darts_ensemble.labels import N_CHANNELS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.refinement_network import Refinement
from darts_ensemble.networks.unet import UNet
from darts_ensemble.slices.channels import Channels

__all__ = ["Ensemble", "ViewNetwork", "network_for", "not_finite"]


@dataclass(frozen=True)
class ViewNetwork:
    """The network of one view, ready to predict.

    Attributes
    ----------
    view : {"coronal", "axial", "sagittal"}
    network : torch.nn.Module
        In evaluation mode, float32, on the CPU; or only shapes without values (:attr:`set_aside`).
    architecture : {"dense-unet", "unet"}
    filters : int
    normalisation : str
        See :func:`darts_ensemble.slices.views.normalise_slices`.
    channels : Channels
        The channels of its input.
    path : Path or None
    metadata : dict of str to str
        Metadata of a safetensors file; `training_subjects` is a JSON list of {"id", "sha256"}.
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
    def set_aside(self) -> bool:
        """Whether the weights are not in memory; reading `path` again brings them back."""
        return any(value.is_meta for value in self.network.parameters())

    def without_weights(self) -> ViewNetwork:
        """Return a copy whose network has shapes but no values."""
        return replace(self, network=copy.deepcopy(self.network).to("meta"))

    @property
    def in_channels(self) -> int:
        """Channels of the network's input."""
        return self.channels.count

    @property
    def training_subjects(self) -> list[dict[str, str]]:
        """The scans that this network was trained on; empty if its file doesn't name them."""
        subjects: list[dict[str, str]] = json.loads(self.metadata.get("training_subjects", "[]"))
        return subjects


@dataclass(frozen=True)
class Ensemble:
    """One network per view, in the order coronal, axial, sagittal, and the second look at what they say, if there is one."""

    networks: dict[str, ViewNetwork]
    name: str
    refinement: Refinement | None = None


def not_finite(state: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with infinity or NaN, which would make a network label all voxels alike, or None."""
    return next((name for name, value in state.items() if not torch.isfinite(value).all()), None)


def network_for(path: Path, state: Mapping[str, Tensor]) -> tuple[str, int, int, nn.Module]:
    """Build the network that a state dict belongs to, and load the state dict.

    Parameters
    ----------
    path : Path
        File to name in errors.
    state : mapping of str to Tensor
        By parameter name, without `num_batches_tracked`.

    Returns
    -------
    architecture : {"dense-unet", "unet"}
    filters : int
    in_channels : int
    network : torch.nn.Module
        float32.

    Raises
    ------
    CheckpointError
        If names or shapes are not those of one of the two architectures.
    """
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
    with torch.device("meta"):  # only shapes: a damaged file may declare more filters than fit the memory
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
