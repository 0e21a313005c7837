"""Intracranial volume, estimated from the positions of the regions, because no network here labels the skull."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS

__all__ = ["estimated_intracranial_volume", "fit_to_template", "region_centres"]

_IDS = np.array([region.id for region in REGIONS])
_MOST_ID = 3000
#: Intracranial volume of the template, mm3: the factor that FreeSurfer uses for its eTIV.
TEMPLATE_MM3 = 1_948_106.0
#: No estimate is made from fewer regions, or if the fit leaves a larger residual (root mean square): it is not a whole, upright
#: and correctly labelled brain. benchmarks/intracranial.py prints the residuals of FreeSurfer's label maps of 28 people.
FEWEST_REGIONS = 60
MOST_RESIDUAL_MM = 12.0


def region_centres(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the centre of each region, (102, 3), RAS mm; NaN for missing regions.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.
    affine : (4, 4) ndarray
        Voxels to RAS mm.
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
    """Estimate the intracranial volume, mm3, from the centres of the regions; None if they are not those of a whole brain.

    Parameters
    ----------
    centres : (102, 3) float64
        From :func:`region_centres`.

    Notes
    -----
    An affine map from the centres in the MNI152 template to those of the person is fitted by least squares. Its determinant
    says how much larger the head is than the template. The estimate is this factor times the intracranial volume of the
    template. Buckner et al. (2004) do the same, but find the map by registering the scan; FreeSurfer calls their result eTIV.
    Both estimates follow the size of the head, not the atrophy of the brain in it.

    References
    ----------
    Buckner RL et al. A unified approach for morphometric and functional data analysis in young, old, and demented adults using
    automated atlas-based head size normalization. NeuroImage 23 (2004) 724-738.
    """
    if (~np.isnan(centres).any(axis=1)).sum() < FEWEST_REGIONS:
        return None
    size, residual = fit_to_template(centres)
    return None if residual > MOST_RESIDUAL_MM or size <= 0 else TEMPLATE_MM3 * size


def fit_to_template(centres: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Fit an affine map from the centres in the MNI152 template to those of a person.

    Parameters
    ----------
    centres : (102, 3) float64
        From :func:`region_centres`; missing regions (NaN) are left out.

    Returns
    -------
    size : float
        Determinant of the map: volume of the head as a multiple of the template's.
    residual : float
        Root mean square distance between the centres and where the map puts them, mm.
    """
    there = ~np.isnan(centres).any(axis=1)
    template = np.column_stack([_template_centres()[there], np.ones(int(there.sum()))])
    fitted = np.linalg.lstsq(template, centres[there], rcond=None)[0]
    residual = float(np.sqrt(((template @ fitted - centres[there]) ** 2).sum(axis=1).mean()))
    return float(np.linalg.det(fitted[:3])), residual


@cache
def _template_centres() -> npt.NDArray[np.float64]:
    """Centres of the regions in the MNI152 template, (102, 3), RAS mm; written by benchmarks/template_centres.py."""
    with files("darts_ensemble.results").joinpath("template_centres.tsv").open(encoding="utf-8") as file:
        rows = {int(row["region_id"]): row for row in csv.DictReader(file, delimiter="\t")}
    return np.array([[float(rows[one][axis]) for axis in ("x_mm", "y_mm", "z_mm")] for one in _IDS.tolist()])
