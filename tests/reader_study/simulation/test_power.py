"""Power by simulation: equal to the noncentral t, the same for any number of processes; the type I error in the soak run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

from reader_study.errors import SummaryError
from reader_study.simulation.power import ANALYSES, PlannedStudy, p_values, planned_studies, power_table
from reader_study.simulation.simulate import Shares, simulate_study
from tests.conftest import SOAK


def test_the_power_of_t_is_that_of_the_noncentral_t() -> None:
    plan = PlannedStudy(cases=20, readers=3, shift=0.35, shares=Shares(0.25, 0.1, 0.15, 0))
    means = []
    for seed in range(40):
        table = simulate_study(plan.targets, cases=200, readers=3, shares=plan.shares, seed=seed)
        wide = table.pivot_table(index="case", columns="method", values="rating")
        means.append((wide["B"] - wide["A"]).std())
    effect = 0.35 / math.sqrt(np.mean(np.square(means)))
    expected = TTestPower().power(effect, 20, 0.05)
    found = power_table([plan], ["t"], simulations=150, seed=1).iloc[0]
    assert found["power"] == pytest.approx(expected, abs=3.5 * math.sqrt(expected * (1 - expected) / 150))
    assert (found["low"], found["high"]) == pytest.approx(
        proportion_confint(round(found["power"] * 150), 150, method="wilson"), abs=1e-9
    )


def test_every_analysis_gives_the_p_of_the_command_analyse() -> None:
    from reader_study.models.mixed_model import model_study
    from reader_study.statistics.case_means import compare_case_means
    from reader_study.statistics.published_table import pooled_tests

    plan = PlannedStudy(cases=12, readers=3, shift=0.5)
    study = simulate_study(plan.targets, cases=12, readers=3, seed=5).assign(roi="Insula", hemisphere="L")
    means, pooled = compare_case_means(study, ["A", "B"]).iloc[0], pooled_tests(study, ["A", "B"]).iloc[0]
    expected = [means["t_p"], means["wilcoxon_p"], means["crossed_p"], model_study(study, ["A", "B"]).tests["lr_p"].iloc[0]]
    expected += [model_study(study, ["A", "B"], random=("case", "reader")).tests["lr_p"].iloc[0]]
    expected += [pooled["t_p"], pooled["wilcoxon_p"]]
    np.testing.assert_allclose(p_values(study, list(ANALYSES)), expected, rtol=1e-3)


def test_processes_change_nothing() -> None:
    plans = planned_studies([6, 8], [2], [0.5])
    one = power_table(plans, ["t", "crossed"], simulations=12, seed=3)
    assert one["cases"].tolist() == [6, 6, 8, 8]
    assert one.equals(power_table(plans, ["t", "crossed"], simulations=12, seed=3, jobs=2))


def test_studies_without_a_p_are_counted_and_not_taken_for_rejections() -> None:
    plan = PlannedStudy(cases=4, readers=1, shift=0.0)
    row = power_table([plan], ["crossed"], simulations=10).iloc[0]
    assert (row["power"], row["undefined"]) == (0.0, 10)


def test_a_shift_off_the_scale_is_refused_before_anything_is_simulated() -> None:
    with pytest.raises(SummaryError, match=r"mean 5\.3: expected one within 1 to 5"):
        planned_studies([20], [3], [1.8])
    with pytest.raises(SummaryError, match="two cases and one reader"):
        PlannedStudy(cases=1, readers=3, shift=0)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="some minutes; run by `make soak`")
def test_the_type_i_error_of_every_analysis() -> None:
    """If methods differ by case, case means keep 5 %, pooled rows do not; if they differ by reader, random readers do."""
    simulations = 400
    within = 3 * math.sqrt(0.05 * 0.95 / simulations)

    def errors(case_method: float, reader_method: float) -> dict[str, float]:
        plan = PlannedStudy(cases=20, readers=5, shift=0.0, shares=Shares(0.25, 0.10, case_method, reader_method))
        return power_table([plan], list(ANALYSES), simulations=simulations, jobs=2).set_index("analysis")["power"].to_dict()

    cases, readers = errors(0.15, 0.0), errors(0.0, 0.05)
    for name in ("t", "wilcoxon", "crossed"):
        assert cases[name] < 0.05 + within
    for name in ("pooled-t", "pooled-wilcoxon", "mixed-model-plain"):
        assert cases[name] > 0.05 + within
    assert cases["mixed-model"] < cases["mixed-model-plain"]
    assert readers["crossed"] < 0.05 + within
    for name in ("t", "wilcoxon", "pooled-t", "pooled-wilcoxon"):
        assert readers[name] > 0.05 + within
