"""Open an image file by what is in it: whether it is compressed, and which format it has, its name need not say rightly."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib

__all__ = ["load_image", "one_volume"]

_GZIP = b"\x1f\x8b"


def load_image(path: Path) -> tuple[Any, list[str]]:
    """Open an image, and say what its name says wrongly.

    Parameters
    ----------
    path : Path
        Its name ends in an extension of :data:`darts_ensemble.scans.scan.EXTENSIONS`.

    Returns
    -------
    image : nibabel image
    notes : list of str

    Raises
    ------
    Exception
        Whatever nibabel, gzip, zlib and struct raise on files that are damaged or no images.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
    name = path.name.lower()
    if compressed == name.endswith((".gz", ".mgz")):
        return nib.load(path), []
    raw = path.read_bytes()
    content = gzip.decompress(raw) if compressed else raw
    if name.endswith((".mgz", ".mgh")):
        kind: Any = nib.MGHImage
    else:
        header_size = {int.from_bytes(content[:4], "little"), int.from_bytes(content[:4], "big")}
        kind = nib.Nifti2Image if 540 in header_size else nib.Nifti1Image
    found, other = ("compressed", "an uncompressed") if compressed else ("not compressed", "a compressed")
    return kind.from_bytes(content), [f"the file is {found}, with the name of {other} one; it was read as it is"]


def one_volume(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of the only volume of an image, (x, y, z) for (x, y, z, 1, 1); None where there are several."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape if len(shape) == 3 and min(shape) >= 2 else None
