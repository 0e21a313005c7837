"""Intracranial volume, estimated from where the regions lie: no network here labels the skull."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS

__all__ = ["estimated_intracranial_volume", "region_centres"]

_IDS = np.array([region.id for region in REGIONS])
_MOST_ID = 3000
#: Intracranial volume of the space of the template, mm3: the factor by which FreeSurfer multiplies.
TEMPLATE_MM3 = 1_948_106.0
#: Fewer regions, or regions that lie farther from where the fit puts them (root mean square), are no whole brain, upright and
#: labelled rightly. In FreeSurfer's label maps of 28 people it is 2.4 to 3.4 mm, and 5.6 in one with ventricles of 169 ml.
FEWEST_REGIONS = 60
MOST_RESIDUAL_MM = 12.0


def region_centres(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the centre of each region, (102, 3) RAS millimetres; NaN where it is missing.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.
    affine : (4, 4) ndarray
        From voxels to RAS millimetres.
    """
    inside = np.isin(ids, _IDS)
    labels = ids[inside].astype(np.int64)
    count = np.bincount(labels, minlength=_MOST_ID)[_IDS]
    voxels = np.argwhere(inside)
    sums = np.stack([np.bincount(labels, voxels[:, axis], minlength=_MOST_ID)[_IDS] for axis in range(3)], axis=1)
    means = sums / np.where(count, count, np.nan)[:, None]
    centres: npt.NDArray[np.float64] = means @ affine[:3, :3].T + affine[:3, 3]
    return centres


def estimated_intracranial_volume(centres: npt.NDArray[np.float64]) -> float | None:
    """Estimate the intracranial volume, mm3, from the centres of the regions; None where they are not those of a whole brain.

    Parameters
    ----------
    centres : (102, 3) float64
        Of :func:`region_centres`.

    Notes
    -----
    The affine map from the centres in the MNI152 template to those of the person is fitted by least squares. Its determinant is
    by how much the head is larger than the template; times the template's intracranial volume it is the estimate. This is the
    way of Buckner et al. (2004), in which the map comes from registering the scan; FreeSurfer calls the result eTIV. As there,
    it follows the size of the head and not what has shrunk within it.

    References
    ----------
    Buckner RL et al. A unified approach for morphometric and functional data analysis in young, old, and demented adults using
    automated atlas-based head size normalization. NeuroImage 23 (2004) 724-738.
    """
    there = ~np.isnan(centres).any(axis=1)
    if there.sum() < FEWEST_REGIONS:
        return None
    template = np.column_stack([_template_centres()[there], np.ones(int(there.sum()))])
    fitted = np.linalg.lstsq(template, centres[there], rcond=None)[0]
    residual = float(np.sqrt(((template @ fitted - centres[there]) ** 2).sum(axis=1).mean()))
    size = float(np.linalg.det(fitted[:3]))
    if residual > MOST_RESIDUAL_MM or size <= 0:
        return None
    return TEMPLATE_MM3 * size


@cache
def _template_centres() -> npt.NDArray[np.float64]:
    """Centres of the regions in the MNI152 template, (102, 3) RAS mm; benchmarks/template_centres.py makes the table."""
    with files("darts_ensemble.results").joinpath("template_centres.tsv").open(encoding="utf-8") as file:
        rows = {int(row["region_id"]): row for row in csv.DictReader(file, delimiter="\t")}
    return np.array([[float(rows[one][axis]) for axis in ("x_mm", "y_mm", "z_mm")] for one in _IDS.tolist()])
