"""A product of int8 by int8 (W8A8): weights have a scale for each channel out, and each row one of its own.

A row's scale is found in the row alone, so that it never depends on its neighbours; and sums of whole numbers are
exact, so that every way to compute them gives the same bits.
"""

from __future__ import annotations

from torch import Tensor

from pipeline.engines.dia.onednn import int8_sums
from pipeline.engines.dia.packing import ZERO_POINT, Int8Weight, quantize_rows


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
