"""Compare choices of the training recipe after equal numbers of steps: loss, neighbouring slices, positions, pooled sides.

    python benchmarks/recipe_choices.py SUBJECTS_DIR -o choices/ [--steps 750] [--filters 16] [--seeds 1,2] [--only "one slice"]

Each network is a Dense U-Net with few filters for one view, and sees every second voxel (2 mm) of a box around the brain: a
comparison that is possible on a CPU in an hour, not the best networks. At 1 mm, after four hundred steps from random weights, a
network knows four of 102 regions; at 2 mm, after a few hundred, half of them. After an interruption, the same command
continues; finished networks are not trained again. Results: `scores.csv` and `table.md`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from darts_ensemble.commands.command_line import words
from darts_ensemble.labels import BACKGROUND_CLASS, REGIONS
from darts_ensemble.training.dataset import CachedSubject, cache_subjects
from darts_ensemble.training.fit import fit_view
from darts_ensemble.training.recipe import Recipe, make_recipe
from darts_ensemble.training.subjects import choose_subjects, find_labelled
from darts_ensemble.training.validate import validate_view
from darts_ensemble.weights.checkpoints import load_view
from evaluation.tables.formats import Cell, PaperTable, to_markdown

#: People with a whole head, to train on, and the person who is held out.
TRAINING = ("sub-01", "sub-02", "sub-04", "sub-05", "mne-ecog")
HELD_OUT = "sub-07"
LABELS = "aparc.DKTatlas+aseg.mgz"
#: Voxels of 2 mm around the brain along each axis (LIA); multiples of 16.
BOX = (80, 80, 96)
#: Width of the blur before every second voxel is taken, in voxels of 1 mm.
SIGMA = 0.85


@dataclass(frozen=True)
class Candidate:
    """How a network is trained.

    Attributes
    ----------
    name : str
    view : str
    changes : dict
        Changes of the recipe.
    """

    name: str
    view: str = "coronal"
    changes: dict[str, Any] = field(default_factory=dict)


CANDIDATES = (
    Candidate("dense-unet"),
    Candidate("plain loss", changes={"loss": "cross-entropy+dice"}),
    Candidate("one slice", changes={"thick_slices": 1}),
    Candidate("positions", changes={"positions": True}),
    Candidate("sagittal pooled", view="sagittal"),
    Candidate("sagittal apart", view="sagittal", changes={"pool_sides": False}),
)
#: Pairs that answer a question, the first compared with the second.
QUESTIONS = (
    ("dense-unet", "plain loss"), ("dense-unet", "one slice"), ("positions", "dense-unet"),
    ("sagittal pooled", "sagittal apart"),
)  # fmt: skip


def coarser(subject: CachedSubject) -> CachedSubject:
    """Return every second voxel, in a box of :data:`BOX` around the labelled brain, of the blurred image and of the labels."""
    image = ndimage.gaussian_filter(np.asarray(subject.image, dtype=np.float32), SIGMA)[::2, ::2, ::2]
    labels = np.asarray(subject.labels)[::2, ::2, ::2]
    box = []
    for size, length, there in zip(BOX, labels.shape, np.nonzero(labels < BACKGROUND_CLASS), strict=True):
        first = min(max(0, (int(there.min()) + int(there.max()) + 1 - size) // 2), length - size)
        box.append(slice(first, first + size))
    inside = tuple(box)
    mask = None if subject.mask is None else np.asarray(subject.mask)[::2, ::2, ::2][inside]
    return replace(subject, image=np.rint(image[inside]).astype(np.uint8), labels=labels[inside].copy(), mask=mask)


def recipe_of(candidate: Candidate, filters: int, steps: int, seed: int) -> Recipe:
    """Return the recipe of a candidate."""
    settings: dict[str, Any] = {"crop": "whole", "rate": 8e-3, "loss": "balanced-cross-entropy+dice"} | candidate.changes
    return make_recipe("default", filters=filters, steps=steps, seed=seed, **settings)


def train_and_score(
    candidate: Candidate, recipe: Recipe, folder: Path, training: list[CachedSubject], held: CachedSubject
) -> pd.DataFrame:
    """Train a network, unless done before, and return its Dice on the person held out, one row per region."""
    done = folder / "dice.csv"
    if not done.is_file():
        print(f"{folder.name}: {recipe.filters} filters, {recipe.steps} steps", flush=True)
        device = torch.device("cpu")
        weights = fit_view(recipe, candidate.view, training, [], folder, device=device)
        dice = validate_view(load_view(weights), [held], device).dice[0]
        table = pd.DataFrame({"region_id": [region.id for region in REGIONS], "dice": dice})
        table = table.assign(network=candidate.name, seed=recipe.seed)
        table.to_csv(work := done.with_suffix(".tmp"), index=False)
        work.replace(done)
        print(f"{folder.name}: Dice {table['dice'].mean():.4f}", flush=True)
    return pd.read_csv(done)


def summarise(scores: pd.DataFrame) -> str:
    """Return a table in Markdown that answers the questions, from one row per network, seed and region."""
    reached = scores.groupby(["network", "seed"])["dice"].mean()
    there = set(scores["network"])
    rows = []
    for one, two in (pair for pair in QUESTIONS if there.issuperset(pair)):
        gains = reached[one] - reached[two]
        levels = (f"{reached[name].mean():.3f}" for name in (one, two))
        row = (one, two, *levels, f"{gains.mean():+.3f}", ", ".join(f"{gain:+.3f}" for gain in gains))
        rows.append(tuple(Cell(text) for text in row))
    header = ("a", "b", "Dice a", "Dice b", "a - b", "of each seed")
    caption = f"{HELD_OUT}: mean Dice over regions."
    return to_markdown(PaperTable("table", caption, header, tuple(rows), "ll" + "r" * 4, pd.DataFrame()))


def main() -> None:
    """Train the networks that are not trained yet, and write a table of all results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=750)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--only", default="", help="candidates, comma-separated")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    wanted = words(given.only)
    unknown = set(wanted) - {one.name for one in CANDIDATES}
    if unknown:
        parser.error(f"--only {', '.join(unknown)}; expected some of {', '.join(one.name for one in CANDIDATES)}")
    # Results with other settings belong to another comparison and are not mixed with these.
    settings = {"steps": given.steps, "filters": given.filters}
    told = given.out / "settings.json"
    if told.is_file() and json.loads(told.read_text()) != settings:
        parser.error(f"{told} holds other settings than {settings}; expected the same, or a new folder")
    given.out.mkdir(parents=True, exist_ok=True)
    told.write_text(json.dumps(settings))
    found = choose_subjects(find_labelled(given.subjects_dir, labels_name=LABELS), [*TRAINING, HELD_OUT])
    people = {one.id: coarser(one) for one in cache_subjects(found, given.out / "cache")}
    tables = []
    for seed in map(int, words(given.seeds)):
        for candidate in (one for one in CANDIDATES if not wanted or one.name in wanted):
            recipe = recipe_of(candidate, given.filters, given.steps, seed)
            folder = given.out / f"{candidate.name} seed {seed}"
            training = [people[name] for name in TRAINING]
            tables.append(train_and_score(candidate, recipe, folder, training, people[HELD_OUT]))
    scores = pd.concat(tables)
    scores.to_csv(given.out / "scores.csv", index=False)
    text = summarise(scores)
    (given.out / "table.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
