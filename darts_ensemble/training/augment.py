"""Augmentation of slices: image and labels are moved together, then the image alone is made to look like another scan.

"wide" covers the variety of users' scans: heads in other positions, mirrored heads, other contrast, bias fields, noise, blur,
thick slices. "contrast" is "wide" with stronger bias fields, brains cut along their labels, and a random contrast of each
structure (:mod:`darts_ensemble.training.contrast`). "published" is that of arXiv 1911.05567: rotation, shift, blur and gamma,
no flips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.transforms.intensity.array import GaussianSmooth, RandBiasField, RandHistogramShift, RandRicianNoise
from torch.nn import functional

from darts_ensemble.labels import BACKGROUND_CLASS, HOMOLOGUE_CLASS, IGNORE_CLASS

__all__ = ["AUGMENTATIONS", "Movement", "augment_slice", "mirror", "vary_like_published", "vary_widely"]

Floats = npt.NDArray[np.float32]

_MIRRORED_CLASS = np.full(256, IGNORE_CLASS, dtype=np.uint8)
_MIRRORED_CLASS[: len(HOMOLOGUE_CLASS)] = HOMOLOGUE_CLASS
#: Distance in pixels between the points at which an elastic deformation is drawn.
_ELASTIC_SPACING = 32


@dataclass(frozen=True)
class Movement:
    """How far an augmentation moves a slice.

    Attributes
    ----------
    degrees : float
        Largest rotation.
    scale, shear : float
        Largest logarithm of the scale of each axis; largest shear.
    pixels : tuple of float
        Smallest and largest shift, in a random direction along each axis.
    elastic : float
        Largest standard deviation of an elastic deformation, in pixels; half of the slices are deformed.
    mirrored : float
        Share of slices mirrored left to right.
    """

    degrees: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    pixels: tuple[float, float] = (0.0, 0.0)
    elastic: float = 0.0
    mirrored: float = 0.0


#: The movement of each augmentation.
AUGMENTATIONS = {
    "wide": Movement(degrees=15.0, scale=0.15, shear=0.08, elastic=4.0, mirrored=0.5),
    "contrast": Movement(degrees=15.0, scale=0.15, shear=0.08, elastic=4.0, mirrored=0.5),
    "published": Movement(degrees=10.0, pixels=(15.0, 25.0)),
    "none": Movement(),
}


def mirror(image: Floats, labels: npt.NDArray[np.uint8], view: str, n_slices: int) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Mirror a slice left to right; each region gets the label of its homologue.

    Parameters
    ----------
    image : (channels, R, C) float32
        `n_slices` neighbouring slices, then positions (slice, row, column) if there are any.
    labels : (R, C) uint8
    view : {"coronal", "axial", "sagittal"}
        Left and right are rows of the first two, and neighbours of the third.
    n_slices : int

    Returns
    -------
    image, labels
        With the same shapes.
    """
    slices, positions = image[:n_slices], image[n_slices:].copy()
    if view == "sagittal":
        if len(positions):
            positions[0] *= -1
        return np.concatenate([slices[::-1], positions]), _MIRRORED_CLASS[labels]
    if len(positions):
        positions = positions[:, ::-1]
        positions[1] *= -1
    return np.concatenate([slices[:, ::-1], positions]), _MIRRORED_CLASS[labels[::-1]]


def augment_slice(
    image: Floats,
    labels: npt.NDArray[np.uint8],
    row: int,
    column: int,
    crop: tuple[int, int],
    n_slices: int,
    augmentation: str,
    rng: np.random.Generator,
) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Return an augmented crop of a slice.

    The crop is resampled directly from the whole slice, so that real anatomy enters at its border when it is rotated. The image
    is interpolated linearly, labels by nearest neighbour, both at the same positions. Outside the slice there is air.

    Parameters
    ----------
    image : (channels, R, C) float32
    labels : (R, C) uint8
    row, column : int
        First row and column of the crop before the deformation.
    crop : (rows, columns)
    n_slices : int
        Number of channels that are images; the others are positions and keep their values.
    augmentation : {"wide", "contrast", "published", "none"}
    rng : numpy.random.Generator

    Returns
    -------
    image : (channels, rows, columns) float32
    labels : (rows, columns) uint8
    """
    if augmentation == "none":
        inside = (slice(row, row + crop[0]), slice(column, column + crop[1]))
        return np.ascontiguousarray(image[:, *inside]), np.ascontiguousarray(labels[inside])
    positions = _positions(row, column, crop, AUGMENTATIONS[augmentation], rng)
    size = np.array(labels.shape, dtype=np.float32)
    grid = torch.from_numpy(((positions * 2 + 1) / size - 1)[None, ..., ::-1].astype(np.float32).copy())
    whole = torch.from_numpy(np.ascontiguousarray(image))[None]
    moved = functional.grid_sample(whole, grid, align_corners=False)[0].numpy()
    nearest = np.rint(positions).astype(np.int64)
    within = ((nearest >= 0) & (nearest < np.array(labels.shape))).all(axis=-1)
    r, c = (np.clip(nearest[..., axis], 0, labels.shape[axis] - 1) for axis in range(2))
    if augmentation == "published":
        moved[:n_slices] = vary_like_published(moved[:n_slices], rng)
    else:
        moved[:n_slices] = vary_widely(moved[:n_slices], rng, bias=0.35 if augmentation == "contrast" else 0.2)
    return moved, np.where(within, labels[r, c], np.uint8(BACKGROUND_CLASS))


def _positions(row: int, column: int, crop: tuple[int, int], how: Movement, rng: np.random.Generator) -> Floats:
    """Return the place in the slice of each pixel of the crop, (rows, columns, 2) in pixels."""
    angle = np.deg2rad(rng.uniform(-how.degrees, how.degrees))
    shear = rng.uniform(-how.shear, how.shear)
    scale = np.exp(rng.uniform(-how.scale, how.scale, size=2) * 0.5 + rng.uniform(-how.scale, how.scale) * 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(scale)
    shift = rng.uniform(*how.pixels, size=2) * rng.choice([-1.0, 1.0], size=2)
    centre = (np.array(crop, dtype=np.float64) - 1) / 2
    pixels = np.stack(np.meshgrid(*(np.arange(n) for n in crop), indexing="ij"), axis=-1) - centre
    positions = pixels @ matrix.T + centre + (row, column) + shift
    if how.elastic and rng.random() < 0.5:
        coarse = rng.normal(size=(1, 2, crop[0] // _ELASTIC_SPACING + 3, crop[1] // _ELASTIC_SPACING + 3))
        strength = rng.uniform(0, how.elastic)
        field = functional.interpolate(torch.from_numpy(coarse), size=crop, mode="bicubic", align_corners=True)
        positions = positions + strength * field[0].permute(1, 2, 0).numpy()
    return positions.astype(np.float32)


def vary_widely(image: Floats, rng: np.random.Generator, *, bias: float = 0.2) -> Floats:
    """Change contrast, bias field, resolution, noise and gain of slices with tissue intensities near 1.

    Parameters
    ----------
    image : (channels, R, C) float32
        Neighbouring slices, all changed in the same way.

    Returns
    -------
    (channels, R, C) float32, 0 or more
    """
    x = torch.from_numpy(np.ascontiguousarray(image))
    if rng.random() < 0.5:
        top = max(float(x.max()), 1e-3)
        x = top * (x.clamp(min=0) / top) ** float(np.exp(rng.uniform(-0.45, 0.45)))
    if rng.random() < 0.25 and float(x.max()) > float(x.min()):
        x = _seeded(RandHistogramShift(num_control_points=(5, 9), prob=1.0), rng)(x)
    if rng.random() < 0.5:
        x = _seeded(RandBiasField(degree=3, coeff_range=(-bias, bias), prob=1.0), rng)(x)
    if rng.random() < 0.25:
        x = _lower_resolution(x, rng)
    if rng.random() < 0.15:
        x = GaussianSmooth(sigma=(float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.2, 1.0))))(x)
    if rng.random() < 0.4:
        x = _seeded(RandRicianNoise(prob=1.0, std=float(rng.uniform(0.0, 0.1)), sample_std=False), rng)(x)
    return np.asarray(x.clamp(min=0) * float(np.exp(rng.uniform(-0.25, 0.25))), dtype=np.float32)


def _lower_resolution(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur along one axis of the scan, like a thick slice: rows, columns, or across the neighbouring slices."""
    axis = int(rng.integers(3 if x.shape[0] > 1 else 2))
    if axis == 2:
        # Each slice becomes a mean of its neighbours with Gaussian weights; at the ends of the stack, of those that exist.
        distance = torch.arange(x.shape[0], dtype=torch.float32)
        weights = torch.exp(-(((distance[:, None] - distance) / float(rng.uniform(0.4, 1.3))) ** 2) / 2)
        return torch.einsum("ij,jrc->irc", weights / weights.sum(dim=1, keepdim=True), x)
    size = list(x.shape[1:])
    coarse = list(size)
    coarse[axis] = max(8, int(size[axis] / rng.uniform(1.5, 3.5)))
    low = functional.interpolate(x[None], size=coarse, mode="bilinear", align_corners=False, antialias=True)
    return functional.interpolate(low, size=size, mode="bilinear", align_corners=False)[0]


def vary_like_published(image: Floats, rng: np.random.Generator) -> Floats:
    """Blur half of the slices (sigma 0.65 to 1), and apply a gamma of 1.6 to 2.4 to half; (channels, R, C), 0 to 1."""
    x = torch.from_numpy(np.ascontiguousarray(image))
    if rng.random() < 0.5:
        x = GaussianSmooth(sigma=float(rng.uniform(0.65, 1.0)))(x)
    if rng.random() < 0.5:
        x = x.clamp(min=0) ** float(rng.uniform(1.6, 2.4))
    return np.asarray(x, dtype=np.float32)


def _seeded(transform: RandHistogramShift | RandBiasField | RandRicianNoise, rng: np.random.Generator) -> Any:
    """Let a MONAI transform draw from our generator, so that a resumed run draws the same as an uninterrupted one."""
    return transform.set_random_state(seed=int(rng.integers(2**31)))
