"""A conformed volume in the memory of the device, and what is computed from the whole of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.slices.boxes import head_extent
from darts_ensemble.slices.channels import Box
from darts_ensemble.slices.views import take_slices, volume_scale

__all__ = ["DeviceVolume"]


@dataclass(frozen=True)
class DeviceVolume:
    """A volume on the device where the networks run; what several views need of it is computed once.

    Attributes
    ----------
    host : (n, n, n) float32
        LIA, in main memory.
    device : torch.device
    """

    host: npt.NDArray[np.float32]
    device: torch.device
    _scales: dict[str, float] = field(default_factory=dict, repr=False)
    _varied: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict, repr=False)

    @cached_property
    def data(self) -> Tensor:
        """The volume on the device; on a CPU, the same memory as `host`."""
        return torch.from_numpy(np.ascontiguousarray(self.host)).to(self.device)

    @cached_property
    def head(self) -> Box:
        """The box around the head."""
        return head_extent(self.host)

    def scale(self, normalisation: str) -> float:
        """Brightness of the tissue, see :func:`darts_ensemble.slices.views.volume_scale`."""
        if normalisation not in self._scales:
            self._scales[normalisation] = volume_scale(self.host, normalisation)
        return self._scales[normalisation]

    def varied(self, view: str) -> npt.NDArray[np.bool_]:
        """Whether each slice of a view, (n,) bool, holds more than one value."""
        if view not in self._varied:
            slices = take_slices(self.data, view, slice(None))
            self._varied[view] = (slices.amax(dim=(1, 2)) > slices.amin(dim=(1, 2))).cpu().numpy()
        return self._varied[view]
