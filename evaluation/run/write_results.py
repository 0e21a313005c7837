"""Write a results folder: scores, means, comparisons, tables, figures, the report, and run.json, which comes last."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from darts_ensemble.errors import CohortError
from darts_ensemble.results.outputs import write_json, write_text
from evaluation.results.captions import forget_pictures
from evaluation.results.labelling import means_by_labelling
from evaluation.results.summaries import region_means, subject_means, summarise
from evaluation.run.evaluate import Failure, Scores, reason_of

__all__ = ["write_results", "writing_steps"]

Step = Callable[[Path], Sequence[Path]]


def writing_steps(*, style: str = "default", figures: bool = True, report: bool = True) -> dict[str, Step]:
    """Return the steps after the tables of scores, by name and in order: each reads the folder and returns its files."""
    steps: dict[str, Step] = {"comparison": _compare, "tables": _tabulate}
    if figures:
        steps["figures"] = lambda folder: _draw(folder, style)
        steps["overlays"] = _overlay
    if report:
        steps["report"] = _report
    return steps


def write_results(
    out: Path,
    scores: Scores,
    account: dict[str, Any],
    steps: dict[str, Step],
    report: Callable[[str], None] = lambda line: None,
) -> list[Failure]:
    """Write all results of a run into `out`, and the names of the files into the account.

    Results of an earlier run are removed first, so that they are not taken for new ones. A step that fails does not stop the
    others.

    Parameters
    ----------
    out : Path
    scores : Scores
    account : dict
        From :func:`evaluation.run.account.run_account`; `files`, and `failures` of the steps, are added.
    steps : dict of str to callable
        From :func:`writing_steps`.
    report : callable
        Called with one line per step.

    Returns
    -------
    list of Failure
        Steps that failed.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    _forget_earlier(out)
    account["files"] = []
    if scores.table.empty:
        write_json(out / "run.json", account)
        return []
    include_seen = bool(account["include_seen"])
    tables = {
        "scores.csv": scores.table,
        "groups.csv": scores.groups,
        "subjects.csv": subject_means(scores.table),
        "summary.csv": summarise(scores.table, include_seen=include_seen),
        "regions.csv": region_means(scores.table, include_seen=include_seen),
    }
    by_labelling = means_by_labelling(scores.table, account, include_seen=include_seen)
    if by_labelling is not None:
        tables["summary_by_labelling.csv"] = by_labelling
    for name, table in tables.items():
        write_text(out / name, table.to_csv(index=False, float_format="%.6g"))
    account["files"] = [*tables, "run.json"]
    write_json(out / "run.json", account)
    failures = []
    for name, step in steps.items():
        try:
            written = [path.relative_to(out).as_posix() for path in step(out)]
            account["files"] = [*account["files"][:-1], *written, "run.json"]
            report(f"{name}: written")
        except Exception as error:  # the scores are written: a bug in a figure must not hide this
            failures.append(Failure("", name, reason_of(error)))
            report(f"{name}: failed")
        # The report uses the files and failures of the steps before it.
        write_json(out / "run.json", {**account, "failures": account["failures"] + [asdict(one) for one in failures]})
    account["failures"] += [asdict(one) for one in failures]
    return failures


def _forget_earlier(out: Path) -> None:
    """Remove the files named in an earlier run.json, and pictures made later from its scores."""
    for name in ("figures", "overlays"):
        forget_pictures(out / name)
    try:
        named = json.loads((out / "run.json").read_text(encoding="utf-8"))["files"]
        paths = [out / str(name) for name in named]
    except (OSError, ValueError, KeyError, TypeError):
        return
    for path in paths:
        if path.resolve().is_relative_to(out.resolve()):
            with suppress(OSError):
                path.unlink()


def _compare(folder: Path) -> Sequence[Path]:
    from evaluation.statistics.comparison import save_comparison

    return save_comparison(folder)


def _tabulate(folder: Path) -> Sequence[Path]:
    from evaluation.tables.paper import save_tables

    return save_tables(folder)


def _draw(folder: Path, style: str) -> Sequence[Path]:
    from evaluation.figures.draw import save_figures

    return save_figures(folder, style=style)


def _overlay(folder: Path) -> Sequence[Path]:
    from evaluation.overlays.save import save_overlays

    saved = save_overlays(folder, lowest=True)
    if saved.failures:
        raise CohortError("; ".join(saved.failures))
    return saved.files


def _report(folder: Path) -> Sequence[Path]:
    from evaluation.report.assemble import write_report

    return [write_report(folder)]
