"""What a run compared, as the first section of its report: subjects, files, protocol, grids, and all problems."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from evaluation.cohort.subjects import LAYOUT_NAMES
from evaluation.report.html_page import Block, Facts, Notice
from evaluation.results.folder import SIDES_MERGED, Results
from evaluation.results.number_format import format_value
from evaluation.results.run_facts import count_of, listed, moves_of, voxel_sizes

__all__ = ["n_subjects", "overview", "when"]


def n_subjects(results: Results) -> int:
    """Return the number of subjects that are included in means."""
    return int(results.counted(results.subjects)["subject"].nunique())


def when(account: dict[str, Any]) -> str:
    """Return when a run began, `2026-01-02 03:04 UTC`; unchanged if it is not a time."""
    started = str(account.get("started", "an unknown time"))
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return started


def overview(results: Results) -> list[Block]:
    """Return the input of a run, and all its failures, suspicions and warnings."""
    account = results.account
    layouts: dict[str, str] = account.get("layouts", {})
    numbers = results.subjects.groupby("method", sort=False)["subject"].nunique()
    pairs = [("Subjects", _subjects_fact(results))]
    for method, number in numbers.items():
        kind = LAYOUT_NAMES.get(layouts.get(str(method), ""), "")
        pairs.append((f"Method {method}", f"label maps of {count_of(int(number), 'subject')}{f' ({kind})' if kind else ''}"))
    pairs.append(("References", _references_fact(account)))
    pairs += _protocol_facts(results)
    sizes, moves = voxel_sizes(account), moves_of(account)
    if sizes:
        pairs.append(("Reference grids", ", ".join(sizes[:4]) + (f" and {len(sizes) - 4} more" if len(sizes) > 4 else "")))
        pairs.append(("Grids of label maps", ", ".join(f"{move}: {number}" for move, number in moves.items())))
    pairs += [("Command", str(account["command"]))] if "command" in account else []
    if "started" in account:
        pairs.append(("Run", f"{when(account)}, {account.get('seconds', '?')} s"))
    return [Facts([(name, value) for name, value in pairs if value]), *_notices(results)]


def _subjects_fact(results: Results) -> str:
    n, scored = n_subjects(results), int(results.subjects["subject"].nunique())
    families = results.subjects["family"].nunique() if results.account.get("families") else 0
    text = count_of(n, "subject")
    text += f" of {scored} scored: the others were seen in training" if n < scored else ""
    return text + (f"; {count_of(families, 'family', 'families')}" if 0 < families < scored else "")


def _references_fact(account: dict[str, Any]) -> str:
    layout = LAYOUT_NAMES.get(account.get("layouts", {}).get("references", ""), "")
    names = list(dict.fromkeys(PurePath(path).name for path in account.get("references", {}).values()))
    told = Counter(one["reference"] for one in account.get("labels_follow", {}).values())
    cortex = ", ".join(f"{protocol} ({n})" for protocol, n in told.most_common())
    files = ", ".join(names) if len(names) < 4 else f"{names[0]} and similar" if names else ""
    return "; ".join(part for part in (layout, files, f"cortex by {cortex}" if cortex else "") if part)


def _protocol_facts(results: Results) -> list[tuple[str, str]]:
    account = results.account
    protocol, metrics = account.get("protocol", {}), account.get("metrics", {})
    regions = results.scores[~results.scores["region_id"].duplicated()]
    facts = [("Protocol", f"{protocol.get('name', 'not recorded')}, {count_of(len(regions), 'region')}")]
    counts = {kind: _voxels_outside(account, kind) for kind in ("masked", "as_background", "dropped")}
    outside = [
        f"{n} voxels {words}"
        for kind, words in (
            ("masked", "of references masked"),
            ("as_background", "of references taken as background"),
            ("dropped", "of label maps taken as background"),
        )
        if (n := format_value(counts[kind], "integer")) != "0"
    ]
    if "foreign_ids" in account:
        facts.append(("Labels outside it", "; ".join(outside) or "none"))
    surfaces = [name.replace("_", " ") for name in metrics.get("surface_definitions", [])]
    if surfaces:
        tolerances = ", ".join(f"{one:g} mm" for one in metrics.get("tolerances_mm", []))
        facts.append(("Surfaces", f"{listed(surfaces)}; tolerance {tolerances}"))
        facts.append(("Distance of a miss", str(metrics.get("misses", ""))))
    return facts


def _voxels_outside(account: dict[str, Any], kind: str) -> int:
    """Count voxels with ids outside the protocol; those of a reference count once, however many methods were compared."""
    total = 0
    for methods in account.get("foreign_ids", {}).values():
        counts = [sum(found.get(kind, {}).values()) for found in methods.values()]
        total += sum(counts) if kind == "dropped" else max(counts, default=0)
    return total


def _notices(results: Results) -> list[Block]:
    account = results.account
    notices: list[Block] = []
    failures = [f"{_who(one)}: {one['reason']}" for one in account.get("failures", [])]
    if failures:
        notices.append(Notice(count_of(len(failures), "failure"), failures, "failure"))
    for counted, fate in ((False, "left out of all tables"), (True, "kept in the tables")):
        found = [one for one in account.get("suspects", []) if bool(one.get("counted")) == counted]
        lines = [f"{_who(one)}: {one['kind']}: {one['detail']}" for one in found]
        if lines:
            notices.append(
                Notice(f"{count_of(len(lines), 'pair')} with a suspected fault of the files, {fate}", lines, "failure")
            )
    warnings = [str(one) for one in account.get("warnings", [])]
    if warnings:
        notices.append(Notice(count_of(len(warnings), "warning"), warnings))
    missing = account.get("not_matched", {})
    lines = [f"without a reference: {', '.join(missing['without_reference'])}"] if missing.get("without_reference") else []
    lines += [f"left out: {name}: {reason}" for name, reason in missing.get("left_out", {}).items()]
    for kind, words in (("without_label_map", "no label map of"), ("label_maps_without_reference", "no reference for")):
        lines += [f"{method}: {words} {', '.join(names)}" for method, names in missing.get(kind, {}).items() if names]
    if lines:
        notices.append(Notice("Not matched", lines, "note"))
    never = results.summary[(results.summary["never_emitted"] != "") & ~results.summary["method"].str.endswith(SIDES_MERGED)]
    lines = [f"{row.method}: {row.never_emitted}" for row in never.itertuples()]
    if lines:
        notices.append(Notice("Regions that are in none of a method's label maps", lines, "note"))
    return notices if notices else [Notice("No failures and no warnings.", level="note")]


def _who(one: dict[str, Any]) -> str:
    subject, method = str(one.get("subject", "")), str(one.get("method", ""))
    return f"{subject} ({method})" if subject and method else subject or method
