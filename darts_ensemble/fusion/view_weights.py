"""Fusion weights for each view and class, fitted for one ensemble and kept in a fusion.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import CheckpointError
from darts_ensemble.labels import REGION_BY_ID, REGIONS
from darts_ensemble.results.outputs import write_json
from darts_ensemble.weights.checksums import sha256_of

if TYPE_CHECKING:
    from darts_ensemble.networks.view_network import Ensemble

__all__ = ["FusionWeights", "networks_of", "read_fusion_weights", "write_fusion_weights"]


@dataclass(frozen=True)
class FusionWeights:
    """Weight of each view in the fusion of each class.

    Attributes
    ----------
    weights : dict of str to (103,) float64
        View to weight of each class, background last; none is below 0, and the sum over the views of a class is above 0.
    networks : dict of str to str
        View to sha256 of the weights file that they were fitted for.
    accepted : bool or None
        Whether they were better than the default on a subject that was not used in the fit; None: not tried.
    figures : dict
        How they were fitted and the Dice that they reach, as in the report of `darts-weights fit-fusion`.
    """

    weights: dict[str, npt.NDArray[np.float64]]
    networks: dict[str, str] = field(default_factory=dict)
    accepted: bool | None = None
    figures: dict[str, Any] = field(default_factory=dict)


def networks_of(ensemble: Ensemble) -> dict[str, str]:
    """Return the sha256 of each view's weights file."""
    return {view: sha256_of(one.path) for view, one in ensemble.networks.items() if one.path is not None}


def write_fusion_weights(fitted: FusionWeights, path: Path) -> None:
    """Write a fusion.json: one row per region, by FreeSurfer id, and one for the background, id 0.

    Raises
    ------
    ScanError
        If the file can't be written.
    """
    names = [(region.id, region.name) for region in REGIONS] + [(0, "background")]
    rows = [
        {"id": id_, "name": name, **{view: round(float(weights[place]), 4) for view, weights in fitted.weights.items()}}
        for place, (id_, name) in enumerate(names)
    ]
    content = {
        "format_version": 1,
        "accepted": fitted.accepted,
        "figures": fitted.figures,
        "networks": fitted.networks,
        "weights": rows,
    }
    write_json(path, content)


def read_fusion_weights(path: Path, networks: Mapping[str, str] | None = None) -> FusionWeights:
    """Read a fusion.json.

    Parameters
    ----------
    path : Path
    networks : mapping of str to str, optional
        View to sha256 of the networks to be fused; weights fitted for others are refused.

    Raises
    ------
    CheckpointError
        If it can't be read, lacks a class, has a weight below 0 or a class whose weights are all 0, was fitted for other
        networks, or was worse than the default.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = {int(row["id"]): row for row in content["weights"]}
        views = [key for key in content["weights"][0] if key not in ("id", "name")]
        order = [*(region.id for region in REGIONS), 0]
        weights = {view: np.array([float(rows[id_][view]) for id_ in order]) for view in views}
        fitted = FusionWeights(weights, dict(content["networks"]), content["accepted"], dict(content["figures"]))
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; expected a fusion.json of darts-weights fit-fusion") from None
    except KeyError as error:
        key = error.args[0]
        what = f"no row of {REGION_BY_ID[key].name}" if key in REGION_BY_ID else f"no {key}"
        raise CheckpointError(f"{path}: {what}; expected a fusion.json of darts-weights fit-fusion") from None
    except (ValueError, TypeError, IndexError):
        raise CheckpointError(f"{path}: not fusion weights; expected a fusion.json of darts-weights fit-fusion") from None
    _check(path, fitted, networks)
    return fitted


def _check(path: Path, fitted: FusionWeights, networks: Mapping[str, str] | None) -> None:
    table = np.stack(list(fitted.weights.values()))
    if not np.isfinite(table).all() or table.min() < 0 or table.sum(axis=0).min() <= 0:
        raise CheckpointError(f"{path}: weights below 0, or a class without any; expected a weight above 0 in every class")
    if fitted.accepted is False:
        raise CheckpointError(
            f"{path}: these weights were worse than the default on {fitted.figures.get('accept_on', 'the subject kept out')}; "
            "expected accepted ones: fuse without them"
        )
    other = [view for view, sha256 in (networks or {}).items() if fitted.networks.get(view) != sha256]
    if other:
        raise CheckpointError(
            f"{path}: fitted for other {', '.join(other)} weights than those in use; expected those: run darts-weights "
            "fit-fusion for them"
        )
