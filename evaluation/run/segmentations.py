"""Segment a cohort: the label maps of each view and of their ensemble become methods to score."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darts_ensemble.errors import CohortError
from darts_ensemble.results.outputs import write_json
from darts_ensemble.scans.links import as_named
from darts_ensemble.scans.scan import write_label_map
from darts_ensemble.segment.made_with import differences
from darts_ensemble.weights.checksums import sha256_of
from evaluation.cohort.find import Subject
from evaluation.results.finished import file_checksum, file_name
from evaluation.run.evaluate import Failure, Method, Report, reason_of

if TYPE_CHECKING:
    from darts_ensemble.segment.segmenter import Segmenter

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
    """Segment every scan; the label maps of each view and of their ensemble become separate methods.

    The maps are `out/<method>/<subject>.nii.gz`. `out/<subject>.json`, written last, says with which weights and scan they
    were made. Maps that were finished with the same content and settings are not made again unless `overwrite`; the reason
    for making maps again is reported. One view has no ensemble. A scan that fails does not stop the others.

    Raises
    ------
    CheckpointError
        If the weights ("bundled", a folder or a file) can't be used.
    UsageError
        If the device is not available.
    """
    from darts_ensemble.device import use_threads
    from darts_ensemble.segment.segmenter import Segmenter

    use_threads()
    segmenter = Segmenter(weights, device=device)
    networks = segmenter.ensemble.networks
    files = {str(one.path): sha256_of(one.path) for one in networks.values() if one.path}
    names = [*segmenter.views, "ensemble"] if len(segmenter.views) > 1 else list(segmenter.views)
    done: dict[str, dict[str, Any]] = {}
    failures = []
    for subject in subjects:
        maps = _maps(out, names, subject)
        try:
            made = _made_of(segmenter, subject)
            earlier, why = (None, "") if overwrite else _segmented_earlier(subject, out, maps, made)
            done[subject.id] = _segment(segmenter, subject, out, maps, made) if earlier is None else earlier
        except Exception as error:  # a bug or a full disk in one scan must not stop the others
            failures.append(Failure(subject.id, "", reason_of(error)))
            continue
        again = f" again ({why})" if why else ""
        how = f"segmented{again} {subject.scan and subject.scan.name}" if earlier is None else "segmented earlier"
        report(f"{subject.id}: {how}")
    seen = frozenset(subject for subject, account in done.items() if account["seen_in_training"])
    methods = [
        Method(
            name,
            {one.id: _maps(out, names, one)[name] for one in subjects if one.id in done},
            name == "sagittal",
            seen,
            made_here=True,
        )
        for name in names
    ]
    silent = [one.path.name for one in networks.values() if one.path and not one.training_subjects]
    tuned = [name for name in silent if re.search(r"(?<!non)(?<!non[_-])finetuned", name.lower())]
    warnings = [f"{subject}: {account['suspicion']}" for subject, account in done.items() if account.get("suspicion")]
    warnings += [warning for account in done.values() for warning in account.get("warnings", ())]
    warnings += [
        f"{name}: fine-tuned on Mindboggle scans that the file doesn't name: the split is unknown and means may be too high"
        for name in tuned
        if any(subject.layout == "mindboggle" for subject in subjects)
    ]
    return Segmented(methods, files, failures, warnings)


def _maps(out: Path, names: Sequence[str], subject: Subject) -> dict[str, Path]:
    """Return the path of the label map of each method."""
    return {name: out / name / f"{file_name(subject.id)}.nii.gz" for name in names}


def _made_of(segmenter: Segmenter, subject: Subject) -> dict[str, Any]:
    """Return what the label maps of a subject depend on: the content of its scan, the networks, and how they are used."""
    if subject.scan is None:
        raise CohortError(f"{subject.reference.parent}: no scan found; expected a T1 beside the reference")
    # Through JSON, so that it compares equal to what was written.
    made: dict[str, Any] = json.loads(
        json.dumps({"scan_sha256": file_checksum(subject.scan), "made_with": segmenter.made_with}, default=str)
    )
    return made


def _account(out: Path, subject: Subject) -> Path:
    return out / f"{file_name(subject.id)}.json"


def _segmented_earlier(
    subject: Subject, out: Path, maps: Mapping[str, Path], made: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """Return the account of a scan segmented earlier; None if it is to be segmented, and why it is segmented again."""
    path = _account(out, subject)
    if not path.is_file():
        return None, "nothing says how its label maps were made" if any(map_.exists() for map_ in maps.values()) else ""
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        before, sums, checksum = dict(earlier["made_with"]), dict(earlier["maps_sha256"]), earlier["scan_sha256"]
        account = {**earlier, "seen_in_training": bool(earlier["seen_in_training"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None, "the account of its label maps is damaged or of an older version"
    if checksum != made["scan_sha256"]:
        return None, "the scan is another file than before"
    if changed := differences(made["made_with"], before):
        return None, "; ".join(changed)
    gone = [name for name, map_ in maps.items() if not map_.is_file()]
    if gone:
        return None, f"no label map of {', '.join(gone)}"
    other = [name for name, map_ in maps.items() if sums.get(name) != file_checksum(map_)]
    return (None, f"the label map of {', '.join(other)} was changed since") if other else (account, "")


def _segment(
    segmenter: Segmenter, subject: Subject, out: Path, maps: Mapping[str, Path], made: Mapping[str, Any]
) -> dict[str, Any]:
    """Segment a scan, write its label maps, then their account, and return the account."""
    _account(out, subject).unlink(missing_ok=True)
    result = segmenter.segment(str(subject.scan), keep_views=True)
    for name, path in maps.items():
        ids = result.per_view_ids[name] if name != "ensemble" and len(maps) > 1 else result.ids
        write_label_map(ids, result.scan, path)
    sums = {name: file_checksum(path) for name, path in maps.items()}
    scan = str(as_named(subject.scan)) if subject.scan else ""
    account = {
        "scan": scan,
        **made,
        "maps_sha256": sums,
        "seen_in_training": result.seen_in_training,
        "warnings": result.warnings,
        "suspicion": result.suspicion,
        "flags": result.flags,
        "mean_view_agreement": result.mean_agreement,
    }
    write_json(_account(out, subject), account)
    return account
