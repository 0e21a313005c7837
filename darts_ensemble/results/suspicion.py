"""One sentence if a label map shows that its scan is probably not an upright T1 of a whole head, and what it may be instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.volumetry import asymmetric_pairs, voxels_of_ids
from darts_ensemble.scans.conform import Conformed
from darts_ensemble.scans.kinds import dark_white_matter, looks_like_ct, looks_like_statistics, short_side

__all__ = ["suspicion"]

#: Measured with the bundled networks of run 8, agreement of the views, and missing regions with pairs whose sides differ much.
#: Good: a clinical T1 of 3 mm slices 0.86 and 0; 0 to 3 in FreeSurfer's labels of 26 people, 0 or 1 in the coronal view of T1
#: scans. Not: 40 mm of sub-07 0.63 and 17 and more, the head back to front 0.54, upside down 0.42 to 0.44, 50 mm of its front
#: 0.42, a T2 0.58; of the coronal view turned by 90 degrees 9 to 27, of a CT 19, of ghosts 10. The limits lie between.
_LEAST_AGREEMENT, _MOST_IMPLAUSIBLE = 0.7, 7
#: Between the head upside down and contrasts in which the networks find hardly any brain: 0.21 and 61 with those of run 6.
_AGREEMENT_IN_OTHER_CONTRAST, _MISSING_IN_OTHER_CONTRAST = 0.35, 45
#: Cubic centimetres of all regions: 946 to 1430 in those 26 people.
_LARGEST_BRAIN = 2200
#: With fewer cubic centimetres of all regions, there is hardly any brain.
_LITTLE_BRAIN = 300
_CEREBELLUM = (7, 8, 46, 47)
_FRONTAL, _OCCIPITAL = (1028, 1014, 2028, 2014), (1011, 1013, 2011, 2013)


def suspicion(
    ids: npt.NDArray[Any], affine: npt.NDArray[np.float64], agreement: float | None, conformed: Conformed | None = None
) -> str | None:
    """Return what is probably wrong with a scan, judged by its labels; None if nothing is.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.
    affine : (4, 4) ndarray
        From voxels to RAS millimetres.
    agreement : float or None
        Mean agreement of the views over the brain, 0 to 1; None for one view.
    conformed : Conformed, optional
        The scan: white matter darker than the cortex is a sign by itself; values and extent say more about the cause.
    """
    count = voxels_of_ids(ids)
    missing = sum(not count[region.id] for region in REGIONS)
    disagree = agreement is not None and agreement < _LEAST_AGREEMENT
    dark = conformed is not None and dark_white_matter(conformed.scan.data, ids)
    voxel = abs(float(np.linalg.det(affine[:3, :3])))
    pairs = len(asymmetric_pairs({region.id: count[region.id] * voxel for region in REGIONS}))
    volume = float(count[[region.id for region in REGIONS]].sum()) * voxel / 1000
    large = volume > _LARGEST_BRAIN
    if missing + pairs <= _MOST_IMPLAUSIBLE and not (disagree or dark or large):
        return None
    signs = [f"{missing} of {len(REGIONS)} regions are missing"] if missing else []
    signs += [f"the views agree on {agreement:.0%} of the brain"] if disagree else []
    signs += ["white matter is darker than the cortex"] if dark else []
    signs += [f"{pairs} pairs of regions differ much between the sides"] if pairs > 1 else []
    signs += [f"the regions together have {volume:.0f} cm3"] if large else []
    other = missing >= _MISSING_IN_OTHER_CONTRAST if agreement is None else agreement < _AGREEMENT_IN_OTHER_CONTRAST
    cause = _cause_in_scan(conformed, other=other or dark) or _cause_in_labels(ids, affine, volume, other=other or dark)
    return f"probably not an upright T1 of a whole head ({', '.join(signs)}): {cause}"


def _cause_in_scan(conformed: Conformed | None, *, other: bool) -> str | None:
    """What the values and the extent of a scan say; `other`: whether as little is found as in another contrast than T1."""
    if conformed is None:
        return None
    if looks_like_ct(conformed.scan.data):
        return "its values are Hounsfield units, as of a CT: give a T1"
    if side := short_side(conformed.data):
        return f"it shows {side}: is it a slab or a part of a head?"
    if other and looks_like_statistics(conformed.scan.data):
        return "its values lie on both sides of 0, as of a statistical map: give a T1"
    return None


def _cause_in_labels(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64], volume: float, *, other: bool) -> str:
    """What the places of the labels say; `other`: whether the scan seems to have another contrast than T1."""
    cortex = _centre(ids >= 1000, affine)
    cerebellum = _centre(np.isin(ids, _CEREBELLUM), affine)
    if volume < _LITTLE_BRAIN:
        return f"only {volume:.0f} cm3 of brain found: is the contrast T1, and does the field of view hold a head?"
    if volume > _LARGEST_BRAIN:
        return "are the voxel sizes in the header right, and is it one head?"
    if other:
        return "the contrast is probably not T1 but another, such as T2 or FLAIR"
    if cortex is not None and cerebellum is not None and cerebellum[2] > cortex[2]:
        return "the cerebellum lies above the cortex, as in a head upside down: is the orientation in the header right?"
    front, back = (_centre(np.isin(ids, part), affine) for part in (_FRONTAL, _OCCIPITAL))
    # Networks that know the place in the head call what lies in front frontal, but find the cerebellum by its looks: 33 mm in
    # front of the middle of the cortex, where it lies 32 to 43 mm behind it in other heads.
    turned = cortex is not None and cerebellum is not None and cerebellum[1] > cortex[1]
    if turned or (front is not None and back is not None and front[1] < back[1]):
        what = (
            "the cerebellum lies in front of the middle of the cortex"
            if turned
            else "the frontal lobe lies behind the occipital"
        )
        return f"{what}, as in a head back to front: is the orientation in the header right?"
    return "are contrast (T1), orientation and field of view right, or is there a large lesion?"


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
