"""A head seen in a mirror: the input of a network for it, and what the network says brought back to the head."""

from __future__ import annotations

from torch import Tensor

from darts_ensemble.slices.channels import Channels

__all__ = ["mirrored_back", "mirrored_channels"]


def mirrored_channels(images: Tensor, view: str, channels: Channels) -> Tensor:
    """Return the input of a network for the same slices of the mirrored head.

    Parameters
    ----------
    images : Tensor, (k, channels.count, rows, columns)
        As :func:`darts_ensemble.slices.channels.slice_channels` returns them.
    view : {"coronal", "axial", "sagittal"}
        Rows of coronal and axial slices run from right to left; sagittal slices follow each other from right to left.
    channels : Channels

    Returns
    -------
    Tensor, (k, channels.count, rows, columns)
    """
    thick = channels.thick_slices
    if view == "sagittal":
        order = [*reversed(range(thick)), *range(thick, channels.count)]
        turned, position = images[:, order], thick
    else:
        turned, position = images.flip(2), thick + 1
    if channels.positions:
        turned[:, position] *= -1
    return turned


def mirrored_back(features: Tensor, view: str) -> Tensor:
    """Return features (k, rows, columns, F) of the mirrored head where they lie in the head itself."""
    return features if view == "sagittal" else features.flip(1)
