"""Matrix products with weights in fp8 (E4M3): half of bf16's bytes, for GPUs that multiply in it (Ada, Hopper).

Each output channel of a weight has a scale, so that its largest element is fp8's largest number. Where the device
multiplies in fp8, so has each row of the input, and the products are summed in float32; elsewhere only the weights are
rounded, and are restored for each product.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.linear import ROWS, ROWS_ON_CUDA

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
        made: Tensor = torch._scaled_mm(
            rounded, self._weight.T, scale_a=scales[:, None], scale_b=self._scales[None], out_dtype=torch.bfloat16
        )
        return made


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
