"""Segment a cohort: the label maps of each view and of their ensemble become methods to score."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.checksums import sha256_of
from darts_ensemble.errors import CohortError, DartsError
from darts_ensemble.outputs import write_json
from darts_ensemble.scan import write_label_map
from evaluation.cohort import Subject
from evaluation.evaluate import Failure, Method, Report

__all__ = ["Segmented", "segment_cohort"]


@dataclass(frozen=True)
class Segmented:
    """A cohort segmented: methods with label maps on disk, sha256 of each weights file, what failed, warnings."""

    methods: list[Method]
    weights: dict[str, str]
    failures: list[Failure]
    warnings: list[str]


def segment_cohort(
    subjects: Sequence[Subject], weights: str | Path, out: Path, *, device: str = "auto", overwrite: bool = False,
    report: Report = lambda line: None,
) -> Segmented:  # fmt: skip
    """Segment every scan; the label maps of each view and of their ensemble are methods of their own.

    The maps lie under `out/<method>/<subject>.nii.gz`, and `out/<subject>.json`, written last, says with which weights and scan
    they were made: what is finished with the same ones is not done again unless `overwrite`. One view has no ensemble.

    Raises
    ------
    CheckpointError
        If the weights ("bundled", a folder or a file) can't be used.
    UsageError
        If the device is not there.
    """
    from darts_ensemble.segmenter import Segmenter

    segmenter = Segmenter(weights, device=device)
    networks = segmenter.ensemble.networks
    files = {str(one.path): sha256_of(one.path) for one in networks.values() if one.path}
    names = [*segmenter.views, "ensemble"] if len(segmenter.views) > 1 else list(segmenter.views)
    done: dict[str, bool] = {}
    failures = []
    for subject in subjects:
        account = out / f"{subject.id}.json"
        try:
            if subject.scan is None:
                raise CohortError(f"{subject.reference.parent}: no scan found; expected a T1 beside the reference")
            file = subject.scan.stat()
            made = {"scan": [str(subject.scan), file.st_size, file.st_mtime_ns], "weights": sorted(files.values())}
            earlier = json.loads(account.read_text(encoding="utf-8")) if account.is_file() else {}
            if not overwrite and all(earlier.get(key) == value for key, value in made.items()):
                done[subject.id] = earlier["seen_in_training"]
                report(f"{subject.id}: segmented earlier")
                continue
            account.unlink(missing_ok=True)
            result = segmenter.segment(subject.scan, keep_views=True)
            for name in names:
                ids = result.per_view_ids[name] if name != "ensemble" and len(names) > 1 else result.ids
                write_label_map(ids, result.scan, out / name / f"{subject.id}.nii.gz")
            write_json(account, {**made, "seen_in_training": result.seen_in_training})
        except DartsError as error:
            failures.append(Failure(subject.id, "", str(error)))
            continue
        done[subject.id] = result.seen_in_training
        report(f"{subject.id}: segmented {subject.scan.name}")
    seen = frozenset(subject for subject, was_seen in done.items() if was_seen)
    methods = [
        Method(name, {one: out / name / f"{one}.nii.gz" for one in done}, name == "sagittal", seen, made_here=True)
        for name in names
    ]
    silent = [one.path.name for one in networks.values() if one.path and not one.training_subjects]
    tuned = [name for name in silent if re.search(r"(?<!non)(?<!non[_-])finetuned", name.lower())]
    warnings = [
        f"{name}: fine-tuned on Mindboggle scans that the file doesn't name: the split is unknown and means may be too high"
        for name in tuned
        if any(subject.layout == "mindboggle" for subject in subjects)
    ]
    return Segmented(methods, files, failures, warnings)
