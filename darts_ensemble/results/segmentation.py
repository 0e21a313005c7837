"""The regions of one scan, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.dicom.segmentation_object import write_segmentation_object
from darts_ensemble.errors import UsageError
from darts_ensemble.results.bids_dataset import describe_dataset, label_table, sidecar
from darts_ensemble.results.cleaning import remove_islands
from darts_ensemble.results.freesurfer_cortex import cortex_stats
from darts_ensemble.results.freesurfer_table import freesurfer_stats, measure_lines
from darts_ensemble.results.intracranial import estimated_intracranial_volume, region_centres
from darts_ensemble.results.outputs import Targets, remove_earlier, target_paths, write_json, write_text
from darts_ensemble.results.probabilities import parse_wanted, write_probabilities
from darts_ensemble.results.suspicion import suspicion
from darts_ensemble.results.volumetry import quality_flags, region_agreement, region_volumes, unusual_volumes
from darts_ensemble.scans.conform import Conformed
from darts_ensemble.scans.inputs import name_scans
from darts_ensemble.scans.links import as_named
from darts_ensemble.scans.native import volume_to_native
from darts_ensemble.scans.scan import Scan, write_label_map, write_volume
from darts_ensemble.stages import Stages
from darts_ensemble.versions import package_version

__all__ = ["NOT_T1", "SIDES_ESTIMATED", "Segmentation", "all_flags"]

#: Flag of what a sagittal network alone labelled.
SIDES_ESTIMATED = "left and right from the estimated mid-sagittal plane"
#: Flag of a scan in another contrast, which was labelled twice.
NOT_T1 = "labelled a second time, with the intensities in the order of T1"


@dataclass(frozen=True)
class Segmentation:
    """The regions of one scan.

    Attributes
    ----------
    scan : Scan
    ids : (x, y, z) int16
        FreeSurfer ids on the scan's grid.
    volumes : DataFrame
        See :func:`darts_ensemble.results.volumetry.region_volumes`.
    mean_agreement : float or None
        Over the brain.
    per_view_ids : dict of str to (x, y, z) int16
        Label map of each view; empty unless `keep_views` was set.
    flags : list of str
        See :func:`darts_ensemble.results.volumetry.quality_flags`.
    seen_in_training : bool
        Whether the networks were trained on this very scan.
    conformed : Conformed
        The scan on the networks' grid.
    origin : (3,) int64
        First voxel, in the conformed volume, of the box in which the networks looked.
    probabilities_box : (a, b, c, 103) float16 or None
        Fused probabilities in that box (about 1 GB for a brain); None unless `keep_probabilities` was set.
    stages : Stages
        Time of each stage.
    agreement_box : (a, b, c) float32 or None
        Share of pairs of views that name the same class, in that box; None for one view.
    made_with : dict
        What the labels depend on besides the scan, for the account; see :mod:`darts_ensemble.segment.made_with`.
    """

    scan: Scan
    ids: npt.NDArray[np.int16]
    volumes: pd.DataFrame
    mean_agreement: float | None
    per_view_ids: dict[str, npt.NDArray[np.int16]]
    flags: list[str]
    seen_in_training: bool
    conformed: Conformed
    origin: npt.NDArray[np.int64]
    probabilities_box: npt.NDArray[np.float16] | None = None
    stages: Stages = field(default_factory=Stages)
    agreement_box: npt.NDArray[np.float32] | None = None
    made_with: dict[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """What was guessed or mended when the scan was read and conformed; each names the file."""
        return [f"{self.scan.path}: {note}" for note in (*self.scan.notes, *self.conformed.notes)]

    @cached_property
    def suspicion(self) -> str | None:
        """What is probably wrong with the scan; see :mod:`darts_ensemble.results.suspicion`."""
        return suspicion(self.ids, self.scan.affine, self.mean_agreement, self.conformed)

    @property
    def labels(self) -> Any:
        """The label map as a nibabel image on the scan's grid."""
        return nib.Nifti1Image(self.ids, self.scan.affine)

    @cached_property
    def agreement(self) -> npt.NDArray[np.float32] | None:
        """Share of pairs of views that name the same class on the scan's grid, (x, y, z) float32, 1 where none looked.

        None for one view. Made when it is first used: for a fine scan it takes longer than to bring the labels there.
        """
        if self.agreement_box is None:
            return None
        with self.stages("agreement"):
            whole = np.ones(self.conformed.data.shape, dtype=np.float32)
            ends = self.origin + self.agreement_box.shape
            whole[tuple(slice(*side) for side in zip(self.origin, ends, strict=True))] = self.agreement_box
            return volume_to_native(whole, self.conformed)

    def cleaned(self) -> Segmentation:
        """Return the same with small islands removed, volumes and flags computed again."""
        ids = remove_islands(self.ids)
        kept = [flag for flag in self.flags if flag in (SIDES_ESTIMATED, NOT_T1)]
        volumes = region_volumes(ids, self.scan.affine)
        return replace(
            self,
            ids=ids,
            volumes=volumes,
            flags=all_flags(volumes, ids, self.mean_agreement) + kept,
            made_with=self.made_with | {"clean": True},
        )

    def save(
        self,
        out: str | Path,
        name: str | None = None,
        *,
        form: str = "nifti",
        agreement: bool = False,
        probabilities: str | None = None,
        probability_type: str = "float32",
        dicom_seg: bool = False,
    ) -> Path:
        """Write label map, volumes and quality; return the label map's path.

        The label map is written last: if it exists, the other files exist, too.

        Parameters
        ----------
        out : path
            Folder; created if missing.
        name : str, optional
            Default: after the scan, as `darts-segment` names it.
        form : {"nifti", "mgz", "bids", "freesurfer"}
        agreement : bool
            Also write the views' agreement, as a map of voxels and as a table with one row per region.
        probabilities : str, optional
            See :func:`darts_ensemble.results.probabilities.parse_wanted`; needs `segment(..., keep_probabilities=True)`.
        probability_type : {"float32", "uint8", "uint16"}
        dicom_seg : bool
            Also write the label map as a DICOM segmentation on the series from which the scan was converted.

        Raises
        ------
        ScanError
            If a file can't be written.
        UsageError
            If the probabilities were not kept, or for the agreement of a single view.
        """
        with self.stages("write"):
            options = {
                "form": form, "agreement": agreement, "probabilities": probabilities, "probability_type": probability_type,
                "dicom_seg": dicom_seg,
            }  # fmt: skip
            return self._save(Path(out), name or name_scans([self.scan.path])[0].name, options)

    def _save(self, out: Path, name: str, options: dict[str, Any]) -> Path:
        form, probabilities = options["form"], options["probabilities"]
        paths = target_paths(out, name, form)
        account = self._account(options)
        remove_earlier(paths, account)
        table = None
        if options["agreement"]:
            if self.agreement is None:
                raise UsageError("agreement of a single view; expected two or three views")
            write_volume(self.agreement, self.scan, paths.agreement)
            table = region_agreement(self.ids, self.agreement)
        if table is not None and paths.region_agreement is not None:
            write_text(paths.region_agreement, table.to_csv(sep="\t", index=False))
        about: dict[str, Any] = {}
        if form == "bids":
            describe_dataset(out, [self.scan.path], version=package_version("darts-ensemble"))
            about = sidecar(self.scan.path, out, "102 brain regions in FreeSurfer ids, one label per voxel")
            write_text(paths.volumes, label_table(self.volumes, table).to_csv(sep="\t", index=False, na_rep="n/a"))
        else:
            write_text(paths.volumes, self.volumes.to_csv(sep="\t", index=False))
        write_json(paths.quality, {**about, **account})
        if form == "freesurfer":
            self._write_freesurfer_tables(paths, name)
        if probabilities:
            if self.probabilities_box is None:
                raise UsageError("probabilities that were not kept; expected segment(..., keep_probabilities=True)")
            wanted = parse_wanted(probabilities)
            kept = (self.probabilities_box, self.origin, self.conformed)
            described = {**about, "Description": "Probabilities of brain regions"} if about else None
            write_probabilities(*kept, wanted, options["probability_type"], paths, described)
        if options["dicom_seg"]:
            write_segmentation_object(self.ids, self.scan, paths.dicom)
        write_label_map(self.ids, self.scan, paths.label_map)
        return paths.label_map

    def _write_freesurfer_tables(self, paths: Targets, name: str) -> None:
        etiv = estimated_intracranial_volume(region_centres(self.ids, self.scan.affine))
        measures = measure_lines(self.volumes, etiv)
        if paths.stats is not None:
            write_text(paths.stats, freesurfer_stats(self.volumes, self.ids, self.scan.data, name, etiv))
        for side, path in (("lh", paths.left_cortex), ("rh", paths.right_cortex)):
            if path is not None:
                write_text(path, cortex_stats(self.volumes, side, name, measures))

    def _account(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return facts on the segmentation besides its volumes, and what it was made of, which a later run compares."""
        return {
            "scan": str(as_named(self.scan.path)),
            "scan_sha256": self.scan.sha256,
            "made_with": {"clean": False} | self.made_with | options,
            "warnings": self.warnings,
            "suspicion": self.suspicion,
            "flags": self.flags,
            "mean_view_agreement": self.mean_agreement,
            "seen_in_training": self.seen_in_training,
        }


def all_flags(volumes: pd.DataFrame, ids: npt.NDArray[Any], agreement: float | None) -> list[str]:
    """What deserves a look; see :mod:`darts_ensemble.results.volumetry`."""
    return quality_flags(volumes, ids, agreement) + unusual_volumes(volumes)
