"""Start a network where another one of the same architecture stood, of the same size or with fewer channels or filters."""

from __future__ import annotations

import re

from torch import Tensor, nn

from darts_ensemble.errors import CheckpointError
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.training.recipe import Recipe

__all__ = ["start_from"]

_FIRST = {"dense-unet": "conv1.weight", "unet": "down1.conv1.weight"}
#: Convolutions that receive the up-sampled features and those of the skip, one after the other.
_JOINED = re.compile(r"up\d\.conv1?\.weight")
#: Transposed convolutions name their inputs first.
_TRANSPOSED = re.compile(r"up\d\.(upsample_layer|transconv)\.weight")


def start_from(network: nn.Module, recipe: Recipe, init: ViewNetwork) -> None:
    """Fill a network with the weights of another one, in place; both then give the same logits in inference.

    `init` may be smaller. The first convolution may have fewer channels: those of the slices take their places about the
    middle, those of positions the last ones, and new ones start at 0. There may be fewer filters: the new ones keep their
    random weights for what they receive, and nothing that was there before listens to them until training makes it.

    Parameters
    ----------
    network : torch.nn.Module
        With random weights.
    recipe : Recipe
        That `network` was made by.
    init : ViewNetwork

    Raises
    ------
    CheckpointError
        If `init` has another architecture, other blocks, or more channels or filters.

    Notes
    -----
    New units that leave the function as it is: Chen, Goodfellow and Shlens, "Net2Net", 2016 (arXiv 1511.05641). Theirs are
    copies of old ones; here new ones are random and unheard, which needs no noise to tell them apart.
    """
    state = dict(init.network.state_dict())
    own = network.state_dict()
    first = _FIRST[recipe.architecture]
    if init.architecture == recipe.architecture and state.keys() == own.keys():
        state[first] = _with_channels(state[first], recipe, init)
        if init.filters < recipe.filters:
            state = {name: _with_filters(name, state[name], value) for name, value in own.items()}
    if state.keys() != own.keys() or any(state[name].shape != value.shape for name, value in own.items()):
        raise CheckpointError(
            f"{init.path}: a {init.architecture} of {init.filters} filters and {init.channels.count} channels; expected a "
            f"{recipe.architecture} of at most {recipe.filters} filters and {recipe.channels.count} channels to start from, "
            "with as many convolutions in a block"
        )
    network.load_state_dict(state)


def _with_channels(weight: Tensor, recipe: Recipe, init: ViewNetwork) -> Tensor:
    """The first convolution's weight with the channels of the recipe; as it is where `init` has some that the recipe lacks."""
    before = (recipe.thick_slices - init.channels.thick_slices) // 2
    if before < 0 or recipe.positions < init.channels.positions:
        return weight
    widened = weight.new_zeros(weight.shape[0], recipe.channels.count, *weight.shape[2:])
    widened[:, before : before + init.channels.thick_slices] = weight[:, : init.channels.thick_slices]
    if init.channels.positions:
        widened[:, -3:] = weight[:, -3:]
    return widened


def _with_filters(name: str, old: Tensor, random: Tensor) -> Tensor:
    """A parameter of a network with more filters: old outputs don't see new inputs, new outputs keep their random weights."""
    if old.shape == random.shape:
        return old
    grown = random.clone()
    if old.ndim == 1:
        grown[: len(old)] = old
        return grown
    # Views, so that what is written to them is written to `grown`, with outputs first for both kinds of convolution.
    outputs_first = (1, 0) if _TRANSPOSED.fullmatch(name) else (0, 1)
    source, target = old.permute(*outputs_first, 2, 3), grown.permute(*outputs_first, 2, 3)
    outputs = len(source)
    target[:outputs] = 0
    groups = 2 if _JOINED.fullmatch(name) else 1
    for before, after in zip(source.chunk(groups, dim=1), target.chunk(groups, dim=1), strict=True):
        after[:outputs, : before.shape[1]] = before
    return grown
