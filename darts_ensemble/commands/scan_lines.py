"""What darts-segment prints of each scan: one line, with what deserves a look, and with --verbose its stages and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from darts_ensemble.machine_memory import gigabytes

__all__ = ["tell"]

#: Flags shown in the line of a scan; its account holds all.
_MOST_FLAGS = 3
#: Of one flag that are named there.
_MOST_REGIONS = 3


def tell(
    row: dict[str, Any], number: int, count: int, say: Callable[[str], None], complain: Callable[[str], None], *, stages: bool
) -> None:
    """Print the result for one scan.

    Parameters
    ----------
    row : dict
        Of the account; see :func:`darts_ensemble.segment.scan_queue.segment_here`.
    number, count : int
        Its number among the scans of the run, and how many there are.
    say, complain : callable
        Print a line, an error.
    stages : bool
        Also how long each stage took, and how much memory the scan needs.
    """
    if row["status"] == "failed":
        complain(f"darts-segment: {row['error']}")
        return
    again = f" again ({row['again']})" if "again" in row else ""
    took = f" ({row['seconds']:.0f} s)" if "seconds" in row else ""
    planned = f"; {_memory(row)}" if row["status"] == "to do" else ""
    say(f"[{number}/{count}] {row['name']}: {row['status']}{again} {row['label_map']}{took}{planned}{_notes(row)}")
    if stages and row["status"] == "wrote":
        for stage, seconds in row.get("stages", {}).items():
            say(f"  {seconds:8.2f} s  {stage}")
        if "memory_bytes" in row:
            say(f"  {_memory(row)}")


def _memory(row: dict[str, Any]) -> str:
    need = row["memory_bytes"]
    return f"memory for a usual brain {gigabytes(need['usual'])}, at most {gigabytes(need['most'])}"


def _notes(row: dict[str, Any]) -> str:
    """What deserves a look, for the line of a scan: one sentence if the scan itself is in doubt, else three flags at most."""
    from darts_ensemble.results.segmentation import NOT_T1, SIDES_ESTIMATED

    flags = sorted(row.get("flags", []), key=lambda flag: flag not in (SIDES_ESTIMATED, NOT_T1))
    if row["status"] != "wrote" and not row.get("suspicion"):
        return ""
    if row.get("suspicion"):
        shown = [f"warning: {row['suspicion']}", *(flag for flag in flags if flag in (SIDES_ESTIMATED, NOT_T1))]
    else:
        shown = flags[:_MOST_FLAGS]
    more = len(flags) - sum(flag in flags for flag in shown)
    return "".join(f"; {_short(one)}" for one in shown) + (f"; {more} more flags in the account" if more else "")


def _short(flag: str) -> str:
    """Return a flag with three regions at most; the others are counted."""
    kind, separator, names = flag.partition(": ")
    regions = names.split(", ")
    if kind not in ("missing region", "volume outside the usual range") or len(regions) <= _MOST_REGIONS:
        return flag
    return f"{kind}{separator}{', '.join(regions[:_MOST_REGIONS])} and {len(regions) - _MOST_REGIONS} more"
