"""Devices, precisions and batches change the speed of a prediction, never its result."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from darts_ensemble import device as device_module
from darts_ensemble.device import DeviceMemoryWarning, choose_precision, slices_at_once
from darts_ensemble.errors import DeviceError
from darts_ensemble.inference import pieces
from darts_ensemble.inference.class_scores import SliceScores, most_probable
from darts_ensemble.inference.pieces import in_pieces
from darts_ensemble.inference.predict import made_ready, predict_scores, predict_view
from darts_ensemble.inference.winograd import FEWEST_FILTERS
from darts_ensemble.labels import BACKGROUND_CLASS, KEPT_CHANNELS, N_CHANNELS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from darts_ensemble.networks.view_network import Ensemble, ViewNetwork
from darts_ensemble.segment.segmenter import Segmenter

CPU = torch.device("cpu")
BOX = (slice(0, 32), slice(0, 16), slice(0, 32))


def view_network(filters: int = 4, view: str = "axial") -> ViewNetwork:
    torch.manual_seed(filters)
    network = DenseUNet(out_channels=N_CHANNELS, filters=filters, convolutions=1).eval()
    return ViewNetwork(view, network, "dense-unet", filters, "volume-median")


def volume() -> npt.NDArray[np.float32]:
    values = np.random.default_rng(1).random((32, 16, 32), dtype=np.float32)
    values[:, 5] = 0  # a slice of air
    return values


def whole(one: ViewNetwork, **how: object) -> npt.NDArray[np.float32]:
    predicted = predict_view(one, volume(), box=BOX, device=CPU, **how)  # type: ignore[arg-type]
    return np.concatenate([probabilities.float().numpy() for _, probabilities in predicted])


class Greedy(nn.Module):
    """A network whose device has memory for only this number of slices at once."""

    def __init__(self, most: int, inner: nn.Module) -> None:
        super().__init__()
        self.most, self.inner, self.seen = most, inner, list[int]()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(x)


def test_a_network_made_ready_says_what_it_says_and_the_one_given_is_untouched() -> None:
    for filters in (4, FEWEST_FILTERS):
        one = view_network(filters)
        before = {name: value.clone() for name, value in one.network.state_dict().items()}
        ready = made_ready(one, CPU, "fp32")
        np.testing.assert_allclose(whole(ready), whole(one), atol=1e-4)
        assert all(torch.equal(value, before[name]) for name, value in one.network.state_dict().items())


def test_batches_and_threads_change_no_probability() -> None:
    ready = made_ready(view_network(), CPU, "fp32")
    expected = whole(ready, batch_size=1)
    for batch_size in (3, 16):
        np.testing.assert_allclose(whole(ready, batch_size=batch_size), expected, atol=1e-6)
    torch.set_num_threads(2)
    try:
        np.testing.assert_allclose(whole(ready, batch_size=3), expected, atol=1e-6)
    finally:
        torch.set_num_threads(1)


def test_constant_slices_are_background_and_never_reach_the_network() -> None:
    one = view_network()
    counting = Greedy(100, one.network)
    predicted = whole(ViewNetwork("axial", counting, "dense-unet", 4, "volume-median"), batch_size=4)
    assert sum(counting.seen) == 15
    assert np.all(predicted[5, ..., BACKGROUND_CLASS] == 1)
    assert predicted[5].sum() == 32 * 32
    assert not np.all(predicted[4, ..., BACKGROUND_CLASS] == 1)


def test_out_of_memory_halves_the_batches_with_a_warning_and_changes_nothing() -> None:
    one = view_network()
    greedy = Greedy(2, one.network)
    with pytest.warns(DeviceMemoryWarning, match="going on with"):
        found = whole(ViewNetwork("axial", greedy, "dense-unet", 4, "volume-median"), batch_size=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(found, whole(one, batch_size=8), atol=1e-6)
    assert greedy.seen[:3] == [7, 4, 2], "slices, the one of air left out"
    with pytest.raises(DeviceError, match="--low-memory"), pytest.warns(DeviceMemoryWarning):
        whole(ViewNetwork("axial", Greedy(0, one.network), "dense-unet", 4, "volume-median"))


def test_the_ten_channels_that_are_no_classes_have_no_part_in_the_softmax() -> None:
    one = view_network()
    dropped = np.setdiff1d(np.arange(N_CHANNELS), KEPT_CHANNELS)
    expected = whole(one)
    with torch.no_grad():
        one.network.outconv.bias[torch.from_numpy(dropped)] = 50  # type: ignore[union-attr, index, operator]
    np.testing.assert_allclose(whole(one), expected, atol=1e-6)
    np.testing.assert_allclose(whole(made_ready(one, CPU, "fp32")), expected, atol=1e-5)


def test_bf16_agrees_with_fp32_in_nearly_every_label() -> None:
    one = view_network(16)
    exact, rough = whole(made_ready(one, CPU, "fp32")), whole(made_ready(one, CPU, "bf16"), precision="bf16")
    assert np.abs(exact - rough).max() > 0, "bf16 must have been used"
    assert np.mean(exact.argmax(axis=-1) == rough.argmax(axis=-1)) > 0.9


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_tells_apart_two_classes_whose_scores_are_near(precision: str) -> None:
    one = view_network()
    with torch.no_grad():
        one.network.outconv.weight.zero_()  # type: ignore[union-attr, operator]
        one.network.outconv.bias.zero_()  # type: ignore[union-attr, operator]
        for class_index, score in ((3, 10.0), (7, 10.001)):  # equal in bf16 and in fp16
            one.network.outconv.bias[KEPT_CHANNELS[class_index]] = score  # type: ignore[union-attr, index, operator]
    probabilities = whole(made_ready(one, CPU, precision), precision=precision)
    varied = np.ptp(volume(), axis=(0, 2)) > 0
    assert (probabilities[varied].argmax(axis=-1) == 7).all()


@pytest.mark.parametrize(
    ("found", "expected", "of_many_filters"),
    [((), "fp32", "fp32"), (("AVX512_BF16",), "bf16", "fp32"), (("AMX", "AVX512_BF16"), "bf16", "bf16")],
)
def test_auto_is_bf16_only_where_the_cpu_is_faster_in_it(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...], expected: str, of_many_filters: str
) -> None:
    for name, check in device_module._BF16_CHECKS.items():
        monkeypatch.setattr(torch.cpu, check, lambda name=name: name in found, raising=False)
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("auto", CPU, winograd=True) == of_many_filters
    assert choose_precision("fp16", CPU, winograd=True) == "fp16"


def test_a_network_of_the_published_size_is_predicted_in_the_precision_that_suits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, check in device_module._BF16_CHECKS.items():
        monkeypatch.setattr(torch.cpu, check, lambda name=name: name == "AVX512_BF16", raising=False)
    for filters, expected in ((4, "bf16"), (FEWEST_FILTERS, "fp32")):
        segmenter = Segmenter(Ensemble({"axial": view_network(filters)}, "stand-in"), device="cpu")
        assert segmenter.precision == expected


def test_batches_shrink_with_size_and_with_low_memory_but_never_to_none() -> None:
    def size(filters: int, side: int, low: bool = False) -> int:
        return slices_at_once(filters, side, side, device=CPU, precision="fp32", low_memory=low)

    assert size(32, 128) > size(32, 256) >= size(256, 256) == 1
    assert size(32, 128) >= size(32, 128, low=True) >= 1


def test_of_equally_probable_classes_the_first_is_taken() -> None:
    assert most_probable(torch.tensor([[[0.25, 0.5, 0.5], [1.0, 0.0, 1.0]]])).tolist() == [[1, 0]]


@pytest.mark.parametrize("architecture", ["dense-unet", "unet"])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_scores_in_pieces_are_those_of_whole_slices_and_their_softmax_the_probabilities(
    architecture: str, batch_size: int
) -> None:
    one = view_network()
    if architecture == "unet":
        one = replace(one, network=UNet(out_channels=N_CHANNELS, filters=2).eval(), architecture="unet", filters=2)
    together = torch.from_numpy(whole(one))
    for where, scores in predict_scores(one, volume(), box=BOX, device=CPU, batch_size=batch_size):
        assert isinstance(scores, SliceScores)  # the batch of slice 5 alone has no features at all
        parts = [
            torch.cat([scores[number, slice(row, row + 5)] for row in range(0, scores.shape[1], 5)])
            for number in range(scores.shape[0])
        ]
        torch.testing.assert_close(torch.stack(parts), scores.whole())
        torch.testing.assert_close(torch.softmax(scores.whole(), dim=-1), together[where])


def test_pieces_cover_every_voxel_once() -> None:
    first, counts, seen = torch.rand(3, 107, 50, 2), torch.zeros(3, 107, 50), torch.zeros(3, 107, 50, 2)
    heights = []

    def step(piece: torch.Tensor, count: torch.Tensor, copy: torch.Tensor) -> None:
        heights.append(len(piece))
        count.add_(1)
        copy.copy_(piece)

    in_pieces(step, first, counts, seen)
    assert len(heights) > 3 and max(heights) * 50 <= pieces.VOXELS
    assert bool((counts == 1).all())
    assert torch.equal(seen, first)


def test_each_piece_has_one_thread() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    pieces._single_threads.cache_clear()
    counts: list[int] = []
    try:
        in_pieces(lambda piece: counts.append(torch.get_num_threads()), torch.rand(3, 107, 50, 2))
    finally:
        torch.set_num_threads(before)
    assert set(counts) == {1}


def test_threads_that_begin_later_are_given_as_many_threads_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    pieces._single_threads.cache_clear()
    try:
        in_pieces(lambda piece: None, torch.rand(3, 107, 50, 2))
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_error_in_a_piece_is_raised() -> None:
    def fail(piece: torch.Tensor) -> None:
        raise ArithmeticError(str(tuple(piece.shape)))

    with pytest.raises(ArithmeticError, match="50"):
        in_pieces(fail, torch.rand(3, 37, 50, 2))
