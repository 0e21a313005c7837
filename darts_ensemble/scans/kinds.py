"""What a scan probably is if it is no T1 of a whole head, from its values and its extent: CT, statistical map, slab, T2.

White matter darker than the cortex is found in no T1 of an adult. The other signs are looked at only where the labels are in
doubt already: each alone is also found in good scans.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CORTEX",
    "SHORTEST_HEAD",
    "VENTRICLES",
    "WHITE_MATTER",
    "dark_white_matter",
    "looks_like_ct",
    "looks_like_statistics",
    "short_side",
]

Volume = npt.NDArray[Any]

#: Hounsfield units: air below, soft tissue between, bone above (water is 0, air -1000).
_CT_AIR, _CT_SOFT, _CT_BONE = -700, (0, 100), 300
#: Least shares of the voxels with these values in a CT of a head.
_LEAST_AIR, _LEAST_SOFT, _LEAST_BONE = 0.1, 0.03, 0.005
#: What some programs add, so that no value is below 0.
_CT_OFFSETS = (0, 1000, 1024)
#: Of a statistical map: the least share of voxels that are exactly 0, and of the others that lie on the rarer side of it.
_LEAST_ZERO, _LEAST_RARER = 0.2, 0.1
#: Millimetres of tissue from side to side below which a scan shows a part of a head; a brain alone has 110 and more.
SHORTEST_HEAD = 100
#: Ids of the white matter and of the lateral ventricles, and from where on ids are of the cortex.
WHITE_MATTER, VENTRICLES, CORTEX = (2, 41), (4, 43), 1000
#: Share of pairs of a voxel of white matter and one of the cortex in which the first is brighter: in T1 scans 0.96 and more,
#: with inverted contrast 0.14 and less (measured with FreeSurfer's labels, and with those of the bundled networks).
_LEAST_BRIGHTER = 0.4
#: So many voxels of each are enough, and fewer than the second number say nothing.
_PAIRED, _FEWEST = 20_000, 100
_SIDES = ("left to right", "top to bottom", "front to back")


def looks_like_ct(data: Volume) -> bool:
    """Whether the values of a scan (x, y, z) are Hounsfield units: air, soft tissue and bone where CT has them."""
    sample = data[::3, ::3, ::3].astype(np.float32)
    low, high = _CT_SOFT
    for offset in _CT_OFFSETS:
        shares = (
            float(np.mean(sample < _CT_AIR + offset)),
            float(np.mean((sample > low + offset) & (sample < high + offset))),
            float(np.mean(sample > _CT_BONE + offset)),
        )
        enough = all(share >= least for share, least in zip(shares, (_LEAST_AIR, _LEAST_SOFT, _LEAST_BONE), strict=True))
        # Between fat and bone, nearly everything in a head is soft tissue.
        between = float(np.mean((sample > _CT_AIR / 2 + offset) & (sample < _CT_BONE + offset)))
        if enough and shares[1] > 0.4 * between:
            return True
    return False


def looks_like_statistics(data: Volume) -> bool:
    """Whether a volume (x, y, z) is exactly 0 in its background and has values on both sides of 0 elsewhere."""
    sample = data[::3, ::3, ::3]
    values = sample[sample != 0]
    if not values.size or 1 - values.size / sample.size < _LEAST_ZERO:
        return False
    below = float(np.mean(values < 0))
    return min(below, 1 - below) >= _LEAST_RARER


def short_side(volume: npt.NDArray[np.float32]) -> str | None:
    """Return how far tissue reaches where it is too short for a head, such as "40 mm from top to bottom"; else None.

    Parameters
    ----------
    volume : (n, n, n) float32
        Conformed: LIA, 1 mm, air dark.
    """
    tissue = volume > 0.1 * volume.max(initial=0)
    lengths = []
    for axis in range(3):
        planes = np.flatnonzero(tissue.sum(axis=tuple(other for other in range(3) if other != axis)) >= 10)
        lengths.append(int(planes[-1] - planes[0]) + 1 if planes.size else 0)
    least = int(np.argmin(lengths))
    return f"{lengths[least]} mm from {_SIDES[least]}" if lengths[least] < SHORTEST_HEAD else None


def dark_white_matter(data: Volume, ids: Volume) -> bool:
    """Whether white matter is darker than the cortex: as in T2, FLAIR and proton density, and in a T1 of a baby.

    Parameters
    ----------
    data : (x, y, z) ndarray
        Intensities, of any scale.
    ids : (x, y, z) ndarray of int
        FreeSurfer ids on the same grid.
    """
    white, cortex = (_some(data, mask) for mask in (np.isin(ids, WHITE_MATTER), ids >= CORTEX))
    if min(len(white), len(cortex)) < _FEWEST:
        return False
    cortex = np.sort(cortex)
    # The mean rank is the area under the ROC curve; a voxel as bright as another counts half.
    below = (np.searchsorted(cortex, white, "left") + np.searchsorted(cortex, white, "right")) / 2
    return float(below.mean()) / len(cortex) < _LEAST_BRIGHTER


def _some(data: Volume, mask: npt.NDArray[np.bool_]) -> Volume:
    values = data[mask]
    return values[:: max(1, len(values) // _PAIRED)]
