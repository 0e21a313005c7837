"""DICOM series made in code: a block of voxels anywhere in space, written slice by slice, with any header changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

#: Sagittal slices, turned a little about two axes, of voxels that are no cubes: columns run back, rows down, slices left.
SHAPE = (26, 24, 22)


def oblique_affine(voxel: tuple[float, float, float] = (1.1, 1.2, 1.3)) -> np.ndarray:
    """(column, row, slice) to RAS mm for sagittal slices that are turned by 9 and 6 degrees."""
    axes = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # column: to the back; row: down; slice: to the right
    a, b = np.deg2rad([9.0, 6.0])
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn = turn @ np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes * voxel
    affine[:3, 3] = [-13.7, 12.2, 14.9]
    return affine


AFFINE = oblique_affine()


def head(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """(columns, rows, slices) uint16: an ellipsoid of uneven brightness, no two axes alike."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    middle = (np.array(shape) - 1) / 2
    inside = np.linalg.norm((grid - middle) / (middle * 0.8), axis=-1) < 1
    ramp = 300 + 3 * grid[..., 0] + 5 * grid[..., 1] + 7 * grid[..., 2]
    return np.where(inside, ramp, grid.sum(axis=-1) % 3).astype(np.uint16)


def write_series(
    folder: Path,
    data: np.ndarray | None = None,
    affine: np.ndarray = AFFINE,
    *,
    change: Callable[[int, Dataset], Any] = lambda number, header: None,
    patient: str = "somebody",
    study: str | None = None,
    **attributes: Any,
) -> list[Path]:
    """Write a series, one file a slice, in an order of names that is not that of the slices.

    `change(number, header)` may alter the header of a slice, by its place from 0; where it returns False, the slice is not
    written. `attributes` are set in all headers.
    """
    voxels = head() if data is None else data
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    series, frame = generate_uid(), generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(voxels.shape[2]):
        header = _header(voxels[:, :, number], patient, study or generate_uid(entropy_srcs=[patient]), series, frame)
        header.InstanceNumber = number + 1
        header.ImageOrientationPatient = [f"{one:.8f}" for one in [*lps[:3, 0] / spacing[0], *lps[:3, 1] / spacing[1]]]
        header.ImagePositionPatient = [f"{one:.6f}" for one in lps[:3, 3] + number * lps[:3, 2]]
        header.PixelSpacing = [f"{one:.6f}" for one in (spacing[1], spacing[0])]
        header.SliceThickness = f"{spacing[2]:.6f}"
        for name, value in attributes.items():
            setattr(header, name, value)
        if change(number, header) is False:
            continue
        path = folder / f"IM{(number * 7) % 101:04d}"
        header.save_as(path, enforce_file_format=True)
        written.append(path)
    return written


def _header(plane: np.ndarray, patient: str, study: str, series: str, frame: str) -> pydicom.Dataset:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = MRImageStorage
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.PatientID = header.PatientName = patient
    header.PatientBirthDate, header.PatientSex = "", "O"
    header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = study, series, frame
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = "20200102"
    header.StudyTime = header.SeriesTime = header.AcquisitionTime = header.ContentTime = "101112"
    header.StudyID, header.AccessionNumber, header.ReferringPhysicianName = "1", "", ""
    header.Modality, header.Manufacturer, header.MagneticFieldStrength = "MR", "phantom", 3
    header.PositionReferenceIndicator, header.PatientPosition = "", "HFS"
    header.SeriesNumber, header.SeriesDescription, header.ProtocolName = 4, "t1_mprage_sag", "brain"
    header.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM"]
    header.ScanningSequence, header.SequenceVariant, header.MRAcquisitionType = ["GR", "IR"], "SP", "3D"
    header.RepetitionTime, header.EchoTime, header.InversionTime, header.FlipAngle = 2300, 2.98, 900, 9
    header.Columns, header.Rows = plane.shape
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.PixelData = np.ascontiguousarray(plane.T.astype("<u2")).tobytes()  # rows, one after the other
    return header
