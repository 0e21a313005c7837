"""3 x 3 convolutions of many channels with a quarter of the multiplications, for CPUs without AMX.

Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray, arXiv 1509.09308): a tile of 4 x 4 outputs needs 36 products per
pair of channels instead of 144. PyTorch offers no such convolution on a CPU. The transforms are products of small matrices;
the sum over channels is a 1 x 1 convolution in 36 groups, the fastest product of matrices in PyTorch on the CPUs tried.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.inference.folded import scale_and_shift

__all__ = ["FEWEST_FILTERS", "WinogradConv2d"]

#: With AVX-512, a plain convolution of 64 filters is as fast and one of 96 is slower; with AVX2, both are slower.
FEWEST_FILTERS = 96

# Lavin and Gray, section 4.3: points 0, 1, -1, 2, -2 and infinity.
_INPUT = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)  # fmt: skip
_FILTER = torch.tensor(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64
) / 24  # fmt: skip
_OUTPUT = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)  # fmt: skip
#: Tiles transformed at a time: enough for a product of matrices, few enough for the cache.
_TILES_AT_ONCE = 512
#: Outputs computed at a time: this many filters (36 x 256 x 256 values) stay in the cache between groups of tiles.
_OUTPUTS_AT_ONCE = 256


class WinogradConv2d(nn.Module):
    """A 3 x 3 convolution with padding 1 and the layers after it; equal to the plain one up to the rounding of float32.

    Parameters
    ----------
    convolution : Conv2d
        3 x 3, stride 1, padding 1.
    norm : BatchNorm2d, optional
        Applied to the sum of the convolution and `added`, with its running means and variances; then ReLU.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> None:
        super().__init__()
        self.relu = norm is not None
        scale, shift = scale_and_shift(convolution, norm)
        weights = convolution.weight.detach().split(_OUTPUTS_AT_ONCE)
        pieces = [_transformed(*piece) for piece in zip(weights, scale.split(_OUTPUTS_AT_ONCE), strict=True)]
        self.filters: Tensor
        self.scale: Tensor
        self.shift: Tensor
        self.to_tiles: Tensor
        self.from_tiles: Tensor
        self.register_buffer("filters", torch.cat(pieces)[:, :, None, None])
        self.register_buffer("scale", scale.float())
        self.register_buffer("shift", shift.float())
        self.register_buffer("to_tiles", _INPUT.float())
        self.register_buffer("from_tiles", torch.kron(_OUTPUT, _OUTPUT).float())

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Convolve.

        Parameters
        ----------
        x : Tensor of float32, (B, C, R, K)
        added : Tensor, (B, outputs, R, K), optional
            Added to the convolution before the normalisation.

        Returns
        -------
        Tensor, (B, outputs, R, K)
            In channels-last memory.
        """
        lines = x.permute(0, 2, 3, 1)
        slices, rows, columns, channels = lines.shape
        down, across = -(-rows // 4), -(-columns // 4)
        whole = x.new_empty((slices, 4 * down, 4 * across, len(self.shift)))
        # Part of a slice at a time, or several slices if they are small.
        step = min(down, max(1, _TILES_AT_ONCE // across))
        together = min(slices, max(1, _TILES_AT_ONCE // (down * across)))
        padded = x.new_zeros((together, 4 * step + 2, 4 * across + 2, channels))
        for start, first in itertools.product(range(0, slices, together), range(0, down, step)):
            count, end = min(step, down - first), min(start + together, slices)
            part = padded[: end - start, : 4 * count + 2]
            _cut(lines[start:end], 4 * first - 1, part)
            here = slice(4 * first, 4 * (first + count))
            place = whole[start:end, here].unflatten(2, (across, 4)).unflatten(1, (count, 4))
            self._convolve(part, place)
            # The layers after the convolution are computed now, while the tiles are in the cache.
            done = whole[start:end, here]
            if added is not None:
                more = added.permute(0, 2, 3, 1)[start:end, here]
                done[:, : more.shape[1], :columns].addcmul_(more, self.scale)
            if self.relu:
                done.relu_()
        return whole[:, :rows, :columns].permute(0, 3, 1, 2)

    def _convolve(self, padded: Tensor, place: Tensor) -> None:
        """Convolve lines (B, 4 down + 2, 4 across + 2, C) into `place`, (B, down, 4, across, 4, outputs)."""
        slices, down, _, across, _, outputs = place.shape
        channels = padded.shape[3]
        a, b, c, d = padded.stride()
        count = slices * down * across
        windows = padded.as_strided((slices, down, across, 6, 6, channels), (a, 4 * b, 4 * c, b, c, d))
        tiles = padded.new_empty((slices, down, 6 * across, 6, channels))
        for one, row in itertools.product(range(slices), range(down)):
            half = torch.bmm(self.to_tiles.expand(across, 6, 6), windows[one, row].reshape(across, 6, 6 * channels))
            torch.bmm(self.to_tiles.expand(6 * across, 6, 6), half.view(6 * across, 6, channels), out=tiles[one, row])
        grouped = tiles.view(1, count, 1, 36 * channels).permute(0, 3, 1, 2)
        for first in range(0, outputs, _OUTPUTS_AT_ONCE):
            piece = slice(first, min(first + _OUTPUTS_AT_ONCE, outputs))
            products = _multiply(grouped, self.filters[36 * piece.start : 36 * piece.stop])
            done = torch.bmm(self.from_tiles.expand(count, 16, 36), products.permute(0, 2, 3, 1).reshape(count, 36, -1))
            done = done.view(slices, down, across, 4, 4, -1).transpose(2, 3)
            torch.add(done, self.shift[piece], out=place[..., piece])


def _transformed(weight: Tensor, scale: Tensor) -> Tensor:
    """Transform scaled weights (outputs, C, 3, 3) to those of 36 groups of outputs, (36 outputs, C) float32."""
    scaled = (weight.double() * scale[:, None, None, None]).flatten(2)
    return (torch.kron(_FILTER, _FILTER) @ scaled.reshape(-1, 9).T).float().view(-1, weight.shape[1])


def _cut(lines: Tensor, first: int, out: Tensor) -> None:
    """Copy rows of slices (B, R, K, C), from row `first` on, into the inside of `out`; rows outside the slices are zero."""
    low, high = max(first, 0), min(first + out.shape[1], lines.shape[1])
    out[:, : low - first].zero_()
    out[:, low - first : high - first, 1 : lines.shape[2] + 1] = lines[:, low:high]
    out[:, high - first :].zero_()


def _multiply(tiles: Tensor, filters: Tensor) -> Tensor:
    """Convolve tiles (1, 36 C, T, 1) by filters (36 outputs, C, 1, 1), group by group."""
    if torch.backends.mkldnn.is_available():
        # With one thread, PyTorch would choose a slower library.
        return torch.mkldnn_convolution(tiles, filters, None, (0, 0), (1, 1), (1, 1), 36)
    return functional.conv2d(tiles, filters, groups=36)
