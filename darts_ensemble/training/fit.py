"""Fit one view's network: optimiser, schedule, moving average of weights, validation, checkpoints that resume."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from darts_ensemble.device import choose_precision
from darts_ensemble.errors import CheckpointError
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, N_CHANNELS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.networks.weight_gradients import products_are_faster, use_products
from darts_ensemble.training.batch_statistics import measure_batch_statistics
from darts_ensemble.training.dataset import CachedSubject
from darts_ensemble.training.journal import Journal
from darts_ensemble.training.losses import class_weights, segmentation_loss
from darts_ensemble.training.processes import Processes
from darts_ensemble.training.recipe import Recipe
from darts_ensemble.training.slice_pool import SlicePool
from darts_ensemble.training.starting import start_from
from darts_ensemble.training.validate import validate_view
from darts_ensemble.weights.checksums import sha256_of
from darts_ensemble.weights.view_file import save_view
from darts_ensemble.whole_files import written_whole

__all__ = ["checkpoint_path", "fit_view", "new_network", "rate_at", "resolve_precision"]

CHECKPOINT_EVERY = 100
LOG_EVERY = 20

Report = Callable[[int, int, float], None]


def rate_at(recipe: Recipe, progress: float, warm_up: float = 0.03) -> float:
    """Return the learning rate at `progress`, the share of the run that is done, 0 to 1."""
    if recipe.schedule == "constant":
        return recipe.rate
    if recipe.schedule == "tenth":
        return recipe.rate if progress < 0.5 else recipe.rate / 10
    if progress < warm_up:
        return recipe.rate * max(progress / warm_up, 0.01)
    return recipe.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))))


def new_network(recipe: Recipe) -> nn.Module:
    """Build the network of a recipe, with random weights."""
    if recipe.architecture == "unet":
        return UNet(recipe.channels.count, N_CHANNELS, recipe.filters)
    return DenseUNet(recipe.channels.count, N_CHANNELS, recipe.filters, recipe.convolutions)


def resolve_precision(recipe: Recipe, device: torch.device) -> Recipe:
    """Return the recipe with precision "auto" resolved for a device: bf16 if it multiplies in it, else fp32."""
    if recipe.precision != "auto":
        return recipe
    return replace(recipe, precision="bf16" if choose_precision("auto", device) == "bf16" else "fp32")


def checkpoint_path(out: Path, view: str) -> Path:
    """Return the path of a view's training state: `<view>.checkpoint.pt`."""
    return out / f"{view}.checkpoint.pt"


def fit_view(
    recipe: Recipe,
    view: str,
    training: Sequence[CachedSubject],
    validation: Sequence[CachedSubject],
    out: Path,
    *,
    init: ViewNetwork | None = None,
    device: torch.device | str = "cpu",
    report: Report = lambda step, steps, loss: None,
) -> Path:
    """Train the network of one view, or continue its training.

    `out` receives `<view>.checkpoint.pt` (from which training continues, if it exists and was made with the same settings), the
    files of :class:`darts_ensemble.training.journal.Journal`, and at the end `<view>.safetensors`: the weights of the best
    validation, or the last ones if there are no validation subjects. On a CPU, the same seed, number of threads and data give
    the same weights to the last bit, however often the run was interrupted.

    Parameters
    ----------
    recipe : Recipe
    view : {"coronal", "axial", "sagittal"}
    training, validation : sequences of CachedSubject
    out : Path
    init : ViewNetwork, optional
        Weights to start from.
    device : torch.device or str
    report : callable
        Called with step, number of steps and the mean loss since the last call.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    CheckpointError
        If the checkpoint was made with other settings or subjects, or `init` doesn't fit.
    """
    fit = _begin(recipe, view, training, validation, out, init, device)
    state = _resume(fit)
    steps = fit.steps
    weights = class_weights(_class_counts(training)).to(fit.device)
    journal = Journal(out, view, state["step"]) if fit.processes.first else None
    model = fit.processes.parallel(fit.network, fit.device)
    losses: list[float] = []
    while state["step"] < steps and not _patience_is_out(fit.recipe, state):
        losses.append(_take_step(fit, model, state["step"], weights))
        step = state["step"] = state["step"] + 1
        _follow(fit.average, fit.network, decay=min(fit.recipe.average, step / (step + 10)))
        last = step == steps
        if last or step % LOG_EVERY == 0:
            report(step, steps, float(np.mean(losses)))
            if journal:
                journal.loss(step, fit.rate, float(np.mean(losses)))
            losses.clear()
        looked = bool(validation) and (last or step % fit.recipe.validate_every == 0)
        if fit.recipe.average and (looked or last):
            measure_batch_statistics(fit.average, fit.pool, fit.device)
        if looked:
            _look(fit, state, journal)
        if journal and (looked or last or step % CHECKPOINT_EVERY == 0):
            _save_checkpoint(fit, state)
    if journal:
        _save_weights(fit, state)
        journal.close()
    fit.processes.wait()
    return fit.target


@dataclass(frozen=True)
class _Fit:
    """The fit of one view: the data that all its steps need. Networks and optimiser change in place.

    Attributes
    ----------
    made_with : dict
        Settings, training subjects and initial weights: a checkpoint of this run holds the same.
    network, average, optimiser
        The network that is trained, its moving average, and the optimiser of the network.
    pool : SlicePool
        Slices to train on.
    """

    recipe: Recipe
    view: str
    out: Path
    validation: Sequence[CachedSubject]
    processes: Processes
    device: torch.device
    made_with: dict[str, Any]
    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    pool: SlicePool

    @property
    def steps(self) -> int:
        """Number of steps of the whole run."""
        slices_at_once = self.recipe.batch * self.processes.number
        return self.recipe.steps or math.ceil(self.recipe.epochs * len(self.pool) / slices_at_once)

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    @property
    def target(self) -> Path:
        """The weights file."""
        return self.out / f"{self.view}.safetensors"


def _begin(
    recipe: Recipe, view: str, training: Sequence[CachedSubject], validation: Sequence[CachedSubject], out: Path,
    init: ViewNetwork | None, device: torch.device | str,
) -> _Fit:  # fmt: skip
    """Build network, average, optimiser and pool of slices, as they are before the first step."""
    processes = Processes.here()
    device = processes.device(torch.device(device))
    recipe = resolve_precision(recipe, device)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = new_network(recipe)
    if init is not None:
        start_from(network, recipe, init)
    # Convolutions in bf16 are a tenth faster with channels last; those in fp32 are not affected.
    network.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    if products_are_faster(device, recipe.precision):
        use_products(network)
    subjects = [{"id": subject.id, "sha256": subject.checksum} for subject in training]
    return _Fit(
        recipe, view, out, validation, processes, device,
        made_with={"settings": {"view": view, **asdict(recipe)}, "training_subjects": subjects, "initial": _name(init)},
        network=network, average=copy.deepcopy(network), optimiser=_optimiser(recipe, network),
        pool=SlicePool(training, view, recipe),
    )  # fmt: skip


def _take_step(fit: _Fit, model: nn.Module, step: int, weights: Tensor) -> float:
    """Draw a batch and update the network with it; return the loss. `model` is the network, or its parallel form."""
    recipe = fit.recipe
    for group in fit.optimiser.param_groups:
        group["lr"] = rate_at(recipe, step / fit.steps)
    images, labels = _batch(fit.pool, recipe, step, fit.processes.rank, fit.device)
    with torch.autocast(fit.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        logits = model(images)
    pooled = recipe.pool_sides and fit.view == "sagittal"
    loss = segmentation_loss(logits, labels, kind=recipe.loss, weights=weights, pool_sides=pooled)
    fit.optimiser.zero_grad()
    torch.autograd.backward(loss)
    if recipe.clip:
        nn.utils.clip_grad_norm_(fit.network.parameters(), recipe.clip)
    fit.optimiser.step()
    return float(loss.detach())


def _name(init: ViewNetwork | None) -> str:
    """Describe the initial weights of a run, for the metadata of its result: the file and its sha256."""
    if init is None or init.path is None:
        return "random" if init is None else "a network in memory"
    return f"{init.path.name} sha256 {sha256_of(init.path)}"


def _optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=recipe.rate)
    return torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)


def _batch(pool: SlicePool, recipe: Recipe, step: int, rank: int, device: torch.device) -> tuple[Tensor, Tensor]:
    # Each step has its own generator: a resumed run draws the same as an uninterrupted one.
    rng = np.random.default_rng([recipe.seed, step, rank])
    size = pool.draw_size(rng)
    drawn = [pool.draw(rng, size) for _ in range(recipe.batch)]
    images = torch.from_numpy(np.stack([image for image, _ in drawn]))
    labels = torch.from_numpy(np.stack([label for _, label in drawn]).astype(np.int64))
    return images.to(device, non_blocking=True, memory_format=torch.channels_last), labels.to(device, non_blocking=True)


def _class_counts(subjects: Sequence[CachedSubject]) -> Any:
    counts = np.zeros(IGNORE_CLASS + 1, dtype=np.int64)
    for subject in subjects:
        counts += np.bincount(np.asarray(subject.labels).ravel(order="K"), minlength=IGNORE_CLASS + 1)
    return counts[: BACKGROUND_CLASS + 1]


def _patience_is_out(recipe: Recipe, state: dict[str, Any]) -> bool:
    return bool(recipe.patience) and state["since_best"] >= recipe.patience


def _look(fit: _Fit, state: dict[str, Any], journal: Journal | None) -> None:
    """Validate the averaged weights; keep them if they are the best so far."""
    recipe, average = fit.recipe, fit.average
    average.eval()
    seen = ViewNetwork(fit.view, average, recipe.architecture, recipe.filters, recipe.normalisation, recipe.channels)
    result = validate_view(seen, fit.validation, fit.device, precision=recipe.precision)
    average.train()
    if journal:
        journal.validation(state["step"], result)
    better = result.mean > state["best"]
    state["since_best"] = 0 if better else state["since_best"] + 1
    if better:
        state["best"] = result.mean
        state["kept"] = {name: value.detach().cpu().clone() for name, value in average.state_dict().items()}


def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights and BatchNorm statistics towards the network's, in place."""
    current = network.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def _resume(fit: _Fit) -> dict[str, Any]:
    """Load the state of an earlier run, if there is one; return the counters of the loop."""
    path, run = checkpoint_path(fit.out, fit.view), fit.made_with
    if not path.is_file():
        return {"step": 0, "best": -1.0, "since_best": 0, "kept": None}
    state = torch.load(path, map_location="cpu", weights_only=True)
    different = [key for key in run if state.get(key) != run[key]]
    if different:
        found = state.get("settings") or {}
        settings = sorted(name for name, value in run["settings"].items() if found.get(name, value) != value)
        raise CheckpointError(
            f"{path}: made with other {', '.join(different)}{': ' + ', '.join(settings) if settings else ''}; expected those "
            "of this run: use the same, or another --out"
        )
    fit.network.load_state_dict(state["network"])
    fit.average.load_state_dict(state["average"])
    fit.optimiser.load_state_dict(state["optimiser"])
    return {key: state[key] for key in ("step", "best", "since_best", "kept")}


def _save_checkpoint(fit: _Fit, state: dict[str, Any]) -> None:
    weights = {"network": fit.network.state_dict(), "average": fit.average.state_dict()}
    with written_whole(checkpoint_path(fit.out, fit.view), error=CheckpointError) as temporary:
        torch.save(fit.made_with | state | weights | {"optimiser": fit.optimiser.state_dict()}, temporary)


def _save_weights(fit: _Fit, state: dict[str, Any]) -> None:
    """Write the averaged weights of the best validation, or the last ones if there was none."""
    recipe, average = fit.recipe, fit.average
    average.load_state_dict(state["kept"] or average.state_dict())
    extra = {"steps": str(state["step"]), "initial": fit.made_with["initial"]}
    save_view(
        fit.target, average.cpu().eval(), view=fit.view, normalisation=recipe.normalisation, channels=recipe.channels,
        training_subjects=fit.made_with["training_subjects"],
        extra=extra | {f"setting_{name}": str(value) for name, value in asdict(recipe).items()},
    )  # fmt: skip
