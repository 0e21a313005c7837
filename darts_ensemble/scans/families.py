"""Which scans are independent: averages and templates are left out; timepoints, sessions, runs and twins share a family."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Timepoints", "family_of", "not_a_person", "timepoints_in"]

#: FreeSurfer's averages: fsaverage and similar ones, cvs_avg35, V1_average, lh.EC_average; templates of the MNI.
_AVERAGE = re.compile(r"(fsaverage|cvs_avg\d|mni152|mni_icbm152|(?!sub-).*[_.-]average\d*$)", re.IGNORECASE)
#: Names of templates of one person's timepoints. A session may be called base.
_BASE = re.compile(r"(?<!^sub)(?<![_-]ses)[_.-](base|template)$", re.IGNORECASE)
_LONG = ".long."
_PERSONS = (
    re.compile(r"(sub-[A-Za-z0-9]+)(?=[_.]|$)"),  # BIDS
    re.compile(r"(OAS1_\d{4})(?=_MR\d)"),  # OASIS-1, each visit
    re.compile(r"(OAS[23]_?\d{4})(?=_MR)"),  # OASIS-2 and OASIS-3
    re.compile(r"(\d{3}_S_\d{4})(?=[_.-]|$)"),  # ADNI
    # Names such as P012_visit2: only if a number identifies the person.
    re.compile(r"(\D*\d.*?)[_-](?:session|ses|timepoint|tp|visit|run|rescan|retest)[-_]?\d+(?=[_.-]|$)", re.IGNORECASE),
)

#: Timepoint of a SUBJECTS_DIR to the template of its person.
Timepoints = dict[str, str]


def timepoints_in(folders: Iterable[Path]) -> Timepoints:
    """Return the timepoints that are named by templates and longitudinal folders of a SUBJECTS_DIR, with their templates.

    FreeSurfer writes a template's timepoints into its file `base-tps`, and calls a timepoint that was processed with a template
    `TIMEPOINT.long.TEMPLATE`.
    """
    found: Timepoints = {}
    for folder in folders:
        timepoint, mark, template = folder.name.partition(_LONG)
        if mark and template:
            found[timepoint] = template
        for name in _listed_in(folder / "base-tps"):
            found[name] = folder.name
    return found


def not_a_person(folder: Path, timepoints: Timepoints) -> str:
    """Return why a folder of a SUBJECTS_DIR is not a person's scan: an average of many people, or a template of one person."""
    name = folder.name
    if _AVERAGE.match(name):
        return "an average of many people"
    if _LONG in name:
        return ""
    if name in timepoints.values() or (folder / "base-tps").is_file() or _BASE.search(name):
        return "a template of one person's timepoints"
    return ""


def family_of(name: str, timepoints: Timepoints | None = None) -> str:
    """Return the family of a subject, which subjects that are not independent share: the person, if the name shows it.

    Parameters
    ----------
    name : str
        Name of a subject.
    timepoints : dict of str to str, optional
        From :func:`timepoints_in`.

    Examples
    --------
    >>> family_of("sub-01_ses-2_run-1"), family_of("P7.long.P7_base"), family_of("Twins-2-1"), family_of("OASIS-TRT-20-1")
    ('sub-01', 'P7', 'Twins-2', 'OASIS-TRT-20-1')
    """
    timepoint, mark, template = name.partition(_LONG)
    template = template if mark and template else (timepoints or {}).get(timepoint, "")
    person = _BASE.sub("", template) if template else name
    if person.startswith("Twins-2-"):  # of Mindboggle-101: two people, not independent
        return "Twins-2"
    return next((match[1] for pattern in _PERSONS if (match := pattern.match(person))), person)


def _listed_in(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []
