"""The images of a study: scan and regions of a case on one grid, cut to a common box, without any trace of their source."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from darts_ensemble.labels import classes_to_ids
from darts_ensemble.scans.conform import conform, conform_labels, whole_voxel_map
from darts_ensemble.scans.scan import Scan, read_label_map, read_scan
from evaluation.metrics.grids import holds_class_indices
from reader_study.errors import StudyError
from reader_study.planning.regions import StudyRegion

__all__ = ["CaseImages", "RegionMasks", "image_bytes", "read_case", "region_masks"]

#: Voxels around the labelled brain, and around a region, that are kept.
_BRAIN_MARGIN, _REGION_MARGIN = 12, 10
#: Two maps of one head share far more of their foreground; if they share less than this, one is in another place.
_LEAST_SHARED = 0.5
#: Fewest voxels of 1 mm in the labels of a brain; and intensity (of 255) up to which a voxel is air.
_LEAST_BRAIN, _AIR = 300_000, 15
_AXIS_OF_VIEW = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclass(frozen=True)
class CaseImages:
    """A case on the study's grid: RAS, 1 mm, cut to the labelled brain and a margin: the face is not shown.

    Attributes
    ----------
    scan : (x, y, z) uint8
    label_maps : mapping of str to (x, y, z) int32
        FreeSurfer ids by method.
    affine : (4, 4) float64
    window : tuple of int
        Intensities to show as black and as white.
    resampled : tuple of str
        Which of `scan` and the methods were on another grid than the study's and were resampled.
    whole_head : bool
        Whether the whole scan is shown, including the face, because too little is labelled to know where the brain is.
    """

    scan: npt.NDArray[np.uint8]
    label_maps: Mapping[str, npt.NDArray[np.int32]]
    affine: npt.NDArray[np.float64]
    window: tuple[int, int]
    resampled: tuple[str, ...]
    whole_head: bool = False


@dataclass(frozen=True)
class RegionMasks:
    """One region and side of a case by every method, in the same box.

    Attributes
    ----------
    masks : mapping of str to (x, y, z) uint8
        1 inside the region; all of one shape.
    offset : tuple of int
        Voxel of the case's grid at which the box begins.
    centre : tuple of int
        Voxel of the case's grid to show first: per axis the slice in which the methods' areas together are largest.
    """

    masks: Mapping[str, npt.NDArray[np.uint8]]
    offset: tuple[int, int, int]
    centre: tuple[int, int, int]


def read_case(case: str, scan_path: Path, label_map_paths: Mapping[str, Path], *, own_labels: bool = False) -> CaseImages:
    """Read a case and bring it to one grid of 1 mm: that of the scan's own voxels if it is already conformed.

    Parameters
    ----------
    case : str
    scan_path : Path
    label_map_paths : mapping of str to Path
        By method.
    own_labels : bool
        Whether the maps may have labels that the study defines, such as lesions: then a map may be empty, two maps may differ,
        and a scan with few labelled voxels is shown whole.

    Raises
    ------
    ScanError
        If a file can't be read.
    StudyError
        If the maps of two methods do not overlap, or a map reaches outside the scan's grid.
    """
    conformed = conform(read_scan(scan_path))
    maps = {method: _ids(read_label_map(path)) for method, path in label_map_paths.items()}
    moved = {method: conform_labels(labels, conformed) for method, labels in maps.items()}
    _refuse_lost(case, maps, moved, label_map_paths, may_be_empty=own_labels)
    labelled = np.logical_or.reduce([data != 0 for data in moved.values()])
    of_a_brain = np.count_nonzero(labelled) >= _LEAST_BRAIN
    if of_a_brain or not own_labels:
        _refuse_apart(case, moved, label_map_paths)
    sources = {"scan": conformed.scan.affine, **{method: labels.affine for method, labels in maps.items()}}
    resampled = [name for name, affine in sources.items() if not whole_voxel_map(np.linalg.inv(affine) @ conformed.affine)]
    to_ras = ornt_transform(io_orientation(conformed.affine), axcodes2ornt(("R", "A", "S")))
    affine = conformed.affine @ inv_ornt_aff(to_ras, conformed.data.shape)
    volume = np.rint(nib.apply_orientation(conformed.data, to_ras)).astype(np.uint8)
    ids = {method: nib.apply_orientation(data, to_ras) for method, data in moved.items()}
    brain = np.logical_or.reduce([data != 0 for data in ids.values()])
    if own_labels and not of_a_brain:
        # Lesions do not show where the brain is: everything except air is shown.
        brain = volume > _AIR
        if not brain.any():
            raise StudyError(f"case {case}: {scan_path} is empty; expected a scan of a head")
    box = _box(brain, _BRAIN_MARGIN)
    affine[:3, 3] += affine[:3, :3] @ [edge.start for edge in box]
    white = min(255, round(1.1 * float(np.percentile(volume[brain], 99.5))))
    return CaseImages(
        scan=np.ascontiguousarray(volume[box]),
        label_maps={method: np.ascontiguousarray(data[box]) for method, data in ids.items()},
        affine=affine,
        window=(0, max(white, 1)),
        resampled=tuple(resampled),
        whole_head=own_labels and not of_a_brain,
    )


def region_masks(images: CaseImages, region: StudyRegion, side: str, *, some_empty: bool = False) -> RegionMasks | None:
    """Cut one region and side of a case out of every method's map, all in the box that holds them all.

    Parameters
    ----------
    images : CaseImages
    region : StudyRegion
    side : str
    some_empty : bool
        Whether some methods may lack it: a lesion that a method did not find.

    Returns
    -------
    RegionMasks or None
        None where a method, with `some_empty` every method, has no voxel of it.
    """
    whole = {method: np.isin(ids, region.ids[side]) for method, ids in images.label_maps.items()}
    found = [bool(mask.any()) for mask in whole.values()]
    if not (any(found) if some_empty else all(found)):
        return None
    together = np.sum([mask.astype(np.uint8) for mask in whole.values()], axis=0)
    areas = [together.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    shown = _AXIS_OF_VIEW[region.view]
    centre = [int(area.argmax()) for area in areas]
    # The other two axes follow from the slice shown, so that three planes meet inside the region.
    plane = np.take(together, centre[shown], axis=shown)
    middle = [round(float(np.average(np.arange(n), weights=plane.sum(axis=1 - axis)))) for axis, n in enumerate(plane.shape)]
    for axis, value in zip([axis for axis in range(3) if axis != shown], middle, strict=True):
        centre[axis] = value
    box = _box(together > 0, _REGION_MARGIN)
    return RegionMasks(
        masks={method: np.ascontiguousarray(mask[box]).astype(np.uint8) for method, mask in whole.items()},
        offset=(box[0].start, box[1].start, box[2].start),
        centre=(centre[0], centre[1], centre[2]),
    )


def image_bytes(data: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64], offset: Sequence[int] = (0, 0, 0)) -> bytes:
    """Return a gzipped NIfTI-1 file of a volume, with a new header that is equal for equal shapes and positions.

    Parameters
    ----------
    data : (x, y, z) uint8
    affine : (4, 4) ndarray
        Of the case's grid.
    offset : sequence of int
        Voxel of that grid at which the volume begins.
    """
    placed = np.array(affine)
    placed[:3, 3] += placed[:3, :3] @ np.asarray(offset, dtype=np.float64)
    image: Any = nib.Nifti1Image(data, placed)
    image.header.set_slope_inter(1, 0)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def _ids(labels: Scan) -> Scan:
    if holds_class_indices(labels.data):
        return Scan(labels.path, classes_to_ids(labels.data).astype(np.int32), labels.affine, labels.image)
    return labels


def _box(inside: npt.NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice]:
    edges = []
    for axis, size in enumerate(inside.shape):
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        edges.append(slice(max(0, int(along[0]) - margin), min(size, int(along[-1]) + 1 + margin)))
    return edges[0], edges[1], edges[2]


def _refuse_lost(
    case: str,
    maps: Mapping[str, Scan],
    moved: Mapping[str, npt.NDArray[np.int32]],
    paths: Mapping[str, Path],
    *,
    may_be_empty: bool,
) -> None:
    """Refuse a map that is largely outside the study's grid: it belongs to another scan, or has lost its affine."""
    for method, labels in maps.items():
        before = float(np.count_nonzero(labels.data)) * abs(float(np.linalg.det(labels.affine[:3, :3])))
        after = float(np.count_nonzero(moved[method]))
        if before == 0:
            if may_be_empty:
                continue
            raise StudyError(f"case {case}: {paths[method]} ({method}) is empty; expected a label map in FreeSurfer ids")
        if after < 0.9 * before:
            raise StudyError(
                f"case {case}: {1 - after / before:.0%} of {paths[method]} ({method}) lies outside the scan; "
                "expected both in one place: was an affine lost?"
            )


def _refuse_apart(case: str, moved: Mapping[str, npt.NDArray[np.int32]], paths: Mapping[str, Path]) -> None:
    """Refuse maps in different places: the regions that both label must share voxels (an eighth of them is sufficient)."""
    methods = list(moved)
    thinned = {method: ids[::2, ::2, ::2] for method, ids in moved.items()}
    first = thinned[methods[0]]
    for method in methods[1:]:
        common = np.intersect1d(np.unique(first), np.unique(thinned[method]))
        common = common[common != 0]
        one, two = np.isin(first, common), np.isin(thinned[method], common)
        both = int(np.count_nonzero(one)) + int(np.count_nonzero(two))
        shared = 2 * int(np.count_nonzero(one & two)) / max(1, both)
        if shared < _LEAST_SHARED:
            raise StudyError(
                f"case {case}: {paths[method]} ({method}) and {paths[methods[0]]} ({methods[0]}) overlap by {shared:.0%}; "
                f"expected at least {_LEAST_SHARED:.0%}: are both maps of this scan, in its space?"
            )
