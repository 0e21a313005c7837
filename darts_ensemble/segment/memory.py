"""How much memory a scan needs, from its header, and a refusal in one line where this machine has less.

Three steps need most: to read and conform the scan, to fuse the views in a box, and to bring the labels to the scan's grid. Of
several scans, the next is read and the last is written while one is computed, except with --low-memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from darts_ensemble.device import bytes_of_slice, slices_at_once
from darts_ensemble.errors import DeviceError
from darts_ensemble.inference.predict import uses_winograd
from darts_ensemble.machine_memory import gigabytes
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.scans.header import Header
from darts_ensemble.scans.scan import Scan
from darts_ensemble.slices.channels import Box

__all__ = ["Grid", "Load", "Need", "bytes_for_box", "check_memory", "grid_of", "memory_needed"]

#: Bytes of the program with its libraries and of what the heap keeps of freed blocks, more without --low-memory. Chosen so that
#: the sum is above what was measured for 256^3 scans: with --low-memory 1.7 GB for one view and 2.6 GB for three, else 3.2 GB
#: for a single scan and 3.5 GB for several.
_PROGRAM, _HEAP = 1_100_000_000, 300_000_000
#: Bytes per voxel of the scan beside the voxels themselves: float32 copies while it is conformed, labels at the end.
_CONFORMING, _FINISHING = 16, 14
#: Bytes per voxel of the networks' grid: the conformed volume, and copies of it while it is made.
_CONFORMED, _MAKING = 4, 8
#: Bytes per voxel of the box: fused probabilities of 103 classes, float16, and labels of the views.
_FUSED = 220
#: Millimetres of the box around a usual brain, left to right, up and down, front and back, with its margin.
_USUAL_BOX = (160, 160, 192)
#: The networks' grid: smallest side and step, in voxels of 1 mm; see :mod:`darts_ensemble.scans.conform`.
_WINDOW, _STEP = 256, 16


@dataclass(frozen=True)
class Grid:
    """What of a scan's header decides how much memory it needs.

    Attributes
    ----------
    shape : (x, y, z)
    affine : (4, 4) float64
    stored : int
        Bytes of its voxels as they are read.
    """

    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]
    stored: int

    @property
    def voxels(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def window(self) -> int:
        """Side of the networks' grid if the whole scan holds tissue, in voxels of 1 mm."""
        away = (np.abs(self.affine[:3, :3]) @ (np.array(self.shape) / 2)).max()
        return max(_WINDOW, int(np.ceil(2 * (away + 1) / _STEP)) * _STEP)


@dataclass(frozen=True)
class Need:
    """Bytes that the process needs: for a usual brain, and at most, if labels fill the field of view."""

    usual: int
    most: int


@dataclass(frozen=True)
class Load:
    """What of the networks and the options decides how much memory a scan needs.

    Attributes
    ----------
    networks : sequence of ViewNetwork
    device : torch.device
    precision : str
    batch_size : int or None
        Slices at once; None: as many as the memory of the device allows.
    low_memory : bool
        Whether one network is in memory at a time, small batches are used, and scans do not overlap.
    """

    networks: Sequence[ViewNetwork]
    device: torch.device
    precision: str
    batch_size: int | None = None
    low_memory: bool = False

    @property
    def held(self) -> int:
        """Bytes of the networks as they were read and as they are made ready to predict; with `low_memory`, of the largest."""
        read = [4 * sum(value.numel() for value in one.network.parameters()) for one in self.networks]
        # Winograd's filters are 6 x 6 in place of 3 x 3; one such network at a time is kept.
        small = [count for count, one in zip(read, self.networks, strict=True) if not uses_winograd(one)]
        large = [4 * count for count, one in zip(read, self.networks, strict=True) if uses_winograd(one)]
        if self.low_memory:
            return max(read) + max(small + large)
        return sum(read) + sum(small) + max(large, default=0)

    def batch(self, rows: int, columns: int) -> int:
        """Bytes of a batch of slices in main memory."""
        if self.device.type == "cuda":
            return 0
        filters = max(one.filters for one in self.networks)
        count = self.batch_size or slices_at_once(
            filters, rows, columns, device=self.device, precision=self.precision, low_memory=self.low_memory
        )
        return count * bytes_of_slice(filters, rows, columns, precision=self.precision, device=self.device)


def memory_needed(grid: Grid, load: Load, *, overlapping: bool = False) -> Need:
    """Return the memory that a scan needs, from its header.

    Parameters
    ----------
    grid : Grid
    load : Load
    overlapping : bool
        Whether a scan like this one is read, and another one is written, at the same time.
    """
    window = (grid.window,) * 3
    usual = bytes_for_box(grid, load, overlapping=overlapping)
    return Need(usual, max(usual, bytes_for_box(grid, load, window, overlapping=overlapping)))


def bytes_for_box(grid: Grid, load: Load, box: tuple[int, ...] | None = None, *, overlapping: bool = False) -> int:
    """Return the memory that a scan needs if the networks look in a box of this shape, or in a usual one, in bytes."""
    box = box or _USUAL_BOX
    window = grid.window**3
    conform = grid.stored + _CONFORMING * grid.voxels + (_CONFORMED + _MAKING) * window
    fuse = grid.stored + _CONFORMED * window + _FUSED * box[0] * box[1] * box[2]
    finish = fuse + _FINISHING * grid.voxels
    batch = max(load.batch(one, two) for one, two in (box[:2], box[1:], box[::2]))
    steps = conform + fuse + batch + finish if overlapping else max(conform, fuse + batch, finish)
    return _PROGRAM + (0 if load.low_memory else _HEAP) + load.held + steps


def check_memory(
    scan: Header | Scan, load: Load, limit: int | None, *, box: Box | None = None, overlapping: bool = False
) -> None:
    """Refuse a scan that needs more memory than this process may use.

    Parameters
    ----------
    scan : Header or Scan
        Names the file in the error.
    load : Load
    limit : int or None
        Bytes that this process may use; None: not known.
    box : Box, optional
        In which the networks are to look; None: not known yet.
    overlapping : bool
        See :func:`memory_needed`.

    Raises
    ------
    DeviceError
        If it needs more than `limit`.
    """
    sides = None if box is None else tuple(side.stop - side.start for side in box)
    need = bytes_for_box(grid_of(scan), load, sides, overlapping=overlapping)
    if limit is None or need <= limit:
        return
    low = bytes_for_box(grid_of(scan), replace(load, low_memory=True), sides)
    if not load.low_memory and low <= limit:
        hint = f"try --low-memory, which needs {gigabytes(low)}"
    else:
        also = "" if load.low_memory else f" (--low-memory needs {gigabytes(low)})"
        hint = f"give it a machine or a job with more memory{also}, or resample the scan to 1 mm"
    what = f"{_times(grid_of(scan).shape)} voxels" if sides is None else f"labels in a box of {_times(sides)} mm"
    raise DeviceError(f"{scan.path}: {what} need {gigabytes(need)} of memory; expected at most {gigabytes(limit)} here: {hint}")


def grid_of(scan: Header | Scan) -> Grid:
    """Return what decides about memory, of a header or of a scan that is read."""
    if isinstance(scan, Header):
        return Grid(scan.shape, scan.affine, scan.bytes_in_memory)
    return Grid(scan.data.shape, scan.affine, scan.data.nbytes)


def _times(sides: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in sides)
