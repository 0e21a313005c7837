"""Training subjects on disk: conformed once into a memory-mapped cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import CohortError, ScanError
from darts_ensemble.labels import BACKGROUND_CLASS, ids_to_classes
from darts_ensemble.scans.conform import CONFORMING, conform, conform_labels
from darts_ensemble.scans.scan import file_checksum, read_label_map, read_mask, read_scan, voxel_checksum
from darts_ensemble.training.subjects import LabelledSubject

__all__ = ["CachedSubject", "cache_subject", "cache_subjects", "equal_scans"]

#: Of the brain that its labels mark, the least share that a scan must show; less means that the two don't belong together.
LEAST_COVERED = 0.5


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
        Brain mask, if the subject has one and its scan shows the whole head.
    checksum : str
        Checksum of the voxels of the scan as stored.
    """

    id: str
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_] | None
    checksum: str


def cache_subjects(
    subjects: Sequence[LabelledSubject], cache: Path, report: Callable[[str], None] = lambda subject: None
) -> list[CachedSubject]:
    """Conform each subject once into `cache` (35 to 52 MB per subject) and open it memory-mapped.

    Raises
    ------
    ScanError
        As for :func:`cache_subject`.
    """
    cached = []
    for subject in subjects:
        cached.append(cache_subject(subject, cache))
        report(subject.id)
    return cached


def equal_scans(training: Sequence[CachedSubject], validation: Sequence[CachedSubject]) -> list[str]:
    """Return a line for each set of subjects whose scans have equal voxels: one person under several names.

    Raises
    ------
    CohortError
        If a subject to train on and one to validate on have equal voxels.
    """
    names: dict[str, list[str]] = {}
    for one in (*training, *validation):
        names.setdefault(one.checksum, []).append(one.id)
    held = {one.checksum: one.id for one in validation}
    for one in training:
        if one.checksum in held:
            raise CohortError(
                f"the scans of {one.id} (training) and {held[one.checksum]} (validation) have equal voxels; expected different "
                "people: leave one out, or give both one family in a TSV"
            )
    return [
        f"the scans of {', '.join(same)} have equal voxels: one person under several names"
        for same in names.values()
        if len(same) > 1
    ]


def cache_subject(subject: LabelledSubject, cache: Path) -> CachedSubject:
    """Conform one subject, unless it was done before from the same bytes in the same way.

    Raises
    ------
    ScanError
        If a file can't be read, the labels hold fewer than two of the 102 regions, or do not lie on the scan's brain.
    """
    files = [path for path in (subject.scan, subject.labels, subject.mask) if path is not None]
    made_of = [CONFORMING, subject.mask is not None, *(file_checksum(path) for path in files)]
    key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    target = cache / f"{subject.id}-{key}"
    if not (target / "subject.json").is_file():
        _write(subject, target)
    facts = json.loads((target / "subject.json").read_text(encoding="utf-8"))
    mask = target / "mask.npy"
    return CachedSubject(
        id=subject.id,
        image=np.load(target / "image.npy", mmap_mode="r"),
        labels=np.load(target / "labels.npy", mmap_mode="r"),
        mask=np.load(mask, mmap_mode="r") if mask.is_file() else None,
        checksum=facts["checksum"],
    )


def _write(subject: LabelledSubject, target: Path) -> None:
    scan = read_scan(subject.scan)
    conformed = conform(scan)
    ids = conform_labels(read_label_map(subject.labels), conformed)
    labels = ids_to_classes(ids)
    labelled = labels < BACKGROUND_CLASS
    if len(np.unique(labels[labelled])) < 2:
        raise ScanError(f"{subject.labels}: {_too_few(ids)}; expected FreeSurfer ids, as in aparc.DKTatlas+aseg.mgz")
    if np.count_nonzero(conformed.data[labelled]) < LEAST_COVERED * np.count_nonzero(labelled):
        raise ScanError(
            f"{subject.labels}: its brain is where {subject.scan} is empty; expected labels of this scan, in its space"
        )
    # Written under another name and renamed: several processes may fill one cache at the same time.
    work = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    work.mkdir(parents=True, exist_ok=True)
    try:
        np.save(work / "image.npy", np.clip(np.rint(conformed.data), 0, 255).astype(np.uint8))
        np.save(work / "labels.npy", labels)
        if subject.mask is not None:
            np.save(work / "mask.npy", conform_labels(read_mask(subject.mask), conformed) > 0)
        (work / "subject.json").write_text(json.dumps({"checksum": voxel_checksum(scan.data)}), encoding="utf-8")
        if not target.exists():
            os.replace(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _too_few(ids: npt.NDArray[Any]) -> str:
    """What a map of fewer than two regions holds."""
    values = [int(value) for value in np.unique(ids)]
    if len(values) == 2 and values[0] == 0:
        return f"only the values 0 and {values[1]} found, a mask of one structure and not a label map"
    return "fewer than two of the 102 regions found"
