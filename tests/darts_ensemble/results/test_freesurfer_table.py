"""The table of regions can be read like FreeSurfer's own tables."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.freesurfer_table import freesurfer_stats
from darts_ensemble.results.volumetry import region_volumes
from tests.phantoms.brain import AFFINE, brain


def parse_stats(text: str) -> tuple[dict[str, str], pd.DataFrame]:
    """Read a table as FreeSurfer's asegstats2table does: comments, then columns between blanks, named in ColHeaders."""
    comments = [line.removeprefix("# ").split(None, 1) for line in text.splitlines() if line.startswith("#")]
    header = {words[0]: words[1] for words in comments if len(words) == 2}
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert {len(row) for row in rows} == {int(header["NTableCols"])}
    return header, pd.DataFrame(rows, columns=header["ColHeaders"].split())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_freesurfer_reads_volumes_and_intensities_of_every_region(order: Any, dtype: Any) -> None:
    rng = np.random.default_rng(2)
    ids = rng.choice([0, 17, 53, 1024, 2035], size=(11, 9, 10)).astype(np.int16)
    ids[5, 5, 5] = 30  # a region of one voxel
    data = np.asarray(rng.uniform(3, 250, size=ids.shape).astype(dtype), order=order)
    affine = np.diag([0.8, 0.8, 1.5, 1.0])
    header, stats = parse_stats(freesurfer_stats(region_volumes(ids, affine), ids, data, "bert"))
    assert header["subjectname"] == "bert"
    assert header["ColHeaders"].split() == [
        "Index", "SegId", "NVoxels", "Volume_mm3", "StructName", "normMean", "normStdDev", "normMin", "normMax", "normRange",
    ]  # fmt: skip
    assert int(header["NRows"]) == len(stats) == 102
    assert list(stats["Index"].astype(int)) == list(range(1, 103))
    assert list(stats["SegId"].astype(int)) == sorted(region.id for region in REGIONS)
    present = stats[stats["NVoxels"].astype(int) > 0]
    assert list(present["StructName"]) == [
        "Left-Hippocampus", "Left-vessel", "Right-Hippocampus", "ctx-lh-precentral", "ctx-rh-insula",
    ]  # fmt: skip
    absent = stats[stats["NVoxels"].astype(int) == 0].drop(columns=["Index", "SegId", "StructName"]).astype(float)
    assert (absent == 0).all(axis=None), "as FreeSurfer writes a region that is not there"
    for row in present.itertuples(index=False):
        values = data[ids == int(row.SegId)].astype(np.float64)
        spread = values.std(ddof=1) if len(values) > 1 else 0
        assert int(row.NVoxels) == len(values)
        assert float(row.Volume_mm3) == pytest.approx(len(values) * 0.96, abs=0.051)
        expected = [values.mean(), spread, values.min(), values.max(), np.ptp(values)]
        found = [float(one) for one in (row.normMean, row.normStdDev, row.normMin, row.normMax, row.normRange)]
        np.testing.assert_allclose(found, expected, atol=6e-5)


def test_a_scan_without_a_region_still_gives_a_table() -> None:
    ids = np.zeros((3, 3, 3), dtype=np.int16)
    header, stats = parse_stats(freesurfer_stats(region_volumes(ids, np.eye(4)), ids, ids + 5, "empty"))
    assert header["NRows"] == "102"
    assert (stats["Volume_mm3"].astype(float) == 0).all()


def fields(text: str) -> list[str]:
    """Names of the comment lines in order; those of measures and columns with their content."""
    lines = [" ".join(line.lstrip("# ").split()) for line in text.splitlines() if line.startswith("# ")]
    return [line.rsplit(",", 2)[0] if line.startswith("Measure") else line for line in lines if line]


def test_fields_and_their_order_are_those_of_a_real_table(shared_data: Path) -> None:
    real = fields((shared_data / "dicom/child/freesurfer_stats/aseg.stats").read_text().replace("Itensity", "Intensity"))
    own = fields(freesurfer_stats(region_volumes(brain(), AFFINE), brain(), brain(), "Freesurfer"))
    assert len([one for one in own if one.startswith("Measure")]) == 12
    # FreeSurfer 5 said CorticalWhiteMatter; 6 and later say CerebralWhiteMatter.
    real = [re.sub("Cortical(WhiteMatter)", r"Cerebral\1", one).replace("cortical white", "cerebral white") for one in real]
    varying = ("generating_program", "VoxelVolume_mm3", "NRows")
    here = [one for one in own if not one.startswith(varying)]
    assert [one for one in real if one in here] == here


def test_sums_are_those_of_their_regions() -> None:
    volumes = region_volumes(brain(), AFFINE)
    found = dict(re.findall(r"# Measure \w+, (\w+), .*, ([\d.]+), mm\^3", freesurfer_stats(volumes, brain(), brain(), "x")))
    volume = volumes.set_index("region_id")["volume_mm3"]
    assert float(found["BrainSegVol"]) == pytest.approx(volume.sum() - volume[16])
    assert float(found["lhCortexVol"]) == pytest.approx(volume[volume.index.isin(range(1000, 2000))].sum())
    assert float(found["CortexVol"]) == pytest.approx(float(found["lhCortexVol"]) + float(found["rhCortexVol"]))
    assert float(found["CerebralWhiteMatterVol"]) == pytest.approx(volume[[2, 41]].sum())
    assert float(found["SupraTentorialVol"]) == pytest.approx(volume.sum() - volume[[7, 8, 15, 16, 46, 47]].sum())
    assert "IntraCranial" not in freesurfer_stats(volumes, brain(), brain(), "x"), "nothing stands for what is not estimated"


@pytest.mark.skipif(shutil.which("awk") is None, reason="no awk")
def test_scripts_of_cohorts_find_each_number_by_grep_and_awk(tmp_path: Path) -> None:
    table = tmp_path / "aseg.stats"
    volumes = region_volumes(brain(), AFFINE)
    table.write_text(freesurfer_stats(volumes, brain(), brain(), "x", etiv=1512345.678))

    def printed(pattern: str, program: str) -> list[str]:
        command = f"grep {shlex.quote(pattern)} {shlex.quote(str(table))} | awk {program}"
        return subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.split()

    volume = volumes.set_index("region_name")["volume_mm3"]
    for name in ("Left-Lateral-Ventricle", "Left-Thalamus-Proper", "Right-Caudate", "Left-Pallidum", "Right-Accumbens-area"):
        assert [float(one) for one in printed(name, "'{print $4}'")] == [pytest.approx(volume[name], abs=0.06)]
    assert printed("IntraCranialVol", "-F, '{print $4}'") == ["1512345.678000"]


def test_the_measures_are_those_that_quality_control_of_freesurfer_looks_for() -> None:
    text = freesurfer_stats(region_volumes(brain(), AFFINE), brain(), brain(), "x", etiv=1.5e6)
    found = {line.split(",")[0]: float(line.split(",")[3]) for line in text.splitlines() if line.startswith("# Measure ")}
    assert found["# Measure EstimatedTotalIntraCranialVol"] == 1.5e6
    assert found["# Measure BrainSegVol-to-eTIV"] == pytest.approx(found["# Measure BrainSeg"] / 1.5e6, abs=1e-6)
    assert list(found)[:2] == ["# Measure BrainSeg", "# Measure BrainSegNotVent"]
