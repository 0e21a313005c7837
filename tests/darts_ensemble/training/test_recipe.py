"""Recipes of training: the published settings, files, and values that are refused before a run starts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from darts_ensemble.errors import UsageError
from darts_ensemble.training.fit import new_network, rate_at
from darts_ensemble.training.recipe import make_recipe, read_recipe, write_recipe


def test_the_published_recipe_has_the_published_settings_and_network() -> None:
    first, second = make_recipe("published"), make_recipe("published", step="finetune")
    assert (first.optimiser, first.rate, first.batch, first.epochs, first.steps) == ("adam", 1e-4, 12, 50, 0)
    assert (first.normalisation, first.augmentation, first.loss) == ("slice-minmax", "published", "weighted-dice")
    # Parameters of the released Dense U-Net (facts of DARTSeg 1.0.0).
    assert sum(value.numel() for value in new_network(first).parameters()) == 30_207_857
    assert second.loss == "10dice+0.05cross-entropy"
    assert [rate_at(second, share) for share in (0.0, 0.49, 0.5, 1.0)] == pytest.approx([5e-5, 5e-5, 5e-6, 5e-6])


def test_the_cosine_schedule_warms_up_and_ends_at_a_hundredth() -> None:
    recipe = make_recipe("default", rate=1e-3)
    assert rate_at(recipe, 0.015) == pytest.approx(5e-4)
    assert rate_at(recipe, 0.03) == pytest.approx(1e-3)
    assert rate_at(recipe, 0.515) == pytest.approx(1e-3 * (0.01 + 0.99 / 2))
    assert rate_at(recipe, 1.0) == pytest.approx(1e-5)


def test_a_recipe_comes_back_from_its_file(tmp_path: Path) -> None:
    recipe = make_recipe("published", filters=24, seed=9)
    write_recipe(tmp_path / "recipe.yaml", recipe)
    assert read_recipe(tmp_path / "recipe.yaml") == recipe
    assert read_recipe(tmp_path / "recipe.yaml", steps=7) == make_recipe("published", filters=24, seed=9, steps=7)


def test_a_file_may_name_some_settings_and_write_numbers_as_people_do(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("filters: 16\nrate: 2e-3\nclip: 1\n")
    expected = asdict(make_recipe("default")) | {"filters": 16, "rate": 2e-3, "clip": 1.0}
    assert asdict(read_recipe(tmp_path / "mine.yaml")) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("filter: 16\n", "unknown setting filter; expected some of architecture, filters"),
        ("filters: many\n", "filters 'many'; expected int"),
        ("filters: 16.5\n", "filters 16.5; expected int"),
        ("positions: 1\n", "positions 1; expected bool"),
        ("rate: fast\n", "rate 'fast'; expected float"),
        ("thick_slices: 4\n", "4 thick slices; expected an odd number"),
        ("loss: focal\n", "loss focal; expected one of cross-entropy\\+dice"),
        ("filters: 0\n", "filters 0; expected more than 0"),
        ("steps: 5\nepochs: 5\n", "5 steps and 5 epochs; expected one of the two"),
        ("- 1\n", "list found; expected settings"),
        ("a: b: c\n", "expected a YAML file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_recipe(tmp_path / "recipe.yaml")


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UsageError, match="recipe mine; expected one of default, published"):
        make_recipe("mine")
