"""The private operators of torch that this engine uses, each with what does the same without it.

They are the only way to keep a weight as oneDNN's kernels want it; torch's public ones pack it again in every call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Product = Callable[[Tensor], Tensor]

_ROWS = 4096  # that a weight is packed for; any number of them has the same order


def float_product(weight: Tensor, rows: int) -> Product:
    """`x @ weight.T` for `weight` `[N, K]` of fp32 or bf16 and `x` `[rows, K]` of the same type."""
    if not packs(weight):
        if weight.device.type == "cpu" and weight.dtype == torch.bfloat16:
            # By torch's own product of bf16 a row's bits depend on where it lies, with 3 or 6 threads on a CPU that has
            # AVX-512 and no bf16.
            return lambda x: functional.linear(x.float(), weight.float()).to(weight.dtype)
        return lambda x: functional.linear(x, weight)
    operators = torch.ops.mkldnn
    packed = operators._reorder_linear_weight(weight, rows)
    return lambda x: operators._linear_pointwise(x, packed, None, "none", [], "")


def packs(weight: Tensor) -> bool:
    """Whether this torch can keep `weight`, a float one, packed, and its oneDNN computes with it on this CPU."""
    return (
        weight.device.type == "cpu"
        and (weight.dtype == torch.float32 or (weight.dtype == torch.bfloat16 and _computes_bf16()))
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
    return _packed_int8_sums(weight, zero_point)


def _packed_int8_sums(weight: Tensor, zero_point: int) -> Product:
    operators = torch.ops.onednn
    one, zero = torch.ones(len(weight)), torch.zeros(len(weight), dtype=torch.long)
    packed = operators.qlinear_prepack(weight.contiguous(), None)

    def product(x: Tensor) -> Tensor:
        output: Tensor = operators.qlinear_pointwise(
            x, 1.0, zero_point, packed, one, zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return output

    return product


@functools.cache
def multiplies_int8() -> bool:
    """Whether this torch has oneDNN's product of int8, and it is exact on this CPU.

    Without VNNI it adds two products in 16 bits, which do not hold the largest of them.
    """
    if not _has("onednn", "qlinear_prepack", "qlinear_pointwise"):
        return False
    largest = torch.full((1, 64), 255, dtype=torch.uint8), torch.full((1, 64), 127, dtype=torch.int8)
    return _packed_int8_sums(largest[1], 0)(largest[0]).item() == 255 * 127 * 64


class Bf16Convolution:
    """A convolution of rows `[T, in]` to rows `[T', out]`, its weight packed once as oneDNN wants it."""

    def __init__(self, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> None:
        """`weight` is `[out, in, width]`."""
        # torch knows this order of memory for images only: rows are an image of height 1.
        image = weight.detach()[:, :, None].to(torch.bfloat16, memory_format=torch.channels_last)
        self._shape = ([0, padding], [1, 1], [1, dilation], 1)  # padding, stride, dilation, groups
        self._packed = convolves()
        if self._packed:
            # Private operators, but the only ones that take a packed weight and that add to what is there. Packed for
            # input of unknown size, a weight is in an order that made convolutions up to 20 times slower.
            size = [1, image.shape[1], 1, _ROWS]
            image = torch.ops.mkldnn._reorder_convolution_weight(image, *self._shape, size)
        self._weight = image
        self._bias = bias.detach().to(torch.bfloat16)

    def __call__(self, x: Tensor) -> Tensor:
        """`x` `[T, in]` of bf16 to `[T', out]`."""
        image, weight, bias = _image(x), self._weight, self._bias
        if self._packed:
            output = torch.ops.mkldnn._convolution_pointwise(image, weight, bias, *self._shape, "none", [], "")
        else:
            padding, stride, dilation, groups = self._shape
            output = functional.conv2d(image, weight, bias, stride, padding, dilation, groups)
        rows: Tensor = output[0, :, 0].T
        return rows

    def add_to(self, total: Tensor, x: Tensor) -> None:
        """Add what is made of `x` to `total` `[T', out]`; it is not rounded before."""
        if self._packed:
            torch.ops.mkldnn._convolution_pointwise_(
                _image(total), _image(x), self._weight, self._bias, *self._shape, "add", 1.0, None, [], None
            )
        else:
            total += self(x)


def convolves() -> bool:
    """Whether this torch can keep weights of convolutions packed, and its oneDNN computes bf16 on this CPU."""
    names = ("_reorder_convolution_weight", "_convolution_pointwise", "_convolution_pointwise_")
    return _has("mkldnn", *names) and _computes_bf16()


def _computes_bf16() -> bool:
    """Whether oneDNN computes bf16 on this CPU, be it by way of fp32; it wants at least AVX-512."""
    return _has("mkldnn", "_is_mkldnn_bf16_supported") and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _image(x: Tensor) -> Tensor:
    """Rows `[T, channels]` as the image `[1, channels, 1, T]` they are in memory."""
    return x.T[None, :, None]


def _has(library: str, *names: str) -> bool:
    operators = getattr(torch.ops, library)
    return torch.backends.mkldnn.is_available() and all(hasattr(operators, name) for name in names)
