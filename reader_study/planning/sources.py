"""The files of a study: one scan per case, and the label map of each method."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.scans.inputs import find_scans, name_scans
from evaluation.cohort.find import Subject, find_predictions, parse_location
from reader_study.errors import StudyError
from reader_study.planning.design import Design

__all__ = ["Sources", "find_sources"]


@dataclass(frozen=True)
class Sources:
    """Where the images of a study are.

    Attributes
    ----------
    scans : mapping of str to Path
        By case: first those that are rated, in the order of their names or of the design.
    label_maps : mapping of str to mapping of str to Path
        By method, then case; every case has a label map of every method.
    cases, practice : tuple of str
        Rated, and for practice.
    left_out : mapping of str to str
        Cases that were found but lack something, and what they lack.
    notes : tuple of str
        What the coordinator should know of the label maps.
    """

    scans: Mapping[str, Path]
    label_maps: Mapping[str, Mapping[str, Path]]
    cases: tuple[str, ...]
    practice: tuple[str, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()


def find_sources(design: Design) -> Sources:
    """Find the scan and the label maps of every case; no image is opened.

    Raises
    ------
    StudyError
        If a case that the design names lacks something, or no case is left.
    DartsError
        If a folder does not exist, or has no label map.
    """
    found = _scans(design)
    # A case needs no reference to be rated: its scan is used in place of one, so that label maps are found by the case's name.
    subjects = [Subject(name, "flat", path, path, name) for name, path in found.items()]
    maps = {
        method: _composed(find_predictions(parse_location(str(where)), subjects, name=method).paths)
        for method, where in design.methods.items()
    }
    found = _composed(found)
    lacking = {name: [method for method in maps if name not in maps[method]] for name in found}
    named = (*design.cases, *design.practice)
    for name in named:
        if name not in found:
            raise StudyError(f"case {name}: no scan found; expected one of {', '.join(found) or 'none'}: mend scans or cases")
        if lacking[name]:
            folders = ", ".join(f"{method} ({design.methods[method]})" for method in lacking[name])
            raise StudyError(f"case {name}: no label map of {folders}; expected a SUBJECTS_DIR or files named by case")
    whole = [name for name in found if not lacking[name] and name not in design.practice]
    cases = design.cases or tuple(whole)
    if not cases:
        counts = ", ".join(f"{method} has {len(paths)}" for method, paths in maps.items())
        raise StudyError(f"no case has a label map of every method ({len(found)} scans; {counts}); name files by case")
    kept = (*cases, *design.practice)
    return Sources(
        notes=_manual_cortex(maps, design),
        scans={name: found[name] for name in kept},
        label_maps={method: {name: paths[name] for name in kept} for method, paths in maps.items()},
        cases=cases,
        practice=design.practice,
        left_out={name: f"no label map of {', '.join(absent)}" for name, absent in lacking.items() if absent},
    )


def _manual_cortex(maps: Mapping[str, Mapping[str, Path]], design: Design) -> tuple[str, ...]:
    """Name the methods whose cortex was drawn by hand, as in Mindboggle's `+aseg` files, if cortical regions are rated."""
    cortical = [region.name for region in design.regions if any(id_ >= 1000 for ids in region.ids.values() for id_ in ids)]
    methods = [method for method, paths in maps.items() if any("manual+aseg" in path.name for path in paths.values())]
    return tuple(
        f"{method}: in Mindboggle's +aseg files the cortex is manual, so that these regions are not FreeSurfer's: "
        f"{', '.join(cortical)}; take FreeSurfer's own label maps, or leave the regions out"
        for method in methods
        if cortical
    )


def _scans(design: Design) -> dict[str, Path]:
    if isinstance(design.scans, Path):
        if not design.scans.exists():
            raise StudyError(f"{design.scans}: no such file or folder; expected the scans of the study")
        return {scan.name: scan.path for scan in name_scans(find_scans([design.scans]))}
    absent = [str(path) for path in design.scans.values() if not path.is_file()]
    if absent:
        raise StudyError(f"{', '.join(absent[:3])}: no such file; expected one scan per case")
    return dict(design.scans)


def _composed(paths: Mapping[str, Path]) -> dict[str, Path]:
    """Return cases by their names in Unicode's composed form, as in the design: some file systems decompose letters."""
    return {unicodedata.normalize("NFC", name): path for name, path in paths.items()}
