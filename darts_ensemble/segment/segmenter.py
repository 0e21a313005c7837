"""Segmenter: from a scan to its label map, with one set of loaded networks for many scans."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.device import DeviceMemoryWarning, choose_device, choose_precision, fits_beside_networks, slices_at_once
from darts_ensemble.errors import CheckpointError, DeviceError, UsageError
from darts_ensemble.fusion.fuse import DEFAULT_FUSION, FUSIONS, Fused, ViewWeights, fuse_views, mean_in_brain
from darts_ensemble.fusion.native_labels import labels_to_native
from darts_ensemble.fusion.sagittal_sides import SagittalPooling
from darts_ensemble.inference.class_scores import SliceScores
from darts_ensemble.inference.device_volume import DeviceVolume
from darts_ensemble.inference.find_brain import Brain, find_brain
from darts_ensemble.inference.heap import give_back_freed_memory, large_blocks_apart
from darts_ensemble.inference.predict import made_ready, predict_scores, uses_winograd, without_large_weights
from darts_ensemble.inference.winograd import FEWEST_FILTERS
from darts_ensemble.labels import classes_to_ids
from darts_ensemble.machine_memory import usable_memory
from darts_ensemble.networks.view_network import Ensemble, ViewNetwork
from darts_ensemble.results.segmentation import NOT_T1, SIDES_ESTIMATED, Segmentation, all_flags
from darts_ensemble.results.volumetry import region_volumes
from darts_ensemble.scans.conform import conform
from darts_ensemble.scans.header import Header, read_header
from darts_ensemble.scans.native import classes_to_native
from darts_ensemble.scans.scan import Scan, read_scan, voxel_checksum
from darts_ensemble.segment.made_with import describe_networks
from darts_ensemble.segment.memory import Load, Need, check_memory, grid_of, memory_needed
from darts_ensemble.segment.other_contrast import in_order_of_t1
from darts_ensemble.segment.scout import scout_for
from darts_ensemble.segment.second_look import refinement_for, second_look
from darts_ensemble.segment.sides import with_sides
from darts_ensemble.segment.steps import Labelled, Loaded
from darts_ensemble.slices.boxes import head_box, reaches_inner_face
from darts_ensemble.slices.channels import Box
from darts_ensemble.slices.views import SLICE_AXIS, VIEWS
from darts_ensemble.stages import Stages
from darts_ensemble.weights.checkpoints import load_ensemble, load_view
from darts_ensemble.weights.checksums import sha256_of

__all__ = ["CROPS", "Labelled", "Loaded", "Segmentation", "Segmenter"]

CROPS = ("none", "head", "brain")
TTAS = ("none", "mirror")


class Segmenter:
    """Segments scans with the networks of an ensemble.

    Parameters
    ----------
    ensemble : Ensemble, or what :func:`darts_ensemble.weights.checkpoints.load_ensemble` takes
    device : {"auto", "cuda", "mps", "cpu"}
    precision : {"auto", "fp32", "bf16", "fp16"}
        "auto": see :func:`darts_ensemble.device.choose_precision`.
    fusion : {"mean", "geometric", "vote"}
    weights : mapping of view to float, or to (103,) float64, optional
        Weight of each view, or of each class in it (:func:`darts_ensemble.fusion.view_weights.read_fusion_weights`). Default:
        0.3 coronal, 0.3 axial, 0.4 sagittal.
    sagittal_pooling : {"split", "duplicate", "none"}
    views : sequence of str, optional
        Use only these views of the ensemble.
    batch_size : int, optional
        Number of slices at once; by default as many as the memory allows. Does not change the result.
    crop : {"brain", "head", "none"}
        Where the networks look: in a box around the brain, found by a quick prediction of every eighth slice (in a box around
        the head, if labels reach the faces of the first box), around the head, or everywhere. Intensities are always
        normalised on whole slices.
    low_memory : bool
        Small batches, only one network in memory at a time (a large one is read again for each scan), and, with a GPU, fused
        volumes of more than 4 GB in main memory.
    tta : {"none", "mirror"}
        Test-time augmentation. "mirror": the mirrored head is predicted, too; the logits are the mean of both.
    refine : bool
        Whether to take a second look (:mod:`darts_ensemble.refinement`) if the weights have one and all their views are in use.

    Raises
    ------
    UsageError
        If the device is not available, no view has a weight, or an option has no such value.
    CheckpointError
        If the ensemble lacks one of `views`.
    """

    def __init__(
        self,
        ensemble: Ensemble | str | Path = "bundled",
        *,
        device: str = "auto",
        precision: str = "auto",
        fusion: str = DEFAULT_FUSION,
        weights: ViewWeights | None = None,
        sagittal_pooling: SagittalPooling = "split",
        views: tuple[str, ...] | None = None,
        batch_size: int | None = None,
        crop: str = "brain",
        low_memory: bool = False,
        tta: str = "none",
        refine: bool = True,
    ) -> None:
        self.ensemble = ensemble if isinstance(ensemble, Ensemble) else load_ensemble(ensemble)
        if low_memory:
            self.ensemble = replace(
                self.ensemble, networks={view: without_large_weights(one) for view, one in self.ensemble.networks.items()}
            )
        self.device = choose_device(device)
        winograd = all(uses_winograd(one) for one in self.ensemble.networks.values())
        self.precision_asked = precision
        self.precision = choose_precision(precision, self.device, winograd=winograd)
        for option, value, known in (("fusion", fusion, FUSIONS), ("crop", crop, CROPS), ("tta", tta, TTAS)):
            if value not in known:
                raise UsageError(f"{option} {value}; expected one of {', '.join(known)}")
        self.fusion, self.weights, self.pooling, self.tta = fusion, weights, sagittal_pooling, tta
        self.batch_size, self.crop, self.low_memory = batch_size, crop, low_memory
        self._ready: dict[str, ViewNetwork] = {}
        self.views = tuple(view for view in VIEWS if view in (views or self.ensemble.networks))
        lacking = [view for view in self.views if view not in self.ensemble.networks]
        if lacking or not self.views:
            raise CheckpointError(
                f"weights {self.ensemble.name}: no {', '.join(lacking) or 'known'} network; "
                f"expected some of {', '.join(self.ensemble.networks)}"
            )
        if weights is not None and np.min(sum(weights.get(view, 0) for view in self.views)) <= 0:
            raise UsageError(f"view weights {weights}: none above 0 for {', '.join(self.views)}")
        self.refinement = refinement_for(self.ensemble, self.views) if refine else None

    @property
    def _sides_estimated(self) -> bool:
        """Whether left and right come from the mid-sagittal plane, because no view in use distinguishes them."""
        return self.views == ("sagittal",) and self.pooling != "none"

    def segment(self, scan: str | Path | Scan, *, keep_views: bool = False, keep_probabilities: bool = False) -> Segmentation:
        """Segment one scan.

        Parameters
        ----------
        scan : path or Scan
        keep_views : bool
            Also return the label map of each view.
        keep_probabilities : bool
            Also return the fused probabilities.

        Raises
        ------
        ScanError
            If the scan can't be read or used.
        """
        labelled = self.label(self.load(scan))
        return self.finish(labelled, keep_views=keep_views, keep_probabilities=keep_probabilities)

    def load(self, scan: str | Path | Scan, *, overlapping: bool = False) -> Loaded:
        """Read a scan and bring it to the networks' grid: the first of the three steps of :meth:`segment`.

        Parameters
        ----------
        scan : path or Scan
        overlapping : bool
            Whether other scans are in memory at the same time.

        Raises
        ------
        ScanError
            If the scan can't be read or used.
        DeviceError
            If this machine has too little memory for a scan with such a header.
        """
        stages = Stages()
        if not isinstance(scan, Scan):
            with stages("read"):
                header = read_header(scan)
                self.check_memory(header, overlapping=overlapping)
                scan = read_scan(scan)
        with stages("conform"):
            return Loaded(conform(scan), stages)

    def label(self, loaded: Loaded) -> Labelled:
        """Run the networks and fuse their predictions: the second step.

        If labels reach an inner face of the box around the brain, the networks are run again in the box around the head. If
        white matter is darker than the cortex, they are run again with the intensities in the order of T1, and the result in
        which the views agree more counts.

        Raises
        ------
        DeviceError
            If the device has too little memory.
        """
        labelled = self._label(loaded, loaded.conformed.data)
        volume = in_order_of_t1(loaded.conformed.data, labelled.box, labelled.fused.classes)
        if volume is None:
            return labelled
        again = replace(self._label(loaded, volume), other_contrast=True)
        before, after = (mean_in_brain(one.fused.agreement(), one.fused.classes) for one in (labelled, again))
        return again if after >= before else labelled

    def _label(self, loaded: Loaded, data: npt.NDArray[np.float32]) -> Labelled:
        """Run the networks on these intensities of a scan."""
        volume, stages = DeviceVolume(data, self.device), loaded.stages
        with stages("find the brain"):
            whole = slice(0, len(volume.host))
            outer = (whole, whole, whole) if self.crop == "none" else head_box(volume.host)
            brain = Brain(outer)
            if self.crop == "brain":
                scout = self.scout if self.scout is not None else self._network(self.views[0])
                brain = find_brain(scout, volume, head=outer, device=self.device, precision=self.precision)
        while True:
            if self.device.type == "cpu":
                self.check_memory(loaded.conformed.scan, brain.box)
            fused = self._fuse(volume, brain, stages)
            if brain.box == outer or not reaches_inner_face(fused.classes, brain.box, outer):
                if self.refinement is not None:
                    with stages("second look"):
                        fused = second_look(fused, data[brain.box], self.refinement)
                return Labelled(loaded.conformed, fused, brain.box, stages)
            brain = Brain(outer)

    def finish(self, labelled: Labelled, *, keep_views: bool = False, keep_probabilities: bool = False) -> Segmentation:
        """Bring the labels to the scan's grid, measure and check them: the third step."""
        conformed, stages, origin = labelled.conformed, labelled.stages, labelled.origin
        fused = labelled.fused if self.pooling == "none" else with_sides(labelled, estimated=self._sides_estimated)
        with stages("to the scan's grid"):
            ids = classes_to_ids(labels_to_native(fused.probabilities, fused.classes, origin, conformed))
        agreement, mean_agreement = None, None
        if len(self.views) > 1:
            with stages("agreement"):
                agreement = fused.agreement()
                mean_agreement = mean_in_brain(agreement, fused.classes)
        with stages("volumes and flags"):
            volumes = region_volumes(ids, conformed.scan.affine)
            flags = all_flags(volumes, ids, mean_agreement) + ([SIDES_ESTIMATED] if self._sides_estimated else [])
            flags += [NOT_T1] if labelled.other_contrast else []
            seen = self.has_seen(conformed.scan)
        views = fused.view_classes if keep_views else {}
        return Segmentation(
            scan=conformed.scan,
            ids=ids,
            volumes=volumes,
            agreement_box=agreement,
            mean_agreement=mean_agreement,
            per_view_ids={view: classes_to_ids(classes_to_native(one, origin, conformed)) for view, one in views.items()},
            flags=flags,
            seen_in_training=seen,
            conformed=conformed,
            origin=origin,
            probabilities_box=fused.probabilities if keep_probabilities else None,
            stages=stages,
            made_with=self.made_with,
        )

    @cached_property
    def made_with(self) -> dict[str, Any]:
        """What the labels depend on besides the scan; see :func:`darts_ensemble.segment.made_with.describe_networks`."""
        return describe_networks(
            self.ensemble,
            self.views,
            weights=self.weights,
            scout=self.scout if self.crop == "brain" else None,
            fusion=self.fusion,
            sagittal_pooling=self.pooling,
            precision=self.precision,
            precision_asked=self.precision_asked,
            crop=self.crop,
            tta=self.tta,
            refinement=None if self.refinement is None else sha256_of(self.refinement.path),
        )

    @cached_property
    def scout(self) -> ViewNetwork | None:
        """The bundled network, if those in use are too slow to find the brain; else None."""
        return scout_for(self.ensemble, self.views[0], self.device, self.precision)

    @cached_property
    def _load(self) -> Load:
        networks = [self.ensemble.networks[view] for view in self.views]
        return Load(networks, self.device, self.precision, self.batch_size, self.low_memory)

    def memory_needed(self, scan: Header | Scan, *, overlapping: bool = False) -> Need:
        """Return how much main memory a scan needs, known from its header; see :mod:`darts_ensemble.segment.memory`."""
        return memory_needed(grid_of(scan), self._load, overlapping=overlapping)

    def check_memory(self, scan: Header | Scan, box: Box | None = None, *, overlapping: bool = False) -> None:
        """Refuse a scan, or a box in it, for which this machine has too little memory (:class:`DeviceError`)."""
        check_memory(scan, self._load, usable_memory(), box=box, overlapping=overlapping)

    def _network(self, view: str) -> ViewNetwork:
        """Return the prepared network of a view; kept for the next scan if it is small or on a GPU."""
        if view in self._ready:
            return self._ready[view]
        held = self.ensemble.networks[view]
        if self.low_memory:  # memory of the last view's network
            give_back_freed_memory()
        with large_blocks_apart() if self.low_memory else nullcontext():
            if held.set_aside and held.path is not None:
                held = load_view(held.path, view)
            ready = made_ready(held, self.device, self.precision)
        if ready.filters < FEWEST_FILTERS or (self.device.type != "cpu" and not self.low_memory):
            self._ready[view] = ready
        if self.low_memory:  # half of the memory used to prepare this network
            give_back_freed_memory()
        return ready

    def _fuse(self, volume: DeviceVolume, brain: Brain, stages: Stages) -> Fused:
        def fuse(where: torch.device) -> Fused:
            predictions = {view: self._predictions(view, volume, brain, stages) for view in self.views}
            how: dict[str, Any] = {"fusion": self.fusion, "weights": self.weights, "pooling": self.pooling}
            with stages("fuse"):
                return fuse_views(predictions, brain.shape, device=where, logits=True, **how)

        host = torch.device("cpu")
        if self.device.type == "cpu" or (self.low_memory and not fits_beside_networks(brain.shape)):
            return fuse(host)
        with suppress(torch.OutOfMemoryError, DeviceError):
            return fuse(self.device)
        # Not while the error is handled: that would keep the data on the device.
        warnings.warn(f"{self.device}: out of memory; the views are fused on the CPU", DeviceMemoryWarning, stacklevel=2)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return fuse(host)

    def _predictions(
        self, view: str, volume: DeviceVolume, brain: Brain, stages: Stages
    ) -> Iterator[tuple[slice, Tensor | SliceScores]]:
        with stages(f"{view} view"):
            network = self._network(view)
            rows, columns = (side.stop - side.start for axis, side in enumerate(brain.box) if axis != SLICE_AXIS[view])
            fitting = slices_at_once(
                network.filters, rows, columns, device=self.device, precision=self.precision, low_memory=self.low_memory
            )
        how: dict[str, Any] = {"device": self.device, "precision": self.precision, "batch_size": self.batch_size or fitting}
        how |= {"mirror": self.tta == "mirror", "sides": view != "sagittal" or self.pooling == "none"}
        steps = predict_scores(network, volume, box=brain.box, crop=partial(brain.crop, view), **how)
        return (yield from stages.each(f"{view} view", steps))

    def has_seen(self, scan: Scan) -> bool:
        """Whether any of the networks in use was trained on exactly these voxels."""
        seen = {one["sha256"] for view in self.views for one in self.ensemble.networks[view].training_subjects}
        seen |= {one["sha256"] for one in ([] if self.refinement is None else self.refinement.training_subjects)}
        return voxel_checksum(scan.data) in seen
