"""Fitting a view: it learns, continues after an interruption, keeps the best weights, and starts from other weights."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from darts_ensemble.errors import CheckpointError
from darts_ensemble.labels import BACKGROUND_CLASS, KEPT_CHANNELS, N_CHANNELS, REGION_BY_ID
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.channels import Channels
from darts_ensemble.training.batch_statistics import measure_batch_statistics
from darts_ensemble.training.dataset import CachedSubject
from darts_ensemble.training.fit import fit_view, new_network
from darts_ensemble.training.recipe import Recipe, make_recipe
from darts_ensemble.training.slice_pool import SlicePool
from darts_ensemble.training.starting import start_from
from darts_ensemble.training.validate import validate_view
from darts_ensemble.weights.checkpoints import load_view
from tests.conftest import ROOT, SOAK
from tests.phantoms.training_subject import phantom_subject

TINY: dict[str, Any] = {"filters": 4, "convolutions": 1, "thick_slices": 3, "batch": 1, "steps": 5}


def tiny(**changes: Any) -> Recipe:
    return make_recipe("default", **{**TINY, **changes})


def same_tensors(one: Path, two: Path) -> bool:
    """Whether two weights files have the same numbers to the last bit, with metadata in any order."""
    first, second = load_file(one), load_file(two)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_small_network_learns_a_phantom_but_not_shuffled_labels(tmp_path: Path) -> None:
    recipe = tiny(filters=8, steps=80, rate=1e-2, average=0.9, augmentation="none")
    reached = {}
    for shuffled in (False, True):
        subject = phantom_subject(shuffled=shuffled)
        path = fit_view(recipe, "coronal", [subject], [], tmp_path / str(shuffled))
        reached[shuffled] = validate_view(load_view(path), [phantom_subject()], torch.device("cpu")).mean
    assert reached[False] > 0.95
    assert reached[True] < 0.3


def test_it_learns_in_bfloat16_too_and_its_weights_are_others(tmp_path: Path) -> None:
    weights = {}
    for precision in ("fp32", "bf16"):
        recipe = tiny(filters=8, steps=80, rate=1e-2, average=0.9, augmentation="none", precision=precision)
        path = fit_view(recipe, "coronal", [phantom_subject()], [], tmp_path / precision)
        assert validate_view(load_view(path), [phantom_subject()], torch.device("cpu")).mean > 0.95
        weights[precision] = path
    assert not same_tensors(weights["fp32"], weights["bf16"])


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darts_ensemble.training.fit.CHECKPOINT_EVERY", 2)
    monkeypatch.setattr("darts_ensemble.training.fit.LOG_EVERY", 1)
    subjects = [phantom_subject()]
    whole = fit_view(tiny(), "coronal", subjects, [], tmp_path / "whole")

    def stop_at_three(step: int, steps: int, loss: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_view(tiny(), "coronal", subjects, [], tmp_path / "resumed", report=stop_at_three)
    resumed = fit_view(tiny(), "coronal", subjects, [], tmp_path / "resumed")
    assert same_tensors(whole, resumed)
    # Step 3 was noted before the interruption and done again after it; the log has it once.
    logs = [pd.read_csv(path.with_suffix(".csv")) for path in (whole, resumed)]
    pd.testing.assert_frame_equal(logs[0], logs[1])


_KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import torch
torch.set_num_threads(1)
from tests.phantoms.training_subject import phantom_subject
from darts_ensemble.training import fit
from darts_ensemble.training.recipe import make_recipe
fit.CHECKPOINT_EVERY = 2
fit.LOG_EVERY = 1
recipe = make_recipe("default", filters=4, convolutions=1, thick_slices=3, batch=1, steps=10)
fit.fit_view(recipe, "coronal", [phantom_subject()], [], Path({out!r}), report=lambda *at: print(*at, flush=True))
"""


def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path: Path) -> None:
    subjects = [phantom_subject()]
    whole = fit_view(tiny(steps=10), "coronal", subjects, [], tmp_path / "whole")
    code = _KILLED.format(root=str(ROOT), out=str(tmp_path / "killed"))
    rng = np.random.default_rng(0)
    for _ in range(10 if SOAK else 1):
        running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None
        for _ in range(int(rng.integers(1, 5))):
            running.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.1)))
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert same_tensors(whole, tmp_path / "killed" / "coronal.safetensors")


def test_another_recipe_does_not_go_on_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darts_ensemble.training.fit.CHECKPOINT_EVERY", 1)
    fit_view(tiny(steps=1), "coronal", [phantom_subject()], [], tmp_path)
    with pytest.raises(CheckpointError, match="made with other settings: rate, seed; expected those"):
        fit_view(tiny(steps=1, rate=1e-4, seed=5), "coronal", [phantom_subject()], [], tmp_path)
    other = type(phantom_subject())(**{**vars(phantom_subject()), "checksum": "1" * 64})
    with pytest.raises(CheckpointError, match="other training_subjects"):
        fit_view(tiny(steps=1), "coronal", [other], [], tmp_path)


def test_the_best_validation_is_kept_and_patience_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    means = iter([0.2, 0.6, 0.5, 0.4, 0.9])
    seen: list[dict[str, torch.Tensor]] = []

    def stand_in(network: ViewNetwork, *_: Any, **__: Any) -> Any:
        seen.append({name: value.clone() for name, value in network.network.state_dict().items()})
        result = validate_view(network, [phantom_subject()], torch.device("cpu"))
        return type(result)(result.dice, next(means), result.slices)

    monkeypatch.setattr("darts_ensemble.training.fit.validate_view", stand_in)
    subjects = [phantom_subject()]
    path = fit_view(tiny(steps=9, validate_every=1, patience=2), "coronal", subjects, subjects, tmp_path)
    assert len(seen) == 4
    kept = load_view(path).network.state_dict()
    for name, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, seen[1][name].half().float())
    log = pd.read_csv(tmp_path / "coronal.csv")
    assert log["validation_dice"].dropna().tolist() == [0.2, 0.6, 0.5, 0.4]
    assert len(pd.read_csv(tmp_path / "coronal_regions.csv")) == 102


def test_batch_statistics_are_those_of_slices_as_they_are() -> None:
    recipe = tiny()
    torch.manual_seed(0)
    network = new_network(recipe)
    pool = SlicePool([phantom_subject()], "coronal", recipe)
    before = {name: value.clone() for name, value in network.named_parameters()}
    measure_batch_statistics(network, pool, torch.device("cpu"))
    for name, value in network.named_parameters():
        assert torch.equal(value, before[name])
    normalised: dict[str, torch.Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda _, __, out, name=name: normalised.update({name: out}))
    rng = np.random.default_rng(5)
    plain = pool.unaltered()
    network.eval()
    with torch.inference_mode():
        network(torch.from_numpy(np.stack([plain.draw(rng, (144, 128))[0] for _ in range(48)])))
    # Normalised (weights 1, biases 0) by the statistics of its own kind, what comes out has mean 0 and variance 1.
    assert len(normalised) == 13
    for values in normalised.values():
        np.testing.assert_allclose(values.mean(dim=(0, 2, 3)), 0, atol=0.15)
        np.testing.assert_allclose(values.var(dim=(0, 2, 3)), 1, atol=0.3)


def test_averaged_weights_are_written_with_statistics_of_plain_slices_and_others_with_those_of_their_training(
    tmp_path: Path,
) -> None:
    for average in (0.0, 0.9):
        recipe, out = tiny(average=average), tmp_path / str(average)
        written = load_view(fit_view(recipe, "coronal", [phantom_subject()], [], out)).network
        trained = torch.load(out / "coronal.checkpoint.pt", weights_only=True)["network"]
        measured = copy.deepcopy(written)
        measure_batch_statistics(measured, SlicePool([phantom_subject()], "coronal", recipe), torch.device("cpu"))
        name = "d1.bn_list.0.running_var"
        expected = measured.state_dict()[name] if average else trained[name]
        other = trained[name] if average else measured.state_dict()[name]
        torch.testing.assert_close(written.state_dict()[name], expected, rtol=0.01, atol=0.0)
        assert not torch.allclose(written.state_dict()[name], other, rtol=0.05, atol=0.0)


def test_the_file_tells_what_it_was_trained_on_and_how(tmp_path: Path) -> None:
    path = fit_view(tiny(steps=1), "axial", [phantom_subject(name="one")], [], tmp_path)
    made = load_view(path)
    assert made.view == "axial"
    assert made.channels == Channels(3)
    assert made.normalisation == "volume-otsu"
    assert made.training_subjects == [{"id": "one", "sha256": "0" * 64}]
    assert made.metadata["setting_seed"] == "1"
    assert made.metadata["initial"] == "random"


@pytest.mark.parametrize("architecture", ["dense-unet", "unet"])
def test_a_network_with_more_channels_starts_where_the_other_stood(architecture: str) -> None:
    torch.manual_seed(0)
    small = DenseUNet(1, filters=4, convolutions=1) if architecture == "dense-unet" else UNet(1, filters=4)
    init = ViewNetwork("coronal", small.eval(), architecture, 4, "volume-otsu")
    recipe = tiny(architecture=architecture, thick_slices=5, positions=True)
    network = new_network(recipe).eval()
    start_from(network, recipe, init)
    images = torch.rand(1, 8, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), small(images[:, 2:3]))


@pytest.mark.parametrize("architecture", ["dense-unet", "unet"])
def test_a_network_with_more_filters_starts_where_the_other_stood_and_its_new_filters_learn(architecture: str) -> None:
    torch.manual_seed(0)
    small = DenseUNet(3, filters=4, convolutions=2) if architecture == "dense-unet" else UNet(3, filters=4)
    for module in small.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as training leaves it, not as it begins
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                torch.nn.init.uniform_(values, 0.5, 1.5)
    init = ViewNetwork("coronal", small.eval(), architecture, 4, "volume-otsu", Channels(3))
    recipe = tiny(architecture=architecture, filters=7, convolutions=2)
    network = new_network(recipe).eval()
    start_from(network, recipe, init)
    images = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), small(images), rtol=1e-4, atol=1e-4)
    # After a step the old ones hear the new ones, and with the second step each of the new ones learns.
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        network(images)[:, :4].square().mean().backward()
        optimiser.step()
    for name, weight in network.named_parameters():
        if weight.ndim == 4 and "outconv" not in name:
            outputs_last = name.endswith(("upsample_layer.weight", "transconv.weight"))
            learnt = weight.grad.abs().sum(dim=(0, 2, 3) if outputs_last else (1, 2, 3))
            new = learnt[4 * len(learnt) // 7 :]
            assert (new > 0).float().mean() > 0.5, f"{name}: a few may be silenced by their ReLU, not most"


def test_weights_that_do_not_fit_are_not_started_from() -> None:
    init = ViewNetwork("coronal", DenseUNet(filters=6, convolutions=1), "dense-unet", 6, "volume-otsu")
    with pytest.raises(
        CheckpointError, match="dense-unet of 6 filters and 1 channels; expected a dense-unet of at most 4 filters"
    ):
        start_from(new_network(tiny()), tiny(), init)


def test_a_sagittal_validation_scores_pairs_and_not_sides() -> None:
    left, right = REGION_BY_ID[17].class_index, REGION_BY_ID[53].class_index
    labels = np.full((64,) * 3, BACKGROUND_CLASS, dtype=np.uint8)
    labels[20:44, 20:44, 20:44] = left
    subject = CachedSubject("one", np.where(labels == left, 100, 0).astype(np.uint8), labels, None, "0" * 64)

    class OtherSide(torch.nn.Module):
        """Labels everything bright as the region of the other side."""

        def forward(self, slices: torch.Tensor) -> torch.Tensor:
            channels = torch.from_numpy(KEPT_CHANNELS)[torch.where(slices[:, :1] > 0.5, right, BACKGROUND_CLASS)]
            return torch.zeros(len(slices), N_CHANNELS, *slices.shape[2:]).scatter(1, channels, 9.0)

    def scores(view: str) -> Any:
        network = ViewNetwork(view, OtherSide().eval(), "dense-unet", 2, "volume-otsu")
        return validate_view(network, [subject], torch.device("cpu")).dice[0][[left, right]]

    np.testing.assert_array_equal(scores("sagittal"), [1, np.nan])
    np.testing.assert_array_equal(scores("coronal"), [0, 0])


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """Under torchrun the two processes average their gradients, and only one of them writes the file."""
    script = tmp_path / "run.py"
    script.write_text(_KILLED.format(root=str(ROOT), out=str(tmp_path / "out")).replace("steps=10", "steps=2"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    state = torch.load(tmp_path / "out" / "coronal.checkpoint.pt", weights_only=True)
    assert state["step"] == 2
    alone = fit_view(tiny(steps=2), "coronal", [phantom_subject()], [], tmp_path / "alone")
    assert not same_tensors(alone, tmp_path / "out" / "coronal.safetensors")
