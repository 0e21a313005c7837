"""The network that finds the brain for networks that are too slow for it."""

from __future__ import annotations

import torch

from darts_ensemble.errors import CheckpointError
from darts_ensemble.inference.predict import made_ready
from darts_ensemble.networks.view_network import Ensemble, ViewNetwork
from darts_ensemble.weights.checkpoints import load_ensemble

__all__ = ["MOST_SCOUT_FILTERS", "scout_for"]

#: A network with more filters is too slow to find the brain: the bundled network does it.
MOST_SCOUT_FILTERS = 64


def scout_for(ensemble: Ensemble, view: str, device: torch.device, precision: str) -> ViewNetwork | None:
    """Return the bundled network of a view, made ready, if the ensemble's own is too slow to find the brain; else None."""
    if ensemble.networks[view].filters <= MOST_SCOUT_FILTERS:
        return None
    try:
        bundled = load_ensemble("bundled").networks
    except CheckpointError:  # removed from the installation: then the network in use has to do it
        return None
    return made_ready(bundled.get(view) or next(iter(bundled.values())), device, precision)
