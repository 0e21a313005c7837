"""Open an image, of the kind that it is whatever its name says, and correct errors of NIfTI headers as other programs do."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import imageglobals
from nibabel.filebasedimages import ImageFileError

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.links import why_empty
from darts_ensemble.scans.packing import open_packed, packed_image

__all__ = ["ARCHIVES", "EXTENSIONS", "damaged", "one_volume", "open_image"]

EXTENSIONS = (".nii.gz", ".nii", ".mgz", ".mgh")
#: Endings of files that hold other files, which have to be unpacked first.
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
_GZIP = b"\x1f\x8b"
#: How an MGH file begins, and files that are taken for images by their name.
_MGH = b"\0\0\0\1"
_OTHERS = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"BZh": "compressed with bzip2: unpack it",
    b"\xfd7zXZ": "compressed with xz: unpack it",
    b"NRRD": "an NRRD image: convert it to NIfTI",
    b"<": "a page, perhaps in place of a download: download the image again",
}
_PAIR = "of a pair of files, .hdr and .img, make one .nii.gz"
_HEADER_BYTES = {348: nib.Nifti1Header, 540: nib.Nifti2Header}


def open_image(path: Path) -> tuple[Any, list[str]]:
    """Return a nibabel image, with voxels not yet read, and one phrase for each error that was corrected.

    The file may stay open until :func:`darts_ensemble.scans.packing.close_image`.

    Raises
    ------
    ScanError
        If there is no such file, it can't be read, or it is not an image.
    """
    start = _first_bytes(path)
    if not path.name.lower().endswith(EXTENSIONS):
        dicom = path.suffix.lower() == ".dcm" or start[128:132] == b"DICM"
        pair = path.name.lower().endswith((".hdr", ".img"))
        packed = "unpack it" if path.name.lower().endswith(ARCHIVES) else "convert it to NIfTI"
        hint = "DICOM: convert it with dcm2niix" if dicom else _PAIR if pair else packed
        raise ScanError(f"{path}: not a file that can be read here; expected {', '.join(EXTENSIONS)} ({hint})")
    try:
        with _silent():
            return _opened(path, packed=start.startswith(_GZIP))
    except (ImageFileError, gzip.BadGzipFile):
        raise ScanError(f"{path}: {_what_else(start)}; expected {', '.join(EXTENSIONS)}") from None
    except Exception as error:  # nibabel lets through whatever gzip, zlib and struct raise on damaged files
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> ScanError:
    """Return the error for an image that can't be read to its end: copied in part, or half of a pair of header and image."""
    hint = _PAIR if _first_bytes(path)[344:347] == b"ni1" else "copy it again"
    return ScanError(f"{path}: damaged ({type(error).__name__}); expected a whole image: {hint}")


def one_volume(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of the only volume of an image, (x, y, z) for (x, y, z, 1, 1); None if there are several."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape if len(shape) == 3 and min(shape) >= 2 else None


@contextmanager
def _silent() -> Iterator[None]:
    """Keep nibabel from printing what it mends in headers: without a handler, Python itself prints warnings of a logger."""
    before = imageglobals.logger.disabled
    imageglobals.logger.disabled = True
    try:
        yield
    finally:
        imageglobals.logger.disabled = before


def _opened(path: Path, *, packed: bool) -> tuple[Any, list[str]]:
    name = path.name.lower()
    named_packed = name.endswith((".nii.gz", ".mgz"))
    remarks = []
    if packed != named_packed:
        found, other = ("compressed", "an uncompressed") if packed else ("not compressed", "a compressed")
        remarks.append(f"the file is {found}, with the name of {other} one; it was read as it is")
    start = _content(path, 540, packed=packed)
    kind, mended, faults = _mended_header(start)
    named_mgh = name.endswith((".mgz", ".mgh"))
    is_mgh = start.startswith(_MGH) or (named_mgh and kind is None)
    if is_mgh != named_mgh:
        found, other = ("MGH", "NIfTI") if is_mgh else ("NIfTI", "MGH")
        remarks.append(f"the file is {found}, with the name of {other}; it was read as it is")
    if is_mgh:
        if packed:
            image: Any = packed_image(nib.MGHImage, path)
        else:
            image = nib.MGHImage.from_stream(BytesIO(_content(path, packed=False))) if remarks else nib.load(path)
        # nibabel fills in an orientation of its own where the file has none, and says that it was there.
        image.header["goodRASFlag"] = int.from_bytes(_content(path, 30, packed=packed)[28:], "big", signed=True)
        return image, remarks
    if packed and not faults and _is_single(mended):
        return packed_image(kind, path), remarks
    if kind is None or not (remarks or faults):
        return nib.load(path), []
    content = _content(path, packed=packed)
    if faults:
        content = mended + content[len(mended) :]
    return kind.from_stream(BytesIO(content)), remarks + faults


def _what_else(start: bytes) -> str:
    if start.startswith(_GZIP):
        return "not an image inside, or compressed twice"
    if not start:
        return "an empty file"
    return next((what for first, what in _OTHERS.items() if start.startswith(first)), "not an image")


def _content(path: Path, count: int = -1, *, packed: bool) -> bytes:
    with open_packed(path) if packed else path.open("rb") as file:
        return bytes(file.read(count))


def _mended_header(start: bytes) -> tuple[Any, bytes, list[str]]:
    """The image class of a NIfTI file's first bytes, its header mended, and what was wrong; no class where it is none."""
    sizes = {int.from_bytes(start[:4], order): order for order in ("little", "big")}
    size = next((size for size in sizes if size in _HEADER_BYTES), None)
    if size is None or len(start) < size:
        return None, b"", []
    header = _HEADER_BYTES[size](start[:size], endianness="<" if sizes[size] == "little" else ">", check=False)
    faults = []
    if bytes(header["magic"].item()).startswith(b"n+") and header["vox_offset"] < size + 4:
        # nifti1_io takes voxels to follow the header; there are always four bytes of it between them.
        faults.append(f"voxels said to start at byte {int(header['vox_offset'])}: read from byte {size + 4}")
        header["vox_offset"] = size + 4
    imaginary = np.array([header[f"quatern_{axis}"] for axis in "bcd"], dtype=np.float64)
    length = float(np.linalg.norm(imaginary))
    if header["qform_code"] > 0 and length > 1 + 1e-5:
        if header["sform_code"] <= 0:
            faults.append(f"the qform's quaternion is invalid (length {length:.2f}, at most 1): scaled to 1, as nifti1_io does")
        for axis, value in zip("bcd", imaginary / length * (1 - 1e-7), strict=True):
            header[f"quatern_{axis}"] = value
        if header["sform_code"] > 0:  # not in use: the sform is
            header["qform_code"] = 0
            faults.append("the qform's quaternion is invalid: the sform is used")
    if np.isfinite(header["scl_slope"]) and header["scl_slope"] != 0 and not np.isfinite(header["scl_inter"]):
        faults.append("the intercept of the intensities is not a number: taken as 0")
        header["scl_inter"] = 0
    kind = nib.Nifti1Image if size == 348 else nib.Nifti2Image
    return kind, header.binaryblock, faults


def _is_single(header: bytes) -> bool:
    """Whether voxels follow the header in the same file; in the other kind of NIfTI, they are in a second file."""
    return b"n+" in header[4:12] + header[344:348]


def _first_bytes(path: Path) -> bytes:
    """Read 348 bytes, which tell DICOM and half a pair; nibabel takes a file that may not be opened for no image."""
    try:
        if why := why_empty(path, b""):
            raise ScanError(f"{path}: {why}")
        if path.is_dir():
            raise ScanError(f"{path}: a folder; expected one file {', '.join(EXTENSIONS)} (DICOM: convert it with dcm2niix)")
        if not path.is_file():
            raise ScanError(f"{path}: no such file; expected a scan {', '.join(EXTENSIONS)}")
        with path.open("rb") as file:
            start = file.read(348)
        if why := why_empty(path, start):
            raise ScanError(f"{path}: {why}")
        return start
    except OSError as error:
        raise ScanError(f"{path}: not readable ({error.strerror}); expected a file you may read") from None
