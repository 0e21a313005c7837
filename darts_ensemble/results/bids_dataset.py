"""Descriptions in a BIDS derivative: of the data set, of the origin of its scans, and of the labels of each map."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from darts_ensemble.errors import UsageError
from darts_ensemble.labels import REGIONS
from darts_ensemble.results.bids_names import letters_and_digits
from darts_ensemble.results.outputs import write_json, write_text

__all__ = ["describe_dataset", "label_table", "sidecar", "source_uri"]

BIDS_VERSION = "1.10.0"
#: Files without a name in the specification: the voxel map of the views' agreement, DICOM segmentations, and the quality page.
_IGNORED = ("*_agreement.nii.gz", "*_dseg.dcm", "quality")
#: Columns of the look-up tables that the specification does not know; a JSON in the root is inherited by all of them.
_COLUMNS = {
    "hemisphere": {"Description": "left, right or midline"},
    "group": {"Description": "Kind of region, such as cortex"},
    "n_voxels": {"Description": "Voxels of the region in the label map"},
    "volume_mm3": {"Description": "Volume of the region", "Units": "mm^3"},
    "agreement": {"Description": "Mean share of the pairs of views that agree within the region, 0 to 1"},
}
_README = """# Brain regions by darts-ensemble

One label map per T1-weighted scan, on the scan's own grid, in FreeSurfer ids (aparc.DKTatlas+aseg, 102 regions).

| file | content |
| --- | --- |
| `*_seg-darts_dseg.nii.gz` | label map |
| `*_seg-darts_dseg.tsv` | regions: id, name, colour, voxels, volume in mm3, and the agreement of the views where it was saved |
| `*_seg-darts_dseg.json` | the scan it was made from, flags of quality, mean agreement of the views |
| `*_seg-darts_probseg.nii.gz` | probabilities of regions (`--save-probabilities`) |
| `*_seg-darts_desc-top_dseg.nii.gz`, `_probseg.nii.gz` | the most probable regions of each voxel, and their probabilities |
| `*_seg-darts_agreement.nii.gz` | share of the pairs of views that agree (no BIDS name: `.bidsignore`) |
| `*_seg-darts_dseg.dcm` | the label map as a DICOM segmentation (`--dicom-seg`; no BIDS name: `.bidsignore`) |
| `sourcedata/` | T1 scans that were converted from DICOM |
| `docs/darts_colours.txt`, `docs/darts_itksnap.txt` | colours for freeview and ITK-SNAP |
"""


def describe_dataset(out: Path, scans: Sequence[Path], *, version: str, weights: Mapping[str, str] | None = None) -> None:
    """Write `dataset_description.json`, `README.md` and `.bidsignore` of a derivative.

    What a user has added to the description is kept, as are links to the sources of earlier runs.

    Parameters
    ----------
    out : Path
    scans : sequence of Path
        Those in a BIDS data set are its sources.
    version : str
        Of this package.
    weights : mapping of str to str, optional
        The sha256 of each view's weights file. Without it, an earlier run's account of the program is kept.

    Raises
    ------
    ScanError
        If a file can't be written.
    UsageError
        If the folder is a data set of its own, not a derivative.
    """
    earlier = _description(out)
    # A description that is empty or damaged is a user's, too.
    if (out / "dataset_description.json").is_file() and earlier.get("DatasetType") != "derivative":
        raise UsageError(f"{out}: the root of a raw BIDS data set; expected a folder for results, as {out}/derivatives/darts")
    links: dict[str, str] = dict(earlier.get("DatasetLinks", {}))
    sources: list[dict[str, str]] = list(earlier.get("SourceDatasets", []))
    for root in {found: None for scan in scans if (found := _dataset_of(scan)) is not None}:
        if root == _absolute(out):  # converted into `sourcedata/`
            continue
        if _link_to(root, out, links) is not None:
            continue
        links[_new_name(root, links)] = _location(root, out)
        source = _source(root)
        if source not in sources:
            sources.append(source)
    made_by = earlier.get("GeneratedBy", []) if weights is None else []
    program: dict[str, Any] = {"Name": "darts-ensemble", "Version": version}
    program["Description"] = "102 brain regions by an ensemble of networks, one per view"
    if weights:
        program["Weights"] = dict(weights)
    description = {
        "Name": "DARTS ensemble: 102 brain regions",
        **earlier,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": made_by or [program],
        **({"SourceDatasets": sources} if sources else {}),
        **({"DatasetLinks": links} if links else {}),
    }
    if description != earlier:
        write_json(out / "dataset_description.json", description)
    if not any((out / name).exists() for name in ("README", "README.md", "README.txt", "README.rst")):
        write_text(out / "README.md", _README)
    columns = out / "seg-darts_dseg.json"
    if not columns.exists():
        write_json(columns, _COLUMNS)
    ignored = out / ".bidsignore"
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.is_file() else []
    if missing := [line for line in _IGNORED if line not in lines]:
        write_text(ignored, "\n".join([*lines, *missing]) + "\n")


def source_uri(scan: Path, out: Path) -> str:
    """Return the BIDS URI of a scan in the derivative or in a data set that its description links, else its file URI."""
    root = _dataset_of(scan)
    name = None if root is None else _link_to(root, out, _description(out).get("DatasetLinks", {}))
    whole = _absolute(scan)
    if root == _absolute(out):
        return f"bids::{whole.relative_to(root).as_posix()}"
    if root is None or name is None:
        return whole.as_uri()
    return f"bids:{name}:{whole.relative_to(root).as_posix()}"


def sidecar(scan: Path, out: Path, what: str) -> dict[str, Any]:
    """Return the metadata that the specification knows of an image made from a scan, on its grid."""
    uri = source_uri(scan, out)
    return {"Description": what, "Manual": False, "Sources": [uri], "SpatialReference": uri}


def label_table(volumes: pd.DataFrame, agreement: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the look-up table of a label map: index, name, color, then what was measured of each region.

    Parameters
    ----------
    volumes : DataFrame
        Of :func:`darts_ensemble.results.volumetry.region_volumes`.
    agreement : DataFrame, optional
        Of :func:`darts_ensemble.results.volumetry.region_agreement`.
    """
    colours = {region.id: f"#{bytes(region.rgb).hex()}" for region in REGIONS}
    table = volumes.rename(columns={"region_id": "index", "region_name": "name"})
    table.insert(2, "color", table["index"].map(colours))
    if agreement is not None:
        table["agreement"] = agreement["agreement"].to_numpy()
    return table.sort_values("index")


def _absolute(path: Path) -> Path:
    """Return the path as written, made absolute; links are not followed: the content of a git-annex file is elsewhere."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _dataset_of(scan: Path) -> Path | None:
    """The root of the BIDS data set in which a scan lies."""
    whole = _absolute(scan)
    return next((folder for folder in whole.parents if (folder / "dataset_description.json").is_file()), None)


def _description(out: Path) -> dict[str, Any]:
    try:
        content = json.loads((out / "dataset_description.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _location(root: Path, out: Path) -> str:
    """A path from a derivative to the data set it lies in, which may move; to any other a URI."""
    whole = _absolute(out)
    return os.path.relpath(root, whole) if whole.is_relative_to(root) else root.as_uri()


def _link_to(root: Path, out: Path, links: Mapping[str, str]) -> str | None:
    return next((name for name, link in links.items() if link in (_location(root, out), root.as_uri())), None)


def _new_name(root: Path, links: Mapping[str, str]) -> str:
    base = letters_and_digits(root.name) or "raw"
    taken = {name.lower() for name in links}
    return next(name for name in (base, *(f"{base}{number}" for number in range(2, 10**6))) if name.lower() not in taken)


def _source(root: Path) -> dict[str, str]:
    doi = _description(root).get("DatasetDOI")
    return {"DOI": doi.removeprefix("doi:")} if isinstance(doi, str) and doi else {"URL": root.as_uri()}
