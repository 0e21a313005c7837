"""The command darts-eval: score label maps against references, and segment first where no label maps are given."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from darts_ensemble.errors import CohortError, DartsError, UsageError
from darts_ensemble.labels import REGIONS, Region
from darts_ensemble.outputs import write_text
from evaluation.cohort import WRONG_HEADERS, Cohort, choose_subjects, find_cohort, find_predictions
from evaluation.evaluate import (
    SIDES_MERGED,
    Failure,
    Method,
    Scores,
    region_means,
    score_cohort,
    segment_cohort,
    subject_means,
    summarise,
)

__all__ = ["choose_regions", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_errors = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)

_PACKAGES = ("darts-ensemble", "numpy", "nibabel", "pandas", "scipy", "matplotlib", "seaborn", "torch")
_EPILOG = """Examples:

  darts-eval --gt mindboggle/ -o results/

  darts-eval --gt SUBJECTS_DIR --pred freesurfer=OTHER_SUBJECTS_DIR -o results/

  darts-eval --gt SUBJECTS_DIR --pred other=maps/ --weights bundled --regions "deep grey,Brain-Stem,1024" -o results/
"""


def choose_regions(text: str) -> list[Region]:
    """Return the regions that a comma-separated list of names, ids or groups names, in class order; all for an empty one.

    Raises
    ------
    UsageError
        If a word is none of them.
    """
    chosen: set[int] = set()
    unknown = []
    for word in _words([text]):
        wanted = word.lower()
        # FreeSurfer 7 dropped the suffix of its thalamus.
        names = {region.id: {region.name.lower(), region.name.lower().removesuffix("-proper")} for region in REGIONS}
        found = {r.id for r in REGIONS if wanted in names[r.id] or wanted in (str(r.id), r.group)}
        chosen |= found
        if not found:
            unknown.append(word)
    if unknown:
        groups = ", ".join(dict.fromkeys(region.group for region in REGIONS))
        raise UsageError(
            f"unknown region {', '.join(unknown)}; expected FreeSurfer names or ids of the 102, or groups: {groups}"
        )
    return [region for region in REGIONS if region.id in chosen] if chosen else list(REGIONS)


@app.command(epilog=_EPILOG)
def evaluate(
    gt: Annotated[Path, typer.Option(help="References: Mindboggle-101, a group, a SUBJECTS_DIR, or one subject.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, figures and label maps.")],
    pred: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="Label maps of a method: a SUBJECTS_DIR or files named by subject (repeat)."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Segment every scan with these: bundled, a folder or a file. Default without --pred: bundled."),
    ] = None,
    regions: Annotated[str, typer.Option(help="Score these only: names, ids or groups, comma-separated.")] = "",
    subjects: Annotated[list[str] | None, typer.Option(help="Score these only, comma-separated (or repeat).")] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    include_seen: Annotated[bool, typer.Option("--include-seen", help="Keep subjects seen in training in means.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Segment again what an earlier run has finished.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account of the run (run.json) and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print warnings and errors only.")] = False,
) -> None:
    """Score label maps of the 102 DARTS regions against references: Dice per region, tables and box plots.

    Without --pred the three views and their ensemble are run on every scan under --gt, and each is scored.
    """
    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    try:
        wanted = choose_regions(regions)
        folders = _folders(pred or [])
        cohort = choose_subjects(find_cohort(gt), _words(subjects or []))
        methods = [Method(name, find_predictions(folder, cohort.subjects)) for name, folder in folders.items()]
        warnings = _describe(console, cohort, methods)
        weights = weights or (None if folders else "bundled")
        if weights:
            _refuse_view_names(folders)
        if weights is None and not any(method.paths for method in methods):
            raise CohortError(
                f"{', '.join(map(str, folders.values()))}: no label map of any subject under {gt}; name files by subject"
            )
        failures: list[Failure] = []
        files: dict[str, str] = {}
        if weights is not None:
            report = _progress(console, len(cohort.subjects))
            segmented = segment_cohort(
                cohort.subjects, weights, out / "segmentations", device=device, overwrite=overwrite, report=report
            )
            methods += segmented.methods
            failures, files = segmented.failures, segmented.weights
            warnings += segmented.warnings
        seen = sorted({subject for method in methods for subject in method.seen})
        if seen:
            kept = "kept in" if include_seen else "kept out of"
            warnings.append(f"seen in training, {kept} all means: {', '.join(seen)}")
        for warning in warnings:
            _errors.print(f"warning: {warning}")
        matched = {subject for method in methods for subject in method.paths}
        scores = score_cohort(cohort.subjects, methods, regions=wanted, report=_progress(console, len(matched)))
        for warning in scores.warnings:
            _errors.print(f"warning: {warning}")
        failures = failures + scores.failures
        for failure in failures:
            _errors.print(f"darts-eval: {failure.subject}{f' ({failure.method})' if failure.method else ''}: {failure.reason}")
        account = _account(cohort, methods, scores, failures, warnings, files)
        _write(out, scores.table, account, include_seen)
        if as_json:
            typer.echo(json.dumps(account, indent=1))
        if not scores.table.empty:
            _show(console, summarise(scores.table, include_seen=include_seen), out)
    except UsageError as error:
        _errors.print(f"darts-eval: {error}")
        raise typer.Exit(2) from None
    except DartsError as error:
        _errors.print(f"darts-eval: {error}")
        raise typer.Exit(1) from None
    except OSError as error:
        _errors.print(f"darts-eval: {error.filename}: {error.strerror}; expected a folder that can be read and written")
        raise typer.Exit(1) from None
    if failures or scores.table.empty:
        raise typer.Exit(1)


def _words(texts: Sequence[str]) -> list[str]:
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def _folders(texts: Sequence[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder) or "/" in name:
            raise UsageError(f"--pred {text}; expected NAME=DIR, such as freesurfer=SUBJECTS_DIR")
        if name in folders:
            raise UsageError(f"--pred {name}: given twice; expected one folder a name")
        folders[name] = Path(folder)
    return folders


def _refuse_view_names(names: Iterable[str]) -> None:
    from darts_ensemble.views import VIEWS  # imports torch, which scoring alone does without

    clash = [name for name in names if name in (*VIEWS, "ensemble")]
    if clash:
        raise UsageError(f"--pred {', '.join(clash)}: a name that --weights takes; expected another")


def _describe(console: Console, cohort: Cohort, methods: Sequence[Method]) -> list[str]:
    """Print what was found, which label files were taken and what was not matched; return warnings."""
    console.print(f"{len(cohort.subjects)} subjects with a reference")
    for subject in cohort.subjects:
        scan = subject.scan.name if subject.scan else "none"
        partly = "; cortex only, other regions absent by protocol" if subject.cortex_only else ""
        console.print(f"  {subject.id}: reference {subject.reference.name}, scan {scan}{partly}")
    if cohort.unlabelled:
        console.print(f"  without a reference: {', '.join(cohort.unlabelled)}")
    for method in methods:
        names = pd.Series([path.name for path in method.paths.values()], dtype=object)
        # A SUBJECTS_DIR has one name of file throughout, a flat folder one a subject.
        taken = ", ".join(dict.fromkeys(names)) if names.nunique() < 4 else f"{names.iloc[0]} and like it"
        console.print(f"{method.name}: label maps of {len(names)} subjects{f' ({taken})' if len(names) else ''}")
        absent = [subject.id for subject in cohort.subjects if subject.id not in method.paths]
        if absent:
            console.print(f"  not matched: {', '.join(absent)}")
    warnings = []
    wrong = [subject.id for subject in cohort.subjects if subject.layout == "mindboggle" and subject.id in WRONG_HEADERS]
    if wrong:
        warnings.append(f"orientation in the header known to be wrong: {', '.join(wrong)}")
    if any(subject.layout == "mindboggle" and not subject.cortex_only for subject in cohort.subjects):
        console.print("Mindboggle: the cortex is labelled by hand, all other regions by FreeSurfer")
    return warnings


def _progress(console: Console, total: int) -> Any:
    """A function that prints one numbered line a step."""
    done = 0

    def report(line: str) -> None:
        nonlocal done
        done += 1
        console.print(f"[{done}/{total}] {line}")

    return report


def _account(
    cohort: Cohort, methods: Sequence[Method], scores: Scores, failures: Sequence[Failure], warnings: Sequence[str],
    weights: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "command": shlex.join(["darts-eval", *sys.argv[1:]]),
        "versions": versions,
        "weights_sha256": weights,
        "references": {subject.id: str(subject.reference) for subject in cohort.subjects},
        "without_reference": list(cohort.unlabelled),
        "label_maps": {method.name: {subject: str(path) for subject, path in method.paths.items()} for method in methods},
        "seen_in_training": {method.name: sorted(method.seen) for method in methods if method.seen},
        "foreign_ids": scores.foreign_ids,
        "warnings": [*warnings, *scores.warnings],
        "failures": [vars(failure) for failure in failures],
    }


def _write(out: Path, table: pd.DataFrame, account: dict[str, Any], include_seen: bool) -> None:
    if not table.empty:
        from evaluation.figures import save_box_plots

        tables = {
            "dice_long.csv": table,
            "subjects.csv": subject_means(table),
            "summary.csv": summarise(table, include_seen=include_seen),
            "regions.csv": region_means(table, include_seen=include_seen),
        }
        for name, one in tables.items():
            write_text(out / name, one.to_csv(index=False, float_format="%.6g"))
        save_box_plots(table, out, include_seen=include_seen)
    write_text(out / "run.json", json.dumps(account, indent=1) + "\n")


def _show(console: Console, summary: pd.DataFrame, out: Path) -> None:
    table = Table(title="Dice, mean ± SD over subjects")
    for heading in ("method", "subjects", "all scored regions", "regions every method has", "missed", "invented"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in summary.to_dict("records"):
        means = [_plus_minus(row[f"mean_{column}"], row[f"sd_{column}"]) for column in ("dice", "dice_common")]
        counts = [str(row[column]) for column in ("n_missed", "n_invented")]
        left_out = f" (+{row['n_seen_left_out']} seen)" if row["n_seen_left_out"] else ""
        table.add_row(str(row["method"]), f"{row['n_subjects']}{left_out}", *means, *counts)
    console.print(table)
    for row in summary.to_dict("records"):
        if row["never_emitted"] and not str(row["method"]).endswith(SIDES_MERGED):
            console.print(f"{row['method']} never emits: {row['never_emitted']}")
    if not summary["n_subjects"].any():
        console.print("Every subject was seen in training: no means and no figures; --include-seen gives them.")
    names = "dice_long.csv, subjects.csv, summary.csv, regions.csv, run.json"
    figures = ", ".join(path.name for path in sorted(out.glob("boxplot_*.png")))
    console.print(f"{out}: {names}{', ' + figures if figures else ''}")


def _plus_minus(mean: float, spread: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.3f}" if pd.isna(spread) else f"{mean:.3f} ± {spread:.3f}"


def main() -> None:
    """Run darts-eval."""
    app()


if __name__ == "__main__":
    main()
