"""Read and write compressed images with ISA-L, which is faster than the zlib that nibabel uses (benchmarks/packing.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
from isal import igzip
from nibabel.fileholders import FileHolder

__all__ = ["close_image", "open_packed", "packed_image", "packed_writer", "save_image"]

#: ISA-L's levels go from 0 to 3. For label maps 2 is as fast as 1, and its files are smaller than those of zlib's level 1.
_LEVEL = 2


def open_packed(path: Path) -> BinaryIO:
    """Open a gzip file to read what it holds, as bytes."""
    return cast(BinaryIO, igzip.open(path, "rb"))


def packed_image(kind: Any, path: Path) -> Any:
    """Return the image in a gzip file, of one of nibabel's single-file classes, its voxels not yet read.

    The file stays open until :func:`close_image`.
    """
    return kind.from_file_map({"image": FileHolder(filename=str(path), fileobj=cast(Any, open_packed(path)))})


def close_image(image: Any) -> None:
    """Close the file of an image whose voxels were read; nothing where nibabel opens files for each access."""
    held = image.file_map["image"].fileobj
    if held is not None:
        held.close()


def packed_writer(file: BinaryIO) -> BinaryIO:
    """Return a file to which bytes are written that arrive in `file` compressed; without name and time of day.

    The same bytes give the same file.
    """
    return cast(BinaryIO, igzip.IGzipFile("", "wb", _LEVEL, file, mtime=0))


def save_image(image: Any, path: Path) -> None:
    """Write an image of nibabel, compressed if the name ends in .nii.gz or .mgz."""
    if not path.name.lower().endswith((".nii.gz", ".mgz")):
        nib.save(image, path)
        return
    with path.open("wb") as raw, packed_writer(raw) as file:
        image.to_stream(file)
