"""The legend of label maps: for each region its name, side, colour, volume in each map, and a voxel to jump to."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.errors import UsageError
from darts_ensemble.labels import REGION_BY_ID, REGIONS
from evaluation.figures.region_layout import readable_name
from evaluation.viewer.images import LabelMap

__all__ = ["Entry", "entry_named", "index_map", "legend_of"]

_ORDER = {region.id: number for number, region in enumerate(REGIONS)}
#: Ids in FreeSurfer's label maps that do not belong to the 102 regions.
_OTHERS = {
    3: "left cerebral cortex", 42: "right cerebral cortex", 6: "left cerebellum exterior", 45: "right cerebellum exterior",
    72: "fifth ventricle", 77: "white-matter hypointensities", 80: "non-white-matter hypointensities",
    630: "cerebellar vermal lobules I-V", 631: "cerebellar vermal lobules VI-VII", 632: "cerebellar vermal lobules VIII-X",
    1000: "left cortex, unknown", 2000: "right cortex, unknown",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A region of the legend.

    Attributes
    ----------
    id : int
    name : str
        In words, with its side: `left hippocampus`.
    freesurfer_name : str
        Empty for ids that do not belong to the 102 regions.
    rgb : tuple of int
        0 to 255 each.
    volumes : tuple of (float or None)
        mm³ in each label map; None if a map does not have the region.
    at : tuple of int or None
        A voxel of the region near its centre, in the first map that has it in view; None if no map has.
    """

    id: int
    name: str
    freesurfer_name: str
    rgb: tuple[int, int, int]
    volumes: tuple[float | None, ...]
    at: tuple[int, ...] | None


def legend_of(maps: Sequence[LabelMap]) -> list[Entry]:
    """Return one entry per region of the label maps: the 102 regions in their order, then other ids in ascending order."""
    ids = sorted({id_ for one in maps for id_ in one.volumes}, key=lambda id_: (_ORDER.get(id_, len(_ORDER)), id_))
    middles: dict[int, tuple[int, ...]] = {}
    for one in maps:
        for id_, at in _middles(index_map(one.ids, ids), ids).items():
            middles.setdefault(id_, at)
    return [
        Entry(id_, *_names(id_), _colour(id_), tuple(one.volumes.get(id_) for one in maps), middles.get(id_)) for id_ in ids
    ]


def index_map(ids: npt.NDArray[np.int32], known: Sequence[int]) -> npt.NDArray[np.uint16]:
    """Return for each voxel the position of its id in a list of ids, counted from 1; 0 for ids that are not in the list.

    Parameters
    ----------
    ids : ndarray of int32
        Any shape.
    known : sequence of int
        All different, at most 65,535.
    """
    values = np.array(known, dtype=np.int64)
    if not values.size:
        return np.zeros(ids.shape, dtype=np.uint16)
    low = min(int(values.min()), int(ids.min()))
    span = max(int(values.max()), int(ids.max())) - low + 1
    if span <= 4_000_000:
        table = np.zeros(span, dtype=np.uint16)
        table[values - low] = np.arange(1, len(values) + 1)
        return table[ids - low]
    order = np.argsort(values)
    place = np.minimum(np.searchsorted(values[order], ids), len(values) - 1)
    return np.where(values[order][place] == ids, order[place] + 1, 0).astype(np.uint16)


def entry_named(entries: Sequence[Entry], wanted: str) -> Entry:
    """Return the region that a user names: by id, FreeSurfer name or name in words; sides may be written `left` or `L`.

    Raises
    ------
    UsageError
        If the label maps have no region of that name, or several.
    """
    word = wanted.strip().lower()
    found = [one for one in entries if word in _words_for(one)]
    if not found:
        found = [one for one in entries if word == one.name.removeprefix("left ").removeprefix("right ")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"--region {wanted}: {' and '.join(one.name for one in found)} are meant; expected one of them")
    known = {name: one.name for one in entries for name in _words_for(one)}
    near = list(dict.fromkeys(known[name] for name in get_close_matches(word, known, n=3, cutoff=0.4)))
    hint = f"expected one such as {', '.join(near or [one.name for one in entries[:3]])}" if entries else "there is no region"
    raise UsageError(f"--region {wanted}: not in the label maps; {hint}")


def _words_for(entry: Entry) -> set[str]:
    side, _, rest = entry.name.partition(" ")
    words = {str(entry.id), entry.name, entry.freesurfer_name.lower()} - {""}
    return words | ({f"{rest} {side[0]}"} if side in ("left", "right") else set())


def _names(id_: int) -> tuple[str, str]:
    region = REGION_BY_ID.get(id_)
    if region is None:
        return _OTHERS.get(id_, f"label {id_}"), ""
    name = readable_name(region.name)
    return (name if region.hemisphere == "midline" else f"{region.hemisphere} {name}"), region.name


def _colour(id_: int) -> tuple[int, int, int]:
    region = REGION_BY_ID.get(id_)
    if region is not None:
        return region.rgb
    # The golden ratio spreads the hues of neighbouring ids.
    red, green, blue = colorsys.hsv_to_rgb((id_ * 0.618034) % 1, 0.65, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def _middles(places: npt.NDArray[np.uint16], ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return the voxel of each region that is nearest to its centre of mass."""
    found = {}
    for id_, box in zip(ids, ndimage.find_objects(places, len(ids)), strict=True):
        if box is None:
            continue
        voxels = np.argwhere(places[box] == ids.index(id_) + 1)
        nearest = voxels[np.square(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]
        found[id_] = tuple(int(voxel + side.start) for voxel, side in zip(nearest, box, strict=True))
    return found
