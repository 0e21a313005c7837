"""References with manual and automatic labels are scored as two groups, so that agreement is not taken for accuracy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from darts_ensemble.labels import REGIONS
from evaluation.commands.evaluate import app
from evaluation.protocols.protocol import load_protocol
from evaluation.results.folder import read_results
from evaluation.results.labelling import labelled_by
from tests.phantoms.brain import brain, save

FULL, CORTEX = "labels.DKT31.manual+aseg.nii.gz", "labels.DKT31.manual.nii.gz"


def test_the_cortex_is_manual_where_a_reference_says_so_and_nothing_is_mixed_else() -> None:
    regions = load_protocol("darts102").regions
    found = labelled_by([Path(FULL), Path(CORTEX)], regions)
    assert found["manual"] == [region.id for region in REGIONS if region.group == "cortex"]
    assert len(found["automatic (FreeSurfer)"]) == 40
    assert labelled_by([Path(CORTEX), Path("x_DKT31_CMA_labels.nii.gz")], regions) == {}
    assert list(labelled_by([Path(FULL)], load_protocol("dkt31").regions)) == ["manual"]


def test_summary_screen_report_and_figures_tell_the_two_kinds_apart(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save(tmp_path / f"gt/OASIS-TRT-20-{number}" / FULL, brain(jitter=0.5, seed=number))
        save(tmp_path / f"m/OASIS-TRT-20-{number}.nii.gz", brain(jitter=1.5, seed=10 + number))
    out = tmp_path / "out"
    arguments = ["--gt", tmp_path / "gt", "--pred", f"m={tmp_path / 'm'}", "-o", out, "--metrics", "overlap"]
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "automatic (FreeSurfer)" in result.output
    means = pd.read_csv(out / "summary_by_labelling.csv").set_index("reference_labels")
    scores = read_results(out).scores
    for kind, ids in read_results(out).account["labelled_by"].items():
        expected = scores[scores["region_id"].isin(ids)].groupby("subject")["dice"].mean().mean()
        assert means.loc[kind, "mean_dice"] == pytest.approx(expected, abs=1e-5)
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "with manual reference labels: m " in report
    assert "with automatic (FreeSurfer) reference labels (agreement with FreeSurfer, not accuracy): m " in report
    captions = (out / "figures/captions.json").read_text(encoding="utf-8")
    assert "Reference labels: manual." in captions
    assert "agreement with FreeSurfer, not accuracy" in captions


def test_paired_tests_are_made_and_corrected_for_each_kind_of_labels_apart(tmp_path: Path) -> None:
    for number in range(1, 5):
        save(tmp_path / f"gt/OASIS-TRT-20-{number}" / FULL, brain(jitter=0.5, seed=number))
        for method, jitter in (("a", 1.0), ("b", 1.5)):
            save(tmp_path / f"{method}/OASIS-TRT-20-{number}.nii.gz", brain(jitter=jitter, seed=10 * number + int(2 * jitter)))
    out = tmp_path / "out"
    arguments = ["--gt", tmp_path / "gt", "--pred", f"a={tmp_path / 'a'}", "--pred", f"b={tmp_path / 'b'}", "-o", out]
    result = CliRunner().invoke(app, [*map(str, arguments), "--metrics", "overlap", "--no-figures"])
    assert result.exit_code == 0, result.output
    results = read_results(out)
    overall, regions = results.paired_overall, results.paired_regions
    assert overall is not None and regions is not None
    overall, regions = (frame[frame["metric"] == "dice"] for frame in (overall, regions))
    kinds = results.account["labelled_by"]
    assert sorted(overall["reference_labels"]) == sorted(kinds)
    for kind, ids in kinds.items():
        mine = results.scores[results.scores["region_id"].isin(ids)]
        wide = mine.pivot_table(index=["subject", "region_id"], columns="method", values="dice")
        each = (wide["a"] - wide["b"]).groupby("subject").mean()
        row = overall.set_index("reference_labels").loc[kind]
        assert row["mean_difference"] == pytest.approx(each.mean(), abs=1e-5)
        assert row["t_p"] == pytest.approx(stats.ttest_1samp(each, 0).pvalue, rel=1e-4)
        own = regions[regions["reference_labels"] == kind]
        assert set(own["region_id"]) <= set(ids)
        known = own[own["t_p"].notna()]
        holm = multipletests(known["t_p"], method="holm")[1]
        assert known["t_p_holm_regions"].to_numpy() == pytest.approx(holm, rel=1e-4)
    metrics = list(results.paired_overall["metric"])
    assert metrics == sorted(metrics, key=list(dict.fromkeys(metrics)).index)  # rows of one metric lie together
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Manual labels, a − b: +" in report
    assert "Over all regions: each kind of reference labels apart" in report
    assert "Automatic (freesurfer)" not in report
    assert "manual and automatic together, mean" not in report
    assert "Reference labels" in (out / "tables/paired_overall.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("choice", ["DKT31_CMA_labels.nii.gz", "*CMA*.nii.gz"])
def test_files_that_begin_with_their_subject_are_chosen_and_the_cma_labels_scored(tmp_path: Path, choice: str) -> None:
    for number in (1, 2):
        ids = brain(jitter=0.5, seed=number)
        for ours, theirs in ((8, 6), (47, 45), (31, 4), (63, 43), (2, 0), (41, 0)):
            ids[ids == ours] = theirs
        name = f"OASIS-TRT-20-{number}"
        ids[tuple(next(zip(*(ids == 6).nonzero(), strict=True)))] = 630
        save(tmp_path / f"gt/G_volumes/{name}/{name}_DKT31_CMA_labels.nii.gz", ids)
        save(tmp_path / f"gt/G_volumes/{name}" / CORTEX, ids)
        save(tmp_path / f"m/{name}.nii.gz", brain(jitter=1.5, seed=10 + number))
    arguments = ["--gt", f"{tmp_path / 'gt'}:{choice}", "--pred", f"m={tmp_path / 'm'}", "--metrics", "overlap"]
    more = ["-o", tmp_path / "out", "--protocol", "oasis-cma", "--no-figures", "--no-report"]
    result = CliRunner().invoke(app, [*map(str, arguments), *map(str, more)])
    assert result.exit_code == 0, result.output
    scores = read_results(tmp_path / "out").scores
    assert set(scores["status"]) <= {"scored", "absent"}
    assert scores.loc[scores["region_id"] == 8, "dice"].min() > 0.6
    assert read_results(tmp_path / "out").account["labelled_by"] == {}
