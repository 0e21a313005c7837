"""3 x 3 convolutions of many channels with a quarter of the multiplications, for CPUs without bf16.

Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray, arXiv 1509.09308): a tile of 4 x 4 outputs takes 36 products a
pair of channels in place of 144. oneDNN has it for AVX-512 only; here the transforms are products of matrices too, so that any
BLAS will do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.folded import scale_and_shift

__all__ = ["FEWEST_FILTERS", "WinogradConv2d"]

#: With 64 filters the transforms cost about what they save; 256 filters gain. Between the two it was not measured.
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
#: Tiles transformed at a time: enough for a matrix product, few enough for the cache.
_TILES_AT_ONCE = 256


class WinogradConv2d(nn.Module):
    """What a 3 x 3 convolution with a border of one computes, to the rounding of float32, and what follows it in a network.

    Parameters
    ----------
    convolution : Conv2d
        3 x 3, stride 1, padding 1.
    norm : BatchNorm2d, optional
        Applied to the sum of the convolution and `added`, with the means and variances it has learnt; then ReLU.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> None:
        super().__init__()
        self.relu = norm is not None
        weight = convolution.weight.detach().double()
        scale, shift = scale_and_shift(convolution, norm)
        filters = torch.einsum("ai,bj,ocij,o->abco", _FILTER, _FILTER, weight, scale)
        self.filters: Tensor
        self.scale: Tensor
        self.shift: Tensor
        self.to_tiles: Tensor
        self.from_tiles: Tensor
        self.register_buffer("filters", filters.reshape(36, *filters.shape[2:]).float().contiguous())
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
        slices, channels, rows, columns = x.shape
        down, across = -(-rows // 4), -(-columns // 4)
        padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 4 * across - columns + 1, 1, 4 * down - rows + 1)).contiguous()
        outputs = self.filters.shape[2]
        whole = x.new_empty((slices, 4 * down, 4 * across, outputs))
        a, b, c, d = padded.stride()
        step = max(1, _TILES_AT_ONCE // across)
        for number in range(slices):
            for first in range(0, down, step):
                count = min(step, down - first)
                start = padded.storage_offset() + number * a + 4 * first * b
                # The six rows and six columns of every tile, each a plane of tiles.
                windows = padded.as_strided((6, 6, count, across, channels), (b, c, 4 * b, 4 * c, d), start)
                tiles = self.to_tiles @ (self.to_tiles @ windows.reshape(6, -1)).view(6, 6, -1)
                products = torch.bmm(tiles.view(36, -1, channels), self.filters)
                done = (self.from_tiles @ products.view(36, -1)).view(4, 4, count, across, outputs)
                here = slice(4 * first, 4 * (first + count))
                place = whole[number, here]
                torch.add(done.permute(2, 0, 3, 1, 4), self.shift, out=place.view(count, 4, across, 4, outputs))
                # What follows is done now, while the tiles are in the cache.
                if added is not None:
                    more = added.permute(0, 2, 3, 1)[number, here]
                    place[: len(more), :columns].addcmul_(more, self.scale)
                if self.relu:
                    place.relu_()
        return whole[:, :rows, :columns].permute(0, 3, 1, 2)
