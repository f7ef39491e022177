"""Weights of matrix products as the CPU kernels read them, and how rows are rounded to int8 for them. Torch only.

A weight `[N, K]` (N channels out, K in) is packed in panels of 16 channels. A panel holds words of 32 bits,
`[words, 16]`: a word is what one channel has for four inputs (int8) or two (bf16). So 64 bytes are what one instruction
of AVX512-VNNI takes, and a KiB is a tile of AMX. N and K are filled up with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

PANEL = 16  # channels
BLOCK = 32  # channels the kernels compute at a time: N is filled up to a multiple of it
WORD = 4  # bytes
STEP = 64  # bytes of a row that a tile takes: K is filled up to a multiple of so many bytes
ZERO_POINT = 128  # of the rows, which are u8: the instructions multiply u8 by int8
LARGEST = 127
TINIEST = 1e-36  # a row whose numbers are all nearer to 0 is a row of zeros: 127 divided by less is no float32


@dataclass(frozen=True)
class Int8Weight:
    """A weight `[outputs, inputs]` of int8 with one scale for each channel: `weight[n, k] = int8[n, k] * scale[n]`.

    The tensors are contiguous and are used where they lie, in a mapped file as well.
    """

    packed: Tensor  # int8 [N/16, K/4, 16, 4]; N is a multiple of 32 and K of 64
    scale: Tensor  # fp32 [outputs]
    compensation: (
        Tensor  # int32 [outputs]: what the rows' zero point adds to the sums, `128 * sum over k of int8[n, k]`
    )
    inputs: int

    @property
    def outputs(self) -> int:
        """Channels out, without those filled up."""
        return len(self.scale)

    @classmethod
    def pack(cls, weight: Tensor) -> Self:
        """Round `weight` `[outputs, inputs]`, of any float type and finite, to int8: to the nearest, halves to even."""
        weight = weight.float()
        largest = weight.abs().amax(1)
        scale = largest / LARGEST
        rounded = (weight / torch.where(scale > 0, scale, 1)[:, None]).round().clamp(-LARGEST, LARGEST)
        numbers = rounded.to(torch.int8)
        sums = numbers.sum(1, dtype=torch.int32)
        return cls(_panels(numbers), scale, ZERO_POINT * sums, weight.shape[1])

    def unpack(self) -> Tensor:
        """The int8 `[outputs, inputs]`, contiguous."""
        return _rows(self.packed)[: self.outputs, : self.inputs].contiguous()


@dataclass(frozen=True)
class Bf16Weight:
    """A weight `[outputs, inputs]` of bf16. The tensor is contiguous and is used where it lies."""

    packed: Tensor  # bf16 [N/16, K/2, 16, 2]; N and K are multiples of 32
    outputs: int
    inputs: int

    @classmethod
    def pack(cls, weight: Tensor) -> Self:
        """Round `weight` `[outputs, inputs]` to bf16 if it is not."""
        return cls(_panels(weight.to(torch.bfloat16)), *weight.shape)

    def unpack(self) -> Tensor:
        """The bf16 `[outputs, inputs]`, contiguous."""
        return _rows(self.packed)[: self.outputs, : self.inputs].contiguous()


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows `[M, K]` of fp32 as u8 `[M, K]` with zero point 128, and their scales, fp32 `[M]`.

    A row's largest magnitude becomes 127. A row with a NaN or an infinity has the scale NaN, so that all that is made
    of it is NaN. This is what the kernels do, bit for bit.
    """
    largest = x.abs().amax(1)
    finite = x.isfinite().all(1)
    zero = largest < TINIEST
    inverse = torch.full_like(largest, LARGEST) / largest  # a number divided by a tensor is rounded twice by torch
    inverse = torch.where(finite & ~zero, inverse, 0)
    rounded = torch.where(finite[:, None], x, 0).mul(inverse[:, None]).round() + ZERO_POINT
    scale = torch.where(zero, 0, largest / LARGEST)
    return rounded.to(torch.uint8), torch.where(finite, scale, torch.nan)


def _panels(weight: Tensor) -> Tensor:
    """`[N, K]` filled up and packed, `[N/16, words, 16, numbers of a word]`."""
    outputs, inputs = weight.shape
    size = weight.element_size()
    filled = functional.pad(weight, (0, -inputs % (STEP // size), 0, -outputs % BLOCK))
    split = filled.reshape(filled.shape[0] // PANEL, PANEL, -1, WORD // size)
    return split.transpose(1, 2).contiguous()


def _rows(packed: Tensor) -> Tensor:
    """The filled weight `[N, K]` again."""
    panels, words, channels, numbers = packed.shape
    return packed.transpose(1, 2).reshape(panels * channels, words * numbers)
