"""Chooses the T1 scan among the series of a folder by their headers; docs/reference/dicom.md states the rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from darts_ensemble.dicom.grid import slice_grid
from darts_ensemble.dicom.headers import Series
from darts_ensemble.errors import ScanError

__all__ = ["FEWEST_SLICES", "Chosen", "choose_t1", "contrast_of"]

#: Series with fewer slices are localizers or slabs.
FEWEST_SLICES = 20
#: MR Image Storage, Enhanced MR Image Storage, Legacy Converted Enhanced MR Image Storage.
_IMAGES = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")
#: Image types that are left out: computed maps, projections, reformatted slices, parts of a complex image.
_COMPUTED = {
    "LOCALIZER", "PHASE", "PHASE MAP", "P", "REAL", "R", "IMAGINARY", "I", "PROJECTION IMAGE", "MIP", "MPR", "MINIP", "ADC",
    "FA", "TRACEW", "SUBTRACTION", "T1 MAP", "T2 MAP", "T2_STAR MAP", "RELCBF", "PERFUSION",
}  # fmt: skip
_T1_WORDS = re.compile(
    r"t1|mp-?rage|mp2rage|uni[-_ ]?(den|image)|spgr|bravo|tfl3d|fspgr|3d[-_ ]?tfe|ir-?fspgr|mdeft|ge[-_]?afp", re.IGNORECASE
)
_OTHER_WORDS = re.compile(
    r"t2|flair|swi|swan|tof|angio|mra\b|mrv\b|dwi|dti|diff|bold|fmri|(?<![a-z])epi(?![a-z])|(?<![a-z])p?c?asl(?![a-z])|localizer|localiser|scout|survey|"
    r"field[-_ ]?map|b0[-_ ]?map|phase|inv[-_ ]?[12]\b|t1[-_ ]?map|stir|perf|spectro",
    re.IGNORECASE,
)
Contrast = Literal["T1", "other", "unknown"]


@dataclass(frozen=True)
class Chosen:
    """The T1 scan of a folder.

    Attributes
    ----------
    series : Series
    why : str
        One line that names the series, the number of series, and the times of its sequence.
    """

    series: Series
    why: str


def choose_t1(series: Sequence[Series], wanted: str | None = None) -> Chosen:
    """Choose the T1 scan among the series of one person.

    Left out are other modalities, series of few slices, computed images, and contrasts other than T1. Of several T1 scans the
    best is chosen, in this order: without contrast agent; 3-D acquisition; smaller voxels (by the longest side, to 0.1 mm);
    with the scanner's intensity correction (NORM). If the best two are equal in all of this, none is chosen.

    Parameters
    ----------
    series : sequence of Series
        All series of a folder, at least one.
    wanted : str, optional
        Number, UID or part of the description of the series to take; then the contrast is not checked.

    Raises
    ------
    ScanError
        If no series is a T1 scan, or if two are equal by the rules.
    """
    folder = series[0].folder
    asked = [one for one in series if wanted is None or _is_wanted(one, wanted)]
    if not asked:
        raise ScanError(f"{folder}: no series {wanted}; expected one of: {'; '.join(one.title for one in series)}")
    refused = {one.uid: _why_no_volume(one) for one in asked}
    usable = [one for one in asked if not refused[one.uid]]
    contrasts = {one.uid: "T1" if wanted is not None else contrast_of(one) for one in usable}
    candidates = [one for one in usable if contrasts[one.uid] == "T1"]
    if not candidates:  # headers that say nothing, as some programs leave them
        candidates = [one for one in usable if contrasts[one.uid] == "unknown"]
    if not candidates:
        found = "; ".join(f"{one.title}: {refused[one.uid] or _times(one) or 'not T1'}" for one in asked)
        raise ScanError(f"{folder}: no T1-weighted series of MR; found {found}; expected one (--series takes another by name)")
    ranked = sorted(candidates, key=_rank)
    equal = [one for one in ranked if _rank(one) == _rank(ranked[0])]
    if len(equal) > 1:
        names = "; ".join(f"{one.title}, {_size(one)}" for one in equal)
        raise ScanError(
            f"{folder}: {len(equal)} T1 series that no rule tells apart: {names}; expected one: choose it by --series"
        )
    best = ranked[0]
    details = ", ".join(one for one in (_size(best), _times(best)) if one)
    doubt = "" if contrasts[best.uid] == "T1" else "; its headers do not say that it is T1"
    return Chosen(best, f"{best.title} of {len(series)} series taken as T1: {details}{doubt}")


def _is_wanted(series: Series, wanted: str) -> bool:
    if wanted in (series.uid, series.text("SeriesNumber")):
        return True
    return not wanted.isdigit() and wanted.lower() in series.text("SeriesDescription").lower()


def _why_no_volume(series: Series) -> str:
    """Return why a series cannot be an MR scan of a head; empty if it can be one."""
    if (modality := series.text("Modality")) != "MR":
        return f"modality {modality or 'not stated'}, not MR"
    if series.text("SOPClassUID") not in _IMAGES:
        return "no MR images"
    if series.n_slices == 1:
        return "one slice: give the folder of its series"
    if series.n_slices < FEWEST_SLICES:
        return f"{series.n_slices} slices, fewer than {FEWEST_SLICES}"
    if computed := _COMPUTED.intersection(series.words("ImageType")):
        return f"computed or partial images ({min(computed)})"
    return ""


def contrast_of(series: Series) -> Contrast:
    """Return whether a series is T1-weighted, from its description and the times of its sequence.

    Not T1-weighted are: descriptions with words such as FLAIR, T2, TOF; an echo time over 30 ms; an inversion time over 1500 ms
    (except for the combined image of MP2RAGE); echo planar imaging. T1-weighted are: an inversion time of 300 to 1500 ms;
    gradient echoes with a repetition time of at most 50 ms and an echo time of at most 10 ms; spin echoes with a repetition
    time of at most 1000 ms. Otherwise words such as T1 or MPRAGE in the description decide.
    """
    text = f"{series.text('SeriesDescription')} {series.text('ProtocolName')}"
    description = series.text("SeriesDescription")
    echo, repetition, inversion = (series.number(name) for name in ("EchoTime", "RepetitionTime", "InversionTime"))
    sequence = series.words("ScanningSequence")
    combined = re.search(r"uni[-_ ]?(den|image)|_uni\b", description, re.IGNORECASE) is not None
    if _OTHER_WORDS.search(description) or "EP" in sequence:
        return "other"
    if (echo is not None and echo > 30) or (inversion is not None and inversion > 1500 and not combined):
        return "other"
    if inversion is not None and inversion >= 300:
        return "T1"
    if echo is not None and repetition is not None:
        if "GR" in sequence and repetition <= 50:
            return "T1" if echo <= 10 else "other"
        if "SE" in sequence and "IR" not in sequence:
            return "T1" if repetition <= 1000 else "other"
    return "T1" if _T1_WORDS.search(text) else "unknown"


def _rank(series: Series) -> tuple[bool, bool, float, bool]:
    """Return the key by which candidates are sorted, the best first."""
    longest = _longest_side(series)
    return (
        bool(series.text("ContrastBolusAgent")),
        series.text("MRAcquisitionType").upper() == "2D",
        round(longest, 1),
        "NORM" not in series.words("ImageType"),
    )


def _longest_side(series: Series) -> float:
    """Return the longest side of a voxel in mm; infinite if slices have no position (refused later if the series is chosen)."""
    try:
        return max(slice_grid(series).spacing)
    except ScanError:
        return float("inf")


def _size(series: Series) -> str:
    try:
        grid = slice_grid(series)
    except ScanError:
        return f"{series.n_slices} slices"
    return f"{grid.shape[2]} slices, voxels of {' × '.join(f'{one:.2f}' for one in grid.spacing)} mm"


def _times(series: Series) -> str:
    names = (("TR", "RepetitionTime"), ("TE", "EchoTime"), ("TI", "InversionTime"))
    values = ((name, series.number(keyword)) for name, keyword in names)
    return ", ".join(f"{name} {value:g} ms" for name, value in values if value)
