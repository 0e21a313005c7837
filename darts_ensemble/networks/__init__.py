"""The architectures, and the network of one view with what is needed to use it."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

_HOMES = {
    "DenseUNet": "darts_ensemble.networks.dense_unet",
    "UNet": "darts_ensemble.networks.unet",
}
__all__ = ["DenseUNet", "UNet"]

__getattr__ = load_on_first_use(__name__, _HOMES)
