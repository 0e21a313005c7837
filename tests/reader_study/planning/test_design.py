"""From study.yaml and label maps to a planned study: what is read, cut out, refused and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from darts_ensemble.errors import UsageError
from reader_study.commands.main import app as cli
from reader_study.errors import StudyError
from reader_study.planning.design import design_of, places_of, read_design
from reader_study.planning.images import image_bytes, read_case, region_masks
from reader_study.planning.regions import PUBLISHED_REGIONS, study_region
from reader_study.planning.sources import find_sources
from reader_study.planning.yaml_text import parse_yaml
from reader_study.study.folder import write_study
from tests.phantoms.small_study import BALLS, CASE, DESIGN, METHODS, MOVED, PRACTICE, label_map, lay_out

MINIMAL: dict[str, Any] = {"readers": ["a"], "scans": "scans", "methods": {"X": "x", "Y": "y"}, "seed": 1}


def test_the_published_seven_are_the_default_each_in_its_plane(tmp_path: Path) -> None:
    design = design_of(MINIMAL, tmp_path)
    assert {region.name: region.view for region in design.regions} == {
        "Insula": "axial", "Caudate": "axial", "Cingulate-Gyrus": "sagittal", "Lateral-Ventricles": "axial",
        "Pallidum": "axial", "Putamen": "axial", "Thalamus": "axial",
    }  # fmt: skip
    cingulate = next(region for region in PUBLISHED_REGIONS if region.name == "Cingulate-Gyrus")
    assert cingulate.ids == {"L": (1002, 1010, 1023, 1026), "R": (2002, 2010, 2023, 2026)}
    assert study_region("Hippocampus", "coronal").ids == {"L": (17,), "R": (53,)}
    assert study_region("Brain-Stem").ids == {"": (16,)}
    assert len(places_of(design, ("s1", "s2"))) == 2 * 7 * 2
    assert design.methods == {"X": tmp_path / "x", "Y": tmp_path / "y"}
    assert (design.repeats, design.scale.words[0], design.washout_for(100), design.washout_for(6)) == (0.1, "poor", 10, 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"reader": ["b"]}, "unknown key 'reader'.*readers[?]"),
        ({"seed": None}, "no seed; expected readers, scans, methods, seed"),
        ({"methods": {"X": "x"}}, "two or more"),
        ({"repeats": 0.7}, "repeats: 0.7; expected a number from 0 to 0.5"),
        ({"regions": ["Putamin"]}, "did you mean Putamen"),
        ({"regions": [{"Insula": "oblique"}]}, "view 'oblique'; expected one of axial, coronal, sagittal"),
        ({"readers": ["a", "a"]}, "a given twice"),
        ({"cases": ["s1"], "practice": ["s1"]}, "s1 are rated as well"),
        ({"scale": {1: "bad", 11: "good"}}, "2 to 9 levels"),
        ({"modes": ["rating", "ranking"], "methods": dict.fromkeys("abcde", "x")}, "there are 5; expected 2 to 4"),
        ({"washout": -1}, "washout: -1"),
        ({"if_missing": "ignore"}, "expected of stop, drop"),
    ],
)
def test_a_design_that_says_something_else_than_it_means_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=told):
        design_of(MINIMAL | change, tmp_path)


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("readers: [a\n")
    with pytest.raises(StudyError, match=r"study\.yaml: not readable YAML"):
        read_design(tmp_path / "study.yaml")


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("sources") / "study")


def test_masks_lie_where_the_methods_drew_them_in_one_box(laid_out: Path) -> None:
    sources = find_sources(read_design(laid_out))
    images = read_case(CASE, sources.scans[CASE], {method: paths[CASE] for method, paths in sources.label_maps.items()})
    assert images.resampled == ()
    assert nib.aff2axcodes(images.affine) == ("R", "A", "S")
    for name, side, id_ in (("Caudate", "L", 11), ("Caudate", "R", 50), ("Cingulate-Gyrus", "L", 1002), ("Brain-Stem", "", 16)):
        cut = region_masks(images, study_region(name), side)
        assert cut is not None
        assert len({mask.shape for mask in cut.masks.values()}) == 1
        for method in METHODS:
            mask = nib.Nifti1Image.from_bytes(_unpacked(image_bytes(cut.masks[method], images.affine, cut.offset)))
            where = nib.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj) == 1))
            np.testing.assert_allclose(where.mean(axis=0), np.add(BALLS[id_][0], MOVED[method]), atol=1e-6)
            assert len(where) == np.count_nonzero(label_map(method).get_fdata() == id_)
        # All methods' areas together are largest in the middle of the three balls.
        shown = nib.affines.apply_affine(images.affine, cut.centre)
        np.testing.assert_allclose(shown, np.add(BALLS[id_][0], (0, 0.67, -0.67)), atol=1.5)


def test_headers_of_masks_are_equal_whatever_is_inside(laid_out: Path) -> None:
    sources = find_sources(read_design(laid_out))
    images = read_case(CASE, sources.scans[CASE], {method: paths[CASE] for method, paths in sources.label_maps.items()})
    cut = region_masks(images, study_region("Caudate"), "L")
    assert cut is not None
    files = [_unpacked(image_bytes(mask, images.affine, cut.offset)) for mask in cut.masks.values()]
    assert len({file[:352] for file in files}) == len({len(file) for file in files}) == 1
    assert len(set(files)) == 3


def _unpacked(packed: bytes) -> bytes:
    import gzip

    return gzip.decompress(packed)


def test_a_region_that_a_method_lacks_stops_the_plan_or_is_dropped_for_all(laid_out: Path, tmp_path: Path) -> None:
    root = tmp_path / "sources"
    path = lay_out(root, DESIGN.replace(f"practice: [{PRACTICE}]\n", ""))
    lacking = {id_: ball for id_, ball in BALLS.items() if id_ != 50}
    nib.save(label_map("NetworkTuned", lacking), root / "maps" / "NetworkTuned" / f"{CASE}.nii.gz")
    text = path.read_text().replace("cases: ", "if_missing: stop\ncases: ")
    path.write_text(text)
    with pytest.raises(
        StudyError, match=f"no voxel of {CASE} Caudate R in NetworkTuned; expected every region in every method"
    ):
        write_study(read_design(path), find_sources(read_design(path)), tmp_path / "study")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["sources"]
    path.write_text(text.replace("stop", "drop"))
    links = write_study(read_design(path), find_sources(read_design(path)), tmp_path / "study")
    assert links.notes == (f"{CASE} Caudate R: left out for all methods, absent in NetworkTuned",)
    with pytest.raises(StudyError, match="already there"):
        write_study(read_design(path), find_sources(read_design(path)), tmp_path / "study")


def test_maps_of_another_place_are_refused(laid_out: Path, tmp_path: Path) -> None:
    sources = find_sources(read_design(laid_out))
    paths = {method: own[CASE] for method, own in sources.label_maps.items()}
    image = nib.load(paths["NetworkPlain"])
    for shift, told in ((30.0, "overlap by 0%"), (400.0, "lies outside the scan")):
        moved = image.affine.copy()
        moved[1, 3] += shift
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), tmp_path / "moved.nii.gz")
        with pytest.raises(StudyError, match=told):
            read_case(CASE, sources.scans[CASE], paths | {"NetworkPlain": tmp_path / "moved.nii.gz"})


def test_cases_without_a_label_map_are_left_out_or_named(laid_out: Path, tmp_path: Path) -> None:
    path = lay_out(tmp_path / "sources", DESIGN.replace(f"cases: [{CASE}]\n", "").replace(f"practice: [{PRACTICE}]\n", ""))
    (tmp_path / "sources" / "maps" / "NetworkPlain" / f"{PRACTICE}.nii.gz").unlink()
    sources = find_sources(read_design(path))
    assert (sources.cases, sources.left_out) == ((CASE,), {PRACTICE: "no label map of NetworkPlain"})
    path.write_text(path.read_text() + f"cases: [{CASE}, {PRACTICE}]\n")
    with pytest.raises(StudyError, match=f"case {PRACTICE}: no label map of NetworkPlain"):
        find_sources(read_design(path))


def test_a_dry_run_shows_length_balance_and_washout_and_writes_nothing(laid_out: Path) -> None:
    before = sorted(laid_out.parent.rglob("*"))
    done = CliRunner().invoke(cli, ["plan", str(laid_out), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert sorted(laid_out.parent.rglob("*")) == before
    assert "Small study: 1 case, 3 methods, 2 readers" in done.output
    assert "at least 1 other" in done.output
    for word in ("anna", "ben", "NetworkTuned", "Power: cannot be computed for one case", "no image was opened"):
        assert word in done.output
    assert isinstance(CliRunner().invoke(cli, ["plan", str(laid_out)]).exception, UsageError)


def test_options_in_place_of_a_study_yaml_plan_the_same_study(laid_out: Path, tmp_path: Path) -> None:
    sources = laid_out.parent
    given = ["--scans", sources / "scans", "--readers", "anna, ben", "--regions", "Caudate,Brain-Stem", "--practice", PRACTICE]
    for method in METHODS:
        given += ["--method", f"{method}={sources / 'maps' / method}"]
    done = CliRunner().invoke(cli, ["plan", *map(str, given), "--seed", "7", "-o", str(tmp_path / "study")])
    assert done.exit_code == 0, done.output
    key = json.loads((tmp_path / "study" / "key.json").read_text(encoding="utf-8"))
    design = design_of(parse_yaml(key["design"]), tmp_path)  # what a later reader's order is drawn from
    assert (design.readers, design.practice, design.seed, tuple(design.methods)) == (("anna", "ben"), (PRACTICE,), 7, METHODS)
    assert [region.name for region in design.regions] == ["Caudate", "Brain-Stem"]
    assert sorted(key["label_maps"]["NetworkTuned"]) == [CASE, PRACTICE]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "no design; expected STUDY.YAML, or --scans PATH"),
        (["--scans", "s", "--readers", "a", "--method", "X=x"], "no design"),
        (["--scans", "s", "--readers", "a", "--method", "X=x", "--method", "X=y"], "a name is given twice"),
        (["study.yaml", "--seed", "3"], "expected the file or the options"),
    ],
)
def test_half_a_design_in_options_or_both_kinds_are_refused(given: list[str], told: str) -> None:
    error = CliRunner().invoke(cli, ["plan", *given, "--dry-run"]).exception
    assert isinstance(error, UsageError)
    assert told in str(error)


def test_a_note_names_a_method_whose_cortex_was_drawn_by_hand(tmp_path: Path) -> None:
    path = lay_out(tmp_path / "sources", DESIGN)
    maps = tmp_path / "sources" / "maps" / "FreeSurfer"
    for case in (CASE, PRACTICE):
        (maps / case).mkdir()
        (maps / f"{case}.nii.gz").rename(maps / case / "labels.DKT31.manual+aseg.nii.gz")
    path.write_text(path.read_text().replace("maps/FreeSurfer,", "'maps/FreeSurfer:labels.DKT31.manual+aseg.nii.gz',"))
    (note,) = find_sources(read_design(path)).notes
    assert note.startswith("FreeSurfer: in Mindboggle's +aseg files the cortex is manual")
    assert "not FreeSurfer's: Cingulate-Gyrus; take" in note
    assert find_sources(read_design(lay_out(tmp_path / "others", DESIGN))).notes == ()
