"""Matrix products in the tiles of Intel's AMX: 16 rows by 64 bytes in one register, 16 by 16 sums in one instruction.

A block is 32 rows by 32 channels, in four tiles of sums. Of the eight tiles two more hold rows and two hold weights, so
that each of these is used twice.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.engines.dia.kernels import llvm
from pipeline.engines.dia.kernels.llvm import claim
from pipeline.engines.dia.kernels.packing import BLOCK, PANEL, STEP
from pipeline.engines.dia.kernels.parallel import Kernel
from pipeline.engines.dia.kernels.product_rows import (
    BLOCK_ROWS,
    SUMS_STRIDE,
    TILE,
    TILE_ROWS,
    copy_sums,
    scale_sums,
    sums_block,
)

_AHEAD = 2048  # bytes: how far ahead of use weights are fetched from memory
_LINE = 64
_ROWS, _WEIGHTS = 4, 6  # the first tiles of each kind; sums begin with 0

_PERMISSION_SYSCALL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18  # arch_prctl of Linux on x86-64


@functools.cache
def permitted() -> bool:
    """Whether the kernel lets this process use tiles: they have to be asked for once."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    return bool(ctypes.CDLL(None).syscall(_PERMISSION_SYSCALL, _REQUEST_PERMISSION, _TILE_DATA) == 0)


@functools.cache
def tile_shapes(rows: int) -> Any:
    """What `ldtilecfg` loads, 64 bytes: tiles of `rows` rows (1 to 16) for rows and sums, and of 16 for weights.

    From Intel's manual, volume 1, 18.3: palette, first row, and for each tile the bytes of a row and the rows.
    Raises RuntimeError where tiles are not permitted: using them would end the process.
    """
    if not permitted():
        raise RuntimeError("this process may not use AMX")
    shapes = np.zeros(64, np.uint8)
    shapes[0] = 1
    shapes[16:32].view(np.uint16)[:] = STEP
    shapes[48 : 48 + _WEIGHTS] = rows
    shapes[48 + _WEIGHTS : 56] = TILE_ROWS
    return shapes


class _Tiles:
    """Emits tile instructions; the numbers of tiles are constants in them."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def zero(self, tile: int) -> None:
        self._call("tilezero", [llvm.I8], llvm.byte(tile))

    def load(self, tile: int, address: Any, stride: Any) -> None:
        self._move("tileloadd64", tile, address, stride)

    def store(self, tile: int, address: Any, stride: Any) -> None:
        self._move("tilestored64", tile, address, stride)

    def multiply(self, name: str, *tiles: int) -> None:
        """Add the product of the second tile and the third to the first."""
        self._call(name, [llvm.I8] * 3, *map(llvm.byte, tiles))

    def _move(self, name: str, tile: int, address: Any, stride: Any) -> None:
        place = llvm.pointer(self._builder, address)
        self._call(name, [llvm.I8, llvm.POINTER, llvm.I64], llvm.byte(tile), place, stride)

    def _call(self, name: str, kinds: list[Any], *arguments: Any) -> None:
        self._builder.call(llvm.function(self._builder, f"llvm.x86.{name}", llvm.VOID, kinds), arguments)


def _fetch(builder: Any, address: Any, *, write: bool = False) -> None:
    """Begin to bring the cache line at `address` near: to write to it soon, or to read it a little later."""
    called = llvm.function(builder, "llvm.prefetch.p0", llvm.VOID, [llvm.POINTER, *[llvm.I32] * 3])
    flags = (1, 3, 1) if write else (0, 2, 1)  # to write or read, how near, data
    builder.call(called, [llvm.pointer(builder, address), *(ir.Constant(llvm.I32, flag) for flag in flags)])


def _fetch_result(builder: Any, y: Any, stride: Any, height: Any, step: Any) -> None:
    """Bring a row of a block of the result near: rows lie far apart, so no CPU foresees what is written next."""
    last = builder.sub(height, llvm.number(1))
    row = builder.select(builder.icmp_unsigned("<", step, last), step, last)
    address = builder.add(y, builder.mul(row, stride))
    for offset in (0, _LINE, 2 * _LINE - 1):  # rows need not begin with a line
        _fetch(builder, builder.add(address, llvm.number(offset)), write=True)


def _block(multiply: str, tiles: int, *, fetch: bool) -> Any:
    """The sums of `tiles` (1 or 2) times 16 rows with 32 channels; `fetch`: whether the weights come from memory.

    Arguments, all int64: addresses of the rows' tiles, of the weights' panels and of the sums to write; the number of
    steps of 64 bytes; of the part of the result that the sums are for, the address, the bytes from row to row, and the
    number of rows.
    """

    def _emit(builder: Any, rows: Any, weights: Any, sums: Any, steps: Any, y: Any, stride: Any, height: Any) -> None:
        tile, line = _Tiles(builder), llvm.number(STEP)
        next_tiles = builder.mul(steps, llvm.number(TILE))  # from 16 rows, or 16 channels, to the next
        for number in range(2 * tiles):
            tile.zero(number)
        with cgutils.for_range(builder, steps) as loop:
            _fetch_result(builder, y, stride, height, loop.index)
            offset = builder.mul(loop.index, llvm.number(TILE))
            places = (offset, builder.add(offset, next_tiles))
            for side in range(2):
                side_at = builder.add(weights, places[side])
                tile.load(_WEIGHTS + side, side_at, line)
                for start in range(_AHEAD, _AHEAD + TILE, _LINE) if fetch else ():
                    _fetch(builder, builder.add(side_at, llvm.number(start)))
            for above in range(tiles):
                tile.load(_ROWS + above, builder.add(rows, places[above]), line)
                for side in range(2):
                    tile.multiply(multiply, 2 * above + side, _ROWS + above, _WEIGHTS + side)
        for number in range(2 * tiles):
            above, side = divmod(number, 2)
            start = above * TILE_ROWS * SUMS_STRIDE + side * PANEL * 4
            tile.store(number, builder.add(sums, llvm.number(start)), llvm.number(SUMS_STRIDE))

    @intrinsic
    def block(_context: Any, rows: Any, weights: Any, sums: Any, steps: Any, y: Any, stride: Any, height: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, values: Any) -> Any:
            _emit(builder, *values)
            return target.get_dummy_value()

        return types.void(*[types.int64] * 7), generate

    return block


@intrinsic
def _load_shapes(_context: Any, shapes: Any) -> Any:
    """Give this thread its tiles."""

    def generate(target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        called = llvm.function(builder, "llvm.x86.ldtilecfg", llvm.VOID, [llvm.POINTER])
        builder.call(called, [llvm.pointer(builder, values[0])])
        return target.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def _release(_context: Any) -> Any:
    """Give the tiles back: a thread that holds some is slower to switch to."""

    def generate(target: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        builder.call(llvm.function(builder, "llvm.x86.tilerelease", llvm.VOID, []), [])
        return target.get_dummy_value()

    return types.void(), generate


_first_int8, _first_int8_half = _block("tdpbusd", 2, fetch=True), _block("tdpbusd", 1, fetch=True)
_int8_block, _int8_half = _block("tdpbusd", 2, fetch=False), _block("tdpbusd", 1, fetch=False)
_first_bf16, _first_bf16_half = _block("tdpbf16ps", 2, fetch=True), _block("tdpbf16ps", 1, fetch=True)
_bf16_block, _bf16_half = _block("tdpbf16ps", 2, fetch=False), _block("tdpbf16ps", 1, fetch=False)


def _int8(arguments: Any) -> None:
    """Block: tiles of rows (u8), M, bytes of a row; weights, N; y; rows of a chunk; tile shapes; scales of rows and of
    channels; compensation.
    """
    block = carray(arguments, 12, np.int64)
    rows, count, size, weights, outputs, y = block[1], block[2], block[3], block[4], block[5], block[6]
    chunk, steps, blocks = block[7], size // STEP, (outputs + BLOCK - 1) // BLOCK
    pieces = (count + chunk - 1) // chunk * blocks
    sums = sums_block()
    _load_shapes(block[8])
    piece = claim(block.ctypes.data)
    while piece < pieces:
        first, channel = piece // blocks * chunk, piece % blocks * BLOCK
        panels, last = weights + channel * size, min(count, first + chunk)
        for row in range(first, last, BLOCK_ROWS):
            height, tiles, y_at = min(last - row, BLOCK_ROWS), rows + row * size, y + 4 * (row * outputs + channel)
            if height > TILE_ROWS and row == first:
                _first_int8(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            elif height > TILE_ROWS:
                _int8_block(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            elif row == first:
                _first_int8_half(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            else:
                _int8_half(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            scale_sums(sums, height, y, row, channel, outputs, block[9], block[10], block[11])
        piece = claim(block.ctypes.data)
    _release()


def _bf16(arguments: Any) -> None:
    """Block: tiles of rows (bf16), M, bytes of a row; weights, N; y; rows of a chunk; tile shapes."""
    block = carray(arguments, 9, np.int64)
    rows, count, size, weights, outputs, y = block[1], block[2], block[3], block[4], block[5], block[6]
    chunk, steps, blocks = block[7], size // STEP, (outputs + BLOCK - 1) // BLOCK
    pieces = (count + chunk - 1) // chunk * blocks
    sums = sums_block()
    _load_shapes(block[8])
    piece = claim(block.ctypes.data)
    while piece < pieces:
        first, channel = piece // blocks * chunk, piece % blocks * BLOCK
        panels, last = weights + channel * size, min(count, first + chunk)
        for row in range(first, last, BLOCK_ROWS):
            height, tiles, y_at = min(last - row, BLOCK_ROWS), rows + row * size, y + 4 * (row * outputs + channel)
            if height > TILE_ROWS and row == first:
                _first_bf16(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            elif height > TILE_ROWS:
                _bf16_block(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            elif row == first:
                _first_bf16_half(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            else:
                _bf16_half(tiles, panels, sums, steps, y_at, 4 * outputs, height)
            copy_sums(sums, height, y, row, channel, outputs)
        piece = claim(block.ctypes.data)
    _release()


int8 = Kernel(_int8)
bf16 = Kernel(_bf16)
