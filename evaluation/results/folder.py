"""A results folder of darts-eval as tables: read it, and choose the rows that are included in means."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from darts_ensemble.errors import CohortError

__all__ = [
    "COMPARISONS", "IDENTITY", "OVERLAP_METRICS", "SIDES_MERGED", "SURFACE_PREFIXES", "Results", "counted_rows",
    "is_distance", "metric_columns", "metric_names", "read_results",
]  # fmt: skip

#: Columns of scores.csv and groups.csv that identify a row; the columns after them are metrics.
IDENTITY = (
    "subject", "family", "method", "region_id", "region_name", "hemisphere", "group", "status", "seen_in_training",
    "n_ref_voxels", "n_pred_voxels", "volume_ref_mm3", "volume_pred_mm3",
)  # fmt: skip
OVERLAP_METRICS = ("dice", "jaccard", "sensitivity", "precision", "volume_similarity")
#: Beginnings of the columns of :func:`evaluation.metrics.surface.surface_scores`.
SURFACE_PREFIXES = ("hd95_", "assd_", "surface_dice_")
#: Appended to the name of a method that is scored with left and right merged.
SIDES_MERGED = " (sides merged)"

#: Tables of :mod:`evaluation.statistics.comparison`, by the names of their files.
COMPARISONS = ("paired_regions", "paired_overall", "ranks", "mixed_model", "volume_agreement")
_SCORES = ("scores.csv", "groups.csv", "subjects.csv", "summary.csv", "regions.csv")
_TEXT = (
    "subject", "family", "method", "method_a", "method_b", "region_name", "hemisphere", "group", "status", "metric",
    "never_emitted", "reference_labels",
)  # fmt: skip


@dataclass(frozen=True)
class Results:
    """The results of a run of darts-eval, read from its folder.

    Attributes
    ----------
    folder : Path
    scores : DataFrame
        One row per subject, method and region: :data:`IDENTITY`, then the metrics (Dice and similar ones 0 to 1, distances in
        mm). Distances of missed and invented regions follow the run's policy and may be NaN or infinite.
    groups : DataFrame
        The same columns for groups of regions; `region_id` is NA.
    subjects, summary, regions : DataFrame
        Means within subjects, over subjects, and over subjects in each region: see :mod:`evaluation.results.summaries`.
    account : dict
        run.json.
    paired_regions, paired_overall, ranks, mixed_model, volume_agreement : DataFrame or None
        Comparisons of methods; None if the file does not exist.
    """

    folder: Path
    scores: pd.DataFrame
    groups: pd.DataFrame
    subjects: pd.DataFrame
    summary: pd.DataFrame
    regions: pd.DataFrame
    account: dict[str, Any]
    paired_regions: pd.DataFrame | None = None
    paired_overall: pd.DataFrame | None = None
    ranks: pd.DataFrame | None = None
    mixed_model: pd.DataFrame | None = None
    volume_agreement: pd.DataFrame | None = None

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the order of the run."""
        return [str(name) for name in self.scores["method"].unique()]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics' columns."""
        return metric_columns(self.scores)

    @property
    def include_seen(self) -> bool:
        """Whether the run kept subjects seen in training in its means."""
        return bool(self.account.get("include_seen", False))

    def counted(self, table: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the rows of `scores`, or of another table, that are included in means: see :func:`counted_rows`."""
        return counted_rows(self.scores if table is None else table, include_seen=self.include_seen)


def read_results(folder: str | Path) -> Results:
    """Read the folder that darts-eval wrote.

    Raises
    ------
    CohortError
        If a table of the scores, or run.json, is missing or can't be read.
    """
    folder = Path(folder)
    scores = {name.removesuffix(".csv"): _read_table(folder / name) for name in _SCORES}
    comparisons = {name: _read_table(path) for name in COMPARISONS if (path := folder / f"{name}.csv").is_file()}
    path = folder / "run.json"
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CohortError(f"{path}: {_reason(error)}; expected the account that darts-eval writes") from None
    return Results(folder=folder, account=account, **scores, **comparisons)


def counted_rows(table: pd.DataFrame, *, include_seen: bool = False) -> pd.DataFrame:
    """Return the rows that are included in means: those of subjects that no method of the run was trained on.

    A subject that one method has seen is left out for all methods, so that all means are over the same subjects.

    Parameters
    ----------
    table : DataFrame
        Columns `subject` and `seen_in_training`; all rows of the run.
    include_seen : bool
        Leave no subject out.
    """
    if include_seen or table.empty:
        return table
    return table[~table["subject"].isin(table.loc[table["seen_in_training"].astype(bool), "subject"])]


def metric_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the metrics' columns of a long table, in its order."""
    return metric_names(table.columns)


def metric_names(columns: Iterable[str]) -> list[str]:
    """Return the names of metrics among the names of columns."""
    return [name for name in columns if name in OVERLAP_METRICS or str(name).startswith(SURFACE_PREFIXES)]


def is_distance(metric: str) -> bool:
    """Whether a metric is a distance in mm, so that less is better."""
    return metric.startswith(("hd95_", "assd_"))


def _read_table(path: Path) -> pd.DataFrame:
    try:
        columns = pd.read_csv(path, nrows=0).columns
        types: dict[str, Any] = {name: str for name in _TEXT if name in columns}
        if "region_id" in columns:
            types["region_id"] = "int64" if path.name in ("scores.csv", "regions.csv") else "Int64"
        # A subject may be called 01 or NA: names stay text, and only an empty field is missing.
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise CohortError(f"{path}: no such file; expected a folder that darts-eval wrote") from None
    except (OSError, ValueError) as error:
        raise CohortError(f"{path}: {_reason(error)}; expected a table that darts-eval wrote") from None
    text = [name for name in types if types[name] is str]
    return table.assign(**{name: table[name].fillna("") for name in text})


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
