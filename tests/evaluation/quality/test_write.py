"""A folder of label maps in any layout becomes a page, pictures and tables."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from darts_ensemble.errors import CohortError
from evaluation.commands.quality import app
from evaluation.quality.cohort_volumes import excluded_names
from evaluation.quality.label_maps import find_label_maps
from evaluation.quality.write import write_quality
from tests.phantoms.brain import AFFINE, brain, save


def results(folder: Path, names: list[str]) -> Path:
    """A folder as darts-segment writes it, with the scans beside it."""
    for number, name in enumerate(names):
        ids = brain(jitter=1.0, seed=number)
        save(folder / f"{name}_dseg.nii.gz", ids)
        scan = folder.parent / "scans" / f"{name}.nii.gz"
        scan.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(np.where(ids > 0, 90 + ids % 40, 0).astype(np.int16), AFFINE), scan)
        account = {"scan": str(scan), "flags": [], "mean_view_agreement": 0.9}
        (folder / f"{name}_quality.json").write_text(json.dumps(account))
    return folder


def test_a_page_pictures_and_tables_are_written_and_pictures_only_once(tmp_path: Path) -> None:
    folder = results(tmp_path / "out", ["sub-1_ses-a", "a b", "a_b"])
    run = write_quality(folder)
    assert run.failures == []
    assert run.without_scan == []
    pictures = sorted((folder / "quality/pictures").iterdir())
    assert [path.name for path in pictures] == ["a_b.webp", "a_b_2.webp", "sub-1_ses-a.webp"]
    with Image.open(pictures[0]) as picture:
        assert picture.size == (1020, 900)
        pixels = np.asarray(picture)
    assert (pixels.max(axis=2).astype(int) - pixels.min(axis=2)).max() > 60, "borders are coloured"
    before = pictures[0].stat().st_mtime_ns
    write_quality(folder)
    assert pictures[0].stat().st_mtime_ns == before
    wide = pd.read_csv(folder / "quality/volumes_wide.tsv", sep="\t").set_index("name")
    long = pd.read_csv(folder / "quality/volumes_long.tsv", sep="\t")
    assert (wide.loc["sub-1_ses-a", "subject"], wide.loc["sub-1_ses-a", "session"]) == ("sub-1", "a")
    assert len(long) == 3 * 102
    chosen = long[(long["name"] == "a b") & (long["region_id"] == 17)]
    assert wide.loc["a b", "Left-Hippocampus"] == chosen["volume_mm3"].item()


def test_a_scan_in_doubt_comes_first_with_its_one_sentence_in_place_of_its_flags(tmp_path: Path) -> None:
    folder = results(tmp_path / "out", ["a", "b", "c", "d", "e", "f"])
    doubt = "probably not an upright T1 of a whole head (61 of 102 regions are missing): is the contrast T1?"
    account = json.loads((folder / "e_quality.json").read_text())
    flags = [f"missing region: Region-{number}" for number in range(61)]
    (folder / "e_quality.json").write_text(json.dumps({**account, "suspicion": doubt, "flags": flags}))
    found = write_quality(folder).findings
    assert next(iter(found)) == "e"
    assert found["e"].level == "serious"
    assert [one.text for one in found["e"].findings] == [
        doubt, "61 flags of single regions that follow from this are in the account",
    ]  # fmt: skip
    page = (folder / "quality/quality.html").read_text()
    assert page.count(doubt) == 1
    assert "Region-60" not in page
    table = pd.read_csv(folder / "quality/quality.tsv", sep="\t").set_index("name")
    assert table.loc["e", "findings"].startswith(doubt)
    assert not table.drop(index="e")["findings"].fillna("").str.contains("upright T1").any()


def test_bids_derivatives_and_subjects_directories_are_found(tmp_path: Path) -> None:
    bids = tmp_path / "bids"
    save(bids / "sub-1/ses-a/anat/sub-1_ses-a_seg-darts_dseg.nii.gz", brain())
    save(bids / "sub-1/ses-a/anat/sub-1_ses-a_seg-darts_desc-top_dseg.nii.gz", brain())
    assert [(one.name, one.session) for one in find_label_maps(bids)] == [("sub-1_ses-a", "a")]
    save(tmp_path / "subjects/bert/mri/aparc.DKTatlas+aseg.mgz", brain())
    save(tmp_path / "subjects/bert/mri/T1.mgz", brain())
    (one,) = find_label_maps(tmp_path / "subjects")
    assert one.scan == tmp_path / "subjects/bert/mri/T1.mgz"
    with pytest.raises(CohortError, match="no label map found"):
        find_label_maps(tmp_path / "subjects/bert/mri")


def test_what_darts_eval_segmented_itself_is_found_in_its_results(tmp_path: Path) -> None:
    made = tmp_path / "results/segmentations"
    save(tmp_path / "scan.nii.gz", brain())
    for method in ("coronal", "sagittal", "ensemble"):
        save(made / method / "person.nii.gz", brain())
    save(made / "coronal/other.nii.gz", brain())
    account = {"scan": str(tmp_path / "scan.nii.gz"), "maps_sha256": dict.fromkeys(("coronal", "sagittal", "ensemble"), "0")}
    (made / "person.json").write_text(json.dumps(account))
    (made / "other.json").write_text(json.dumps({"maps_sha256": {"coronal": "0"}}))
    (made / "unfinished.json").write_text(json.dumps({"maps_sha256": {"coronal": "0"}}))
    for folder in (tmp_path / "results", made):
        found = {one.name: (one.path, one.scan) for one in find_label_maps(folder)}
        assert found == {
            "person": (made / "ensemble/person.nii.gz", tmp_path / "scan.nii.gz"),
            "other": (made / "coronal/other.nii.gz", None),
        }
    assert CliRunner().invoke(app, [str(tmp_path / "results")]).exit_code == 0
    assert (tmp_path / "results/quality/quality.html").is_file()


def test_what_failed_by_hand_is_left_out_of_the_tables_and_a_broken_map_stops_nobody(tmp_path: Path) -> None:
    folder = results(tmp_path / "out", ["one", "two", "three"])
    (folder / "three_dseg.nii.gz").write_bytes(b"not an image")
    decisions = tmp_path / "qc.tsv"
    decisions.write_text("name\tdecision\tnote\none\tfail\tmoved\ntwo\tpass\t\nthree\t\t\n")
    done = CliRunner().invoke(app, [str(folder), "--exclude", str(decisions)])
    assert done.exit_code == 1
    assert "three_dseg.nii.gz" in done.stderr
    assert set(pd.read_csv(folder / "quality/volumes_wide.tsv", sep="\t")["name"]) == {"two"}
    assert set(pd.read_csv(folder / "quality/quality.tsv", sep="\t")["name"]) == {"one", "two"}


def test_names_with_accents_are_found_however_they_are_stored_and_so_are_tables_of_excel(tmp_path: Path) -> None:
    folder = results(tmp_path / "out", ["Jose\u0301", "b"])
    (tmp_path / "qc.tsv").write_bytes("name\tdecision\r\nJos\u00e9\tFail\r\n".encode("utf-16"))
    done = CliRunner().invoke(app, [str(folder), "--exclude", str(tmp_path / "qc.tsv")])
    assert (done.exit_code, done.stderr) == (0, "")
    assert list(pd.read_csv(folder / "quality/volumes_wide.tsv", sep="\t")["name"]) == ["b"]


def test_tables_of_an_earlier_run_go_where_every_scan_failed(tmp_path: Path) -> None:
    folder = results(tmp_path / "out", ["one", "two"])
    write_quality(folder)
    assert (folder / "quality/volumes_wide.tsv").is_file()
    (tmp_path / "qc.tsv").write_text("name\tdecision\none\tfail\ntwo\tfail\nelsewhere\tfail\n")
    done = CliRunner().invoke(app, [str(folder), "--exclude", str(tmp_path / "qc.tsv")])
    assert done.exit_code == 0
    assert "every scan failed: no tables of volumes" in done.stderr
    assert "not in" in done.stderr and "elsewhere" in done.stderr
    assert not list((folder / "quality").glob("volumes_*"))


def test_a_folder_whose_label_maps_are_all_damaged_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "one_dseg.nii.gz").write_bytes(b"not an image")
    done = CliRunner().invoke(app, [str(tmp_path)])
    assert done.exit_code == 1
    assert "no label map that can be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject\tdecision\n", "columns subject, decision"),
        ("name\tdecision\na\tbad\n", "decision bad of a"),
        ("name\tdecision\na\tfail\na\tpass\n", "a has the decisions fail and pass"),
        ("name,decision\na,fail\n", "columns name,decision; expected .* with tabs between"),
        (None, "No such file"),
    ],
)
def test_a_table_that_is_none_of_decisions_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "qc.tsv").write_text(text)
    with pytest.raises(CohortError, match=message):
        excluded_names(tmp_path / "qc.tsv")
