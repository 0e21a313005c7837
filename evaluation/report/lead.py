"""The first sentences of a report: the means of the methods, the difference between the two best, and what to beware of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evaluation.results.folder import SIDES_MERGED, Results
from evaluation.results.labelling import AUTOMATIC, KIND, means_by_labelling
from evaluation.results.number_format import format_interval, format_p, format_value
from evaluation.results.run_facts import count_of, listed
from evaluation.results.significance import oriented

__all__ = ["copied_sentences", "lead_sentences", "of_dice"]

#: Number of methods that a sentence names.
_NAMED_METHODS = 5


def lead_sentences(results: Results) -> list[str]:
    """Return what a reader should know at once; the run must have means.

    Where references mix manual and automatic labels, each kind has means of its own. Where a method has regions from the
    reference, means are over the regions that every method has of its own.
    """
    by_labelling = means_by_labelling(results.scores, results.account, include_seen=results.include_seen)
    text = []
    for kind, part in by_labelling.groupby(KIND, sort=False) if by_labelling is not None else []:
        rows = part[part["mean_dice"].notna()].sort_values("mean_dice", ascending=False, kind="stable").to_dict("records")
        best = "; ".join(_mean(row, "dice", with_n=False) for row in rows[:_NAMED_METHODS])
        regions = count_of(int(part["n_regions"].iloc[0]), "region")
        note = " (agreement with FreeSurfer, not accuracy)" if kind == AUTOMATIC else ""
        text.append(f"Mean Dice over {regions} with {kind} reference labels{note}: {best}.")
    overall = results.paired_overall
    overall = of_dice(overall) if overall is not None else pd.DataFrame()
    if by_labelling is not None and len(overall) and KIND in overall:
        for kind, part in ((str(name), rows) for name, rows in by_labelling.groupby(KIND, sort=False)):
            mine = overall[overall[KIND] == kind]
            text.append(_difference(part, mine, "dice", which=f"{kind[:1].upper()}{kind[1:]} labels, "))
    else:
        text += _over_all_regions(results, overall, apart=bool(text))
    return [one for one in text if one] + copied_sentences(results.account) + _attention(results.account)


def _over_all_regions(results: Results, overall: pd.DataFrame, *, apart: bool) -> list[str]:
    """Return the means over all regions, or over those that no method has from the reference, and the difference."""
    copied = bool(results.account.get("copied_regions"))
    metric = "dice_common" if copied else "dice"
    ranked = results.summary[results.summary[f"mean_{metric}"].notna()]
    merged = ranked["method"].str.endswith(SIDES_MERGED)
    ranked = ranked if merged.all() else ranked[~merged]
    ranked = ranked.sort_values(f"mean_{metric}", ascending=False, kind="stable")
    # Methods on different subjects can't share one n.
    numbers = sorted(set(ranked["n_subjects"]))
    over = count_of(int(numbers[0]), "subject") if len(numbers) == 1 else "the subjects that each method has"
    means = [_mean(row, metric, with_n=len(numbers) > 1) for row in ranked.to_dict("records")]
    more = f"; {len(means) - _NAMED_METHODS} more below" if len(means) > _NAMED_METHODS else ""
    which = "all regions, manual and automatic together" if apart else "regions"
    if copied:
        n = int(results.subjects["n_dice_common"].max())
        which = f"the {count_of(n, 'region')} that every method has of its own"
    text = [f"Mean Dice over {which}, mean ± SD over {over}: {'; '.join(means[:_NAMED_METHODS])}{more}."]
    if len(overall):
        text.append(_difference(results.summary, overall, metric))
        # The method with copied regions is the one that a reader asks for.
        best = str(ranked["method"].iloc[0])
        text += [
            _difference(results.summary[results.summary["method"].isin([best, method])], overall, metric)
            for method in results.account.get("copied_regions", {})
            if method not in list(ranked["method"][:2])
        ]
    return text


def copied_sentences(account: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each method with regions that equal the reference in every voxel, in every subject."""
    return [
        f"{method} equals the reference in every voxel of {count_of(len(ids), 'region')}: one was copied from the other, and "
        f"{method} has no scores there."
        for method, ids in account.get("copied_regions", {}).items()
    ]


def of_dice(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of Dice of a table of comparisons."""
    return frame[frame["metric"] == "dice"] if "metric" in frame.columns else frame


def _attention(account: Mapping[str, Any]) -> list[str]:
    """Return how many failures, suspected pairs and warnings there are; nothing if there are none."""
    kinds = [("failures", "failure"), ("suspects", "suspected pair"), ("warnings", "warning")]
    said = [count_of(len(account[key]), noun) for key, noun in kinds if account.get(key)]
    return [f"{listed(said)}: see What was compared."] if said else []


def _mean(row: Mapping[Any, Any], metric: str, *, with_n: bool) -> str:
    spread = "" if pd.isna(row[f"sd_{metric}"]) else f" ± {format_value(row[f'sd_{metric}'], 'number')}"
    n = f" (n = {row['n_subjects']})" if with_n else ""
    return f"{row['method']} {format_value(row[f'mean_{metric}'], 'number')}{spread}{n}"


def _difference(means: pd.DataFrame, overall: pd.DataFrame, metric: str, *, which: str = "") -> str:
    """Return the difference between the two methods with the highest means, without those with merged sides."""
    ranked = means[~means["method"].str.endswith(SIDES_MERGED)]
    ranked = ranked.sort_values(f"mean_{metric}", ascending=False, kind="stable")
    best = list(ranked["method"][:2])
    rows = overall[overall["method_a"].isin(best) & overall["method_b"].isin(best)]
    if len(best) < 2 or rows.empty:
        return ""
    # The better one first: the difference of a sentence is above zero.
    first = rows.iloc[0]["method_a" if rows.iloc[0]["mean_difference"] >= 0 else "method_b"]
    row = oriented(rows.iloc[:1], str(first), baseline_first=True).iloc[0].to_dict()
    interval = format_interval(row.get("mean_low"), row.get("mean_high"), "signed")
    p_column = next((name for name in ("wilcoxon_p_holm_methods", "wilcoxon_p") if name in row), None)
    test = f"; Wilcoxon signed-rank p {_equals(row[p_column])}" if p_column else ""
    holm = " (Holm over the pairs of methods)" if p_column == "wilcoxon_p_holm_methods" and len(overall) > 1 else ""
    regions = f" over {count_of(int(row['n_regions']), 'region')}" if metric == "dice_common" and "n_regions" in row else ""
    value = f"{format_value(row['mean_difference'], 'signed')} {interval}"
    return f"{which}{row['method_a']} − {row['method_b']}{regions}: {value}{test}{holm}, n = {row['n']} subjects."


def _equals(p: float) -> str:
    text = format_p(p)
    return text if text[0] in "<>" else f"= {text}"
