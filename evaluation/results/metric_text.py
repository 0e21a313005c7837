"""Headings of the columns of metrics in tables, and definitions of the metrics for a paper."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["MetricText", "describe_metric", "surface_definition"]

_SURFACE = re.compile(
    r"(?P<kind>hd95_larger|hd95_pooled|assd)_(?P<definition>voxel|dual_grid)_mm|"
    r"surface_dice_(?P<tolerance>[\d.]+)mm_(?P<of>voxel|dual_grid)"
)
_DEFINITIONS = {
    "voxel": "the centres of those voxels of a region that have at least one of their six neighbours outside it",
    "dual_grid": "the corners between voxels that a region's boundary crosses (the half-voxel dual grid), weighted by the area "
    "of the boundary there",
}
_SHORT = {"voxel": "centres of boundary voxels", "dual_grid": "half-voxel dual grid, weighted by area"}


@dataclass(frozen=True)
class MetricText:
    """A metric in words.

    Attributes
    ----------
    heading : str
        Heading of a column, with the unit.
    formula : str
        With A the region in the reference and B the same region in the label map under test.
    better : {"higher", "lower"}
    digits : int
        Decimals in tables.
    citations : tuple of str
        Keys of :data:`evaluation.report.citations.CITATIONS`.
    surface : str
        Definition of a surface; empty if the metric needs none.
    """

    heading: str
    formula: str
    better: str
    digits: int
    citations: tuple[str, ...]
    surface: str = ""

    @property
    def definition(self) -> str:
        """The formula with the definition of a surface."""
        return f"{self.formula} ({self.surface})" if self.surface else self.formula

    @property
    def meaning(self) -> str:
        """A sentence for the legend of a table."""
        return f"{self.definition[0].upper()}{self.definition[1:]}; {self.better} is better."


_OVERLAP = {
    "dice": MetricText("Dice", "Dice, 2|A∩B| / (|A| + |B|)", "higher", 3, ("dice",)),
    "jaccard": MetricText("Jaccard", "Jaccard index, |A∩B| / |A∪B|", "higher", 3, ("taha",)),
    "sensitivity": MetricText("Sensitivity", "sensitivity, |A∩B| / |A|", "higher", 3, ("taha",)),
    "precision": MetricText("Precision", "precision, |A∩B| / |B|", "higher", 3, ("taha",)),
    "volume_similarity": MetricText(
        "Volume similarity", "volume similarity, 1 − ||A| − |B|| / (|A| + |B|)", "higher", 3, ("taha",)
    ),
}


def describe_metric(name: str) -> MetricText:
    """Return the text for a metric's column; for an unknown metric, its name.

    Parameters
    ----------
    name : str
        Such as `dice`, `hd95_larger_voxel_mm` or `surface_dice_1mm_dual_grid`.
    """
    if name in _OVERLAP:
        return _OVERLAP[name]
    if name == "dice_common":
        return replace(_OVERLAP["dice"], heading="Dice, common regions")
    found = _SURFACE.fullmatch(name)
    if found is None:
        return MetricText(name, name, "higher", 3, ())
    definition = found["definition"] or found["of"]
    points, short = _SHORT[definition], definition.replace("_", " ")
    if found["tolerance"]:
        share = f"surface Dice, the share of both surfaces that lies within {found['tolerance']} mm of the other"
        return MetricText(f"Surface Dice {found['tolerance']} mm ({short})", share, "higher", 3, ("surface_dice",), points)
    if found["kind"] == "assd":
        mean = "average symmetric surface distance (ASSD), the mean of the distances in both directions pooled, in mm"
        return MetricText(f"ASSD ({short}), mm", mean, "lower", 2, ("assd",), points)
    larger = found["kind"] == "hd95_larger"
    form = (
        "the larger of the 95th percentiles of the distances in the two directions"
        if larger
        else "the 95th percentile of the distances in both directions pooled"
    )
    heading = f"HD95 ({'larger' if larger else 'pooled'}, {short}), mm"
    distance = f"95 % Hausdorff distance (HD95), {form}, in mm"
    return MetricText(heading, distance, "lower", 2, ("hausdorff", "taha"), points)


def surface_definition(name: str) -> str | None:
    """Return the definition of a surface that a metric uses; None if it needs none."""
    found = _SURFACE.fullmatch(name)
    return None if found is None else _DEFINITIONS[found["definition"] or found["of"]]
