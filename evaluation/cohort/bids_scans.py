"""T1-weighted scans of a raw BIDS data set, chosen by participant, session and the entities of a filter file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from darts_ensemble.errors import CohortError, UsageError
from darts_ensemble.results.bids_names import entities_of
from darts_ensemble.scans.scan import without_extension

__all__ = ["find_raw_scans", "read_filter"]

#: Long names of entities, as filter files of fMRIPrep and others have them, and the short ones of file names.
_SHORT = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "ceagent": "ce", "reconstruction": "rec", "run": "run",
    "echo": "echo", "part": "part", "chunk": "chunk", "inversion": "inv", "space": "space", "description": "desc",
}  # fmt: skip
_SUFFIXES = ("T1w", "UNIT1")


def find_raw_scans(
    root: Path, *, participants: Collection[str] = (), sessions: Collection[str] = (), wanted: Mapping[str, Any] | None = None
) -> list[Path]:
    """Return the T1w and UNIT1 images of a raw data set, by name; phase images and those in another space are left out.

    Of `x_T1w.nii` and `x_T1w.nii.gz` in one folder the compressed one is taken: they are one scan.

    Parameters
    ----------
    root : Path
    participants, sessions : collection of str
        Labels with or without `sub-` and `ses-`; none: all.
    wanted : mapping, optional
        Of :func:`read_filter`: a value, or a list of allowed values, by the long name of an entity; None: the entity is absent;
        "*": it is there, with any value.

    Raises
    ------
    CohortError
        If the folder is no BIDS data set, or nothing is left.
    UsageError
        If a participant is not there.
    """
    if not (root / "dataset_description.json").is_file():
        raise CohortError(f"{root}: no dataset_description.json; expected the root of a BIDS data set")
    there = sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())
    chosen = [one.removeprefix("sub-") for one in participants] or there
    if missing := [one for one in chosen if one not in there]:
        raise UsageError(f"{root}: no participant {', '.join(missing)}; expected some of {', '.join(there[:20])}")
    allowed = {one.removeprefix("ses-") for one in sessions}
    found = []
    for label in chosen:
        paths = [path for level in ("anat", "ses-*/anat") for path in (root / f"sub-{label}").glob(f"{level}/*.nii*")]
        for path in sorted(paths):
            name = without_extension(path)
            entities, suffix = entities_of(name), name.rpartition("_")[2]
            if suffix not in _SUFFIXES or not path.name.endswith((".nii", ".nii.gz")):
                continue
            if entities.get("part", "mag") != "mag" or "space" in entities:
                continue
            if (allowed and entities.get("ses") not in allowed) or not _fits(entities, suffix, wanted or {}):
                continue
            if path.suffix == ".nii" and path.with_name(f"{path.name}.gz") in paths:
                continue
            found.append(path)
    if not found:
        raise CohortError(
            f"{root}: no T1w or UNIT1 image of {len(chosen)} participants fits; expected sub-X/[ses-Y/]anat/*_T1w"
        )
    return found


def read_filter(path: Path) -> dict[str, Any]:
    """Read the entry `t1w` of a filter file, as fMRIPrep's `--bids-filter-file` takes it.

    Raises
    ------
    UsageError
        If it can't be read, or names an entity that T1w images don't have.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f'{path}: {error}; expected JSON such as {{"t1w": {{"session": "01"}}}}') from None
    wanted = content.get("t1w", {}) if isinstance(content, dict) else None
    if not isinstance(wanted, dict):
        raise UsageError(f'{path}: no entry t1w; expected JSON such as {{"t1w": {{"session": "01"}}}}')
    known = {*_SHORT, "suffix", "datatype", "extension"}
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"{path}: entity {unknown[0]}; expected some of {', '.join(sorted(known))}")
    return wanted


def _fits(entities: Mapping[str, str], suffix: str, wanted: Mapping[str, Any]) -> bool:
    for name, value in wanted.items():
        if name in ("datatype", "extension"):
            continue
        here = suffix if name == "suffix" else entities.get(_SHORT[name])
        if value == "*" and here is not None:
            continue
        allowed = value if isinstance(value, list) else [value]
        # A filter may have a run as a number.
        texts = [None if one is None else str(one) for one in allowed]
        if here not in texts and not (here is not None and here.isdigit() and here.lstrip("0") in texts):
            return False
    return True
