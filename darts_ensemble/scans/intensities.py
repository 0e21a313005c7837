"""Shift a scan's intensities so that air is 0, whatever a pipeline subtracted, filled in or left around the head.

The networks were trained on scans with dark air. A scan that already has dark air is returned unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.errors import ScanError

__all__ = ["as_taken", "from_air_up"]

Volume = npt.NDArray[Any]

#: A value is the background if at least this share of the voxels on the volume's faces has it.
_BACKGROUND_SHARE = 0.4
#: Share of the intensity range by which air may differ from 0, because of noise or interpolation.
_OFF_ZERO = 0.1
#: Salt-and-pepper noise: the mean difference of neighbours on the volume's faces, as a share of the intensity range (measured:
#: 0.33 and more in noise, 0.05 to 0.12 where a face cuts through tissue), and the smallest share of such bright face voxels.
_ROUGH, _ROUGH_SHARE = 0.2, 0.01
#: Tissue: largest standard deviation and smallest mean of 27 neighbours, as shares of the intensity range.
_SMOOTH, _BRIGHT = 0.12, 0.08
#: Smallest volume of a head surrounded by noise, in cubic centimetres.
_LEAST_HEAD = 200.0
#: Of values of 16 bits that a program took for signed: how near they come to the ends, and the gap that is left below 0.
_WRAPPED, _GAP = 32_000, 2_000
#: Share of the voxels that may be NaN inside a head in a background of NaN.
_HOLES = 0.01
#: Up to this voxel volume (mm^3), every second voxel is enough to find the border of the head.
_FINE = 2.0


def as_taken(data: Volume, path: Path) -> tuple[Volume, tuple[str, ...]]:
    """Return a volume of finite values as the scanner took them, and one phrase for each change.

    NaN connected to the outside is air, as SPM and the masks of pipelines leave it. If such air fills more than a quarter of
    the volume, NaN in up to 1 % of all voxels further inside is made as dark as air, too; the phrase gives their number. Values
    above 32767 that became negative in 16 bits are made positive again.

    Parameters
    ----------
    data : (x, y, z) ndarray
        As stored, of integers or real numbers.
    path : Path
        The file named in errors.

    Raises
    ------
    ScanError
        If a value is infinite, or if more voxels inside the head are NaN.
    """
    if data.dtype.kind == "f" and not (finite := np.isfinite(data)).all():
        missing = np.isnan(data)
        outside = int(np.count_nonzero(_reached_from_outside(missing)))
        inside = int(np.count_nonzero(~finite)) - outside
        # A mask may leave holes in the head, too; they are as dark as air.
        if np.isinf(data).any() or not finite.any() or inside > (_HOLES * data.size if outside > data.size / 4 else 0):
            count = inside or data.size
            raise ScanError(f"{path}: {count} voxels are NaN or infinite; expected finite values in the head: mend the scan")
        air = data.dtype.type(min(0, data[finite].min()))
        holes = f"; {inside} NaN voxels inside it became as dark" if inside else ""
        return np.where(missing, air, data), (f"NaN around the head: taken as air{holes}",)
    wrapped = data.dtype.kind == "i" and data.dtype.itemsize == 2 and data.min() < -_WRAPPED and data.max() > _WRAPPED
    if wrapped and not np.any((data < 0) & (data >= -_GAP)):
        note = f"values up to {data.max()} and from {data.min()}, none between {-_GAP} and 0: read as unsigned 16 bits"
        return data.view(data.dtype.str.replace("i", "u")), (note,)
    return data, ()


def from_air_up(data: Volume, path: Path, voxel_mm3: float) -> tuple[Volume, tuple[str, ...]]:
    """Return the volume with air at 0 and tissue above it, and one phrase for each change.

    Intensities keep their scale. Values below the darkest tissue become 0.

    Parameters
    ----------
    data : (x, y, z) ndarray
        Finite, of any scale.
    path : Path
        The file named in errors.
    voxel_mm3 : float
        Volume of a voxel.

    Returns
    -------
    ndarray
        `data` itself if nothing had to be changed, else a float32 copy.
    tuple of str

    Raises
    ------
    ScanError
        If there is only noise and no head.
    """
    sample = data[::2, ::2, ::2].astype(np.float32).ravel()
    faces = _faces(data)
    background, share = _most_frequent(np.concatenate([face.ravel() for face in faces]))
    constant = share >= _BACKGROUND_SHARE
    low, top = _darkest_and_brightest(sample, background if constant else None)
    noisy = data.size * voxel_mm3 > 1000 * _LEAST_HEAD and _noisy(faces, background if constant else low, top - low)
    if noisy:  # then the most frequent value belongs to the noise and is not a background
        constant = False
        low, top = _darkest_and_brightest(sample, None)
    remarks: list[str] = []
    if constant and not _dark(background, low, top):
        zero = 0.0 if 0 <= low <= 0.2 * top else low
        # Tissue may have this value, too: only voxels connected to the outside are background.
        outside = _reached_from_outside(data == background)
        data = np.maximum(data.astype(np.float32) - np.float32(zero), 0)
        data[outside] = 0
        remarks.append(f"the background of {background:.4g} lies among the tissue ({low:.4g} to {top:.4g}): taken as air")
    else:
        # A fill value far below zero, such as -1000, does not show where tissue starts.
        filled = constant and background < 0 and background < low - 0.5 * (top - low)
        zero = background if constant and not filled else low
        if abs(zero) > _OFF_ZERO * (top - zero):
            data = np.maximum(data.astype(np.float32) - np.float32(zero), 0)
            remarks.append(f"air is at {zero:.4g}, tissue up to {top:.4g}: intensities counted from there")
        else:
            zero = 0.0
    if noisy:
        data = _without_noise(data, top - zero, path, voxel_mm3)
        remarks.append("noise around the head as bright as tissue: taken as air")
    return data, tuple(remarks)


def _darkest_and_brightest(sample: Volume, background: float | None) -> tuple[float, float]:
    """The 0.1th and the 99.9th percentile, without background voxels (unless there are no others)."""
    tissue = sample if background is None else sample[sample != np.float32(background)]
    low, top = np.percentile(tissue if tissue.size else sample, (0.1, 99.9))
    return float(low), float(top)


def _faces(data: Volume) -> list[Volume]:
    """The six faces of a volume, as views: np.take would first copy a volume in Fortran order."""
    return [data[(slice(None),) * axis + (end,)] for axis in range(3) for end in (0, -1)]


def _most_frequent(values: Volume) -> tuple[float, float]:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]), float(counts.max() / len(values))


def _dark(background: float, low: float, top: float) -> bool:
    """Whether the background is darker than tissue, or as dark as the darkest tissue."""
    return background <= low + _OFF_ZERO * max(top - low, 0) and top > background


def _reached_from_outside(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The parts of a mask that touch a face of the volume."""
    parts, _ = ndimage.label(mask)
    touching = np.unique(np.concatenate([face.ravel() for face in _faces(parts)]))
    reached = np.zeros(int(parts.max(initial=0)) + 1, dtype=bool)
    reached[touching[touching > 0]] = True
    return np.asarray(reached[parts], dtype=bool)


def _noisy(faces: list[Volume], zero: float, span: float) -> bool:
    """Whether neighbours on the faces, outside air (`zero`), differ as much as in salt-and-pepper noise."""
    steps = []
    pixels = 0
    for face in faces:
        bright = np.clip(np.abs(face.astype(np.float32) - zero) / max(span, 1e-30), 0, 1)
        pixels += bright.size
        for one, next_one in ((bright[1:], bright[:-1]), (bright[:, 1:], bright[:, :-1])):
            steps.append(np.abs(one - next_one)[np.maximum(one, next_one) > 0.2])
    step = np.concatenate(steps)
    return bool(len(step) / 2 > _ROUGH_SHARE * pixels and step.mean() > _ROUGH)


def _without_noise(data: Volume, span: float, path: Path, voxel_mm3: float) -> Volume:
    """The volume with 0 outside the largest smooth and bright piece, its holes closed.

    In fine scans only every second voxel along each axis is used: this is enough for the border of a head, and the distance
    maps take most of the time.
    """
    step = 2 if voxel_mm3 <= _FINE else 1
    bright = np.clip(data.astype(np.float32) / np.float32(span), 0, 1)
    mean = ndimage.uniform_filter(bright, 3)[::step, ::step, ::step]
    np.square(bright, out=bright)
    spread = ndimage.uniform_filter(bright, 3)[::step, ::step, ::step] - mean * mean
    smooth = ndimage.binary_opening((spread < _SMOOTH**2) & (mean > _BRIGHT))
    parts, count = ndimage.label(smooth)
    sizes = np.bincount(parts.ravel())[1:]
    if not count or sizes.max() * voxel_mm3 * step**3 < 1000 * _LEAST_HEAD:
        raise ScanError(f"{path}: nothing but noise found, no tissue in one piece; expected a T1 scan of a head")
    head = parts == 1 + int(sizes.argmax())
    # A distance map takes the same time for any distance; the grown border includes the blur of the local mean.
    near = _within(head, 6 / step)
    closed = ~_within(~ndimage.binary_fill_holes(near), 4 / step)
    kept = closed | head
    for axis in range(3):
        kept = np.repeat(kept, step, axis=axis)
    inside = kept[tuple(slice(length) for length in data.shape)]
    return np.where(inside, data, 0).astype(np.float32)


def _within(mask: npt.NDArray[np.bool_], distance: float) -> npt.NDArray[np.bool_]:
    """Mask of the voxels at most `distance` voxels from a mask, the mask included; computed only in the box around it."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    grown = np.zeros(mask.shape, dtype=bool)
    if not boxes:
        return grown
    margin = int(np.ceil(distance))
    box = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in boxes[0])
    grown[box] = ndimage.distance_transform_edt(~mask[box]) <= distance
    return grown
