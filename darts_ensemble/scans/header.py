"""What the header of an image says, checked before a voxel is read: grid, place in space, size in memory."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.image_file import one_volume, open_image
from darts_ensemble.scans.label_values import why_several_volumes
from darts_ensemble.scans.packing import close_image
from darts_ensemble.scans.placement import check_size, placement

__all__ = ["Header", "open_header", "read_header"]


@dataclass(frozen=True)
class Header:
    """An image of one volume whose voxels are not read yet.

    Attributes
    ----------
    path : Path
    image : nibabel image
    shape : (x, y, z)
    affine : (4, 4) float64
        Voxel indices to RAS millimetres; see :func:`darts_ensemble.scans.placement.placement`.
    notes : tuple of str
        What was not as it should be, and how it was read.
    mended : int
        Bytes of a file that had to be mended in memory, else 0.
    """

    path: Path
    image: Any
    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()
    mended: int = 0

    @property
    def voxels(self) -> int:
        """How many there are."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def bytes_in_memory(self) -> int:
        """Bytes of the voxels as they are read, and of a file that had to be mended in memory."""
        stored = self.image.dataobj
        scaled = getattr(stored, "slope", 1) != 1 or getattr(stored, "inter", 0) != 0
        itemsize = 8 if scaled else np.dtype(self.image.get_data_dtype()).itemsize
        return self.voxels * itemsize + self.mended


def read_header(path: str | Path) -> Header:
    """Read what comes before the voxels of a scan, and close its file.

    Raises
    ------
    ScanError
        As :func:`open_header`.
    """
    header = open_header(path)
    close_image(header.image)
    return header


def open_header(path: str | Path, *, labels: bool = False) -> Header:
    """Read what comes before the voxels of a scan or label map; the file may stay open, so that the voxels can be read.

    Parameters
    ----------
    path : path
    labels : bool
        Of a label map: it may have any size.

    Raises
    ------
    ScanError
        If it can't be read, is not one 3-D volume, has a singular affine, or the size of no head.
    """
    path = Path(path)
    image, notes = open_image(path)
    shape = one_volume(tuple(image.shape))
    if shape is None:
        found = why_several_volumes(image) if labels else f"shape {tuple(int(n) for n in image.shape)}"
        raise ScanError(f"{path}: {found}; expected one 3-D volume: choose one of a series")
    affine, guesses = placement(image)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise ScanError(f"{path}: singular affine; expected one that places the voxels in space: mend the header")
    if not labels:
        check_size(path, affine, shape)
    first, second, third = (int(n) for n in shape)
    files = [one.fileobj for one in image.file_map.values()]
    mended = sum(one.getbuffer().nbytes for one in files if isinstance(one, BytesIO))
    return Header(path, image, (first, second, third), affine, (*notes, *guesses), mended)
