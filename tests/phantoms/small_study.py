"""A small planned study for tests of the rating application: a made-up head, three methods, two readers."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from reader_study.planning.design import read_design
from reader_study.planning.sources import find_sources
from reader_study.study.folder import Links, write_study

METHODS = ("FreeSurfer", "NetworkPlain", "NetworkTuned")
CASE, PRACTICE = "sub-Kowalski", "sub-Rehearsal"
#: Centre (RAS mm) and radius of each region's ball.
BALLS = {11: ((-12, 10, 6), 7), 50: ((12, 10, 6), 7), 1002: ((-7, 24, 20), 6), 2002: ((7, 24, 20), 6), 16: ((0, -22, -26), 8)}
#: Right, anterior, superior: how far (mm) each method moves every ball.
MOVED = {"FreeSurfer": (0, 0, 0), "NetworkPlain": (0, 2, 0), "NetworkTuned": (0, 0, -2)}

DESIGN = f"""\
title: Small study
seed: 7
readers: [anna, ben]
scans: scans
methods: {{FreeSurfer: maps/FreeSurfer, NetworkPlain: maps/NetworkPlain, NetworkTuned: maps/NetworkTuned}}
cases: [{CASE}]
practice: [{PRACTICE}]
practice_items: 2
regions: [Caudate, Cingulate-Gyrus, Brain-Stem]
modes: [rating, ranking]
ranked_share: 0.4
repeats: 0.15
washout: 1
guesses: 3
undo_items: 2
"""


@dataclass(frozen=True)
class SmallStudy:
    """A copy of the study that a test may change.

    Attributes
    ----------
    folder : Path
    tokens : dict of str to str
        Of the readers `anna` and `ben`.
    coordinator : str
    """

    folder: Path
    tokens: dict[str, str]
    coordinator: str


def affine() -> np.ndarray[Any, Any]:
    """Left-inferior-anterior, 1 mm: the axes of a conformed scan."""
    return np.array([[-1.0, 0, 0, 45], [0, 0, 1, -50], [0, -1, 0, 50], [0, 0, 0, 1]])


def head(seed: int) -> nib.Nifti1Image:
    """A bright ellipsoid with noise on a grid of 91 x 101 x 101 voxels."""
    x, y, z = millimetres()
    inside = (x / 38) ** 2 + (y / 44) ** 2 + (z / 42) ** 2 < 1
    noise = np.random.default_rng(seed).normal(0, 6, inside.shape)
    return nib.Nifti1Image(np.clip(np.where(inside, 120 + z + noise, 4), 0, 255).astype(np.uint8), affine())


def millimetres() -> np.ndarray[Any, Any]:
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in (91, 101, 101)), indexing="ij"), axis=-1)
    return np.moveaxis(nib.affines.apply_affine(affine(), voxels), -1, 0)


def label_map(method: str, balls: dict[int, Any] = BALLS) -> nib.Nifti1Image:
    """The balls as a method draws them."""
    place = millimetres()
    ids = np.zeros(place.shape[1:], dtype=np.int16)
    for id_, (centre, radius) in balls.items():
        moved = np.add(centre, MOVED[method])
        ids[sum((place[axis] - moved[axis]) ** 2 for axis in range(3)) <= radius**2] = id_
    return nib.Nifti1Image(ids, affine())


def lay_out(folder: Path, design: str = DESIGN) -> Path:
    """Write scans, label maps and `study.yaml`; return the path of the latter."""
    (folder / "scans").mkdir(parents=True)
    for number, case in enumerate((CASE, PRACTICE)):
        nib.save(head(number), folder / "scans" / f"{case}.nii.gz")
        for method in METHODS:
            (folder / "maps" / method).mkdir(parents=True, exist_ok=True)
            nib.save(label_map(method), folder / "maps" / method / f"{case}.nii.gz")
    path = folder / "study.yaml"
    path.write_text(design, encoding="utf-8")
    return path


@cache
def _planned() -> Links:
    root = Path(tempfile.mkdtemp(prefix="small-study-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    design = read_design(lay_out(root / "sources"))
    return write_study(design, find_sources(design), root / "study", source_text=DESIGN)


def small_study(folder: Path) -> SmallStudy:
    """Copy the study, planned once, to a folder that must be new."""
    links = _planned()
    shutil.copytree(links.folder, folder)
    return SmallStudy(folder, dict(links.readers), links.coordinator)
