"""The layout of a ratings table: its columns, and the names that regions and sides have there."""

from __future__ import annotations

from darts_ensemble.labels import REGIONS

__all__ = ["COLUMNS", "DESIGN", "OPTIONAL_COLUMNS", "PUBLISHED_REGIONS", "SIDES", "SYNTHETIC", "known_regions"]

#: Columns every ratings table has, and those it may have besides; `synthetic` says how a rating was made up, "" for a reader's.
COLUMNS = ("reader", "case", "roi", "hemisphere", "method", "rating")
OPTIONAL_COLUMNS = ("view", "repeat", "seconds", "timestamp", "comment", "synthetic")
#: Columns that together name one rating of a complete design, beside the reader and the case.
DESIGN = ("roi", "hemisphere", "method")
#: What everything made of simulated ratings says.
SYNTHETIC = "Synthetic ratings: simulated, no reader gave them"
#: Regions of the published study, in the order of its table.
PUBLISHED_REGIONS = ("Insula", "Caudate", "Cingulate-Gyrus", "Lateral-Ventricles", "Pallidum", "Putamen", "Thalamus")
#: Spellings of a side, in lower case, and how the table names it.
SIDES = {"l": "L", "left": "L", "lh": "L", "r": "R", "right": "R", "rh": "R", "": "", "midline": ""}
_SIDE_PREFIXES = ("ctx-lh-", "ctx-rh-", "Left-", "Right-")


def known_regions() -> tuple[str, ...]:
    """Region names a table may use: the seven of the published study, then the 102 regions without their side."""
    names = list(PUBLISHED_REGIONS)
    for region in REGIONS:
        prefix = next((p for p in _SIDE_PREFIXES if region.name.startswith(p)), "")
        names.append(region.name.removeprefix(prefix))
    return tuple(dict.fromkeys(names))
