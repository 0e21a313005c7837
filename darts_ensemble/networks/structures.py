"""The structures between which the second look decides: regions of the same tissue and kind, both sides together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGIONS

__all__ = ["OUTER", "STRUCTURES", "STRUCTURE_OF_CLASS", "structure_sums"]

#: Name to FreeSurfer ids. The first three are the outer ones: their borders with each other stay those of the views.
STRUCTURES: Mapping[str, tuple[int, ...]] = {
    "white matter": (2, 41),
    "cortex": tuple(region.id for region in REGIONS if region.id >= 1000),
    "background": (0,),
    "lateral ventricles": (4, 43),
    "inferior horns": (5, 44),
    "third and fourth ventricle": (14, 15),
    "CSF": (24,),
    "choroid plexus": (31, 63),
    "thalamus": (10, 49),
    "caudate": (11, 50),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "hippocampus": (17, 53),
    "amygdala": (18, 54),
    "accumbens": (26, 58),
    "ventral DC": (28, 60),
    "brain stem": (16,),
    "cerebellar cortex": (8, 47),
    "cerebellar white matter": (7, 46),
    "corpus callosum": (251, 252, 253, 254, 255),
    "vessels and optic chiasm": (30, 62, 85),
}
#: Number of outer structures.
OUTER = 3

_NUMBER = {label: number for number, labels in enumerate(STRUCTURES.values()) for label in labels}
#: (103,) int64: the structure of each class; that of background is "background".
STRUCTURE_OF_CLASS = torch.tensor([*(_NUMBER[region.id] for region in REGIONS), _NUMBER[0]])
assert len(STRUCTURE_OF_CLASS) == N_CLASSES and STRUCTURE_OF_CLASS[BACKGROUND_CLASS] == 2

_SUMS = np.zeros((N_CLASSES, len(STRUCTURES)), dtype=np.float32)
_SUMS[np.arange(N_CLASSES), STRUCTURE_OF_CLASS.numpy()] = 1


def structure_sums(probabilities: torch.Tensor) -> torch.Tensor:
    """Return the probability of each structure, (..., 21) float32, from those of the classes, (..., 103)."""
    return probabilities.float() @ torch.from_numpy(_SUMS).to(probabilities.device)
