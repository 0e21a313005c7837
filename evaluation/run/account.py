"""run.json: all that a reader needs to know about the origin of a run's numbers."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from darts_ensemble.versions import package_versions
from evaluation.cohort.find import Cohort, Predictions
from evaluation.metrics.pair_scores import Scoring
from evaluation.results.labelling import labelled_by
from evaluation.run.evaluate import Failure, Method, Scores
from evaluation.statistics.intervals import Bootstrap

__all__ = ["run_account"]

_PACKAGES = (
    "darts-ensemble", "numpy", "scipy", "pandas", "statsmodels", "nibabel", "matplotlib", "seaborn", "nilearn", "torch",
)  # fmt: skip


def run_account(
    *,
    arguments: dict[str, Any],
    cohort: Cohort,
    found: dict[str, Predictions],
    methods: Sequence[Method],
    scoring: Scoring,
    scores: Scores,
    failures: Sequence[Failure],
    warnings: Sequence[str],
    weights: dict[str, str],
    started: str,
    seconds: float,
) -> dict[str, Any]:
    """Return the account of a run, ready for JSON; `files` is added when they are written."""
    return {
        "command": shlex.join(["darts-eval", *sys.argv[1:]]),
        "arguments": arguments,
        "versions": {"python": platform.python_version(), "platform": platform.platform(), **package_versions(_PACKAGES)},
        "started": started,
        "seconds": round(seconds, 1),
        "seconds_by_subject": scores.seconds,
        "bootstrap": asdict(Bootstrap()),
        "protocol": _protocol(scoring),
        "metrics": {
            "surface_definitions": list(scoring.definitions),
            "tolerances_mm": list(scoring.tolerances) if scoring.definitions else [],
            "misses": scoring.misses,
        },
        "include_seen": arguments["include_seen"],
        "layouts": {"references": cohort.layout, **{name: one.layout for name, one in found.items()}},
        "references": {subject.id: str(subject.reference) for subject in cohort.subjects},
        "scans": {subject.id: str(subject.scan) for subject in cohort.subjects if subject.scan},
        "families": {subject: family for subject, family in scores.families.items() if family != subject},
        "label_maps": {method.name: {subject: str(path) for subject, path in method.paths.items()} for method in methods},
        "input_sha256": scores.checksums,
        "weights_sha256": weights,
        "not_matched": _not_matched(cohort, found, methods),
        "labelled_by": labelled_by([subject.reference for subject in cohort.subjects], scoring.regions),
        "seen_in_training": {method.name: sorted(method.seen) for method in methods if method.seen},
        "counts": {
            "subjects": len(cohort.subjects), "methods": len(methods), "failures": len(failures), **_counts(scores, scoring)
        },
        "grids": _grids(scores),
        "labels_follow": _labels_follow(scores),
        "absent_by_protocol": _absent_by_protocol(scores),
        "copied_regions": scores.copied.left_out(),
        "foreign_ids": _foreign_ids(scores),
        "suspects": [vars(suspect) for suspect in scores.suspects],
        "warnings": list(warnings),
        "failures": [vars(failure) for failure in failures],
    }  # fmt: skip


def _protocol(scoring: Scoring) -> dict[str, Any]:
    protocol = scoring.protocol
    return {
        "name": protocol.name,
        "sha256": protocol.digest,
        "regions": [region.id for region in scoring.regions],
        "merged": {str(region.id): list(region.ids) for region in scoring.regions if len(region.ids) > 1},
        "background": sorted(protocol.background),
        "masked": sorted(protocol.masked),
        "outside": scoring.outside,
    }


def _not_matched(cohort: Cohort, found: dict[str, Predictions], methods: Sequence[Method]) -> dict[str, Any]:
    return {
        "without_reference": list(cohort.unlabelled),
        "left_out": {one.subject.id: one.reason for one in cohort.left_out},
        "without_label_map": {
            method.name: [subject.id for subject in cohort.subjects if subject.id not in method.paths] for method in methods
        },
        "label_maps_without_reference": {name: list(one.unmatched) for name, one in found.items()},
    }


def _counts(scores: Scores, scoring: Scoring) -> dict[str, Any]:
    return {
        "subjects_scored": int(scores.table["subject"].nunique()),
        "regions": len(scoring.places),
        "pairs_scored": sum(len(found) for found in scores.pairs.values()),
        "pairs_taken_over": scores.n_reused,
        "pairs_suspected": len(scores.suspects),
        "rows": {str(status): int(n) for status, n in scores.table["status"].value_counts().items()},
    }


def _absent_by_protocol(scores: Scores) -> dict[str, Any]:
    labelled = scores.labelled
    more = {subject: sorted(ids - labelled.by_none) for subject, ids in labelled.by_subject.items()}
    return {
        "no_reference_holds": sorted(labelled.by_none),
        "by_subject": {subject: ids for subject, ids in more.items() if ids},
    }


def _grids(scores: Scores) -> dict[str, Any]:
    """Return shape and voxel size of each reference, and how each prediction was brought to its grid."""
    grids: dict[str, Any] = {}
    for subject, found in scores.pairs.items():
        for method, one in found.items():
            grid = grids.setdefault(subject, {"shape": one.shape, "voxel_size_mm": one.voxel_size, "label_maps": {}})
            grid["label_maps"][method] = "laid voxel on voxel" if one.laid_on else one.move
    return grids


def _labels_follow(scores: Scores) -> dict[str, Any]:
    """Return the protocol of each cortex, recognised from its labels."""
    told: dict[str, Any] = {}
    for subject, found in scores.pairs.items():
        for method, one in found.items():
            labels = one.reference_labels
            reference = labels.cortex + (", cortex only" if labels.cortex_only else "")
            told.setdefault(subject, {"reference": reference, "label_maps": {}})["label_maps"][method] = (
                one.prediction_labels.cortex
            )
    return told


def _foreign_ids(scores: Scores) -> dict[str, Any]:
    return {
        subject: {
            method: {"masked": one.masked, "as_background": one.as_background, "dropped": one.dropped}
            for method, one in found.items()
        }
        for subject, found in scores.pairs.items()
    }
