"""The network of the second look: three small 3-D convolutions, from intensities and structures to changed odds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.networks.structures import OUTER, STRUCTURES

__all__ = ["INPUTS", "LEAST", "REACH", "Refinement", "RefinementNetwork", "structure_channels"]

#: Channels of the input: the relative intensity, and one for each structure.
INPUTS = 1 + len(STRUCTURES)
#: Probabilities below this count as this much.
LEAST = 1e-3
#: Voxels on each side that a result depends on.
REACH = 3
#: Logarithms from LEAST to 1 become -0.97 to 1.
_SCALE = 3.5


def structure_channels(probabilities: Tensor) -> Tensor:
    """Return probabilities of structures as channels of the network's input: logarithms, -1 to 1."""
    return probabilities.clamp(min=LEAST).log_().div_(_SCALE).add_(1)


class RefinementNetwork(nn.Module):
    """Changes the odds between structures, voxel by voxel, from the 7 x 7 x 7 voxels around each.

    The odds between the outer structures (white matter, cortex, background) stay as they are: only their sum is changed.

    Parameters
    ----------
    filters : int
    """

    def __init__(self, filters: int = 16) -> None:
        super().__init__()
        self.first = nn.Conv3d(INPUTS, filters, 3, padding=1)
        self.second = nn.Conv3d(filters, filters, 3, padding=1)
        self.third = nn.Conv3d(filters, filters, 3, padding=1)
        self.odds = nn.Conv3d(filters, len(STRUCTURES), 1)
        # An untrained network changes nothing.
        nn.init.zeros_(self.odds.weight)
        nn.init.zeros_(self.odds.bias)  # type: ignore[arg-type]

    @property
    def filters(self) -> int:
        """Number of filters."""
        return self.first.out_channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (B, 22, a, b, c) to what is added to the logarithm of each structure's probability, (B, 21, a, b, c)."""
        x = functional.relu(self.first(inputs))
        y = functional.relu(self.second(x))
        added = self.odds(functional.relu(self.third(y) + x))
        before = (inputs[:, 1 : 1 + OUTER] - 1) * _SCALE
        after = torch.logsumexp(before + added[:, :OUTER], dim=1, keepdim=True)
        together = after - torch.logsumexp(before, dim=1, keepdim=True)
        return torch.cat([together.expand(-1, OUTER, *together.shape[2:]), added[:, OUTER:]], dim=1)


@dataclass(frozen=True)
class Refinement:
    """A second look, ready to use.

    Attributes
    ----------
    network : RefinementNetwork
        In evaluation mode, float32, on the CPU.
    path : Path
    views : dict of str to str
        View to the sha256 of the weights file whose predictions it was fitted on.
    training_subjects : list of {"id", "sha256"}
    """

    network: RefinementNetwork
    path: Path
    views: dict[str, str]
    training_subjects: list[dict[str, str]]

    def fits(self, views: Mapping[str, str]) -> bool:
        """Whether it was fitted on predictions of exactly these weights (view to sha256)."""
        return dict(views) == self.views
