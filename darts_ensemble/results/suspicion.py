"""One sentence if a label map shows that its scan is probably not an upright T1 of a whole head, and what it may be instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS

__all__ = ["suspicion"]

#: Measured with the bundled networks, agreement of the views and missing regions. Good: sub-08 0.88 and 0, the same z-scored or
#: in noise 0.88 and 0, a clinical T1 of 3 mm slices 0.77 and 0. Not: 40 mm of sub-08 0.64 and 10, the head back to front 0.55
#: and 6, upside down 0.51 and 26, its contrast inverted 0.21 and 61, a T2 0.21 and 62. The limits lie between.
_LEAST_AGREEMENT, _MOST_MISSING = 0.7, 20
#: With fewer cubic centimetres of all regions, there is hardly any brain.
_LITTLE_BRAIN = 300
_CEREBELLUM = (7, 8, 46, 47)
_FRONTAL, _OCCIPITAL = (1028, 1014, 2028, 2014), (1011, 1013, 2011, 2013)


def suspicion(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64], agreement: float | None) -> str | None:
    """Return what is probably wrong with a scan, judged by its labels; None if nothing is.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.
    affine : (4, 4) ndarray
        From voxels to RAS millimetres.
    agreement : float or None
        Mean agreement of the views over the brain, 0 to 1; None for one view.
    """
    count = np.bincount(np.asarray(ids).ravel(order="K"), minlength=3000)
    missing = sum(not count[region.id] for region in REGIONS)
    disagree = agreement is not None and agreement < _LEAST_AGREEMENT
    if missing < _MOST_MISSING and not disagree:
        return None
    signs = [f"{missing} of {len(REGIONS)} regions are missing"] if missing else []
    signs += [f"the views agree on {agreement:.0%} of the brain"] if disagree else []
    volume = count[[region.id for region in REGIONS]].sum() * abs(np.linalg.det(affine[:3, :3])) / 1000
    return f"probably not an upright T1 of a whole head ({', '.join(signs)}): {_cause(ids, affine, float(volume))}"


def _cause(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64], volume: float) -> str:
    cortex = _centre(ids >= 1000, affine)
    cerebellum = _centre(np.isin(ids, _CEREBELLUM), affine)
    if volume < _LITTLE_BRAIN:
        return f"only {volume:.0f} cm3 of brain found: is the contrast T1, and does the field of view hold a head?"
    if cortex is not None and cerebellum is not None and cerebellum[2] > cortex[2]:
        return "the cerebellum lies above the cortex: is the orientation in the header right?"
    front, back = (_centre(np.isin(ids, part), affine) for part in (_FRONTAL, _OCCIPITAL))
    if front is not None and back is not None and front[1] < back[1]:
        return "the frontal lobe lies behind the occipital: is the orientation in the header right?"
    return "are contrast (T1), orientation and field of view right?"


def _centre(mask: npt.NDArray[np.bool_], affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """The centre of mass in RAS millimetres, from the sums of a mask along its axes."""
    if not mask.any():
        return None
    middle = []
    for axis in range(3):
        along = mask.sum(axis=tuple(other for other in range(3) if other != axis))
        middle.append(float((along * np.arange(len(along))).sum() / along.sum()))
    centre: npt.NDArray[np.float64] = affine[:3, :3] @ np.array(middle) + affine[:3, 3]
    return centre
