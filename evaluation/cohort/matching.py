"""Find the label map of each subject of a cohort: by its name, by its BIDS entities, or as the only possible one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from darts_ensemble.results.bids_label_maps import alike, bids_key
from evaluation.cohort.subjects import Fault, Layout, Predictions, natural

__all__ = ["matched"]


def matched(layout: Layout, found: Mapping[str, Path], subjects: Sequence[str], faults: Sequence[Fault] = ()) -> Predictions:
    """Give each subject its own label map.

    BIDS names that differ are matched if no entity contradicts the other and the match is unique on both sides: `sub-01_run-1`
    with `sub-01_run-01`, or with `sub-01` if neither has a second run.

    Parameters
    ----------
    layout : str
    found : mapping of str to Path
        Label maps by the names of their subjects.
    subjects : sequence of str
    faults : sequence of Fault
        Label maps that can't be distinguished; those of subjects of the cohort are returned.
    """
    paths: dict[str, Path] = {}
    taken: dict[str, str] = {}
    for subject in subjects:
        key = subject if subject in found else bids_key(subject) if layout == "bids" else ""
        if key in found and key not in taken:
            paths[subject], taken[key] = found[key], subject
    failed = {fault.subject for fault in faults}
    waiting = [subject for subject in subjects if subject not in paths and subject not in failed and subject.startswith("sub-")]
    left = [key for key in found if key not in taken and key.startswith("sub-")]
    candidates = {subject: [key for key in left if alike(subject, key)] for subject in waiting}
    for subject, keys in candidates.items():
        rivals = [other for other, theirs in candidates.items() if keys and keys[0] in theirs]
        if len(keys) == 1 and rivals == [subject]:
            paths[subject], taken[keys[0]] = found[keys[0]], subject
    own = tuple(fault for fault in faults if fault.subject in subjects or bids_key(fault.subject) in map(bids_key, subjects))
    unmatched = {*found} - {*taken} | {fault.subject for fault in faults if fault not in own}
    ordered = {subject: paths[subject] for subject in subjects if subject in paths}
    return Predictions(layout, ordered, tuple(sorted(unmatched, key=natural)), own)
