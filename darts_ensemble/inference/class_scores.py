"""The last layer of a network: from features to the scores of the 103 classes, for whole slices or for pieces of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.device import on_device
from darts_ensemble.labels import BACKGROUND_CLASS, HOMOLOGUE_CLASS, KEPT_CHANNELS, N_CLASSES
from darts_ensemble.networks.dense_unet import DenseUNet

__all__ = ["KeptClasses", "SliceScores", "most_probable"]


class KeptClasses(nn.Module):
    """A network that gives the logits of the 103 classes, (B, R, C, 103); the ten other channels are never computed."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("kept", torch.from_numpy(KEPT_CHANNELS))
        self.register_buffer("homologues", torch.from_numpy(HOMOLOGUE_CLASS))
        self.kept: Tensor
        self.homologues: Tensor
        if isinstance(network, DenseUNet):
            self.register_buffer("weight", network.outconv.weight.detach()[self.kept, :, 0, 0].clone())
            bias = network.outconv.bias
            self.register_buffer("bias", None if bias is None else bias.detach()[self.kept].clone())
            self.weight: Tensor
            self.bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the scores are computed from, (B, R, C, F): the input of the last layer, or the logits where there is none."""
        if isinstance(self.network, DenseUNet):
            return self.network.features(x).permute(0, 2, 3, 1)
        return self.network(x)[:, self.kept].movedim(1, -1)

    def scores(self, features: Tensor, *, renamed: bool = False) -> Tensor:
        """Logits (..., 103) of features (..., F), float32; `renamed`: left and right regions have each other's."""
        if not isinstance(self.network, DenseUNet):
            return features[..., self.homologues].float() if renamed else features.float()
        weight, bias = self.weight, self.bias
        if renamed:
            weight, bias = weight[self.homologues], None if bias is None else bias[self.homologues]
        # Always in fp32: after rounding to bf16, the order of two classes with similar logits would often be chance.
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(self.weight.dtype)
            if features.device.type == "cpu" and _in_one_step():
                return _multiplied(features, weight, bias)
            return functional.linear(features, weight, bias)


@dataclass(frozen=True)
class SliceScores:
    """Logits of slices that are computed when a piece of them is asked for, and never lie in memory as a whole.

    The logits of a batch are far more than fit a processor's cache: to write and read them takes longer than to compute them.

    Attributes
    ----------
    network : KeptClasses
    features : Tensor, (f, rows, columns, F)
        Of the slices that were given to the network.
    position : (k,) ints
        Of each slice in `features`; -1 for a constant slice, which is background.
    inside : two slices, optional
        Which rows and columns of the box `features` hold; what is outside is background. None: all.
    mirrored : Tensor, (f, rows, columns, F), optional
        Features of the mirrored head, at the place of the head itself; logits are then the mean of both.
    renamed : bool
        Whether left regions in `mirrored` are right ones in the head.
    """

    network: KeptClasses
    features: Tensor
    position: npt.NDArray[np.int64]
    inside: tuple[slice, slice] | None = None
    mirrored: Tensor | None = None
    renamed: bool = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(k, rows, columns, 103)."""
        return (len(self.position), self.features.shape[1], self.features.shape[2], N_CLASSES)

    @property
    def device(self) -> torch.device:
        """Of the features."""
        return self.features.device

    def __getitem__(self, place: tuple[int, slice]) -> Tensor:
        """Logits (rows, columns, 103) of some rows of one slice."""
        number, rows = place
        there = int(self.position[number])
        if there >= 0:
            return self._scores((there, rows))
        return self._background(len(range(*rows.indices(self.shape[1]))))

    def whole(self) -> Tensor:
        """All logits, (k, rows, columns, 103)."""
        if (self.position >= 0).all():
            return self._scores(...)
        scores = self._background(self.shape[1]).expand(self.shape).clone()
        if len(self.features):
            scores[on_device(np.flatnonzero(self.position >= 0), self.device)] = self._scores(...)
        return scores

    def _scores(self, place: Any) -> Tensor:
        """Logits of a part of the features."""
        scores = self.network.scores(self.features[place])
        if self.mirrored is None:
            return scores
        return (scores + self.network.scores(self.mirrored[place], renamed=self.renamed)) / 2

    def _background(self, rows: int) -> Tensor:
        """Logits of voxels that are background for certain, (rows, columns, 103)."""
        scores = torch.full((rows, self.shape[2], N_CLASSES), -torch.inf, device=self.device)
        scores[..., BACKGROUND_CLASS] = 0
        return scores


def most_probable(scores: Tensor) -> Tensor:
    """Return the index of the largest value along the last axis, as uint8; the first of equal values."""
    if scores.device.type == "cpu":
        # For rows of a hundred values, NumPy's argmax is many times as fast as torch's.
        return torch.from_numpy(scores.numpy().argmax(axis=-1).astype(np.uint8))
    return scores.argmax(dim=-1).to(torch.uint8)


def _multiplied(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The linear layer by oneDNN, twice as fast here as by the library that torch asks by itself."""
    done: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return done


@cache
def _in_one_step() -> bool:
    """Whether this build of torch has the operation, which is not part of its stable interface, and computes what is meant."""
    x, weight, bias = (
        torch.linspace(-1, 1, 12).reshape(2, 2, 3),
        torch.linspace(-1, 1, 15).reshape(5, 3),
        torch.linspace(0, 1, 5),
    )
    try:
        pairs = [(_multiplied(x, weight, one), functional.linear(x, weight, one)) for one in (bias, None)]
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(torch.allclose(one, other, atol=1e-5) for one, other in pairs)
