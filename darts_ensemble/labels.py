"""The 102 regions: the only place that defines ids, names, colours, hemispheres, homologous pairs and groups.

On disk a label is a FreeSurfer id; inside the process it is a class index (0 to 101, background 102). Ids outside the
102 become :data:`IGNORE_CLASS`: neither a region nor background.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "BACKGROUND_CLASS",
    "HOMOLOGUE_CLASS",
    "IGNORE_CLASS",
    "KEPT_CHANNELS",
    "LEFT_CLASS",
    "N_CHANNELS",
    "N_CLASSES",
    "REGIONS",
    "REGION_BY_ID",
    "REGION_IDS",
    "Region",
    "classes_to_ids",
    "foreign_ids",
    "ids_to_classes",
]

Hemisphere = Literal["left", "right", "midline"]

N_CLASSES = 103
N_CHANNELS = 113
BACKGROUND_CLASS = 102
IGNORE_CLASS = 255

# Subcortical homologues in the FreeSurfer colour table: left id -> right id.
_SUBCORTICAL_PAIRS = {
    2: 41, 4: 43, 5: 44, 7: 46, 8: 47, 10: 49, 11: 50, 12: 51, 13: 52, 17: 53, 18: 54, 26: 58, 28: 60, 30: 62, 31: 63,
}  # fmt: skip
_GROUP_OF_LEFT_ID = {
    2: "white matter",
    4: "ventricles", 5: "ventricles", 14: "ventricles", 15: "ventricles", 31: "ventricles",
    7: "cerebellum", 8: "cerebellum",
    10: "deep grey", 11: "deep grey", 12: "deep grey", 13: "deep grey", 26: "deep grey", 28: "deep grey",
    17: "medial temporal", 18: "medial temporal",
    16: "brain stem",
    24: "other", 30: "other", 85: "other",
    251: "corpus callosum", 252: "corpus callosum", 253: "corpus callosum", 254: "corpus callosum",
    255: "corpus callosum",
}  # fmt: skip


@dataclass(frozen=True)
class Region:
    """One of the 102 regions.

    Attributes
    ----------
    class_index : int
        Class inside the process, 0 to 101.
    logit_channel : int
        Channel among the network's 113 outputs.
    id : int
        FreeSurfer id, as written to disk.
    name : str
        FreeSurfer name.
    hemisphere : {"left", "right", "midline"}
    homologue : int or None
        FreeSurfer id of the same region on the other side.
    group : str
        Cortex, white matter, ventricles, deep grey, medial temporal, cerebellum, brain stem, corpus callosum or other.
    dkt31 : bool
        Whether the region is one of the 62 cortical regions of the DKT31 protocol.
    rgb : tuple of int
        Colour, 0 to 255 each.
    """

    class_index: int
    logit_channel: int
    id: int
    name: str
    hemisphere: Hemisphere
    homologue: int | None
    group: str
    dkt31: bool
    rgb: tuple[int, int, int]


def _region(row: dict[str, str]) -> Region:
    id_ = int(row["freesurfer_id"])
    right_to_left = {right: left for left, right in _SUBCORTICAL_PAIRS.items()}
    cortical = id_ >= 1000
    hemisphere: Hemisphere
    homologue: int | None
    if cortical:
        hemisphere, homologue = ("left", id_ + 1000) if id_ < 2000 else ("right", id_ - 1000)
    elif id_ in _SUBCORTICAL_PAIRS:
        hemisphere, homologue = "left", _SUBCORTICAL_PAIRS[id_]
    elif id_ in right_to_left:
        hemisphere, homologue = "right", right_to_left[id_]
    else:
        hemisphere, homologue = "midline", None
    return Region(
        class_index=int(row["class_index"]),
        logit_channel=int(row["logit_channel"]),
        id=id_,
        name=row["name"],
        hemisphere=hemisphere,
        homologue=homologue,
        group="cortex" if cortical else _GROUP_OF_LEFT_ID[right_to_left.get(id_, id_)],
        dkt31=cortical,
        rgb=(int(row["r"]), int(row["g"]), int(row["b"])),
    )


def _read_table() -> tuple[tuple[Region, ...], npt.NDArray[np.int64]]:
    text = files("darts_ensemble").joinpath("labels.tsv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    regions = tuple(_region(row) for row in rows if int(row["class_index"]) != BACKGROUND_CLASS)
    return regions, np.array([int(row["logit_channel"]) for row in rows], dtype=np.int64)


#: The 102 regions in class order, and the 103 logit channels, of 113, that are kept (background last).
REGIONS, KEPT_CHANNELS = _read_table()
REGION_BY_ID: dict[int, Region] = {region.id: region for region in REGIONS}
#: FreeSurfer ids in class order, (102,) int16.
REGION_IDS: npt.NDArray[np.int16] = np.array([region.id for region in REGIONS], dtype=np.int16)
#: Class of the same region on the other side, (103,) int64; midline regions and background map to themselves.
HOMOLOGUE_CLASS: npt.NDArray[np.int64] = np.array(
    [region.class_index if region.homologue is None else REGION_BY_ID[region.homologue].class_index for region in REGIONS]
    + [BACKGROUND_CLASS],
    dtype=np.int64,
)
#: One class for both regions of a homologous pair, (103,) int64: that of the left, which comes first; others map to themselves.
LEFT_CLASS: npt.NDArray[np.int64] = np.minimum(HOMOLOGUE_CLASS, np.arange(N_CLASSES))

_LARGEST_ID = int(REGION_IDS.max())
_CLASS_OF_ID = np.full(_LARGEST_ID + 1, IGNORE_CLASS, dtype=np.uint8)
_CLASS_OF_ID[REGION_IDS] = np.arange(len(REGIONS), dtype=np.uint8)
_CLASS_OF_ID[0] = BACKGROUND_CLASS
_ID_OF_CLASS = np.zeros(256, dtype=np.int16)
_ID_OF_CLASS[: len(REGIONS)] = REGION_IDS


def ids_to_classes(ids: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Turn FreeSurfer ids into class indices.

    Parameters
    ----------
    ids : array_like of int
        FreeSurfer ids, any shape.

    Returns
    -------
    ndarray of uint8
        Same shape: 0 to 101 for the regions, 102 for id 0, 255 for every other id.
    """
    array = np.asarray(ids)
    known = (array >= 0) & (array <= _LARGEST_ID)
    if known.all():
        return _CLASS_OF_ID[array]
    classes = np.full(array.shape, IGNORE_CLASS, dtype=np.uint8)
    classes[known] = _CLASS_OF_ID[array[known]]
    return classes


def classes_to_ids(classes: npt.ArrayLike) -> npt.NDArray[np.int16]:
    """Turn class indices (0 to 102, or 255) into FreeSurfer ids; background and ignored voxels become 0.

    Raises
    ------
    ValueError
        If a value is neither a class nor 255.
    """
    array = np.asarray(classes)
    bad = (array < 0) | ((array > BACKGROUND_CLASS) & (array != IGNORE_CLASS))
    if bad.any():
        raise ValueError(f"class {int(array[bad].flat[0])} found; expected 0 to {BACKGROUND_CLASS} or {IGNORE_CLASS}")
    return _ID_OF_CLASS[array]


def foreign_ids(ids: npt.ArrayLike) -> dict[int, int]:
    """Count the voxels of each id that is neither 0 nor one of the 102 regions.

    Returns
    -------
    dict of int to int
        FreeSurfer id to number of voxels, ascending by id.
    """
    found, counts = np.unique(np.asarray(ids), return_counts=True)
    return {
        int(id_): int(count) for id_, count in zip(found, counts, strict=True) if int(id_) != 0 and int(id_) not in REGION_BY_ID
    }
