"""Volumes of the cortical regions of a hemisphere as a table in the form of FreeSurfer's `lh.aparc.stats`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

__all__ = ["cortex_stats"]

#: Columns as FreeSurfer names, describes and measures them. Readers go by their places, so none can be left out.
_COLUMNS = (
    ("StructName", "Structure Name", "NA"), ("NumVert", "Number of Vertices", "unitless"),
    ("SurfArea", "Surface Area", "mm^2"), ("GrayVol", "Gray Matter Volume", "mm^3"),
    ("ThickAvg", "Average Thickness", "mm"), ("ThickStd", "Thickness StdDev", "mm"),
    ("MeanCurv", "Integrated Rectified Mean Curvature", "mm^-1"),
    ("GausCurv", "Integrated Rectified Gaussian Curvature", "mm^-2"), ("FoldInd", "Folding Index", "unitless"),
    ("CurvInd", "Intrinsic Curvature Index", "unitless"),
)  # fmt: skip


def cortex_stats(volumes: pd.DataFrame, side: str, subject: str, measures: Sequence[str]) -> str:
    """Return a table in the form of FreeSurfer's `lh.aparc.stats` or `rh.aparc.stats`, with volumes alone.

    There is no surface: the number of vertices is 0, and what is measured on a surface is `nan`.

    Parameters
    ----------
    volumes : DataFrame
        From :func:`darts_ensemble.results.volumetry.region_volumes`.
    side : {"lh", "rh"}
    subject : str
    measures : sequence of str
        `Measure` lines of the whole brain; see :func:`darts_ensemble.results.freesurfer_table.measure_lines`.
    """
    prefix = f"ctx-{side}-"
    rows = volumes[volumes["region_name"].str.startswith(prefix)].sort_values("region_id")
    lines = [
        "# Table of FreeSurfer cortical parcellation anatomical statistics ",
        "# ",
        "# generating_program darts-segment",
        "# anatomy_type volume",
        f"# subjectname {subject}",
        f"# hemi {side}",
        "# AnnotationFile none",
        "# Measure Cortex, NumVert, Number of Vertices, 0, unitless",
        *measures,
        f"# NTableCols {len(_COLUMNS)}",
        *_described_columns(),
        f"# ColHeaders {' '.join(name for name, _, _ in _COLUMNS)}",
    ]
    unknown = " ".join(f"{'nan':>{width}}" for width in (6, 5, 9, 9, 8, 7))
    for name, volume in zip(rows["region_name"], rows["volume_mm3"], strict=True):
        lines.append(f"{str(name).removeprefix(prefix):<40s} {0:4d} {'nan':>6} {round(float(volume)):6d} {unknown}")
    return "\n".join(lines) + "\n"


def _described_columns() -> Iterator[str]:
    for number, (name, described, unit) in enumerate(_COLUMNS, start=1):
        yield f"# TableCol {number:2d} ColHeader {name}"
        yield f"# TableCol {number:2d} FieldName {described}"
        yield f"# TableCol {number:2d} Units     {unit}"
