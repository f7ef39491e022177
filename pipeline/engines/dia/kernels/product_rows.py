"""Rows of fp32 as the matrix products read them: u8 with a scale for each row, or bf16.

They are packed as tiles, `[M/16, steps, 16, 64 bytes]`, so that a tile is a KiB in one piece. Row by row its lines
would lie as far apart as rows do, often a power of two of bytes, and compete for the same places in a cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit

from pipeline.engines.dia.kernels.arithmetic import from_bits, magnitude, nearest, rounded_to_bf16
from pipeline.engines.dia.kernels.llvm import at, claim
from pipeline.engines.dia.kernels.parallel import Kernel
from pipeline.engines.dia.packing import LARGEST, STEP, TINIEST, ZERO_POINT

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
            made = carray(at(tiles + TILE * step), STEP, np.uint8)
            numbers = carray(at(x_at + row * stride + 4 * STEP * step), STEP, np.float32)
            width = min(size - STEP * step, STEP)
            for index in range(width):
                made[index] = np.uint8(np.int32(nearest(numbers[index] * inverse)) + _ZERO_POINT)
            for index in range(width, STEP):
                made[index] = np.uint8(ZERO_POINT)
        row = claim(block.ctypes.data)


def _round(arguments: Any) -> None:
    """Block: x, bytes from row to row, M, K, steps of a row; the address of the tiles of bf16."""
    block = carray(arguments, 7, np.int64)
    x_at, stride, count, size, steps = block[1], block[2], block[3], block[4], block[5]
    row = claim(block.ctypes.data)
    while row < count:
        tiles = tile_at(block[6], row, steps)
        for step in range(steps):
            made = carray(at(tiles + TILE * step), _HALVES, np.uint16)
            numbers = carray(at(x_at + row * stride + 4 * _HALVES * step), _HALVES, np.float32)
            width = min(size - _HALVES * step, _HALVES)
            for index in range(width):
                made[index] = rounded_to_bf16(numbers[index])
            for index in range(width, _HALVES):
                made[index] = np.uint16(0)  # what is multiplied by the weight's zeros must be a number
        row = claim(block.ctypes.data)


quantize = Kernel(_quantize)
round_to_bf16 = Kernel(_round)
