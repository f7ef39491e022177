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

from pipeline.engines.dia.kernels.packing import ZERO_POINT, Int8Weight, quantize_rows
from pipeline.engines.dia.network.onednn import float_product, int8_sums

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


class Int8Linear:
    """`x @ weight.T` for rows `[N, in]` in float32."""

    def __init__(self, weight: Int8Weight, tier: str | None) -> None:
        """`tier` is that of the kernels; None leaves the product to torch."""
        self._weight = weight
        self._tier = tier
        self._sums = int8_sums(weight.unpack(), ZERO_POINT) if tier is None else None

    def __call__(self, x: Tensor) -> Tensor:
        """`[N, out]` in float32."""
        if self._tier is not None:
            from pipeline.engines.dia.kernels.products import int8_linear  # noqa: PLC0415 - numba may be missing

            return int8_linear(x, self._weight, self._tier)
        assert self._sums is not None
        rows, scale = quantize_rows(x)
        return self._sums(rows) * (scale[:, None] * self._weight.scale)


FP8 = torch.float8_e4m3fn
_MAX = torch.finfo(FP8).max
_ALIGNED = 16  # sizes that fp8 kernels want


class Fp8Linear:
    """`x @ weight.T` for `weight` `[out, in]` in fp32 or bf16, which is kept in fp8, in tiles as `Linear` has them."""

    def __init__(self, weight: Tensor, *, native: bool | None = None) -> None:
        """`native`: whether the input is rounded to fp8 too, and the device multiplies in it; as `multiplies` says."""
        self.dtype = weight.dtype
        self._rows = ROWS_ON_CUDA if weight.device.type == "cuda" else ROWS
        self._weight, self._scales = to_fp8(weight)  # [out, in], [out]
        self._native = multiplies(weight) if native is None else native

    def __call__(self, x: Tensor) -> Tensor:
        """`x` `[N, in]` of any float type to `[N, out]` in float32, rounded to the weight's type on the way."""
        count = len(x)
        padded = functional.pad(x.to(self.dtype), (0, 0, 0, -count % self._rows))
        return torch.cat([self._tile(tile) for tile in padded.split(self._rows)])[:count].float()

    def _tile(self, x: Tensor) -> Tensor:
        if not self._native:
            return functional.linear(x, (self._weight.float() * self._scales[:, None]).to(self.dtype))
        rounded, scales = to_fp8(x)
        product: Tensor = torch._scaled_mm(
            rounded, self._weight.T, scale_a=scales[:, None], scale_b=self._scales[None], out_dtype=torch.bfloat16
        )
        return product


def multiplies(weight: Tensor) -> bool:
    """Whether the weight's device multiplies in fp8, with a scale for each row, and weights of this shape."""
    if weight.device.type != "cuda" or any(size % _ALIGNED for size in weight.shape):
        return False
    return torch.cuda.get_device_capability(weight.device) >= (8, 9)


def to_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    """`x` `[..., d]` in fp8, its largest element at fp8's largest number, and the scales `[...]` it was divided by."""
    x = x.float()
    scale = (x.abs().amax(-1) / _MAX).clamp(min=torch.finfo(torch.float32).tiny)
    return (x / scale[..., None]).to(FP8), scale
