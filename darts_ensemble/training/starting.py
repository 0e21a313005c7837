"""Start a network from the weights of another one of the same architecture, with as many or fewer channels or filters."""

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
#: In the weights of transposed convolutions, the axis of inputs is the first.
_TRANSPOSED = re.compile(r"up\d\.(upsample_layer|transconv)\.weight")


def start_from(network: nn.Module, recipe: Recipe, init: ViewNetwork) -> None:
    """Fill a network with the weights of another one, in place; both then give the same logits in inference.

    `init` may be smaller. If its first convolution has fewer channels, those of the slices are put around the middle, those of
    positions at the end, and weights of new channels are 0. If it has fewer filters, new filters keep their random weights for
    their inputs, and the weights from new to old filters are 0 until training changes them.

    Parameters
    ----------
    network : torch.nn.Module
        Network with random weights.
    recipe : Recipe
        Recipe of `network`.
    init : ViewNetwork

    Raises
    ------
    CheckpointError
        If `init` has another architecture, other blocks, or more channels or filters.

    Notes
    -----
    New units that do not change the function: Chen, Goodfellow and Shlens, "Net2Net", 2016 (arXiv 1511.05641). There, new units
    are copies of old ones, to which noise is added to make them differ; here, they are random and not used at the start.
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
    """Return the first convolution's weight with the channels of the recipe; unchanged if the recipe lacks some of `init`."""
    before = (recipe.thick_slices - init.channels.thick_slices) // 2
    if before < 0 or recipe.positions < init.channels.positions:
        return weight
    widened = weight.new_zeros(weight.shape[0], recipe.channels.count, *weight.shape[2:])
    widened[:, before : before + init.channels.thick_slices] = weight[:, : init.channels.thick_slices]
    if init.channels.positions:
        widened[:, -3:] = weight[:, -3:]
    return widened


def _with_filters(name: str, old: Tensor, random: Tensor) -> Tensor:
    """Return a parameter for more filters: weights from new inputs to old outputs are 0, those of new outputs stay random."""
    if old.shape == random.shape:
        return old
    grown = random.clone()
    if old.ndim == 1:
        grown[: len(old)] = old
        return grown
    # Views of `grown` with the axis of outputs first for both kinds of convolution: writing to them changes `grown`.
    outputs_first = (1, 0) if _TRANSPOSED.fullmatch(name) else (0, 1)
    source, target = old.permute(*outputs_first, 2, 3), grown.permute(*outputs_first, 2, 3)
    outputs = len(source)
    target[:outputs] = 0
    groups = 2 if _JOINED.fullmatch(name) else 1
    for before, after in zip(source.chunk(groups, dim=1), target.chunk(groups, dim=1), strict=True):
        after[:outputs, : before.shape[1]] = before
    return grown
