"""The steps of darts-eval in order: find subjects and label maps, segment, score, report what went wrong, write."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from darts_ensemble.commands.command_line import errors, words
from darts_ensemble.errors import CohortError, UsageError
from evaluation.cohort.find import Cohort, Predictions, choose_subjects, find_cohort, find_predictions, parse_location
from evaluation.commands.screen import progress, show_found, show_labelling, show_outside, show_summary
from evaluation.metrics.pair_scores import Scoring
from evaluation.metrics.surface import Definition
from evaluation.protocols.groups import DEEP_STRUCTURES
from evaluation.protocols.protocol import Protocol, ProtocolRegion, load_protocol
from evaluation.quality.cohort_volumes import excluded_names, same_name
from evaluation.results.labelling import means_by_labelling
from evaluation.results.summaries import summarise
from evaluation.run.account import run_account
from evaluation.run.evaluate import Failure, Method, Scores, score_cohort
from evaluation.run.protocol_warnings import named
from evaluation.run.segmentations import Segmented, segment_cohort
from evaluation.run.write_results import write_results, writing_steps

__all__ = ["choose_regions", "find_segment_score_write"]

_WRONG_HEADER = "orientation in the header known to be wrong (Mindboggle issue 186): "


@dataclass(frozen=True)
class _Found:
    """What is to be scored: subjects with their references, and the methods with their label maps.

    Attributes
    ----------
    weights : str or None
        Weights for the segmentation of every scan; None if only given label maps are scored.
    """

    cohort: Cohort
    predictions: dict[str, Predictions]
    weights: str | None
    warnings: list[str]
    failures: list[Failure]


def find_segment_score_write(console: Console, out: Path, given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Do all that one call of darts-eval does.

    Parameters
    ----------
    console : Console
        For progress and results; warnings and errors go to standard error.
    out : Path
        Folder of the results.
    given : dict
        Options of the command line by name.

    Returns
    -------
    account : dict
        What `run.json` holds.
    done : bool
        Whether everything was done, nothing is suspected and the table is not empty.

    Raises
    ------
    UsageError, CohortError, ClusterError
        If the options contradict each other, or nothing is found to be scored.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    scoring = _scoring(given)
    found = _find(console, given)
    segmented = _segment(console, found, out / "segmentations", given)
    methods = [Method(name, one.paths) for name, one in found.predictions.items()] + segmented.methods
    scores = _score(console, found.cohort, methods, scoring, out / "subjects", given)
    warnings = found.warnings + segmented.warnings + _seen_in_training(methods, given) + scores.warnings
    failures = found.failures + segmented.failures + scores.failures
    _print_problems(warnings, scores, failures)
    account = run_account(
        arguments={name: str(value) if isinstance(value, Path) else value for name, value in given.items()},
        cohort=found.cohort, found=found.predictions, methods=methods, scoring=scoring, scores=scores, failures=failures,
        warnings=warnings, weights=segmented.weights, started=started, seconds=time.monotonic() - clock,
    )  # fmt: skip
    unwritten = _write(console, out, scores, account, given)
    if not scores.table.empty:
        show_outside(console, scores, methods, scoring)
        show_summary(console, summarise(scores.table, include_seen=given["include_seen"]))
        show_labelling(console, means_by_labelling(scores.table, account, include_seen=given["include_seen"]))
        console.print(f"{out}: {_shown(account['files'])}")
    left_out = any(not suspect.counted for suspect in scores.suspects)
    return account, not (failures or unwritten or left_out or scores.table.empty)


def _find(console: Console, given: dict[str, Any]) -> _Found:
    """Find the subjects, their references and their label maps, and print what was found."""
    locations = {name: parse_location(path) for name, path in _named(given["pred"] or []).items()}
    weights = given["weights"] or (None if locations else "bundled")
    if weights:
        _refuse_view_names(locations)
    where = parse_location(str(given["gt"]))
    cohort = choose_subjects(find_cohort(where), words(*(given["subjects"] or [])))
    if given.get("exclude"):
        cohort = _without_failed(console, cohort, Path(given["exclude"]))
    predictions = {name: find_predictions(location, cohort.subjects, name=name) for name, location in locations.items()}
    show_found(console, where, cohort, predictions, verbose=given["verbose"])
    if weights is None and not any(one.paths for one in predictions.values()):
        paths = ", ".join(str(location.path) for location in locations.values())
        raise CohortError(f"{paths}: no label map of any subject under {where.path}; name files by subject")
    wrong = [one.id for one in cohort.subjects if one.wrong_header]
    failures = [Failure(fault.subject, "", fault.reason) for fault in cohort.faults]
    failures += [Failure(fault.subject, name, fault.reason) for name, one in predictions.items() for fault in one.faults]
    return _Found(cohort, predictions, weights, [_WRONG_HEADER + named(wrong)] if wrong else [], failures)


def _without_failed(console: Console, cohort: Cohort, decisions: Path) -> Cohort:
    """Return the cohort without the subjects that failed in a table of decisions of the quality page."""
    failed = excluded_names(decisions)
    left_out = [subject.id for subject in cohort.subjects if same_name(subject.id) in failed]
    kept = tuple(subject for subject in cohort.subjects if same_name(subject.id) not in failed)
    if not kept:
        count = len(cohort.subjects)
        who = "the only subject" if count == 1 else f"all {count} subjects"
        raise CohortError(f"{decisions}: {who} failed; expected at least one that did not")
    console.print(f"left out, failed in {decisions}: {named(left_out) if left_out else 'none'}")
    return replace(cohort, subjects=kept)


def _segment(console: Console, found: _Found, folder: Path, given: dict[str, Any]) -> Segmented:
    """Segment the scan of every subject, if weights are to be used."""
    if found.weights is None:
        return Segmented([], {}, [], [])
    from darts_ensemble.inference.heap import keep_freed_memory  # loads torch, which scoring alone does without

    keep_freed_memory()
    subjects = found.cohort.subjects
    with progress(console, len(subjects), "segmenting") as report:
        return segment_cohort(
            subjects, found.weights, folder, device=given["device"], overwrite=given["overwrite"], report=report
        )


def _score(
    console: Console, cohort: Cohort, methods: Sequence[Method], scoring: Scoring, finished: Path, given: dict[str, Any]
) -> Scores:
    matched = {subject for method in methods for subject in method.paths}
    with progress(console, len(matched), "scoring") as report:
        return score_cohort(
            cohort.subjects, methods, scoring, finished=finished, overwrite=given["overwrite"],
            include_suspects=given["include_suspects"], jobs=given["jobs"], cluster=given["dask"], report=report,
        )  # fmt: skip


def _seen_in_training(methods: Sequence[Method], given: dict[str, Any]) -> list[str]:
    seen = sorted({subject for method in methods for subject in method.seen})
    kept = "kept in" if given["include_seen"] else "kept out of"
    return [f"seen in training, {kept} all means: {', '.join(seen)}"] if seen else []


def _print_problems(warnings: Sequence[str], scores: Scores, failures: Sequence[Failure]) -> None:
    for warning in warnings:
        errors.print(f"warning: {warning}")
    for suspect in scores.suspects:
        kept = "kept in the tables" if suspect.counted else "left out of all tables"
        errors.print(f"suspected: {suspect.subject} ({suspect.method}): {suspect.kind}: {suspect.detail}; {kept}")
    for failure in failures:
        errors.print(f"darts-eval: {failure.subject}{f' ({failure.method})' if failure.method else ''}: {failure.reason}")


def _write(console: Console, out: Path, scores: Scores, account: dict[str, Any], given: dict[str, Any]) -> list[Failure]:
    """Write tables, figures, report and account; return, and print, the steps that failed."""
    steps = writing_steps(style=given["style"], figures=not given["no_figures"], report=not given["no_report"])
    with progress(console, len(steps), "writing") as report:
        unwritten = write_results(out, scores, account, steps, report)
    for failure in unwritten:
        errors.print(f"darts-eval: {failure.method}: {failure.reason}")
    return unwritten


def _scoring(given: dict[str, Any]) -> Scoring:
    protocol = load_protocol(given["protocol"])
    tolerances = tuple(sorted(set(given["tolerance"] or [1.0])))
    if not all(0 <= tolerance < math.inf for tolerance in tolerances):
        raise UsageError(f"--tolerance {', '.join(map(str, tolerances))}: expected distances in mm, none below 0")
    surfaces = {"voxel": ("voxel",), "dual-grid": ("dual_grid",), "both": ("voxel", "dual_grid")}[given["surface_definition"]]
    return Scoring(
        protocol,
        tuple(protocol.regions.index(region) for region in choose_regions(given["regions"], protocol)),
        given["outside_protocol"],
        cast("tuple[Definition, ...]", surfaces) if given["metrics"] == "all" else (),
        tolerances,
        given["misses"],
    )


def choose_regions(text: str, protocol: Protocol) -> list[ProtocolRegion]:
    """Return the regions in a comma-separated list of names, ids or groups, in the protocol's order; all if it is empty.

    Raises
    ------
    UsageError
        If a word is not a name, id or group of the protocol.
    """
    chosen: set[int] = set()
    unknown = []
    for word in words(text):
        wanted = word.lower()
        # FreeSurfer 7 dropped the suffix of its thalamus.
        names = {one.id: {one.name.lower(), one.name.lower().removesuffix("-proper"), str(one.id)} for one in protocol.regions}
        found = {one.id for one in protocol.regions if wanted in names[one.id] or wanted == one.group.lower()}
        if wanted == "deep structures":
            found |= {one.id for one in protocol.regions if one.id in DEEP_STRUCTURES}
        chosen |= found
        if not found:
            unknown.append(word)
    if unknown:
        groups = ", ".join(dict.fromkeys(region.group for region in protocol.regions))
        raise UsageError(
            f"unknown region {', '.join(unknown)}; expected names or ids of protocol {protocol.name}, deep structures, or its "
            f"groups: {groups}"
        )
    return [region for region in protocol.regions if region.id in chosen] if chosen else list(protocol.regions)


def _shown(files: Sequence[str]) -> str:
    """Return the files of the folder itself, and the number of files in folders below it."""
    below = Counter(name.split("/")[0] for name in files if "/" in name)
    return ", ".join([name for name in files if "/" not in name] + [f"{folder}/ ({n} files)" for folder, n in below.items()])


def _named(texts: Sequence[str]) -> dict[str, str]:
    paths: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path) or "/" in name:
            raise UsageError(f"--pred {text}; expected NAME=PATH, such as freesurfer=SUBJECTS_DIR")
        # Files are named by methods, and some file systems do not distinguish upper and lower case.
        if name.casefold() in map(str.casefold, paths):
            raise UsageError(f"--pred {name}: given twice (upper and lower case are equal); expected one path per name")
        paths[name] = path
    return paths


def _refuse_view_names(names: Iterable[str]) -> None:
    from darts_ensemble.slices.views import VIEWS  # imports torch, which scoring alone does without

    clash = [name for name in names if name.casefold() in (*VIEWS, "ensemble")]
    if clash:
        raise UsageError(f"--pred {', '.join(clash)}: a name that --weights uses; expected another")
