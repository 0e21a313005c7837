"""What a result was made with, according to its account, and how this differs from the settings of the present run.

Every option of a run is part of the account. Options that cannot change a result are listed by name, so that a new option is
compared unless it is added to that list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darts_ensemble.versions import package_version

if TYPE_CHECKING:
    from darts_ensemble.networks.view_network import Ensemble, ViewNetwork

__all__ = ["SETTLED", "WITHOUT_EFFECT", "describe_networks", "differences", "with_options"]

#: Options that change no voxel and no table of a result: where, how fast and with how much output it is made.
WITHOUT_EFFECT = frozenset({"device", "batch_size", "low_memory", "threads", "overwrite", "verbose", "strict"})
#: Options that the segmenter resolves (a default to a value, a file to its content); the account holds the resolved value.
SETTLED = frozenset(
    {"weights", "views", "view_weights", "fusion_weights", "fusion", "sagittal_pooling", "precision", "crop", "tta", "refine"}
)
#: Files that a run may add to a result. A result with more files than a run needs can still be kept.
_ADDITIONS = ("agreement", "probabilities", "dicom_seg")


def describe_networks(
    ensemble: Ensemble, views: Sequence[str], *, weights: Mapping[str, Any] | None, scout: ViewNetwork | None, **settled: Any
) -> dict[str, Any]:
    """Return what the labels of a segmenter depend on besides the scan, ready for JSON.

    Parameters
    ----------
    ensemble, views
        The networks, and those of them in use.
    weights : mapping of view to number or array, or None
        Weights of the views in the fusion; None: the default.
    scout : ViewNetwork or None
        The network that finds the brain, if it is another one.
    **settled
        Other options as resolved by the segmenter: fusion, sagittal_pooling, precision, precision_asked, crop, tta, refinement.

    Returns
    -------
    dict
        `settled`, and version, weights (view to sha256), views, view_weights (view to number, or to the sha256 of a number per
        class), scout (sha256).
    """
    from darts_ensemble.fusion.fuse import DEFAULT_WEIGHTS

    given: Mapping[str, Any] = DEFAULT_WEIGHTS if weights is None else weights
    return {
        "version": package_version("darts-ensemble"),
        "weights": {view: _network_sha256(ensemble.networks[view]) for view in views},
        "views": list(views),
        "view_weights": {view: _weight(given.get(view, 0)) for view in views},
        "scout": None if scout is None else _network_sha256(scout),
        **settled,
    }


def with_options(networks: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return :func:`describe_networks` and every other option of a run that can change a result."""
    return {**networks, **{name: value for name, value in options.items() if name not in WITHOUT_EFFECT | SETTLED}}


def differences(asked: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Return how a result differs from the present settings, one phrase per difference; none if it can be kept.

    A precision of "auto" counts as the same on every machine. A result may have agreement and probabilities that this run does
    not need.

    Parameters
    ----------
    asked, made : mapping
        From :func:`with_options`.
    """
    kept = set()
    if asked.get("precision_asked") == made.get("precision_asked") or asked.get("precision") == made.get("precision"):
        kept |= {"precision", "precision_asked"}
    kept |= {name for name in _ADDITIONS if not asked.get(name)}
    if not asked.get("probabilities"):
        kept.add("probability_type")
    if asked.get("views") != made.get("views"):  # then the weights of each view differ anyway
        kept |= {"view_weights", "weights"}
    found = []
    for name, value in asked.items():
        if name in kept or made.get(name) == value:
            continue
        if name == "weights" and isinstance(made.get(name), dict):
            other = [view for view in value if made[name].get(view) != value[view]]
            found.append(f"other weights of {', '.join(other)}")
        elif name not in made:
            found.append(f"{_words(name)} {_shown(value)}, before not recorded")
        else:
            found.append(f"{_words(name)} {_shown(value)}, was {_shown(made[name])}")
    return found


def _weight(value: Any) -> float | str:
    array = np.asarray(value, dtype="<f8")
    return float(array) if array.ndim == 0 else f"sha256 {hashlib.sha256(array.tobytes()).hexdigest()}"


def _network_sha256(network: ViewNetwork) -> str:
    """Return the sha256 of the weights file, or of the parameters if a network has no file."""
    if network.path is not None:
        from darts_ensemble.weights.checksums import sha256_of

        return sha256_of(network.path)
    digest = hashlib.sha256()
    for name, value in network.network.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().double().numpy().tobytes())
    return digest.hexdigest()


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Any) -> str:
    if value is None or value is False:
        return "none"
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{key}={_short(one)}" for key, one in value.items())
    return "yes" if value is True else _short(value)


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:15]}..." if len(text) > 40 else text
