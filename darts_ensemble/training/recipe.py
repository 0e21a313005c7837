"""The settings of a training run: the published recipe, our own, and the YAML file that lets a run be repeated."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from darts_ensemble.errors import UsageError
from darts_ensemble.results.outputs import write_text
from darts_ensemble.slices.channels import Channels
from darts_ensemble.slices.views import NORMALISATIONS

__all__ = ["CROPS", "RECIPES", "Recipe", "make_recipe", "read_recipe", "write_recipe"]

#: Rows and columns of a training crop that holds most of a brain in each view.
CROPS = {"coronal": (144, 128), "axial": (128, 160), "sagittal": (128, 160)}
#: Words that a setting may be.
_CHOICES = {
    "architecture": ("dense-unet", "unet"),
    "normalisation": NORMALISATIONS,
    "optimiser": ("adam", "adamw"),
    "schedule": ("constant", "tenth", "cosine"),
    "loss": ("cross-entropy+dice", "balanced-cross-entropy+dice", "weighted-dice", "10dice+0.05cross-entropy"),
    "augmentation": ("wide", "contrast", "published", "none"),
    "crop": ("brain", "varied", "whole"),
    "precision": ("auto", "fp32", "bf16"),
}


@dataclass(frozen=True)
class Recipe:
    """What a run depends on beside its data.

    Attributes
    ----------
    architecture : {"dense-unet", "unet"}
    filters : int
        Of every convolution of a Dense U-Net, of the first level of a U-Net.
    convolutions : int
        In a block of a Dense U-Net.
    thick_slices : int
        See :class:`darts_ensemble.slices.channels.Channels`.
    positions : bool
        See :class:`darts_ensemble.slices.channels.Channels`.
    normalisation : str
        See :func:`darts_ensemble.slices.views.normalise_slices`.
    steps : int
        Optimiser steps; 0 where `epochs` tells.
    epochs : int
        Times that every labelled slice is drawn; 0 where `steps` tells.
    batch : int
        Slices a step (of each process, where there are several).
    optimiser : {"adam", "adamw"}
    rate : float
        Highest learning rate.
    schedule : {"constant", "tenth", "cosine"}
        Tenth: `rate` for the first half of the run, a tenth of it for the second. Cosine: linear warm-up over 3 % of the run,
        then down to 1 % of `rate`.
    weight_decay : float
        Of AdamW.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    average : float
        Decay of the moving average of weights, which is what is kept, with batch statistics of slices as they are; 0 keeps the
        weights themselves with the statistics of training.
    loss : str
        See :mod:`darts_ensemble.training.losses`.
    pool_sides : bool
        Take homologous regions as one in the loss of the sagittal view.
    augmentation : {"wide", "contrast", "published", "none"}
        See :mod:`darts_ensemble.training.augment`.
    crop : {"brain", "varied", "whole"}
        Crops of :data:`CROPS` around the brain; those, but up to whole slices in a third of the steps, so that labels depend
        less on how much of the head is shown; or whole slices.
    rare : float
        Share of slices drawn for a region chosen at random instead of at random among all slices.
    validate_every : int
        Steps between two looks at the validation subjects, where there are any.
    patience : int
        Looks without a better Dice after which a run ends; 0 for never.
    precision : {"auto", "fp32", "bf16"}
        Of the convolutions; weights, losses and averages are fp32 in any case. Auto: bf16 where the device multiplies in it. A
        run writes which it was.
    seed : int
    """

    architecture: str = "dense-unet"
    filters: int = 32
    convolutions: int = 2
    thick_slices: int = 7
    positions: bool = False
    normalisation: str = "volume-otsu"
    steps: int = 6000
    epochs: int = 0
    batch: int = 4
    optimiser: str = "adamw"
    rate: float = 2e-3
    schedule: str = "cosine"
    weight_decay: float = 1e-2
    clip: float = 5.0
    average: float = 0.998
    loss: str = "cross-entropy+dice"
    pool_sides: bool = True
    augmentation: str = "wide"
    crop: str = "brain"
    rare: float = 0.25
    validate_every: int = 1000
    patience: int = 0
    precision: str = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"recipe: {name} {getattr(self, name)}; expected one of {', '.join(choices)}")
        if (self.steps > 0) == (self.epochs > 0):
            raise UsageError(f"recipe: {self.steps} steps and {self.epochs} epochs; expected one of the two above 0")
        for name in ("filters", "convolutions", "batch", "rate", "validate_every"):
            if getattr(self, name) <= 0:
                raise UsageError(f"recipe: {name} {getattr(self, name)}; expected more than 0")
        if not (0 <= self.average < 1 and 0 <= self.rare <= 1 and self.patience >= 0 and self.clip >= 0):
            raise UsageError("recipe: average, rare, patience or clip out of range; see the documentation of training")
        try:
            _ = self.channels
        except ValueError as error:
            raise UsageError(f"recipe: {error}") from None

    @property
    def channels(self) -> Channels:
        """What the network receives of a slice."""
        return Channels(self.thick_slices, self.positions)


#: As published (arXiv 1911.05567) or found in the authors' files; and ours. Fine-tuning goes over the data at lower rates.
RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "published": Recipe(
        filters=256, convolutions=4, thick_slices=1, normalisation="slice-minmax", steps=0, epochs=50, batch=12,
        optimiser="adam", rate=1e-4, schedule="constant", weight_decay=0.0, clip=0.0, average=0.0, loss="weighted-dice",
        pool_sides=False, augmentation="published", crop="whole", rare=0.0,
    ),
}  # fmt: skip
#: What fine-tuning changes: the published second step, and a shorter and gentler run of ours.
_FINE_TUNING: dict[str, dict[str, Any]] = {
    "default": {"steps": 1500, "rate": 5e-4},
    "published": {"rate": 5e-5, "schedule": "tenth", "loss": "10dice+0.05cross-entropy"},
}


def make_recipe(name: str, *, step: Literal["pretrain", "finetune"] = "pretrain", **changes: Any) -> Recipe:
    """Return a recipe by name, for one of the two published steps, with some settings changed.

    Raises
    ------
    UsageError
        If the name or a setting is not known, or a value can't be.
    """
    if name not in RECIPES:
        raise UsageError(f"recipe {name}; expected one of {', '.join(RECIPES)}, or a YAML file")
    recipe = replace(RECIPES[name], **_FINE_TUNING[name]) if step == "finetune" else RECIPES[name]
    return _changed(recipe, changes, "recipe")


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """Read a recipe that an earlier run wrote, or a file that names some settings of one.

    Raises
    ------
    UsageError
        If the file can't be read, or holds a setting that is not known or of the wrong kind.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}; expected a YAML file of settings") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: {type(content).__name__} found; expected settings, such as filters: 32")
    return _changed(_changed(Recipe(), content, str(path)), changes, str(path))


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write all settings of a recipe as YAML."""
    write_text(path, yaml.safe_dump(asdict(recipe), sort_keys=False))


def _changed(recipe: Recipe, changes: dict[str, Any], source: str) -> Recipe:
    kinds = {one.name: type(getattr(RECIPES["default"], one.name)) for one in fields(Recipe)}
    unknown = [str(name) for name in changes if name not in kinds]
    if unknown:
        raise UsageError(f"{source}: unknown setting {', '.join(unknown)}; expected some of {', '.join(kinds)}")
    made = {}
    for name, value in changes.items():
        # 2e-3 is a string to YAML 1.1, and a whole number a good rate.
        if kinds[name] is float and isinstance(value, int | str) and not isinstance(value, bool):
            with contextlib.suppress(ValueError):
                value = float(value)
        if type(value) is not kinds[name]:
            raise UsageError(f"{source}: {name} {value!r}; expected {kinds[name].__name__}")
        made[name] = value
    # Naming one of the two ways to say how long is meant to replace the other.
    if made.get("steps") and "epochs" not in made:
        made["epochs"] = 0
    if made.get("epochs") and "steps" not in made:
        made["steps"] = 0
    return replace(recipe, **made)
