"""Compare label maps without reading them again: by a checksum of their voxels, and by the centres of their regions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.scans.scan import Scan
from evaluation.protocols.protocol import Protocol

__all__ = ["Fingerprint", "distance_between", "fingerprint_of"]

#: Number of voxels sampled from a label map, and fewest of them for a reliable centre of a region.
_SAMPLE, _FEWEST_VOXELS = 200_000, 10
#: Fewest regions that two maps must share for their centres to be compared.
_FEWEST_REGIONS = 5


@dataclass(frozen=True)
class Fingerprint:
    """A summary of a label map.

    Attributes
    ----------
    voxels : str
        sha256 of shape and labels; the same for two files of one map, however they are compressed.
    centres : list of list of float, or None
        Centre of each region of the protocol in mm (x, y, z), or None if it has too few voxels.
    notes : list of str
        Irregularities of the file, and how it was read.
    """

    voxels: str
    centres: list[list[float] | None]
    notes: list[str]


def fingerprint_of(labels: Scan, foreground: npt.NDArray[np.int64], protocol: Protocol) -> Fingerprint:
    """Return the fingerprint of a label map.

    Parameters
    ----------
    labels : Scan
        FreeSurfer ids, int32, Fortran-ordered.
    foreground : (n,) int64
        Positions in memory that are not 0.
    protocol : Protocol
    """
    ids: npt.NDArray[Any] = labels.data.reshape(-1, order="F")
    digest = hashlib.sha256(json.dumps(list(labels.data.shape)).encode())
    # The foreground is sufficient, and is a tenth of the volume.
    digest.update(np.ascontiguousarray(foreground).tobytes())
    digest.update(np.ascontiguousarray(ids[foreground]).tobytes())
    taken = foreground[:: max(1, -(-foreground.size // _SAMPLE))]
    places = protocol.places(ids[taken])
    inside = places < protocol.n_regions
    voxels = np.stack(np.unravel_index(taken[inside], labels.data.shape, order="F"), axis=-1)
    mm = voxels @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    n = np.bincount(places[inside], minlength=protocol.n_regions)
    sums = np.stack([np.bincount(places[inside], mm[:, axis], protocol.n_regions) for axis in range(3)], axis=-1)
    means = np.round(sums / np.maximum(n, 1)[:, None], 2).tolist()
    centres = [one if count >= _FEWEST_VOXELS else None for one, count in zip(means, n, strict=True)]
    return Fingerprint(digest.hexdigest(), centres, list(labels.notes))


def distance_between(one: Fingerprint, two: Fingerprint) -> float:
    """Return the median distance in mm between the centres of the regions that both have; NaN if they share too few."""
    both = [(a, b) for a, b in zip(one.centres, two.centres, strict=True) if a is not None and b is not None]
    if len(both) < _FEWEST_REGIONS:
        return float("nan")
    first, second = np.array(both).transpose(1, 0, 2)
    return float(np.median(np.linalg.norm(first - second, axis=1)))
