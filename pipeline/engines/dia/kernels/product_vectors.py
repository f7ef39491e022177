"""Matrix products of int8 in vectors of 16 channels, for CPUs without tiles.

With AVX512-VNNI the CPU's own instruction is named: four products and their sum in each of 16 lanes. Elsewhere
("plain") the same is written so that LLVM finds what the CPU has: SSE's and AVX2's `pmaddwd`, NEON's `smull`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.engines.dia.kernels import llvm
from pipeline.engines.dia.kernels.llvm import claim
from pipeline.engines.dia.kernels.packing import BLOCK, PANEL, STEP, WORD
from pipeline.engines.dia.kernels.parallel import Kernel
from pipeline.engines.dia.kernels.product_rows import SUMS_STRIDE, TILE, load, scale_sums, splat, sums_block, tile_at

_LINE = PANEL * WORD  # bytes: what a panel has for one word of a row
_AHEAD = 2048  # bytes: how far ahead of use weights are fetched from memory
_SIDES = BLOCK // PANEL

_WORDS, _HALVES = ir.VectorType(llvm.I32, PANEL), ir.VectorType(llvm.I16, 2 * PANEL)
_WIDE = ir.VectorType(llvm.I32, 2 * PANEL)


def _dot_vnni(builder: Any, total: Any, row_word: Any, weights: Any) -> Any:
    """`total` and, in each lane, the products of the four u8 of `row_word` with the four int8 of the lane."""
    called = llvm.function(builder, "llvm.x86.avx512.vpdpbusd.512", _WORDS, [_WORDS] * 3)
    return builder.call(called, [total, splat(builder, row_word), weights])


def _dot_plain(builder: Any, total: Any, row_word: Any, weights: Any) -> Any:
    """The same of any CPU: bytes 0 and 2, and bytes 1 and 3, as pairs of int16 whose products are added in int32."""
    spread = builder.bitcast(splat(builder, row_word), _HALVES)
    packed = builder.bitcast(weights, _HALVES)
    eight = ir.Constant(_HALVES, [8] * 2 * PANEL)
    low = ir.Constant(_HALVES, [255] * 2 * PANEL)
    for of_row, of_weights in (
        (builder.and_(spread, low), builder.ashr(builder.shl(packed, eight), eight)),
        (builder.lshr(spread, eight), builder.ashr(packed, eight)),
    ):
        product = builder.mul(builder.sext(of_row, _WIDE), builder.sext(of_weights, _WIDE))
        undefined = ir.Constant(_WIDE, ir.Undefined)
        even, odd = (
            builder.shuffle_vector(product, undefined, ir.Constant(_WORDS, list(range(first, 2 * PANEL, 2))))
            for first in (0, 1)
        )
        total = builder.add(total, builder.add(even, odd))
    return total


def _fetch(builder: Any, address: Any) -> None:
    """Begin to read a line of memory, into all caches."""
    called = llvm.function(builder, "llvm.prefetch.p0", llvm.VOID, [llvm.POINTER, *[llvm.I32] * 3])
    flags = [ir.Constant(llvm.I32, flag) for flag in (0, 3, 1)]  # to read, how near, data
    builder.call(called, [llvm.pointer(builder, address), *flags])


def _block(dot: Any, height: int) -> Any:
    """The sums of `height` rows with 32 channels.

    Arguments, all int64: addresses of the first row in its tile (u8), of the weights' panels and of the sums to write,
    and the number of words of a row.
    """

    def _emit(builder: Any, rows: Any, weights: Any, sums: Any, words: Any) -> None:
        totals = [[cgutils.alloca_once(builder, _WORDS) for _ in range(_SIDES)] for _ in range(height)]
        for variable in (variable for row in totals for variable in row):
            builder.store(ir.Constant(_WORDS, None), variable)
        panel = builder.mul(words, llvm.number(_LINE))  # bytes
        with cgutils.for_range(builder, words) as loop:
            lines = []
            for side in range(_SIDES):
                offset = builder.add(builder.mul(loop.index, llvm.number(_LINE)), builder.mul(panel, llvm.number(side)))
                line = builder.add(weights, offset)
                lines.append(load(builder, line, _WORDS))
                _fetch(builder, builder.add(line, llvm.number(_AHEAD)))
            step, word = (emit(loop.index, llvm.number(STEP // WORD)) for emit in (builder.udiv, builder.urem))
            tile = builder.add(builder.mul(step, llvm.number(TILE)), builder.mul(word, llvm.number(WORD)))
            first = builder.add(rows, tile)
            for index, row in enumerate(totals):
                row_word = load(builder, builder.add(first, llvm.number(index * STEP)), llvm.I32)
                for line, total in zip(lines, row, strict=True):
                    builder.store(dot(builder, builder.load(total), row_word, line), total)
        for index, row in enumerate(totals):
            for side, total in enumerate(row):
                place = builder.add(sums, llvm.number(index * SUMS_STRIDE + side * _LINE))
                builder.store(builder.load(total), builder.inttoptr(place, _WORDS.as_pointer()), align=4)

    @intrinsic
    def block(_context: Any, rows: Any, weights: Any, sums: Any, words: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, values: Any) -> Any:
            _emit(builder, *values)
            return target.get_dummy_value()

        return types.void(*[types.int64] * 4), generate

    return block


_vnni_2, _vnni_4, _vnni_8 = (_block(_dot_vnni, height) for height in (2, 4, 8))
_plain_1, _plain_4 = (_block(_dot_plain, height) for height in (1, 4))


def _vnni(arguments: Any) -> None:
    """Block: rows (u8), M, bytes of a row; weights, N; y; rows of a chunk; scales of rows and of channels;
    compensation.
    """
    block = carray(arguments, 11, np.int64)
    rows, count, size, weights, outputs, y = block[1], block[2], block[3], block[4], block[5], block[6]
    chunk, words, blocks = block[7], size // WORD, (outputs + BLOCK - 1) // BLOCK
    pieces = (count + chunk - 1) // chunk * blocks
    sums = sums_block()
    piece = claim(block.ctypes.data)
    while piece < pieces:
        row, channel = piece // blocks * chunk, piece % blocks * BLOCK
        panels, last = weights + channel * size, min(count, row + chunk)
        while row < last:
            first_row, height = tile_at(rows, row, size // STEP), min(last - row, 8)
            if height > 4:
                _vnni_8(first_row, panels, sums, words)
            elif height > 2:
                _vnni_4(first_row, panels, sums, words)
            else:
                _vnni_2(first_row, panels, sums, words)
            scale_sums(sums, height, y, row, channel, outputs, block[8], block[9], block[10])
            row += height
        piece = claim(block.ctypes.data)


def _plain(arguments: Any) -> None:
    """Block: as `_vnni`'s."""
    block = carray(arguments, 11, np.int64)
    rows, count, size, weights, outputs, y = block[1], block[2], block[3], block[4], block[5], block[6]
    chunk, words, blocks = block[7], size // WORD, (outputs + BLOCK - 1) // BLOCK
    pieces = (count + chunk - 1) // chunk * blocks
    sums = sums_block()
    piece = claim(block.ctypes.data)
    while piece < pieces:
        row, channel = piece // blocks * chunk, piece % blocks * BLOCK
        panels, last = weights + channel * size, min(count, row + chunk)
        while row < last:
            first_row, height = tile_at(rows, row, size // STEP), min(last - row, 4)
            if height > 1:
                _plain_4(first_row, panels, sums, words)
            else:
                _plain_1(first_row, panels, sums, words)
            scale_sums(sums, height, y, row, channel, outputs, block[8], block[9], block[10])
            row += height
        piece = claim(block.ctypes.data)


vnni = Kernel(_vnni)
plain = Kernel(_plain)
