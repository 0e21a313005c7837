"""A label map as DICOM SEG: read back without the library that wrote it, each voxel has the region that the NIfTI file has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from darts_ensemble.dicom.codes import codes_of
from darts_ensemble.dicom.convert import convert_folder
from darts_ensemble.dicom.segmentation_object import write_segmentation_object
from darts_ensemble.errors import ScanError
from darts_ensemble.labels import REGIONS
from darts_ensemble.scans.scan import read_scan
from tests.phantoms.dicom_series import AFFINE, SHAPE, head, oblique_affine, write_series
from tests.phantoms.enhanced_dicom import frames_of, write_enhanced

#: A few regions of all kinds: each costs a frame in every slice.
PRESENT = (2, 17, 53, 85, 251, 1024, 2035)
Written = tuple[pydicom.Dataset, Any, np.ndarray]


def written(folder: Path, affine: np.ndarray = AFFINE, frames: list[int] | None = None) -> Written:
    """A series (with `frames` one multi-frame file), a label map on the grid of its conversion, and the object made of it."""
    if frames is None:
        write_series(folder / "in", head(), affine)
    else:
        write_enhanced(folder / "in" / "x.dcm", write_series(folder / "classic", head(), affine), frames)
    scan = read_scan(convert_folder(folder / "in", folder / "a_T1w.nii.gz").path)
    rng = np.random.default_rng(4)
    ids = rng.choice([*([0] * 9), *PRESENT], size=scan.data.shape).astype(np.int16)
    ids[0, 0, 0], ids[-1, -1, -1], ids[0, -1, 3] = 17, 53, 1024
    write_segmentation_object(ids, scan, folder / "a_dseg.dcm")
    return pydicom.dcmread(folder / "a_dseg.dcm"), scan, ids


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    folder = tmp_path_factory.mktemp("made")
    return folder, written(folder)


def placed(item: Any, shared: Any) -> tuple[np.ndarray, np.ndarray]:
    """Corner and the two steps of a frame, RAS mm, from its own or the shared functional groups."""

    def of(sequence: str, name: str) -> np.ndarray:
        group = item if sequence in item else shared
        return np.array([float(one) for one in getattr(getattr(group, sequence)[0], name)])

    corner = of("PlanePositionSequence", "ImagePositionPatient")
    cosines = of("PlaneOrientationSequence", "ImageOrientationPatient")
    down, across = of("PixelMeasuresSequence", "PixelSpacing")  # between rows, between columns
    flip = np.array([-1.0, -1.0, 1.0])
    return corner * flip, np.array([cosines[3:] * down, cosines[:3] * across]) * flip


def corners_of(folder: Path) -> dict[tuple[str, int], np.ndarray]:
    """Corner of each slice, RAS mm, by the instance and its frame, counted from 1."""
    found = {}
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        places = frames_of(path) if "NumberOfFrames" in image else [np.array(image.ImagePositionPatient, dtype=float)]
        found |= {(str(image.SOPInstanceUID), number): one * [-1, -1, 1] for number, one in enumerate(places, start=1)}
    return found


@pytest.mark.parametrize(
    ("affine", "frames"),
    [
        (AFFINE @ np.diag([1, 1, -1, 1]), None),
        (oblique_affine((0.9, 1.4, 1.1)), None),
        (AFFINE, [(7 * number) % SHAPE[2] for number in range(SHAPE[2])]),
    ],
    ids=["backwards", "other voxels", "multi-frame"],
)
def test_each_voxel_of_a_segment_lies_where_the_nifti_label_map_has_its_region(
    tmp_path: Path, affine: np.ndarray, frames: list[int] | None
) -> None:
    seg, scan, ids = written(tmp_path, affine, frames)
    to_voxel = np.linalg.inv(nib.load(scan.path).affine)  # type: ignore[attr-defined]
    id_of = {int(one.SegmentNumber): int(one.SegmentDescription.removeprefix("FreeSurfer ")) for one in seg.SegmentSequence}
    corners = corners_of(tmp_path / "in")
    seen = np.zeros(ids.shape, dtype=np.int16)
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        corner, steps = placed(frame, seg.SharedFunctionalGroupsSequence[0])
        mm = np.argwhere(pixels) @ steps + corner
        index = mm @ to_voxel[:3, :3].T + to_voxel[:3, 3]
        assert np.abs(index - np.rint(index)).max() < 0.02
        assert (seen[tuple(np.rint(index).astype(int).T)] == 0).all()
        seen[tuple(np.rint(index).astype(int).T)] = id_of[int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        reference = (source.ReferencedSOPInstanceUID, int(source.get("ReferencedFrameNumber", 1)))
        assert np.allclose(corners[reference], corner, atol=1e-3), "a frame refers to the slice at its place"
    assert np.array_equal(seen, ids)


def test_it_belongs_to_the_person_study_and_space_of_its_series(made: tuple[Path, Written]) -> None:
    folder, (seg, _, _) = made
    source = pydicom.dcmread(next((folder / "in").iterdir()))
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[name].value == source[name].value
    assert seg.SeriesInstanceUID != source.SeriesInstanceUID
    assert seg.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4"
    assert {one.SeriesInstanceUID for one in seg.ReferencedSeriesSequence} == {source.SeriesInstanceUID}
    assert len(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 22


def test_every_region_is_a_segment_with_name_code_side_and_the_colour_of_freesurfer(made: tuple[Path, Written]) -> None:
    seg = made[1][0]
    assert [one.SegmentNumber for one in seg.SegmentSequence] == list(range(1, 103))
    segment = {one.SegmentLabel: one for one in seg.SegmentSequence}
    assert set(segment) == {region.name for region in REGIONS}
    right = segment["Right-Hippocampus"].SegmentedPropertyTypeCodeSequence[0]
    assert (right.CodeValue, right.CodingSchemeDesignator) == ("5366008", "SCT")
    assert right.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Right"
    gyrus = segment["ctx-lh-precentral"]
    code = gyrus.SegmentedPropertyTypeCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("1024", "99FREESURFER", "ctx-lh-precentral")
    assert gyrus.AnatomicRegionSequence[0].CodeMeaning == "Cerebral cortex"
    assert gyrus.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning == "Left"
    for region in REGIONS:
        assert srgb(segment[region.name].RecommendedDisplayCIELabValue) == pytest.approx(region.rgb, abs=2)


def srgb(stored: Any) -> list[float]:
    """sRGB, 0 to 255, of a stored CIELab value: scaled as PS3.3 C.10.7.1.1 says, the rest by CIE 15 and IEC 61966-2-1 (D65)."""
    lightness, a, b = (np.array(stored) / 65535) * [100, 255, 255] - [0, 128, 128]
    f = np.array([(lightness + 16) / 116 + a / 500, (lightness + 16) / 116, (lightness + 16) / 116 - b / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.95047, 1.0, 1.08883]
    matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = np.clip(matrix @ xyz, 0, 1)
    return list(255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def test_codes_are_those_of_the_standard() -> None:
    for region in REGIONS:
        one = codes_of(region)
        assert (one.side is None) == (region.hemisphere == "midline")
        for code in (one.kind, one.within, one.side):
            if code is None or code.scheme == "99FREESURFER":
                continue
            scheme = getattr(codes, code.scheme)
            known = [getattr(scheme, name) for name in scheme.dir(code.meaning.split()[-1])]
            assert code.value in {entry.value for entry in known if entry.meaning.startswith(code.meaning)}, code


def test_a_scan_that_was_not_dicom_is_refused_by_name(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(head().astype(np.int16), np.diag([4.0, 4, 4, 1])), tmp_path / "a.nii.gz")
    scan = read_scan(tmp_path / "a.nii.gz")
    with pytest.raises(ScanError, match=r"a\.nii\.gz: no scan that was converted from DICOM; expected a DICOM folder"):
        write_segmentation_object(np.zeros(scan.data.shape, dtype=np.int16), scan, tmp_path / "a_dseg.dcm")


def test_a_series_that_is_no_longer_there_is_refused_by_name(tmp_path: Path) -> None:
    _, scan, ids = written(tmp_path)
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    with pytest.raises(ScanError, match=r"in/IM\d+: no such file; expected the series of .*a_T1w"):
        write_segmentation_object(ids, scan, tmp_path / "b_dseg.dcm")
    assert not (tmp_path / "b_dseg.dcm").exists()
