"""The settings of a training run: the published recipe, our own, and the YAML file with which a run can be repeated."""

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

#: Rows and columns of a training crop, which holds most of a brain in each view.
CROPS = {"coronal": (144, 128), "axial": (128, 160), "sagittal": (128, 160)}
#: Allowed values of settings that are words.
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
    """All that a run depends on besides its data.

    Attributes
    ----------
    architecture : {"dense-unet", "unet"}
    filters : int
        Number of filters of every convolution of a Dense U-Net, or of the first level of a U-Net.
    convolutions : int
        Number of convolutions in a block of a Dense U-Net.
    thick_slices : int
        See :class:`darts_ensemble.slices.channels.Channels`.
    positions : bool
        See :class:`darts_ensemble.slices.channels.Channels`.
    normalisation : str
        See :func:`darts_ensemble.slices.views.normalise_slices`.
    steps : int
        Number of optimiser steps; 0 if `epochs` is given.
    epochs : int
        How often every labelled slice is drawn; 0 if `steps` is given.
    batch : int
        Slices per step, and per process if there are several.
    optimiser : {"adam", "adamw"}
    rate : float
        Highest learning rate.
    schedule : {"constant", "tenth", "cosine"}
        Tenth: `rate` for the first half of the run, a tenth of it for the second. Cosine: linear warm-up over 3 % of the run,
        then down to 1 % of `rate`.
    weight_decay : float
        Weight decay of AdamW.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    average : float
        Decay of the moving average of weights, which is the result, with batch statistics of slices without augmentation; with
        0, the result is the weights themselves, with the batch statistics of training.
    loss : str
        See :mod:`darts_ensemble.training.losses`.
    pool_sides : bool
        Treat homologous regions as one in the loss of the sagittal view.
    augmentation : {"wide", "contrast", "published", "none"}
        See :mod:`darts_ensemble.training.augment`.
    crop : {"brain", "varied", "whole"}
        "brain": crops of :data:`CROPS` around the brain. "varied": the same, but larger crops up to whole slices in a third of
        the steps, so that labels depend less on how much of the head is shown. "whole": whole slices.
    rare : float
        Share of slices that are drawn for a randomly chosen region, instead of randomly among all slices.
    validate_every : int
        Steps between two validations, if there are validation subjects.
    patience : int
        Number of validations without a better Dice after which a run ends; 0 for never.
    precision : {"auto", "fp32", "bf16"}
        Precision of the convolutions; weights, losses and averages are always fp32. "auto": bf16 if the device multiplies in
        it. A run writes which one was used.
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
        """The input channels of the network."""
        return Channels(self.thick_slices, self.positions)


#: As published (arXiv 1911.05567) or found in the authors' files; and ours. Fine-tuning uses lower rates.
RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "published": Recipe(
        filters=256, convolutions=4, thick_slices=1, normalisation="slice-minmax", steps=0, epochs=50, batch=12,
        optimiser="adam", rate=1e-4, schedule="constant", weight_decay=0.0, clip=0.0, average=0.0, loss="weighted-dice",
        pool_sides=False, augmentation="published", crop="whole", rare=0.0,
    ),
}  # fmt: skip
#: Changes for fine-tuning: the published second step, and ours, a shorter run with lower rates.
_FINE_TUNING: dict[str, dict[str, Any]] = {
    "default": {"steps": 1500, "rate": 5e-4},
    "published": {"rate": 5e-5, "schedule": "tenth", "loss": "10dice+0.05cross-entropy"},
}


def make_recipe(name: str, *, step: Literal["pretrain", "finetune"] = "pretrain", **changes: Any) -> Recipe:
    """Return a recipe by name, for one of the two published steps, with some settings changed.

    Raises
    ------
    UsageError
        If the name or a setting is not known, or a value is not possible.
    """
    if name not in RECIPES:
        raise UsageError(f"recipe {name}; expected one of {', '.join(RECIPES)}, or a YAML file")
    recipe = replace(RECIPES[name], **_FINE_TUNING[name]) if step == "finetune" else RECIPES[name]
    return _changed(recipe, changes, "recipe")


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """Read the recipe of an earlier run, or a file with some settings of a recipe.

    Raises
    ------
    UsageError
        If the file can't be read, or holds an unknown setting or a value of the wrong type.
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
        # In YAML 1.1, 2e-3 is a string; and a whole number is a valid rate.
        if kinds[name] is float and isinstance(value, int | str) and not isinstance(value, bool):
            with contextlib.suppress(ValueError):
                value = float(value)
        if type(value) is not kinds[name]:
            raise UsageError(f"{source}: {name} {value!r}; expected {kinds[name].__name__}")
        made[name] = value
    # If only one of steps and epochs is given, it replaces the other.
    if made.get("steps") and "epochs" not in made:
        made["epochs"] = 0
    if made.get("epochs") and "steps" not in made:
        made["steps"] = 0
    return replace(recipe, **made)
