"""A scan, its label maps and the agreement of views on the grid of the scan, axes ordered as right, anterior, superior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import ScanError, UsageError
from darts_ensemble.labels import classes_to_ids
from darts_ensemble.scans.image_file import one_volume, open_image
from darts_ensemble.scans.placement import placement
from darts_ensemble.scans.scan import Scan, find_scan_in_subject, read_label_map, read_scan
from evaluation.metrics.grids import holds_class_indices, on_grid_of
from evaluation.overlays.planes import to_canonical

__all__ = ["MOST_LABELS", "LabelMap", "Viewed", "distinct_names", "read_viewed", "scan_path"]

#: Largest number of different values in a label map; a scan that was given as a label map has more.
MOST_LABELS = 4000
#: Percentiles of the scan that become black and white.
_BLACK, _WHITE = 0.1, 99.8


@dataclass(frozen=True)
class LabelMap:
    """A label map to be shown.

    Attributes
    ----------
    name : str
    path : Path
    ids : (x, y, z) int32
        FreeSurfer ids on the grid of :class:`Viewed`.
    volumes : dict of int to float
        mm³ of each id except 0, on the map's own grid.
    """

    name: str
    path: Path
    ids: npt.NDArray[np.int32]
    volumes: dict[int, float]


@dataclass(frozen=True)
class Viewed:
    """A scan and its label maps on one grid.

    Attributes
    ----------
    scan : Path
    data : (x, y, z) uint8
        The scan, axes in RAS order; 0 and 255 are its 0.1 and 99.8 percentiles.
    affine : (4, 4) float64
        Voxels of this grid to RAS mm.
    to_file : (4, 4) float64
        Voxels of this grid to voxels of the scan's file.
    sizes : tuple of float
        Size of a voxel along each axis, mm.
    maps : tuple of LabelMap
    agreement : (x, y, z) uint8 or None
        Share of pairs of views that name the same region, 255 for all.
    notes : tuple of str
        Oddities of the files, and how they were read.
    """

    scan: Path
    data: npt.NDArray[np.uint8]
    affine: npt.NDArray[np.float64]
    to_file: npt.NDArray[np.float64]
    sizes: tuple[float, ...]
    maps: tuple[LabelMap, ...]
    agreement: npt.NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()


def read_viewed(scan: Path, labels: Sequence[Path] = (), agreement: Path | None = None, names: Sequence[str] = ()) -> Viewed:
    """Read a scan, its label maps and the agreement of views, and bring them to the grid of the scan.

    Parameters
    ----------
    scan : Path
        An image, or the folder of a FreeSurfer subject.
    labels : sequence of Path
        Label maps with FreeSurfer ids or DARTS classes, on any grid that overlaps that of the scan.
    agreement : Path, optional
        The agreement of views as darts-segment writes it, shares from 0 to 1.
    names : sequence of str
        Names of the label maps, in their order; those without one are named after their files.

    Raises
    ------
    ScanError
        If a file is not an image or not a label map, or does not overlap the scan.
    UsageError
        If there are more names than label maps.
    """
    if len(names) > len(labels):
        raise UsageError(f"--name: {len(names)} names for {len(labels)} label maps; expected one for each at most")
    base = read_scan(scan_path(scan))
    notes = [f"{base.path}: {note}" for note in base.notes]
    if same := next((path for path in labels if path.exists() and path.samefile(base.path)), None):
        raise ScanError(f"{same}: given as the scan and as a label map; expected a label map of the scan")
    called = [*names, *distinct_names(labels)[len(names) :]]
    maps = tuple(_label_map(path, name, base, notes) for path, name in zip(labels, called, strict=True))
    canonical, sizes = to_canonical(_as_bytes(base.data), base.affine)
    to_file = nib.orientations.inv_ornt_aff(nib.io_orientation(base.affine), base.data.shape)
    return Viewed(
        scan=base.path,
        data=canonical,
        affine=base.affine @ to_file,
        to_file=to_file,
        sizes=sizes,
        maps=maps,
        agreement=None if agreement is None else _agreement(agreement, base, notes),
        notes=tuple(notes),
    )


def scan_path(scan: Path) -> Path:
    """Return the path of the image: the given file, or the scan in the folder of a FreeSurfer subject."""
    return find_scan_in_subject(scan) if scan.is_dir() else scan


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return a different name for each file: its own, preceded by folders if several files have the same name."""
    names = []
    for path in paths:
        parts = path.absolute().parts
        others = [other.absolute().parts for other in paths if other != path]
        count = 1
        while count < len(parts) and any(other[-count:] == parts[-count:] for other in others):
            count += 1
        names.append("/".join(parts[-count:]))
    return names


def _label_map(path: Path, name: str, base: Scan, notes: list[str]) -> LabelMap:
    labels = read_label_map(path)
    if holds_class_indices(labels.data):
        labels = replace(labels, data=classes_to_ids(labels.data).astype(np.int32))
    labels = replace(labels, data=np.asfortranarray(labels.data))
    values, counts = _counted(labels.data)
    if len(values) > MOST_LABELS:
        raise ScanError(f"{path}: {len(values)} different values found; expected a label map of at most {MOST_LABELS}")
    notes += [f"{path}: {note}" for note in labels.notes]
    voxel = abs(float(np.linalg.det(labels.affine[:3, :3])))
    ids, move = on_grid_of(base, labels)
    if any(values) and not ids.any():
        raise ScanError(f"{path}: no labelled voxel lies within {base.path}; expected a label map of that scan")
    if move == "resampled":
        notes.append(f"{path}: its grid is not the scan's; shown by the nearest voxel, volumes are those of its own grid")
    volumes = {int(value): float(count * voxel) for value, count in zip(values, counts, strict=True) if value != 0}
    return LabelMap(name, path, to_canonical(ids, base.affine)[0], volumes)


def _counted(ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the values of a label map and their numbers of voxels; fast if the values are small and not negative."""
    if ids.min(initial=0) < 0 or ids.max(initial=0) > 1_000_000:
        return np.unique(ids, return_counts=True)
    counts = np.bincount(ids.ravel(order="K"))
    values = np.flatnonzero(counts)
    return values, counts[values]


def _as_bytes(data: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    sample = data[::2, ::2, ::2]
    low, high = (float(value) for value in np.percentile(sample, (_BLACK, _WHITE)))
    if high <= low:  # nearly all voxels are background
        low, high = float(data.min()), float(data.max())
    shown = np.empty(data.shape, dtype=np.uint8, order="F")
    for plane in range(data.shape[2]):  # in floats, the whole scan would take eight times its size
        shown[:, :, plane] = np.rint(np.clip((data[:, :, plane] - low) / (high - low), 0, 1) * 255)
    return shown


def _agreement(path: Path, base: Scan, notes: list[str]) -> npt.NDArray[np.uint8]:
    image, _ = open_image(path)
    shape = one_volume(tuple(image.shape))
    if shape is None:
        raise ScanError(f"{path}: shape {image.shape}; expected one 3-D volume, the agreement of views")
    affine, _ = placement(image)
    data = np.asarray(image.dataobj, dtype=np.float32).reshape(shape, order="F")
    low, high = float(data.min()), float(data.max())
    if not (low >= 0 and high <= 1):
        raise ScanError(f"{path}: values from {low:g} to {high:g}; expected the agreement of views, shares from 0 to 1")
    # Outside its grid the views count as agreeing: therefore the disagreement is resampled, with 0 outside.
    apart = np.asfortranarray(255 - np.rint(data * 255).astype(np.int32))
    moved, move = on_grid_of(base, Scan(path, apart, affine, image))
    if move == "resampled":
        notes.append(f"{path}: its grid is not the scan's; shown by the nearest voxel")
    canonical: npt.NDArray[np.uint8] = to_canonical((255 - moved).astype(np.uint8), base.affine)[0]
    return canonical
