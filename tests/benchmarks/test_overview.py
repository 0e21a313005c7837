"""The table of ratios: what this machine measured, and what other machines measured before, with dates."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "overview.py"
TOGETHER = {"default of libgomp": {"1": [10.0], "2": [50.0]}, "1000 turns": {"1": [10.0, 12.0], "2": [22.0, 21.0]}}


@pytest.fixture
def overview(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("overview", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "overview", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "kind_of_machine", lambda: "AVX2")
    return module


def line(table: str, start: str) -> str:
    return next(one for one in table.splitlines() if one.startswith(f"| {start}"))


def test_a_ratio_of_this_run_stands_with_its_date_and_one_of_the_same_day_is_replaced(
    overview: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "measured.csv"
    overview.add({"shared_machine": {**TOGETHER, "1000 turns": {"1": [10.0], "2": [90.0]}}}, file)
    overview.add({"shared_machine": TOGETHER}, file)
    measured = pd.read_csv(file)
    assert sorted(measured["ratio"].str[:16]) == ["one darts-segmen", "two darts-segmen"]
    assert "| 10 (" in line(overview.table(measured, "AVX2"), "one darts-segment")
    assert f"| 2.1 ({measured['date'][0]}) |" in line(overview.table(measured, "AVX2"), "two darts-segment")


def test_what_this_machine_cannot_measure_keeps_the_last_ratio_of_the_others(overview: ModuleType) -> None:
    rows = [
        ("scans a minute in a queue", 30, "GPU", "2026-01-02"),
        ("scans a minute in a queue", 63, "GPU", "2026-03-04"),
        ("scans a minute in a queue", 3, "AMX", "2026-02-01"),
    ]
    table = overview.table(pd.DataFrame(rows, columns=["ratio", "value", "machine", "date"]), "AVX2")
    shown = line(table, "scans a minute")
    assert "not measured on this machine" in shown
    assert "GPU: 63 (2026-03-04); AMX: 3 (2026-02-01)" in shown
    assert "30" not in shown


def test_the_committed_ratios_are_of_known_kinds(overview: ModuleType) -> None:
    measured = pd.read_csv(overview.FILE)
    assert set(measured["ratio"]) <= {ratio.name for ratio in overview.RATIOS}
    assert set(measured["machine"]) <= set(overview.MACHINES)
