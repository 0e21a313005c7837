"""Manifests: a TSV that names the files of each subject, for data in other layouts."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.errors import CohortError
from darts_ensemble.scans.families import family_of

__all__ = ["ManifestRow", "read_manifest"]


@dataclass(frozen=True)
class ManifestRow:
    """One subject of a manifest: its file, and, if there are such columns, its scan and family."""

    subject: str
    file: Path
    scan: Path | None
    family: str


def read_manifest(path: Path, column: str) -> list[ManifestRow]:
    """Read a manifest.

    Parameters
    ----------
    path : Path
        Tab-separated, UTF-8, with a line of headings: `subject`, `column`, and optionally `scan` and `family`. Paths are
        relative to the manifest. Rows with an empty `column` are left out, so that one manifest can be used for references and
        predictions.
    column : {"reference", "prediction"}

    Raises
    ------
    CohortError
        If it can't be read, lacks a column, or names a subject twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CohortError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}; expected a TSV file") from None
    lines = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    headings = [heading for heading in lines[0] if heading] if lines else text.splitlines()[:1]
    if not {"subject", column} <= set(headings):
        found = ", ".join(headings) or "nothing"
        raise CohortError(f"{path}: columns {found} found; expected subject and {column}, separated by tabs")
    rows: dict[str, ManifestRow] = {}
    for number, line in enumerate(lines, start=2):
        subject, file, scan, family = ((line.get(name) or "").strip() for name in ("subject", column, "scan", "family"))
        if not file:
            continue
        if not subject:
            raise CohortError(f"{path}, line {number}: no subject; expected a name for {file}")
        if subject in rows:
            raise CohortError(f"{path}, line {number}: subject {subject} a second time; expected each once")
        rows[subject] = ManifestRow(
            subject, path.parent / file, path.parent / scan if scan else None, family or family_of(subject)
        )
    return list(rows.values())
