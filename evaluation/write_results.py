"""Write a results folder: scores, means, comparisons, tables, figures, the report, and run.json, which comes last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darts_ensemble.outputs import write_json, write_text
from evaluation.evaluate import Scores
from evaluation.summaries import region_means, subject_means, summarise

__all__ = ["write_results"]


def write_results(
    out: Path, scores: Scores, account: dict[str, Any], *, style: str = "default", figures: bool = True, report: bool = True
) -> None:
    """Write everything that a run leaves into `out`, and the names of the files into the account.

    Parameters
    ----------
    out : Path
    scores : Scores
    account : dict
        Of :func:`evaluation.run_account.run_account`; gets `files`.
    style : {"default", "published"}
        Of the figures.
    figures, report : bool
        Whether to draw, and whether to write report.html.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    account["files"] = []
    if scores.table.empty:
        write_json(out / "run.json", account)
        return
    include_seen = bool(account["include_seen"])
    tables = {
        "scores.csv": scores.table,
        "groups.csv": scores.groups,
        "subjects.csv": subject_means(scores.table),
        "summary.csv": summarise(scores.table, include_seen=include_seen),
        "regions.csv": region_means(scores.table, include_seen=include_seen),
    }
    for name, table in tables.items():
        write_text(out / name, table.to_csv(index=False, float_format="%.6g"))
    written = [out / name for name in tables]
    # The comparisons, tables, figures and report read the folder, run.json among it.
    write_json(out / "run.json", account)
    account["files"] = [path.relative_to(out).as_posix() for path in written] + ["run.json"]
    write_json(out / "run.json", account)
