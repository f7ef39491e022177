"""Matrix products that give a row the same bits whatever other rows there are.

Kernels choose their blocking by the number of rows, so that a row's rounding depends on its neighbours. Every product
is therefore computed in tiles of exactly `ROWS` rows (on CUDA `ROWS_ON_CUDA`), the last one padded with zeros: one
shape, one kernel, the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.onednn import float_product

ROWS = 32  # where reading the weights and computing with them take about as long on a CPU
ROWS_ON_CUDA = 64  # 32 takes with guidance, for which the weights are read once
_SERIAL = 32_768  # elements from which on torch shares an elementwise operation among threads


class Linear:
    """`x @ weight.T` for `weight` `[out, in]`; on a CPU the weight is packed once, as its kernels want it."""

    def __init__(self, weight: Tensor) -> None:
        self._dtype = weight.dtype
        self._rows = ROWS_ON_CUDA if weight.device.type == "cuda" else ROWS
        self._tile = float_product(weight, self._rows)

    def __call__(self, x: Tensor) -> Tensor:
        """`x` `[N, in]` of any float type to `[N, out]` in float32, rounded to the weight's type on the way."""
        count = len(x)
        padded = functional.pad(x.to(self._dtype), (0, 0, 0, -count % self._rows))
        return torch.cat([self._tile(tile) for tile in padded.split(self._rows)])[:count].float()


@dataclass(frozen=True)
class RowFunctions:
    """What is computed for each row apart, in float32: on whatever device by torch, or in kernels of our own."""

    norm: Callable[[Tensor, Tensor, float], Tensor]  # `[N, K]`, weight `[K]` and epsilon to `[N, K]`
    gate: Callable[[Tensor], Tensor]  # gates and what they let through, `[N, 2 * inner]`, to `[N, inner]`


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`x / sqrt(mean(x * x) + eps) * weight` in float32 for rows `x` `[N, K]`."""
    return functional.rms_norm(x, (x.shape[-1],), weight, eps)


def silu_gate(gate_up: Tensor) -> Tensor:
    """`silu(gate) * up` in float32 for the two halves of the rows of `gate_up`.

    Where torch shares the work among threads, the elements left over at the end of each share go through another
    exponential, which may differ in the last bit. A row must not depend on where it lies: so no call is large enough to
    be shared, and each begins with a row.
    """
    gate, up = gate_up.float().chunk(2, dim=-1)
    if gate.device.type == "cpu":
        inner = gate.shape[1]
        rows = max((_SERIAL - 1) // inner, 1) if inner % 32 == 0 else 1
        gate = torch.cat([functional.silu(part) for part in gate.contiguous().split(rows)])
    else:
        gate = functional.silu(gate)
    return gate * up


BY_TORCH = RowFunctions(rms_norm, silu_gate)
