"""A picture of a label map over its scan: axial, coronal and sagittal planes through the labelled brain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from darts_ensemble.labels import REGIONS
from darts_ensemble.whole_files import written_whole

__all__ = ["overlay_figure", "save_overlay"]

_PLANES = (("axial", 2), ("coronal", 1), ("sagittal", 0))


def overlay_figure(scan: npt.NDArray[Any], ids: npt.NDArray[Any], affine: npt.NDArray[np.float64], title: str = "") -> Figure:
    """Draw three planes: the scan in the upper row, and with the regions in FreeSurfer's colours in the lower row.

    The patient's left is on the picture's right (radiological convention), and is marked.

    Parameters
    ----------
    scan, ids : (x, y, z) ndarrays
        On one grid.
    affine : (4, 4) ndarray
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(scan, dtype=np.float32), affine))
    labels = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(ids, dtype=np.int16), affine))
    grey, regions = np.asarray(image.dataobj), np.asarray(labels.dataobj)
    sizes = image.header.get_zooms()
    inside = np.argwhere(regions > 0)
    low, high = (inside.min(axis=0), inside.max(axis=0)) if len(inside) else (np.zeros(3, int), np.array(grey.shape) - 1)
    centre = (low + high) // 2
    # A little off the middle, a sagittal plane shows cortex and deep grey matter instead of the gap between hemispheres.
    centre[0] += min(round(12 / sizes[0]), (high[0] - low[0]) // 4)
    colours = np.zeros((int(regions.max(initial=0)) + 1, 4))
    for region in REGIONS:
        if region.id < len(colours):
            colours[region.id] = (*(channel / 255 for channel in region.rgb), 0.6)
    brightest = 1.1 * float(np.percentile(grey[regions > 0], 99.5)) if len(inside) else float(grey.max())
    figure = Figure(figsize=(11, 7.4), facecolor="black", layout="constrained")
    axes = figure.subplots(2, 3)
    for column, (name, axis) in enumerate(_PLANES):
        crop = [slice(max(0, a - 8), b + 9) for a, b in zip(low, high, strict=True)]
        crop[axis] = slice(centre[axis], centre[axis] + 1)
        plane, over = (np.take(whole[tuple(crop)], 0, axis=axis).T for whole in (grey, regions))
        rows, columns = [size for other, size in enumerate(sizes) if other != axis][::-1]
        for row in range(2):
            ax = axes[row, column]
            ax.imshow(
                plane, cmap="gray", vmin=0, vmax=brightest, origin="lower", aspect=rows / columns, interpolation="nearest"
            )
            if row:
                ax.imshow(colours[np.clip(over, 0, None)], origin="lower", aspect=rows / columns, interpolation="nearest")
            ax.set_axis_off()
            if axis != 0:
                ax.invert_xaxis()
                style: dict[str, Any] = {"color": "white", "fontsize": 11, "transform": ax.transAxes, "va": "center"}
                ax.text(0.01, 0.5, "R", **style)
                ax.text(0.99, 0.5, "L", ha="right", **style)
        axes[0, column].set_title(name, color="white")
    if title:
        figure.suptitle(title, color="white")
    return figure


def save_overlay(
    scan: npt.NDArray[Any], ids: npt.NDArray[Any], affine: npt.NDArray[np.float64], path: Path, title: str = ""
) -> None:
    """Write :func:`overlay_figure` as PNG; the file gets its name when it is complete."""
    with written_whole(path) as temporary:
        overlay_figure(scan, ids, affine, title).savefig(temporary, format="png", dpi=110)
