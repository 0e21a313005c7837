"""A scan between the steps of a segmentation: read and conformed, then labelled by the networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darts_ensemble.fusion.fuse import Fused
from darts_ensemble.scans.conform import Conformed
from darts_ensemble.slices.channels import Box
from darts_ensemble.stages import Stages

__all__ = ["Labelled", "Loaded"]


@dataclass(frozen=True)
class Loaded:
    """A scan that has been read and brought to the networks' grid."""

    conformed: Conformed
    stages: Stages


@dataclass(frozen=True)
class Labelled:
    """A scan after the networks: fused predictions in a box of its conformed volume.

    `other_contrast`: whether they are of intensities that were brought into the order of T1.
    """

    conformed: Conformed
    fused: Fused
    box: Box
    stages: Stages
    other_contrast: bool = False

    @property
    def origin(self) -> npt.NDArray[np.int64]:
        """First voxel of the box, (3,)."""
        return np.array([side.start for side in self.box], dtype=np.int64)
