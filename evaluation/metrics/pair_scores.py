"""Score one prediction against one reference: all regions, and groups of them, by overlap and by surface distances."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.results.overlap import joint_histogram, merge_labels, overlap_of_regions
from darts_ensemble.scans.scan import Scan
from evaluation.metrics.fingerprint import Fingerprint, fingerprint_of
from evaluation.metrics.grids import Move, Reference, flat, on_grid_of
from evaluation.metrics.pair import Pair, bring_together
from evaluation.metrics.placement import Fault, find_fault
from evaluation.metrics.surface import Definition, Misses, surface_scores
from evaluation.protocols.groups import GroupPlaces, groups_of, layers
from evaluation.protocols.parcellation import Parcellation, parcellation_of
from evaluation.protocols.protocol import Outside, Protocol, ProtocolRegion

__all__ = ["PairScores", "Scoring", "score_pair"]

_LABELS, _MAPS = ("reference_labels", "prediction_labels"), ("reference_map", "prediction_map")

Counts = npt.NDArray[np.int64]
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Scoring:
    """What is scored, and how.

    Attributes
    ----------
    protocol : Protocol
    places : tuple of int
        Which of its regions, as positions in `protocol.regions`.
    outside : {"mask", "background"}
        How reference voxels with ids outside the protocol are treated.
    definitions : tuple of {"voxel", "dual_grid"}
        Surfaces to measure; none: only overlap.
    tolerances : tuple of float
        Tolerances of the surface Dice, in mm.
    misses : {"exclude", "worst", "inf"}
        Distance of a region that only one map has: see :func:`evaluation.metrics.surface.surface_scores`.
    """

    protocol: Protocol
    places: tuple[int, ...]
    outside: Outside = "mask"
    definitions: tuple[Definition, ...] = ("voxel",)
    tolerances: tuple[float, ...] = (1.0,)
    misses: Misses = "exclude"

    @property
    def regions(self) -> list[ProtocolRegion]:
        """The scored regions, in the order of the tables."""
        return [self.protocol.regions[place] for place in self.places]

    @cached_property
    def groups(self) -> list[GroupPlaces]:
        """The groups that are scored: see :func:`evaluation.protocols.groups.groups_of`."""
        return groups_of(self.protocol, self.places)

    @cached_property
    def group_layers(self) -> list[list[GroupPlaces]]:
        """The groups of several regions, in sets without a common region."""
        return layers([one for one in self.groups if len(one.places) > 1])

    def digest(self) -> str:
        """Return a sha256 that changes with any of these settings."""
        words = [self.protocol.digest, *map(str, (self.places, self.outside, self.definitions, self.tolerances, self.misses))]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()


@dataclass(frozen=True)
class _Head:
    """The subject of a row: one region, a pair of regions, or a group; and the positions of its regions."""

    id: int | None
    name: str
    hemisphere: str
    group: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class _Measured:
    """A pair on one grid, and its joint histogram."""

    reference: Reference
    pair: Pair
    joint: Counts
    scoring: Scoring

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        x, y, z = (float(size) for size in np.linalg.norm(self.reference.labels.affine[:3, :3], axis=0))
        return x, y, z


@dataclass(frozen=True)
class PairScores:
    """One prediction scored.

    Attributes
    ----------
    regions, groups, merged : dict of str to list
        Columns of the tables of :mod:`evaluation.results.folder`, from `region_id` on; in `merged`, both sides of a region are
        one.
    masked, as_background, dropped
        See :class:`evaluation.metrics.pair.Pair`.
    shape, voxel_size : list
        Grid of the reference; mm.
    move
        See :data:`evaluation.metrics.grids.Move`.
    reference_labels, prediction_labels : Parcellation
        The protocols that the labels follow.
    reference_map, prediction_map : Fingerprint
    empty : bool
        Whether the prediction has no label.
    fault : Fault or None
    laid_on : bool
        Whether the maps were compared voxel by voxel because the reference's header is known to be wrong.
    """

    regions: Columns
    groups: Columns
    merged: Columns
    masked: dict[int, int]
    as_background: dict[int, int]
    dropped: dict[int, int]
    shape: list[int]
    voxel_size: list[float]
    move: Move
    reference_labels: Parcellation
    prediction_labels: Parcellation
    reference_map: Fingerprint
    prediction_map: Fingerprint
    empty: bool
    fault: Fault | None
    laid_on: bool

    def to_json(self) -> dict[str, Any]:
        """Return the scores in a form for :mod:`json`; NaN and infinities stay numbers, as in Python's JSON."""
        # Without asdict, which copies every number.
        nested = {name: vars(getattr(self, name)) for name in (*_LABELS, *_MAPS)}
        return {**vars(self), **nested, "fault": None if self.fault is None else vars(self.fault)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> PairScores:
        """Undo :meth:`to_json`: in JSON, all keys are text."""
        fault = content["fault"]
        counts = {
            name: {int(id_): count for id_, count in content[name].items()} for name in ("masked", "as_background", "dropped")
        }
        labels = {name: Parcellation(**content[name]) for name in _LABELS}
        maps = {name: Fingerprint(**content[name]) for name in _MAPS}
        return cls(**{**content, **counts, **labels, **maps, "fault": Fault(**fault) if fault else None})


def score_pair(
    reference: Reference, prediction: Scan, scoring: Scoring, *, also_merged: bool = False, wrong_header: bool = False
) -> PairScores:
    """Score a prediction against a reference.

    Parameters
    ----------
    reference : Reference
    prediction : Scan
        From :func:`evaluation.metrics.grids.read_prediction`, on its own grid.
    scoring : Scoring
    also_merged : bool
        Also score with homologous regions merged.
    wrong_header : bool
        Whether the reference's header is known to be wrong: then a prediction that fits voxel by voxel, but not through the
        affines, is compared voxel by voxel.
    """
    protocol = scoring.protocol
    foreground = np.flatnonzero(flat(prediction.data) != 0)
    fault = find_fault(reference, prediction, protocol, foreground)
    laid_on = wrong_header and fault is not None and fault.kind == "another affine"
    if laid_on:
        fault, prediction = None, replace(prediction, affine=reference.labels.affine)
    ids, move = on_grid_of(reference.labels, prediction)
    pair = bring_together(reference, ids, protocol, outside=scoring.outside)
    joint = joint_histogram(
        pair.reference, pair.prediction, labels=range(protocol.n_regions), background=protocol.background_place
    )
    measured = _Measured(reference, pair, joint, scoring)
    regions = _region_rows(measured)
    return PairScores(
        regions=regions,
        groups=_group_rows(measured, regions),
        merged=_merged_rows(measured) if also_merged else {},
        masked=pair.masked,
        as_background=pair.as_background,
        dropped=pair.dropped,
        shape=list(pair.shape),
        voxel_size=list(measured.voxel_size),
        move=move,
        reference_labels=reference.parcellation,
        prediction_labels=parcellation_of(flat(prediction.data)[foreground]),
        reference_map=reference.fingerprint or fingerprint_of(reference.labels, reference.foreground, protocol),
        prediction_map=fingerprint_of(prediction, foreground, protocol),
        empty=not foreground.size,
        fault=fault,
        laid_on=laid_on,
    )


def _region_rows(measured: _Measured) -> Columns:
    regions = measured.scoring.protocol.regions
    heads = [
        _Head(regions[place].id, regions[place].name, regions[place].hemisphere, regions[place].group, (place,))
        for place in measured.scoring.places
    ]
    return _rows(measured, heads)


def _merged_rows(measured: _Measured) -> Columns:
    """Return rows with both sides of a pair as one region, with the left id; pairs with only one wanted side are left out."""
    protocol = measured.scoring.protocol
    heads = []
    for place in measured.scoring.places:
        region, other = protocol.regions[place], int(protocol.homologue_places[place])
        if region.hemisphere == "right" or other not in measured.scoring.places:
            continue
        name = region.name.replace("Left-", "").replace("ctx-lh-", "ctx-")
        side = region.hemisphere if other == place else "both"
        heads.append(_Head(region.id, name, side, region.group, tuple(dict.fromkeys((place, other)))))
    return _rows(measured, heads)


def _group_rows(measured: _Measured, regions: Columns) -> Columns:
    """Return the rows of the groups, in order; groups with common regions are measured separately."""
    groups = measured.scoring.groups
    row_of_place = {place: row for row, place in enumerate(measured.scoring.places)}
    rows: dict[str, dict[str, Any]] = {}
    for one in groups:
        if len(one.places) == 1:
            row = row_of_place[int(one.places[0])]
            rows[one.group.name] = {column: values[row] for column, values in regions.items()}
    for layer in measured.scoring.group_layers:
        heads = [_Head(None, one.group.name, "", "", tuple(one.places.tolist())) for one in layer]
        columns = _rows(measured, heads)
        for row, head in enumerate(heads):
            rows[head.name] = {column: values[row] for column, values in columns.items()}
    for one in groups:
        kind = {"region_id": None, "region_name": one.group.name, "hemisphere": one.group.hemisphere, "group": one.group.kind}
        rows[one.group.name] |= kind
    return {column: [rows[one.group.name][column] for one in groups] for column in regions}


def _rows(measured: _Measured, heads: list[_Head]) -> Columns:
    """Measure disjoint sets of regions, each as one region at the position of its first."""
    scoring = measured.scoring
    into = np.arange(scoring.protocol.n_regions + 1)
    for head in heads:
        into[list(head.members)] = head.members[0]
    firsts = [head.members[0] for head in heads]
    joint = merge_labels(measured.joint, into[:-1])
    n_reference, n_prediction = joint.sum(axis=1)[firsts], joint.sum(axis=0)[firsts]
    lacking = np.array([_lacks_any(measured, head.members) for head in heads], dtype=bool)
    status = np.select(
        [lacking, (n_reference > 0) & (n_prediction > 0), n_reference > 0, n_prediction > 0],
        ["absent by protocol", "scored", "missed", "invented"],
        "absent",
    )
    voxel_mm3 = float(np.prod(measured.voxel_size))
    columns: dict[str, Any] = {
        "region_id": [head.id for head in heads],
        "region_name": [head.name for head in heads],
        "hemisphere": [head.hemisphere for head in heads],
        "group": [head.group for head in heads],
        "status": status.tolist(),
        "n_ref_voxels": n_reference.tolist(),
        "n_pred_voxels": n_prediction.tolist(),
        "volume_ref_mm3": (n_reference * voxel_mm3).tolist(),
        "volume_pred_mm3": (n_prediction * voxel_mm3).tolist(),
    }
    metrics = {name: values[firsts] for name, values in overlap_of_regions(joint).items()}
    if scoring.definitions and heads:
        numbers = np.zeros(scoring.protocol.n_regions + 1, dtype=np.int64)
        for number, head in enumerate(heads, start=1):
            numbers[list(head.members)] = number
        surfaces = surface_scores(
            *measured.pair.volumes(numbers),
            spacing=measured.voxel_size,
            labels=range(1, len(heads) + 1),
            background=0,
            definitions=scoring.definitions,
            tolerances=scoring.tolerances,
            misses=scoring.misses,
            image_shape=measured.pair.shape,
        )
        metrics |= {str(name): surfaces[name].to_numpy() for name in surfaces.columns.drop(["label", "status"])}
    return columns | {name: np.where(lacking, np.nan, values).tolist() for name, values in metrics.items()}


def _lacks_any(measured: _Measured, members: tuple[int, ...]) -> bool:
    parcellation = measured.reference.parcellation
    return any(parcellation.lacks(measured.scoring.protocol.regions[place].ids) for place in members)
