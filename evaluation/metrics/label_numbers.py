"""Whether the values of a label map are class numbers, or ids that have lost their upper bits.

Both are faults of files: the regions are in the right place, but have other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.grids import Reference, are_consecutive, flat
from evaluation.protocols.protocol import Protocol

__all__ = ["OtherNumbers", "other_numbers"]

#: Fewest regions for which another numbering must fit, and its smallest mean Dice.
_FEWEST_REGIONS, _SMALLEST_DICE = 5, 0.3


@dataclass(frozen=True)
class OtherNumbers:
    """An interpretation of a label map's numbers with which it fits the reference.

    Attributes
    ----------
    words : str
        What the numbers probably are.
    dice, as_it_is : float
        Mean Dice over the reference's regions with that interpretation, and as FreeSurfer ids.
    """

    words: str
    dice: float
    as_it_is: float


def other_numbers(
    reference: Reference, prediction: npt.NDArray[Any], at: npt.NDArray[Any], taken: npt.NDArray[np.int64], protocol: Protocol,
    scale: float,
) -> OtherNumbers | None:  # fmt: skip
    """Look for an interpretation of a prediction's numbers that fits the reference better than FreeSurfer ids.

    Parameters
    ----------
    reference : Reference
    prediction : (m,) ndarray of int
        Its ids that are not 0, on its own grid.
    at : (n,) ndarray of int
        Its ids at a sample of the reference's foreground.
    taken : (n,) int64
        Positions of that sample in the reference, at equal steps through its foreground.
    protocol : Protocol
    scale : float
        Volume of a voxel of the prediction divided by that of the reference.

    Notes
    -----
    An interpretation is tried by the Dice of each pair of a number and a region. If ids are stored in 8 bits, they become ids
    modulo 256, ids cut off at 255, or negative ones. Class numbers and the numbers of another table are found by giving each
    region the number that most of it has.
    """
    ids = flat(reference.labels.data)
    n = protocol.n_regions
    sizes = np.bincount(protocol.places(ids[reference.foreground]), minlength=n + 3)[:n]
    values, value_sizes = np.unique(prediction, return_counts=True)
    if np.count_nonzero(sizes) < _FEWEST_REGIONS or not values.size:
        return None
    places, at = protocol.places(ids[taken]).astype(np.int64), np.asarray(at)
    inside = (places < n) & (at != 0)
    pairs = places[inside] * values.size + np.searchsorted(values, at[inside])
    joint = np.bincount(pairs, minlength=n * values.size).reshape(n, values.size) * (reference.foreground.size / taken.size)
    dice = 2 * joint / np.maximum(sizes[:, None] + value_sizes[None, :] * scale, 1)
    there = [int(place) for place in np.flatnonzero(sizes)]
    column = {int(value): place for place, value in enumerate(values)}

    def fit(number_of: dict[int, int]) -> float:
        """Return the mean Dice over the reference's regions and their numbers; regions with one number count as one."""
        sharing: dict[int, list[int]] = {}
        for place in there:
            sharing.setdefault(number_of[place], []).append(place)
        scores = []
        for number, several in sharing.items():
            at_ = column.get(number)
            total = 0 if at_ is None else sizes[several].sum() + value_sizes[at_] * scale
            scores += [0.0 if at_ is None else float(2 * joint[several, at_].sum() / total)] * len(several)
        return float(np.mean(scores))

    own = {place: region.ids[0] for place, region in enumerate(protocol.regions)}
    as_it_is = max(fit(own), _mean_of_merged(dice, values, there, protocol))
    readings = []
    if values.max() <= 255:
        readings.append(
            ("FreeSurfer ids modulo 256, as saving them in 8 bits leaves them", {p: i % 256 for p, i in own.items()})
        )
        readings.append(
            ("FreeSurfer ids cut off at 255, as saving them in 8 bits leaves them", {p: min(i, 255) for p, i in own.items()})
        )
        readings.append(
            (
                "FreeSurfer ids above 127 turned negative, as saving them in signed 8 bits leaves them",
                {p: (i + 128) % 256 - 128 for p, i in own.items()},
            )
        )
    best = {place: int(values[dice[place].argmax()]) for place in there}
    consecutive = [
        name for name, found in (("its", values), ("the reference's", np.unique(ids[taken]))) if are_consecutive(found)
    ]
    if consecutive and len(set(best.values())) > len(best) / 2:
        range_ = f"{int(values.min())} to {int(values.max())}" if consecutive[0] == "its" else "without gaps"
        readings.append((f"consecutive class numbers: {consecutive[0]} values are {range_}, not FreeSurfer ids", best))
    elif _are_foreign(best, protocol):
        place = max(there, key=lambda one: sizes[one])
        words = f"numbers of another table: {best[place]} where the reference has {own[place]} ({protocol.regions[place].name})"
        readings.append((words, best))
    found = [OtherNumbers(words, fit(number_of), as_it_is) for words, number_of in readings]
    found = [one for one in found if one.dice >= _SMALLEST_DICE and one.dice > as_it_is]
    return max(found, key=lambda one: one.dice, default=None)


def _are_foreign(numbers: dict[int, int], protocol: Protocol) -> bool:
    """Whether most regions lie under numbers of their own that are no ids of the protocol."""
    ids = {id_ for region in protocol.regions for id_ in region.ids}
    foreign = set(numbers.values()) - ids
    return len(foreign) > len(numbers) / 2


def _mean_of_merged(dice: npt.NDArray[Any], values: npt.NDArray[Any], there: list[int], protocol: Protocol) -> float:
    """Return the mean Dice as FreeSurfer ids, of which a region may have several."""
    scores = []
    for place in there:
        columns = np.flatnonzero(np.isin(values, protocol.regions[place].ids))
        scores.append(float(dice[place, columns].sum()))
    return float(np.mean(scores))
