"""Compare methods over all regions at once, with subjects, or families of subjects, as the independent units."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from evaluation.statistics.corrections import adjust_within
from evaluation.statistics.intervals import Bootstrap, bootstrap_cluster_mean
from evaluation.statistics.paired import paired_differences, summarise_differences, wide_by_region
from evaluation.statistics.signed_rank import ZERO, Zeros

__all__ = ["compare_overall", "fit_mixed_model"]


def compare_overall(
    table: pd.DataFrame,
    value: str,
    *,
    region: str,
    unit: str = "subject",
    method: str = "method",
    family: str | None = None,
    methods: Sequence[str] | None = None,
    zeros: Zeros = "wilcox",
    bootstrap: Bootstrap | None = None,
) -> pd.DataFrame:
    """Compare every pair of methods by the mean over regions within each subject.

    The difference for a subject is the mean over the regions for which both methods have a value. n is the number of subjects,
    because the regions of one brain are not independent of each other.

    Parameters
    ----------
    table : DataFrame
        Long: one row per unit, method and region.
    value, region, unit, method : str
        Columns.
    family : str, optional
        Column that names each subject's family (or site): then whole families are resampled, and the tests use the means of
        families.
    methods, zeros, bootstrap
        As for :func:`evaluation.statistics.paired.compare_methods`.

    Returns
    -------
    DataFrame
        One row per pair. `method_a`, `method_b`, `n` subjects, `n_families` (if named), `n_regions` with a pair in any subject,
        `n_dropped` pairs of values with one or both missing; `mean_difference` over subjects of a - b with the BCa interval
        `mean_low`, `mean_high`; `t`, `t_df`, `t_p`, `d_z`, `wilcoxon_w`, `wilcoxon_p`, `wilcoxon_method`, `rank_biserial`;
        `lmm_difference`, `lmm_low`, `lmm_high`, `lmm_p`, `lmm_sd_subject`, `lmm_sd_region` (and `lmm_sd_family`) of
        :func:`fit_mixed_model`; `t_p_holm_methods`, `wilcoxon_p_holm_methods`, `lmm_p_holm_methods` (Holm over the pairs);
        `lmm_note` on the model, and `note` on all other columns.

    Raises
    ------
    ValueError
        As for :func:`evaluation.statistics.paired.compare_methods`, and if a subject has two families or none.
    """
    families = None if family is None else _family_of(table, unit, family)
    wides = list(wide_by_region(table, value, unit=unit, method=method, region=region, methods=methods))
    rows = []
    for one, two in combinations(wides[0][1].columns if wides else [], 2):
        data, dropped = _differences(wides, one, two)
        rows.append({"method_a": one, "method_b": two} | _overall(data, dropped, families, zeros, bootstrap))
    result = pd.DataFrame(rows)
    if not result.empty:
        for test in ("t", "wilcoxon", "lmm"):
            result[f"{test}_p_holm_methods"] = adjust_within(result, f"{test}_p", [], "holm")
        for name in ("lmm_note", "note"):
            result[name] = result.pop(name)
    return result


def fit_mixed_model(
    differences: npt.ArrayLike,
    subjects: npt.ArrayLike,
    families: npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Fit a linear mixed model to the differences between two methods in the regions of subjects.

    Parameters
    ----------
    differences : (m,) array_like of float
        One per subject and region, finite.
    subjects, families : (m,) array_like
        Subject and family of each difference.
    confidence : float

    Returns
    -------
    dict
        `lmm_difference`; its interval `lmm_low`, `lmm_high` and `lmm_p`, by a t distribution with one degree of freedom less
        than the number of subjects (families); standard deviations between subjects `lmm_sd_subject`, of regions within
        subjects `lmm_sd_region`, and between families `lmm_sd_family` if these are given; `lmm_note`, empty without problems.

    Notes
    -----
    `d = difference + family + subject + region within subject`, with the last three random, by restricted maximum likelihood.
    Differences do not contain the effects of a subject, and of a region within it, that both methods share. A model of the
    values themselves with only these two effects would treat the whole remainder as regions x subjects independent errors.
    Here, the difference of each subject is part of the model, so that for complete tables the test is the paired t test of
    subject means.
    """
    keys = ["lmm_difference", "lmm_low", "lmm_high", "lmm_p", "lmm_sd_subject", "lmm_sd_region"]
    keys += [] if families is None else ["lmm_sd_family"]
    data = pd.DataFrame({"d": np.asarray(differences, dtype=np.float64), "subject": np.asarray(subjects)})
    data["group"] = data["subject"] if families is None else np.asarray(families)
    nothing: dict[str, Any] = dict.fromkeys(keys, np.nan)
    groups = data["group"].nunique()
    if not np.isfinite(data["d"]).all():
        return nothing | {"lmm_note": "infinite differences: no mixed model"}
    if groups < 2 or len(data) <= data["subject"].nunique():
        return nothing | {"lmm_note": "a mixed model needs two subjects (families) and two regions in one of them"}
    if np.ptp(data["d"]) < ZERO:
        return nothing | {"lmm_note": "all differences are equal: no mixed model"}
    # Takes a second to import, and only this function needs it.
    import statsmodels.formula.api as smf

    within = {} if families is None else {"vc_formula": {"subject": "0 + C(subject)"}}
    # Scaled to unit standard deviation, because the optimiser's tolerances are absolute.
    scale = float(data["d"].std())
    data["d"] /= scale
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # Without L-BFGS, the second choice of statsmodels: here it reports convergence far from the optimum.
            fit = smf.mixedlm("d ~ 1", data, groups="group", re_formula="1", **within).fit(reml=True, method=["bfgs", "powell"])
        except (np.linalg.LinAlgError, ValueError) as error:
            return nothing | {"lmm_note": f"mixed model: {error}"}
    estimate, error_size = float(fit.fe_params.iloc[0]) * scale, float(fit.bse_fe.iloc[0]) * scale
    variances = [float(fit.cov_re.iloc[0, 0]), *([] if families is None else [float(fit.vcomp[0])]), float(fit.scale)]
    sds = [scale * float(np.sqrt(max(variance, 0))) for variance in variances]
    names = ["lmm_sd_subject", "lmm_sd_region"] if families is None else ["lmm_sd_family", "lmm_sd_subject", "lmm_sd_region"]
    margin = float(stats.t.isf((1 - confidence) / 2, groups - 1)) * error_size
    p = 2 * float(stats.t.sf(abs(estimate) / error_size, groups - 1))
    values = nothing | {"lmm_difference": estimate, "lmm_low": estimate - margin, "lmm_high": estimate + margin, "lmm_p": p}
    return values | dict(zip(names, sds, strict=True)) | {"lmm_note": _note_of_fit(bool(fit.converged), caught)}


def _differences(wides: Sequence[tuple[Any, pd.DataFrame, pd.DataFrame]], one: str, two: str) -> tuple[pd.DataFrame, int]:
    """Return the differences of two methods (columns subject, region, d), and how many pairs lack one or both values."""
    subjects, regions, differences, dropped = [], [], [], 0
    # Arrays of NumPy: a table of pandas for each region and pair of methods takes most of the time of a comparison.
    for key, wide, known in wides:
        first, second = wide[one].to_numpy(dtype=np.float64), wide[two].to_numpy(dtype=np.float64)
        both = ~(np.isnan(first) | np.isnan(second))
        dropped += int((known[one].to_numpy() | known[two].to_numpy()).sum()) - int(both.sum())
        subjects.append(wide.index.to_numpy()[both])
        regions.append(np.full(int(both.sum()), key, dtype=object))
        differences.append(paired_differences(first[both], second[both]))
    columns = {"subject": np.concatenate(subjects), "region": np.concatenate(regions), "d": np.concatenate(differences)}
    return pd.DataFrame(columns), dropped


def _overall(
    data: pd.DataFrame, dropped: int, families: pd.Series | None, zeros: Zeros, bootstrap: Bootstrap | None
) -> dict[str, Any]:
    """Return all columns of a pair except the methods; `data` has the columns subject, region, d."""
    settings = bootstrap or Bootstrap()
    means = data.groupby("subject", sort=False)["d"].mean()
    row: dict[str, Any] = {"n": len(means)}
    units, clusters, own_family = means, means.index.to_numpy(), None
    if families is not None:
        clusters = families.loc[means.index].to_numpy()
        units = means.groupby(clusters, sort=False).mean()
        own_family = families.loc[data["subject"]].to_numpy()
        row["n_families"] = len(units)
    row |= {"n_regions": data["region"].nunique(), "n_dropped": dropped}
    tests = summarise_differences(units, zeros=zeros, bootstrap=settings)
    varies = len(units) > 1 and bool(np.isfinite(means).all()) and float(np.ptp(means)) >= ZERO
    low, high = bootstrap_cluster_mean(means, clusters, settings) if varies else (np.nan, np.nan)
    row |= {"mean_difference": float(means.mean()), "mean_low": low, "mean_high": high}
    row |= {
        key: tests[key] for key in ("t", "t_df", "t_p", "d_z", "wilcoxon_w", "wilcoxon_p", "wilcoxon_method", "rank_biserial")
    }
    model = fit_mixed_model(data["d"], data["subject"], own_family, confidence=settings.confidence)
    return row | model | {"note": tests["note"]}


def _family_of(table: pd.DataFrame, unit: str, family: str) -> pd.Series:
    if family not in table.columns:
        raise ValueError(f"no column {family} in the table; found {', '.join(map(str, table.columns))}")
    named = table[[unit, family]].drop_duplicates()
    wrong = named[named[unit].duplicated(keep=False) | named[family].isna()]
    if len(wrong):
        raise ValueError(f"{unit} {wrong.iloc[0][unit]} has two values of {family}, or none; expected one")
    return named.set_index(unit)[family]


def _note_of_fit(converged: bool, caught: list[warnings.WarningMessage]) -> str:
    if not converged:
        return "mixed model did not converge"
    boundary = any("boundary" in str(w.message) or "singular" in str(w.message) for w in caught)
    return "mixed model: a variance is estimated as zero" if boundary else ""
