"""Arithmetic on single numbers that LLVM turns into vectors where a loop calls it.

NaN and infinity are kept: nothing here may assume that there are none. Nothing is left for LLVM to reorder or contract:
it compiles a function anew in every function that calls it, and might choose otherwise each time, so that the process
which compiles a kernel and those which find it in the cache would compute other bits. What is rounded to int8 or bf16
has the same bits on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.engines.dia.kernels import llvm
from pipeline.engines.dia.kernels.packing import LARGEST, TINIEST

SUMMED = 64  # numbers that `total` adds side by side

_INFINITY = np.int32(0x7F800000)
_TINIEST, _LARGEST = np.float32(TINIEST), np.float32(LARGEST)
_SMALLEST = np.float32(-64.0)
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # the first has few bits: products are exact


def _instruction(result: Any, argument: Any, emit: Callable[[Any, Any], Any]) -> Any:
    """A function of one number in LLVM's instructions: numpy's are calls or 64 bits wide, which no vector likes."""

    @intrinsic
    def instruction(_context: Any, x: Any) -> Any:
        return result(argument), lambda _target, builder, _signature, values: emit(builder, values[0])

    return instruction


def _word(value: int) -> Any:
    return ir.Constant(llvm.I32, value)


def _nearest(builder: Any, x: Any) -> Any:
    return builder.call(llvm.function(builder, "llvm.rint.f32", llvm.F32, [llvm.F32]), [x])


def _magnitude(builder: Any, x: Any) -> Any:
    return builder.and_(builder.bitcast(x, llvm.I32), _word(0x7FFFFFFF))


def _power_of_two(builder: Any, n: Any) -> Any:
    biased = builder.add(builder.fptosi(n, llvm.I32), _word(127))
    return builder.bitcast(builder.shl(biased, _word(23)), llvm.F32)


def _whole(builder: Any, x: Any) -> Any:
    positive = builder.select(builder.fcmp_ordered(">", x, ir.Constant(llvm.F32, 0.0)), x, ir.Constant(llvm.F32, 0.0))
    return builder.fptosi(_nearest(builder, positive), llvm.I32)


def _flipped(builder: Any, word: Any) -> Any:
    return builder.xor(word, builder.and_(builder.ashr(word, _word(31)), _word(0x7FFFFFFF)))


def _bf16(builder: Any, x: Any) -> Any:
    word = builder.bitcast(x, llvm.I32)
    odd = builder.and_(builder.lshr(word, _word(16)), _word(1))
    rounded = builder.lshr(builder.add(builder.add(word, _word(0x7FFF)), odd), _word(16))
    return builder.trunc(builder.select(builder.fcmp_unordered("uno", x, x), _word(0x7FC0), rounded), llvm.I16)


nearest = _instruction(types.float32, types.float32, _nearest)  # integer, half to even, as fp32
magnitude = _instruction(types.int32, types.float32, _magnitude)  # an int32 that has the order of |x|; NaN is largest
ordered = _instruction(types.int32, types.float32, lambda builder, x: _flipped(builder, builder.bitcast(x, llvm.I32)))
from_ordered = _instruction(
    types.float32, types.int32, lambda builder, x: builder.bitcast(_flipped(builder, x), llvm.F32)
)
from_bits = _instruction(types.float32, types.int32, lambda builder, x: builder.bitcast(x, llvm.F32))
whole = _instruction(types.int32, types.float32, _whole)  # nearest integer; 0 for what is less, and for NaN
power_of_two = _instruction(types.float32, types.float32, _power_of_two)  # for whole n from -126 to 127
rounded_to_bf16 = _instruction(types.uint16, types.float32, _bf16)  # its bits, half to even, as torch rounds


@intrinsic
def _fused(_context: Any, x: Any, y: Any, z: Any) -> Any:
    """As `llvm.fused`."""
    signature = types.float32(types.float32, types.float32, types.float32)
    return signature, lambda _target, builder, _signature, values: llvm.fused(builder, *values)


@intrinsic
def total(_context: Any, first: Any, shares: Any) -> Any:
    """The sum of `shares` times `SUMMED` numbers in fp32 from the address `first` on.

    Numbers `SUMMED` places apart are added one after the other, and the `SUMMED` sums then by halves.
    """
    wide = ir.VectorType(llvm.F32, SUMMED)

    def generate(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        sums = cgutils.alloca_once_value(builder, ir.Constant(wide, [0.0] * SUMMED))
        with cgutils.for_range(builder, values[1]) as loop:
            place = builder.add(values[0], builder.mul(loop.index, llvm.number(4 * SUMMED)))
            numbers = builder.load(builder.inttoptr(place, wide.as_pointer()), align=4)
            builder.store(builder.fadd(builder.load(sums), numbers), sums)
        vector = builder.load(sums)
        for half in (SUMMED >> level for level in range(1, SUMMED.bit_length())):
            low, high = (
                builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(llvm.I32, half), list(lanes)))
                for lanes in (range(half), range(half, 2 * half))
            )
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, _word(0))

    return types.float32(types.int64, types.int64), generate


@njit
def exponential(x: Any) -> Any:
    """e to the power of the fp32 `x`, no greater than 88, within 2e-7 of it; 0 where `x` is below -64.

    What is as small matters nowhere here, and its products would be denormal, which makes a multiplication a hundred
    times slower. Cody and Waite's reduction to |r| < ln(2) / 2, and there the polynomial 1 + r + c2 r^2 + ... + c5 r^5
    of the least relative error.
    """
    n = nearest((x if x > _SMALLEST else _SMALLEST) * _LOG2_E)  # a number even where x is none
    r = _fused(-n, _LN2_LOW, x - n * _LN2_HIGH)
    p = np.float32(8.312501428e-3)
    p = _fused(p, r, np.float32(4.189033179e-2))
    p = _fused(p, r, np.float32(0.1666711539))
    p = _fused(p, r, np.float32(0.4999923031))
    p = _fused(p, r, np.float32(1.0))
    p = _fused(p, r, np.float32(1.0))
    return np.float32(0.0) if x < _SMALLEST else p * power_of_two(n)


@njit(error_model="numpy")
def round_to_int8(row: Any, zero_point: Any, out: Any) -> Any:
    """Write `row` in int8, plus `zero_point`, to `out` of any type, and return its scale: max|x| / 127.

    Bit for bit what `packing.quantize_rows` does. The scale is NaN where anything in `row` is NaN or infinite.
    """
    highest = np.int32(0)
    for index in range(len(row)):
        highest = max(highest, magnitude(row[index]))
    largest = from_bits(highest)
    if highest >= _INFINITY or largest < _TINIEST:
        out[:] = zero_point
        return np.float32(np.nan) if highest >= _INFINITY else np.float32(0.0)
    inverse = _LARGEST / largest
    for index in range(len(row)):
        out[index] = nearest(row[index] * inverse) + zero_point
    return largest / _LARGEST
