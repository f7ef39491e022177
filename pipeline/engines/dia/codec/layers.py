"""DAC's decoder in two forms behind one call: torch's own layers, and bf16 on a CPU as products of packed weights.

Both take the latents of a window and return the samples of those of its frames that are kept. Knows nothing of codes,
windows or files.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.engines.dia.codec.weights import HOP
from pipeline.engines.dia.network.onednn import Bf16Convolution

try:
    from pipeline.engines.dia.kernels import rows as kernel
except ImportError:  # numba is missing, or not made for this Python
    kernel = None  # type: ignore[assignment]

REACH = 10  # frames: a sample depends on 9.3 frames before it and 9.3 after it
_LATER_REACH = 1  # frames: on no more than this of what the first block makes
# A residual unit computes so many numbers at once, in bf16 1 MB, in rows of which oneDNN likes a multiple: others took
# four times as long. Fewer than `_LEAST` rows would read wide layers' weights too often.
_CACHED, _MULTIPLE, _LEAST = 2**19, 32, 1536
_EPSILON = 1e-9  # the package's, where it divides by α


class PlainDecoder:
    """The network as torch computes it, in any precision and on any device."""

    def __init__(self, network: Any) -> None:
        """`network`: the decoder of a `dac.DAC`, on its device and in its precision."""
        replace_layers(network)
        self._network = network
        self._dtype = network.model[0].weight.dtype

    def __call__(self, latent: Tensor, first: int, last: int) -> Tensor:
        """Samples `[(last - first) * hop]` in float32 of frames `[first, last)` of `latent` `[1, L, T]`."""
        sound: Tensor = self._network(latent.to(self._dtype))[0, 0]
        return sound[first * HOP : last * HOP].float()


class RowsDecoder:
    """The network in bf16 on a CPU, on rows `[T, channels]`: a sample's channels lie side by side.

    oneDNN computes bf16 in this order and otherwise rearranges the samples before and after every layer. What is left
    out beside that: a pass over memory for each operation of a snake, for each addition of a unit, the packing of
    weights in every call, and most of the context after the first block.
    """

    def __init__(self, network: Any) -> None:
        """`network`: the decoder of a `dac.DAC` in float32 on the CPU."""
        first, *blocks, snake, last, _tanh = network.model
        self._first = _convolution(first, int(first.padding[0]))
        self._blocks = [_Block(block) for block in blocks]
        self._snake = _RowsSnake(snake)
        self._last = _convolution(last, int(last.padding[0]))

    def __call__(self, latent: Tensor, first: int, last: int) -> Tensor:
        """Samples `[(last - first) * hop]` in float32 of frames `[first, last)` of `latent` `[1, L, T]`."""
        frames = latent.shape[2]
        x = self._first(latent[0].T.to(torch.bfloat16, memory_format=torch.contiguous_format))
        start, stop = max(first - _LATER_REACH, 0), min(last + _LATER_REACH, frames)
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number == 0:
                rate = len(x) // frames
                x = x[start * rate : stop * rate]
        sound = self._last(self._snake(x, x))[:, 0].float().tanh_()
        return sound[(first - start) * HOP : (last - start) * HOP]


class _Block:
    """A snake, more samples of fewer channels, and three residual units. Spoils what it is given."""

    def __init__(self, block: Any) -> None:
        snake, upsampling, *units = block.block
        self._snake = _RowsSnake(snake)
        self._upsampling = _Upsampling(upsampling)
        self._units = [_ResidualUnit(unit) for unit in units]

    def __call__(self, x: Tensor) -> Tensor:
        x = self._upsampling(self._snake(x, x))
        for unit in self._units:
            unit.add_to(x)
        return x


class _ResidualUnit:
    """x + convolution of width 1 (snake (dilated convolution (snake (x)))).

    Computed a piece after the other, so that what passes from layer to layer stays in the processor's cache.
    """

    def __init__(self, unit: Any) -> None:
        snake, dilated, second_snake, pointwise = unit.block
        self._reach = int(dilated.padding[0])
        self._snake, self._dilated = _RowsSnake(snake), _convolution(dilated, padding=0)
        self._second_snake, self._pointwise = _RowsSnake(second_snake), _convolution(pointwise, padding=0)

    def add_to(self, x: Tensor) -> None:
        """Turn `x` `[T, channels]` into the unit's result."""
        rows, channels = x.shape
        context = 2 * self._reach
        step = max(_CACHED // channels // _MULTIPLE * _MULTIPLE, _LEAST)
        # The first snake of rows [begin - reach, end + reach), zeros where there are none. It is `reach` rows ahead of
        # the result, which can therefore take the place of `x`.
        waves = x.new_zeros(min(step, rows) + context, channels)
        head = x[: self._reach]
        self._snake(head, waves[self._reach : self._reach + len(head)])
        for begin in range(0, rows, step):
            end = min(begin + step, rows)
            if begin:
                waves[:context] = waves[step : step + context]
            ahead = x[begin + self._reach : end + self._reach]
            self._snake(ahead, waves[context : context + len(ahead)])
            waves[context + len(ahead) :] = 0
            inner = self._dilated(waves[: end - begin + context])
            self._pointwise.add_to(x[begin:end], self._second_snake(inner, inner))


class _Upsampling:
    """A transposed convolution that is twice as wide as its stride, as a convolution of width 2.

    `stride` samples that follow one another depend on the same two rows: they are computed as `stride` times as many
    channels of one row, and lie in memory as the samples they are.
    """

    def __init__(self, convolution: nn.ConvTranspose1d) -> None:
        weight = convolution.weight.detach()  # [in, out, 2 * stride]
        self._stride, self._padding = convolution.stride[0], int(convolution.padding[0])
        taps = torch.stack([weight[:, :, self._stride :], weight[:, :, : self._stride]], -1)  # [in, out, stride, 2]
        taps = taps.permute(2, 1, 0, 3).flatten(0, 1)  # [stride * out, in, 2]: of the row before, and of the row
        assert convolution.bias is not None
        self._taps = Bf16Convolution(taps, convolution.bias.repeat(self._stride), padding=1, dilation=1)

    def __call__(self, x: Tensor) -> Tensor:
        samples = self._taps(x).reshape((len(x) + 1) * self._stride, -1)
        return samples[self._padding : len(samples) - self._stride + self._padding]


class _RowsSnake:
    """Snake of bf16 rows, computed in float32."""

    def __init__(self, snake: Any) -> None:
        alpha = snake.alpha.detach().float()[0, :, 0]
        self._scale = (alpha / math.pi).contiguous()
        self._inverse = (alpha + _EPSILON).reciprocal()

    def __call__(self, x: Tensor, out: Tensor) -> Tensor:
        """`x` `[T, channels]` into `out`, which is returned and may be `x`."""
        rows, channels = x.shape
        if kernel is not None and channels % kernel.LANES == 0:
            kernel.snake(x.data_ptr(), out.data_ptr(), rows, channels, self._scale.data_ptr(), self._inverse.data_ptr())
            return out
        exact = x.float()
        wave = (exact * self._scale * math.pi).sin_().square_()
        return out.copy_(exact.addcmul_(wave, self._inverse))


def _convolution(layer: nn.Conv1d, padding: int) -> Bf16Convolution:
    assert layer.bias is not None
    return Bf16Convolution(layer.weight, layer.bias, padding, layer.dilation[0])


class _Snake(nn.Module):
    """x + sin²(αx) / α. The package's is compiled by torch.jit, which may change the last bits after some calls."""

    def __init__(self, snake: Any) -> None:
        super().__init__()
        self.alpha: nn.Parameter = snake.alpha  # [1, channels, 1]

    def forward(self, x: Tensor) -> Tensor:
        wave = (self.alpha * x).sin_().square_()
        return torch.addcmul(x, wave, (self.alpha + _EPSILON).reciprocal(), out=wave)


class _Pointwise(nn.Module):
    """A convolution of width 1 as the matrix product it is.

    Faster than the convolution on a CPU, and there its bits depend neither on the length nor on the number of threads.
    """

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        self.weight = convolution.weight  # [out, in, 1]
        self.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        return torch.baddbmm(self.bias[:, None], self.weight[None, :, :, 0].expand(len(x), -1, -1), x)


def replace_layers(network: nn.Module) -> None:
    """Swap the layers that this module computes in its own way."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer).__name__ == "Snake1d":
                setattr(parent, name, _Snake(layer))
            elif isinstance(layer, nn.Conv1d) and layer.kernel_size == (1,):
                setattr(parent, name, _Pointwise(layer))
