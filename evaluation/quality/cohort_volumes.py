"""Volumes of a cohort as tables: one row per region and scan, and one row per scan with a column per region."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from darts_ensemble.errors import CohortError
from darts_ensemble.results.outputs import write_text

__all__ = ["DECISIONS", "excluded_names", "same_name", "save_volumes"]

DECISIONS = ("pass", "fail", "unsure")


def excluded_names(path: Path) -> set[str]:
    """Return the scans that failed in a table of decisions: the column `name` of the rows with the `decision` `fail`.

    Letters with accents are composed (Unicode NFC), as :func:`same_name` has them.

    Raises
    ------
    CohortError
        If it can't be read, lacks a column, holds another decision, or two decisions on one scan.
    """
    expected = "expected the table that the quality page exports: name, decision, with tabs between"
    try:
        content = path.read_bytes()
        # Excel's "Unicode text" is UTF-16.
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
        columns = rows.fieldnames or []
        if not {"name", "decision"} <= set(columns):
            raise CohortError(f"{path}: columns {', '.join(columns) or 'none'}; {expected}")
        given = [(same_name((row["name"] or "").strip()), (row["decision"] or "").strip().lower()) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CohortError(f"{path}: {reason}; {expected}") from None
    decided: dict[str, str] = {}
    for name, word in given:
        if word not in ("", *DECISIONS):
            raise CohortError(f"{path}: decision {word} of {name}; expected {', '.join(DECISIONS)} or nothing")
        if word and decided.setdefault(name, word) != word:
            raise CohortError(f"{path}: {name} has the decisions {decided[name]} and {word}; expected one")
    return {name for name, decision in decided.items() if decision == "fail"}


def same_name(name: str) -> str:
    """Return a name with its accents composed: systems store one name in two ways (`é`, or `e` and an accent)."""
    return unicodedata.normalize("NFC", name)


def save_volumes(
    out: Path, volumes: Mapping[str, pd.DataFrame], sessions: Mapping[str, str], intracranial: Mapping[str, float | None]
) -> list[Path]:
    """Write `volumes_long.tsv` and `volumes_wide.tsv` (mm3); without a scan, earlier ones are removed.

    Parameters
    ----------
    out : Path
    volumes : mapping of str to DataFrame
        Of :func:`darts_ensemble.results.volumetry.region_volumes`, by name of the scan.
    sessions : mapping of str to str
        BIDS session of each scan, or nothing.
    intracranial : mapping of str to float or None
        Estimated intracranial volume of each scan, mm3; see :mod:`darts_ensemble.results.intracranial`.

    Returns
    -------
    list of Path
    """
    paths = [out / "volumes_long.tsv", out / "volumes_wide.tsv"]
    parts = []
    for name, table in volumes.items():
        part = table.copy()
        part.insert(0, "name", name)
        part.insert(1, "subject", name.split("_")[0] if name.startswith("sub-") else name)
        part.insert(2, "session", sessions.get(name, ""))
        estimate = intracranial.get(name)
        part["estimated_intracranial_mm3"] = float("nan") if estimate is None else round(estimate)
        parts.append(part)
    if not parts:
        for path in paths:
            path.unlink(missing_ok=True)
        return []
    long = pd.concat(parts, ignore_index=True)
    who = ["name", "subject", "session"]
    regions = list(dict.fromkeys(long["region_name"]))
    wide = long.pivot_table(index=who, columns="region_name", values="volume_mm3")[regions]
    wide.insert(0, "all_regions_mm3", wide.sum(axis=1).round(3))
    estimates = long.groupby("name")["estimated_intracranial_mm3"].first()
    wide.insert(0, "estimated_intracranial_mm3", estimates.reindex(wide.index.get_level_values("name")).to_numpy())
    write_text(paths[0], long.to_csv(sep="\t", index=False, na_rep="n/a"))
    write_text(paths[1], wide.reset_index().to_csv(sep="\t", index=False, na_rep="n/a"))
    return paths
