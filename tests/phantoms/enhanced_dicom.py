"""One multi-frame DICOM file with the voxels of a series: Enhanced MR by hand, or the legacy form that archives convert to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, generate_uid

#: Attributes of a slice that an enhanced file says in its functional groups, or not at all.
_OF_A_SLICE = (
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RepetitionTime",
    "EchoTime", "InversionTime", "FlipAngle", "ScanningSequence", "SequenceVariant",
)  # fmt: skip


def write_enhanced(path: Path, slices: list[Path], order: list[int] | None = None) -> Path:
    """Write the slices of a series as one Enhanced MR file, its frames in the given order of the slices (DICOM PS3.3 A.36)."""
    sources = [pydicom.dcmread(one) for one in slices]
    sources.sort(key=lambda one: int(one.InstanceNumber))
    sources = [sources[number] for number in order or range(len(sources))]
    first = sources[0]
    image = pydicom.dcmread(slices[0])
    for name in _OF_A_SLICE:
        delattr(image, name)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.SeriesInstanceUID, image.InstanceNumber, image.NumberOfFrames = generate_uid(), 1, len(sources)
    image.FrameOfReferenceUID = first.FrameOfReferenceUID
    image.AcquisitionDateTime, image.AcquisitionDuration = "20200102101112", 300.0
    image.ImageType, image.PulseSequenceName = ["ORIGINAL", "PRIMARY", "T1", "NONE"], "tfl3d1"
    image.AcquisitionContrast, image.ComplexImageComponent = "T1", "MAGNITUDE"
    stack, dimension = generate_uid(), Dataset()
    image.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=stack)]
    dimension.DimensionOrganizationUID = stack
    dimension.DimensionIndexPointer, dimension.FunctionalGroupPointer = 0x00209057, 0x00209111  # in-stack position
    image.DimensionIndexSequence = [dimension]
    image.SharedFunctionalGroupsSequence = [_shared(first)]
    image.PerFrameFunctionalGroupsSequence = [_frame(one) for one in sources]
    image.PixelData = b"".join(one.PixelData for one in sources)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


def write_legacy_enhanced(path: Path, slices: list[Path]) -> Path:
    """Write the slices as one Legacy Converted Enhanced MR file, as highdicom converts them."""
    from highdicom.legacy import LegacyConvertedEnhancedMRImage

    sources = [pydicom.dcmread(one) for one in slices]
    for one in sources:
        del one.AcquisitionDate  # highdicom 0.27 expects it as a date, which pydicom gives as text
    image = LegacyConvertedEnhancedMRImage(sources, generate_uid(), 4, generate_uid(), 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path)
    return path


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def _shared(first: Dataset) -> Dataset:
    timing = _item(RepetitionTime=float(first.RepetitionTime), FlipAngle=float(first.FlipAngle), EchoTrainLength=1)
    modifier = _item(InversionRecovery="YES", InversionTimes=[float(first.InversionTime)])
    return _item(
        PixelMeasuresSequence=[_item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=first.ImageOrientationPatient)],
        MRTimingAndRelatedParametersSequence=[timing],
        MREchoSequence=[_item(EffectiveEchoTime=float(first.EchoTime))],
        MRModifierSequence=[modifier],
    )


def _frame(source: Dataset) -> Dataset:
    place = int(source.InstanceNumber)
    content = _item(StackID="1", InStackPositionNumber=place, TemporalPositionIndex=1, DimensionIndexValues=[place])
    return _item(
        FrameContentSequence=[content], PlanePositionSequence=[_item(ImagePositionPatient=source.ImagePositionPatient)]
    )


def frames_of(path: Path) -> np.ndarray:
    """Corners of the frames of a multi-frame file, (frames, 3) LPS mm."""
    groups = pydicom.dcmread(path).PerFrameFunctionalGroupsSequence
    return np.array([[float(one) for one in group.PlanePositionSequence[0].ImagePositionPatient] for group in groups])
