"""Read .mgz, .mgh, .nii and .nii.gz scans and label maps, check them, and write label maps on the same grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import ScanError
from darts_ensemble.labels import REGION_BY_ID
from darts_ensemble.scans.header import open_header
from darts_ensemble.scans.image_file import EXTENSIONS, damaged
from darts_ensemble.scans.intensities import as_taken
from darts_ensemble.scans.label_values import whole_numbers
from darts_ensemble.scans.links import is_there
from darts_ensemble.scans.packing import close_image, packed_writer, save_image
from darts_ensemble.whole_files import written_whole

__all__ = [
    "EXTENSIONS",
    "SCAN_NAMES",
    "Scan",
    "file_checksum",
    "find_scan_in_subject",
    "read_label_map",
    "read_mask",
    "read_scan",
    "voxel_checksum",
    "without_extension",
    "write_label_map",
    "write_series",
    "write_volume",
]

#: Scans of a FreeSurfer subject, the best first.
SCAN_NAMES = ("T1.mgz", "orig.mgz", "brain.mgz", "brainmask.mgz")


@dataclass(frozen=True)
class Scan:
    """An image as it is stored.

    Attributes
    ----------
    path : Path
    data : (x, y, z) ndarray
        Finite. Scaled if the header has a slope, else of the type on disk.
    affine : (4, 4) float64
        Voxel indices to RAS millimetres; see :func:`darts_ensemble.scans.placement.placement`.
    image : nibabel image
        Source of the header.
    sha256 : str or None
        Checksum of the file's bytes, in hexadecimal; None if there is no file.
    notes : tuple of str
        One sentence for each problem of the file, and how it was read.
    """

    path: Path
    data: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    image: Any
    sha256: str | None = None
    notes: tuple[str, ...] = ()


def without_extension(path: Path) -> str:
    """Return a file's name without its image extension."""
    for extension in EXTENSIONS:
        if path.name.lower().endswith(extension):
            return path.name[: -len(extension)]
    return path.stem


def find_scan_in_subject(folder: Path) -> Path:
    """Return the scan of a FreeSurfer subject: T1, else orig, brain or brainmask.

    Raises
    ------
    ScanError
        If the subject has none.
    """
    for name in SCAN_NAMES:
        if is_there(folder / "mri" / name):
            return folder / "mri" / name
    raise ScanError(f"{folder}: no scan found; expected mri/ with one of {', '.join(SCAN_NAMES)}")


#: Fewer different values than any scanner writes: a map of tissue classes has four to seven.
_FEW_VALUES = 8
#: The two values of a binary mask, as tools write them.
_VALUES_OF_MASKS = {(0, 1), (0, 255)}


def read_scan(path: str | Path) -> Scan:
    """Read a T1 scan.

    Raises
    ------
    ScanError
        If the file can't be read, is not one 3-D volume, has voxels in the head that are not finite, has no contrast,
        has a singular affine, is too small or too large for a head, or is a mask or a label map.
    """
    checksum = file_checksum(Path(path))
    scan = replace(_read(Path(path)), sha256=checksum)
    values = np.unique(scan.data[::2, ::2, ::2])
    if len(values) <= 2:
        values = np.unique(scan.data)
    if len(values) == 1:
        raise ScanError(f"{path}: all voxels are {values[0]}; expected a T1 scan: was it exported empty?")
    if tuple(values) in _VALUES_OF_MASKS:
        raise ScanError(f"{path}: only the values {values[0]} and {values[1]} found; expected a T1 scan, not a mask")
    if _looks_like_labels(values):
        raise ScanError(f"{path}: FreeSurfer label ids found; expected a T1 scan such as mri/T1.mgz, not a label map")
    if len(values) <= _FEW_VALUES and len(values := np.unique(scan.data)) <= _FEW_VALUES:
        told = f"only {len(values)} different values found: is it a map of tissue classes or labels, and no scan?"
        scan = replace(scan, notes=(*scan.notes, told))
    return scan


def read_label_map(path: str | Path) -> Scan:
    """Read a label map; `data` is int32.

    Raises
    ------
    ScanError
        As :func:`read_scan`, or if a value is not a whole number.
    """
    scan = _read(Path(path), labels=True)
    try:
        data, notes = whole_numbers(scan.data)
    except ValueError as error:
        raise ScanError(f"{path}: {error}; expected a label map, resampled by nearest neighbour") from None
    return Scan(scan.path, data, scan.affine, scan.image, notes=(*scan.notes, *notes))


def read_mask(path: str | Path) -> Scan:
    """Read a mask; `data` is uint8, 1 where the stored value is above 0.

    Parameters
    ----------
    path : path
        A mask with any values, or a scan without skull.

    Raises
    ------
    ScanError
        If it can't be read, or is not one 3-D volume.
    """
    scan = _read(Path(path), labels=True)
    with np.errstate(invalid="ignore"):
        return replace(scan, data=(scan.data > 0).astype(np.uint8))


def _read(path: Path, *, labels: bool = False) -> Scan:
    header = open_header(path, labels=labels)
    image, shape = header.image, header.shape
    try:
        data = np.asarray(image.dataobj).reshape(shape, order="F")
        close_image(image)
    except Exception as error:  # as for opening
        raise damaged(path, error) from None
    if data.dtype.kind not in "iufb":
        raise ScanError(f"{path}: voxels of type {data.dtype}; expected one number per voxel")
    data, mended = (data, ()) if labels else as_taken(data, path)
    return Scan(path, data, header.affine, image, notes=(*header.notes, *mended))


def _looks_like_labels(values: npt.NDArray[Any]) -> bool:
    """FreeSurfer maps hold few distinct whole values, nearly all of them region ids, both sides' white matter among them."""
    if len(values) > 300 or np.any(values != np.rint(values)):
        return False
    known = sum(int(value) in REGION_BY_ID for value in values)
    return known >= 10 and known >= 0.7 * (len(values) - 1)


def write_label_map(ids: npt.NDArray[Any], scan: Scan, path: Path) -> None:
    """Write FreeSurfer ids on a scan's grid, uint8 where all are below 256, else int16; affine and header are the scan's."""
    dtype = np.uint8 if ids.max(initial=0) < 256 else np.int16
    _write(np.asarray(ids, dtype=dtype), scan, path)


def write_volume(data: npt.NDArray[Any], scan: Scan, path: Path) -> None:
    """Write a float32 volume, 3-D or 4-D, on a scan's grid."""
    _write(np.asarray(data, dtype=np.float32), scan, path)


def write_series(
    volumes: Iterable[npt.NDArray[Any]], count: int, scan: Scan, path: Path, *, dtype: Any = np.float32, slope: float = 1.0
) -> None:
    """Write volumes as one 4-D `.nii.gz` on a scan's grid; only one volume is in memory at a time.

    Parameters
    ----------
    volumes : iterable of (x, y, z) ndarrays
        Values as stored, of type `dtype`.
    count : int
        Number of volumes.
    scan : Scan
    path : Path
    dtype : numpy type
    slope : float
        Factor by which a reader multiplies the stored values.

    Raises
    ------
    ScanError
        If the file can't be written.
    """
    source = scan.image.header.copy() if isinstance(scan.image, nib.Nifti1Image) else None
    empty = np.broadcast_to(np.zeros((), dtype=dtype), (*scan.data.shape, count))
    image = nib.Nifti1Image(empty, scan.affine if source is None else scan.image.affine, source)
    image.set_data_dtype(dtype)
    image.header.set_slope_inter(slope, 0)
    image.header["cal_max"] = image.header["cal_min"] = 0
    image.header["magic"], image.header["vox_offset"] = b"n+1", 352
    _state_units(image)
    little = image.header.as_byteswapped("<")
    # The file contains neither a name nor a time: equal voxels give equal bytes.
    with written_whole(path) as temporary, temporary.open("wb") as raw, packed_writer(raw) as file:
        file.write(little.binaryblock + bytes(4))  # no extensions
        for volume in volumes:
            file.write(volume.astype(np.dtype(dtype).newbyteorder("<"), copy=False).tobytes(order="F"))


def _write(data: npt.NDArray[Any], scan: Scan, path: Path) -> None:
    if data.shape[:3] != scan.data.shape:
        raise ValueError(f"shape {data.shape} does not lie on the grid {scan.data.shape} of {scan.path}")
    nifti = nib.Nifti2Image if isinstance(scan.image, nib.Nifti2Image) else nib.Nifti1Image
    kind = nib.MGHImage if path.name.endswith((".mgz", ".mgh")) else nifti
    header = scan.image.header.copy() if isinstance(scan.image, kind) else None
    image: Any = kind(data, _affine_on_disk(scan, kind), header)
    image.set_data_dtype(data.dtype)
    if kind is nifti:
        _state_units(image)
        if header is not None:
            image.header.set_slope_inter(1, 0)
            image.header["cal_max"] = image.header["cal_min"] = 0
    extension = next(e for e in EXTENSIONS if path.name.endswith(e))
    with written_whole(path, extension=extension) as temporary:
        save_image(image, temporary)


def _affine_on_disk(scan: Scan, kind: Any) -> npt.NDArray[np.float64]:
    """The affine to write: the one in the scan's own header; with a header of another format, the one in use."""
    if not isinstance(scan.image, kind) or (kind is nib.MGHImage and scan.image.header["goodRASFlag"] != 1):
        return scan.affine
    return np.asarray(scan.image.affine)


def _state_units(image: Any) -> None:
    """State the unit of the affine, which many scans leave open, and of a fourth axis, for which NIfTI has no other."""
    stated = int(image.header["xyzt_units"]) & 7
    image.header.set_xyzt_units(stated if stated in (1, 3) else "mm", "sec")  # metres and microns stay with their affine


def file_checksum(path: Path) -> str | None:
    """Return the sha256 of a file's bytes, in hexadecimal; None where it can't be read."""
    try:
        if not path.is_file():  # to open a pipe would wait for ever
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def voxel_checksum(data: npt.NDArray[Any]) -> str:
    """Return the sha256 of a scan's voxels as stored: shape, then values rounded to little-endian int16, C order."""
    digest = hashlib.sha256(json.dumps(list(data.shape)).encode())
    small = data.dtype in (np.dtype(np.uint8), np.dtype(np.int16))
    for part in _in_order(data):  # in parts: rounding takes up to eight bytes per voxel, a gigabyte for a fine scan
        digest.update((part if small else np.rint(np.clip(part, -32768, 32767))).astype("<i2").tobytes())
    return digest.hexdigest()


def _in_order(data: npt.NDArray[Any], planes: int = 16) -> Iterator[npt.NDArray[Any]]:
    """A volume in C order, a few planes at a time; a volume in Fortran order is copied in pieces that fit the cache."""
    for first in range(0, len(data), planes):
        part = data[first : first + planes]
        if data.ndim < 3 or not data.flags.f_contiguous:
            yield part
            continue
        turned = np.empty(part.shape, dtype=data.dtype)
        for column in range(0, data.shape[2], planes):
            turned[:, :, column : column + planes] = part[:, :, column : column + planes]
        yield turned
