"""Paths of the results of a scan in each format, and the tables and colours that come with a label map."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darts_ensemble.errors import ScanError
from darts_ensemble.labels import REGIONS
from darts_ensemble.results.bids_names import derivative_name
from darts_ensemble.whole_files import written_whole

__all__ = [
    "FORMATS",
    "OUTPUT_OPTIONS",
    "Targets",
    "remove_earlier",
    "target_paths",
    "write_colour_tables",
    "write_json",
    "write_text",
]

#: Options that choose which files are written, but not their content.
OUTPUT_OPTIONS = ("form", "agreement", "probabilities", "probability_type", "dicom_seg")
FORMATS = ("nifti", "mgz", "bids", "freesurfer")


@dataclass(frozen=True)
class Targets:
    """The files of one scan; a scan is done when `label_map` exists, which is written last.

    Attributes
    ----------
    label_map, volumes, agreement : Path
    quality : Path
        In BIDS, the sidecar of the label map.
    region_agreement : Path or None
        None in BIDS, where the agreement is a column of `volumes`, the label map's look-up table.
    probabilities, top_ids, top_probabilities : Path
        Probabilities of chosen regions; ids and probabilities of the most probable regions.
    stats, left_cortex, right_cortex : Path or None
        FreeSurfer's tables of all regions and of each hemisphere's cortex, only in that format.
    dicom : Path
        The label map as a DICOM segmentation.
    """

    label_map: Path
    volumes: Path
    quality: Path
    agreement: Path
    region_agreement: Path | None
    probabilities: Path
    top_ids: Path
    top_probabilities: Path
    stats: Path | None
    dicom: Path
    left_cortex: Path | None = None
    right_cortex: Path | None = None


def target_paths(out: Path, name: str, form: str) -> Targets:
    """Return the paths of the results of the scan `name` below `out` in a format of :data:`FORMATS`.

    Raises
    ------
    UsageError
        If the name has no character that is allowed in a BIDS name.
    """
    if form == "freesurfer":
        mri, stats = out / name / "mri", out / name / "stats"
        return Targets(
            label_map=mri / "aparc.DKTatlas+aseg.darts.mgz",
            volumes=stats / "aparc.DKTatlas+aseg.darts.volumes.tsv",
            quality=stats / "aparc.DKTatlas+aseg.darts.quality.json",
            agreement=mri / "darts.agreement.mgz",
            region_agreement=stats / "darts.agreement.tsv",
            probabilities=mri / "darts.probabilities.nii.gz",
            top_ids=mri / "darts.probabilities_top-ids.nii.gz",
            top_probabilities=mri / "darts.probabilities_top-probabilities.nii.gz",
            stats=stats / "aparc.DKTatlas+aseg.darts.stats",
            dicom=mri / "aparc.DKTatlas+aseg.darts.dcm",
            left_cortex=stats / "lh.aparc.DKTatlas.darts.stats",
            right_cortex=stats / "rh.aparc.DKTatlas.darts.stats",
        )
    if form == "bids":
        bids = derivative_name(name)
        folder = out / bids.folder
        return Targets(
            label_map=folder / bids.file("dseg.nii.gz"),
            volumes=folder / bids.file("dseg.tsv"),
            quality=folder / bids.file("dseg.json"),
            agreement=folder / bids.file("agreement.nii.gz"),
            region_agreement=None,
            probabilities=folder / bids.file("probseg.nii.gz"),
            top_ids=folder / bids.file("dseg.nii.gz", desc="top"),
            top_probabilities=folder / bids.file("probseg.nii.gz", desc="top"),
            stats=None,
            dicom=folder / bids.file("dseg.dcm"),
        )
    extension = ".mgz" if form == "mgz" else ".nii.gz"
    return Targets(
        label_map=out / f"{name}_dseg{extension}",
        volumes=out / f"{name}_volumes.tsv",
        quality=out / f"{name}_quality.json",
        agreement=out / f"{name}_agreement{extension}",
        region_agreement=out / f"{name}_agreement.tsv",
        probabilities=out / f"{name}_probseg.nii.gz",
        top_ids=out / f"{name}_top-ids.nii.gz",
        top_probabilities=out / f"{name}_top-probabilities.nii.gz",
        stats=None,
        dicom=out / f"{name}_dseg.dcm",
    )


def remove_earlier(targets: Targets, account: Mapping[str, Any]) -> None:
    """Remove an earlier result of this toolkit, recognised by its account, before another replaces it.

    The label map is removed first, so that an interrupted run never leaves a label map with the account of another one.
    Probabilities and agreement are removed if they belong to other labels.

    Parameters
    ----------
    targets : Targets
    account : mapping
        Account of the new result, as it will be written to `targets.quality`.

    Raises
    ------
    ScanError
        If a file can't be removed.
    """
    try:
        earlier = json.loads(targets.quality.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    paths: list[Path | None] = [targets.label_map]
    if _labels_made_of(earlier) != _labels_made_of(json.loads(json.dumps(account))):
        maps = (targets.probabilities, targets.top_ids, targets.top_probabilities)
        sidecars = (path.with_name(path.name.removesuffix(".nii.gz") + ".json") for path in maps)
        paths += [targets.agreement, targets.region_agreement, targets.dicom, *maps, *sidecars]
    for path in paths:
        try:
            if path is not None:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise ScanError(f"{path}: {error.strerror}; expected a file that may be replaced") from None


def _labels_made_of(account: Any) -> dict[str, Any] | None:
    """Return what the labels depend on according to their account; None if it does not say."""
    if not isinstance(account, dict) or not isinstance(account.get("made_with"), dict):
        return None
    made = {name: value for name, value in account["made_with"].items() if name not in OUTPUT_OPTIONS}
    return {**made, "scan_sha256": account.get("scan_sha256")}


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it.

    Raises
    ------
    ScanError
        If the folder can't be written to or is full.
    """
    with written_whole(path) as temporary:
        # Names of files that are not UTF-8 are written as escapes, so that every reader of the text can open it.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, content: Any) -> None:
    """Write JSON as :func:`write_text` does."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_colour_tables(out: Path) -> None:
    """Write the colours of the regions for freeview (`darts_colours.txt`) and ITK-SNAP (`darts_itksnap.txt`)."""
    freeview = ["#No. Label Name: R G B A", "0 Unknown 0 0 0 0"]
    snap = ['0 0 0 0 0 0 0 "Clear Label"']
    for region in sorted(REGIONS, key=lambda one: one.id):
        red, green, blue = region.rgb
        freeview.append(f"{region.id} {region.name} {red} {green} {blue} 0")
        snap.append(f'{region.id} {red} {green} {blue} 1 1 1 "{region.name}"')
    write_text(out / "darts_colours.txt", "\n".join(freeview) + "\n")
    write_text(out / "darts_itksnap.txt", "\n".join(snap) + "\n")
