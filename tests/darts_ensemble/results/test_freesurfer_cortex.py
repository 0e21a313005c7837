"""The tables of each hemisphere's cortex are read as FreeSurfer's own, and say what they do not know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from darts_ensemble.results.freesurfer_cortex import cortex_stats
from darts_ensemble.results.freesurfer_table import measure_lines
from darts_ensemble.results.volumetry import region_volumes
from tests.phantoms.brain import AFFINE, brain

VOLUMES = region_volumes(brain(), AFFINE)


def table(side: str = "lh", etiv: float | None = 1.5e6) -> str:
    return cortex_stats(VOLUMES, side, "bert", measure_lines(VOLUMES, etiv))


def strictly_parsed(text: str) -> tuple[dict[str, str], dict[str, float], list[list[str]]]:
    """Headers, measures and rows of a table, read line by line as the layout of `mris_anatomical_stats` prescribes.

    A title, then header lines of a name and a value, then `Measure` lines, the number of columns, three lines for each column,
    their names, and rows of as many cells. Every line before the rows begins with a number sign and a blank.
    """
    lines = text.splitlines()
    assert lines.pop(0).rstrip() == "# Table of FreeSurfer cortical parcellation anatomical statistics"
    headers: dict[str, str] = {}
    while not lines[0].startswith("# Measure "):
        line = lines.pop(0)
        assert line.startswith("# ")
        if line.strip("# "):
            name, value = line[2:].split(None, 1)
            headers[name] = value
    measures: dict[str, float] = {}
    while lines[0].startswith("# Measure "):
        words = lines.pop(0)[2:].split(", ")
        assert len(words) == 5
        measures[words[1]] = float(words[3])
    count = int(lines.pop(0).removeprefix("# NTableCols "))
    names = []
    for number in range(1, count + 1):
        for key in ("ColHeader", "FieldName", "Units"):
            words = lines.pop(0)[2:].split(None, 3)
            assert words[:3] == ["TableCol", str(number), key]
            if key == "ColHeader":
                names.append(words[3])
    assert lines.pop(0) == f"# ColHeaders {' '.join(names)}"
    rows = [line.split() for line in lines]
    assert {len(row) for row in rows} == {count}
    return headers, measures, rows


@pytest.mark.parametrize(("side", "first"), [("lh", 1000), ("rh", 2000)])
def test_volumes_stand_in_the_column_where_readers_look_for_them(side: str, first: int) -> None:
    headers, measures, rows = strictly_parsed(table(side))
    assert headers["hemi"] == side
    assert headers["subjectname"] == "bert"
    assert len(rows) == 31
    volume = VOLUMES.set_index("region_name")["volume_mm3"]
    for row in rows:
        assert int(row[3]) == pytest.approx(volume[f"ctx-{side}-{row[0]}"], abs=0.5)
    own = VOLUMES[VOLUMES["region_id"].between(first, first + 999)]["volume_mm3"].sum()
    assert sum(int(row[3]) for row in rows) == pytest.approx(own, abs=31)
    assert measures[f"{side}CortexVol"] == pytest.approx(own)
    assert measures["eTIV"] == 1.5e6


def test_what_is_measured_on_a_surface_is_marked_as_unknown_and_never_zero() -> None:
    _, measures, rows = strictly_parsed(table())
    assert measures["NumVert"] == 0
    for row in rows:
        assert row[1] == "0"
        assert all(math.isnan(float(cell)) for cell in (row[2], *row[4:]))
    assert not any(name in measures for name in ("WhiteSurfArea", "MeanThickness"))


def test_regions_columns_and_their_order_are_those_of_a_real_table(shared_data: Path) -> None:
    real = (shared_data / "dicom/child/freesurfer_stats/lh.aparc.DKTatlas40.stats").read_text()
    described = [" ".join(line.split()) for line in real.splitlines() if line.startswith(("# TableCol", "# NTableCols"))]
    assert [
        " ".join(line.split()) for line in table().splitlines() if line.startswith(("# TableCol", "# NTableCols"))
    ] == described
    regions: Any = [line.split()[0] for line in real.splitlines() if not line.startswith("#")]
    assert [row[0] for row in strictly_parsed(table())[2]] == regions
