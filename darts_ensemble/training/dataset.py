"""Training subjects: found in a SUBJECTS_DIR, conformed once into a memory-mapped cache, served as slices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from darts_ensemble.checkpoints import voxel_checksum
from darts_ensemble.conform import conform, conform_labels
from darts_ensemble.errors import CohortError, ScanError
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, ids_to_classes
from darts_ensemble.scan import find_scan_in_subject, read_label_map, read_scan
from darts_ensemble.views import SLICE_AXIS, normalise_slices, take_slices, volume_scale

__all__ = ["CachedSubject", "SlicePool", "cache_subjects", "find_subjects"]

LABEL_FILES = ("aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz")
#: A slice with fewer labelled voxels than this teaches next to nothing.
FEWEST_LABELLED_VOXELS = 50


@dataclass(frozen=True)
class CachedSubject:
    """A conformed subject on disk.

    Attributes
    ----------
    id : str
    image : memmap of uint8, (n, n, n), LIA, 1 mm
    labels : memmap of uint8, (n, n, n)
        Class indices; 255 is ignored in the loss.
    mask : memmap of bool, (n, n, n), or None
        Brain mask where the subject has one and its scan is of the whole head.
    scale : float
        Of :func:`darts_ensemble.views.volume_scale`.
    checksum : str
        Of the voxels of the scan as stored.
    """

    id: str
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_] | None
    scale: float
    checksum: str


def find_subjects(subjects_dir: Path, only: Sequence[str] = ()) -> list[Path]:
    """Return the folders of a SUBJECTS_DIR that hold a scan and a label map, by name.

    Raises
    ------
    CohortError
        If a subject asked for is missing, or none is found.
    """
    found = {
        path.name: path
        for path in sorted(subjects_dir.iterdir() if subjects_dir.is_dir() else [])
        if any((path / "mri" / name).is_file() for name in LABEL_FILES)
    }
    missing = [name for name in only if name not in found]
    if missing or not found:
        what = f"no labelled subject {', '.join(missing)}" if missing else "no subject with a label map"
        raise CohortError(
            f"{subjects_dir}: {what} found; expected <subject>/mri/ with one of {', '.join(LABEL_FILES)} beside the scan"
        )
    return [found[name] for name in (only or found)]


def cache_subjects(folders: Sequence[Path], cache: Path) -> list[CachedSubject]:
    """Conform each subject once into `cache` (about 35 MB a subject) and open it memory-mapped."""
    cache.mkdir(parents=True, exist_ok=True)
    return [_cache_subject(folder, cache) for folder in folders]


def _cache_subject(folder: Path, cache: Path) -> CachedSubject:
    scan_path = find_scan_in_subject(folder)
    label_path = next(folder / "mri" / name for name in LABEL_FILES if (folder / "mri" / name).is_file())
    stamp = [[str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns] for p in (scan_path, label_path)]
    key = hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:16]
    target = cache / f"{folder.name}-{key}"
    if not (target / "subject.json").is_file():
        _write_cache(scan_path, label_path, folder / "mri" / "brainmask.mgz", target)
    facts = json.loads((target / "subject.json").read_text())
    mask_path = target / "mask.npy"
    return CachedSubject(
        id=folder.name,
        image=np.load(target / "image.npy", mmap_mode="r"),
        labels=np.load(target / "labels.npy", mmap_mode="r"),
        mask=np.load(mask_path, mmap_mode="r") if mask_path.is_file() else None,
        scale=facts["scale"],
        checksum=facts["checksum"],
    )


def _write_cache(scan_path: Path, label_path: Path, mask_path: Path, target: Path) -> None:
    scan = read_scan(scan_path)
    conformed = conform(scan)
    labels = ids_to_classes(conform_labels(read_label_map(label_path), conformed))
    if len(np.unique(labels[labels < BACKGROUND_CLASS])) < 2:
        raise ScanError(f"{label_path}: fewer than two of the 102 regions found; expected FreeSurfer ids")
    target.mkdir(parents=True, exist_ok=True)
    image = np.clip(np.rint(conformed.data), 0, 255).astype(np.uint8)
    np.save(target / "image.npy", image)
    np.save(target / "labels.npy", labels)
    if mask_path.is_file() and mask_path != scan_path:
        np.save(target / "mask.npy", conform_labels(read_scan(mask_path), conformed) > 0)
    facts = {"scale": volume_scale(image), "checksum": voxel_checksum(scan.data)}
    # Written last: a cache without it is incomplete and made again.
    (target / "subject.json").write_text(json.dumps(facts))


class SlicePool:
    """The labelled slices of one view of some subjects, drawn as crops.

    Parameters
    ----------
    subjects : sequence of CachedSubject
    view : {"coronal", "axial", "sagittal"}
    crop : (rows, columns)
        Multiples of 16.
    normalisation : str
        See :func:`darts_ensemble.views.normalise_slices`.
    """

    def __init__(self, subjects: Sequence[CachedSubject], view: str, crop: tuple[int, int], normalisation: str) -> None:
        self.subjects = subjects
        self.view = view
        self.crop = crop
        self.normalisation = normalisation
        axes = tuple(axis for axis in range(3) if axis != SLICE_AXIS[view])
        self._boxes: list[npt.NDArray[np.int64]] = []
        self._index: list[tuple[int, int]] = []
        for number, subject in enumerate(subjects):
            labelled = np.asarray(subject.labels) < BACKGROUND_CLASS
            self._boxes.append(np.stack([[w.min(), w.max() + 1] for w in np.nonzero(labelled.any(SLICE_AXIS[view]))]))
            counts = labelled.sum(axis=axes)
            self._index += [(number, int(k)) for k in np.flatnonzero(counts > FEWEST_LABELLED_VOXELS)]

    def __len__(self) -> int:
        return len(self._index)

    def draw(
        self,
        rng: np.random.Generator,
        augment: Callable[..., tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]],
        elsewhere: float = 0.2,
        stripped: float = 0.35,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Draw one augmented crop: image (rows, columns) float32 and class indices uint8.

        Parameters
        ----------
        rng : numpy.random.Generator
        augment : callable
            From (image, labels, row, column, crop, rng), on the whole slice, to the augmented crop.
        elsewhere : float
            Share of crops placed anywhere in the slice instead of around the brain.
        stripped : float
            Share of whole-head slices shown without skull, where the subject has a brain mask.
        """
        number, k = self._index[int(rng.integers(len(self._index)))]
        subject = self.subjects[number]
        image = take_slices(subject.image, self.view, slice(k, k + 1)).astype(np.float32)
        labels = np.asarray(take_slices(subject.labels, self.view, slice(k, k + 1))[0])
        if subject.mask is not None and rng.random() < stripped:
            image = image * take_slices(subject.mask, self.view, slice(k, k + 1))
        image = normalise_slices(image, self.normalisation, subject.scale)[0]
        corner = []
        for axis in range(2):
            low, high = self._boxes[number][axis]
            size, limit = self.crop[axis], labels.shape[axis] - self.crop[axis]
            if rng.random() < elsewhere:
                start = rng.integers(0, limit + 1)
            else:
                ends = sorted((low - 12, high + 12 - size))
                start = rng.integers(ends[0], ends[1] + 1)
            corner.append(int(np.clip(start, 0, limit)))
        return augment(image, labels, corner[0], corner[1], self.crop, rng)

    def class_counts(self) -> npt.NDArray[np.int64]:
        """Voxels of each class over all subjects, (103,); ignored voxels are left out."""
        counts = np.zeros(IGNORE_CLASS + 1, dtype=np.int64)
        for subject in self.subjects:
            counts += np.bincount(np.asarray(subject.labels).ravel(order="K"), minlength=IGNORE_CLASS + 1)
        return counts[: BACKGROUND_CLASS + 1]
