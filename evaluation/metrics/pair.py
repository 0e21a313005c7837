"""A reference and a prediction on one grid, at the voxels that a protocol scores; voxels left out are counted."""

from __future__ import annotations

from dataclasses import dataclass
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

    def volumes(self, into: npt.NDArray[np.int64]) -> tuple[Places, Places]:
        """Return both maps as Fortran-ordered volumes, each position p as `into[p]`; the last of `into` is background."""
        return self._volume(self.reference, into), self._volume(self.prediction, into)

    def _volume(self, places: Places, into: npt.NDArray[np.int64]) -> Places:
        volume = np.full(self.shape, into[-1], dtype=np.uint16, order="F")
        flat(volume)[self.at] = into[places]
        return volume


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
    at = np.flatnonzero((one != 0) | (two != 0))
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
