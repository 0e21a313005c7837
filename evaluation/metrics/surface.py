"""HD95, ASSD and surface Dice of all regions of two label maps, in mm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.results.overlap import label_places
from evaluation.metrics.hausdorff import surface_measures
from evaluation.metrics.surface_points import dual_grid_surfaces, voxel_surfaces

__all__ = ["DEFINITIONS", "MISSES", "Definition", "Misses", "mean_surface_scores", "surface_scores"]

Definition = Literal["voxel", "dual_grid"]
Misses = Literal["exclude", "worst", "inf"]
#: Points of a surface: centres of voxels that erosion removes, or the half-voxel corners that the surface crosses.
DEFINITIONS: tuple[Definition, ...] = ("voxel", "dual_grid")
#: The distance of a region that only one map has: none, the diagonal of the image, or infinity.
MISSES: tuple[Misses, ...] = ("exclude", "worst", "inf")
Size = tuple[float, float, float]


def surface_scores(
    reference: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    spacing: Sequence[float],
    labels: Sequence[int] = range(BACKGROUND_CLASS),
    background: int = BACKGROUND_CLASS,
    definitions: Sequence[Definition] = ("voxel",),
    tolerances: Sequence[float] = (1.0,),
    misses: Misses = "exclude",
    image_shape: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Measure the distances between the surfaces of each region in two maps.

    Parameters
    ----------
    reference, prediction : (I, J, K) array_like of int
        Label maps on one grid.
    spacing : three floats
        Size of a voxel in mm along the three axes. Sizes that differ by less than a millionth count as equal, because headers
        hold them as float32.
    labels : sequence of int
        The values that are regions, each 0 or more; all other values are background.
    background : int
        The value of most voxels; the pair is cropped to the part where one of the maps has another value.
    definitions : sequence of {"voxel", "dual_grid"}
        Which surfaces to measure.
    tolerances : sequence of float
        mm, for the surface Dice.
    misses : {"exclude", "worst", "inf"}
        The distance of a region that only one map has: NaN, the diagonal of the image in mm, or infinity.
    image_shape : three ints, optional
        Shape of the image, of which the maps are a part; by default that of the maps.

    Returns
    -------
    DataFrame
        One row per label. `label`; `status`: "scored", "missed" (only the reference has it), "invented" (only the prediction)
        or "absent" (neither: all NaN); for each definition D `hd95_larger_D_mm`, `hd95_pooled_D_mm`, `assd_D_mm`, and
        `surface_dice_Tmm_D` for each tolerance T, which is 0 for a missed or invented region under every policy.

    Raises
    ------
    ValueError
        If the maps are not volumes of the same shape, the spacing is not three positive numbers, or a word is unknown.

    Notes
    -----
    With a the distances from the reference's surface to the prediction's and b those in the other direction: `hd95_larger` is
    the larger of the 95th percentiles of a and of b; `hd95_pooled` is the 95th percentile of both together; `assd` is the mean
    of both together; surface Dice is the share of both surfaces within the tolerance.

    "voxel": points are the centres of voxels with one of six neighbours outside the region (as in MONAI and medpy); all have
    the same weight, and percentiles are interpolated. "dual_grid": points are corners between voxels that the surface crosses
    (as in surface-distance), weighted by the area of the surface there, and a percentile is the first distance at which the
    area reaches it. Outside the image there is background.

    References
    ----------
    Nikolov S et al., Deep learning to achieve clinically applicable segmentation of head and neck anatomy for radiotherapy,
    arXiv 1809.04430 (2018), for the surface Dice and the dual grid.
    """
    one, two = np.asarray(reference), np.asarray(prediction)
    size = _checked(one, two, spacing, definitions, misses)
    diagonal = float(np.linalg.norm(np.multiply(image_shape or one.shape, size)))
    distance = {"exclude": np.nan, "worst": diagonal, "inf": np.inf}[misses]
    names = [name for definition in definitions for name in _columns(definition, tolerances)]
    missing = [0.0 if name.startswith("surface_dice") else distance for name in names]
    maps, size = _foreground(one, two, size, labels, background)
    boxes = [ndimage.find_objects(each, len(labels)) for each in maps]
    rows: list[list[Any]] = []
    for place, (here, there) in enumerate(zip(*boxes, strict=True), start=1):
        if here and there:
            masks = _masks(maps, here, there, place)
            status, values = "scored", []
            for definition in definitions:
                pair = voxel_surfaces(masks) if definition == "voxel" else dual_grid_surfaces(masks, size)
                values += surface_measures(pair, size, tolerances)
        elif here or there:
            status, values = "missed" if here else "invented", missing
        else:
            status, values = "absent", [np.nan] * len(names)
        rows.append([labels[place - 1], status, *values])
    return pd.DataFrame(rows, columns=["label", "status", *names])


def mean_surface_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of every measure over the rows of a table, with the counts needed to understand it.

    Parameters
    ----------
    table : DataFrame
        From :func:`surface_scores`, or several of them concatenated.

    Returns
    -------
    DataFrame
        `measure`, `mean` (infinite if a value is), number `n` of its values, `n_missing` regions that only one map has, divided
        into `n_missed` and `n_invented`, and `n_absent` regions that neither map has, which are in no mean.
    """
    counts = {f"n_{status}": int((table["status"] == status).sum()) for status in ("missed", "invented", "absent")}
    rows = [
        {
            "measure": name,
            "mean": float(table[name].mean()),
            "n": int(table[name].notna().sum()),
            "n_missing": counts["n_missed"] + counts["n_invented"],
            **counts,
        }
        for name in table.columns
        if name.startswith(("hd95_", "assd_", "surface_dice_"))
    ]
    return pd.DataFrame(rows)


def _columns(definition: Definition, tolerances: Sequence[float]) -> list[str]:
    """Return the names of the results of :func:`surface_measures`."""
    names = [f"hd95_larger_{definition}_mm", f"hd95_pooled_{definition}_mm", f"assd_{definition}_mm"]
    return names + [f"surface_dice_{tolerance:g}mm_{definition}" for tolerance in tolerances]


def _foreground(
    one: npt.NDArray[Any], two: npt.NDArray[Any], size: Size, labels: Sequence[int], background: int
) -> tuple[npt.NDArray[Any], Size]:
    """Crop both maps, (2, I, J, K), to their foreground; labels become 1, 2, ..., other values 0 or a larger number.

    The axes, with their voxel sizes, are put in the fastest order: that of memory, but with two axes of equal size first.
    """
    if not one.flags.c_contiguous and not two.flags.c_contiguous:
        one, two, size = one.T, two.T, (size[2], size[1], size[0])
    first, last = next(
        (pair for pair in ((0, 1), (1, 2), (0, 2)) if size[pair[0]] == size[pair[1]]), np.argsort(size, kind="stable")[:2]
    )
    order = (int(first), int(last), 3 - int(first) - int(last))
    box = _box((one != background) | (two != background))
    maps = np.empty((2, *(box[axis].stop - box[axis].start for axis in order)), dtype=np.min_scalar_type(len(labels) + 1))
    numbered = background == 0 and list(labels) == list(range(1, len(labels) + 1))
    for mine, theirs in zip(maps, (one, two), strict=True):
        inside = theirs[box]
        if numbered and inside.dtype.kind == "u" and inside.max() <= len(labels):
            np.copyto(mine, inside.transpose(order), casting="unsafe")
        else:
            np.add(label_places(inside, labels, maps.dtype).transpose(order), 1, out=mine)
    return maps, (size[order[0]], size[order[1]], size[order[2]])


def _masks(maps: npt.NDArray[Any], here: tuple[slice, ...], there: tuple[slice, ...], label: int) -> npt.NDArray[np.bool_]:
    """Return where each map has a label, in the box around both, with a margin of one voxel."""
    box = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(here, there, strict=True))
    cut = maps[(slice(None), *box)]
    masks = np.zeros((2, *(n + 2 for n in cut.shape[1:])), dtype=bool)
    np.equal(cut, label, out=masks[:, 1:-1, 1:-1, 1:-1])
    return masks


def _box(foreground: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box that holds the foreground; one voxel if there is none."""
    box: tuple[slice, ...] = ()
    for axis in range(3):
        inside = foreground[box]
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        box += (slice(int(along[0]), int(along[-1]) + 1) if len(along) else slice(0, 1),)
    return box


def _checked(
    one: npt.NDArray[Any], two: npt.NDArray[Any], spacing: Sequence[float], definitions: Sequence[str], misses: str
) -> Size:
    if one.shape != two.shape or one.ndim != 3:
        raise ValueError(f"shapes {one.shape} and {two.shape} found; expected two label volumes of one shape")
    if len(spacing) != 3 or not all(np.isfinite(mm) and mm > 0 for mm in spacing):
        raise ValueError(f"spacing {tuple(spacing)} found; expected three positive numbers, in mm")
    if misses not in MISSES or not set(definitions) <= set(DEFINITIONS) or not definitions:
        raise ValueError(f"{misses!r}, {tuple(definitions)} found; expected one of {MISSES} and some of {DEFINITIONS}")
    size = [float(mm) for mm in spacing]
    for axis in (1, 2):
        size[axis] = next((mm for mm in size[:axis] if abs(mm - size[axis]) < 1e-6 * mm), size[axis])
    return size[0], size[1], size[2]
