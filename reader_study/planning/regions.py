"""The regions of a reader study: their FreeSurfer ids on each side, and the plane in which each is shown."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darts_ensemble.labels import REGIONS
from reader_study.errors import StudyError
from reader_study.planning.fields import is_absent, whole_number
from reader_study.planning.names import checked_names
from reader_study.ratings.table import known_regions

__all__ = ["PUBLISHED_REGIONS", "VIEWS", "StudyRegion", "regions_of_field", "study_region"]

VIEWS = ("axial", "coronal", "sagittal")
_SIDE_LETTER = {"left": "L", "right": "R", "midline": ""}
_SIDE_PREFIXES = ("ctx-lh-", "ctx-rh-", "Left-", "Right-")


@dataclass(frozen=True)
class StudyRegion:
    """A region to be rated.

    Attributes
    ----------
    name : str
        As in the ratings table; one of :func:`reader_study.ratings.table.known_regions`, or a region that the study defines.
    view : {"axial", "coronal", "sagittal"}
        Plane in which it is shown first.
    ids : mapping of str to tuple of int
        Labels whose union is the region, by side: `L`, `R`, or ``""`` for a region without sides.
    own : bool
        Whether the study defines the labels (a lesion, another atlas); otherwise they are FreeSurfer's.
    """

    name: str
    view: str
    ids: Mapping[str, tuple[int, ...]]
    own: bool = False


def _pair(name: str, *left: int, right: tuple[int, ...], view: str = "axial") -> StudyRegion:
    return StudyRegion(name, view, {"L": left, "R": right})


#: The seven of the published study. The paper viewed the cingulate gyrus sagittally; it is the union of its four DKT parts.
PUBLISHED_REGIONS = (
    _pair("Insula", 1035, right=(2035,)),
    _pair("Caudate", 11, right=(50,)),
    _pair("Cingulate-Gyrus", 1002, 1010, 1023, 1026, right=(2002, 2010, 2023, 2026), view="sagittal"),
    _pair("Lateral-Ventricles", 4, right=(43,)),
    _pair("Pallidum", 13, right=(52,)),
    _pair("Putamen", 12, right=(51,)),
    _pair("Thalamus", 10, right=(49,)),
)


def study_region(name: str, view: str = "") -> StudyRegion:
    """Return the region of a name: one of the published seven, or one of the 102 without its side.

    Parameters
    ----------
    name : str
    view : str
        Plane to show it in; by default that of the published study, or axial.

    Raises
    ------
    StudyError
        If the name or the plane is unknown.
    """
    if view and view not in VIEWS:
        raise StudyError(f"region {name}: view {view!r}; expected one of {', '.join(VIEWS)}")
    for region in PUBLISHED_REGIONS:
        if region.name == name:
            return StudyRegion(name, view or region.view, region.ids)
    ids: dict[str, tuple[int, ...]] = {}
    for one in REGIONS:
        prefix = next((p for p in _SIDE_PREFIXES if one.name.startswith(p)), "")
        if one.name.removeprefix(prefix) == name:
            ids[_SIDE_LETTER[one.hemisphere]] = (one.id,)
    if not ids:
        close = difflib.get_close_matches(name, known_regions(), n=1)
        hint = f": did you mean {close[0]}?" if close else f", such as {', '.join(r.name for r in PUBLISHED_REGIONS)}"
        raise StudyError(f"region {name!r} is unknown; expected a region without its side{hint}")
    return StudyRegion(name, view or "axial", ids)


def regions_of_field(value: Any) -> tuple[StudyRegion, ...]:
    """Return the regions that `study.yaml` lists; the published seven if it lists none.

    Raises
    ------
    StudyError
        If it is not a list, or a region is unknown or given twice.
    """
    if is_absent(value) or value == "published":
        return PUBLISHED_REGIONS
    if not isinstance(value, list) or not value:
        raise StudyError(f"regions: {value!r}; expected published, or a list of names, of name: view, or of name and labels")
    regions = []
    for one in value:
        if isinstance(one, dict) and "labels" in one:
            regions.append(_own_region(one))
        elif isinstance(one, dict) and len(one) == 1:
            ((name, view),) = one.items()
            regions.append(study_region(str(name), str(view)))
        elif isinstance(one, str):
            regions.append(study_region(one))
        else:
            raise StudyError(f"regions: {one!r}; expected a name, name: view, or name and labels")
    if len({region.name for region in regions}) < len(regions):
        raise StudyError("regions: one given twice; expected each once")
    return tuple(regions)


def _own_region(value: Mapping[str, Any]) -> StudyRegion:
    """Return a region of any label map: `name`, `labels` (a list, or lists for L and R), and optionally `view`."""
    if set(value) - {"name", "labels", "view"}:
        raise StudyError(f"regions: {value!r}; expected name, labels and view")
    (name,) = checked_names([value.get("name", "")], "regions")
    view = str(value.get("view") or "axial")
    if view not in VIEWS:
        raise StudyError(f"region {name}: view {view!r}; expected one of {', '.join(VIEWS)}")
    labels = value["labels"]
    by_side = labels if isinstance(labels, dict) else {"": labels}
    if not by_side or set(by_side) - {"L", "R", ""} or ("" in by_side and len(by_side) > 1):
        raise StudyError(f"region {name}: labels {labels!r}; expected a list of numbers, or a list for L and one for R")
    listed = {side: found if isinstance(found, list) else [found] for side, found in by_side.items()}
    ids = {side: tuple(_label(one, name) for one in found) for side, found in listed.items()}
    if not all(ids.values()):
        raise StudyError(f"region {name}: no labels; expected one number at least for each side")
    return StudyRegion(name, view, ids, own=True)


def _label(value: Any, name: str) -> int:
    number = whole_number(value)
    if number is None or not 1 <= number < 2**31:
        raise StudyError(f"region {name}: label {value!r}; expected whole numbers above zero")
    return number
