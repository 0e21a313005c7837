"""A reference and a prediction on one grid, at the voxels that a protocol scores; voxels left out are counted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.grids import Reference, flat
from evaluation.protocols.protocol import Outside, Protocol

__all__ = ["Pair", "bring_together"]

Places = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Pair:
    """Two label maps as positions of a protocol's regions; background comes after the last.

    Attributes
    ----------
    reference, prediction : (n,) uint16
        At the scored voxels; voxels that are background in both files are left out.
    at : (n,) int64
        Their positions in the volume in memory order (Fortran order).
    shape : tuple of int
        Shape of the volume.
    masked : dict of int to int
        Reference ids outside the protocol to number of voxels, which were removed from both maps.
    as_background : dict of int to int
        Reference ids that the protocol doesn't name to number of voxels, which count as background.
    dropped : dict of int to int
        Prediction ids outside the protocol to number of voxels, which count as background.
    """

    reference: Places
    prediction: Places
    at: npt.NDArray[np.int64]
    shape: tuple[int, ...]
    masked: dict[int, int]
    as_background: dict[int, int]
    dropped: dict[int, int]

    def volumes(self, numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the part of both maps that holds the scored voxels, Fortran-ordered; each position p as `numbers[p]`.

        Voxels that are not scored have the number 0, and so must background, the last.
        """
        return self._volume(self.reference, numbers), self._volume(self.prediction, numbers)

    def _volume(self, places: Places, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        shape, at = self._box
        volume = np.zeros(shape, dtype=np.min_scalar_type(numbers.max()), order="F")
        flat(volume)[at] = numbers.astype(volume.dtype)[places]
        return volume

    @cached_property
    def _box(self) -> tuple[tuple[int, ...], npt.NDArray[np.int64]]:
        """Shape of the smallest box that holds the scored voxels, and their positions in it in memory order."""
        if not self.at.size:
            return (1,) * len(self.shape), self.at
        along = np.unravel_index(self.at, self.shape, order="F")
        first = [int(one.min()) for one in along]
        shape = tuple(int(one.max()) + 1 - low for one, low in zip(along, first, strict=True))
        steps = np.cumprod([1, *shape[:-1]])
        return shape, np.sum([(one - low) * step for one, low, step in zip(along, first, steps, strict=True)], axis=0)


def bring_together(
    reference: Reference, prediction: npt.NDArray[Any], protocol: Protocol, *, outside: Outside = "mask"
) -> Pair:
    """Bring a reference and a prediction on its grid to a protocol.

    Voxels with a reference id that the protocol masks, or does not name if `outside` is "mask", are removed from both maps,
    because the reference doesn't show which region they belong to. With "background", ids that the protocol does not name are
    background. Ids of a prediction that are not regions are background.

    Parameters
    ----------
    reference : Reference
    prediction : ndarray of int
        FreeSurfer ids, with the shape of the reference.
    protocol : Protocol
    outside : {"mask", "background"}

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if prediction.shape != reference.labels.data.shape:
        raise ValueError(f"shapes {reference.labels.data.shape} and {prediction.shape}; expected a prediction on its grid")
    one, two = flat(reference.labels.data), flat(prediction)
    labelled = two != 0
    labelled[reference.foreground] = True
    at = np.flatnonzero(labelled)
    one, two = one[at], two[at]
    in_reference, in_prediction = protocol.places(one), protocol.places(two)
    unnamed = in_reference == protocol.outside_place
    masked = (in_reference == protocol.masked_place) | (unnamed if outside == "mask" else False)
    foreign = in_prediction > protocol.background_place
    places = [np.minimum(each[~masked], protocol.background_place) for each in (in_reference, in_prediction)]
    return Pair(
        reference=places[0],
        prediction=places[1],
        at=at[~masked],
        shape=prediction.shape,
        masked=_counted(one[masked]),
        as_background=_counted(one[unnamed & ~masked]),
        dropped=_counted(two[foreign]),
    )


def _counted(ids: npt.NDArray[Any]) -> dict[int, int]:
    found, counts = np.unique(ids, return_counts=True)
    return {int(id_): int(count) for id_, count in zip(found, counts, strict=True)}
