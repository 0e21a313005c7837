"""The ratios of all benchmarks in one table: of this machine, and the last ones of machines of other kinds with their dates.

    python benchmarks/overview.py

`run_all.py` adds what it measured to `measured.csv`, beside this file: one row per ratio, kind of machine and day.
"""

from __future__ import annotations

import datetime
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

FILE = Path(__file__).with_name("measured.csv")
#: From the fastest products in half precision to the slowest.
MACHINES = ("GPU", "AMX", "AVX512_BF16", "AVX2")


@dataclass(frozen=True)
class Ratio:
    """One row of the table.

    Attributes
    ----------
    name : str
    benchmark : str
        Name that the results have in `run_all.py`, of which it is made.
    made_of : callable
        From the results, as the script writes them with `--json`, to the ratio; KeyError where they lack it.
    aim : str
    """

    name: str
    benchmark: str
    made_of: Callable[[Any], float]
    aim: str = ""


def alone(results: Mapping[str, Mapping[str, list[float]]]) -> float:
    """Return the seconds of one darts-segment alone, from start to end, of the results of `shared_machine.py`."""
    return min(next(rows for name, rows in results.items() if name != "default of libgomp")["1"])


def _together(count: int) -> Callable[[Any], float]:
    def ratio(results: Mapping[str, Mapping[str, list[float]]]) -> float:
        ours = next(rows for name, rows in results.items() if name != "default of libgomp")
        return min(ours[str(count)]) / min(ours["1"])

    return ratio


RATIOS = (
    Ratio("one darts-segment, bundled ensemble, start to end, s", "shared_machine", alone, "14 with AMX, 45 with AVX2"),
    Ratio("two darts-segment at the same time, to one alone", "shared_machine", _together(2), "at most 2.4"),
    Ratio("four at the same time, to one alone", "shared_machine", _together(4), "at most 5"),
    Ratio(
        "full-size slice, CPU s of the published package to ours", "segment",
        lambda rows: rows["reference, whole slice"]["cpu_s"] / rows["ours, whole slice"]["cpu_s"], "12 with AMX",
    ),
    Ratio(
        "a further scan in a queue of three, to a command for one scan", "whole_scans",
        lambda found: (found["wall_s"] - found["first_s"]) / (found["scans"] - 1) / found["alone_s"], "at most 0.85",
    ),
    Ratio("scans a minute in a queue", "whole_scans", lambda found: found["scans_a_minute"], "150 on a GPU"),
    Ratio("0.8 mm, labels to the scan's grid, s", "0.8 mm", lambda found: found["stage: to the scan's grid, s"], "at most 4"),
    Ratio("0.8 mm, peak memory, GiB", "0.8 mm", lambda found: found["peak_gib"], "1 more than 1 mm at most"),
    Ratio("1 mm, peak memory, GiB", "1 mm", lambda found: found["peak_gib"]),
    Ratio("0.5 mm, labels to the scan's grid, s", "0.5 mm", lambda found: found["stage: to the scan's grid, s"], "at most 15"),
    Ratio("0.5 mm, peak memory, GiB", "0.5 mm", lambda found: found["peak_gib"], "at most 6"),
    Ratio("0.5 mm, peak memory with --low-memory, GiB", "0.5 mm, low memory", lambda found: found["peak_gib"], "at most 4"),
    Ratio("report of 100 subjects and 4 methods, MB", "eval_at_scale", lambda found: found["report_mb"], "under 15"),
    Ratio("the same report opens in Chromium, s", "eval_at_scale", lambda found: statistics.median(found["open_s"]), "under 2"),
    Ratio(
        "surfaces of 102 regions, CPU s of MONAI to ours", "metrics",
        lambda found: found["real"]["seconds"]["surfaces, voxel, MONAI"] / found["real"]["seconds"]["surfaces, voxel"],
    ),
    Ratio(
        "overlap of 102 regions, CPU s of SimpleITK to ours", "metrics",
        lambda found: found["real"]["seconds"]["overlap, SimpleITK"] / found["real"]["seconds"]["overlap"],
    ),
    Ratio(
        "training step of 48 filters, s in fp32 to bf16", "train_step",
        lambda found: found["48"]["fp32"] / found["48"]["bf16"],
    ),
    Ratio("label map, CPU s to read: nibabel to ours", "packing", lambda found: found["read, nibabel"] / found["read"]),
    Ratio("label map, CPU s to write: nibabel to ours", "packing", lambda found: found["write, nibabel"] / found["write"]),
)  # fmt: skip


def kind_of_machine() -> str:
    """Return which of :data:`MACHINES` this one is."""
    if torch.cuda.is_available():
        return "GPU"
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8") if cpu.is_file() else ""
    return "AMX" if "amx_bf16" in flags else "AVX512_BF16" if "avx512_bf16" in flags else "AVX2"


def processor() -> str:
    """Return the name of the processor, or of the GPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def add(results: Mapping[str, Any], file: Path = FILE) -> None:
    """Add the ratios that are in the results of some benchmarks to those measured before; the last of a day counts."""
    today = datetime.date.today().isoformat()
    here = {"machine": kind_of_machine(), "date": today, "processor": processor()}
    rows = []
    for ratio in RATIOS:
        try:
            rows.append({"ratio": ratio.name, "value": round(ratio.made_of(results[ratio.benchmark]), 2)} | here)
        except (KeyError, StopIteration):  # not run, failed, or without the published package
            continue
    earlier = pd.read_csv(file) if file.is_file() else pd.DataFrame()
    both = pd.concat([earlier, pd.DataFrame(rows)]).drop_duplicates(["ratio", "machine", "date"], keep="last")
    both.to_csv(file, index=False)


def table(measured: pd.DataFrame, here: str) -> str:
    """One row per ratio: the last one of this kind of machine, and the last ones of the other kinds."""
    lines = [f"| | aim | this machine ({here}) | other machines |", "| --- | --- | --- | --- |"]
    last = measured.sort_values("date", kind="stable").drop_duplicates(["ratio", "machine"], keep="last")
    for ratio in RATIOS:
        mine = last[(last["ratio"] == ratio.name) & (last["machine"] == here)]
        others = last[(last["ratio"] == ratio.name) & (last["machine"] != here)]
        cell = "not measured on this machine" if mine.empty else f"{mine['value'].iloc[0]:g} ({mine['date'].iloc[0]})"
        known = {row["machine"]: f"{row['machine']}: {row['value']:g} ({row['date']})" for _, row in others.iterrows()}
        beside = "; ".join(known[machine] for machine in MACHINES if machine in known)
        lines.append(f"| {ratio.name} | {ratio.aim} | {cell} | {beside} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(pd.read_csv(FILE), kind_of_machine()))
