"""A scan's regions as a table in the form of FreeSurfer's `aseg.stats`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.labels import REGIONS

__all__ = ["freesurfer_stats", "measure_lines"]

#: Columns as FreeSurfer names, describes and measures them.
_COLUMNS = (
    ("Index", "Index", "NA"), ("SegId", "Segmentation Id", "NA"), ("NVoxels", "Number of Voxels", "unitless"),
    ("Volume_mm3", "Volume", "mm^3"), ("StructName", "Structure Name", "NA"), ("normMean", "Intensity normMean", "MR"),
    ("normStdDev", "Intensity normStdDev", "MR"), ("normMin", "Intensity normMin", "MR"),
    ("normMax", "Intensity normMax", "MR"), ("normRange", "Intensity normRange", "MR"),
)  # fmt: skip
_VENTRICLES = frozenset([4, 5, 14, 15, 24, 31, 43, 44, 63])
_BRAIN_STEM = 16
_SUBCORTICAL = frozenset([10, 11, 12, 13, 17, 18, 26, 28, 49, 50, 51, 52, 53, 54, 58, 60])
_CEREBELLAR_CORTEX = frozenset([8, 47])
_BELOW_TENTORIUM = frozenset([7, 8, 15, 16, 46, 47])


def freesurfer_stats(
    volumes: pd.DataFrame, ids: npt.NDArray[Any], intensity: npt.NDArray[Any], subject: str, etiv: float | None = None
) -> str:
    """Return a table in the form of FreeSurfer's `aseg.stats`, readable by `asegstats2table`.

    All 102 regions have a row, as `mri_segstats --empty` writes them, so that the tables of a cohort have the same rows.

    Parameters
    ----------
    volumes : DataFrame
        From :func:`darts_ensemble.results.volumetry.region_volumes`.
    ids, intensity : (x, y, z) ndarrays
        Label map and scan.
    subject : str
    etiv : float, optional
        Estimate of the intracranial volume, mm^3; see :mod:`darts_ensemble.results.intracranial`.
    """
    inside = ids > 0
    labels, values = ids[inside], intensity[inside].astype(np.float64)
    count = np.bincount(labels, minlength=3000)
    mean = np.bincount(labels, values, minlength=3000) / np.maximum(count, 1)
    spread = np.sqrt(np.bincount(labels, (values - mean[labels]) ** 2, minlength=3000) / np.maximum(count - 1, 1))
    low, high = np.full(3000, np.inf), np.full(3000, -np.inf)
    np.minimum.at(low, labels, values)
    np.maximum.at(high, labels, values)
    low[count == 0] = high[count == 0] = 0
    names = " ".join(name for name, _, _ in _COLUMNS)
    lines = [
        "# Title Segmentation Statistics",
        "#",
        "# generating_program darts-segment",
        "# anatomy_type volume",
        "#",
        f"# subjectname {subject}",
        *measure_lines(volumes, etiv),
        f"# VoxelVolume_mm3 {_voxel(volumes):g}",
        *_described_columns(),
        f"# NRows {len(volumes)}",
        f"# NTableCols {len(_COLUMNS)}",
        f"# ColHeaders  {names}",
    ]
    for index, row in enumerate(volumes.sort_values("region_id").itertuples(index=False), start=1):
        one = int(row.region_id)  # type: ignore[arg-type]
        lines.append(
            f"{index:3d} {one:5d} {row.n_voxels:9d} {row.volume_mm3:11.1f}  {row.region_name:<32s} "
            f"{mean[one]:10.4f} {spread[one]:10.4f} {low[one]:10.4f} {high[one]:10.4f} {high[one] - low[one]:10.4f}"
        )
    return "\n".join(lines) + "\n"


def measure_lines(volumes: pd.DataFrame, etiv: float | None = None) -> list[str]:
    """Return sums of regions under FreeSurfer's names, in its order; all are counts of labels, none of surfaces.

    FreeSurfer's volume of the brain leaves out the brain stem.

    Parameters
    ----------
    volumes : DataFrame
        From :func:`darts_ensemble.results.volumetry.region_volumes`.
    etiv : float, optional
        Estimate of the intracranial volume, mm^3. Without it, nothing stands in its place.
    """
    volume = dict(zip(volumes["region_id"], volumes["volume_mm3"], strict=True))

    def total(ids: Any) -> float:
        return float(sum(volume[one] for one in ids))

    brain = [region.id for region in REGIONS if region.id != _BRAIN_STEM]
    above = set(brain) - _BELOW_TENTORIUM
    left, right = ([region.id for region in REGIONS if region.name.startswith(f"ctx-{side}-")] for side in ("lh", "rh"))
    sums = (
        ("BrainSeg, BrainSegVol, Brain Segmentation Volume", brain),
        ("BrainSegNotVent, BrainSegVolNotVent, Brain Segmentation Volume Without Ventricles", set(brain) - _VENTRICLES),
        ("lhCortex, lhCortexVol, Left hemisphere cortical gray matter volume", left),
        ("rhCortex, rhCortexVol, Right hemisphere cortical gray matter volume", right),
        ("Cortex, CortexVol, Total cortical gray matter volume", left + right),
        ("lhCerebralWhiteMatter, lhCerebralWhiteMatterVol, Left hemisphere cerebral white matter volume", [2]),
        ("rhCerebralWhiteMatter, rhCerebralWhiteMatterVol, Right hemisphere cerebral white matter volume", [41]),
        ("CerebralWhiteMatter, CerebralWhiteMatterVol, Total cerebral white matter volume", [2, 41]),
        ("SubCortGray, SubCortGrayVol, Subcortical gray matter volume", _SUBCORTICAL),
        ("TotalGray, TotalGrayVol, Total gray matter volume", {*left, *right, *_SUBCORTICAL, *_CEREBELLAR_CORTEX}),
        ("SupraTentorial, SupraTentorialVol, Supratentorial volume", above),
        ("SupraTentorialNotVent, SupraTentorialVolNotVent, Supratentorial volume", above - _VENTRICLES),
    )
    lines = [f"# Measure {names}, {total(ids):.6f}, mm^3" for names, ids in sums]
    if etiv is not None:
        share = total(brain) / etiv
        lines.append(f"# Measure BrainSegVol-to-eTIV, BrainSegVol-to-eTIV, Ratio of BrainSegVol to eTIV, {share:.6f}, unitless")
        lines.append(f"# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, {etiv:.6f}, mm^3")
    return lines


def _voxel(volumes: pd.DataFrame) -> float:
    """Volume of a voxel, mm3; 0 where nothing is labelled."""
    present = volumes[volumes["n_voxels"] > 0]
    return float((present["volume_mm3"] / present["n_voxels"]).iloc[0]) if len(present) else 0.0


def _described_columns() -> Iterator[str]:
    for number, (name, described, unit) in enumerate(_COLUMNS, start=1):
        yield f"# TableCol {number:2d} ColHeader {name}"
        yield f"# TableCol {number:2d} FieldName {described}"
        yield f"# TableCol {number:2d} Units     {unit}"
