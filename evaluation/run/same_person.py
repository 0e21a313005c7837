"""Label maps of another person than their name says: one person under two names, one map for two subjects, another's map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation.cohort.find import Subject
from evaluation.metrics.fingerprint import distance_between
from evaluation.metrics.pair_scores import PairScores
from evaluation.metrics.placement import Fault
from evaluation.run.protocol_warnings import named

__all__ = ["equal_maps", "families_of", "maps_of_others", "reading_notes"]

Pairs = Mapping[str, Mapping[str, PairScores]]

#: A map whose regions are further than this from its reference's, in mm, may be of another subject.
_FAR = 3.0
#: It is if the distance to another's reference is less than this share of that, and smaller by at least this number of mm.
_SHARE, _NEARER = 0.5, 2.0


def families_of(subjects: Mapping[str, Subject], pairs: Pairs) -> tuple[dict[str, str], list[str]]:
    """Return the family of each subject, one for all subjects whose references have equal voxels, and a line for each such set.

    Parameters
    ----------
    subjects : mapping of str to Subject
        By id.
    pairs : mapping
        subject -> method -> scores.
    """
    families = {id_: subject.family for id_, subject in subjects.items()}
    warnings = []
    for names in _equal({id_: next(iter(found.values())).reference_map.voxels for id_, found in pairs.items() if found}):
        if len({families[name] for name in names}) < 2:
            continue
        joined = {families[name] for name in names}
        families = {name: families[names[0]] if family in joined else family for name, family in families.items()}
        warnings.append(
            f"the references of {named(names)} have equal voxels: one person under several names, treated as one family"
        )
    return families, warnings


def equal_maps(pairs: Pairs) -> list[str]:
    """Return a line for each set of subjects for whom a method has maps with equal voxels, although their references differ."""
    by_method: dict[str, dict[str, str]] = {}
    for subject, found in pairs.items():
        for method, one in found.items():
            if not one.empty:
                by_method.setdefault(method, {})[subject] = one.prediction_map.voxels
    references = {subject: next(iter(found.values())).reference_map.voxels for subject, found in pairs.items() if found}
    return [
        f"{method}: the label maps of {named(names)} have equal voxels: all but one are of another subject"
        for method, voxels in by_method.items()
        for names in _equal(voxels)
        if len({references[name] for name in names}) > 1
    ]


def maps_of_others(pairs: Pairs) -> dict[tuple[str, str], Fault]:
    """Return the pairs whose label map is where another subject's reference is, and not where its own is.

    Each label map that is far from its reference (by the median distance between the centres of regions) is compared with the
    references of all other subjects.
    """
    references = {subject: next(iter(found.values())).reference_map for subject, found in pairs.items() if found}
    faults = {}
    for subject, found in pairs.items():
        for method, one in found.items():
            own = distance_between(one.prediction_map, references[subject])
            if not own > _FAR:
                continue
            others = {
                other: distance_between(one.prediction_map, reference)
                for other, reference in references.items()
                if other != subject and reference.voxels != references[subject].voxels
            }
            known = {other: distance for other, distance in others.items() if not np.isnan(distance)}
            if not known:
                continue
            nearest = min(known, key=lambda other: known[other])
            if known[nearest] < _SHARE * own and own - known[nearest] > _NEARER:
                detail = (
                    f"its regions are {own:.1f} mm from those of {subject}'s reference, {known[nearest]:.1f} mm from those of "
                    f"{nearest}'s: probably {nearest}'s label map"
                )
                faults[subject, method] = Fault("another subject", detail)
    return faults


def reading_notes(pairs: Pairs) -> list[str]:
    """Return irregularities of the files, one line for each kind."""
    found: dict[tuple[str, str], list[str]] = {}
    for subject, methods in pairs.items():
        for method, one in methods.items():
            for whose, fingerprint in (("references", one.reference_map), (method, one.prediction_map)):
                for note in fingerprint.notes:
                    subjects = found.setdefault((whose, note), [])
                    if subject not in subjects:
                        subjects.append(subject)
    return [f"{whose}: {note}: {named(subjects)}" for (whose, note), subjects in found.items()]


def _equal(voxels: Mapping[str, str]) -> list[list[str]]:
    """Return subjects that share a checksum, in sets of two or more."""
    sets: dict[str, list[str]] = {}
    for subject, checksum in voxels.items():
        sets.setdefault(checksum, []).append(subject)
    return [names for names in sets.values() if len(names) > 1]
