"""A mosaic of a label map on its scan: three planes, three slices of each, the borders of regions in their colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from darts_ensemble.labels import REGIONS
from darts_ensemble.whole_files import written_whole
from evaluation.overlays.planes import EDGES, VIEW_AXES, cut_plane, to_canonical

__all__ = ["draw_mosaic", "save_mosaic"]

#: Positions of the slices, as shares of the labelled brain's extent.
SLICES = {"axial": (0.35, 0.52, 0.7), "coronal": (0.3, 0.48, 0.66), "sagittal": (0.3, 0.46, 0.68)}
#: Pixels of one picture: width and height.
TILE = (340, 300)
_MARGIN_MM = 6.0


def draw_mosaic(scan: npt.NDArray[Any] | None, ids: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> Image.Image:
    """Draw nine slices; the patient's right is at the left of axial and coronal ones, and is marked.

    Parameters
    ----------
    scan : (x, y, z) ndarray or None
        On the grid of the label map; without it the regions are filled.
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.
    affine : (4, 4) ndarray
    """
    labels, sizes = to_canonical(ids, affine)
    grey = None if scan is None else to_canonical(scan, affine)[0]
    box = _box(labels > 0, sizes)
    brightest = 1.0 if grey is None else _brightest(grey, labels)
    colours = _colours()
    sheet = Image.new("RGB", (3 * TILE[0], 3 * TILE[1]))
    for row, (view, shares) in enumerate(SLICES.items()):
        axis = VIEW_AXES[view]
        for column, share in enumerate(shares):
            index = int(box[axis].start + share * (box[axis].stop - box[axis].start - 1))
            # The slice of a view is cut from the box of the other two axes.
            window = tuple(slice(None) if other == axis else box[other] for other in range(3))
            plane = cut_plane(labels[window], view, index)
            over = None if grey is None else np.clip(cut_plane(grey[window], view, index) / brightest, 0, 1)
            height, width = (size for other, size in enumerate(sizes[::-1]) if 2 - other != axis)
            tile = _tile(plane, over, (height, width), colours)
            _mark(tile, EDGES[view])
            sheet.paste(tile, (column * TILE[0], row * TILE[1]))
    return sheet


def save_mosaic(path: Path, scan: npt.NDArray[Any] | None, ids: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> None:
    """Write :func:`draw_mosaic` as WebP; the file gets its name when it is complete."""
    with written_whole(path) as temporary:
        draw_mosaic(scan, ids, affine).save(temporary, format="WEBP", quality=82, method=2)


def _box(inside: npt.NDArray[np.bool_], sizes: tuple[float, ...]) -> tuple[slice, slice, slice]:
    """Return the box around the labelled brain, with a margin; the whole volume if nothing is labelled."""
    sides = []
    for axis, size in enumerate(sizes):
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(np.ceil(_MARGIN_MM / size))
        low, high = (along[0], along[-1] + 1) if len(along) else (0, inside.shape[axis])
        sides.append(slice(max(0, int(low) - margin), min(inside.shape[axis], int(high) + margin)))
    return sides[0], sides[1], sides[2]


def _brightest(grey: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    inside = grey[::2, ::2, ::2][labels[::2, ::2, ::2] > 0]
    return max(1e-6, 1.1 * float(np.percentile(inside if len(inside) else grey, 99.5)))


def _colours() -> npt.NDArray[np.uint8]:
    table = np.full((3000, 3), 200, dtype=np.uint8)
    table[0] = 0
    for region in REGIONS:
        # Some of FreeSurfer's colours are too dark to be seen on a scan.
        rgb = np.array(region.rgb, dtype=float)
        table[region.id] = np.clip(rgb if rgb.max() >= 130 else rgb + 130 - rgb.max(), 0, 255)
    return table


def _tile(
    plane: npt.NDArray[Any], over: npt.NDArray[Any] | None, pixel: tuple[float, float], colours: npt.NDArray[np.uint8]
) -> Image.Image:
    """Draw one slice, as large as fits into a tile."""
    scale = min(TILE[1] / (plane.shape[0] * pixel[0]), TILE[0] / (plane.shape[1] * pixel[1]))
    size = (max(1, round(plane.shape[1] * pixel[1] * scale)), max(1, round(plane.shape[0] * pixel[0] * scale)))
    # Labels are enlarged first, so that a border is one pixel of the picture wide.
    ids = np.clip(np.asarray(Image.fromarray(plane.astype(np.int32)).resize(size, Image.Resampling.NEAREST)), 0, 2999)
    if over is None:
        picture = colours[ids]
    else:
        grey = Image.fromarray(np.asarray(255 * over, dtype=np.uint8)).resize(size, Image.Resampling.BILINEAR)
        picture = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
        # The border of a region is inside it, so that both sides of a border show their colours.
        border = np.zeros(ids.shape, dtype=bool)
        for axis in (0, 1):
            change = np.diff(ids, axis=axis) != 0
            before, after = (tuple(part if n == axis else slice(None) for n in (0, 1)) for part in (slice(1, None), slice(-1)))
            border[before] |= change
            border[after] |= change
        border &= ids > 0
        picture[border] = colours[ids[border]]
    tile = Image.new("RGB", TILE)
    tile.paste(Image.fromarray(picture), ((TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2))
    return tile


def _mark(tile: Image.Image, edges: str) -> None:
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(14)
    for mark, x, anchor in ((edges[0], 4, "lm"), (edges[1], TILE[0] - 4, "rm")):
        draw.text(
            (x, TILE[1] // 2), mark, fill=(255, 255, 255), font=font, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0)
        )
