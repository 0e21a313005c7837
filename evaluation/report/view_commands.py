"""The command lines of darts-view that show the worst cases of a run: a report is a file, and can only tell them."""

from __future__ import annotations

import pandas as pd

from evaluation.report.html_page import Commands
from evaluation.results.folder import SIDES_MERGED, Results
from evaluation.viewer.command_line import view_command

__all__ = ["view_commands"]


def view_commands(results: Results, cases: pd.DataFrame) -> Commands | None:
    """Return a command for each case whose scan, reference and label map the run names; None if there is no such case.

    Parameters
    ----------
    results : Results
    cases : DataFrame
        Rows of `scores`.
    """
    account = results.account
    scans, references, label_maps = (account.get(name) or {} for name in ("scans", "references", "label_maps"))
    merged = account.get("protocol", {}).get("merged", {})
    lines = []
    for row in cases.to_dict("records"):
        subject, method, region = str(row["subject"]), str(row["method"]), str(row["region_id"])
        label_map = label_maps.get(method.removesuffix(SIDES_MERGED), {}).get(subject)
        if subject not in scans or subject not in references or label_map is None:
            continue
        # The id of a merged region need not be in either file.
        begin = "" if region in merged else region
        shown = {"reference": references[subject], method: label_map}
        lines.append((f"{subject}, {row['region_name']}, {method}", view_command(scans[subject], shown, begin)))
    title = "Look at them in the browser: the darts-view command of each, to be run where darts-eval was run"
    return Commands(title, lines) if lines else None
