"""What is computed row by row between the products: norms and gates, in fp32. A row's bits depend on the row alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic
from torch import Tensor

from pipeline.engines.dia.kernels.arithmetic import SUMMED, exponential, total
from pipeline.engines.dia.kernels.llvm import F32, I16, I32, at, claim, function, fused
from pipeline.engines.dia.kernels.parallel import Kernel

_MOST = np.float32(88.0)  # what `exponential` takes


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`x / sqrt(mean(x * x) + eps) * weight` for rows `x` `[M, K]` and `weight` `[K]`, all fp32."""
    x, out = _contiguous(x), torch.empty_like(x)
    if weight.dtype != torch.float32 or weight.shape != x.shape[1:] or not weight.is_contiguous():
        raise ValueError(f"a weight of {tuple(weight.shape)} in {weight.dtype} for rows of {x.shape[1]} in fp32")
    epsilon = np.array([eps], np.float32)
    _norm_kernel(*x.shape, x.data_ptr(), weight.data_ptr(), epsilon.ctypes.data, out.data_ptr())
    return out


def silu_gate(gate_up: Tensor) -> Tensor:
    """`gate * sigmoid(gate) * up` `[M, K]`; gate and up are the halves of the rows of `gate_up` `[M, 2 * K]`, fp32."""
    gate_up = _contiguous(gate_up)
    count, both = gate_up.shape
    out = torch.empty(count, both // 2)
    _gate_kernel(count, both // 2, gate_up.data_ptr(), out.data_ptr())
    return out


def _contiguous(x: Tensor) -> Tensor:
    if x.dtype != torch.float32 or x.dim() != 2:
        raise ValueError(f"{x.dtype} of {tuple(x.shape)} where rows of fp32 are wanted")
    return x.contiguous()


@njit(error_model="numpy")
def _norm_row(x: Any, weight: Any, eps: Any, squares: Any, out: Any) -> None:
    """`squares` is memory for those of `x`, a multiple of `SUMMED`, with zeros behind the last."""
    for index in range(len(x)):
        squares[index] = x[index] * x[index]
    mean = total(squares.ctypes.data, len(squares) // SUMMED) / np.float32(len(x))
    factor = np.float32(1.0) / np.sqrt(mean + eps)
    for index in range(len(x)):
        out[index] = x[index] * factor * weight[index]


@njit(error_model="numpy")  # Python's would look for zeros, one by one
def _gate_row(gate: Any, up: Any, out: Any) -> None:
    for index in range(len(out)):
        power = _MOST if -gate[index] > _MOST else -gate[index]
        out[index] = gate[index] / (np.float32(1.0) + exponential(power)) * up[index]


def _norm(arguments: Any) -> None:
    """Block: M, K; addresses of x, the weight, eps and what is written."""
    block = carray(arguments, 7, np.int64)
    rows, size = block[1], block[2]
    weight, eps = carray(at(block[4]), size, np.float32), carray(at(block[5]), 1, np.float32)[0]
    squares = np.zeros(size + -size % SUMMED, np.float32)
    row = claim(block.ctypes.data)
    while row < rows:
        x, out = carray(at(block[3]), (rows, size), np.float32), carray(at(block[6]), (rows, size), np.float32)
        _norm_row(x[row], weight, eps, squares, out[row])
        row = claim(block.ctypes.data)
    squares[0] = np.float32(0.0)  # it would be freed after its last use


def _gate(arguments: Any) -> None:
    """Block: M, K; addresses of gate and up, and of what is written."""
    block = carray(arguments, 5, np.int64)
    rows, size = block[1], block[2]
    gate_up, out = carray(at(block[3]), (rows, 2, size), np.float32), carray(at(block[4]), (rows, size), np.float32)
    row = claim(block.ctypes.data)
    while row < rows:
        _gate_row(gate_up[row, 0], gate_up[row, 1], out[row])
        row = claim(block.ctypes.data)


_norm_kernel = Kernel(_norm)
_gate_kernel = Kernel(_gate)


LANES = 16  # numbers computed at once; other widths are LLVM's affair
_PIECE = 16_384  # numbers a thread computes between two looks at the counter: 32 kB read and as much written
# sin²(πr) for r in -1/2..1/2 as r²(c₁ + r²(c₂ + ...)), by least squares at Chebyshev's points; 5e-7 off at most.
_SINE = (9.86952175, -32.4650358, 42.642276, -29.4211071, 10.5731689)


@intrinsic
def _snake(_context: Any, x: Any, y: Any, scale: Any, inverse: Any) -> Any:
    """Write `LANES` numbers at address `y` from those at `x`; `scale` is α/π and `inverse` 1/α, in float32."""

    def generate(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        short, whole, real = (ir.VectorType(kind, LANES) for kind in (I16, I32, F32))

        def load(address: Any, kind: Any) -> Any:
            return builder.load(builder.inttoptr(address, kind.as_pointer()), align=2)

        def bits(number: int) -> Any:
            return ir.Constant(whole, [number] * LANES)

        wide = builder.shl(builder.zext(load(values[0], short), whole), bits(16))
        number = builder.bitcast(wide, real)
        turns = builder.fmul(number, load(values[2], real))
        nearest = builder.call(function(builder, f"llvm.rint.v{LANES}f32", real, [real]), [turns])
        turns = builder.fsub(turns, nearest)
        square = builder.fmul(turns, turns)
        sine = ir.Constant(real, [_SINE[-1]] * LANES)
        for coefficient in _SINE[-2::-1]:
            sine = fused(builder, sine, square, ir.Constant(real, [coefficient] * LANES))
        sine = builder.fmul(sine, square)
        result = builder.bitcast(fused(builder, sine, load(values[3], real), number), whole)
        even = builder.and_(builder.lshr(result, bits(16)), bits(1))  # to the nearest, and of two to the even one
        result = builder.lshr(builder.add(result, builder.add(even, bits(0x7FFF))), bits(16))
        builder.store(builder.trunc(result, short), builder.inttoptr(values[1], short.as_pointer()), align=2)
        return ir.Constant(I32, 0)

    return types.int32(types.int64, types.int64, types.int64, types.int64), generate


def _snake_rows(block: Any) -> None:
    arguments = carray(block, 7, np.int64)
    x, y, rows, channels, scale, inverse = arguments[1:]
    each = max(_PIECE // channels, 1)
    while True:
        first = claim(arguments.ctypes.data) * each
        if first >= rows:
            break
        for row in range(first, min(first + each, rows)):
            start = 2 * row * channels
            for channel in range(0, channels, LANES):
                _snake(x + start + 2 * channel, y + start + 2 * channel, scale + 4 * channel, inverse + 4 * channel)


_snake_kernel = Kernel(_snake_rows)


def snake(x: int, y: int, rows: int, channels: int, scale: int, inverse: int) -> None:
    """Activate bf16 numbers `[rows, channels]` at address `x` into those at `y`, which may be the same.

    `scale` and `inverse` are addresses of α/π and 1/α, float32 `[channels]`. `channels` is a multiple of `LANES`.
    """
    _snake_kernel(x, y, rows, channels, scale, inverse)
