"""The columns of the report's tables: which are shown, their headings and their meanings."""

from __future__ import annotations

from evaluation.report.html_page import Column

__all__ = [
    "AGREEMENT", "BLINDING", "CASE_MEANS", "COMPARISON", "EQUIVALENCE", "MODEL_TESTS", "ODDS_RATIOS", "PUBLISHED_TESTS",
    "VARIANCES",
]  # fmt: skip

_PLACE = (Column("roi", "Region"), Column("hemisphere", "Side"))
_PAIR = (Column("first", "First"), Column("second", "Second", "Differences are second minus first."))

PUBLISHED_TESTS = (
    *_PLACE, *_PAIR,
    Column("n", "n", "Pairs of ratings, pooled over readers and cases.", "integer"),
    Column("n_nonzero", "Unequal", "Pairs that differ.", "integer"),
    Column("mean_difference", "Difference", "Mean.", "signed", 2),
    Column("t", "t", "", "number", 2),
    Column("t_p", "p (t)", "Paired t-test, not corrected.", "p"),
    Column("wilcoxon_w", "W", "The smaller rank sum.", "number", 1),
    Column("wilcoxon_p", "p (Wilcoxon)", "Not corrected.", "p"),
    Column("reason", "Reason", "Why a p is missing."),
)  # fmt: skip

CASE_MEANS = (
    *_PLACE, *_PAIR,
    Column("n", "Cases", "Cases that a reader rated by both methods.", "integer"),
    Column("n_readers", "Readers", "", "integer"),
    Column("hl_estimate", "Hodges-Lehmann", "Difference in rating, with its 95 % interval.", "signed", 2, low="hl_low",
           high="hl_high"),
    Column("mean_difference", "Mean", "With its BCa bootstrap interval over cases.", "signed", 2, low="mean_low",
           high="mean_high"),
    Column("d_z", "d_z", "Mean difference / SD of the differences.", "signed", 2),
    Column("rank_biserial", "r", "Rank-biserial correlation, -1 to 1.", "signed", 2),
    Column("wilcoxon_p", "p (Wilcoxon)", "Signed-rank test, all flips of signs counted, Pratt's zeros.", "p"),
    Column("wilcoxon_p_holm", "Holm", "Wilcoxon, over the pairs within the region and side.", "p"),
    Column("wilcoxon_p_fdr", "FDR", "Wilcoxon, over all regions, sides and pairs.", "p"),
    Column("t_p", "p (t)", "Paired t-test.", "p"),
    Column("t_p_holm", "Holm (t)", "", "p"),
    Column("crossed_difference", "Other readers too", "Mean difference, with its interval for other readers and cases.",
    "signed", 2,
           low="crossed_low", high="crossed_high"),
    Column("crossed_p_holm", "Holm (readers too)", "Test with readers and cases random.", "p"),
    Column("note", "Note", "Why a number is missing."),
    Column("crossed_note", "Note (readers too)"),
)  # fmt: skip

EQUIVALENCE = (
    *_PLACE, *_PAIR,
    Column("difference", "Difference", "Mean over cases, with its 90 % interval.", "signed", 2, low="low", high="high"),
    Column("noninferior_p", "p (non-inferior)", "Small if the second is not worse by the margin.", "p"),
    Column("noninferior_p_holm", "Holm (non-inferior)", "Over the pairs within the region and side.", "p"),
    Column("equivalent_p", "p (equivalent)", "Small if the two differ by less than the margin.", "p"),
    Column("equivalent_p_holm", "Holm (equivalent)", "", "p"),
    Column("crossed_noninferior_p", "p (non-inferior, readers too)", "With readers and cases random.", "p"),
    Column("crossed_equivalent_p", "p (equivalent, readers too)", "", "p"),
    Column("n", "Cases", "", "integer"),
    Column("reason", "Reason", "Why a number is missing."),
)  # fmt: skip

ODDS_RATIOS = (
    *_PLACE, *_PAIR,
    Column("odds_ratio", "Odds ratio", "Odds ratio of a higher rating, second to first, with its 95 % interval.", "number", 2,
           low="low", high="high"),
    Column("log_odds", "log", "Natural logarithm of the odds ratio.", "signed", 2),
    Column("se", "SE", "Standard error of the logarithm.", "number", 2),
    Column("p", "p", "Wald.", "p"),
    Column("p_holm", "Holm", "Over the pairs within the region and side.", "p"),
    Column("reason", "Reason", "Why a number is missing."),
)  # fmt: skip

MODEL_TESTS = (
    *_PLACE,
    Column("n", "Ratings", "", "integer"),
    Column("loglik", "log L", "Laplace approximation.", "number", 2),
    Column("lr_statistic", "χ²", "Likelihood ratio: do the methods differ at all?", "number", 2),
    Column("lr_df", "df", "", "integer"),
    Column("lr_p", "p", "", "p"),
    Column("lr_p_holm", "Holm", "Over regions and sides.", "p"),
    Column("lr_p_fdr", "FDR", "Over regions and sides.", "p"),
    Column("po_p", "p (proportional odds)", "Small if methods do not shift all thresholds equally.", "p"),
    Column("po_p_holm", "Holm (proportional odds)", "", "p"),
    Column("po_merged", "Merged", "Levels merged for that test, because some method never got one of them."),
    Column("warnings", "Warnings"),
    Column("reason", "Reason", "Why there is no fit."),
)

VARIANCES = (
    *_PLACE,
    Column("term", "Random effect"),
    Column("levels", "Levels", "", "integer"),
    Column("sd", "SD", "In log odds.", "number", 2),
    Column("share", "Share", "Share of the variance, including that of the single rating.", "percent", 0),
)

AGREEMENT = (
    Column("statistic", "Measure"),
    Column("readers", "Readers"),
    Column("value", "Value", "With its bootstrap interval over cases.", "number", 2, low="low", high="high"),
    Column("n_units", "Ratings", "Items that at least two of them rated.", "integer"),
    Column("n_cases", "Cases", "", "integer"),
    Column("reason", "Reason", "Why a number is missing."),
)

BLINDING = (
    Column("reader", "Reader"),
    Column("index", "Index"),
    Column("method", "Method"),
    Column("value", "Value", "With its 95 % interval.", "number", 2, low="low", high="high"),
    Column("n", "Asked", "", "integer"),
    Column("n_right", "Right", "", "integer"),
    Column("n_wrong", "Wrong", "", "integer"),
    Column("n_unsure", "Don't know", "", "integer"),
    Column("reason", "Reason", "Why a number is missing."),
)

COMPARISON = (
    *_PLACE,
    Column("method", "Method"),
    Column("printed_mean", "Printed", "Mean ± SD.", "number", 2, spread="printed_sd"),
    Column("study_mean", "This study", "Mean ± SD.", "number", 2, spread="study_sd"),
    Column("study_n", "n", "Ratings of this study.", "integer"),
    Column("difference", "Difference", "This study minus printed.", "signed", 2),
    Column("printed_best", "Best, printed", "Of the methods that both have."),
    Column("study_best", "Best, this study"),
)
