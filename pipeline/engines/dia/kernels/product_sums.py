"""The sums of a block of a matrix product, 32 rows by 32 channels, on their way into the result."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.engines.dia.kernels import llvm
from pipeline.engines.dia.kernels.llvm import at
from pipeline.engines.dia.packing import BLOCK, PANEL

BLOCK_ROWS = 32
SUMS_STRIDE = BLOCK * 4  # bytes from one row of sums to the next

_FLOATS, _WORDS = ir.VectorType(llvm.F32, PANEL), ir.VectorType(llvm.I32, PANEL)


@intrinsic
def sums_block(_context: Any) -> Any:
    """The address of memory of this call's own for the sums of a block, int32 or fp32 `[32, 32]`."""

    def generate(_target: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        memory = cgutils.alloca_once(builder, ir.ArrayType(llvm.I8, BLOCK_ROWS * SUMS_STRIDE))
        memory.align = 64
        return builder.ptrtoint(memory, llvm.I64)

    return types.int64(), generate


def load(builder: Any, address: Any, kind: Any) -> Any:
    """What is at an int64 address."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=4)


def splat(builder: Any, value: Any) -> Any:
    """A vector of 16 times the same."""
    undefined = ir.Constant(ir.VectorType(value.type, PANEL), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(llvm.I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_WORDS, [0] * PANEL))


@intrinsic
def _scale_panel(
    _context: Any, sums: Any, height: Any, y: Any, stride: Any, row_scales: Any, scales: Any, compensation: Any
) -> Any:
    """`y = float(sums - compensation) * (row scale * scale)` for rows of 16 channels; all arguments are at these."""

    def generate(target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        sums, height, y, stride, row_scales, scales, compensation = values
        scale, shift = load(builder, scales, _FLOATS), load(builder, compensation, _WORDS)
        with cgutils.for_range(builder, height) as loop:
            total = load(builder, builder.add(sums, builder.mul(loop.index, llvm.number(SUMS_STRIDE))), _WORDS)
            row_scale = load(builder, builder.add(row_scales, builder.mul(loop.index, llvm.number(4))), llvm.F32)
            exact = builder.sitofp(builder.sub(total, shift), _FLOATS)
            made = builder.fmul(exact, builder.fmul(splat(builder, row_scale), scale))
            place = builder.add(y, builder.mul(loop.index, stride))
            builder.store(made, builder.inttoptr(place, _FLOATS.as_pointer()), align=4)
        return target.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


@njit
def scale_sums(
    sums: Any,
    height: Any,
    y: Any,
    row: Any,
    channel: Any,
    outputs: Any,
    row_scales: Any,
    scales: Any,
    compensation: Any,
) -> None:
    """Write the block of y `[M, outputs]` that begins at `row` and `channel`, `height` rows, from sums of int32.

    All are int64: `sums`, `y`, `row_scales`, `scales` and `compensation` are addresses.
    """
    row_scales += 4 * row
    for side in range(2):
        start = channel + PANEL * side
        here, from_sums = y + 4 * (row * outputs + start), sums + 4 * PANEL * side
        if start + PANEL <= outputs:
            _scale_panel(from_sums, height, here, 4 * outputs, row_scales, scales + 4 * start, compensation + 4 * start)
            continue
        width = max(outputs - start, 0)
        scale, shift = (
            carray(at(scales + 4 * start), width, np.float32),
            carray(at(compensation + 4 * start), width, np.int32),
        )
        for index in range(height):
            total = carray(at(from_sums + SUMS_STRIDE * index), width, np.int32)
            row_scale = carray(at(row_scales + 4 * index), 1, np.float32)[0]
            made = carray(at(here + 4 * outputs * index), width, np.float32)
            for lane in range(width):
                made[lane] = np.float32(total[lane] - shift[lane]) * (row_scale * scale[lane])


@njit
def copy_sums(sums: Any, height: Any, y: Any, row: Any, channel: Any, outputs: Any) -> None:
    """Write the block of y `[M, outputs]` that begins at `row` and `channel`, `height` rows, from sums of fp32."""
    width = min(BLOCK, outputs - channel)
    for index in range(height):
        total = carray(at(sums + SUMS_STRIDE * index), width, np.float32)
        made = carray(at(y + 4 * ((row + index) * outputs + channel)), width, np.float32)
        for lane in range(width):
            made[lane] = total[lane]
