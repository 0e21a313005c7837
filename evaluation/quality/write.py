"""Measure the label maps of a folder, and write its quality page, pictures and tables of volumes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.errors import CohortError, DartsError
from darts_ensemble.results.outputs import write_text
from darts_ensemble.scans.scan import Scan, read_label_map, read_scan
from darts_ensemble.versions import package_version
from evaluation.quality.cohort_volumes import same_name, save_volumes
from evaluation.quality.findings import LEVELS, ScanFindings, findings_of_cohort
from evaluation.quality.label_maps import LabelMap, find_label_maps
from evaluation.quality.measures import Measures, measure
from evaluation.quality.mosaic import save_mosaic
from evaluation.quality.page import write_page

__all__ = ["QualityRun", "write_quality"]


@dataclass(frozen=True)
class QualityRun:
    """Result of :func:`write_quality`.

    Attributes
    ----------
    page : Path
    findings : dict of str to ScanFindings
        In the order of the page.
    failures : list of str
        Label maps that could not be read, and why.
    without_scan : list of str
        Names of label maps whose scan was not found: their pictures show regions only.
    files : list of Path
    """

    page: Path
    findings: dict[str, ScanFindings]
    failures: list[str] = field(default_factory=list)
    without_scan: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def write_quality(
    folder: Path, out: Path | None = None, *, exclude: Collection[str] = (), report: Callable[[str], None] = lambda name: None
) -> QualityRun:
    """Write `quality.html`, `quality.tsv`, `volumes_long.tsv`, `volumes_wide.tsv` and `pictures/` for a folder of label maps.

    Parameters
    ----------
    folder : Path
        As for :func:`evaluation.quality.label_maps.find_label_maps`.
    out : Path, optional
        Default: `quality` in the folder.
    exclude : collection of str
        Names of scans that the tables of volumes leave out; the page still shows them.
    report : callable
        Called with the name of each label map that is done.

    Raises
    ------
    CohortError
        If the folder holds no label map, or none that can be read.
    """
    out = out or folder / "quality"
    maps = find_label_maps(folder)
    measured: dict[str, Measures] = {}
    failures, without_scan = [], []
    pictures = _picture_names(maps)
    for one in maps:
        try:
            labels = read_label_map(one.path)
            measured[one.name] = measure(labels.data, labels.affine, one.account.get("mean_view_agreement"))
            scan = _voxels(one, labels)
            if scan is None:
                without_scan.append(one.name)
            picture = out / "pictures" / pictures[one.name]
            if not _newer(picture, one):
                save_mosaic(picture, scan, labels.data, labels.affine)
        except DartsError as error:
            failures.append(str(error))
        report(one.name)
    if not measured:
        others = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise CohortError(f"{folder}: no label map that can be read: {failures[0]}{others}")
    flags = {one.name: one.account["flags"] for one in maps if isinstance(one.account.get("flags"), list)}
    doubts = {one.name: one.account["suspicion"] for one in maps if isinstance(one.account.get("suspicion"), str)}
    found = findings_of_cohort(measured, flags, doubts)
    by_name = {one.name: one for one in maps}
    rows = [_row(by_name[name], measured[name], findings, pictures[name]) for name, findings in found.items()]
    footer = f"darts-ensemble {package_version('darts-ensemble')}"
    page = write_page(out / "quality.html", folder.resolve().name, rows, footer)
    write_text(out / "quality.tsv", _table(rows).to_csv(sep="\t", index=False, na_rep="n/a"))
    kept = {one.name: measured[one.name].volumes for one in maps if one.name in measured and same_name(one.name) not in exclude}
    estimates = {name: measured[name].intracranial_mm3 for name in kept}
    tables = save_volumes(out, kept, {one.name: one.session for one in maps}, estimates)
    return QualityRun(page, found, failures, without_scan, [page, out / "quality.tsv", *tables])


def _voxels(one: LabelMap, labels: Scan) -> npt.NDArray[Any] | None:
    """Return the scan on the grid of the label map; None if there is none."""
    if one.scan is None:
        return None
    try:
        scan = read_scan(one.scan)
    except DartsError:
        return None
    same = scan.data.shape == labels.data.shape and np.allclose(scan.affine, labels.affine, atol=1e-3)
    return scan.data if same else None


def _newer(picture: Path, one: LabelMap) -> bool:
    """Whether a picture is newer than the files it shows."""
    if not picture.is_file():
        return False
    drawn = picture.stat().st_mtime
    return all(path.stat().st_mtime < drawn for path in (one.path, one.scan) if path is not None)


def _picture_names(maps: list[LabelMap]) -> dict[str, str]:
    """Return file names with only characters that every server and system reads alike; equal names get a number."""

    def free(name: str, taken: set[str]) -> Iterator[str]:
        base = re.sub(r"[^A-Za-z0-9._-]", "_", name)
        yield base
        yield from (f"{base}_{number}" for number in range(2, len(maps) + 2))

    names: dict[str, str] = {}
    taken: set[str] = set()
    for one in maps:
        chosen = next(name for name in free(one.name, taken) if name.lower() not in taken)
        taken.add(chosen.lower())
        names[one.name] = f"{chosen}.webp"
    return names


def _row(one: LabelMap, measured: Measures, found: ScanFindings, picture: str) -> dict[str, Any]:
    agreement = one.account.get("mean_view_agreement")
    return {
        "name": one.name,
        "level": found.level,
        "score": round(found.score, 1),
        "picture": f"pictures/{picture}",
        "agreement": agreement if isinstance(agreement, int | float) else None,
        "brain_cm3": round(float(measured.volumes["volume_mm3"].sum()) / 1000, 1),
        "findings": [asdict(finding) for finding in found.findings],
        "outliers": [asdict(outlier) for outlier in found.outliers],
        "label_map": str(one.path),
    }


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = ("name", "level", "score", "agreement", "brain_cm3")
    counts = [{level: sum(one["level"] == level for one in row["findings"]) for level in LEVELS} for row in rows]
    return pd.DataFrame(
        [
            {**{name: row[name] for name in columns}, **count, "findings": "; ".join(one["text"] for one in row["findings"])}
            for row, count in zip(rows, counts, strict=True)
        ]
    )
