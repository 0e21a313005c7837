"""Recognise the protocol of a label map from its labels: DKT, Desikan, aseg or the cortex alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS

__all__ = ["DESIKAN_ONLY", "Parcellation", "parcellation_of"]

Cortex = Literal["DKT", "Desikan", "one region per side", "none", "not known"]

_CORTICAL = np.array([region.id for region in REGIONS if region.group == "cortex"])
_OTHER = np.array([region.id for region in REGIONS if region.group != "cortex"])
_BANKSSTS = np.array([1001, 2001])
#: Bankssts, and the frontal and temporal poles: regions of Desikan, but not of DKT.
DESIKAN_ONLY = frozenset({1001, 1032, 1033, 2001, 2032, 2033})
_RIBBON = np.array([3, 42])
#: Bankssts is 0.9 to 1.2 % of a Desikan cortex; Mindboggle's DKT maps have stray voxels of it.
_SMALLEST_BANKSSTS = 0.002
#: A map with fewer cortical regions has only some regions: its protocol can't be recognised.
_FEWEST_CORTICAL = 20
#: With at least this number of other regions and no cortex, the cortex was not labelled.
_FEWEST_OTHER = 10


@dataclass(frozen=True)
class Parcellation:
    """The protocol of a label map, as far as its labels show it.

    Attributes
    ----------
    cortex : {"DKT", "Desikan", "one region per side", "none", "not known"}
        "one region per side": FreeSurfer's aseg; "none": only other regions; "not known": too few regions.
    cortex_only : bool
        Whether only the cortex is labelled, and parcellated.
    """

    cortex: Cortex
    cortex_only: bool

    def lacks(self, ids: tuple[int, ...]) -> bool:
        """Whether a region of these ids is absent by protocol: the map could not hold any of them."""
        return all(self._lacks_one(id_) for id_ in ids)

    def _lacks_one(self, id_: int) -> bool:
        parcel, ribbon = 1000 <= id_ < 3000, id_ in (3, 42)
        if self.cortex == "DKT" and id_ in DESIKAN_ONLY:
            return True
        if self.cortex in ("DKT", "Desikan") and ribbon:
            return True
        if self.cortex == "one region per side" and parcel:
            return True
        if self.cortex == "none" and (parcel or ribbon):
            return True
        return self.cortex_only and not parcel


def parcellation_of(ids: npt.NDArray[Any]) -> Parcellation:
    """Recognise the protocol from the labels.

    Parameters
    ----------
    ids : ndarray of int
        FreeSurfer ids, any shape.
    """
    known = np.where((ids >= 0) & (ids < 3000), ids, 0).reshape(-1)
    voxels = np.bincount(known, minlength=3000)
    n_cortical, n_other = np.count_nonzero(voxels[_CORTICAL]), np.count_nonzero(voxels[_OTHER])
    if n_cortical < _FEWEST_CORTICAL:
        cortex: Cortex = "not known"
        if n_cortical == 0 and voxels[_RIBBON].all():
            cortex = "one region per side"
        elif n_cortical == 0 and n_other >= _FEWEST_OTHER:
            cortex = "none"
        return Parcellation(cortex, cortex_only=False)
    parcellated = voxels[1001:].sum() - voxels[2000]
    desikan = voxels[_BANKSSTS].sum() >= _SMALLEST_BANKSSTS * parcellated
    return Parcellation("Desikan" if desikan else "DKT", cortex_only=bool(n_other == 0))
