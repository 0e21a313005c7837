"""Label maps of BIDS derivatives: `sub-X[_ses-Y]_[space-...]_[seg-...]_dseg.nii.gz`, methods told apart by `seg-`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.errors import CohortError
from darts_ensemble.scans.scan import without_extension

__all__ = ["BidsLabelMap", "bids_key", "choose_segmentation", "find_label_maps", "find_t1w", "one_a_key"]

_LEVELS = ("", "anat/", "ses-*/anat/", "sub-*/", "sub-*/anat/", "sub-*/ses-*/anat/")
_ENTITY = re.compile(r"([a-zA-Z]+)-([a-zA-Z0-9+]+)")
#: Spaces that are the subject's own; a template's is another head.
_OWN_SPACES = ("", "orig", "T1w", "native", "individual", "scanner", "anat")


@dataclass(frozen=True)
class BidsLabelMap:
    """A label map of a derivative.

    Attributes
    ----------
    path : Path
    subject : str
        "sub-X".
    key : str
        "sub-X" or "sub-X_ses-Y".
    segmentation : str
        Label of `seg-` (older data sets: `atlas-`); empty where the name has none.
    """

    path: Path
    subject: str
    key: str
    segmentation: str


def find_label_maps(root: Path) -> list[BidsLabelMap]:
    """Return the label maps of a derivative (its root, a subject or an `anat` folder) in the subjects' own spaces, by name.

    Files without `seg-` beside each other in the root itself are a folder of files named by subject, and none of these.
    """
    found = []
    names = [f"{level}sub-*_dseg.{ending}" for level in _LEVELS for ending in ("nii.gz", "nii", "mgz")]
    paths = {path for name in names for path in root.glob(name)}
    for path in sorted(paths):
        entities = {m[1]: m[2] for part in without_extension(path).split("_") if (m := _ENTITY.fullmatch(part))}
        if "sub" not in entities or entities.get("space", "") not in _OWN_SPACES:
            continue
        segmentation = entities.get("seg") or entities.get("atlas") or ""
        if segmentation == "darts" and entities.get("desc", "").endswith("top"):
            continue  # the most probable regions of each voxel, one after the other
        if path.parent == root and root.name != "anat" and not segmentation:
            continue
        subject = f"sub-{entities['sub']}"
        key = f"{subject}_ses-{entities['ses']}" if "ses" in entities else subject
        found.append(BidsLabelMap(path, subject, key, segmentation))
    return found


def choose_segmentation(label_maps: Iterable[BidsLabelMap], choice: str, root: Path) -> list[BidsLabelMap]:
    """Return those of one `seg-` label, which need not be named where there is one only.

    Raises
    ------
    CohortError
        If there are several and none is chosen, or the one chosen is not there.
    """
    label_maps = list(label_maps)
    labels = sorted({one.segmentation for one in label_maps})
    named = ", ".join(f"seg-{label}" if label else "none" for label in labels)
    if choice:
        chosen = [one for one in label_maps if one.segmentation == choice]
        if not chosen:
            raise CohortError(f"{root}: no label map with seg-{choice}; found: {named}")
        return chosen
    if len(labels) > 1:
        raise CohortError(f"{root}: label maps of several segmentations: {named}; expected one of them, as in {root}:seg-LABEL")
    return label_maps


def one_a_key(label_maps: Iterable[BidsLabelMap]) -> dict[str, BidsLabelMap]:
    """Return them by subject and session.

    Raises
    ------
    CohortError
        If two have one.
    """
    found: dict[str, BidsLabelMap] = {}
    for one in label_maps:
        if one.key in found:
            first = found[one.key].path
            raise CohortError(f"{first.parent}: {first.name} and {one.path.name} are both of {one.key}; expected one label map")
        found[one.key] = one
    return found


def bids_key(subject: str) -> str:
    """Return the name that a subject has in BIDS, where only letters and digits are allowed: "sub-OASISTRT2010"."""
    return subject if subject.startswith("sub-") else "sub-" + re.sub("[^A-Za-z0-9]", "", subject)


def find_t1w(label_map: BidsLabelMap) -> Path | None:
    """Return the T1 beside a label map, else that of the raw data set in whose `derivatives` folder it lies."""
    folders = [label_map.path.parent]
    parts = label_map.path.parts
    if "derivatives" in parts:
        raw = Path(*parts[: parts.index("derivatives")]) / label_map.subject
        session = label_map.key.removeprefix(label_map.subject).removeprefix("_")
        folders.append((raw / session if session else raw) / "anat")
    for folder in folders:
        found = sorted(path for path in folder.glob(f"{label_map.key}*_T1w.nii*") if "space-" not in path.name)
        if found:
            return found[0]
    return None
