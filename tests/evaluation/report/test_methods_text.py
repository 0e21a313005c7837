"""The methods paragraphs: they describe what the run did and nothing else, and citations are numbered in their order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evaluation.report.citations import CITATIONS
from evaluation.report.methods_text import methods_text
from evaluation.results.folder import read_results
from evaluation.results.metric_text import describe_metric
from tests.evaluation.report.test_assemble import METHODS, copy_of, tables_only, whole_run
from tests.phantoms.results_folder import random_scores


def text_of(folder: Path) -> str:
    return "\n".join(methods_text(read_results(folder)).paragraphs)


def changed(tmp_path: Path, scores: pd.DataFrame, **changes: Any) -> str:
    return text_of(tables_only(tmp_path / "run", scores, **changes))


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return random_scores(6, METHODS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, scores: pd.DataFrame) -> Path:
    """A results folder with every comparison."""
    return whole_run(tmp_path_factory.mktemp("whole") / "run", scores)


def test_citations_are_numbered_in_the_order_of_the_text_and_each_is_listed_once(run: Path) -> None:
    told = methods_text(read_results(run))
    numbers = [int(n) for group in re.findall(r"\[(\d+(?:, \d+)*)\]", "\n".join(told.paragraphs)) for n in group.split(", ")]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(told.references) + 1))
    assert len(set(told.references)) == len(told.references)
    assert set(told.references) <= set(CITATIONS.values())


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({}, "whose label the protocol does not name were left out of both maps", "counted as background; labels"),
        (
            {"protocol": {"name": "/x/own.tsv", "outside": "background"}},
            "of the protocol own.tsv",
            "were left out of both maps",
        ),
        (
            {"protocol": {"name": "dk", "merged": {"2": [2, 41]}, "outside": "mask"}},
            "1 region of these combines several",
            "darts102",
        ),
        ({"metrics": {"misses": "exclude"}}, "was given no distance, and so enters no mean distance", "diagonal"),
        ({"metrics": {"misses": "worst"}}, "was given the diagonal of the image", "no distance"),
        ({"metrics": {"misses": "inf"}}, "was given an infinite distance", "no distance"),
        ({"seen_in_training": {"coronal": ["a", "b"]}}, "2 subjects on which networks had been trained were left out", "kept"),
        ({"weights_sha256": {"c": "0"}}, "Dense U-Nets in coronal, axial and sagittal slices", "nothing"),
        ({}, "Python 3.11.2, with NumPy 2.1.0", "torch"),
        ({"weights_sha256": {"c": "0"}}, "and PyTorch 2.5.0", "nothing"),
        ({"suspects": [{"kind": "origin shifted", "counted": False}]}, "1 pair of maps (origin shifted: 1)", "kept"),
        ({"suspects": [{"kind": "origin shifted", "counted": True}]}, "6 subjects", "suspected"),
    ],
)
def test_the_text_follows_run_json(
    scores: pd.DataFrame, tmp_path: Path, changes: dict[str, Any], said: str, unsaid: str
) -> None:
    text = changed(tmp_path, scores, **changes)
    assert said in text
    assert unsaid not in text


def test_maps_that_were_moved_are_counted_by_how(scores: pd.DataFrame, tmp_path: Path) -> None:
    grids = {
        "s000": {"voxel_size_mm": [1, 1, 1.2], "label_maps": {"a": "resampled", "b": "same grid"}},
        "s001": {"voxel_size_mm": [1, 1, 1.2], "label_maps": {"a": "axes reordered", "b": "laid voxel on voxel"}},
        "s002": {"voxel_size_mm": [1, 1, 1], "label_maps": {"a": "resampled"}},
    }
    text = changed(tmp_path, scores, grids=grids)
    assert "(1 × 1 × 1.2 mm and 1 × 1 × 1 mm), to which 4 of 5 were brought: 1 by reordering their axes, 2 by nearest" in text
    assert "1 voxel by voxel" in text


def test_the_protocol_of_the_references_is_told_and_cited(scores: pd.DataFrame, tmp_path: Path) -> None:
    follow = {f"s00{n}": {"reference": "Desikan" if n < 4 else "DKT, cortex only", "label_maps": {}} for n in range(6)}
    text = changed(tmp_path, scores, labels_follow=follow)
    assert re.search(r"Desikan-Killiany protocol \[\d\] in 4 subjects and the .*\(DKT\) protocol \[\d\] in 2 subjects", text)


def test_mindboggles_half_manual_references_are_said_to_be_so(scores: pd.DataFrame, tmp_path: Path) -> None:
    references = {"s000": "/m/labels.DKT31.manual+aseg.nii.gz"}
    assert "the cortex was labelled by hand, all other regions automatically" in changed(
        tmp_path, scores, references=references
    )


def test_every_metric_of_the_run_is_defined_with_its_surface(scores: pd.DataFrame, tmp_path: Path) -> None:
    more = scores.assign(hd95_pooled_dual_grid_mm=1.0, assd_voxel_mm=1.0, **{"surface_dice_0.5mm_dual_grid": 0.5})
    text = changed(tmp_path, more)
    for part in (
        "2|A∩B| / (|A| + |B|)", "|A∩B| / |A∪B|", "larger of the 95th percentiles", "95th percentile of the distances in both",
        "within 0.5 mm of the other", "at least one of their six neighbours outside", "half-voxel dual grid",
    ):  # fmt: skip
        assert part in text, part
    assert "sensitivity" not in text


def test_statistics_are_described_only_where_they_were_made(run: Path, tmp_path: Path) -> None:
    whole = text_of(run)
    for part in (
        "Wilcoxon signed-rank test",
        "Friedman",
        "limits of agreement",
        "linear mixed model",
        "n = 6), in Dice and HD95 (larger, voxel), by",
        "exact in 54 tests",
    ):
        assert part in whole, part
    alone = random_scores(6, ["alone"])
    text = changed(tmp_path, alone)
    for part in ("Wilcoxon", "Friedman", "agreement", "mixed model", "Holm", "bootstrap", "statsmodels"):
        assert part not in text, part


def test_bootstrap_settings_are_those_of_the_run(run: Path, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path / "run", bootstrap={"resamples": 499, "seed": 7, "confidence": 0.9})
    text = text_of(folder)
    assert "(499 resamples, seed 7)" in text
    assert "90 % bias-corrected and accelerated" in text


def test_a_metric_that_is_not_known_stands_for_itself() -> None:
    assert describe_metric("betti_error").heading == "betti_error"
    assert (describe_metric("hd95_larger_dual_grid_mm").better, describe_metric("dice").better) == ("lower", "higher")
