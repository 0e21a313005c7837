"""The tables of the evaluation report: the columns shown from each file of a results folder, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.report.html_page import Column, Table
from evaluation.results.folder import SIDES_MERGED, Results, is_distance
from evaluation.results.labelling import KIND, labelled_apart
from evaluation.results.metric_text import describe_metric

__all__ = [
    "MOST_PAIRED_ROWS", "MOST_PRINTED_ROWS", "agreement_table", "dice_table", "group_table", "labelling_table", "misses_table",
    "mixed_model_table", "overall_table", "paired_table", "rank_table", "region_table", "subject_table", "summary_table",
    "worst_cases", "worst_table",
]  # fmt: skip

#: Longer tables are not printed, only shown on the screen.
MOST_PRINTED_ROWS = 160
#: Most rows of paired tests; if there are more, only those with the baseline are shown.
MOST_PAIRED_ROWS = 2000

_METHOD = Column("method", "Method")
_REGION = Column("region_name", "Region")
_SIDE = Column("hemisphere", "Side")
_GROUP = Column("group", "Group")
_SUBJECTS = Column("n_subjects", "Subjects", "Number of subjects in the means.", "integer")
_BEHIND = Column("n_dice", "Subjects", "Subjects with a Dice: both maps, or one of them, have the region.", "integer")
_MISSING = Column("n_missing", "Missing", "Subjects in which only one map has the region; their Dice is 0.", "integer")
_MISSED = Column("n_missed", "Missed", "Regions of the reference that the method lacks, counted over subjects.", "integer")
_INVENTED = Column(
    "n_invented", "Invented", "Regions of the method that the reference lacks, counted over subjects.", "integer"
)
_PAIR = (Column("method_a", "A"), Column("method_b", "B"))
_LABELS = Column(KIND, "Reference labels", "Who labelled the regions in the references; each kind is tested separately.")
_N = Column("n", "n", "Subjects with a value under both methods: the sample size of the tests.", "integer")
_HOLM_METHODS = "Holm over the pairs of methods"
_HOLM_REGIONS = "Holm over the regions of one pair of methods"
_FDR_REGIONS = "Benjamini-Hochberg over the regions of one pair of methods"
_WILCOXON = Column(
    "wilcoxon_p", "p", "Wilcoxon signed-rank test, two-sided; the column “p by” shows how it was computed.", "p"
)  # fmt: skip
_P_BY = Column("wilcoxon_method", "p by", "How Wilcoxon's p was computed: exact distribution, permutation of signs, or normal.")
_RANK_BISERIAL = Column(
    "rank_biserial", "r", "Matched-pairs rank-biserial correlation, −1 to 1: 1 where A is higher in every subject.", "signed", 2
)
_D_Z = Column("d_z", "d_z", "Cohen's d_z: mean of the differences divided by their standard deviation.", "signed", 2)
_NOTE = Column("note", "Note")


def summary_table(results: Results) -> Table:
    """Return the means over subjects, one row per method."""
    columns = [
        _METHOD, _SUBJECTS, *_mean_columns(results.summary, results.metrics), _MISSED, _INVENTED,
        Column("n_seen_left_out", "Seen in training", "Subjects that weights were trained on; they are in no mean.", "integer"),
    ]  # fmt: skip
    caption = "Mean over regions within each subject, then mean ± SD over subjects."
    if labelled_apart(results.account):
        caption = f"Manual and automatic reference labels together. {caption}"
    return _table(results.summary, columns, caption, "summary.csv")


def labelling_table(results: Results, means: pd.DataFrame) -> Table:
    """Return the means over the regions labelled by hand and over the others, one row per method and kind."""
    columns = [
        _METHOD, Column("reference_labels", "Reference labels", "Who labelled these regions in the references."),
        Column("n_regions", "Regions", "Regions of that kind.", "integer"), _SUBJECTS,
        *_mean_columns(means, results.metrics), _MISSED, _INVENTED,
    ]  # fmt: skip
    caption = "By who labelled the reference: mean over regions within each subject, then mean ± SD over subjects."
    return _table(means, columns, caption, "summary_by_labelling.csv")


def region_table(results: Results) -> Table:
    """Return the means over subjects of each region, one row per region and method."""
    columns = [_REGION, _SIDE, _GROUP, _METHOD, _BEHIND, _MISSING, *_mean_columns(results.regions, results.metrics)]
    return _table(results.regions, columns, "Every region and method: mean ± SD over subjects.", "regions.csv")


def dice_table(results: Results) -> Table:
    """Return the Dice of each region with the methods side by side."""
    keys = ["region_id", "region_name", "hemisphere"]
    frame = results.regions[[*keys[:1]]].drop_duplicates()
    columns = [_REGION, _SIDE]
    for place, method in enumerate(dict.fromkeys(results.regions["method"])):
        mine = results.regions[results.regions["method"] == method]
        # By position, not by name, because a method may have the name of a column.
        means = mine[["region_id", "mean_dice", "sd_dice"]].set_axis(["region_id", f"mean_{place}", f"sd_{place}"], axis=1)
        frame = frame.merge(means, on="region_id", how="left")
        columns.append(Column(f"mean_{place}", str(method), kind="number", spread=f"sd_{place}"))
    # With merged sides, a pair has a name that is not one of the two regions.
    named = results.regions[~results.regions["method"].str.endswith(SIDES_MERGED)]
    frame = frame.merge((named if len(named) else results.regions)[keys].drop_duplicates("region_id"), on="region_id")
    caption = "Dice of every region, methods side by side: mean ± SD over subjects."
    return _table(frame, columns, caption, "regions.csv")


def group_table(results: Results) -> Table | None:
    """Return the means over subjects of each group of regions; None if the protocol has no complete group."""
    if results.groups.empty:
        return None
    keys = ["region_name", "hemisphere", "group", "method"]
    counted = results.counted(results.groups)
    if counted.empty:
        return None
    grouped = counted.groupby(keys, sort=False)
    missing = counted["status"].isin(["missed", "invented"]).groupby([counted[key] for key in keys], sort=False).sum()
    frame = pd.DataFrame({"n_dice": grouped["dice"].count(), "n_missing": missing})
    for metric in results.metrics:
        frame[f"mean_{metric}"], frame[f"sd_{metric}"] = grouped[metric].mean(), grouped[metric].std()
    columns = [
        Column("region_name", "Group of regions"), _SIDE, Column("group", "Kind"), _METHOD, _BEHIND, _MISSING,
        *_mean_columns(frame, results.metrics),
    ]  # fmt: skip
    caption = "Groups of regions, each scored as one region: mean ± SD over subjects."
    return _table(frame.reset_index(), columns, caption, "groups.csv")


def subject_table(results: Results) -> Table:
    """Return the means over regions of each subject, one row per subject and method."""
    frame = results.subjects.assign(seen=np.where(results.subjects["seen_in_training"].astype(bool), "yes", "no"))
    seen = [Column("seen", "Seen in training", "Whether the method's weights were trained on the subject.")]
    columns = [
        Column("subject", "Subject"), _METHOD, Column("n_dice", "Regions", "Regions with a Dice.", "integer"),
        *_mean_columns(frame, results.metrics), _MISSED, _INVENTED, *(seen if (frame["seen"] == "yes").any() else []),
    ]  # fmt: skip
    return _table(frame, columns, "Every subject and method: mean over the scored regions.", "subjects.csv")


def worst_cases(results: Results, number: int) -> pd.DataFrame:
    """Return the rows of `scores` with the lowest Dice of regions that both maps have, the worst first."""
    scored = results.counted()
    scored = scored[scored["status"] == "scored"]
    return scored.sort_values(["dice", "subject", "method", "region_id"], kind="stable").head(number)


def worst_table(results: Results, worst: pd.DataFrame) -> Table:
    """Return the worst cases as a table."""
    shown = [(name, describe_metric(name)) for name in results.metrics if name == "dice" or is_distance(name)]
    metrics = [Column(name, words.heading, words.meaning, "number", words.digits) for name, words in shown]
    columns = [
        Column("subject", "Subject"), _REGION, _METHOD, *metrics,
        Column("volume_ref_mm3", "Reference, mm³", "Volume of the region in the reference.", "number", 0),
        Column("volume_pred_mm3", "Method, mm³", "Volume of the region in the method's label map.", "number", 0),
    ]  # fmt: skip
    caption = f"The {len(worst)} lowest Dice among regions that both maps have."
    return _table(worst, columns, caption, "scores.csv", filtered=False)


def misses_table(results: Results) -> Table | None:
    """Return how often each region is missed or invented by each method; None if this never happens."""
    counted = results.counted()
    keys = ["region_name", "method", "status"]
    found = counted[counted["status"].isin(["missed", "invented"])].groupby(keys, sort=False)["subject"]
    frame = found.agg(n="count", subjects=lambda names: ", ".join(map(str, names))).reset_index()
    if frame.empty:
        return None
    columns = [
        _REGION, _METHOD, Column("status", "What", "missed: only the reference has it; invented: only the method has it."),
        Column("n", "Subjects", "How many.", "integer"), Column("subjects", "Which"),
    ]  # fmt: skip
    return _table(frame.sort_values("n", ascending=False, kind="stable"), columns, "Regions missed or invented.", "scores.csv")


def overall_table(frame: pd.DataFrame) -> Table:
    """Return the comparison of methods over all regions."""
    p_meaning = "; A and B are compared by their means over regions, one value per subject"
    columns = [
        *_metric_column(frame), _LABELS, *_PAIR, Column("n_regions", "Regions", "Regions that both have.", "integer"), _N,
        Column("n_families", "Families", "Independent units of the tests: families of subjects.", "integer"),
        Column("mean_difference", "A − B", "Mean difference over subjects, with its BCa bootstrap interval.", "signed", 4,
               low="mean_low", high="mean_high"),
        _D_Z,
        Column("t_p", "t: p", f"Paired t test{p_meaning}.", "p"),
        Column("t_p_holm_methods", "t: p, Holm", f"{_HOLM_METHODS}.", "p"),
        Column("wilcoxon_p", "Wilcoxon: p", f"Signed-rank test{p_meaning}.", "p"),
        Column("wilcoxon_p_holm_methods", "Wilcoxon: p, Holm", f"{_HOLM_METHODS}.", "p"),
        _P_BY, _RANK_BISERIAL, _NOTE,
    ]  # fmt: skip
    which = "all regions of each kind of reference labels" if KIND in frame.columns else "all regions"
    caption = f"Methods compared over {which}; n is the number of subjects."
    return _table(_with_headings(frame), columns, caption, "paired_overall.csv")


def paired_table(frame: pd.DataFrame, caption: str) -> Table:
    """Return the comparison of methods in each region."""
    columns = [
        _REGION, _LABELS, *_PAIR, _N,
        Column("mean_a", "Mean A", "Over the subjects that both have.", "number"),
        Column("mean_b", "Mean B", "Over the subjects that both have.", "number"),
        Column("mean_difference", "A − B", "Mean difference, with its BCa bootstrap interval.", "signed",
               low="mean_low", high="mean_high"),
        Column("hl_estimate", "Hodges-Lehmann", "Median of the averages of pairs of differences, with its interval.", "signed",
               low="hl_low", high="hl_high"),
        _D_Z, _RANK_BISERIAL,
        Column("t_p", "t: p", "Paired t test, two-sided.", "p"),
        _WILCOXON,
        Column("wilcoxon_p_holm_methods", "p Holm, methods", f"Wilcoxon p, {_HOLM_METHODS} within the region.", "p"),
        Column("wilcoxon_p_holm_regions", "p Holm, regions", f"Wilcoxon p, {_HOLM_REGIONS}.", "p"),
        Column("wilcoxon_p_fdr_regions", "p FDR, regions", f"Wilcoxon p, {_FDR_REGIONS}.", "p"),
        _P_BY, _NOTE,
    ]  # fmt: skip
    return _table(frame, columns, caption, "paired_regions.csv")


def rank_table(frame: pd.DataFrame, caption: str) -> Table:
    """Return the ranks of three or more methods in each region."""
    means = [name for name in frame.columns if str(name).startswith("mean_rank_")]
    ranks = [Column(name, f"Rank, {name.removeprefix('mean_rank_')}", kind="number", digits=2) for name in means]
    columns = [
        _REGION, _LABELS, _N, *ranks,
        Column("iman_davenport_f", "F", "Iman and Davenport's F of the ranks.", "number", 2),
        Column("iman_davenport_p", "p", "Of F.", "p"),
        Column("iman_davenport_p_holm_regions", "p Holm, regions", "Holm over the regions.", "p"),
        Column("iman_davenport_p_fdr_regions", "p FDR, regions", "Benjamini-Hochberg over the regions.", "p"),
        _NOTE,
    ]  # fmt: skip
    return _table(frame, columns, caption, "ranks.csv")


def mixed_model_table(frame: pd.DataFrame) -> Table:
    """Return the linear mixed model of the differences over all regions."""
    columns = [
        *_metric_column(frame), _LABELS, *_PAIR,
        Column("lmm_difference", "A − B", "Fixed effect, with its interval.", "signed", 4, low="lmm_low", high="lmm_high"),
        Column("lmm_p", "p", "t distribution with one degree of freedom less than the number of subjects (families).", "p"),
        Column("lmm_p_holm_methods", "p, Holm", f"{_HOLM_METHODS}.", "p"),
        Column("lmm_sd_family", "SD families", "Of the random effect.", "number", 4),
        Column("lmm_sd_subject", "SD subjects", "Of the random effect.", "number", 4),
        Column("lmm_sd_region", "SD regions", "Standard deviation of regions within subjects.", "number", 4),
        _NOTE,
    ]  # fmt: skip
    which = "the regions of each kind of reference labels" if KIND in frame.columns else "all regions"
    caption = f"Linear mixed model of the differences of {which} and all subjects."
    return _table(_with_headings(frame), columns, caption, "mixed_model.csv")


def agreement_table(frame: pd.DataFrame) -> Table:
    """Return the agreement of volumes with those of the reference."""
    columns = [
        _REGION, _LABELS, _METHOD, _N,
        Column("reference_mean", "Reference, mm³", "Mean volume in the reference.", "number", 0),
        Column("bias", "Bias, mm³", "Mean of method − reference, with its interval.", "signed", 0, low="bias_low",
               high="bias_high"),
        Column("bias_percent", "Bias, %", "Bias in % of the reference's mean.", "signed", 1),
        Column("loa_lower", "Lower limit, mm³", "Limits of agreement (Bland-Altman), between which 95 % of differences lie.",
               "signed", 0),
        Column("loa_upper", "Upper limit, mm³", "As the lower one.", "signed", 0),
        Column("icc_a1", "ICC(A,1)", "Intraclass correlation of absolute agreement, with its interval.", "number", 2,
               low="icc_a1_low", high="icc_a1_high"),
        Column("icc_c1", "ICC(C,1)", "Intraclass correlation of consistency, with its interval.", "number", 2,
               low="icc_c1_low", high="icc_c1_high"),
    ]  # fmt: skip
    return _table(frame, columns, "Volumes compared with the reference.", "volume_agreement.csv")


def _mean_columns(frame: pd.DataFrame, metrics: Sequence[str]) -> list[Column]:
    """Return columns `mean_M` with `sd_M` for the metrics of a table, and further means of Dice."""
    columns = []
    for metric in metrics:
        words = describe_metric(metric)
        spread = f"sd_{metric}" if f"sd_{metric}" in frame.columns else ""
        columns.append(Column(f"mean_{metric}", words.heading, words.meaning, "number", words.digits, spread=spread))
        if metric == "dice":
            common = "Dice over the regions that every method can produce."
            spread = "sd_dice_common" if "sd_dice_common" in frame.columns else ""
            columns.append(Column("mean_dice_common", "Dice, common regions", common, "number", 3, spread=spread))
    return columns


def _metric_column(frame: pd.DataFrame) -> list[Column]:
    return [Column("metric", "Metric")] if "metric" in frame.columns and len(set(frame["metric"])) > 1 else []


def _with_headings(frame: pd.DataFrame) -> pd.DataFrame:
    """Return metrics by the headings of their columns."""
    if "metric" not in frame.columns:
        return frame
    return frame.assign(metric=[describe_metric(str(name)).heading for name in frame["metric"]])


def _table(frame: pd.DataFrame, columns: Sequence[Column], caption: str, source: str, *, filtered: bool = True) -> Table:
    """Return a table with the columns that the frame has and that are not empty; with a filter if it has many rows."""
    there = [column for column in columns if column.name in frame.columns]
    there = [column for column in there if column.kind != "text" or frame[column.name].astype(str).str.strip().any()]
    several = filtered and len(frame) > 12
    return Table(frame, there, caption, source=source, filtered=several, printed=len(frame) <= MOST_PRINTED_ROWS)
