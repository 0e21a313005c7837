"""What is scored: the regions of a protocol, and which ids are merged into one region, masked, or background."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import UsageError
from darts_ensemble.labels import REGION_BY_ID, Hemisphere

__all__ = ["PROTOCOLS", "Outside", "Protocol", "ProtocolRegion", "homologous_id", "load_protocol", "side_of"]

#: The built-in protocols, each with a table in this folder.
PROTOCOLS = ("darts102", "dkt31", "dk", "aseg", "oasis-cma")
#: How reference voxels are treated whose id the protocol does not name.
Outside = Literal["mask", "background"]

_USES = ("score", "background", "mask")
#: FreeSurfer ids go up to 14175; a table of all up to this one stays small.
_LARGEST_ID = 65535
# Pairs of left and right outside the 102: cerebral exterior and cortex, cerebellar exterior, hypointensities, basal forebrain.
_OTHER_PAIRS = {1: 40, 3: 42, 6: 45, 78: 79, 81: 82, 91: 92}
_OTHER_HOMOLOGUES = {**_OTHER_PAIRS, **{right: left for left, right in _OTHER_PAIRS.items()}}


@dataclass(frozen=True)
class ProtocolRegion:
    """A region that is scored.

    Attributes
    ----------
    id : int
        The first of its ids; tables use it for the region.
    name : str
    hemisphere : {"left", "right", "midline"}
    group : str
        As in :class:`darts_ensemble.labels.Region`; "cortex" or "other" for ids outside the 102.
    ids : tuple of int
        The ids that count as the region, both in references and in predictions.
    homologue : int or None
        `id` of the protocol's region on the other side.
    """

    id: int
    name: str
    hemisphere: Hemisphere
    group: str
    ids: tuple[int, ...]
    homologue: int | None


@dataclass(frozen=True)
class Protocol:
    """Regions in the order of the tables, and ids that are not regions.

    Attributes
    ----------
    name : str
        One of :data:`PROTOCOLS`, or a file's name.
    regions : tuple of ProtocolRegion
    background : frozenset of int
        Ids that count as background.
    masked : frozenset of int
        Ids whose voxels in the reference are not scored at all.
    digest : str
        sha256 of the table.
    """

    name: str
    regions: tuple[ProtocolRegion, ...]
    background: frozenset[int]
    masked: frozenset[int]
    digest: str

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.regions)

    @property
    def background_place(self) -> int:
        """The position of background: after the last region."""
        return len(self.regions)

    @property
    def masked_place(self) -> int:
        """The position of ids that the protocol masks."""
        return len(self.regions) + 1

    @property
    def outside_place(self) -> int:
        """The position of ids that the protocol does not name."""
        return len(self.regions) + 2

    @cached_property
    def _table(self) -> npt.NDArray[np.uint16]:
        table = np.full(_LARGEST_ID + 2, self.outside_place, dtype=np.uint16)
        table[[0, *self.background]] = self.background_place
        table[list(self.masked)] = self.masked_place
        for place, region in enumerate(self.regions):
            table[list(region.ids)] = place
        return table

    def places(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """Return the position of the region of each FreeSurfer id, or one of the three after the regions; shape of `ids`."""
        inside = (ids >= 0) & (ids <= _LARGEST_ID)
        return self._table[ids if inside.all() else np.where(inside, ids, _LARGEST_ID + 1)]

    @cached_property
    def homologue_places(self) -> npt.NDArray[np.int64]:
        """For each region, the position of the region on the other side, or its own if there is none."""
        at = {region.id: place for place, region in enumerate(self.regions)}
        mirrored = [place if one.homologue is None else at[one.homologue] for place, one in enumerate(self.regions)]
        return np.array(mirrored, dtype=np.int64)


def load_protocol(name: str) -> Protocol:
    """Read a built-in protocol, or a table of the user.

    Parameters
    ----------
    name : str
        One of :data:`PROTOCOLS`, or the path of a TSV with the columns `id` (FreeSurfer id, each once), `use` ("score",
        "background" or "mask") and `region` (name; ids with the same name are one region); optionally `hemisphere` and
        `group`.

    Raises
    ------
    UsageError
        If there is no such protocol, or the table is not valid.
    """
    if name in PROTOCOLS:
        text = files("evaluation.protocols").joinpath(f"{name}.tsv").read_text(encoding="utf-8")
        return _parse(name, text, name)
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"--protocol {name}: no such protocol or file; expected {', '.join(PROTOCOLS)} or a TSV file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}; expected a TSV file") from None
    return _parse(path.stem, text, str(path))


def _parse(name: str, text: str, where: str) -> Protocol:
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    if not rows or not {"id", "use", "region"} <= set(rows[0]):
        found = ", ".join(str(column) for column in rows[0]) if rows else "no row"
        raise UsageError(f"{where}: {found} found; expected a tab-separated table with the columns id, use, region")
    uses: dict[str, set[int]] = {use: set() for use in _USES}
    scored: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(rows, start=2):
        id_, use = (row["id"] or "").strip(), (row["use"] or "").strip()
        if not re.fullmatch(r"[0-9]{1,5}", id_) or not 0 < int(id_) <= _LARGEST_ID:
            raise UsageError(f"{where}, line {number}: id {id_ or 'empty'}; expected a whole number from 1 to {_LARGEST_ID}")
        if use not in _USES:
            raise UsageError(f"{where}, line {number}: use {use or 'empty'}; expected {', '.join(_USES)}")
        if any(int(id_) in ids for ids in uses.values()):
            raise UsageError(f"{where}, line {number}: id {id_} a second time; expected each id once")
        uses[use].add(int(id_))
        if use == "score":
            region = (row["region"] or "").strip()
            if not region and int(id_) not in REGION_BY_ID:
                raise UsageError(f"{where}, line {number}: id {id_} without a region; expected a name to score it under")
            scored.setdefault(region or REGION_BY_ID[int(id_)].name, []).append((int(id_), row))
    if not scored:
        raise UsageError(f"{where}: no id with use score; expected at least one region to score")
    regions = tuple(_region(region, members, scored, where) for region, members in scored.items())
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Protocol(name, regions, frozenset(uses["background"]), frozenset(uses["mask"]), digest)


def _region(
    name: str,
    members: list[tuple[int, dict[str, str]]],
    scored: dict[str, list[tuple[int, dict[str, str]]]],
    where: str,
) -> ProtocolRegion:
    ids = tuple(id_ for id_, _ in members)
    given = {column: {(row.get(column) or "").strip() for _, row in members} - {""} for column in ("hemisphere", "group")}
    for column, values in given.items():
        if len(values) > 1:
            raise UsageError(f"{where}: region {name} has {column} {', '.join(sorted(values))}; expected one")
    stated = next(iter(given["hemisphere"]), None)
    if stated not in (None, "left", "right", "midline"):
        raise UsageError(f"{where}: region {name} has hemisphere {stated}; expected left, right or midline")
    side = cast(Hemisphere, stated) if stated else _side_of_all(ids)
    group = next(iter(given["group"]), None) or _group_of(ids)
    # The region on the other side has exactly the homologues of these ids.
    mirrored = {homologous_id(id_) for id_ in ids}
    others = [[id_ for id_, _ in rows] for region, rows in scored.items() if region != name]
    homologue = next((other[0] for other in others if set(other) == mirrored), None)
    return ProtocolRegion(ids[0], name, side, group, ids, homologue)


def homologous_id(id_: int) -> int | None:
    """Return the id of the same structure on the other side, None for midline structures and ids that FreeSurfer doesn't pair.

    Examples
    --------
    >>> homologous_id(17), homologous_id(2001), homologous_id(3), homologous_id(16)
    (53, 1001, 42, None)
    """
    if id_ in REGION_BY_ID:
        return REGION_BY_ID[id_].homologue
    if id_ in _OTHER_HOMOLOGUES:
        return _OTHER_HOMOLOGUES[id_]
    for left in (1000, 3000, 11100, 13100):  # cortex and white matter below it, of aparc and of aparc.a2009s
        if left <= id_ < left + 900:
            return id_ + 1000
        if left + 1000 <= id_ < left + 1900:
            return id_ - 1000
    return None


def side_of(id_: int) -> Hemisphere:
    """Return the hemisphere of an id; midline for ids that FreeSurfer doesn't pair."""
    other = homologous_id(id_)
    # In every pair of FreeSurfer ids, the left side has the smaller one.
    return "midline" if other is None else "left" if id_ < other else "right"


def _side_of_all(ids: Iterable[int]) -> Hemisphere:
    sides = {side_of(id_) for id_ in ids}
    return sides.pop() if len(sides) == 1 else "midline"


def _group_of(ids: Iterable[int]) -> str:
    groups = {REGION_BY_ID[id_].group if id_ in REGION_BY_ID else _group_outside(id_) for id_ in ids}
    return groups.pop() if len(groups) == 1 else "other"


def _group_outside(id_: int) -> str:
    """Return the group of an id outside the 102: cortex, and white matter below it, of aparc and of aparc.a2009s."""
    if id_ in (3, 42) or 1000 <= id_ < 3000 or 11100 <= id_ < 13000:
        return "cortex"
    return "white matter" if 3000 <= id_ < 5000 or 13100 <= id_ < 15000 else "other"
