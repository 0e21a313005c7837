"""Dense U-Net against U-Net at full resolution: pre-trained on FreeSurfer's labels, fine-tuned on manual ones, scored by hand.

    python benchmarks/bundled_training_set.py DATA set/
    python benchmarks/architectures.py set/manifest.tsv MINDBOGGLE -o architectures/ [--steps 5000] [--fine-steps 400]

Three networks of one view: a Dense U-Net, a U-Net with about as many parameters, and a U-Net whose step takes about as long.
All see the same slices in the same order for the same number of steps. `darts-train pretrain` starts from random weights on
the people of the manifest; `darts-train finetune` goes on with the eight people of MINDBOGGLE outside the first fold (see
`fine_tuning_folds.py`). `accuracy.py` scores both on the four people of the first fold, whom no network was trained on. A
step of the Dense U-Net takes 0.31 s of one core with AMX. From random weights, 1,500 steps are far too few.

`--kept architectures.csv --only unet-6` adds a network to the scores that are kept here, `--only none` trains nothing and makes
table and figures of the kept scores. After an interruption the same command continues. In the output folder: `scores.csv` (one
row per network, seed, stage, person, reference and region), `runs.csv` (parameters and CPU seconds a step), `table.md` and box
plots of the regions.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from fine_tuning_folds import by_number, call, held_out, regions_of, training_people

from darts_ensemble.commands.command_line import words
from darts_ensemble.labels import REGIONS
from darts_ensemble.training.fit import new_network
from darts_ensemble.training.recipe import make_recipe, write_recipe
from darts_ensemble.training.subjects import LabelledSubject, find_labelled
from evaluation.figures.box_plots import draw_published_box_plot
from evaluation.figures.region_layout import parts_of, region_rows
from evaluation.figures.style import figure_style, save_figure
from evaluation.statistics.overall import compare_overall
from evaluation.statistics.paired import compare_methods

STAGES = ("pre-trained", "fine-tuned")


@dataclass(frozen=True)
class Candidate:
    """A network: its name in the tables, its architecture, and its number of filters."""

    name: str
    architecture: str
    filters: int

    @property
    def key(self) -> str:
        """As folders and `--only` call it."""
        return f"{self.architecture}-{self.filters}"


DENSE = Candidate("Dense U-Net", "dense-unet", 32)
#: 6 filters: 349,181 parameters, where the Dense U-Net has 311,377. 18 filters: a step as long, by train_step.py.
CANDIDATES = (DENSE, Candidate("U-Net, same time", "unet", 18), Candidate("U-Net, same parameters", "unet", 6))


def train(given: argparse.Namespace, one: Candidate, seed: int, people: Sequence[LabelledSubject]) -> dict[str, Path]:
    """Pre-train and fine-tune one network, unless done before; return the folder of weights of each stage."""
    home = given.out / "weights" / f"{one.key}-seed{seed}"
    folders = {stage: home / stage for stage in STAGES}
    common = {"architecture": one.architecture, "filters": one.filters, "seed": seed}
    recipes = {
        # Classes of few voxels are learnt in a few hundred steps with the balanced loss, and not in thousands without it.
        "pre-trained": make_recipe("default", loss="balanced-cross-entropy+dice", steps=given.steps, **common),
        "fine-tuned": make_recipe("default", step="finetune", steps=given.fine_steps, rate=1e-3, **common),
    }
    home.mkdir(parents=True, exist_ok=True)
    for stage, recipe in recipes.items():
        if (folders[stage] / f"{given.view}.safetensors").is_file():
            continue
        write_recipe(home / f"{stage}.yaml", recipe)
        data = (
            ("pretrain", "--data", given.manifest)
            if stage == "pre-trained"
            else ("finetune", "--init", folders["pre-trained"], "--data", given.mindboggle,
                  "--subjects", ",".join(person.id for person in people))
        )  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        call(
            "-m", "darts_ensemble.commands.train", *data, "--recipe", home / f"{stage}.yaml", "--views", given.view,
            "--threads", given.threads, "--cache", given.out / f"cache-{stage}", "-o", folders[stage],
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        note(given.out / "runs.csv", {"stage": stage, **asdict(one), "seed": seed, "steps": recipe.steps,
                                      "parameters": sum(value.numel() for value in new_network(recipe).parameters()),
                                      "cpu_seconds_a_step": round(spent / recipe.steps, 4)})  # fmt: skip
    return folders


def note(path: Path, row: dict[str, object]) -> None:
    """Add a row to a table."""
    pd.DataFrame([row]).to_csv(path, mode="a", header=not path.is_file(), index=False)


def score(given: argparse.Namespace, weights: Path, people: Sequence[LabelledSubject]) -> pd.DataFrame:
    """Return the rows of accuracy.py for a network of one view on some people."""
    folder = given.out / "accuracy" / f"{weights.parent.name}-{weights.name}"
    call(
        Path(__file__).with_name("accuracy.py"), *(one.scan.parent for one in people), "-o", folder, "--weights", weights,
        "--threads", given.threads,
    )  # fmt: skip
    rows = pd.read_csv(folder / "scores.csv")
    return rows[(rows["method"] == given.view) & rows["scan"].isin([one.id for one in people])]


def measured(given: argparse.Namespace) -> Iterator[pd.DataFrame]:
    """Train and score every network; one table of scores each."""
    wanted = [one for one in CANDIDATES if not given.only or one.key in words(given.only)]
    everyone = sorted(find_labelled(given.mindboggle), key=by_number) if wanted else []
    for seed in map(int, words(given.seeds)):
        for one in wanted:
            folders = train(given, one, seed, training_people(everyone, 1))
            for stage in STAGES:
                yield score(given, folders[stage], held_out(everyone, 1)).assign(networks=one.name, seed=seed, stage=stage)


def table(scores: pd.DataFrame, view: str) -> str:
    """Mean Dice of each network and seed, and the paired difference between the Dense U-Net and each U-Net."""
    others = [one.name for one in CANDIDATES if one != DENSE]
    groups = scores[scores["group"].notna() & (scores["group"] != "")]
    seeds = sorted(groups["seed"].unique())
    lines = [
        "| stage | labels | network | people | Dice | of each seed | Dense U-Net - this [95 % BCa] | t p | regions up, down |"
    ]
    lines.append("| --- " * 9 + "|")
    for (stage, group), rows in groups.groupby(["stage", "group"], sort=False):
        wide = rows.pivot_table(index="scan", columns="networks", values="dice")
        each = rows.groupby(["networks", "seed"])["dice"].mean()
        for name in [one for one in (DENSE.name, *others) if one in wide]:
            cells = [stage, group, name, len(wide), f"{wide[name].mean():.3f}"]
            cells.append(", ".join(f"{each[name, seed]:.3f}" for seed in seeds if (name, seed) in each))
            cells += (
                ["", "", ""] if name == DENSE.name else difference(scores, str(stage), str(group), view, name, list(wide.index))
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def difference(scores: pd.DataFrame, stage: str, group: str, view: str, name: str, people: list[str]) -> list[str]:
    """Return what the Dense U-Net gains over another network: mean and interval, p, and the regions that differ."""
    averaged = scores[scores["stage"] == stage].groupby(
        ["scan", "group", "method", "region", "networks"], as_index=False, dropna=False
    )["dice"].mean()  # fmt: skip
    regions = regions_of(averaged, group, view, [DENSE.name, name], people)
    options = {"region": "region", "unit": "scan", "method": "networks", "methods": [DENSE.name, name]}
    overall = compare_overall(regions, "dice", **options).iloc[0]
    each = compare_methods(regions, "dice", **options)
    clear = each[each["t_p_fdr_regions"] < 0.05]["mean_difference"]
    interval = f"{overall['mean_difference']:+.3f} [{overall['mean_low']:+.3f}, {overall['mean_high']:+.3f}]"
    return [interval, f"{overall['t_p']:.2g}", f"{(clear > 0).sum()}, {(clear < 0).sum()}"]


def draw(scores: pd.DataFrame, out: Path) -> None:
    """Draw box plots as published, of the fine-tuned networks, means over the seeds."""
    single = scores[(scores["stage"] == STAGES[1]) & (scores["group"].isna() | (scores["group"] == ""))]
    about = pd.DataFrame(
        {
            "region": one.name,
            "region_id": one.id,
            "region_name": one.name,
            "hemisphere": one.hemisphere,
            "group_name": one.group,
        }
        for one in REGIONS
    )
    rows = single.drop(columns=["group", "method"]).merge(about, on="region").rename(columns={"group_name": "group"})
    keys = ["scan", "networks", "region_id", "region_name", "hemisphere", "group"]
    rows = rows.groupby(keys, as_index=False, sort=False)["dice"].mean()
    rows = rows.rename(columns={"scan": "subject", "networks": "method"}).assign(seen_in_training=False)
    with figure_style():
        for part in parts_of(region_rows(rows), rows):
            save_figure(
                draw_published_box_plot(rows, part, [one.name for one in CANDIDATES]), out / f"architectures_{part.key}"
            )


def main() -> None:
    """Train, score, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="training set with FreeSurfer's labels")
    parser.add_argument("mindboggle", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000, help="of pre-training")
    parser.add_argument("--fine-steps", type=int, default=400)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--view", default="coronal")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--only", default="", help="networks to train, such as unet-6, or none; the default is all")
    parser.add_argument("--kept", type=Path, help="scores of networks trained before, which the table shows, too")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    known = {"none", *(one.key for one in CANDIDATES)}
    if unknown := set(words(given.only)) - known:
        parser.error(f"--only {', '.join(sorted(unknown))}; expected some of {', '.join(sorted(known))}")
    scores = pd.read_csv(given.kept) if given.kept else pd.DataFrame()
    for part in measured(given):  # what is finished stands there if the rest is interrupted
        scores = pd.concat([scores, part], ignore_index=True)
        scores.to_csv(given.out / "scores.csv", index=False)
        (given.out / "table.md").write_text(table(scores, given.view) + "\n", encoding="utf-8")
    draw(scores, given.out)
    print(table(scores, given.view))
    if (given.out / "runs.csv").is_file():
        print(pd.read_csv(given.out / "runs.csv").to_string(index=False), file=sys.stderr)


if __name__ == "__main__":
    main()
