"""Order and names of regions in figures and tables; both sides of a pair in one row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from evaluation.protocols.groups import GROUPS

__all__ = ["PARTS", "SIDES", "Part", "RegionRow", "parts_of", "readable_name", "region_rows", "sided_name"]

_PREFIXES = re.compile(r"^(Left|Right|ctx-lh|ctx-rh|wm-lh|wm-rh|ctx|wm)[-_]")
# FreeSurfer writes these without spaces, or cut short.
_SPACED = {
    "bankssts": "banks of the STS", "caudalanteriorcingulate": "caudal anterior cingulate",
    "caudalmiddlefrontal": "caudal middle frontal", "frontalpole": "frontal pole", "inferiorparietal": "inferior parietal",
    "inferiortemporal": "inferior temporal", "isthmuscingulate": "isthmus cingulate", "lateraloccipital": "lateral occipital",
    "lateralorbitofrontal": "lateral orbitofrontal", "medialorbitofrontal": "medial orbitofrontal",
    "middletemporal": "middle temporal", "parsopercularis": "pars opercularis", "parsorbitalis": "pars orbitalis",
    "parstriangularis": "pars triangularis", "posteriorcingulate": "posterior cingulate",
    "rostralanteriorcingulate": "rostral anterior cingulate", "rostralmiddlefrontal": "rostral middle frontal",
    "superiorfrontal": "superior frontal", "superiorparietal": "superior parietal", "superiortemporal": "superior temporal",
    "temporalpole": "temporal pole", "transversetemporal": "transverse temporal", "Inf-Lat-Vent": "inferior lateral ventricle",
    "VentralDC": "ventral DC", "Thalamus-Proper": "thalamus",
}  # fmt: skip
#: Letters after names; midline regions have none.
SIDES = {"left": "L", "right": "R"}
_SECTIONS = (
    "deep grey", "medial temporal", "cerebellum", "white matter", "ventricles", "brain stem", "corpus callosum", "other",
    "frontal lobe", "parietal lobe", "temporal lobe", "occipital lobe", "cingulate gyrus", "insula", "cortex",
)  # fmt: skip


def _sections_of_cortex() -> dict[int, str]:
    """Id to lobe; the cingulate gyrus and the insula are sections of their own."""
    wanted = [group for group in GROUPS if group.kind == "lobe"]
    wanted += [group for group in GROUPS if group.name.endswith(("cingulate gyrus", "insula"))]
    return {id_: re.sub("^(left|right) ", "", one.name) for one in wanted for id_ in one.ids | one.more_ids}


_SECTION_OF_CORTEX = _sections_of_cortex()


@dataclass(frozen=True)
class RegionRow:
    """A row of a figure: a region on one side or both, or in the middle.

    Attributes
    ----------
    name : str
        Without its side, as from :func:`readable_name`.
    section : str
        Group of regions, or lobe.
    left, right, middle : int or None
        Ids.
    """

    name: str
    section: str
    left: int | None = None
    right: int | None = None
    middle: int | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the row's regions, left before right."""
        return tuple(id_ for id_ in (self.left, self.right, self.middle) if id_ is not None)

    @property
    def sided_names(self) -> dict[int, str]:
        """Id to name with the side after it."""
        sides = ((self.left, " L"), (self.right, " R"), (self.middle, ""))
        return {id_: self.name + side for id_, side in sides if id_ is not None}


@dataclass(frozen=True)
class Part:
    """One of the two parts of figures per region: a key for file names, a title, its rows."""

    key: str
    title: str
    rows: tuple[RegionRow, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all its rows."""
        return tuple(id_ for row in self.rows for id_ in row.ids)


#: Key and title of each part.
PARTS = (("subcortical", "Subcortical and midline regions"), ("cortex", "Cortical regions"))


def readable_name(region_name: str) -> str:
    """Return FreeSurfer's name of a region without its side, in words.

    Examples
    --------
    >>> readable_name("ctx-lh-parsorbitalis"), readable_name("Left-Cerebral-White-Matter"), readable_name("CC_Mid_Anterior")
    ('pars orbitalis', 'cerebral white matter', 'CC mid anterior')
    """
    name = _PREFIXES.sub("", region_name)
    if name in _SPACED:
        return _SPACED[name]
    words = re.split(r"[-_ ]+", name)
    return " ".join(word if word.isupper() else word.lower() for word in words)


def sided_name(region_name: str, hemisphere: str) -> str:
    """Return :func:`readable_name` with the side after it: "putamen L"."""
    return " ".join(text for text in (readable_name(region_name), SIDES.get(hemisphere, "")) if text)


def region_rows(table: pd.DataFrame, order_by: Mapping[int, float] | None = None) -> list[RegionRow]:
    """Return the regions of a table as rows, section by section, with both sides of a pair in one row.

    Parameters
    ----------
    table : DataFrame
        Columns region_id, region_name, hemisphere and group; a region may have many rows.
    order_by : mapping of region id to float, optional
        Within a section, the largest mean over the sides comes first; rows without a finite value come last. By default, the
        order is that of the table.
    """
    regions = table[["region_id", "region_name", "hemisphere", "group"]].drop_duplicates("region_id")
    ids: dict[tuple[str, str], dict[str, int]] = {}
    for region in regions.itertuples(index=False):
        id_, side = int(str(region.region_id)), str(region.hemisphere)
        section = _SECTION_OF_CORTEX.get(id_, "cortex") if region.group == "cortex" else str(region.group)
        name, side = readable_name(str(region.region_name)), side if side in SIDES else "middle"
        taken = ids.setdefault((section, name), {})
        # Two regions with the same short name get a row each.
        while side in taken:
            name = str(region.region_name) if name != region.region_name else f"{name} {id_}"
            taken = ids.setdefault((section, name), {})
        taken[side] = id_
    rows = [RegionRow(name, section, **sides) for (section, name), sides in ids.items()]
    known = {section: place for place, section in enumerate(_SECTIONS)}
    places = {row: place for place, row in enumerate(rows)}

    def key(row: RegionRow) -> tuple[int, str, bool, float, int]:
        value = _mean(order_by.get(id_, float("nan")) for id_ in row.ids) if order_by else 0.0
        return known.get(row.section, len(known)), row.section, value != value, -value, places[row]

    return sorted(rows, key=key)


def parts_of(rows: Sequence[RegionRow], table: pd.DataFrame) -> list[Part]:
    """Return the rows outside and inside the cortex; a part without rows is left out."""
    cortical = {int(id_) for id_ in table.loc[table["group"] == "cortex", "region_id"].unique()}
    inside = [bool(cortical.intersection(row.ids)) for row in rows]
    parts = [
        Part(key, title, tuple(row for row, cortex in zip(rows, inside, strict=True) if cortex == wanted))
        for (key, title), wanted in zip(PARTS, (False, True), strict=True)
    ]
    return [part for part in parts if part.rows]


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if value == value]
    return sum(finite) / len(finite) if finite else float("nan")
