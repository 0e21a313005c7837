"""Random contrast of a labelled slice: mean and spread of each structure are changed, so that labels depend less on intensity.

Inside the brain, an intensity v of a structure becomes gain * v + offset; gain and offset are blurred across borders, so that
voxels with two tissues stay between both. Outside, where there are no labels, a random curve maps old to new intensities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from darts_ensemble.labels import BACKGROUND_CLASS, LEFT_CLASS, N_CLASSES, REGIONS

__all__ = ["ContrastChange", "StructureMeans", "apply_contrast", "draw_contrast", "measure_structures"]

Floats = npt.NDArray[np.float32]

#: Regions of one tissue: first they change together, then each region by itself.
_TISSUES: dict[str, frozenset[str]] = {
    "white matter": frozenset({"white matter", "corpus callosum"}),
    "cortex": frozenset({"cortex"}),
    "fluid": frozenset({"ventricles"}),
    "deep grey": frozenset({"deep grey", "medial temporal"}),
    "cerebellum": frozenset({"cerebellum"}),
    "brain stem": frozenset({"brain stem", "other"}),
}
_TISSUE_NAMES = tuple(_TISSUES)
_TISSUE_OF_CLASS = np.array(
    [next(place for place, groups in enumerate(_TISSUES.values()) if region.group in groups) for region in REGIONS]
)
#: Regions with intensities between grey and white matter that depend strongly on sequence and iron; ids of the left side.
_BETWEEN = (10, 13, 28, 16)
_BETWEEN_CLASSES = np.array([region.class_index for region in REGIONS if region.id in _BETWEEN or region.homologue in _BETWEEN])
#: Of all slices of the augmentation, the share with an entirely random contrast, and the share with a shifted contrast.
SYNTHETIC, SHIFTED = 0.12, 0.5
#: Structures with fewer voxels than this take the mean of their tissue.
FEWEST_VOXELS = 20


@dataclass(frozen=True)
class StructureMeans:
    """Mean intensity of each structure of a scan.

    Attributes
    ----------
    means : (102,) float32
        Mean of each region, in the units of the conformed scan.
    white, grey : float
        Mean of cerebral white matter and of the cortex.
    """

    means: Floats
    white: float
    grey: float


@dataclass(frozen=True)
class ContrastChange:
    """How intensities change.

    Attributes
    ----------
    gain, offset : (256,) float32
        By class index; 0 for the background.
    inside : (256,) float32
        1 for classes to which gain and offset apply, else 0.
    curve : (256,) float32
        New intensity of the background for each old one, which is a whole number; 0 for 0.
    """

    gain: Floats
    offset: Floats
    inside: Floats
    curve: Floats


def measure_structures(image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> StructureMeans:
    """Measure the mean intensity of each structure of a conformed scan, (n, n, n) uint8 both."""
    counts = np.bincount(labels.ravel(order="K"), minlength=256)[:BACKGROUND_CLASS]
    sums = np.bincount(labels.ravel(order="K"), image.ravel(order="K"), minlength=256)[:BACKGROUND_CLASS]
    means = sums / np.maximum(counts, 1)
    for tissue in range(len(_TISSUES)):
        members = tissue == _TISSUE_OF_CLASS
        few = members & (counts < FEWEST_VOXELS)
        # The whole tissue is missing if only other structures were labelled.
        everything = sums.sum() / max(int(counts.sum()), 1)
        means[few] = sums[members].sum() / counts[members].sum() if counts[members].sum() else everything
    white, grey = (float(means[_TISSUE_NAMES.index(name) == _TISSUE_OF_CLASS].mean()) for name in ("white matter", "cortex"))
    return StructureMeans(means.astype(np.float32), white, grey)


def draw_contrast(structures: StructureMeans, rng: np.random.Generator) -> ContrastChange | None:
    """Draw a change of contrast: none, a shift that keeps the scan T1-weighted, or any contrast at all."""
    kind = rng.random()
    if kind >= SYNTHETIC + SHIFTED:
        return None
    synthetic = kind < SYNTHETIC
    means = structures.means
    tissues = len(_TISSUES)
    if synthetic:
        # Relative to the scan's white matter.
        target = structures.white * (rng.uniform(0.1, 1.4, tissues)[_TISSUE_OF_CLASS] + rng.normal(0, 0.07, len(REGIONS)))
        gain = rng.uniform(-0.7, 1.0, tissues)[_TISSUE_OF_CLASS]
    else:
        contrast = max(structures.white - structures.grey, 0.1 * structures.white)
        moved = rng.normal(0, 0.2, tissues)[_TISSUE_OF_CLASS] + rng.normal(0, 0.15, len(REGIONS))
        moved[_BETWEEN_CLASSES] += rng.normal(0, 0.3, len(_BETWEEN_CLASSES))
        target = means + contrast * moved
        gain = np.exp(rng.uniform(-0.35, 0.35, tissues))[_TISSUE_OF_CLASS]
    # Both sides of a brain change in the same way.
    target = np.maximum(target[LEFT_CLASS[:-1]], 0)
    gains, offsets, inside = (np.zeros(256, dtype=np.float32) for _ in range(3))
    gains[: len(REGIONS)], offsets[: len(REGIONS)] = gain, target - gain * means
    # Voxels without a known label keep their intensity; in synthetic slices they follow the curve of the background.
    gains[N_CLASSES:] = inside[N_CLASSES:] = 0.0 if synthetic else 1.0
    inside[: len(REGIONS)] = 1
    return ContrastChange(gains, offsets, inside, _curve(synthetic, structures.white, rng))


def _curve(synthetic: bool, white: float, rng: np.random.Generator) -> Floats:
    """Return a random curve through 0, close to the old intensities, or without this limit in synthetic slices."""
    knots = np.linspace(0, 255, 8)
    values = rng.uniform(0, 1.6 * white, 8) if synthetic else knots * np.exp(rng.normal(0, 0.25, 8))
    values[0] = 0
    return np.interp(np.arange(256), knots, values).astype(np.float32)


def apply_contrast(
    image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], change: ContrastChange, box: npt.ArrayLike
) -> Floats:
    """Return neighbouring slices with another contrast.

    Parameters
    ----------
    image, labels : (k, R, C) uint8
        Conformed intensities and class indices.
    change : ContrastChange
    box : ((first row, end), (first column, end)), ints
        Box around the labels.

    Returns
    -------
    (k, R, C) float32, 0 or more
        0 stays 0.
    """
    new = change.curve[image]
    rows, columns = (slice(max(int(a) - 2, 0), int(b) + 2) for a, b in np.asarray(box))
    here = labels[:, rows, columns]
    fields = torch.from_numpy(np.stack([change.gain[here], change.offset[here], change.inside[here]]))
    gain, offset, inside = functional.avg_pool2d(fields, 3, 1, 1, count_include_pad=False).numpy()
    old = image[:, rows, columns]
    brain = gain * old + offset + (1 - inside) * new[:, rows, columns]
    new[:, rows, columns] = np.where(old > 0, np.maximum(brain, 0), 0)
    return new
