"""Reads the headers of the DICOM files in a folder, without pixels, and groups them by series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.dicom_files import dicom_files

__all__ = ["Series", "pydicom_installed", "read_series"]

#: Attributes that are read: person, series, contrast, position of the slice.
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "StudyDate", "PatientID", "Modality",
    "SeriesNumber", "SeriesDescription", "ProtocolName", "ImageType", "InstanceNumber", "NumberOfFrames", "Rows", "Columns",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagesInAcquisition", "EchoTime", "RepetitionTime",
    "InversionTime", "FlipAngle", "ScanningSequence", "MRAcquisitionType", "ContrastBolusAgent",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
#: Attributes of enhanced (multi-frame) headers with the same meaning as those of classic headers.
_ENHANCED = {"EchoTime": "EffectiveEchoTime", "InversionTime": "InversionTimes"}


@dataclass(frozen=True)
class Series:
    """A series of DICOM files.

    Attributes
    ----------
    folder : Path
        The folder that the user gave.
    files : tuple of Path
        One file per SOP instance, in the order of the instance numbers.
    headers : tuple of pydicom Dataset
        Header of each file.
    """

    folder: Path
    files: tuple[Path, ...]
    headers: tuple[Any, ...]

    def text(self, keyword: str) -> str:
        """Return an attribute of the first file as text; empty if it is missing."""
        value = _value(self.headers[0], keyword)
        return "" if value is None else str(value).strip()

    def number(self, keyword: str) -> float | None:
        """Return an attribute of the first file as a number; None if it is missing."""
        value = _value(self.headers[0], keyword)
        try:
            return float(value if isinstance(value, str) or not hasattr(value, "__len__") else value[0])
        except (TypeError, ValueError, IndexError):
            return None

    def words(self, keyword: str) -> tuple[str, ...]:
        """Return the values of an attribute of the first file in capitals, such as the image type."""
        value = _value(self.headers[0], keyword)
        values = [value] if value is None or isinstance(value, str) else list(value)
        return tuple(str(one).strip().upper() for one in values if one)

    @cached_property
    def n_slices(self) -> int:
        """Number of slices in all files."""
        return sum(int(header.get("NumberOfFrames") or 1) for header in self.headers)

    @property
    def uid(self) -> str:
        """The series instance UID."""
        return self.text("SeriesInstanceUID")

    @property
    def title(self) -> str:
        """Number and description of the series, for messages."""
        return f"series {self.text('SeriesNumber') or '?'} ({self.text('SeriesDescription') or 'no description'})"


def pydicom_installed(folder: Path) -> Any:
    """Return the package pydicom.

    Raises
    ------
    ScanError
        If it is not installed.
    """
    try:
        import pydicom
    except ImportError:
        advice = "pip install 'darts-ensemble[dicom]', or convert the series with dcm2niix"
        raise ScanError(f"{folder}: DICOM files; expected the package pydicom to read them: {advice}") from None
    return pydicom


def read_series(folder: Path, files: Iterable[Path] | None = None) -> list[Series]:
    """Read the headers of the DICOM files in a folder and its subfolders, or of one file, and group them by series.

    Parameters
    ----------
    folder : Path
    files : iterable of Path, optional
        Read only these files of the folder.

    Raises
    ------
    ScanError
        If pydicom is not installed, a file can't be read, no file is a DICOM image, or the files belong to several people.
    """
    pydicom = pydicom_installed(folder)
    found: dict[str, dict[str, tuple[Path, Any]]] = {}
    people = set()
    for path in dicom_files(folder) if files is None else files:
        header = _header(pydicom, path)
        if header is None:
            continue
        people.add(str(header.get("PatientID", "")))
        instances = found.setdefault(str(header.SeriesInstanceUID), {})
        instances.setdefault(str(header.SOPInstanceUID), (path, header))  # a copy of a file is the same slice
    if not found:
        raise ScanError(f"{folder}: no DICOM image in it; expected the files of a series")
    if len(people) > 1:
        advice = f"give the folder of each, or a pattern such as '{folder}/*'"
        raise ScanError(f"{folder}: DICOM files of {len(people)} people; expected those of one: {advice}")
    series = []
    for instances in found.values():
        ordered = sorted(instances.values(), key=_place)
        series.append(Series(folder, tuple(path for path, _ in ordered), tuple(header for _, header in ordered)))
    return sorted(series, key=lambda one: (one.number("SeriesNumber") or 0, one.uid))


def _place(instance: tuple[Path, Any]) -> tuple[int, str]:
    try:
        return int(instance[1].get("InstanceNumber") or 0), str(instance[0])
    except (TypeError, ValueError):
        return 0, str(instance[0])


def _header(pydicom: Any, path: Path) -> Any:
    """Return the header of an image; None for other files, such as DICOMDIR."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=True)
    except OSError as error:
        raise ScanError(f"{path}: not readable ({error.strerror}); expected a file you may read") from None
    except Exception as error:  # pydicom lets through what struct and its own parsers raise on damaged files
        raise ScanError(f"{path}: damaged ({type(error).__name__}); expected a whole DICOM file: export it again") from None
    known = all(keyword in header for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"))
    return header if known else None


def _value(header: Any, keyword: str) -> Any:
    """Return an attribute of a header; for enhanced headers also from the functional groups of the first frame."""
    if header.get(keyword) is not None:
        return header.get(keyword)
    names = {keyword, _ENHANCED.get(keyword, keyword)}
    for group in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for item in (header.get(group) or [])[:1]:
            for element in _elements(item):
                if element.keyword in names:
                    return element.value
    return None


def _elements(dataset: Any) -> Iterator[Any]:
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
