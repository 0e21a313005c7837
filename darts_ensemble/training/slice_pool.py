"""The labelled slices of one view of the training subjects, drawn as augmented crops."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.slices.boxes import head_extent
from darts_ensemble.slices.channels import Box, place_in_head
from darts_ensemble.slices.views import SLICE_AXIS, normalise_slices, take_slices, volume_scale
from darts_ensemble.training.augment import AUGMENTATIONS, augment_slice, mirror
from darts_ensemble.training.contrast import StructureMeans, apply_contrast, draw_contrast, measure_structures
from darts_ensemble.training.dataset import CachedSubject
from darts_ensemble.training.recipe import CROPS, Recipe

__all__ = ["SlicePool"]

#: Slices with fewer labelled voxels are not used, because almost nothing can be learnt from them.
FEWEST_LABELLED_VOXELS = 50
#: Share of crops placed anywhere in the slice instead of around the brain, because the rest of the head must be learnt too.
ELSEWHERE = 0.2
#: Share of slices of a whole head from which the skull is removed, if the subject has a brain mask.
STRIPPED = 0.35
#: Share of slices cut along the labels, like Mindboggle's scans, in the augmentation "contrast".
CUT = 0.2
#: Largest random error of each end of the head, as a share of its extent, when positions are computed.
HEAD_ERROR = 0.08
#: Share of steps with larger crops, if the recipe varies them.
ENLARGED = 1 / 3
#: Voxels between the brain and the edge of a crop, by which the crop may be moved.
MARGIN = 12


class SlicePool:
    """Labelled slices of one view.

    Parameters
    ----------
    subjects : sequence of CachedSubject
    view : {"coronal", "axial", "sagittal"}
    recipe : Recipe
    """

    def __init__(self, subjects: Sequence[CachedSubject], view: str, recipe: Recipe) -> None:
        self.subjects = subjects
        self.view = view
        self.recipe = recipe
        #: Subject and slice of everything that can be drawn, and for each class the positions in this list where it occurs.
        self.index: list[tuple[int, int]] = []
        self._boxes: list[npt.NDArray[np.int64]] = []
        self._heads: list[list[Box]] = []
        self._scales: list[list[float]] = []
        self._structures: list[StructureMeans] = []
        by_class: list[list[int]] = [[] for _ in range(BACKGROUND_CLASS)]
        axis = SLICE_AXIS[view]
        for number, subject in enumerate(subjects):
            labels = np.moveaxis(np.asarray(subject.labels), axis, 0)
            labelled = labels < BACKGROUND_CLASS
            self._boxes.append(np.stack([[w.min(), w.max() + 1] for w in np.nonzero(labelled.any(0))]))
            for k in np.flatnonzero(labelled.sum(axis=(1, 2)) > FEWEST_LABELLED_VOXELS):
                present = np.flatnonzero(np.bincount(labels[k].ravel(), minlength=256)[:BACKGROUND_CLASS])
                for region in present:
                    by_class[region].append(len(self.index))
                self.index.append((number, int(k)))
            if recipe.augmentation == "contrast":
                self._structures.append(measure_structures(np.asarray(subject.image), np.asarray(subject.labels)))
            shown = [np.asarray(subject.image)] + ([] if subject.mask is None else [subject.image * subject.mask])
            self._scales.append([volume_scale(volume, recipe.normalisation) for volume in shown])
            self._heads.append([head_extent(volume.astype(np.float32)) for volume in shown])
        self._by_class = [np.array(places) for places in by_class if places]

    def __len__(self) -> int:
        return len(self.index)

    def unaltered(self) -> SlicePool:
        """Return the same slices without augmentation, around the brain, all drawn equally often."""
        plain = copy.copy(self)
        plain.recipe = replace(self.recipe, augmentation="none", crop="brain", rare=0.0)
        return plain

    def draw_size(self, rng: np.random.Generator) -> tuple[int, int]:
        """Return rows and columns of the crops of a step, multiples of 16; nothing is drawn if the recipe fixes them."""
        whole = [n for axis, n in enumerate(self.subjects[0].image.shape) if axis != SLICE_AXIS[self.view]]
        if self.recipe.crop == "whole":
            return whole[0], whole[1]
        least = CROPS[self.view]
        if self.recipe.crop == "brain" or rng.random() >= ENLARGED:
            return least
        rows, columns = (16 * int(rng.integers(least[axis] // 16, whole[axis] // 16 + 1)) for axis in range(2))
        return rows, columns

    def draw(self, rng: np.random.Generator, size: tuple[int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Draw one augmented crop.

        Parameters
        ----------
        rng : numpy.random.Generator
        size : (rows, columns)

        Returns
        -------
        image : (channels, rows, columns) float32
        labels : (rows, columns) uint8
            Class indices; 255 means ignored.
        """
        recipe = self.recipe
        if rng.random() < recipe.rare:
            places = self._by_class[int(rng.integers(len(self._by_class)))]
            number, k = self.index[int(places[int(rng.integers(len(places)))])]
        else:
            number, k = self.index[int(rng.integers(len(self.index)))]
        subject = self.subjects[number]
        widely = recipe.augmentation in ("wide", "contrast")
        stripped = subject.mask is not None and widely and rng.random() < STRIPPED
        image = self._image(number, k, stripped, rng)
        labels = np.asarray(take_slices(subject.labels, self.view, slice(k, k + 1))[0])
        box = self._boxes[number]
        if rng.random() < AUGMENTATIONS[recipe.augmentation].mirrored:
            image, labels = mirror(image, labels, self.view, recipe.thick_slices)
            if self.view != "sagittal":
                box = np.stack([labels.shape[0] - box[0][::-1], box[1]])
        row, column = (self._corner(box[axis], labels.shape[axis], size[axis], rng) for axis in range(2))
        return augment_slice(image, labels, row, column, size, recipe.thick_slices, recipe.augmentation, rng)

    def _image(self, number: int, k: int, stripped: bool, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Return a slice with its channels, (channels, R, C)."""
        subject = self.subjects[number]
        n = subject.image.shape[SLICE_AXIS[self.view]]
        reach = self.recipe.thick_slices // 2
        there = slice(max(0, k - reach), min(n, k + reach + 1))
        image = take_slices(subject.image, self.view, there)
        contrast = self.recipe.augmentation == "contrast"
        change = draw_contrast(self._structures[number], rng) if contrast else None
        cut = contrast and rng.random() < CUT
        labels = np.asarray(take_slices(subject.labels, self.view, there)) if change or cut else None
        if change is not None and labels is not None:
            image = apply_contrast(np.asarray(image), labels, change, self._boxes[number])
        if cut and labels is not None:
            stripped = subject.mask is not None
            image = image * _cut_along(labels, rng)
        elif stripped and subject.mask is not None:
            image = image * _other_mask(np.asarray(take_slices(subject.mask, self.view, there)), rng)
        known = normalise_slices(image, self.recipe.normalisation, self._scales[number][stripped])
        whole = np.zeros((self.recipe.thick_slices, *known.shape[1:]), dtype=np.float32)
        whole[there.start - (k - reach) :][: len(known)] = known
        if not self.recipe.positions:
            return whole
        rows, columns = (slice(0, side) for side in known.shape[1:])
        head = self._heads[number][stripped]
        if contrast:
            head = _other_extent(head, rng)
        return np.concatenate([whole, place_in_head(self.view, np.array([k]), head, (rows, columns))[0]])

    @staticmethod
    def _corner(box: npt.NDArray[np.int64], length: int, size: int, rng: np.random.Generator) -> int:
        """Draw the first row or column of a crop: around the brain, or anywhere."""
        limit = length - size
        if rng.random() < ELSEWHERE:
            return int(rng.integers(0, limit + 1))
        ends = sorted((int(box[0]) - MARGIN, int(box[1]) + MARGIN - size))
        return int(np.clip(rng.integers(ends[0], ends[1] + 1), 0, limit))


def _other_mask(mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return a mask like one of another tool: unchanged, or one or two voxels wider or narrower in the plane."""
    change = int(rng.integers(-1, 4))
    if change in (0, 3):
        return mask
    cross = ndimage.generate_binary_structure(2, 1)[None]
    wider = ndimage.binary_dilation if change > 0 else ndimage.binary_erosion
    return np.asarray(wider(mask, cross, iterations=abs(change)), dtype=bool)


def _cut_along(labels: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return the labelled brain, or up to two voxels more in the plane."""
    brain = labels != BACKGROUND_CLASS
    wider = int(rng.integers(3))
    if not wider:
        return brain
    cross = ndimage.generate_binary_structure(2, 1)[None]
    return np.asarray(ndimage.binary_dilation(brain, cross, iterations=wider), dtype=bool)


def _other_extent(head: Box, rng: np.random.Generator) -> Box:
    """Return the extent of a head as it could be in another scan: with more or less of neck, nose and noise."""
    errors = rng.uniform(-HEAD_ERROR, HEAD_ERROR, (3, 2))
    first, second, third = (
        slice(round(side.start + low * (side.stop - side.start)), round(side.stop + high * (side.stop - side.start)))
        for side, (low, high) in zip(head, errors, strict=True)
    )
    return first, second, third
