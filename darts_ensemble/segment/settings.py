"""Settings of a run of darts-segment, small enough to be sent to the workers of a cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from darts_ensemble.errors import UsageError
from darts_ensemble.inference.heap import keep_freed_memory
from darts_ensemble.segment.made_with import with_options

if TYPE_CHECKING:
    from darts_ensemble.fusion.fuse import ViewWeights
    from darts_ensemble.fusion.sagittal_sides import SagittalPooling
    from darts_ensemble.networks.view_network import Ensemble
    from darts_ensemble.segment.segmenter import Segmenter

__all__ = ["Settings", "describe_run", "make_segmenter", "overlapping"]


@dataclass(frozen=True)
class Settings:
    """Options of a run, for :class:`darts_ensemble.segment.segmenter.Segmenter` and its results.

    Attributes
    ----------
    weights : str, or tuple of (view, path)
        As for :func:`darts_ensemble.weights.checkpoints.load_ensemble`.
    views : str or None
        Such as "coronal,axial".
    view_weights : str or None
        Such as "coronal=0.3,axial=0.3,sagittal=0.4".
    fusion_weights : str or None
        Path of a fusion.json.
    threads : int
        CPU threads; 0: all.
    """

    weights: str | tuple[tuple[str, str], ...] = "bundled"
    device: str = "auto"
    precision: str = "auto"
    fusion: str = "geometric"
    views: str | None = None
    view_weights: str | None = None
    fusion_weights: str | None = None
    sagittal_pooling: str = "split"
    batch_size: int | None = None
    crop: str = "brain"
    low_memory: bool = False
    tta: str = "none"
    refine: bool = True
    threads: int = 0
    form: str = "nifti"
    agreement: bool = False
    probabilities: str | None = None
    probability_type: str = "float32"
    dicom_seg: bool = False
    clean: bool = False
    overwrite: bool = False
    verbose: bool = False
    strict: bool = False

    @property
    def saving(self) -> dict[str, Any]:
        """Arguments for :meth:`darts_ensemble.results.segmentation.Segmentation.save`."""
        return {
            "form": self.form,
            "agreement": self.agreement,
            "probabilities": self.probabilities,
            "probability_type": self.probability_type,
            "dicom_seg": self.dicom_seg,
        }


def overlapping(count: int, settings: Settings) -> bool:
    """Whether scans are read and written while another one is computed, so that several are in memory."""
    return count > 1 and not settings.low_memory


def make_segmenter(settings: Settings) -> Segmenter:
    """Load the networks named in the settings.

    Raises
    ------
    UsageError
        If options contradict each other.
    CheckpointError
        If the weights can't be used.
    """
    from darts_ensemble.device import use_threads
    from darts_ensemble.segment.segmenter import Segmenter
    from darts_ensemble.weights.checkpoints import load_ensemble

    use_threads(settings.threads)
    if not settings.low_memory:
        keep_freed_memory()
    ensemble = load_ensemble(settings.weights if isinstance(settings.weights, str) else dict(settings.weights))
    segmenter = Segmenter(
        ensemble,
        device=settings.device,
        precision=settings.precision,
        fusion=settings.fusion,
        weights=_weights(settings.view_weights, settings.fusion_weights, ensemble),
        sagittal_pooling=cast("SagittalPooling", settings.sagittal_pooling),
        views=_views(settings.views),
        batch_size=settings.batch_size,
        crop=settings.crop,
        low_memory=settings.low_memory,
        tta=settings.tta,
        refine=settings.refine,
    )
    if settings.agreement and len(segmenter.views) < 2:
        raise UsageError("--save-agreement: a single view has no agreement; expected two or three views")
    if settings.probabilities:
        from darts_ensemble.results.probabilities import parse_wanted

        parse_wanted(settings.probabilities)
    return segmenter


def describe_run(segmenter: Segmenter, settings: Settings) -> dict[str, Any]:
    """Return what the results of a run depend on besides the scan, for their accounts."""
    return with_options(segmenter.made_with, asdict(settings))


def _views(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    from darts_ensemble.slices.views import VIEWS

    wanted = tuple(part.strip() for part in text.split(","))
    unknown = [view for view in wanted if view not in VIEWS]
    if unknown:
        raise UsageError(f"--views {text}: {unknown[0] or 'nothing'} found; expected some of {', '.join(VIEWS)}")
    return wanted


def _weights(text: str | None, file: str | None, ensemble: Ensemble) -> ViewWeights | None:
    """Return the weights of --view-weights, or of --fusion-weights, which must have been fitted for these networks."""
    if file is None:
        return _view_weights(text)
    if text is not None:
        raise UsageError("--view-weights and --fusion-weights; expected one of them")
    from darts_ensemble.fusion.view_weights import networks_of, read_fusion_weights

    return read_fusion_weights(Path(file), networks_of(ensemble)).weights


def _view_weights(text: str | None) -> Mapping[str, float] | None:
    if text is None:
        return None
    from darts_ensemble.fusion.fuse import DEFAULT_WEIGHTS

    weights = dict(DEFAULT_WEIGHTS)
    try:
        for part in text.split(","):
            view, value = part.split("=")
            weights[view.strip()] = float(value)
    except ValueError:
        raise UsageError(f"--view-weights {text}: expected such as coronal=0.3,axial=0.3,sagittal=0.4") from None
    if (
        set(weights) != set(DEFAULT_WEIGHTS)
        or not all(0 <= weight < math.inf for weight in weights.values())
        or sum(weights.values()) == 0
    ):
        raise UsageError(f"--view-weights {text}: expected weights of coronal, axial, sagittal, none below 0, one above")
    return weights
