"""Findings that deserve a look in a cohort: flags of each label map, and its regions compared with those of the other maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS
from evaluation.quality.exchanged import exchanged_neighbours
from evaluation.quality.measures import PAIRS, Measures

__all__ = ["LEVELS", "Finding", "RegionOutlier", "ScanFindings", "findings_of_cohort"]

Level = Literal["serious", "look", "note"]
LEVELS: tuple[Level, ...] = ("serious", "look", "note")
#: With fewer maps, there is no cohort to compare with.
FEWEST = 5
#: Robust z above which a region is named, and above which it is serious.
LOOK, SERIOUS = 4.0, 8.0
#: A map with at least this number of serious regions is serious; a single one of 102 is common.
_SERIOUS_REGIONS = 3
# Spreads are not taken for smaller than these: 8 % of a volume, 1.2 % (about 2 mm) of the brain's extent.
_LEAST_LOG_VOLUME, _LEAST_PLACE = 0.08, 0.012
# Volumes below this are those of a few voxels.
_SMALL_MM3 = 100.0
_MAD_TO_SD = 1.4826
# Flags of a single map by how serious they are; the first word that fits counts.
_LEVEL_OF: tuple[tuple[str, Level], ...] = (
    ("low view agreement", "serious"), ("volume of all regions", "serious"), ("missing region", "look"),
    ("left and right from the estimated", "note"),
)  # fmt: skip
#: Score of a map whose scan is in doubt: before all others.
_DOUBTFUL = 1e6
# At most this number of missing regions is named.
_NAMED = 6
#: FreeSurfer itself does not find these in every brain.
_OFTEN_MISSING = frozenset(["Left-vessel", "Right-vessel"])


@dataclass(frozen=True)
class Finding:
    """One reason to look at a label map."""

    level: Level
    text: str


@dataclass(frozen=True)
class RegionOutlier:
    """A region compared with the cohort.

    Attributes
    ----------
    name : str
    volume, median : float
        mm3.
    volume_z, place_z : float
        Robust z of the volume's share of the brain (signed), and of its centre along the axis on which it is
        farthest from the usual place, or from the mirrored place of its counterpart on the other side.
    """

    name: str
    volume: float
    median: float
    volume_z: float
    place_z: float

    @property
    def size(self) -> float:
        """How far the region is from that of the cohort."""
        return max(abs(self.volume_z), self.place_z)


@dataclass(frozen=True)
class ScanFindings:
    """What was found in one label map.

    Attributes
    ----------
    findings : tuple of Finding
        The most serious first.
    outliers : tuple of RegionOutlier
        The ten regions that are farthest from those of the cohort; empty for fewer than five maps.
    score : float
        Maps with a higher score come first.
    """

    findings: tuple[Finding, ...]
    outliers: tuple[RegionOutlier, ...]
    score: float

    @property
    def level(self) -> str:
        """Level of the most serious finding; "ok" if there is none."""
        return self.findings[0].level if self.findings else "ok"


def findings_of_cohort(
    measured: Mapping[str, Measures],
    flags: Mapping[str, Sequence[str]] | None = None,
    doubts: Mapping[str, str] | None = None,
) -> dict[str, ScanFindings]:
    """Return the findings of each label map, by name, the most serious map first.

    Parameters
    ----------
    measured : mapping of str to Measures
        By name of the label map.
    flags : mapping of str to sequence of str, optional
        Flags that were written with the maps; those of other maps are taken from their measures.
    doubts : mapping of str to str, optional
        Of maps whose scan is probably not an upright T1 of a whole head: the sentence that says so, shown instead of
        the flags.

    Notes
    -----
    The robust z of a value is its distance from the cohort's median over 1.4826 times the median absolute deviation (Iglewicz
    and Hoaglin, How to Detect and Handle Outliers, 1993), the latter not below 8 % of a volume and 1.2 % of the brain's extent.
    Volumes are compared as logarithms of their share of all regions, so that a small head is no outlier in each region.
    """
    names = list(measured)
    volume_z, place_z, total_z, medians = _against_cohort([measured[name] for name in names])
    swapped = exchanged_neighbours(np.array([measured[name].centres for name in names]))
    found = {}
    for row, name in enumerate(names):
        one = measured[name]
        given = (flags or {}).get(name)
        own = one.flags if given is None else given
        doubt = (doubts or {}).get(name)
        if doubt:
            # One cause leads to a hundred flags: the cause is named, and the flags are counted.
            found[name] = _doubtful(doubt, len(own))
            continue
        outliers: tuple[RegionOutlier, ...] = ()
        if len(names) < FEWEST:
            findings = [*_sides(one), *(_of_flag(flag) for flag in own)]
        else:
            far = {REGIONS[n].name for n in np.flatnonzero(np.maximum(np.abs(volume_z[row]), place_z[row]) > LOOK)}
            findings = [*_sides(one), *(_of_flag(flag, usual_here=not any(name in flag for name in far)) for flag in own)]
            outliers = _outliers(one, volume_z[row], place_z[row], medians)
            findings += [*_exchanged(one, swapped[row]), *_of_cohort(float(total_z[row]), volume_z[row], place_z[row])]
        findings.sort(key=lambda finding: LEVELS.index(finding.level))
        found[name] = ScanFindings(tuple(findings), outliers, _score(findings, volume_z[row], place_z[row]))
    return dict(sorted(found.items(), key=lambda item: (-item[1].score, item[0])))


def _doubtful(doubt: str, n_flags: int) -> ScanFindings:
    findings = [Finding("serious", doubt)]
    if n_flags:
        findings.append(Finding("note", f"{n_flags} flags of single regions that follow from this are in the account"))
    return ScanFindings(tuple(findings), (), _DOUBTFUL)


def _against_cohort(measured: Sequence[Measures]) -> tuple[npt.NDArray[np.float64], ...]:
    volumes = np.array([one.volumes["volume_mm3"].to_numpy(dtype=float) for one in measured])
    total = volumes.sum(axis=1)
    shares = np.log((volumes + _SMALL_MM3) / np.maximum(total, _SMALL_MM3)[:, None])
    centres = np.array([one.centres for one in measured])
    usual = np.ma.filled(np.ma.median(np.ma.masked_invalid(centres), axis=0), 0.0)
    # A missing region has no position to compare.
    filled = np.where(np.isnan(centres), usual, centres)
    place = np.abs(_robust_z(filled, _LEAST_PLACE)).max(axis=2)
    # Left and right mirror each other more closely than one brain resembles another.
    mirrored = filled[:, PAIRS[:, 1]] * [-1, 1, 1]
    unlike = np.abs(_robust_z(filled[:, PAIRS[:, 0]] - mirrored, _LEAST_PLACE))[..., 1:].max(axis=2)
    both = ~np.isnan(centres[:, PAIRS, 0]).any(axis=2)
    for side in (0, 1):
        place[:, PAIRS[:, side]] = np.maximum(place[:, PAIRS[:, side]], np.where(both, unlike, 0))
    return (
        _robust_z(shares, _LEAST_LOG_VOLUME),
        place,
        _robust_z(np.log(total + 1), _LEAST_LOG_VOLUME),
        np.median(volumes, axis=0),
    )


def _robust_z(values: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.float64]:
    median = np.median(values, axis=0)
    spread = _MAD_TO_SD * np.median(np.abs(values - median), axis=0)
    return (values - median) / np.maximum(spread, least)


def _left_is_right(one: Measures) -> bool:
    return one.pairs >= 10 and one.wrong_sides > one.pairs / 2


def _sides(one: Measures) -> list[Finding]:
    if _left_is_right(one):
        return [Finding("serious", f"left and right are exchanged ({one.wrong_sides} of {one.pairs} pairs of regions)")]
    if one.wrong_sides:
        return [Finding("serious", f"{one.wrong_sides} of {one.pairs} pairs of regions lie on the wrong side")]
    return []


def _exchanged(one: Measures, pairs: Sequence[tuple[int, int]]) -> list[Finding]:
    """Return the finding of regions in each other's place, some of them named; none if left and right are exchanged."""
    if _left_is_right(one):
        return []
    named = [f"{REGIONS[one].name} and {REGIONS[other].name}" for one, other in pairs[:3]]
    more = f", and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    return [Finding("serious", f"in each other's place: {'; '.join(named)}{more}")] if pairs else []


def _of_flag(flag: str, *, usual_here: bool = False) -> Finding:
    """Return a flag with its level; what is usual in the cohort (such as unlike sides of a region) is only a note."""
    level: Level = next((level for start, level in _LEVEL_OF if flag.startswith(start)), "look")
    if usual_here and flag.startswith(("left/right asymmetry", "volume outside")):
        level = "note"
    if flag.startswith("missing region: "):
        missing = set(flag.removeprefix("missing region: ").split(", "))
        level = "note" if missing <= _OFTEN_MISSING else "serious" if len(missing) >= _SERIOUS_REGIONS else "look"
        if len(missing) > _NAMED:
            named = flag.removeprefix("missing region: ").split(", ")[:_NAMED]
            flag = f"{len(missing)} regions missing: {', '.join(named)} ..."
    return Finding(level, flag)


def _outliers(
    one: Measures, volume_z: npt.NDArray[np.float64], place_z: npt.NDArray[np.float64], medians: npt.NDArray[np.float64]
) -> tuple[RegionOutlier, ...]:
    volume = one.volumes["volume_mm3"].to_numpy(dtype=float)
    order = np.argsort(-np.maximum(np.abs(volume_z), place_z), kind="stable")[:10]
    return tuple(
        RegionOutlier(REGIONS[n].name, *(round(float(part[n]), 2) for part in (volume, medians, volume_z, place_z)))
        for n in order
    )


def _of_cohort(total_z: float, volume_z: npt.NDArray[np.float64], place_z: npt.NDArray[np.float64]) -> list[Finding]:
    findings = []
    if abs(total_z) > LOOK:
        kind = "smaller" if total_z < 0 else "larger"
        findings.append(Finding("serious", f"all regions together are much {kind} than in the cohort (z {total_z:.1f})"))
    for what, z, shown in (("volume", np.abs(volume_z), volume_z), ("place", place_z, place_z)):
        count = int((z > LOOK).sum())
        if count:
            far = np.argsort(-z, kind="stable")[: min(count, 3)]
            named = ", ".join(f"{REGIONS[n].name} (z {shown[n]:.1f})" for n in far)
            more = f" and {count - len(far)} more" if count > len(far) else ""
            level: Level = "serious" if (z > SERIOUS).sum() >= _SERIOUS_REGIONS else "look"
            findings.append(Finding(level, f"unusual {what} for this cohort: {named}{more}"))
    return findings


def _score(findings: Sequence[Finding], volume_z: npt.NDArray[np.float64], place_z: npt.NDArray[np.float64]) -> float:
    """Return the score: serious findings first, then number and distance of the regions far from those of the cohort."""
    levels = [finding.level for finding in findings]
    far = np.maximum(np.abs(volume_z), place_z)
    return 1000.0 * levels.count("serious") + 10.0 * ("look" in levels) + float(np.clip(far - LOOK, 0, 20).sum())
