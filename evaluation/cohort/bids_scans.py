"""T1-weighted scans of a raw BIDS data set, chosen by participant, session and the entities of a filter file."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from darts_ensemble.errors import CohortError, UsageError
from darts_ensemble.results.bids_names import entities_of
from darts_ensemble.scans.scan import without_extension

__all__ = ["find_raw_scans", "read_filter"]

#: Long names of entities, as filter files of fMRIPrep and others have them, and the short ones of file names.
_SHORT = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "ceagent": "ce", "reconstruction": "rec", "run": "run",
    "echo": "echo", "part": "part", "chunk": "chunk", "inversion": "inv", "inv": "inv", "space": "space", "description": "desc",
}  # fmt: skip
#: Words of pybids that filter files may have in place of null and "*".
_QUERIES = {"Query.NONE": None, "Query.ANY": "*"}
_SUFFIXES = ("T1w", "UNIT1")


def find_raw_scans(
    root: Path,
    *,
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    wanted: Mapping[str, Any] | None = None,
    without: Callable[[str], None] = lambda what: None,
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
    without : callable
        Called with each participant or session (`sub-01`, `sub-01/ses-2`) that has no such image.

    Raises
    ------
    CohortError
        If the folder is no BIDS data set, or nothing is left.
    UsageError
        If a participant or a session is not there.
    """
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; expected the root of a BIDS data set")
    if not (root / "dataset_description.json").is_file():
        raise CohortError(f"{root}: no dataset_description.json; expected the root of a BIDS data set")
    there = sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())
    chosen = _chosen(root, "participant", [one.removeprefix("sub-") for one in participants], there)
    visits = {label: sorted(path for path in (root / f"sub-{label}").glob("ses-*") if path.is_dir()) for label in chosen}
    names = sorted({path.name.removeprefix("ses-") for paths in visits.values() for path in paths})
    allowed = _chosen(root, "session", [one.removeprefix("ses-") for one in sessions], names) if sessions else []
    found = []
    for label in chosen:
        person = root / f"sub-{label}"
        # Images that belong to no session lie in the person's own folder, also beside sessions.
        for folder in (person, *visits[label]):
            session = folder.name.removeprefix("ses-") if folder != person else None
            if allowed and session not in allowed:
                continue
            scans = _scans_in(folder / "anat", wanted or {})
            if not scans and (folder != person or not visits[label]):
                without(folder.relative_to(root).as_posix())
            found += scans
    if not found:
        people = "the participant" if len(chosen) == 1 else f"{len(chosen)} participants"
        raise CohortError(f"{root}: no T1w or UNIT1 image of {people} fits; expected sub-X/[ses-Y/]anat/*_T1w.nii.gz")
    return found


def _chosen(root: Path, what: str, wanted: list[str], there: list[str]) -> list[str]:
    """Return the labels that are wanted, or all; one that is not there is refused."""
    if missing := [one for one in wanted if one not in there]:
        more = f" and {len(there) - 20} more" if len(there) > 20 else ""
        known = f"some of {', '.join(there[:20])}{more}" if there else f"none: this data set has no {what}s"
        advice = " (labels have spaces between, no commas)" if any("," in one for one in missing) else ""
        raise UsageError(f"{root}: no {what} {', '.join(missing)}; expected {known}{advice}")
    return list(dict.fromkeys(wanted)) or there


def _scans_in(anat: Path, wanted: Mapping[str, Any]) -> list[Path]:
    """Return the T1w and UNIT1 images of a folder that fit a filter."""
    paths = sorted(anat.glob("*.nii*"))
    found = []
    for path in paths:
        name = without_extension(path)
        entities, suffix = entities_of(name), name.rpartition("_")[2]
        if suffix not in _SUFFIXES or not path.name.endswith((".nii", ".nii.gz")):
            continue
        if entities.get("part", "mag") != "mag" or "space" in entities or not _fits(entities, suffix, wanted):
            continue
        if path.suffix == ".nii" and path.with_name(f"{path.name}.gz") in paths:
            continue
        found.append(path)
    return found


def read_filter(path: Path) -> dict[str, Any]:
    """Read the entry `t1w` of a filter file, as fMRIPrep's `--bids-filter-file` takes it.

    Raises
    ------
    UsageError
        If it can't be read, has no such entry, or names an entity that T1w images don't have.
    """
    example = 'expected JSON such as {"t1w": {"session": "01"}}'
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path}: {reason}; {example}") from None
    wanted = content.get("t1w") if isinstance(content, dict) else None
    if not isinstance(wanted, dict):
        # Without the entry the file would choose nothing, and all scans would be taken in silence.
        found = f" (found {', '.join(map(str, content)) or 'nothing'})" if isinstance(content, dict) else ""
        raise UsageError(f"{path}: no entry t1w{found}; {example}")
    known = {*_SHORT, "suffix", "datatype", "extension"}
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"{path}: entity {unknown[0]}; expected some of {', '.join(sorted(known))}")
    return wanted


def _fits(entities: Mapping[str, str], suffix: str, wanted: Mapping[str, Any]) -> bool:
    for name, value in wanted.items():
        if name in ("datatype", "extension"):
            continue
        here = suffix if name == "suffix" else entities.get(_SHORT[name])
        allowed = [
            _QUERIES.get(one, one) if isinstance(one, str) else one for one in (value if isinstance(value, list) else [value])
        ]
        if "Query.OPTIONAL" in allowed or ("*" in allowed and here is not None):
            continue
        # A filter may have a run as a number.
        texts = [None if one is None else str(one) for one in allowed]
        if here not in texts and not (here is not None and here.isdigit() and here.lstrip("0") in texts):
            return False
    return True
