"""The layout of a ratings table: its columns, and the names of regions and sides in it."""

from __future__ import annotations

from darts_ensemble.labels import REGIONS

__all__ = ["COLUMNS", "DESIGN", "OPTIONAL_COLUMNS", "PUBLISHED_REGIONS", "SIDES", "SYNTHETIC", "known_regions"]

#: Columns of every ratings table, and optional ones; `synthetic` says how a rating was made up, "" for a reader's.
COLUMNS = ("reader", "case", "roi", "hemisphere", "method", "rating")
OPTIONAL_COLUMNS = ("view", "repeat", "seconds", "timestamp", "comment", "synthetic")
#: Columns that, with the reader and the case, identify one rating of a complete design.
DESIGN = ("roi", "hemisphere", "method")
#: Said in all results of simulated ratings.
SYNTHETIC = "Synthetic ratings: simulated, no reader gave them"
#: Regions of the published study, in the order of its table.
PUBLISHED_REGIONS = ("Insula", "Caudate", "Cingulate-Gyrus", "Lateral-Ventricles", "Pallidum", "Putamen", "Thalamus")
#: Spellings of a side, in lower case, and its name in the table.
SIDES = {"l": "L", "left": "L", "lh": "L", "r": "R", "right": "R", "rh": "R", "": "", "midline": ""}
_SIDE_PREFIXES = ("ctx-lh-", "ctx-rh-", "Left-", "Right-")


def known_regions() -> tuple[str, ...]:
    """Return the region names that a table may use: the seven of the published study, then the 102 without sides."""
    names = list(PUBLISHED_REGIONS)
    for region in REGIONS:
        prefix = next((p for p in _SIDE_PREFIXES if region.name.startswith(p)), "")
        names.append(region.name.removeprefix(prefix))
    return tuple(dict.fromkeys(names))
