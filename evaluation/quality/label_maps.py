"""The label maps of a folder, each with its scan and the account written when it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from darts_ensemble.errors import CohortError, ScanError
from darts_ensemble.scans.scan import find_scan_in_subject, without_extension

__all__ = ["LabelMap", "find_label_maps"]

_FREESURFER = (
    "aparc.DKTatlas+aseg.darts.mgz", "aparc.DKTatlas+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz", "aparc+aseg.mgz",
)  # fmt: skip


@dataclass(frozen=True)
class LabelMap:
    """A label map to be checked.

    Attributes
    ----------
    name : str
        Unique in the folder.
    path : Path
    scan : Path or None
        The scan it was made from, if it is known and exists.
    account : dict
        What was written beside it (`flags`, `mean_view_agreement` ...); empty for maps of other programs.
    """

    name: str
    path: Path
    scan: Path | None
    account: dict[str, Any] = field(default_factory=dict)

    @property
    def session(self) -> str:
        """BIDS session of the name; empty if it has none."""
        match = re.search(r"_ses-([A-Za-z0-9]+)", self.name)
        return match[1] if match else ""


def find_label_maps(folder: Path) -> list[LabelMap]:
    """Return the label maps of a folder of `darts-segment`, in any format, of `darts-eval`, or of a SUBJECTS_DIR, by name.

    Raises
    ------
    CohortError
        If there is none.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder}: no such folder; expected one that darts-segment wrote to, or a SUBJECTS_DIR")
    found = list(_of_subjects(folder)) or list(_of_files(folder)) or list(_of_evaluation(folder))
    if not found:
        raise CohortError(f"{folder}: no label map found; expected *_dseg.nii.gz, *_dseg.mgz or <subject>/mri/{_FREESURFER[0]}")
    return sorted(found, key=lambda one: one.name)


def _of_subjects(folder: Path) -> Iterator[LabelMap]:
    for mri in sorted(folder.glob("*/mri")):
        path = next((mri / name for name in _FREESURFER if (mri / name).is_file()), None)
        if path is None:
            continue
        account = _read(mri.parent / "stats" / "aparc.DKTatlas+aseg.darts.quality.json") if ".darts." in path.name else {}
        yield LabelMap(mri.parent.name, path, _scan_in(mri.parent), account)


def _of_files(folder: Path) -> Iterator[LabelMap]:
    paths = {
        path for ending in ("nii.gz", "mgz") for level in ("", "sub-*/**/") for path in folder.glob(f"{level}*_dseg.{ending}")
    }
    for path in sorted(paths):
        stem = without_extension(path).removesuffix("_dseg")
        if stem.endswith(("desc-top", "top_desc-top")):
            continue
        beside = path.parent / f"{stem}_quality.json"
        account = _read(beside if beside.is_file() else path.parent / f"{stem}_dseg.json")
        yield LabelMap(stem.replace("_seg-darts", ""), path, _scan_of(account, path), account)


def _of_evaluation(folder: Path) -> Iterator[LabelMap]:
    """Those that `darts-eval` made: of each scan that of the ensemble, or that of the only view."""
    inside = folder / "segmentations" if (folder / "segmentations").is_dir() else folder
    for path in sorted(inside.glob("*.json")):
        account = _read(path)
        methods = account["maps_sha256"] if isinstance(account.get("maps_sha256"), dict) else {}
        maps = [inside / name / f"{path.stem}.nii.gz" for name in ("ensemble", *methods) if name in methods]
        if maps and maps[0].is_file():
            yield LabelMap(path.stem, maps[0], _scan_of(account, maps[0]), account)


def _scan_of(account: dict[str, Any], path: Path) -> Path | None:
    named = [account["scan"]] if isinstance(account.get("scan"), str) else []
    named += [unquote(urlparse(uri).path) for uri in account.get("Sources", []) if str(uri).startswith("file:")]
    found = [path.parent / one for one in named]
    return next((one for one in found if one.is_file()), None)


def _scan_in(subject: Path) -> Path | None:
    try:
        return find_scan_in_subject(subject)
    except ScanError:
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
