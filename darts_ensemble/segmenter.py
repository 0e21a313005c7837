"""Segmenter: from a scan to its label map, with one set of loaded networks for many scans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.channels import Box
from darts_ensemble.checkpoints import Ensemble, load_ensemble, voxel_checksum
from darts_ensemble.cleaning import remove_islands
from darts_ensemble.conform import Conformed, conform
from darts_ensemble.errors import CheckpointError, UsageError
from darts_ensemble.fusion import FUSIONS, Fused, ViewWeights, fuse_views
from darts_ensemble.inference import brain_box, choose_device, head_box, predict_view
from darts_ensemble.inputs import name_scans
from darts_ensemble.labels import BACKGROUND_CLASS, classes_to_ids
from darts_ensemble.midsagittal import midsagittal_plane, move_to_sides, sides_from_plane
from darts_ensemble.native import classes_to_native, labels_to_native, volume_to_native
from darts_ensemble.outputs import freesurfer_stats, target_paths, write_json, write_text
from darts_ensemble.probabilities import parse_wanted, write_probabilities
from darts_ensemble.scan import Scan, read_scan, write_label_map, write_volume
from darts_ensemble.views import VIEWS, SagittalPooling
from darts_ensemble.volumetry import quality_flags, region_agreement, region_volumes, unusual_volumes

__all__ = ["Segmentation", "Segmenter"]

#: Flag of what a sagittal network alone labelled.
SIDES_ESTIMATED = "left and right from the estimated mid-sagittal plane"
#: Labelled voxels on a face of the brain's box that are still taken for a speck and not for brain cut off.
LARGEST_SPECK = 20


@dataclass(frozen=True)
class Segmentation:
    """The regions of one scan.

    Attributes
    ----------
    scan : Scan
    ids : (x, y, z) int16
        FreeSurfer ids on the scan's grid.
    volumes : DataFrame
        See :func:`darts_ensemble.volumetry.region_volumes`.
    agreement : (x, y, z) float32 or None
        Share of pairs of views that name the same class; None for one view.
    mean_agreement : float or None
        Over the brain.
    per_view_ids : dict of str to (x, y, z) int16
        Label map of each view, where asked for.
    flags : list of str
        See :func:`darts_ensemble.volumetry.quality_flags`.
    seen_in_training : bool
        Whether the networks were trained on this very scan.
    conformed : Conformed
        The scan on the networks' grid.
    origin : (3,) int64
        First voxel, in the conformed volume, of the box in which the networks looked.
    probabilities_box : (a, b, c, 103) float16 or None
        Fused probabilities in that box, where asked for (about 1 GB for a whole head).
    """

    scan: Scan
    ids: npt.NDArray[np.int16]
    volumes: pd.DataFrame
    agreement: npt.NDArray[np.float32] | None
    mean_agreement: float | None
    per_view_ids: dict[str, npt.NDArray[np.int16]]
    flags: list[str]
    seen_in_training: bool
    conformed: Conformed
    origin: npt.NDArray[np.int64]
    probabilities_box: npt.NDArray[np.float16] | None = None

    @property
    def labels(self) -> Any:
        """The label map as a nibabel image on the scan's grid."""
        return nib.Nifti1Image(self.ids, self.scan.affine)

    def cleaned(self) -> Segmentation:
        """Return the same with small islands removed, volumes and flags taken anew."""
        ids = remove_islands(self.ids)
        kept = [flag for flag in self.flags if flag == SIDES_ESTIMATED]
        volumes = region_volumes(ids, self.scan.affine)
        return replace(self, ids=ids, volumes=volumes, flags=_flags(volumes, ids, self.mean_agreement) + kept)

    def save(
        self,
        out: str | Path,
        name: str | None = None,
        *,
        form: str = "nifti",
        agreement: bool = False,
        probabilities: str | None = None,
        probability_type: str = "float32",
    ) -> Path:
        """Write label map, volumes and quality; return the label map's path.

        The label map comes last: where it stands, the others stand too.

        Parameters
        ----------
        out : path
            Folder; made where it is missing.
        name : str, optional
            Default: after the scan, as `darts-segment` names it.
        form : {"nifti", "mgz", "bids", "freesurfer"}
        agreement : bool
            Also the voxel map of the views' agreement and its table a region.
        probabilities : str, optional
            See :func:`darts_ensemble.probabilities.parse_wanted`; needs `segment(..., keep_probabilities=True)`.
        probability_type : {"float32", "uint8", "uint16"}

        Raises
        ------
        ScanError
            If a file can't be written.
        UsageError
            If probabilities are asked for that were not kept, or agreement of a single view.
        """
        name = name or name_scans([self.scan.path])[0].name
        paths = target_paths(Path(out), name, form)
        write_text(paths.volumes, self.volumes.to_csv(sep="\t", index=False))
        write_json(
            paths.quality,
            {
                "scan": str(self.scan.path.resolve()),
                "flags": self.flags,
                "mean_view_agreement": self.mean_agreement,
                "seen_in_training": self.seen_in_training,
            },
        )
        if paths.stats is not None:
            write_text(paths.stats, freesurfer_stats(self.volumes, self.ids, self.scan.data, name))
        if agreement:
            if self.agreement is None:
                raise UsageError("agreement of a single view; expected two or three views")
            write_volume(self.agreement, self.scan, paths.agreement)
            table = region_agreement(self.ids, self.agreement)
            write_text(paths.region_agreement, table.to_csv(sep="\t", index=False))
        if probabilities:
            if self.probabilities_box is None:
                raise UsageError("probabilities that were not kept; expected segment(..., keep_probabilities=True)")
            wanted = parse_wanted(probabilities)
            kept = (self.probabilities_box, self.origin, self.conformed)
            write_probabilities(*kept, wanted, probability_type, paths.probabilities)
        if form == "bids":
            write_json(paths.label_map.with_name(paths.label_map.name.removesuffix(".nii.gz") + ".json"), self._bids_sidecar())
        write_label_map(self.ids, self.scan, paths.label_map)
        return paths.label_map

    def _bids_sidecar(self) -> dict[str, Any]:
        return {"Type": "Discrete", "Manual": False, "Sources": [str(self.scan.path.resolve())], "SpatialReference": "orig"}


class Segmenter:
    """Segments scans with the networks of an ensemble.

    Parameters
    ----------
    ensemble : Ensemble, or what :func:`darts_ensemble.checkpoints.load_ensemble` takes
    device : {"auto", "cuda", "mps", "cpu"}
    precision : {"auto", "fp32", "bf16", "fp16"}
        "auto" is bf16 on CUDA, else fp32.
    fusion : {"mean", "geometric", "vote"}
    weights : mapping of view to float, or to (103,) float64, optional
        Of a view, or of each class of it (:func:`darts_ensemble.fusion_weights.read_fusion_weights`). 0.4 coronal, 0.4 axial,
        0.2 sagittal by default.
    sagittal_pooling : {"split", "duplicate", "none"}
    views : sequence of str, optional
        Use only these views of the ensemble.
    batch_size : int

    Raises
    ------
    UsageError
        If the device isn't there, or no view used has a weight.
    CheckpointError
        If the ensemble lacks a view asked for.
    """

    def __init__(
        self,
        ensemble: Ensemble | str | Path = "bundled",
        *,
        device: str = "auto",
        precision: str = "auto",
        fusion: str = "mean",
        weights: ViewWeights | None = None,
        sagittal_pooling: SagittalPooling = "split",
        views: tuple[str, ...] | None = None,
        batch_size: int = 4,
    ) -> None:
        self.ensemble = ensemble if isinstance(ensemble, Ensemble) else load_ensemble(ensemble)
        self.device = choose_device(device)
        self.precision = ("bf16" if self.device.type == "cuda" else "fp32") if precision == "auto" else precision
        if fusion not in FUSIONS:
            raise UsageError(f"fusion {fusion}; expected one of {', '.join(FUSIONS)}")
        self.fusion, self.weights, self.pooling, self.batch_size = fusion, weights, sagittal_pooling, batch_size
        self.views = tuple(view for view in VIEWS if view in (views or self.ensemble.networks))
        lacking = [view for view in self.views if view not in self.ensemble.networks]
        if lacking or not self.views:
            raise CheckpointError(
                f"weights {self.ensemble.name}: no {', '.join(lacking) or 'known'} network; "
                f"expected some of {', '.join(self.ensemble.networks)}"
            )
        if weights is not None and np.min(sum(weights.get(view, 0) for view in self.views)) <= 0:
            raise UsageError(f"view weights {weights}: none above 0 for {', '.join(self.views)}")

    @property
    def _sides_estimated(self) -> bool:
        """Whether sides come from the mid-sagittal plane: no view in use tells them."""
        return self.views == ("sagittal",) and self.pooling != "none"

    def segment(self, scan: str | Path | Scan, *, keep_views: bool = False, keep_probabilities: bool = False) -> Segmentation:
        """Segment one scan.

        Parameters
        ----------
        scan : path or Scan
        keep_views : bool
            Also give the label map of each view.
        keep_probabilities : bool
            Also give the fused probabilities.

        Raises
        ------
        ScanError
            If the scan can't be read or used.
        """
        if not isinstance(scan, Scan):
            scan = read_scan(scan)
        conformed = conform(scan)
        fused, box = self._fuse(conformed.data)
        origin = np.array([side.start for side in box], dtype=np.int64)
        classes = fused.view_classes
        if "sagittal" in classes and self.pooling != "none":
            plane = midsagittal_plane(classes["sagittal"])
            classes["sagittal"] = sides_from_plane(classes["sagittal"], plane)
            if self._sides_estimated:
                move_to_sides(fused.probabilities, plane)
        best = fused.probabilities.argmax(axis=-1).astype(np.uint8) if self._sides_estimated else fused.classes
        native = labels_to_native(fused.probabilities, best, origin, conformed)
        ids = classes_to_ids(native)
        agreement, mean_agreement = None, None
        if len(self.views) > 1:
            inside = fused.agreement()
            brain = best != BACKGROUND_CLASS
            mean_agreement = round(float(inside[brain].mean()), 4) if brain.any() else 0.0
            whole = np.ones(conformed.data.shape, dtype=np.float32)
            whole[box] = inside
            agreement = volume_to_native(whole, conformed)
        volumes = region_volumes(ids, scan.affine)
        return Segmentation(
            scan=scan,
            ids=ids,
            volumes=volumes,
            agreement=agreement,
            mean_agreement=mean_agreement,
            per_view_ids={view: classes_to_ids(classes_to_native(one, origin, conformed)) for view, one in classes.items()}
            if keep_views
            else {},
            flags=_flags(volumes, ids, mean_agreement) + ([SIDES_ESTIMATED] if self._sides_estimated else []),
            seen_in_training=self.has_seen(scan),
            conformed=conformed,
            origin=origin,
            probabilities_box=fused.probabilities if keep_probabilities else None,
        )

    def _fuse(self, volume: npt.NDArray[np.float32]) -> tuple[Fused, Box]:
        """Predict and fuse the views in the box around the brain, or around the head where labels reach the former's faces."""
        networks = {view: self.ensemble.networks[view] for view in self.views}
        how: dict[str, Any] = {"device": self.device, "precision": self.precision}
        head = head_box(volume)
        box = brain_box(networks[self.views[0]], volume, head=head, **how)
        while True:
            shape = (box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start)
            predictions = {
                view: predict_view(network, volume, box=box, batch_size=self.batch_size, **how)
                for view, network in networks.items()
            }
            fused = fuse_views(
                predictions, shape, fusion=self.fusion, weights=self.weights, pooling=self.pooling, device=self.device
            )
            if box == head or not _reaches_inner_face(fused.classes, box, head):
                return fused, box
            box = head

    def has_seen(self, scan: Scan) -> bool:
        """Whether any of the networks in use was trained on these very voxels."""
        checksum = voxel_checksum(scan.data)
        return any(
            subject["sha256"] == checksum for view in self.views for subject in self.ensemble.networks[view].training_subjects
        )


def _flags(volumes: pd.DataFrame, ids: npt.NDArray[Any], agreement: float | None) -> list[str]:
    return quality_flags(volumes, ids, agreement) + unusual_volumes(volumes)


def _reaches_inner_face(classes: npt.NDArray[np.uint8], box: Box, head: Box) -> bool:
    """Whether labels (more than a speck) lie on a face of the box that is not one of the head's box."""
    for axis, (inner, outer) in enumerate(zip(box, head, strict=True)):
        for end, cut in ((0, inner.start > outer.start), (-1, inner.stop < outer.stop)):
            if cut and np.count_nonzero(np.take(classes, end, axis=axis) != BACKGROUND_CLASS) > LARGEST_SPECK:
                return True
    return False
