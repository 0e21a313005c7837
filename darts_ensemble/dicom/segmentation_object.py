"""Writes a label map as DICOM Segmentation (SEG) on the series of its scan, with one segment per region."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from darts_ensemble.dicom.codes import ANATOMICAL_STRUCTURE, CodedName, codes_of
from darts_ensemble.dicom.convert import account_of, same_voxels
from darts_ensemble.dicom.grid import slice_grid
from darts_ensemble.dicom.headers import Series, pydicom_installed, read_series
from darts_ensemble.errors import ScanError
from darts_ensemble.labels import REGIONS, Region
from darts_ensemble.scans.scan import Scan
from darts_ensemble.versions import package_version
from darts_ensemble.whole_files import written_whole

__all__ = ["SEGMENTS", "source_series", "write_segmentation_object"]

#: The regions in the order of their segments, by FreeSurfer id; segment numbers count from 1.
SEGMENTS: tuple[Region, ...] = tuple(sorted(REGIONS, key=lambda region: region.id))
#: Number of the new series; scanners do not use such numbers.
_SERIES_NUMBER = 9000


def source_series(scan: Path) -> Series:
    """Return the DICOM series from which a scan was converted.

    Raises
    ------
    ScanError
        If it was not converted by this toolkit, or if the files of the series are missing or have changed.
    """
    path = account_of(scan)
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
        wanted, folder, files = account["series"], Path(account["folder"]), [Path(one) for one in account["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise ScanError(f"{scan}: no scan that was converted from DICOM; expected a DICOM folder for --dicom-seg") from None
    if missing := [one for one in files if not one.is_file()]:
        raise ScanError(f"{missing[0]}: no such file; expected the series of {scan}, on which the DICOM segmentation lies")
    found = read_series(folder, files)
    if [series.uid for series in found] != [wanted]:
        raise ScanError(
            f"{folder}: other files than before; expected the series of {scan}, on which the DICOM segmentation lies"
        )
    return found[0]


def write_segmentation_object(ids: npt.NDArray[Any], scan: Scan, path: Path) -> None:
    """Write a label map as a binary DICOM SEG whose frames refer to the slices of the source series.

    Person and study are those of the source. A region without voxels has a segment but no frame.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids on the scan's grid.
    scan : Scan
        Converted by :func:`darts_ensemble.dicom.convert.convert_folder`.
    path : Path

    Raises
    ------
    ScanError
        If highdicom is not installed, if the source series is missing or has another grid, or if the file can't be written.
    """
    series = source_series(scan.path)
    pydicom = pydicom_installed(series.folder)
    highdicom = _highdicom(series.folder)
    grid = slice_grid(series)
    turn = same_voxels(scan.affine, ids.shape, grid)
    if turn is None:
        raise ScanError(f"{scan.path}: lies elsewhere than {series.title} of {series.folder}; expected the scan made of it")
    stack = nib.apply_orientation(_segment_numbers(ids), turn).transpose(2, 1, 0)  # (slices, rows, columns)
    if len(series.files) == 1:  # a multi-frame file keeps its own order of frames
        in_place = np.empty_like(stack)
        in_place[[frame for _, frame in grid.order]] = stack
        stack, numbers = in_place, [0]
    else:
        numbers = [number for number, _ in grid.order]
    sources = [pydicom.dcmread(series.files[number], stop_before_pixels=True) for number in numbers]
    version = package_version("darts-ensemble")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about names in the source that break the standard
        seg = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=np.ascontiguousarray(stack),
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=_descriptions(highdicom, pydicom, version),
            series_instance_uid=pydicom.uid.generate_uid(),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=pydicom.uid.generate_uid(),
            instance_number=1,
            manufacturer="darts-ensemble",
            manufacturer_model_name="darts-segment",
            software_versions=version,
            device_serial_number="none",
            content_label="DARTS",
            content_description="102 brain regions",
        )
    seg.SeriesDescription = "Brain regions (darts-ensemble)"
    with written_whole(path) as temporary:
        seg.save_as(temporary)


def _segment_numbers(ids: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    number_of = np.zeros(max(region.id for region in SEGMENTS) + 1, dtype=np.uint8)
    number_of[[region.id for region in SEGMENTS]] = np.arange(1, len(SEGMENTS) + 1)
    return number_of[ids]


def _descriptions(highdicom: Any, pydicom: Any, version: str) -> list[Any]:
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="darts-ensemble",
        version=version,
        family=_concept(highdicom, CodedName("123110", "DCM", "Artificial Intelligence")),
    )
    descriptions = []
    for number, region in enumerate(SEGMENTS, start=1):
        codes = codes_of(region)
        one = highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=region.name,
            segmented_property_category=_concept(highdicom, ANATOMICAL_STRUCTURE),
            segmented_property_type=_concept(highdicom, codes.kind),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            anatomic_regions=None if codes.within is None else [_concept(highdicom, codes.within)],
            display_color=highdicom.color.CIELabColor.from_rgb(*region.rgb),
        )
        one.SegmentDescription = f"FreeSurfer {region.id}"
        if codes.side is not None:
            side = pydicom.sequence.Sequence([_concept(highdicom, codes.side)])
            one.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = side
            if codes.within is not None:
                one.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = side
        descriptions.append(one)
    return descriptions


def _concept(highdicom: Any, code: CodedName) -> Any:
    return highdicom.sr.CodedConcept(code.value, code.scheme, code.meaning)


def _highdicom(folder: Path) -> Any:
    try:
        import highdicom
    except ImportError:
        advice = "pip install 'darts-ensemble[dicom]'"
        raise ScanError(f"{folder}: expected the package highdicom to write a DICOM segmentation: {advice}") from None
    return highdicom
