"""The private operators of torch that this engine uses, each with what does the same without it.

They are the only way to keep a weight as oneDNN's kernels want it; torch's public ones pack it again in every call.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Product = Callable[[Tensor], Tensor]


def float_product(weight: Tensor, rows: int) -> Product:
    """`x @ weight.T` for `weight` `[N, K]` of fp32 or bf16 and `x` `[rows, K]` of the same type."""
    if not packs(weight):
        return lambda x: functional.linear(x, weight)
    operators = torch.ops.mkldnn
    packed = operators._reorder_linear_weight(weight, rows)
    return lambda x: operators._linear_pointwise(x, packed, None, "none", [], "")


def packs(weight: Tensor) -> bool:
    """Whether this torch can keep `weight`, a float one, packed."""
    return (
        weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and _has("mkldnn", "_reorder_linear_weight", "_linear_pointwise")
    )


def int8_sums(weight: Tensor, zero_point: int) -> Product:
    """`(x - zero_point) @ weight.T` in fp32 for `weight` `[N, K]` of int8 and `x` `[M, K]` of u8.

    The sums are of whole numbers and exact, and rounded once, to fp32. oneDNN must have u8: its int8 for `x` takes
    seconds a call.
    """
    if not multiplies_int8():
        plain = weight.T.double()
        return lambda x: ((x.double() - zero_point) @ plain).float()
    operators = torch.ops.onednn
    one, zero = torch.ones(len(weight)), torch.zeros(len(weight), dtype=torch.long)
    packed = operators.qlinear_prepack(weight.contiguous(), None)

    def product(x: Tensor) -> Tensor:
        made: Tensor = operators.qlinear_pointwise(
            x, 1.0, zero_point, packed, one, zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return made

    return product


def multiplies_int8() -> bool:
    """Whether this torch has oneDNN's product of int8."""
    return _has("onednn", "qlinear_prepack", "qlinear_pointwise")


def _has(library: str, *names: str) -> bool:
    operators = getattr(torch.ops, library)
    return torch.backends.mkldnn.is_available() and all(hasattr(operators, name) for name in names)
