"""Matrix products that give a row the same bits whatever other rows there are.

Kernels choose their blocking by the number of rows, so that a row's rounding depends on its neighbours. Every product
is therefore computed in tiles of exactly `ROWS` rows, the last one padded with zeros: one shape, one kernel, the same
result.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ROWS = 32  # where reading the weights and computing with them take about as long on a CPU
_SERIAL = 32_768  # elements from which on torch shares an elementwise operation among threads


class Linear:
    """`x @ weight.T` for `weight` `[out, in]`; on a CPU the weight is packed once, as its kernels want it."""

    def __init__(self, weight: Tensor) -> None:
        self.dtype = weight.dtype
        self._packed = packs(weight)
        # A private operator, but the only way to keep oneDNN from packing the weight again in every call.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS) if self._packed else weight

    def __call__(self, x: Tensor) -> Tensor:
        """`x` `[N, in]` of any float type to `[N, out]` in float32, rounded to the weight's type on the way."""
        count = len(x)
        padded = functional.pad(x.to(self.dtype), (0, 0, 0, -count % ROWS))
        return torch.cat([self._tile(tile) for tile in padded.split(ROWS)])[:count].float()

    def _tile(self, x: Tensor) -> Tensor:
        if self._packed:
            made: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")
            return made
        return functional.linear(x, self._weight)


def packs(weight: Tensor) -> bool:
    """Whether this torch can keep `weight` packed."""
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return (
        weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()
        and all(hasattr(torch.ops.mkldnn, name) for name in names)
    )


def silu_gate(gate: Tensor, up: Tensor) -> Tensor:
    """`silu(gate) * up` in float32, both `[N, inner]`.

    Where torch shares the work among threads, the elements left over at the end of each share go through another
    exponential, which may differ in the last bit. A row must not depend on where it lies: so no call is large enough to
    be shared, and each begins with a row.
    """
    gate = gate.float()
    if gate.device.type == "cpu":
        inner = gate.shape[1]
        rows = max((_SERIAL - 1) // inner, 1) if inner % 32 == 0 else 1
        gate = torch.cat([functional.silu(part) for part in gate.contiguous().split(rows)])
    else:
        gate = functional.silu(gate)
    return gate * up.float()
