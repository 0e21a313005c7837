"""HD95, ASSD and surface Dice of all regions of two label maps, in mm, in one pass over the pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.overlap import label_places
from evaluation.surface_distance import REACH, surface_distances
from evaluation.surface_points import Surface, dual_grid_surface, voxel_surface

__all__ = ["DEFINITIONS", "MISSES", "Definition", "Misses", "mean_surface_scores", "surface_scores"]

Definition = Literal["voxel", "dual_grid"]
Misses = Literal["exclude", "worst", "inf"]
#: What a surface is made of: centres of voxels that erosion takes away, or the half-voxel corners that a surface crosses.
DEFINITIONS: tuple[Definition, ...] = ("voxel", "dual_grid")
#: What distance stands for a region that only one map has: none, the diagonal of the image, or infinity.
MISSES: tuple[Misses, ...] = ("exclude", "worst", "inf")
#: mm; headers hold spacings as float32, and a voxel of 1.0000001 mm is within a tolerance of 1 mm.
_SLACK = 1e-6
Distances = npt.NDArray[np.float64]


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
) -> pd.DataFrame:
    """Measure how far the surfaces of each region lie from each other.

    Parameters
    ----------
    reference, prediction : (I, J, K) array_like of int
        Label maps on one grid.
    spacing : three floats
        Size of a voxel in mm along the three axes.
    labels : sequence of int
        The values that are regions, each 0 or more; every other value is background to them.
    background : int
        The value of most voxels; the pair is cropped to where one of the maps has another.
    definitions : sequence of {"voxel", "dual_grid"}
        Which surfaces to measure.
    tolerances : sequence of float
        mm, for the surface Dice.
    misses : {"exclude", "worst", "inf"}
        The distance of a region that only one map has: NaN, the diagonal of the image in mm, or infinity.

    Returns
    -------
    DataFrame
        One row a label. `label`; `status`: "scored", "missed" (only the reference has it), "invented" (only the prediction) or
        "absent" (neither: all NaN); for each definition D `hd95_larger_D_mm`, `hd95_pooled_D_mm`, `assd_D_mm`, and
        `surface_dice_Tmm_D` for each tolerance T, which is 0 for a missed or invented region under every policy.

    Raises
    ------
    ValueError
        If the maps are not volumes of one shape, the spacing is not three positive numbers, or a word is unknown.

    Notes
    -----
    With a the distances from the reference's surface to the prediction's and b those back: `hd95_larger` is the larger of the
    95th percentiles of a and of b; `hd95_pooled` the 95th percentile of both together; `assd` the mean of both together;
    surface Dice the share of both surfaces within the tolerance.

    "voxel": points are the centres of voxels with one of six neighbours outside the region (what MONAI and medpy use); they
    count alike and percentiles interpolate. "dual_grid": points are corners between voxels that the surface crosses (what
    surface-distance uses), they count by the area that passes there, and a percentile is the first distance at which the
    area reaches it. Beyond the image there is background.

    References
    ----------
    Nikolov S et al., Deep learning to achieve clinically applicable segmentation of head and neck anatomy for radiotherapy,
    arXiv 1809.04430 (2018), for the surface Dice and the dual grid.
    """
    one, two = np.asarray(reference), np.asarray(prediction)
    size = _checked(one, two, spacing, definitions, misses)
    diagonal = float(np.linalg.norm(np.multiply(one.shape, size)))
    if not one.flags.c_contiguous and not two.flags.c_contiguous:
        one, two, size = one.T, two.T, (size[2], size[1], size[0])
    box = _box((one != background) | (two != background))
    maps = [_places_with_margin(each[box], labels) for each in (one, two)]
    table = pd.DataFrame({"label": list(labels)})
    for definition in definitions:
        if definition == "voxel":
            surfaces = [voxel_surface(each, len(labels)) for each in maps]
        else:
            surfaces = [dual_grid_surface(each, len(labels), size) for each in maps]
        table["status"] = _statuses(*surfaces)
        columns = _measured(surfaces[0], surfaces[1], size, definition, tolerances)
        missing = table["status"].isin(["missed", "invented"]).to_numpy()
        for name, values in columns.items():
            distance = {"exclude": np.nan, "worst": diagonal, "inf": np.inf}[misses]
            values[missing] = 0.0 if name.startswith("surface_dice") else distance
            table[name] = values
    return table


def mean_surface_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of every measure over the rows of a table, beside the numbers that it can't be read without.

    Parameters
    ----------
    table : DataFrame
        Of :func:`surface_scores`, or several of them below each other.

    Returns
    -------
    DataFrame
        `measure`, `mean` (infinite where a value is), `n` values behind it, `n_missing` regions that only one map has, of which
        `n_missed` and `n_invented`, and `n_absent` that neither has and no mean counts.
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


def _measured(
    one: Surface, two: Surface, spacing: tuple[float, float, float], definition: Definition, tolerances: Sequence[float]
) -> dict[str, Distances]:
    """Columns of all labels; NaN for those that are not in both maps."""
    forth, back = surface_distances(one, two, spacing), surface_distances(two, one, spacing)
    n_labels = len(one.starts) - 1
    names = [f"hd95_larger_{definition}_mm", f"hd95_pooled_{definition}_mm", f"assd_{definition}_mm"]
    names += [f"surface_dice_{tolerance:g}mm_{definition}" for tolerance in tolerances]
    columns = {name: np.full(n_labels, np.nan) for name in names}
    for label in range(n_labels):
        here = [slice(surface.starts[label], surface.starts[label + 1]) for surface in (one, two)]
        a, b = forth[here[0]], back[here[1]]
        if not len(a) or not len(b):
            continue
        both = np.concatenate([a, b])
        if one.weights is None or two.weights is None:
            weights = None
            larger = max(float(np.percentile(a, 95)), float(np.percentile(b, 95)))
            pooled = float(np.percentile(both, 95))
        else:
            area_a, area_b = one.weights[here[0]], two.weights[here[1]]
            weights = np.concatenate([area_a, area_b])
            larger = max(_percentile_by_area(a, area_a), _percentile_by_area(b, area_b))
            pooled = _percentile_by_area(both, weights)
        values = [larger, pooled, float(np.average(both, weights=weights))]
        values += [float(np.average(both <= tolerance + _SLACK, weights=weights)) for tolerance in tolerances]
        for name, value in zip(names, values, strict=True):
            columns[name][label] = value
    return columns


def _percentile_by_area(distances: Distances, areas: Distances) -> float:
    order = np.argsort(distances)
    reached = np.cumsum(areas[order]) / areas.sum()
    place = int(np.searchsorted(reached, 0.95))
    return float(distances[order[min(place, len(order) - 1)]])


def _statuses(one: Surface, two: Surface) -> npt.NDArray[Any]:
    in_one, in_two = np.diff(one.starts) > 0, np.diff(two.starts) > 0
    return np.select([in_one & in_two, in_one, in_two], ["scored", "missed", "invented"], "absent")


def _places_with_margin(volume: npt.NDArray[Any], labels: Sequence[int]) -> npt.NDArray[Any]:
    """Labels as their places, others and a margin as len(labels)."""
    padded = np.full([n + 2 * REACH + 1 for n in volume.shape], len(labels), dtype=np.min_scalar_type(len(labels)))
    # A corner of the dual grid stands at the lower of its voxels: one place more below.
    padded[tuple(slice(REACH + 1, REACH + 1 + n) for n in volume.shape)] = label_places(volume, labels)
    return padded


def _box(foreground: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    """Smallest box that holds the foreground; one voxel where there is none."""
    box: tuple[slice, ...] = ()
    for axis in range(3):
        inside = foreground[box]
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        box += (slice(int(along[0]), int(along[-1]) + 1) if len(along) else slice(0, 1),)
    return box


def _checked(
    one: npt.NDArray[Any], two: npt.NDArray[Any], spacing: Sequence[float], definitions: Sequence[str], misses: str
) -> tuple[float, float, float]:
    if one.shape != two.shape or one.ndim != 3:
        raise ValueError(f"shapes {one.shape} and {two.shape} found; expected two label volumes of one shape")
    if len(spacing) != 3 or not all(np.isfinite(mm) and mm > 0 for mm in spacing):
        raise ValueError(f"spacing {tuple(spacing)} found; expected three positive numbers, in mm")
    if misses not in MISSES or not set(definitions) <= set(DEFINITIONS) or not definitions:
        raise ValueError(f"{misses!r}, {tuple(definitions)} found; expected one of {MISSES} and some of {DEFINITIONS}")
    return float(spacing[0]), float(spacing[1]), float(spacing[2])
