"""Augmentation of a slice: affine and elastic resampling of image and labels together, then intensity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from monai.transforms.intensity.array import GaussianSmooth
from torch.nn import functional

from darts_ensemble.labels import BACKGROUND_CLASS

__all__ = ["augment_slice", "vary_intensity"]

ROTATION_DEGREES = 15.0
SCALE = 0.15
SHEAR = 0.08
ELASTIC_PIXELS = 4.0
ELASTIC_SPACING = 32


def augment_slice(
    image: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    row: int,
    column: int,
    crop: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Return an augmented crop of a slice.

    The crop is resampled straight from the whole slice, so that what turns in at its border is real anatomy. The image is
    interpolated linearly, labels by nearest neighbour, both at the same positions.

    Parameters
    ----------
    image : (R, C) float32
    labels : (R, C) uint8
    row, column : int
        First row and column of the crop before the deformation.
    crop : (rows, columns)
    rng : numpy.random.Generator

    Returns
    -------
    image : (rows, columns) float32
    labels : (rows, columns) uint8
    """
    positions = _positions(row, column, crop, rng)
    size = np.array(image.shape, dtype=np.float32)
    grid = torch.from_numpy(((positions * 2 + 1) / size - 1)[None, ..., ::-1].astype(np.float32).copy())
    moved = functional.grid_sample(torch.from_numpy(image)[None, None], grid, align_corners=False)[0, 0].numpy()
    nearest = np.rint(positions).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < np.array(labels.shape))).all(axis=-1)
    r, c = (np.clip(nearest[..., axis], 0, labels.shape[axis] - 1) for axis in range(2))
    return vary_intensity(moved, rng), np.where(inside, labels[r, c], np.uint8(BACKGROUND_CLASS))


def _positions(row: int, column: int, crop: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Where in the slice each pixel of the crop comes from, (rows, columns, 2) in pixels."""
    angle = np.deg2rad(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
    shear = rng.uniform(-SHEAR, SHEAR)
    scale = np.exp(rng.uniform(-SCALE, SCALE, size=2) * 0.5 + rng.uniform(-SCALE, SCALE) * 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(scale)
    centre = (np.array(crop, dtype=np.float64) - 1) / 2
    pixels = np.stack(np.meshgrid(*(np.arange(n) for n in crop), indexing="ij"), axis=-1) - centre
    positions = pixels @ matrix.T + centre + (row, column)
    if rng.random() < 0.5:
        coarse = rng.normal(size=(1, 2, crop[0] // ELASTIC_SPACING + 3, crop[1] // ELASTIC_SPACING + 3))
        strength = rng.uniform(0, ELASTIC_PIXELS)
        field = functional.interpolate(torch.from_numpy(coarse), size=crop, mode="bicubic", align_corners=True)
        positions = positions + strength * field[0].permute(1, 2, 0).numpy()
    return positions.astype(np.float32)


def vary_intensity(image: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Change gain, gamma, bias field, resolution and noise of a slice whose tissue lies near 1; (R, C) float32."""
    image = image * np.float32(np.exp(rng.uniform(-0.3, 0.3)))
    if rng.random() < 0.5:
        top = max(float(image.max()), 1e-3)
        image = np.float32(top) * (np.clip(image, 0, None) / np.float32(top)) ** np.float32(np.exp(rng.uniform(-0.4, 0.4)))
    if rng.random() < 0.4:
        coarse = torch.from_numpy(rng.normal(scale=0.2, size=(1, 1, 4, 4)))
        field = functional.interpolate(coarse, size=image.shape, mode="bicubic", align_corners=True)[0, 0].numpy()
        image = image * np.exp(field).astype(np.float32)
    if rng.random() < 0.2:
        smooth = GaussianSmooth(sigma=(float(rng.uniform(0.2, 1.2)), float(rng.uniform(0.2, 1.2))))
        image = np.asarray(smooth(torch.from_numpy(image[None].astype(np.float32))))[0]
    if rng.random() < 0.4:
        image = image + rng.normal(scale=rng.uniform(0, 0.08), size=image.shape).astype(np.float32)
    return np.clip(image, 0, None).astype(np.float32)
