"""What darts-eval prints: what was found, progress, suspicions, and the means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from evaluation.cohort.find import Cohort, Location, Predictions
from evaluation.cohort.subjects import LAYOUT_NAMES
from evaluation.metrics.pair_scores import Scoring
from evaluation.results.folder import SIDES_MERGED
from evaluation.run.evaluate import Method, Report, Scores
from evaluation.run.protocol_warnings import named

__all__ = ["progress", "show_found", "show_labelling", "show_outside", "show_summary"]


def show_found(console: Console, where: Location, cohort: Cohort, found: dict[str, Predictions], *, verbose: bool) -> None:
    """Print what was found, matched and not matched."""
    table = Table(title="Found", title_justify="left")
    for heading in ("", "layout", "file", "label maps", "matched"):
        table.add_column(heading, justify="right" if heading in ("label maps", "matched") else "left", overflow="fold")
    files = _files([subject.reference.name for subject in cohort.subjects])
    table.add_row("references", LAYOUT_NAMES[cohort.layout], files, str(len(cohort.subjects)), "")
    for name, one in found.items():
        files = _files([path.name for path in one.paths.values()])
        n_found = len(one.paths) + len(one.unmatched)
        table.add_row(name, LAYOUT_NAMES[one.layout], files, str(n_found), f"{len(one.paths)} of {len(cohort.subjects)}")
    console.print(table)
    if cohort.unlabelled:
        console.print(f"without a reference: {named(cohort.unlabelled)}")
    for out in cohort.left_out:
        console.print(f"left out: {out.subject.id}: {out.reason}; --subjects {out.subject.id} scores it")
    members = Counter(subject.family for subject in cohort.subjects)
    if several := [f"{family} ({count})" for family, count in members.items() if count > 1]:
        console.print(f"several scans of one person or family, which are not independent: {named(several)}")
    for name, one in found.items():
        absent = [subject.id for subject in cohort.subjects if subject.id not in one.paths]
        if absent:
            console.print(f"{name}: not matched: no label map of {named(absent)}")
        if one.unmatched:
            console.print(f"{name}: not matched: no reference for {named(one.unmatched)}")
    if any("manual+aseg" in subject.reference.name for subject in cohort.subjects):
        console.print("Mindboggle: the cortex is labelled by hand, all other regions by FreeSurfer")
    if verbose:
        for subject in cohort.subjects:
            console.print(f"  {subject.id}: reference {subject.reference}, scan {subject.scan or 'none'}")
            for name, one in found.items():
                if subject.id in one.paths:
                    console.print(f"    {name}: {one.paths[subject.id]}")


def _files(names: Sequence[str]) -> str:
    """Return the names of files in short: a SUBJECTS_DIR has the same name for all subjects, a flat folder one per subject."""
    distinct = list(dict.fromkeys(names))
    return "\n".join(distinct) if len(distinct) < 4 else f"{distinct[0]}\nand similar"


@contextmanager
def progress(console: Console, total: int, what: str) -> Iterator[Report]:
    """Give a function that is called with a line after each step: a bar on a terminal, numbered lines elsewhere."""
    if not console.is_terminal or console.quiet:
        done = 0

        def number(line: str) -> None:
            nonlocal done
            done += 1
            console.print(f"[{done}/{total}] {line}")

        yield number
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(line: str) -> None:
            bar.update(task, advance=1, description=f"{what}, {line.partition(':')[0]} done")

        yield advance


def show_outside(console: Console, scores: Scores, methods: Sequence[Method], scoring: Scoring) -> None:
    """Print how many voxels of which ids the protocol does not name."""
    references = {subject: next(iter(found.values())) for subject, found in scores.pairs.items() if found}
    name = scoring.protocol.name
    for how, field in (("masked", "masked"), ("background", "as_background")):
        counts = _total(getattr(one, field) for one in references.values())
        if counts:
            console.print(f"references: {_voxels(counts)} outside protocol {name}, {how}")
    for method in methods:
        counts = _total(found[method.name].dropped for found in scores.pairs.values() if method.name in found)
        if counts:
            console.print(f"{method.name}: {_voxels(counts)} outside protocol {name}, background")


def _total(each: Iterator[dict[int, int]] | Sequence[dict[int, int]]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for one in each:
        for id_, count in one.items():
            counts[id_] = counts.get(id_, 0) + count
    return counts


def _voxels(counts: dict[int, int]) -> str:
    ids = [str(id_) for id_ in sorted(counts, key=lambda id_: -counts[id_])]
    shown = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
    return f"{sum(counts.values()):,} voxels (ids {shown})"


def show_summary(console: Console, summary: pd.DataFrame) -> None:
    """Print the means of each method, with the counts needed to understand them."""
    distance = next((column for column in summary.columns if column.startswith("mean_hd95_")), None)
    headings = ["method", "n", "Dice", "Dice, common", *(["HD95, mm"] if distance else []), "missed,\ninvented"]
    table = Table(title="Mean over regions within a subject, then mean ± SD over n subjects", title_justify="left")
    for heading in headings:
        first = heading == "method"
        table.add_column(heading, justify="left" if first else "right", overflow="fold", no_wrap=not first)
    for row in summary.to_dict("records"):
        means = [_plus_minus(row[f"mean_{column}"], row[f"sd_{column}"]) for column in ("dice", "dice_common")]
        if distance:
            means.append(_plus_minus(row[distance], row[distance.replace("mean_", "sd_", 1)], 2))
        missing = f"{row['n_missed']}, {row['n_invented']}"
        left_out = f"\n+{row['n_seen_left_out']} seen" if row["n_seen_left_out"] else ""
        table.add_row(str(row["method"]), f"{row['n_subjects']}{left_out}", *means, missing)
    console.print(table)
    console.print("Dice, common: over the regions that every method labels; Dice: over all, missed or invented ones count 0")
    if distance:
        console.print(f"HD95: {distance.removeprefix('mean_')}, over the regions that have one")
    for row in summary.to_dict("records"):
        if row["never_emitted"] and not str(row["method"]).endswith(SIDES_MERGED):
            names = str(row["never_emitted"]).split("; ")
            shown = "; ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
            console.print(f"{row['method']} never labels: {shown}")
    if not summary["n_subjects"].any():
        console.print("Every subject was seen in training: no means and no figures; --include-seen includes them.")


def show_labelling(console: Console, means: pd.DataFrame | None) -> None:
    """Print separate means over regions labelled by hand and over those of FreeSurfer, if references have both."""
    if means is None:
        return
    table = Table(title="The same by who labelled the reference", title_justify="left")
    for heading in ("method", "reference labels", "regions", "Dice"):
        table.add_column(heading, justify="right" if heading in ("regions", "Dice") else "left", overflow="fold")
    for row in means.to_dict("records"):
        mean = _plus_minus(row["mean_dice"], row["sd_dice"])
        table.add_row(str(row["method"]), str(row["reference_labels"]), str(row["n_regions"]), mean)
    console.print(table)
    console.print("Agreement with automatic labels is not accuracy.")


def _plus_minus(mean: float, spread: float, digits: int = 3) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.{digits}f}" if pd.isna(spread) else f"{mean:.{digits}f} ± {spread:.{digits}f}"
