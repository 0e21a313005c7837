"""Probability maps on disk: chosen regions, or the most probable regions of each voxel, on the scan's grid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import UsageError
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGION_BY_ID, REGIONS, classes_to_ids
from darts_ensemble.results.outputs import Targets, write_json
from darts_ensemble.scans.conform import Conformed
from darts_ensemble.scans.native import probabilities_to_native
from darts_ensemble.scans.scan import write_series

__all__ = ["PROBABILITY_TYPES", "Wanted", "parse_wanted", "write_probabilities"]

#: Types on disk; NIfTI has no float16, and integer types have a slope that scales them to 0..1.
PROBABILITY_TYPES: dict[str, Any] = {"float32": np.float32, "uint8": np.uint8, "uint16": np.uint16}


@dataclass(frozen=True)
class Wanted:
    """Which probabilities to keep: those of some classes (then `top` is 0), or the `top` largest of each voxel."""

    classes: tuple[int, ...]
    top: int = 0


def parse_wanted(text: str) -> Wanted:
    """Read "all", "top3" or comma-separated FreeSurfer ids and names.

    Raises
    ------
    UsageError
        If an id or name is not one of the 102 regions.
    """
    if text == "all":
        return Wanted(tuple(range(N_CLASSES)))
    if match := re.fullmatch(r"top(\d+)", text):
        if not 1 <= int(match[1]) <= 10:
            raise UsageError(f"{text}: expected top1 to top10")
        return Wanted((), int(match[1]))
    by_name = {region.name.lower(): region for region in REGIONS}
    classes = []
    for part in (part.strip() for part in text.split(",")):
        region = REGION_BY_ID.get(int(part)) if part.isdecimal() else by_name.get(part.lower())
        if region is None:
            raise UsageError(
                f"{part or text}: no such region; expected all, top3, or ids and names such as 17,Right-Hippocampus"
            )
        classes.append(region.class_index)
    return Wanted(tuple(classes))


def write_probabilities(
    probabilities: npt.NDArray[Any],
    origin: npt.ArrayLike,
    conformed: Conformed,
    wanted: Wanted,
    kind: str,
    paths: Targets,
    about: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a 4-D NIfTI on the scan's grid with a JSON file that names its volumes; return the paths of the images.

    For the most probable regions, two files are written: their ids and their probabilities.

    Parameters
    ----------
    probabilities : (a, b, c, 103) ndarray
        In a box of the conformed volume.
    origin : (3,) ints
        First voxel of the box.
    conformed : Conformed
    wanted : Wanted
    kind : str
        A key of :data:`PROBABILITY_TYPES`.
    paths : Targets
        Its `probabilities`, or `top_ids` and `top_probabilities`, are used.
    about : mapping, optional
        Further content of the JSON file.
    """
    shape = conformed.scan.data.shape
    dtype = PROBABILITY_TYPES[kind]
    slope = 1.0 if dtype is np.float32 else 1 / np.iinfo(dtype).max
    if not wanted.top:
        native = (
            _encode(probabilities_to_native(probabilities, origin, conformed, [one])[..., 0], dtype) for one in wanted.classes
        )
        write_series(native, len(wanted.classes), conformed.scan, paths.probabilities, dtype=dtype, slope=slope)
        names = [REGIONS[one].name if one < BACKGROUND_CLASS else "Background" for one in wanted.classes]
        labels = {"LabelMap": names, "FreeSurferIds": classes_to_ids(wanted.classes).tolist()}
        _describe(paths.probabilities, {**(about or {}), **labels})
        return [paths.probabilities]
    value = np.zeros((*shape, wanted.top), dtype=np.float32)
    best = np.full((*shape, wanted.top), BACKGROUND_CLASS, dtype=np.uint8)
    for one in range(N_CLASSES):
        if one != BACKGROUND_CLASS and not probabilities[..., one].any():
            continue
        new = probabilities_to_native(probabilities, origin, conformed, [one])[..., 0]
        who = np.full(shape, one, dtype=np.uint8)
        for rank in range(wanted.top):
            higher = new > value[..., rank]
            value[higher, rank], new[higher] = new[higher], value[higher, rank]
            best[higher, rank], who[higher] = who[higher], best[higher, rank]
    ranks = range(wanted.top)
    write_series((classes_to_ids(best[..., rank]) for rank in ranks), wanted.top, conformed.scan, paths.top_ids, dtype=np.int16)
    stored = (_encode(value[..., rank], dtype) for rank in ranks)
    write_series(stored, wanted.top, conformed.scan, paths.top_probabilities, dtype=dtype, slope=slope)
    ranked = {**(about or {}), "Order": "most probable first"}
    _describe(paths.top_probabilities, {**ranked, "Ids": paths.top_ids.name})
    if about:
        _describe(paths.top_ids, {**ranked, "Probabilities": paths.top_probabilities.name})
    return [paths.top_ids, paths.top_probabilities]


def _encode(values: npt.NDArray[np.float32], dtype: Any) -> npt.NDArray[Any]:
    if dtype is np.float32:
        return values
    return np.rint(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def _describe(path: Path, content: dict[str, Any]) -> None:
    write_json(path.with_name(path.name.removesuffix(".nii.gz") + ".json"), content)
