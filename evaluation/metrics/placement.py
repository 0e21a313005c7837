"""Check that a prediction is where its reference is, with the same numbers: not exchanged, shifted or almost disjoint.

These are faults of files, not of a method. They are found by testing, on a sample of the reference's voxels, whether another
placement fits clearly better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt

from darts_ensemble.scans.scan import Scan
from evaluation.metrics.grids import Reference, flat, region_voxels
from evaluation.metrics.label_numbers import other_numbers
from evaluation.protocols.protocol import Protocol

__all__ = ["Fault", "FaultKind", "find_fault"]

FaultKind = Literal[
    "left and right exchanged", "origin shifted", "another affine", "other label numbers", "another subject",
    "overlap near zero", "the reference itself", "one value everywhere",
]  # fmt: skip
Points = npt.NDArray[np.float64]

#: A fault is suspected if another placement is better by this mean Dice; in real pairs, any other gains less than 0.01.
CLEARLY = 0.1
#: Below this mean Dice, over at least this number of regions, two maps are hardly of the same brain in the same place.
NEAR_ZERO, FEWEST_REGIONS = 0.05, 5
#: If less than this share of the smaller brain is inside the other, they are not the same head in the same place.
SMALLEST_OVERLAP = 0.1
#: Number of voxels sampled from the reference.
_SAMPLE = 200_000
#: With fewer sampled voxels, the centre of a region is not reliable.
_FEWEST_VOXELS = 10


@dataclass(frozen=True)
class Fault:
    """Why a pair is suspected.

    Attributes
    ----------
    kind : str
        See :data:`FaultKind`.
    detail : str
        What was found, with numbers.
    """

    kind: FaultKind
    detail: str


@dataclass(frozen=True)
class _Sample:
    """A sample of a map's foreground voxels: positions in memory, (n, 3) indices and mm, regions; sizes of all regions."""

    step: int
    taken: npt.NDArray[np.int64]
    voxels: Points
    mm: Points
    places: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    n_foreground: int


def find_fault(
    reference: Reference, prediction: Scan, protocol: Protocol, foreground: npt.NDArray[np.int64] | None = None
) -> Fault | None:
    """Look for signs that a prediction is not where its reference is.

    Parameters
    ----------
    reference : Reference
    prediction : Scan
        On its own grid.
    protocol : Protocol
    foreground : (n,) int64, optional
        Positions in :func:`flat` data of the prediction that are not 0, if they are known.

    Returns
    -------
    Fault or None
        None also for an empty prediction.

    Notes
    -----
    The following are compared by the mean Dice over the regions that both maps have: the prediction placed by its affine; with
    homologous labels exchanged; moved by the median distance between the centres of its regions and the reference's; and, if
    the shapes agree but the affines differ, voxel by voxel.
    """
    one = _sample(reference.labels, reference.foreground, protocol)
    foreground = np.flatnonzero(flat(prediction.data) != 0) if foreground is None else foreground
    two = _sample(prediction, foreground, protocol)
    if not two.n_foreground:
        return None
    first = int(flat(prediction.data)[0])
    if two.n_foreground == prediction.data.size and bool((prediction.data == first).all()):
        return Fault("one value everywhere", f"every voxel is {first}")
    scale = float(abs(np.linalg.det(prediction.affine[:3, :3]) / np.linalg.det(reference.labels.affine[:3, :3])))
    sizes = two.sizes * scale

    def fit(ids: npt.NDArray[Any], exchange: bool = False) -> float:
        return _mean_dice(one, protocol.places(ids).astype(np.int64), sizes, protocol.homologue_places if exchange else None)

    placed = _ids_at(prediction, one.mm)
    as_it_is = fit(placed)
    found: list[tuple[float, Fault]] = []

    def offer(value: float, kind: FaultKind, otherwise: str, more: str = "") -> None:
        if value > as_it_is + CLEARLY:
            found.append((value, Fault(kind, f"mean Dice {as_it_is:.2f}, {otherwise} {value:.2f}{more}")))

    offer(fit(placed, exchange=True), "left and right exchanged", "with left and right labels exchanged")
    shift = _shift(one, two)
    if np.linalg.norm(shift) >= np.linalg.norm(reference.labels.affine[:3, :3], axis=0).min():
        text = ", ".join(f"{value:+.1f}" for value in shift)
        offer(fit(_ids_at(prediction, one.mm + shift)), "origin shifted", f"moved by ({text}) mm")
    turned = not np.allclose(prediction.affine[:3, :3], reference.labels.affine[:3, :3], atol=1e-3)
    if turned and prediction.data.shape == reference.labels.data.shape:
        codes = ["".join(nib.aff2axcodes(affine)) for affine in (reference.labels.affine, prediction.affine)]
        axes = f": the reference's axes are {codes[0]}, the prediction's {codes[1]}"
        offer(fit(_ids_at_voxels(prediction.data, one.voxels)), "another affine", "voxel by voxel", axes)
    numbers = other_numbers(reference, flat(prediction.data)[foreground], placed, one.taken, protocol, scale)
    best = max([as_it_is if numbers is None else numbers.as_it_is, *(value for value, _ in found)])
    if numbers is not None and numbers.dice > best + CLEARLY:
        words = f"{numbers.words}: mean Dice {numbers.as_it_is:.2f}, read so {numbers.dice:.2f}"
        return Fault("other label numbers", words)
    if found:
        return max(found, key=lambda pair: pair[0])[1]
    return _near_zero(one, two, placed, as_it_is, scale, protocol)


def _near_zero(
    one: _Sample, two: _Sample, placed: npt.NDArray[Any], as_it_is: float, scale: float, protocol: Protocol
) -> Fault | None:
    inside = np.count_nonzero(placed) * one.step
    smaller = min(one.n_foreground, two.n_foreground * scale)
    if inside < SMALLEST_OVERLAP * smaller:
        return Fault("overlap near zero", f"{100 * inside / smaller:.0f} % of the smaller brain lies in the other")
    n_both = np.count_nonzero((one.sizes > 0) & (two.sizes > 0))
    if as_it_is < NEAR_ZERO and n_both >= FEWEST_REGIONS:
        return Fault("overlap near zero", f"mean Dice {as_it_is:.3f} over {n_both} regions")
    return None


def _sample(labels: Scan, foreground: npt.NDArray[np.int64], protocol: Protocol) -> _Sample:
    step = max(1, -(-foreground.size // _SAMPLE))
    taken = foreground[::step]
    voxels = np.stack(np.unravel_index(taken, labels.data.shape, order="F"), axis=-1).astype(np.float64)
    ids = flat(labels.data)
    return _Sample(
        step=step,
        taken=taken,
        voxels=voxels,
        mm=voxels @ labels.affine[:3, :3].T + labels.affine[:3, 3],
        places=protocol.places(ids[taken]).astype(np.int64),
        sizes=region_voxels(ids[foreground], protocol),
        n_foreground=foreground.size,
    )


def _ids_at(labels: Scan, mm: Points) -> npt.NDArray[Any]:
    """Return the ids of a map at points in mm, from the nearest voxel; 0 outside."""
    inverse = np.linalg.inv(labels.affine)
    return _ids_at_voxels(labels.data, mm @ inverse[:3, :3].T + inverse[:3, 3])


def _ids_at_voxels(data: npt.NDArray[Any], voxels: Points) -> npt.NDArray[Any]:
    nearest = np.rint(voxels).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < data.shape)).all(axis=1)
    ids = np.zeros(len(nearest), dtype=data.dtype)
    ids[inside] = data[tuple(nearest[inside].T)]
    return ids


def _mean_dice(
    reference: _Sample, places: npt.NDArray[np.int64], sizes: npt.NDArray[Any], exchange: npt.NDArray[np.int64] | None
) -> float:
    """Return the mean Dice over the regions that both maps have, optionally with each label replaced by its homologue."""
    n = len(sizes)
    if exchange is not None:
        places = np.append(exchange, [n, n, n])[places]
        sizes = sizes[exchange]
    agree = reference.places[(reference.places == places) & (places < n)]
    shared = np.bincount(agree, minlength=n) * reference.step
    both = (reference.sizes > 0) & (sizes > 0)
    # A sample can suggest more voxels of a small region than there are.
    dice = np.minimum(1.0, 2 * shared[both] / (reference.sizes[both] + sizes[both]))
    return float(dice.mean()) if both.any() else 0.0


def _shift(one: _Sample, two: _Sample) -> Points:
    """Return the median, over regions, of the shift in mm from the reference's centre to the prediction's; 0 for few regions.

    A single region that a method misplaces always fits better elsewhere: this is no sign of a shifted origin.
    """
    n = len(one.sizes)
    centres, counts = [], []
    for sample in (one, two):
        of_region = sample.places < n
        places = sample.places[of_region]
        count = np.bincount(places, minlength=n)
        sums = [np.bincount(places, sample.mm[of_region, axis], minlength=n) for axis in range(3)]
        centres.append(np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None])
        counts.append(count)
    both = (counts[0] >= _FEWEST_VOXELS) & (counts[1] >= _FEWEST_VOXELS)
    if np.count_nonzero(both) < FEWEST_REGIONS:
        return np.zeros(3)
    shift: Points = np.median(centres[1][both] - centres[0][both], axis=0)
    return shift
