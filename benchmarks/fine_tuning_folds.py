"""Fine-tuning on manual labels, in folds: the bundled networks before and after, on people who were not trained on.

    python benchmarks/fine_tuning_folds.py MINDBOGGLE -o folds/ [--steps 600] [--people 8] [--views coronal,axial,sagittal]
    python benchmarks/fine_tuning_folds.py MINDBOGGLE -o folds/ --folds 1 --people 1,2,4,8

MINDBOGGLE is a tree of Mindboggle-101. Its people are divided into three folds: the first, fourth, seventh ... person is held
out in fold 1, and so on. In each fold `darts-train finetune --init bundled` trains on so many of the other people, and
`benchmarks/accuracy.py` scores each view and the ensemble, before and after, on those held out. `--people` takes several
numbers, as a curve: what a lab gains by labelling more people. `--pilot` trains in fold 1 on all but one of its training
people, validates on that one ten times on the way, and prints how the Dice grows: choose `--steps` from it.

After an interruption the same command continues. In the output folder: `weights/`, `scores.csv` (one row per person, method,
reference and region), `labels/METHOD/PERSON.nii.gz` (of the ensemble), `minutes.csv` and `table.md`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from darts_ensemble.commands.command_line import words
from darts_ensemble.training.subjects import LabelledSubject, find_labelled
from evaluation.statistics.overall import compare_overall
from evaluation.statistics.paired import compare_methods

FOLDS = 3
BEFORE = "bundled"


@dataclass(frozen=True)
class Run:
    """One fine-tuning: a fold, and the number of people whose labels are used."""

    fold: int
    people: int

    @property
    def name(self) -> str:
        """As folders and tables call it."""
        return f"fold{self.fold}-people{self.people}"

    @property
    def method(self) -> str:
        """As the tables call networks trained on so many people, in whatever fold."""
        return f"fine-tuned on {self.people}"


def by_number(subject: LabelledSubject) -> tuple[str, int]:
    """Order of people whose names end in a number."""
    found = re.fullmatch(r"(.*?)(\d*)", subject.id)
    assert found is not None
    return found[1], int(found[2] or 0)


def training_people(everyone: Sequence[LabelledSubject], fold: int) -> list[LabelledSubject]:
    """Return the people of the other folds."""
    return [one for number, one in enumerate(everyone) if number % FOLDS != fold - 1]


def held_out(everyone: Sequence[LabelledSubject], fold: int) -> list[LabelledSubject]:
    """Return the people of a fold, who are never trained on in it."""
    return list(everyone[fold - 1 :: FOLDS])


def call(*arguments: object) -> None:
    """Run a command of Python; end with its message if it fails."""
    code = subprocess.run([sys.executable, *map(str, arguments)], check=False).returncode
    if code:
        sys.exit(f"{' '.join(map(str, arguments))}: ended with {code}; the same command continues")


def train(given: argparse.Namespace, out: Path, people: Sequence[LabelledSubject], *more: object) -> None:
    """Fine-tune the bundled networks on some people; a finished run is not repeated."""
    if all((out / f"{view}.safetensors").is_file() for view in words(given.views)):
        return
    call(
        "-m", "darts_ensemble.commands.train", "finetune", "--init", BEFORE, "--data", given.mindboggle,
        "--subjects", ",".join(one.id for one in people), "--views", given.views, "--steps", given.steps,
        "--threads", given.threads, "--cache", given.out / "cache", "-o", out, *more,
    )  # fmt: skip


def score(given: argparse.Namespace, weights: object, people: Sequence[LabelledSubject], method: str) -> pd.DataFrame:
    """Return the rows of accuracy.py for networks on some people, and write the ensemble's label maps."""
    folder = given.out / "accuracy" / method.replace(" ", "-")
    call(
        Path(__file__).with_name("accuracy.py"), *(one.scan.parent for one in people), "-o", folder, "--weights", weights,
        "--threads", given.threads,
    )  # fmt: skip
    labels = given.out / "labels" / method.replace(" ", "-")
    labels.mkdir(parents=True, exist_ok=True)
    for one in people:
        # The newest: the name ends with a checksum of the weights.
        maps = max(folder.glob(f"{one.id}.*.npz"), key=lambda path: path.stat().st_mtime)
        with np.load(maps) as arrays:
            ids = arrays["ensemble"].astype(np.int32)
        nib.save(nib.Nifti1Image(ids, nib.load(one.scan).affine), labels / f"{one.id}.nii.gz")
    rows = pd.read_csv(folder / "scores.csv")
    return rows[rows["scan"].isin([one.id for one in people])]


def measured(given: argparse.Namespace, everyone: Sequence[LabelledSubject]) -> Iterator[pd.DataFrame]:
    """Train and score every run; one table of scores each, with the columns `networks` and `fold`."""
    minutes = given.out / "minutes.csv"
    for fold in map(int, words(given.folds)):
        test = held_out(everyone, fold)
        yield score(given, BEFORE, test, BEFORE).assign(networks=BEFORE, fold=fold)
        for run in [Run(fold, int(count)) for count in words(given.people)]:
            people = training_people(everyone, fold)[: run.people]
            if len(people) < run.people:
                sys.exit(f"--people {run.people}: fold {fold} has {len(people)} people to train on")
            begin = time.perf_counter()
            train(given, given.out / "weights" / run.name, people)
            passed = (time.perf_counter() - begin) / 60
            if passed > 1:
                line = pd.DataFrame([{"run": run.name, "views": given.views, "steps": given.steps, "minutes": passed}])
                line.to_csv(minutes, mode="a", header=not minutes.is_file(), index=False)
            yield score(given, given.out / "weights" / run.name, test, run.method).assign(networks=run.method, fold=fold)


def table(scores: pd.DataFrame) -> str:
    """Mean Dice of each group, method and number of people, and the paired difference to the bundled networks."""
    lines = [
        "| labels | by | networks | people | before | after | difference [95 % BCa] | t p | regions up, down | people up |",
        "| --- " * 10 + "|",
    ]
    groups = scores[scores["group"].notna() & (scores["group"] != "")]
    for (group, by), rows in groups.groupby(["group", "method"], sort=False):
        if by == "FreeSurfer":
            continue
        wide = rows.pivot_table(index="scan", columns="networks", values="dice")
        for networks in [name for name in wide.columns if name != BEFORE]:
            pair = wide[[networks, BEFORE]].dropna()
            regions = regions_of(scores, str(group), str(by), [str(networks), BEFORE], list(pair.index))
            difference = compare_overall(regions, "dice", region="region", unit="scan", method="networks").iloc[0]
            each = compare_methods(regions, "dice", region="region", unit="scan", method="networks")
            sign = 1 if difference["method_a"] == networks else -1
            ends = sorted(sign * difference[name] for name in ("mean_low", "mean_high"))
            clear = each[each["t_p_fdr_regions"] < 0.05]["mean_difference"] * sign
            lines.append(
                f"| {group} | {by} | {networks} | {len(pair)} | {pair[BEFORE].mean():.3f} | {pair[networks].mean():.3f} | "
                f"{sign * difference['mean_difference']:+.4f} [{ends[0]:+.4f}, {ends[1]:+.4f}] | {difference['t_p']:.2g} | "
                f"{(clear > 0).sum()}, {(clear < 0).sum()} | {(pair[networks] > pair[BEFORE]).sum()} of {len(pair)} |"
            )
    return "\n".join(lines)


def regions_of(scores: pd.DataFrame, group: str, by: str, networks: list[str], people: list[str]) -> pd.DataFrame:
    """Return the rows of the single regions of a group: the cortex has left and right names of its own."""
    single = scores[(scores["group"].isna() | (scores["group"] == "")) & (scores["method"] == by)]
    single = single[single["networks"].isin(networks) & single["scan"].isin(people)]
    cortical = single["region"].str.startswith("ctx-")
    if group == "pallidum":
        return single[single["region"].str.contains("Pallidum")]
    return single[cortical] if group == "cortex" else single[~cortical]


def main() -> None:
    """Train, score and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mindboggle", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--folds", default="1,2,3", help="which of the three")
    parser.add_argument("--people", default="8", help="numbers of people to train on")
    parser.add_argument("--steps", type=int, default=600, help="of each view")
    parser.add_argument("--views", default="coronal,axial,sagittal")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--pilot", action="store_true", help="only show how the Dice of a ninth person grows with the steps")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    everyone = sorted(find_labelled(given.mindboggle), key=by_number)
    if given.pilot:
        people = training_people(everyone, 1)
        train(
            given, given.out / "weights" / "pilot", people,
            "--validation", people[-1].id, "--validate-every", max(1, given.steps // 10),
        )  # fmt: skip
        for view in words(given.views):
            print((given.out / "weights" / "pilot" / f"{view}.csv").read_text())
        return
    scores = pd.concat(measured(given, everyone), ignore_index=True)
    scores.to_csv(given.out / "scores.csv", index=False)
    (given.out / "table.md").write_text(table(scores) + "\n", encoding="utf-8")
    print(table(scores))


if __name__ == "__main__":
    main()
