"""A region that equals the reference in every voxel was copied: it has no score, and the report says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evaluation.commands.evaluate import app
from evaluation.results.folder import Results, read_results
from tests.phantoms.brain import brain, save

#: Hippocampus, and the precentral gyrus of both sides.
COPIED = (17, 1024, 2024)


def _with_copies(reference: np.ndarray, ids: tuple[int, ...], seed: int) -> np.ndarray:
    """A map of another method in which the reference's voxels of some regions stand."""
    found = brain(jitter=1.5, seed=seed)
    copied = np.isin(reference, ids)
    found[np.isin(found, ids) & ~copied] = 0
    found[copied] = reference[copied]
    return found


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    for number in (1, 2, 3):
        reference = brain(jitter=0.5, seed=number)
        assert min(np.count_nonzero(reference == id_) for id_ in COPIED) >= 100
        save(folder / f"gt/s{number}.nii.gz", reference)
        # In one subject alone a fourth region is equal: that may be chance, or a good method.
        more = (53,) if number == 1 else ()
        save(folder / f"a/s{number}.nii.gz", _with_copies(reference, (*COPIED, *more), 10 + number))
        save(folder / f"b/s{number}.nii.gz", brain(jitter=1.5, seed=20 + number))
    return folder


def _score(maps: Path, out: Path, *more: str) -> tuple[Results, str]:
    given = ["--gt", maps / "gt", "--pred", f"a={maps / 'a'}", "--pred", f"b={maps / 'b'}", "-o", out]
    result = CliRunner().invoke(app, [*map(str, given), "--metrics", "overlap", "--no-figures", *more])
    assert result.exit_code == 0, result.output
    return read_results(out), result.output


def test_copied_regions_have_no_score_and_are_named_on_screen_and_in_the_report(maps: Path, tmp_path: Path) -> None:
    results, screen = _score(maps, tmp_path)
    assert "a: 3 of 102 regions equal the reference in every voxel, in every subject" in screen
    assert "Left-Hippocampus, ctx-lh-precentral, ctx-rh-precentral" in screen
    assert results.account["copied_regions"] == {"a": list(COPIED)}
    rows = results.scores.set_index(["method", "region_id"])
    assert set(rows.loc[[("a", id_) for id_ in COPIED], "status"]) == {"copied"}
    assert rows.loc[[("a", id_) for id_ in COPIED], "dice"].isna().all()
    assert set(rows.loc[[("b", id_) for id_ in COPIED], "status"]) == {"scored"}
    assert set(rows.loc[[("a", 53)], "status"]) == {"scored"}
    groups = results.groups.set_index(["method", "region_name"])
    assert set(groups.loc[[("a", "left frontal lobe"), ("a", "whole brain")], "status"]) == {"copied"}
    assert set(groups.loc[[("a", "left occipital lobe")], "status"]) == {"scored"}
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.count("a equals the reference in every voxel of 3 regions") == 2
    assert "Mean Dice over the 99 regions that every method has of its own" in report
    assert "over 99 regions: +" in report
    assert "a was not scored in 3 regions in which it equals the reference" in report
    assert "Dice, common regions" in (tmp_path / "tables" / "summary.md").read_text(encoding="utf-8")


def test_means_are_compared_over_the_regions_that_every_method_has_of_its_own(maps: Path, tmp_path: Path) -> None:
    results, _ = _score(maps, tmp_path)
    own = results.scores[~results.scores["region_id"].isin(COPIED)]
    expected = own.groupby(["method", "subject"])["dice"].mean().groupby("method").mean()
    summary = results.summary.set_index("method")
    assert summary["mean_dice_common"].to_dict() == pytest.approx(expected.to_dict(), abs=1e-5)
    assert summary.loc["a", "mean_dice"] == pytest.approx(expected["a"], abs=1e-5)
    overall = results.paired_overall
    assert overall is not None
    row = overall[overall["metric"] == "dice"].iloc[0]
    assert row["n_regions"] == 99
    assert row["mean_difference"] == pytest.approx(expected["a"] - expected["b"], abs=1e-5)


def test_copied_regions_can_be_kept(maps: Path, tmp_path: Path) -> None:
    results, screen = _score(maps, tmp_path, "--include-suspects")
    assert "kept in the tables" in screen
    assert results.account["copied_regions"] == {}
    rows = results.scores.set_index(["method", "region_id"])
    assert set(rows.loc[[("a", id_) for id_ in COPIED], "dice"]) == {1.0}
