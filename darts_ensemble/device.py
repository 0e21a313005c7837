"""Where and how networks run: device, precision, and how many slices at once fit its memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.cores import available_cores, chosen_by_user
from darts_ensemble.errors import UsageError
from darts_ensemble.labels import N_CLASSES

__all__ = [
    "PRECISIONS",
    "DeviceMemoryWarning",
    "bytes_of_slice",
    "choose_device",
    "choose_precision",
    "fits_beside_networks",
    "on_device",
    "slices_at_once",
    "use_threads",
]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

#: In bf16, AMX multiplies sixteen times as fast as in fp32, AVX512_BF16 twice as fast; without either, bf16 is emulated.
_BF16_CHECKS = {"AMX": "_is_amx_tile_supported", "AVX512_BF16": "_is_avx512_bf16_supported"}
#: Memory that the activations of a batch may take on a CPU, in bytes: batches of more than a few slices are not faster there.
_CPU_BUDGET = 600_000_000
_CPU_LOW_BUDGET = 150_000_000
#: On a GPU: the share of the free memory that activations may take; the number of bytes above which larger batches are hardly
#: faster; and, with --low-memory, the most bytes for activations, and the most for the fused volume.
_GPU_SHARE = 0.4
_GPU_BUDGET = 12_000_000_000
_GPU_LOW_BUDGET = 2_000_000_000
_GPU_LOW_FUSED = 4_000_000_000
_MOST_SLICES_AT_ONCE = {"cpu": 8, "mps": 8, "cuda": 64}
#: Feature maps of the first level that a network holds at its peak (counted in a Dense U-Net of four convolutions a block).
_MAPS_HELD = 16
#: Maps of the 103 class scores that are held at the same time. On a CPU they are computed in small pieces: 3 leaves room for
#: one whole map, of who asks for probabilities, and for what the pieces of all threads need.
_SCORES_HELD = {"cpu": 3, "mps": 8, "cuda": 8}


class DeviceMemoryWarning(UserWarning):
    """A device ran out of memory, and the work goes on in smaller pieces."""


def use_threads(count: int = 0) -> None:
    """Let torch use so many CPU threads; 0: its own number, but no more than the cores that this process may use.

    A number that the user has set in the environment (`OMP_NUM_THREADS`) stays where `count` is 0.
    """
    if count:
        torch.set_num_threads(count)
    elif not chosen_by_user():
        torch.set_num_threads(min(torch.get_num_threads(), available_cores()))


def choose_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is CUDA if available, else Apple's GPU, else the CPU.

    Raises
    ------
    UsageError
        If the device is not available.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, found in there.items() if found))
    if not there.get(name, False):
        raise UsageError(f"device {name} is not available here; expected one of {', '.join(d for d in there if there[d])}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device, *, winograd: bool = False) -> str:
    """Return the precision of a name; "auto" is bf16 where the hardware multiplies in it, else fp16 on CUDA, fp32 elsewhere.

    With :mod:`darts_ensemble.inference.winograd`, networks on a CPU are about as fast in fp32 as in bf16 with AVX512_BF16, and
    rounding errors are smaller: with `winograd`, "auto" is bf16 only where there is AMX.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    pays = ["AMX"] if winograd else list(_BF16_CHECKS)
    if device.type == "cpu" and any(getattr(torch.cpu, _BF16_CHECKS[found], bool)() for found in pays):
        return "bf16"
    return "fp32"


def slices_at_once(
    filters: int, rows: int, columns: int, *, device: torch.device, precision: str, low_memory: bool = False
) -> int:
    """Return the batch size, in slices of the given size, that fits the memory for a network with this number of filters."""
    slice_bytes = bytes_of_slice(filters, rows, columns, precision=precision, device=device)
    if device.type == "cuda":
        free = int(torch.cuda.mem_get_info(device)[0] * _GPU_SHARE)
        budget = min(free, _GPU_LOW_BUDGET if low_memory else _GPU_BUDGET)
    else:
        budget = _CPU_LOW_BUDGET if low_memory else _CPU_BUDGET
    return int(np.clip(budget // slice_bytes, 1, _MOST_SLICES_AT_ONCE[device.type]))


def bytes_of_slice(filters: int, rows: int, columns: int, *, precision: str, device: torch.device) -> int:
    """Return how much memory a network with this number of filters needs for one slice, in bytes."""
    value = 4 if precision == "fp32" else 2
    return rows * columns * (_MAPS_HELD * filters * value + _SCORES_HELD[device.type] * N_CLASSES * 4)


def fits_beside_networks(shape: tuple[int, int, int]) -> bool:
    """Whether the fused volume of a box (206 bytes per voxel) may be kept in a GPU's memory with --low-memory."""
    return 2 * N_CLASSES * int(np.prod(shape)) <= _GPU_LOW_FUSED


def on_device(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Return an array as a tensor on a device; to a GPU it is copied from pinned memory, without waiting for earlier work."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
