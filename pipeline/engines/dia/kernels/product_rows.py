"""Rows of fp32 as the matrix products read them: u8 with a scale for each row, or bf16.

They are packed as tiles, `[M/16, steps, 16, 64 bytes]`, so that a tile is a KiB in one piece. Row by row its lines
would lie as far apart as rows do, often a power of two of bytes, and compete for the same places in a cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.engines.dia.kernels import llvm
from pipeline.engines.dia.kernels.arithmetic import from_bits, magnitude, nearest, rounded_to_bf16
from pipeline.engines.dia.kernels.llvm import at, claim
from pipeline.engines.dia.kernels.packing import BLOCK, LARGEST, PANEL, STEP, TINIEST, ZERO_POINT
from pipeline.engines.dia.kernels.parallel import Kernel

TILE_ROWS = 16
TILE = TILE_ROWS * STEP  # bytes

_HALVES = STEP // 2  # bf16 of a step
_INFINITY = np.int32(0x7F800000)
_TINIEST = np.float32(TINIEST)
_LARGEST = np.float32(LARGEST)
_ZERO_POINT = np.int32(ZERO_POINT)


@njit
def tile_at(tiles: Any, row: Any, steps: Any) -> Any:
    """The address of the first bytes of `row`, an int64 as all are here; its next lie `TILE` bytes further."""
    return tiles + row // TILE_ROWS * steps * TILE + row % TILE_ROWS * STEP


def _quantize(arguments: Any) -> None:
    """Block: x, bytes from row to row, M, K, steps of a row; addresses of the tiles of u8 and of the scales."""
    block = carray(arguments, 8, np.int64)
    x_at, stride, count, size, steps = block[1], block[2], block[3], block[4], block[5]
    scales = carray(at(block[7]), count, np.float32)
    row = claim(block.ctypes.data)
    while row < count:
        x = carray(at(x_at + row * stride), size, np.float32)
        highest = np.int32(0)
        for index in range(size):
            highest = max(highest, magnitude(x[index]))
        largest = from_bits(highest)
        scale, inverse = largest / _LARGEST, np.float32(0)
        if highest >= _INFINITY:
            scale = np.float32(np.nan)
        elif largest < _TINIEST:
            scale = np.float32(0)
        else:
            inverse = _LARGEST / largest
        scales[row] = scale
        tiles = tile_at(block[6], row, steps)
        for step in range(steps):
            tile = carray(at(tiles + TILE * step), STEP, np.uint8)
            numbers = carray(at(x_at + row * stride + 4 * STEP * step), STEP, np.float32)
            width = min(size - STEP * step, STEP)
            for index in range(width):
                tile[index] = np.uint8(np.int32(nearest(numbers[index] * inverse)) + _ZERO_POINT)
            for index in range(width, STEP):
                tile[index] = np.uint8(ZERO_POINT)
        row = claim(block.ctypes.data)


def _round(arguments: Any) -> None:
    """Block: x, bytes from row to row, M, K, steps of a row; the address of the tiles of bf16."""
    block = carray(arguments, 7, np.int64)
    x_at, stride, count, size, steps = block[1], block[2], block[3], block[4], block[5]
    row = claim(block.ctypes.data)
    while row < count:
        tiles = tile_at(block[6], row, steps)
        for step in range(steps):
            tile = carray(at(tiles + TILE * step), _HALVES, np.uint16)
            numbers = carray(at(x_at + row * stride + 4 * _HALVES * step), _HALVES, np.float32)
            width = min(size - _HALVES * step, _HALVES)
            for index in range(width):
                tile[index] = rounded_to_bf16(numbers[index])
            for index in range(width, _HALVES):
                tile[index] = np.uint16(0)  # what is multiplied by the weight's zeros must be a number
        row = claim(block.ctypes.data)


quantize = Kernel(_quantize)
round_to_bf16 = Kernel(_round)


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
            product = builder.fmul(exact, builder.fmul(splat(builder, row_scale), scale))
            place = builder.add(y, builder.mul(loop.index, stride))
            builder.store(product, builder.inttoptr(place, _FLOATS.as_pointer()), align=4)
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
        place, from_sums = y + 4 * (row * outputs + start), sums + 4 * PANEL * side
        if start + PANEL <= outputs:
            _scale_panel(
                from_sums, height, place, 4 * outputs, row_scales, scales + 4 * start, compensation + 4 * start
            )
            continue
        width = max(outputs - start, 0)
        scale, shift = (
            carray(at(scales + 4 * start), width, np.float32),
            carray(at(compensation + 4 * start), width, np.int32),
        )
        for index in range(height):
            total = carray(at(from_sums + SUMS_STRIDE * index), width, np.int32)
            row_scale = carray(at(row_scales + 4 * index), 1, np.float32)[0]
            target = carray(at(place + 4 * outputs * index), width, np.float32)
            for lane in range(width):
                target[lane] = np.float32(total[lane] - shift[lane]) * (row_scale * scale[lane])


@njit
def copy_sums(sums: Any, height: Any, y: Any, row: Any, channel: Any, outputs: Any) -> None:
    """Write the block of y `[M, outputs]` that begins at `row` and `channel`, `height` rows, from sums of fp32."""
    width = min(BLOCK, outputs - channel)
    for index in range(height):
        total = carray(at(sums + SUMS_STRIDE * index), width, np.float32)
        target = carray(at(y + 4 * ((row + index) * outputs + channel)), width, np.float32)
        for lane in range(width):
            target[lane] = total[lane]
