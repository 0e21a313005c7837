"""BIDS names: parsed into entities, and written for derivatives in the order of the specification."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.errors import UsageError

__all__ = ["ENTITY_ORDER", "DerivativeName", "derivative_name", "entities_of", "letters_and_digits"]

#: Short names of entities in the order in which a file name holds them (BIDS 1.10, appendix "Entity table").
ENTITY_ORDER = (
    "sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec", "dir", "run",
    "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording", "chunk", "atlas", "seg", "scale",
    "res", "den", "label", "desc",
)  # fmt: skip
#: Entities allowed in the name of a segmentation. Other entities of a scan (such as `inv`) are put into `desc`.
_ALLOWED = frozenset(
    ["sub", "ses", "task", "acq", "ce", "rec", "run", "echo", "part", "chunk", "space", "atlas", "seg", "scale", "res", "label"]
)
_SUFFIXES = ("T1w", "UNIT1")
_ENTITY = re.compile(r"([a-zA-Z]+)-([a-zA-Z0-9+]+)")


@dataclass(frozen=True)
class DerivativeName:
    """The entities of a scan's results.

    Attributes
    ----------
    entities : dict of str to str
        By short name; always with `sub`.
    """

    entities: dict[str, str]

    @property
    def folder(self) -> Path:
        """Folder of the results within the data set: `sub-X[/ses-Y]/anat`."""
        session = [f"ses-{self.entities['ses']}"] if "ses" in self.entities else []
        return Path(f"sub-{self.entities['sub']}", *session, "anat")

    def file(self, suffix: str, *, desc: str = "") -> str:
        """Return the name of a file; `desc` is appended to the `desc` of the name.

        Examples
        --------
        >>> DerivativeName({"sub": "01", "seg": "darts", "run": "2"}).file("dseg.tsv", desc="top3")
        'sub-01_run-2_seg-darts_desc-top3_dseg.tsv'
        """
        entities = dict(self.entities)
        if desc:
            entities["desc"] = entities.get("desc", "") + desc
        parts = [f"{key}-{entities[key]}" for key in ENTITY_ORDER if key in entities]
        return "_".join([*parts, suffix])


def letters_and_digits(name: str) -> str:
    """Return what BIDS allows of a name: ASCII letters and digits; letters with accents lose the accent, not the letter.

    Examples
    --------
    >>> letters_and_digits("Ünï_cöde 07")
    'Unicode07'
    """
    return re.sub("[^A-Za-z0-9]", "", unicodedata.normalize("NFKD", name))


def entities_of(name: str) -> dict[str, str]:
    """Return the entities of a BIDS name without its extension, by short name; other parts are passed over.

    Examples
    --------
    >>> entities_of("sub-01_ses-2_T1w")
    {'sub': '01', 'ses': '2'}
    """
    return {match[1]: match[2] for part in name.split("_") if (match := _ENTITY.fullmatch(part))}


def derivative_name(name: str) -> DerivativeName:
    """Return the entities of the results of a scan, from its name in a run; they end in `seg-darts`.

    If a name is not a BIDS name, its letters and digits become the name of a subject. `UNIT1`, the uniform image of MP2RAGE,
    is put into `desc`, because there may also be a T1w of the same subject.

    Raises
    ------
    UsageError
        If the name has no character that is allowed in a BIDS name.

    Examples
    --------
    >>> derivative_name("sub-01_ses-2_inv-1_UNIT1").file("dseg.nii.gz")
    'sub-01_ses-2_seg-darts_desc-inv1UNIT1_dseg.nii.gz'
    >>> derivative_name("my scan").file("dseg.nii.gz")
    'sub-myscan_seg-darts_dseg.nii.gz'
    """
    parts = name.split("_")
    suffix = parts.pop() if parts[-1] in _SUFFIXES else ""
    entities = entities_of("_".join(parts))
    if len(entities) < len(parts) or not set(entities) <= set(ENTITY_ORDER) or "sub" not in entities:
        subject = letters_and_digits(name)
        if not subject:
            raise UsageError(f"{name}: no letter or digit that BIDS allows in a subject; expected another name or --format")
        return DerivativeName({"sub": subject, "seg": "darts"})
    moved = "".join(key + value for key, value in entities.items() if key not in _ALLOWED | {"desc"})
    desc = entities.get("desc", "") + moved + (suffix if suffix != "T1w" else "")
    kept = {key: value for key, value in entities.items() if key in _ALLOWED} | {"seg": "darts"}
    return DerivativeName(kept | ({"desc": desc} if desc else {}))
