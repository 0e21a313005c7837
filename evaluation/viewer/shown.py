"""What the page of darts-view receives: images as bytes, the legend, the places of disagreement, the first region."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from evaluation.viewer.disagreement import Place, differing, low_agreement, worst_places
from evaluation.viewer.images import Viewed
from evaluation.viewer.legend import Entry, entry_named, index_map, legend_of

__all__ = ["Shown"]


class Shown:
    """A scan with its label maps, and what is computed from them on request.

    Parameters
    ----------
    viewed : Viewed
    region : str
        Region to show first, as a user names it; empty for none.

    Raises
    ------
    UsageError
        If no label map has the region.
    """

    def __init__(self, viewed: Viewed, region: str = "") -> None:
        self.viewed = viewed
        self.legend: list[Entry] = legend_of(viewed.maps)
        self.start = entry_named(self.legend, region) if region else None
        # The page asks again each time the user returns to a view.
        self._worst = cache(self._worst_of)

    @cached_property
    def _known(self) -> list[int]:
        return [entry.id for entry in self.legend]

    def places_of(self, number: int) -> npt.NDArray[np.uint16]:
        """Return a label map as positions in the legend, counted from 1; 0 is background. (x, y, z) uint16."""
        return index_map(self.viewed.maps[number].ids, self._known)

    def start_mm(self) -> tuple[float, ...] | None:
        """Return the RAS mm of the voxel to show first; None without a first region, or if it is not in view."""
        if self.start is None or self.start.at is None:
            return None
        return tuple(float(value) for value in nib.affines.apply_affine(self.viewed.affine, self.start.at))

    def about(self) -> dict[str, Any]:
        """Return what the page needs before it requests images."""
        viewed = self.viewed
        return {
            "scan": viewed.scan.name,
            "path": str(viewed.scan),
            "size": list(viewed.data.shape),
            "mm": list(viewed.sizes),
            "affine": viewed.affine.tolist(),
            "to_file": viewed.to_file.tolist(),
            "maps": [{"name": one.name, "path": str(one.path)} for one in viewed.maps],
            "agreement": viewed.agreement is not None,
            "legend": [
                {
                    "id": one.id,
                    "name": one.name,
                    "freesurfer": one.freesurfer_name,
                    "rgb": one.rgb,
                    "mm3": one.volumes,
                    "at": one.at,
                }
                for one in self.legend
            ],
            "start": None if self.start is None else self.legend.index(self.start) + 1,
            "notes": list(viewed.notes),
        }

    def scan_file(self) -> bytes:
        """Return the scan as an uncompressed NIfTI file without rotation: its axes are those of the screen, in mm."""
        image = nib.Nifti1Image(self.viewed.data, np.diag([*self.viewed.sizes, 1.0]))
        image.header.set_xyzt_units("mm")
        return image.to_bytes()

    def difference(self, first: int, second: int, region: int | None = None) -> dict[str, Any]:
        """Return where two label maps differ most, and the total volume of the differences.

        Parameters
        ----------
        first, second : int
        region : int, optional
            Position in the legend, from 1: only voxels that one of the two maps gives this region.
        """
        return self._worst(first, second, region)

    def disagreement(self, region: int | None = None) -> dict[str, Any]:
        """Return where the views agree least; with a region, only within that region of the first label map."""
        return self._worst(None, None, region)

    def _worst_of(self, first: int | None, second: int | None, region: int | None) -> dict[str, Any]:
        viewed = self.viewed
        if first is None or second is None:
            assert viewed.agreement is not None
            disagree = low_agreement(viewed.agreement)
            if region is not None and viewed.maps:
                disagree = disagree & (self.places_of(0) == region)
        else:
            disagree = differing(self.places_of(first), self.places_of(second), region)
        places = worst_places(disagree, viewed.sizes)
        return {"mm3": float(disagree.sum() * np.prod(viewed.sizes)), "places": _as_json(places)}


def _as_json(places: Sequence[Place]) -> list[dict[str, Any]]:
    return [{"at": list(one.at), "mm": round(one.thickness, 1)} for one in places]
