"""Compare networks after equal numbers of steps: Dense U-Net and U-Net, pre-training, fine-tuning, channels, pooled sides.

    python benchmarks/compare_networks.py SUBJECTS_DIR -o networks/ [--steps 750] [--filters 16] [--seeds 1,2] [--only unet,...]

Each network has one view and few filters, and sees every second voxel (2 mm) of a box around the brain: a comparison that is
possible on a CPU, not the best networks. At 1 mm, after four hundred steps from random weights, a network knows four of 102
regions; at 2 mm, after a few hundred, half of them. Subjects are held out two at a time until each was held out once; every
network of a fold is trained on the others. Some questions are only answered in the fold that holds out sub-07. Labels are
aparc.DKTatlas+aseg, except for pre-training (aparc+aseg); scores are against aparc.DKTatlas+aseg. After an interruption, the
same command continues; finished networks are not trained again. Results: `scores.csv`, `table.md` and box plots as published.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from darts_ensemble.commands.command_line import words
from darts_ensemble.device import choose_device
from darts_ensemble.labels import BACKGROUND_CLASS, REGIONS
from darts_ensemble.training.dataset import CachedSubject, cache_subjects
from darts_ensemble.training.fit import fit_view, new_network
from darts_ensemble.training.recipe import Recipe, make_recipe
from darts_ensemble.training.subjects import choose_subjects, find_labelled
from darts_ensemble.training.validate import validate_view
from darts_ensemble.weights.checkpoints import load_view
from evaluation.figures.box_plots import draw_published_box_plot
from evaluation.figures.region_layout import parts_of, region_rows
from evaluation.figures.style import figure_style, save_figure
from evaluation.statistics.overall import compare_overall
from evaluation.statistics.paired import compare_methods
from evaluation.tables.formats import Cell, PaperTable, to_markdown

#: Subjects with a whole head and both label maps.
SUBJECTS = "sub-01,sub-02,sub-04,sub-05,sub-06,sub-07,mne-ecog"
MANUAL, AUTOMATIC = "aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz"
#: Number of training subjects of a fold whose DKT labels are used in fine-tuning.
FEWER = 3
#: The subject whose fold alone answers the less important questions.
ASKED = "sub-07"
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
    labels : str
        Label map of the training subjects.
    start : str
        Name of the candidate of the same fold and seed from which training continues; empty for random weights.
    share : float
        Share of the number of steps.
    fewer : bool
        Train on the first :data:`FEWER` subjects of a fold only.
    everywhere : bool
        Whether it is trained in every fold, or only in that of :data:`ASKED`.
    wide : bool
        Whether a U-Net gets as many filters as the Dense U-Net, instead of as many parameters.
    changes : dict
        Changes of the recipe.
    """

    name: str
    view: str = "coronal"
    labels: str = MANUAL
    start: str = ""
    share: float = 1.0
    fewer: bool = False
    everywhere: bool = True
    wide: bool = False
    changes: dict[str, Any] = field(default_factory=dict)


CANDIDATES = (
    Candidate("dense-unet"),
    Candidate("unet", changes={"architecture": "unet"}),
    Candidate("pre-trained", labels=AUTOMATIC),
    Candidate("fine-tuned", start="pre-trained", share=0.5, fewer=True, changes={"rate": 4e-3}),
    # With as many parameters as such a small Dense U-Net, a U-Net has only three filters for 103 classes: this one has sixteen.
    Candidate("wide unet", everywhere=False, wide=True, changes={"architecture": "unet"}),
    # As many steps as pre-training and fine-tuning together, on the manual labels of the same few subjects.
    Candidate("fewer alone", share=1.5, fewer=True, everywhere=False),
    Candidate("plain loss", everywhere=False, changes={"loss": "cross-entropy+dice"}),
    Candidate("one slice", everywhere=False, changes={"thick_slices": 1}),
    Candidate("positions", everywhere=False, changes={"positions": True}),
    Candidate("sagittal pooled", view="sagittal", everywhere=False),
    Candidate("sagittal apart", view="sagittal", everywhere=False, changes={"pool_sides": False}),
)
#: Pairs that answer a question, the first compared with the second: in all folds, and in that of :data:`ASKED`.
QUESTIONS = (("dense-unet", "unet"), ("fine-tuned", "pre-trained"))
LESSER_QUESTIONS = (
    ("dense-unet", "wide unet"), ("fine-tuned", "fewer alone"), ("dense-unet", "plain loss"),
    ("dense-unet", "one slice"), ("positions", "dense-unet"), ("sagittal pooled", "sagittal apart"),
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


def parameters_of(recipe: Recipe) -> int:
    return sum(value.numel() for value in new_network(recipe).parameters())


def recipe_of(candidate: Candidate, filters: int, steps: int, seed: int) -> Recipe:
    """Return the recipe; a U-Net gets the number of filters for about as many parameters as the Dense U-Net."""
    settings: dict[str, Any] = {"crop": "whole", "rate": 8e-3, "loss": "balanced-cross-entropy+dice"} | candidate.changes
    recipe = make_recipe("default", filters=filters, steps=max(1, round(steps * candidate.share)), seed=seed, **settings)
    if recipe.architecture != "unet" or candidate.wide:
        return recipe
    wanted = parameters_of(replace(recipe, architecture="dense-unet"))
    widths = (replace(recipe, filters=width) for width in range(1, filters + 1))
    return min(widths, key=lambda one: abs(parameters_of(one) - wanted))


def folds_of(names: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the subjects to train on and the two (for an odd number, at last one) that are held out."""
    for first in range(0, len(names), 2):
        held = list(names[first : first + 2])
        yield [name for name in names if name not in held], held


def train_and_score(
    candidate: Candidate, recipe: Recipe, folder: Path, start: Path | None, training: list[CachedSubject],
    held: list[CachedSubject], device: torch.device,
) -> pd.DataFrame:  # fmt: skip
    """Train a network, unless done before, and return its Dice on the subjects held out, one row per subject and region."""
    done = folder / "dice.csv"
    if not done.is_file():
        print(f"{folder.name}: {recipe.filters} filters, {recipe.steps} steps", flush=True)
        init = None if start is None else load_view(start / f"{candidate.view}.safetensors")
        weights = fit_view(recipe, candidate.view, training, [], folder, init=init, device=device)
        dice = validate_view(load_view(weights), held, device).dice
        rows = [
            {"subject": subject.id, "region_id": region.id, "dice": float(value)}
            for subject, values in zip(held, dice, strict=True)
            for region, value in zip(REGIONS, values, strict=True)
        ]
        table = pd.DataFrame(rows).assign(
            method=candidate.name,
            seed=recipe.seed,
            filters=recipe.filters,
            steps=recipe.steps,
            parameters=parameters_of(recipe),
        )
        table.to_csv(work := done.with_suffix(".tmp"), index=False)
        work.replace(done)
        print(f"{folder.name}: Dice {table['dice'].mean():.4f}", flush=True)
    return pd.read_csv(done)


def markdown(caption: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown; its first two columns are text."""
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    return to_markdown(PaperTable("table", caption, header, cells, "ll" + "r" * (len(header) - 2), pd.DataFrame()))


def summarise(scores: pd.DataFrame) -> str:
    """Return tables in Markdown from one row per network, seed, subject and region: Dice, and answers to the questions."""
    averaged = mean_over_seeds(scores)
    reached, differences, lesser = [], [], []
    for name in averaged["method"].unique():
        rows = averaged[averaged["method"] == name]
        each, head = rows.groupby("subject")["dice"].mean(), rows.iloc[0]
        groups = (f"{rows.loc[rows['group'] == group, 'dice'].mean():.3f}" for group in ("cortex", "deep grey"))
        made = (str(head["filters"]), f"{head['parameters']:,}", str(head["steps"]), str(len(each)))
        reached.append((name, *made, f"{each.mean():.3f} ± {each.std():.3f}", *groups))
    there = set(averaged["method"])
    for one, two in (pair for pair in QUESTIONS if there.issuperset(pair)):
        overall = compare_overall(averaged, "dice", region="region_id", methods=[one, two]).iloc[0]
        regions = compare_methods(averaged, "dice", region="region_id", methods=[one, two])
        sure = regions.loc[regions["t_p_fdr_regions"] < 0.05, "mean_difference"]
        between = f"{overall['mean_difference']:+.3f} [{overall['mean_low']:+.3f}, {overall['mean_high']:+.3f}]"
        tests = (f"{overall[test]:.3g}" for test in ("t_p", "wilcoxon_p"))
        differences.append((one, two, str(overall["n"]), between, *tests, f"{(sure > 0).sum()}, {(sure < 0).sum()}"))
    asked = scores[scores["subject"] == ASKED].groupby(["method", "seed"])["dice"].mean()
    for one, two in (pair for pair in (*QUESTIONS, *LESSER_QUESTIONS) if there.issuperset(pair)):
        gains = asked[one] - asked[two]
        levels = (f"{asked[name].mean():.3f}" for name in (one, two))
        lesser.append((one, two, *levels, f"{gains.mean():+.3f}", ", ".join(f"{gain:+.3f}" for gain in gains)))
    return "\n".join(
        (
            markdown(
                "Mean Dice over regions, then mean ± SD over subjects.",
                ("network", "filters", "parameters", "steps", "subjects", "Dice", "cortex", "deep grey"),
                reached,
            ),
            markdown(
                "Differences a - b of subjects' means with 95 % BCa intervals; regions higher, lower with p < 0.05 (t, FDR).",
                ("a", "b", "n", "a - b", "t p", "Wilcoxon p", "regions"),
                differences,
            ),
            markdown(f"{ASKED}: mean Dice over regions.", ("a", "b", "Dice a", "Dice b", "a - b", "of each seed"), lesser),
        )
    )


def mean_over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in scores.columns if name not in ("seed", "dice")]
    return scores.groupby(keys, sort=False, as_index=False, dropna=False)["dice"].mean()


def draw(scores: pd.DataFrame, out: Path) -> None:
    """Draw box plots as published: of the two architectures, and of pre-training and fine-tuning."""
    names = {"architectures": ("unet", "dense-unet"), "fine_tuning": ("pre-trained", "fine-tuned")}
    with figure_style():
        for stem, methods in names.items():
            rows = scores[scores["method"].isin(methods)]
            if rows["method"].nunique() < 2:
                continue
            for part in parts_of(region_rows(rows), rows):
                save_figure(draw_published_box_plot(rows, part, list(methods)), out / f"{stem}_{part.key}")


def main() -> None:
    """Train the networks that are not trained yet, and write tables and figures of all results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--subjects", default=SUBJECTS)
    parser.add_argument("--steps", type=int, default=750)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--only", default="", help="candidates, comma-separated; those they start from are added")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    wanted = words(given.only)
    unknown = set(wanted) - {one.name for one in CANDIDATES}
    if unknown:
        parser.error(f"--only {', '.join(unknown)}; expected some of {', '.join(one.name for one in CANDIDATES)}")
    wanted += [one.start for one in CANDIDATES if one.name in wanted and one.start]
    chosen = [one for one in CANDIDATES if not wanted or one.name in wanted]
    device = choose_device(given.device)
    names = words(given.subjects)
    # Results with other settings belong to another comparison and are not mixed with these.
    settings = {"subjects": names, "steps": given.steps, "filters": given.filters}
    told = given.out / "settings.json"
    if told.is_file() and json.loads(told.read_text()) != settings:
        parser.error(f"{told} holds other settings than {settings}; expected the same, or a new folder")
    given.out.mkdir(parents=True, exist_ok=True)
    told.write_text(json.dumps(settings))
    cached: dict[str, dict[str, CachedSubject]] = {}
    for labels in (MANUAL, AUTOMATIC):
        found = choose_subjects(find_labelled(given.subjects_dir, labels_name=labels), names)
        cached[labels] = {one.id: coarser(one) for one in cache_subjects(found, given.out / "cache")}
    tables = []
    for seed in map(int, words(given.seeds)):
        for number, (training, held) in enumerate(folds_of(names)):
            folders: dict[str, Path] = {}
            for candidate in chosen:
                if not candidate.everywhere and ASKED not in held:
                    continue
                recipe = recipe_of(candidate, given.filters, given.steps, seed)
                folder = folders[candidate.name] = given.out / f"{candidate.name} fold {number} seed {seed}"
                subjects = [cached[candidate.labels][name] for name in training[: FEWER if candidate.fewer else None]]
                start = folders[candidate.start] if candidate.start else None
                scored = [cached[MANUAL][name] for name in held]
                tables.append(train_and_score(candidate, recipe, folder, start, subjects, scored, device))
    about = pd.DataFrame(
        {"region_id": one.id, "region_name": one.name, "hemisphere": one.hemisphere, "group": one.group} for one in REGIONS
    )
    scores = pd.concat(tables).merge(about, on="region_id").assign(seen_in_training=False)
    scores.to_csv(given.out / "scores.csv", index=False)
    text = summarise(scores)
    (given.out / "table.md").write_text(text, encoding="utf-8")
    draw(mean_over_seeds(scores), given.out)
    print(f"\n{text}")


if __name__ == "__main__":
    main()
