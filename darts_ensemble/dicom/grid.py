"""The grid of the slices of a DICOM series; missing orientation, missing or repeated slices, unreadable voxels are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.dicom.headers import Series
from darts_ensemble.errors import ScanError

__all__ = ["SliceGrid", "check_readable", "slice_grid", "where_is"]

#: Transfer syntaxes that dcm2niix reads: uncompressed, RLE, JPEG (baseline, lossless), JPEG-LS, JPEG 2000.
_READABLE = {
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",
}  # fmt: skip
#: Distances between slices may differ from their median by this share, because headers are rounded.
_SPACING_TOLERANCE = 0.1
#: Direction cosines of the slices of a volume may differ by rounding only.
_COSINE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SliceGrid:
    """The grid of a series, in the order of its pixel arrays.

    Attributes
    ----------
    affine : (4, 4) float64
        (column, row, slice) of the stored pixels to RAS millimetres.
    shape : tuple of int
        (columns, rows, slices).
    order : tuple of (int, int)
        File (its place in :attr:`darts_ensemble.dicom.headers.Series.files`) and frame of each slice, along the third axis.
    """

    affine: npt.NDArray[np.float64]
    shape: tuple[int, int, int]
    order: tuple[tuple[int, int], ...]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distances of neighbouring voxels along the three axes, mm."""
        return tuple(float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))


@dataclass(frozen=True)
class _Slice:
    """One slice: which file and frame, first pixel's position (LPS mm), direction cosines, spacing of rows and columns."""

    file: int
    frame: int
    position: npt.NDArray[np.float64]
    cosines: npt.NDArray[np.float64]
    spacing: tuple[float, float]


def check_readable(series: Series) -> None:
    """Refuse what dcm2niix can't make one image of: some compressions, and a volume that is divided into multi-frame files.

    Raises
    ------
    ScanError
        Names the file and its transfer syntax, or the series and its files.
    """
    if len(series.files) > 1 and len(series.files) != series.n_slices:
        raise ScanError(
            f"{where_is(series)}: {series.n_slices} slices in {len(series.files)} files, some of them multi-frame; expected "
            "one multi-frame file, or one file for each slice: export the series again"
        )
    for path, header in zip(series.files, series.headers, strict=True):
        syntax = getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None)
        if syntax is not None and str(syntax) not in _READABLE:
            name = getattr(syntax, "name", str(syntax))
            raise ScanError(
                f"{path}: compressed as {name}, which dcm2niix can't read; expected another export, as uncompressed"
            )


def slice_grid(series: Series) -> SliceGrid:
    """Return the grid on which the slices of a series lie.

    Raises
    ------
    ScanError
        If a slice has no position or orientation; if slices differ in orientation, size or spacing; if slices are missing, have
        the same position (several volumes or echoes), or are shifted sideways.
    """
    slices = [one for number in range(len(series.files)) for one in _slices(series, number)]
    first = slices[0]
    if len(slices) < 2:
        raise ScanError(f"{series.files[0]}: one slice; expected a whole series: give the folder of its files")
    columns, rows = (int(series.headers[0].get(name) or 0) for name in ("Columns", "Rows"))
    for one in slices:
        path, header = series.files[one.file], series.headers[one.file]
        if np.abs(one.cosines - first.cosines).max() > _COSINE_TOLERANCE:
            raise ScanError(
                f"{path}: another orientation than {series.files[0].name}; expected the parallel slices of one volume"
            )
        if (header.get("Columns"), header.get("Rows")) != (columns, rows) or not np.allclose(one.spacing, first.spacing, 1e-3):
            raise ScanError(
                f"{path}: other size or spacing than {series.files[0].name}; expected the equal slices of one volume"
            )
    normal = np.cross(first.cosines[:3], first.cosines[3:])
    slices.sort(key=lambda one: float(one.position @ normal))
    _check_distances(series, slices, normal)
    _check_count(series, len(slices))
    lps = np.eye(4)
    lps[:3, 0] = first.cosines[:3] * first.spacing[1]
    lps[:3, 1] = first.cosines[3:] * first.spacing[0]
    lps[:3, 2] = (slices[-1].position - slices[0].position) / (len(slices) - 1)
    lps[:3, 3] = slices[0].position
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
    return SliceGrid(affine, (columns, rows, len(slices)), tuple((one.file, one.frame) for one in slices))


def where_is(series: Series) -> str:
    """Return the folder and the title of a series, for error messages."""
    return f"{series.folder}: {series.title}"


def _check_distances(series: Series, slices: list[_Slice], normal: npt.NDArray[np.float64]) -> None:
    """Refuse slices with the same position, gaps between slices, and slices that are shifted sideways."""
    steps = np.diff([one.position for one in slices], axis=0)
    along = steps @ normal
    usual = float(np.median(along))

    def names(index: int) -> str:
        return f"{_name(series, slices[index])} and {_name(series, slices[index + 1])}"

    if (along < 0.01).any():
        count, index = int((along < 0.01).sum()), int(np.argmax(along < 0.01))
        raise ScanError(
            f"{where_is(series)}: {count} slices lie at the place of another ({names(index)}); expected one volume, not "
            "several echoes, phases or time points"
        )
    gaps = np.flatnonzero(np.abs(along - usual) > _SPACING_TOLERANCE * usual)
    if len(gaps):
        index = int(gaps[0])
        lost = round(float(along[gaps].sum()) / usual) - len(gaps)
        what = f"{lost} slice{'s' if lost > 1 else ''} missing" if lost > 0 else "slices at uneven distances"
        where = f"between {names(index)} ({along[index]:.2f} mm apart, others {usual:.2f} mm)"
        raise ScanError(f"{where_is(series)}: {what}, {where}; expected every slice: export the series again")
    sideways = np.linalg.norm(steps - along[:, None] * normal, axis=1).sum()
    if sideways > usual:
        raise ScanError(
            f"{where_is(series)}: slices shifted sideways by {sideways:.1f} mm in all (a tilted gantry); expected slices "
            "that lie straight upon each other"
        )


def _check_count(series: Series, count: int) -> None:
    """Refuse a series with fewer images than its headers state: the first or last slices are missing.

    If fewer than half are there, the stated number belongs to an acquisition with several series.
    """
    stated = series.number("ImagesInAcquisition")
    if stated is not None and stated / 2 < count < stated:
        raise ScanError(
            f"{where_is(series)}: {int(stated) - count} of {int(stated)} slices missing (ImagesInAcquisition); expected "
            "every slice: export the series again"
        )


def _name(series: Series, one: _Slice) -> str:
    name = series.files[one.file].name
    return name if len(series.files) > 1 else f"frame {one.frame + 1} of {name}"


def _slices(series: Series, number: int) -> Iterator[_Slice]:
    header, path = series.headers[number], series.files[number]
    if header.get("NumberOfFrames") is None or "PerFrameFunctionalGroupsSequence" not in header:
        place = (header.get(name) for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
        yield _slice(path, number, 0, *place)
        return
    shared = header.get("SharedFunctionalGroupsSequence") or [None]
    for frame, own in enumerate(header.PerFrameFunctionalGroupsSequence):
        groups = [one for one in (own, shared[0]) if one is not None]
        yield _slice(
            path,
            number,
            frame,
            _of_group(groups, "PlanePositionSequence", "ImagePositionPatient"),
            _of_group(groups, "PlaneOrientationSequence", "ImageOrientationPatient"),
            _of_group(groups, "PixelMeasuresSequence", "PixelSpacing"),
        )


def _of_group(groups: list[Any], sequence: str, keyword: str) -> Any:
    return next((one.get(keyword) for group in groups for one in (group.get(sequence) or [])[:1]), None)


def _slice(path: Path, number: int, frame: int, position: Any, cosines: Any, spacing: Any) -> _Slice:
    for what, value, count in (
        ("ImageOrientationPatient", cosines, 6), ("ImagePositionPatient", position, 3), ("PixelSpacing", spacing, 2),
    ):  # fmt: skip
        if value is None or len(value) != count or not np.isfinite([float(one) for one in value]).all():
            kind = {"ImageOrientationPatient": "orientation", "ImagePositionPatient": "place"}.get(what, "voxel size")
            raise ScanError(f"{path}: no {kind} ({what} is missing); expected slices that say where they lie in the head")
    directions = np.array(cosines, dtype=np.float64)
    across, down = directions[:3], directions[3:]
    if abs(across @ down) > 0.01 or abs(across @ across - 1) > 0.01 or abs(down @ down - 1) > 0.01 or min(spacing) <= 0:
        found = f"ImageOrientationPatient {list(map(float, cosines))}, PixelSpacing {list(map(float, spacing))}"
        raise ScanError(f"{path}: no orientation ({found}); expected two directions at right angles and distances above 0")
    return _Slice(number, frame, np.array(position, dtype=np.float64), directions, (float(spacing[0]), float(spacing[1])))
