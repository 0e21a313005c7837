"""Volumes of the regions of a label map, in cubic millimetres, their agreement between views, and quality flags."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.labels import REGIONS, Region

__all__ = ["asymmetric_pairs", "quality_flags", "region_agreement", "region_volumes", "unusual_volumes", "voxels_of_ids"]

#: FreeSurfer ids of regions lie below this.
_MOST_IDS = 3000
#: A segmentation is flagged if the mean agreement of the views over the brain is below this.
LOW_AGREEMENT = 0.7
#: The two sides of a pair of at least 500 mm^3 are flagged if they differ by more than this share of their mean.
ASYMMETRY = 0.5
#: A segmentation is flagged if the volume of all regions is outside this range, in cm^3: adult brains have 1173 to 1626
#: (Filipek et al., Cerebral Cortex 4:344, 1994); wider for age, small heads and the parts outside the 102 regions.
BRAIN_CM3 = (800, 1900)


def voxels_of_ids(ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return how many voxels each id has, (3000,), of FreeSurfer ids (x, y, z)."""
    counts = np.zeros(_MOST_IDS, dtype=np.int64)
    ids = np.asarray(ids)
    planes = ids.T if ids.flags.f_contiguous else ids
    for plane in planes:  # counting makes each id eight bytes: of a fine scan at once that would be a gigabyte
        counts += np.bincount(plane.ravel(order="K"), minlength=_MOST_IDS)
    return counts


def region_volumes(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Return one row per region: region_id, region_name, hemisphere, group, n_voxels, volume_mm3.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.
    affine : (4, 4) ndarray
        Its determinant is the volume of a voxel, oblique or not.
    """
    counts = voxels_of_ids(ids)
    voxel = abs(float(np.linalg.det(affine[:3, :3])))
    return pd.DataFrame(
        {
            "region_id": [region.id for region in REGIONS],
            "region_name": [region.name for region in REGIONS],
            "hemisphere": [region.hemisphere for region in REGIONS],
            "group": [region.group for region in REGIONS],
            "n_voxels": [int(counts[region.id]) for region in REGIONS],
            "volume_mm3": [round(float(counts[region.id]) * voxel, 3) for region in REGIONS],
        }
    )


def region_agreement(ids: npt.NDArray[Any], agreement: npt.NDArray[np.float32]) -> pd.DataFrame:
    """Return the mean agreement of the views in each region: region_id, region_name, n_voxels, agreement (0 to 1, or NaN)."""
    count = voxels_of_ids(ids)
    total = np.zeros(_MOST_IDS)
    for plane, values in zip(ids, agreement, strict=True):
        total += np.bincount(np.ravel(plane), weights=np.ravel(values), minlength=_MOST_IDS)
    numbers = [region.id for region in REGIONS]
    return pd.DataFrame(
        {
            "region_id": numbers,
            "region_name": [region.name for region in REGIONS],
            "n_voxels": count[numbers],
            "agreement": [round(float(total[one] / count[one]), 4) if count[one] else np.nan for one in numbers],
        }
    )


@cache
def _usual_volumes() -> dict[int, tuple[float, float]]:
    """Return half the smallest and 1.5 times the largest volume, in mm^3, measured by `benchmarks/volume_ranges.py`."""
    text = files("darts_ensemble.results").joinpath("volume_ranges.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {int(row["region_id"]): (float(row["low_mm3"]), float(row["high_mm3"])) for row in rows}


def unusual_volumes(volumes: pd.DataFrame) -> list[str]:
    """Return one flag that names the regions with a volume outside the usual range, or none.

    The ranges are those of the FreeSurfer maps of eight people, widened by half, so that most brains are not flagged; they are
    not norms. Missing regions are not named here.

    Parameters
    ----------
    volumes : DataFrame
        Of :func:`region_volumes`.
    """
    usual = _usual_volumes()
    named = []
    for one, name, volume in zip(volumes["region_id"], volumes["region_name"], volumes["volume_mm3"], strict=True):
        low, high = usual[int(one)]
        if volume > 0 and not low <= volume <= high:
            named.append(f"{name} {volume:.0f} mm3 ({low:.0f} to {high:.0f})")
    return [f"volume outside the usual range: {', '.join(named)}"] if named else []


def asymmetric_pairs(volume: Mapping[int, float]) -> list[Region]:
    """Return the left region of each pair whose sides differ much, given the volume in mm^3 of each FreeSurfer id."""
    pairs = []
    for region in REGIONS:
        if region.hemisphere == "left" and region.homologue is not None:
            left, right = volume[region.id], volume[region.homologue]
            mean = (left + right) / 2
            if mean >= 500 and abs(left - right) > ASYMMETRY * mean:
                pairs.append(region)
    return pairs


def quality_flags(volumes: pd.DataFrame, ids: npt.NDArray[Any], agreement: float | None) -> list[str]:
    """Return the quality flags of a segmentation.

    Missing regions, sides that differ, a brain of unlikely size or at the border of the scan, views that disagree.

    Parameters
    ----------
    volumes : DataFrame
        Of :func:`region_volumes`.
    ids : (x, y, z) ndarray of int
    agreement : float or None
        Mean agreement of the views over the brain, 0 to 1; None for one view.
    """
    flags = []
    volume = dict(zip(volumes["region_id"], volumes["volume_mm3"], strict=True))
    missing = [region.name for region in REGIONS if volume[region.id] == 0]
    if missing:
        flags.append(f"missing region: {', '.join(missing)}")
    for region in asymmetric_pairs(volume):
        left, right = volume[region.id], volume[region.homologue]
        flags.append(f"left/right asymmetry: {region.name} {left:.0f} mm3, other side {right:.0f} mm3")
    brain = float(volumes["volume_mm3"].sum()) / 1000
    if not BRAIN_CM3[0] <= brain <= BRAIN_CM3[1]:
        flags.append(f"volume of all regions {brain:.0f} cm3, outside {BRAIN_CM3[0]} to {BRAIN_CM3[1]}")
    faces = [ids[(slice(None),) * axis + (end,)] for axis in range(3) for end in (0, -1)]
    if any(np.any(face > 0) for face in faces):
        flags.append("brain touches the border of the scan")
    if agreement is not None and agreement < LOW_AGREEMENT:
        flags.append(f"low view agreement: {agreement:.2f}")
    return flags
