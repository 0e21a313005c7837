"""Methods x subjects to one long table of Dice, and the means over it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.errors import CohortError, DartsError
from darts_ensemble.labels import REGION_BY_ID, REGIONS, Region
from darts_ensemble.outputs import write_text
from darts_ensemble.overlap import dice_of_regions, joint_histogram, merge_labels
from darts_ensemble.scan import write_label_map
from evaluation.cohort import Subject
from evaluation.protocol import compare, read_prediction, read_reference

__all__ = [
    "COLUMNS", "SIDES_MERGED", "Failure", "Method", "Scores", "Segmented", "counted_rows", "never_emitted", "region_means",
    "score_cohort", "segment_cohort", "subject_means", "summarise",
]  # fmt: skip

COLUMNS = (
    "subject", "method", "region_id", "region_name", "hemisphere", "group", "dice", "n_ref_voxels", "n_pred_voxels", "status",
    "seen_in_training",
)  # fmt: skip
#: End of the name under which a method is scored with left and right made one.
SIDES_MERGED = " (sides merged)"
_LEFT_CLASS = [REGION_BY_ID[r.homologue or 0 if r.hemisphere == "right" else r.id].class_index for r in REGIONS]

Report = Callable[[str], None]


@dataclass(frozen=True)
class Method:
    """A method and its label maps.

    Attributes
    ----------
    name : str
    paths : dict of str to Path
        Label map of each subject that has one.
    also_merged : bool
        Whether it is scored a second time with homologues merged: a sagittal network can't tell the sides.
    seen : frozenset of str
        Subjects on which the method was trained.
    """

    name: str
    paths: dict[str, Path]
    also_merged: bool = False
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Failure:
    """A subject that could not be done, and why; `method` is empty where no method could."""

    subject: str
    method: str
    reason: str


@dataclass(frozen=True)
class Segmented:
    """A cohort segmented: methods with label maps on disk, sha256 of each weights file, what failed, warnings."""

    methods: list[Method]
    weights: dict[str, str]
    failures: list[Failure]
    warnings: list[str]


@dataclass(frozen=True)
class Scores:
    """A cohort scored.

    Attributes
    ----------
    table : DataFrame
        One row a subject, method and region; columns :data:`COLUMNS`.
    foreign_ids : dict
        subject -> method -> {"masked": {id: voxels}, "dropped": {id: voxels}}: see :class:`evaluation.protocol.Comparison`.
    failures : list of Failure
    warnings : list of str
    """

    table: pd.DataFrame
    foreign_ids: dict[str, dict[str, dict[str, dict[int, int]]]]
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
    files = {str(one.path): hashlib.sha256(one.path.read_bytes()).hexdigest() for one in networks.values() if one.path}
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
            write_text(account, json.dumps({**made, "seen_in_training": result.seen_in_training}, indent=1) + "\n")
        except DartsError as error:
            failures.append(Failure(subject.id, "", str(error)))
            continue
        done[subject.id] = result.seen_in_training
        report(f"{subject.id}: segmented {subject.scan.name}")
    seen = frozenset(subject for subject, was_seen in done.items() if was_seen)
    methods = [Method(name, {one: out / name / f"{one}.nii.gz" for one in done}, name == "sagittal", seen) for name in names]
    silent = [one.path.name for one in networks.values() if one.path and not one.training_subjects]
    tuned = [name for name in silent if re.search(r"(?<!non)(?<!non[_-])finetuned", name.lower())]
    warnings = [
        f"{name}: fine-tuned on Mindboggle scans that the file doesn't name: the split is unknown and means may be too high"
        for name in tuned
        if any(subject.layout == "mindboggle" for subject in subjects)
    ]
    return Segmented(methods, files, failures, warnings)


def score_cohort(
    subjects: Sequence[Subject], methods: Sequence[Method], *, regions: Sequence[Region] = REGIONS,
    report: Report = lambda line: None,
) -> Scores:  # fmt: skip
    """Score every method on every subject that it has; each reference is read once.

    A pair whose sides are merged is scored where both sides are among `regions`.
    """
    tables: list[pd.DataFrame] = []
    foreign: dict[str, dict[str, dict[str, dict[int, int]]]] = {}
    failures, warnings = [], []
    for subject in subjects:
        present = [method for method in methods if subject.id in method.paths]
        if not present:
            continue
        try:
            reference = read_reference(subject.reference, cortex_only=subject.cortex_only)
        except DartsError as error:
            failures.append(Failure(subject.id, "", str(error)))
            continue
        if reference.desikan and subject.layout == "freesurfer":
            warnings.append(
                f"{subject.id}: {subject.reference.name} is a Desikan map (it labels bankssts): its cortex is not DKT's"
            )
        for method in present:
            path = method.paths[subject.id]
            try:
                prediction = read_prediction(path, reference)
            except DartsError as error:
                failures.append(Failure(subject.id, method.name, str(error)))
                continue
            if path.resolve() == subject.reference.resolve():
                warnings.append(f"{subject.id}: {method.name} is the reference file itself: its Dice says nothing")
            if not prediction.any():
                warnings.append(f"{subject.id}: {path} is empty: every region counts as missed")
            pair = compare(reference.labels.data, prediction)
            foreign.setdefault(subject.id, {})[method.name] = {"masked": pair.masked, "dropped": pair.dropped}
            joint = joint_histogram(pair.reference, pair.prediction)
            tables.append(_rows(joint, regions, subject, method.name))
            if method.also_merged:
                tables.append(_merged_rows(joint, regions, subject, method.name + SIDES_MERGED))
            for table in tables[-1 - method.also_merged :]:
                table["seen_in_training"] = subject.id in method.seen
        report(f"{subject.id}: scored {', '.join(method.name for method in present)}")
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    return Scores(whole, foreign, failures, warnings)


def _rows(joint: npt.NDArray[np.int64], regions: Sequence[Region], subject: Subject, method: str) -> pd.DataFrame:
    at = [region.class_index for region in regions]
    n_reference, n_prediction = joint.sum(axis=1)[at], joint.sum(axis=0)[at]
    outside = np.array([subject.cortex_only and not region.dkt31 for region in regions], dtype=bool)
    status = np.select(
        [outside, (n_reference > 0) & (n_prediction > 0), n_reference > 0, n_prediction > 0],
        ["absent by protocol", "scored", "missed", "invented"],
        "absent",
    )
    return pd.DataFrame(
        {
            "subject": subject.id,
            "method": method,
            "region_id": [region.id for region in regions],
            "region_name": [region.name for region in regions],
            "hemisphere": [str(region.hemisphere) for region in regions],
            "group": [region.group for region in regions],
            "dice": np.where(outside, np.nan, dice_of_regions(joint)[at]),
            "n_ref_voxels": n_reference,
            "n_pred_voxels": n_prediction,
            "status": status,
        }
    )


def _merged_rows(joint: npt.NDArray[np.int64], regions: Sequence[Region], subject: Subject, method: str) -> pd.DataFrame:
    """Rows with both sides of a pair as one region, under the left id; pairs of which one side is not wanted are left out."""
    ids = {region.id for region in regions}
    left = [one for one in regions if one.hemisphere != "right" and (one.homologue is None or one.homologue in ids)]
    rows = _rows(merge_labels(joint, _LEFT_CLASS), left, subject, method)
    names = rows["region_name"].str.replace("Left-", "").str.replace("ctx-lh-", "ctx-")
    return rows.assign(region_name=names, hemisphere=rows["hemisphere"].replace("left", "both"))


def counted_rows(table: pd.DataFrame, *, include_seen: bool = False) -> pd.DataFrame:
    """Return the rows that enter means: those of subjects that no method of the run was trained on.

    A subject that one method has seen is left out for all, so that all means stand on the same subjects.
    """
    if include_seen:
        return table
    return table[~table["subject"].isin(table.loc[table["seen_in_training"].astype(bool), "subject"])]


def never_emitted(table: pd.DataFrame) -> dict[str, list[int]]:
    """Return for each method the ids that none of its label maps holds, over the whole table."""
    most = table.groupby(["method", "region_id"], sort=False)["n_pred_voxels"].max()
    return {str(name): [int(id_) for id_ in most[name].index[most[name] == 0]] for name in table["method"].unique()}


def subject_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean Dice within each subject, from all rows of a run (what a method never emits is told from all of them).

    Returns
    -------
    DataFrame
        subject, method, mean_dice (over all scored regions; missed and invented ones count 0), n_regions, mean_dice_common
        (over those that every method can produce; a merged pair needs both sides), n_regions_common, n_missed, n_invented,
        seen_in_training.
    """
    lacking = {id_ for name, ids in never_emitted(table).items() if not name.endswith(SIDES_MERGED) for id_ in ids}
    merged = table["method"].str.endswith(SIDES_MERGED)
    other_side = pd.Series([REGION_BY_ID[id_].homologue for id_ in table["region_id"]], index=table.index)
    special = table["region_id"].isin(lacking) | (merged & other_side.isin(lacking))
    more = {
        "common": table["dice"].mask(special),
        "missed": table["status"] == "missed",
        "invented": table["status"] == "invented",
    }
    grouped = table.assign(**more).groupby(["subject", "method"], sort=False)
    return grouped.agg(
        mean_dice=("dice", "mean"),
        n_regions=("dice", "count"),
        mean_dice_common=("common", "mean"),
        n_regions_common=("common", "count"),
        n_missed=("missed", "sum"),
        n_invented=("invented", "sum"),
        seen_in_training=("seen_in_training", "first"),
    ).reset_index()


def summarise(table: pd.DataFrame, *, include_seen: bool = False) -> pd.DataFrame:
    """Return one row a method: the mean over regions within a subject, then mean and SD (n - 1) over subjects.

    Returns
    -------
    DataFrame
        method, n_subjects, mean_dice, sd_dice, mean_dice_common, sd_dice_common, n_missed, n_invented (regions, summed over
        subjects), n_seen_left_out (subjects), never_emitted (names, "; " between them).
    """
    means = subject_means(table)
    counted = counted_rows(means, include_seen=include_seen)
    rows = []
    for method, ids in never_emitted(table).items():
        mine = counted[counted["method"] == method]
        row: dict[str, object] = {"method": method, "n_subjects": len(mine)}
        for column in ("dice", "dice_common"):
            row |= {f"mean_{column}": mine[f"mean_{column}"].mean(), f"sd_{column}": mine[f"mean_{column}"].std()}
        row |= {column: int(mine[column].sum()) for column in ("n_missed", "n_invented")}
        row["n_seen_left_out"] = int((means["method"] == method).sum()) - len(mine)
        row["never_emitted"] = "; ".join(REGION_BY_ID[id_].name for id_ in ids)
        rows.append(row)
    return pd.DataFrame(rows)


def region_means(table: pd.DataFrame, *, include_seen: bool = False) -> pd.DataFrame:
    """Return one row a region and method: mean and SD (n - 1) of Dice over subjects and the number of subjects behind them."""
    keys = ["method", "region_id", "region_name", "hemisphere", "group"]
    grouped = counted_rows(table, include_seen=include_seen).groupby(keys, sort=False)["dice"]
    return grouped.agg(mean_dice="mean", sd_dice="std", n_subjects="count").reset_index()
