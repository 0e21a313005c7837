"""Whether a run takes a second look at what the views say, and the look itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from darts_ensemble.errors import CheckpointError
from darts_ensemble.fusion.fuse import Fused
from darts_ensemble.fusion.view_weights import networks_of
from darts_ensemble.networks.refinement_network import Refinement
from darts_ensemble.networks.view_network import Ensemble
from darts_ensemble.refinement.refine import refine

__all__ = ["refinement_for", "second_look"]


def refinement_for(ensemble: Ensemble, views: tuple[str, ...]) -> Refinement | None:
    """Return the second look of an ensemble, if it has one and all the views that it was fitted on are in use; else None.

    Raises
    ------
    CheckpointError
        If it was fitted on predictions of other networks.
    """
    refinement = ensemble.refinement
    if refinement is None or set(views) != set(refinement.views):
        return None
    if not refinement.fits(networks_of(ensemble)):
        raise CheckpointError(
            f"{refinement.path}: fitted for other networks than those beside it; expected those: fit it again with "
            "darts-weights fit-refinement, or use --no-refine"
        )
    return refinement


def second_look(fused: Fused, intensities: npt.NDArray[np.float32], refinement: Refinement) -> Fused:
    """Return fused predictions of a box after a second look at its intensities (a, b, c); the volume is changed in place."""
    device = fused.volume.device if isinstance(fused.volume, Tensor) else "cpu"
    return refine(fused, intensities, refinement.network.to(device))
