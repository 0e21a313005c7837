"""Label maps of BIDS derivatives: which of several belong together, their subjects, and their scans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.errors import CohortError
from darts_ensemble.results.bids_names import entities_of, letters_and_digits
from darts_ensemble.scans.links import is_there
from darts_ensemble.scans.scan import without_extension

__all__ = ["BidsLabelMap", "alike", "bids_key", "by_key", "choose_label_maps", "find_brain_mask", "find_label_maps", "find_t1w"]

_LEVELS = ("", "anat/", "ses-*/", "ses-*/anat/", "sub-*/", "sub-*/anat/", "sub-*/ses-*/", "sub-*/ses-*/anat/")
#: Spaces of the subject itself; others are spaces of templates.
_OWN_SPACES = ("", "orig", "T1w", "native", "individual", "scanner", "anat", "fsnative")
#: Entities that name the segmentation, not the scan.
_OF_THE_METHOD = ("seg", "atlas", "space")
#: Entities of processing: part of a key only if they distinguish two label maps of one scan.
_OF_PROCESSING = ("desc", "res", "den", "label", "hemi", "from", "scale")
#: fMRIPrep and sMRIPrep write FreeSurfer's aparc+aseg, its aseg, and tissue classes (no desc) into the same folder.
_FMRIPREP = ("aparcaseg", "aseg")


@dataclass(frozen=True)
class BidsLabelMap:
    """A label map of a derivative.

    Attributes
    ----------
    path : Path
    entities : dict of str to str
        Entities of its name, in the order of the name.
    """

    path: Path
    entities: Mapping[str, str]

    @property
    def subject(self) -> str:
        """The person, "sub-X"."""
        return f"sub-{self.entities['sub']}"

    @property
    def segmentation(self) -> str:
        """Label of `seg-` (older data sets: `atlas-`); empty if the name has none."""
        return self.entities.get("seg") or self.entities.get("atlas") or ""

    def key(self, *, chosen: Iterable[str] = (), processing: bool = False) -> str:
        """Return the entities that name the scan, "sub-X_ses-Y_run-1".

        Parameters
        ----------
        chosen : iterable of str
            Entities by which the label map was chosen; these are left out.
        processing : bool
            Include entities of processing.
        """
        out = {*_OF_THE_METHOD, *chosen, *(() if processing else _OF_PROCESSING)}
        return "_".join(f"{name}-{value}" for name, value in self.entities.items() if name not in out)


def find_label_maps(root: Path) -> list[BidsLabelMap]:
    """Return the label maps of a derivative (its root, a subject or an `anat` folder) in the subjects' own spaces, by name.

    Files without `seg-` directly in the root are not included: that is a folder of files named by subject.
    """
    found = []
    names = [f"{level}sub-*_dseg.{ending}" for level in _LEVELS for ending in ("nii.gz", "nii", "mgz")]
    paths = {path for name in names for path in root.glob(name)}
    for path in sorted(paths):
        one = BidsLabelMap(path, entities_of(without_extension(path)))
        if "sub" not in one.entities or one.entities.get("space", "") not in _OWN_SPACES:
            continue
        if one.segmentation == "darts" and one.entities.get("desc", "").endswith("top"):
            continue  # volumes of the most probable regions of each voxel, no label map
        # The root itself may be an anat folder or a subject's.
        named = one.segmentation or one.entities.get("desc") in _FMRIPREP
        if path.parent == root and root.name != "anat" and not root.name.startswith(("sub-", "ses-")) and not named:
            continue
        found.append(one)
    return found


def choose_label_maps(label_maps: Iterable[BidsLabelMap], choice: Mapping[str, str], root: Path) -> list[BidsLabelMap]:
    """Return the label maps of the chosen segmentation, or of the only one.

    Of the three segmentations of fMRIPrep, `desc-aparcaseg` is the default.

    Parameters
    ----------
    label_maps : iterable of BidsLabelMap
    choice : mapping of str to str
        Entities that a label map must have.
    root : Path

    Raises
    ------
    CohortError
        If there are several and none is chosen, or the chosen one does not exist.
    """
    label_maps = list(label_maps)
    asked = "_".join(f"{name}-{value}" for name, value in choice.items())
    chosen = [one for one in label_maps if all(_has(one, name, value) for name, value in choice.items())]
    if choice and not chosen:
        raise CohortError(f"{root}: no label map with {asked}; found: {_named(label_maps)}")
    if "desc" not in choice:
        for desc in _FMRIPREP:
            if any(one.entities.get("desc") == desc for one in chosen):
                others = {one.entities.get("desc", "") for one in chosen if not one.segmentation} - {*_FMRIPREP, ""}
                if not others:
                    chosen = [one for one in chosen if one.segmentation or one.entities.get("desc") == desc]
                break
    if len({one.segmentation for one in chosen}) > 1:
        raise CohortError(
            f"{root}: label maps of several segmentations: {_named(chosen)}; expected one of them, as in {root}:seg-LABEL"
        )
    return chosen


def _has(one: BidsLabelMap, name: str, value: str) -> bool:
    return one.segmentation == value if name == "seg" else one.entities.get(name) == value


def _named(label_maps: Iterable[BidsLabelMap]) -> str:
    """Return the segmentations, by the text that chooses each."""
    names = set()
    for one in label_maps:
        desc = one.entities.get("desc", "")
        if one.segmentation:
            names.add(f"seg-{one.segmentation}")
        else:
            names.add(f"desc-{desc}" if desc else "none")
    return ", ".join(sorted(names))


def by_key(label_maps: Iterable[BidsLabelMap], choice: Mapping[str, str]) -> tuple[dict[str, BidsLabelMap], dict[str, str]]:
    """Return label maps by the scan they belong to; and by the same names why some can't be distinguished.

    If several differ only in processing (`desc-`, `res-`), each has its own key.
    """
    chosen = set(choice)
    grouped: dict[str, list[BidsLabelMap]] = {}
    for one in label_maps:
        grouped.setdefault(one.key(chosen=chosen), []).append(one)
    found: dict[str, BidsLabelMap] = {}
    faults: dict[str, str] = {}
    for key, several in grouped.items():
        keys = [one.key(chosen=chosen, processing=True) for one in several] if len(several) > 1 else [key]
        for own, one in zip(keys, several, strict=True):
            if keys.count(own) == 1:
                found[own] = one
        for own in sorted({own for own in keys if keys.count(own) > 1}):
            paths = [one.path for own_, one in zip(keys, several, strict=True) if own_ == own]
            names = ", ".join(path.name for path in paths)
            if len({path.name for path in paths}) < len(paths):
                names = ", ".join(str(path) for path in paths)
            faults[own] = f"{paths[0].parent}: {names} are all of {own}; expected one label map"
    return found, faults


def bids_key(subject: str) -> str:
    """Return the name that a subject has in BIDS, where only letters and digits are allowed: "sub-OASISTRT2010"."""
    return subject if subject.startswith("sub-") else "sub-" + letters_and_digits(subject)


def alike(one: str, two: str) -> bool:
    """Whether two keys may mean the same scan: the same person, and equal values for all entities that both have.

    Numbers may have zeros before them; entities of processing don't count.
    """
    first, second = entities_of(one), entities_of(two)
    if not first.get("sub") or first.get("sub") != second.get("sub"):
        return False
    both = set(first) & set(second) - set(_OF_PROCESSING)
    return all(first[name].lstrip("0") == second[name].lstrip("0") for name in both)


def find_brain_mask(label_map: BidsLabelMap) -> Path | None:
    """Return the brain mask (`desc-brain_mask`) in the folder of a label map, as fMRIPrep and sMRIPrep write it, or None."""
    wanted = label_map.key()
    for path in sorted(label_map.path.parent.glob(f"{label_map.subject}_*desc-brain_mask.nii*")):
        one = BidsLabelMap(path, entities_of(without_extension(path)))
        if path.name.endswith((".nii", ".nii.gz")) and one.entities.get("space", "") in _OWN_SPACES and one.key() == wanted:
            return path
    return None


def find_t1w(label_map: BidsLabelMap) -> Path | None:
    """Return the T1 in the folder of a label map, else that of the raw data set with the `derivatives` folder.

    It has the entities of the label map; a preprocessed one (`desc-preproc`) is used if there is no other.
    """
    folders = [label_map.path.parent]
    parts = label_map.path.parts
    if "derivatives" in parts:
        raw = Path(*parts[: parts.index("derivatives")]) / label_map.subject
        session = label_map.entities.get("ses")
        folders.append((raw / f"ses-{session}" if session else raw) / "anat")
    wanted = label_map.key()
    for folder in folders:
        found = [
            BidsLabelMap(path, entities_of(without_extension(path)))
            for path in sorted(folder.glob(f"{label_map.subject}_*T1w.nii*"))
            if path.name.endswith((".nii", ".nii.gz")) and is_there(path)
        ]
        found = [
            one
            for one in found
            if one.entities.get("space", "") in _OWN_SPACES and one.entities.get("part", "mag") in ("mag", "real")
        ]
        same = [one for one in found if one.key() == wanted]
        if not same and len({one.key() for one in found if alike(one.key(), wanted)}) == 1:
            same = [one for one in found if alike(one.key(), wanted)]
        if same:
            return min(same, key=lambda one: "desc" in one.entities).path
    return None
