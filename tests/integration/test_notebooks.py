"""Each notebook runs from its first cell to its last, and its two forms are equal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.phantoms.evaluation_run import phantom_run

jupytext = pytest.importorskip("jupytext", reason="needs the extra `notebook`")
nbclient = pytest.importorskip("nbclient", reason="needs the extra `notebook`")
jupyter_client = pytest.importorskip("jupyter_client", reason="needs the extra `notebook`")

NOTEBOOKS = ROOT / "notebooks"


def as_written(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def executed(name: str, folder: Path) -> Any:
    """Run a notebook in a folder with the same Python."""
    notebook = jupytext.read(NOTEBOOKS / f"{name}.ipynb")
    kernels = jupyter_client.KernelManager(kernel_name="python3")
    kernels.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    nbclient.NotebookClient(notebook, km=kernels, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def pictures(notebook: Any) -> list[Any]:
    return [out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]


@pytest.mark.parametrize("script", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_both_forms_say_the_same_and_hold_no_outputs(script: Path) -> None:
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    assert as_written(notebook) == as_written(jupytext.read(script))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[] for _ in code]
    assert {cell.execution_count for cell in code} == {None}


def test_every_notebook_has_both_forms() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {path.stem for path in NOTEBOOKS.glob("*.py")} != set()


def test_the_notebook_writes_labels_on_the_grid_of_the_scan(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    affine = np.array([[0.0, 0.1, 1.1, -20.0], [-0.9, 0.0, 0.0, 30.0], [0.0, 1.3, -0.1, 5.0], [0.0, 0.0, 0.0, 1.0]])
    voxels = np.zeros((30, 24, 28), dtype=np.int16)
    voxels[6:24, 6:18, 6:22] = np.random.default_rng(0).integers(300, 900, (18, 12, 16))
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "my_scan.nii.gz")
    monkeypatch.setenv("DARTS_NOTEBOOK_SCAN", str(tmp_path / "my_scan.nii.gz"))
    monkeypatch.setenv("DARTS_NOTEBOOK_WEIGHTS", str(tiny_weights))
    monkeypatch.setenv("DARTS_NOTEBOOK_OUT", str(tmp_path / "out"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = executed("predicting_segmentation", tmp_path)
    saved = nib.load(tmp_path / "out" / "my_scan_dseg.nii.gz")
    assert saved.shape == voxels.shape
    np.testing.assert_allclose(saved.affine, affine, atol=1e-6)
    assert np.asarray(saved.dataobj).any()
    table = pd.read_csv(tmp_path / "out" / "my_scan_volumes.tsv", sep="\t")
    counted = np.bincount(np.asarray(saved.dataobj).ravel(), minlength=3000)
    assert list(table["n_voxels"]) == [counted[id_] for id_ in table["region_id"]]
    assert len(pictures(notebook)) == 1


def test_a_results_folder_becomes_the_figures_and_tables_of_a_paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = phantom_run(tmp_path, methods=("coronal", "ensemble"), n_subjects=2, orientation="LIA")
    monkeypatch.setenv("DARTS_NOTEBOOK_RESULTS", str(folder))
    notebook = executed("paper_figures", tmp_path)
    stems = {path.stem for path in (folder / "figures").glob("*.pdf")}
    assert stems == {
        "box_plot_subcortical", "heat_map", "differences_subcortical", "ensemble_gain_subcortical", "bland_altman_coronal",
        "bland_altman_ensemble",
    }  # fmt: skip
    assert {path.stem for path in (folder / "overlays").glob("*.pdf")} == {"overlay_best_axial", "overlay_worst_axial"}
    assert len(list((folder / "tables").glob("*.tex"))) == 5
    # Every figure, the published box plot, two overlays.
    assert len(pictures(notebook)) == len(stems) + 1 + 2


def test_a_method_is_compared_with_freesurfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = phantom_run(tmp_path, methods=("freesurfer", "ensemble"), n_subjects=3)
    monkeypatch.setenv("DARTS_NOTEBOOK_RESULTS", str(folder))
    notebook = executed("compare_with_freesurfer", tmp_path)
    said = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    assert "3 subjects that no method was trained on, 4 regions" in said
    # Each ensemble map is moved 1 mm further than FreeSurfer's: its Dice is lower everywhere, in too few subjects for a test.
    assert "ensemble above freesurfer in 0 regions, below in 0, of 4" in said
    assert {path.name for path in (folder / "compare_with_freesurfer").glob("*.svg")} == {
        "differences_subcortical.svg", "overlay_best_axial.svg", "overlay_median_axial.svg", "overlay_worst_axial.svg",
    }  # fmt: skip
    assert len(pictures(notebook)) == 1 + 3


def test_a_reader_study_goes_from_ratings_to_table_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CASES", "6"), ("READERS", "3"), ("OUT", str(tmp_path / "out"))):
        monkeypatch.setenv(f"DARTS_NOTEBOOK_{name}", value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # As in its own folder, where the text form stands in the way of the package of that name.
    (tmp_path / "reader_study.py").write_bytes((NOTEBOOKS / "reader_study.py").read_bytes())
    notebook = executed("reader_study", tmp_path)
    said = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    assert "GRIM: 10 of the 42 means are possible for 20 whole ratings." in said
    assert "factor(rating) ~ method + region + (1 | case) + (1 | reader) + (1 | case:method) + (1 | reader:method)" in said
    for name in ("published_table.csv", "case_means.csv", "odds_ratios.csv", "agreement.csv", "comparison.csv"):
        assert "Synthetic" in (tmp_path / "out" / name).read_text(encoding="utf-8"), name
    assert len(pictures(notebook)) == 6
