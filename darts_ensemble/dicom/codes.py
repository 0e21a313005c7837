"""Coded names of the regions for DICOM: SNOMED CT or DICOM codes if they exist, otherwise FreeSurfer's number."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from darts_ensemble.labels import Region

__all__ = ["ANATOMICAL_STRUCTURE", "LEFT", "PRIVATE_SCHEME", "RIGHT", "CodedName", "RegionCodes", "codes_of"]

#: Scheme for regions without a standard code: the code is FreeSurfer's number, the meaning FreeSurfer's name.
PRIVATE_SCHEME = "99FREESURFER"


@dataclass(frozen=True)
class CodedName:
    """A code of a coding scheme, with its meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class RegionCodes:
    """The codes of a region.

    Attributes
    ----------
    kind : CodedName
        The structure (segmented property type).
    side : CodedName or None
        Left or right; None for midline structures.
    within : CodedName or None
        The larger structure that it belongs to, if `kind` is not a standard code.
    """

    kind: CodedName
    side: CodedName | None
    within: CodedName | None


#: Codes of DICOM PS3.16: CID 7150 (categories) and CID 244 (laterality).
ANATOMICAL_STRUCTURE = CodedName("91723000", "SCT", "Anatomical Structure")
LEFT = CodedName("7771000", "SCT", "Left")
RIGHT = CodedName("24028007", "SCT", "Right")
_CEREBRAL_CORTEX = CodedName("40146001", "SCT", "Cerebral cortex")


@cache
def _table() -> dict[str, dict[str, str]]:
    text = files("darts_ensemble.dicom").joinpath("codes.tsv").read_text(encoding="utf-8")
    return {row["name"]: row for row in csv.DictReader(text.splitlines(), delimiter="\t")}


def codes_of(region: Region) -> RegionCodes:
    """Return the codes of a region from `codes.tsv`; gyri without a row are parts of the cerebral cortex."""
    side = {"left": LEFT, "right": RIGHT}.get(region.hemisphere)
    row = _table().get(re.sub(r"^(Left-|Right-|ctx-[lr]h-)", "", region.name))
    if row is not None and row["value"]:
        return RegionCodes(CodedName(row["value"], row["scheme"], row["meaning"]), side, None)
    within = _CEREBRAL_CORTEX if row is None else CodedName(row["within_value"], "SCT", row["within_meaning"])
    return RegionCodes(CodedName(str(region.id), PRIVATE_SCHEME, region.name), side, within)
