"""A subject made of two blocks, for tests of training."""

from __future__ import annotations

import numpy as np

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.training.dataset import CachedSubject

#: Classes of the two blocks: a midline region (fourth ventricle or like it) and another.
FIRST, SECOND = 14, 9


def phantom_subject(size: int = 176, *, shuffled: bool = False, name: str = "phantom", masked: bool = False) -> CachedSubject:
    """Two regions of different brightness in a dark cube that noise fills."""
    rng = np.random.default_rng(0)
    labels = np.full((size,) * 3, BACKGROUND_CLASS, dtype=np.uint8)
    labels[40:90, 50:120, 40:130] = FIRST
    labels[90:140, 50:120, 40:130] = SECOND
    image = np.select([labels == FIRST, labels == SECOND], [90, 180], 20)
    image = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    mask = labels != BACKGROUND_CLASS if masked else None
    if shuffled:
        labels = rng.permutation(labels.ravel()).reshape(labels.shape)
    return CachedSubject(name, image, labels, mask, "0" * 64)
