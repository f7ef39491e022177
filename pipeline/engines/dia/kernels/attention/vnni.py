"""The two loops of attention over int8 in the instruction of AVX512-VNNI, which adds up four products of u8 and int8.

All it adds up is exact. For the sums of values, weights are therefore made whole numbers of 24 bits, in units that the
largest scale of the tile's values gives, and their three bytes are summed apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.engines.dia.kernels import llvm
from pipeline.engines.dia.kernels.arithmetic import from_bits, magnitude, whole
from pipeline.engines.dia.kernels.attention.vectors import FLOATS, HEADS, LANES, TILE, WORDS, Code, Variables, scores_by

_LEVELS = 3  # bytes of a weight
_LARGEST = np.float32(0xFFFF00)  # of a weight; a rounding more is still 24 bits
_TINIEST = np.float32(1e-30)  # weights that are all smaller are nothing
_INFINITY = np.int32(0x7F800000)


def _dot(builder: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    called = llvm.function(builder, "llvm.x86.avx512.vpdpbusd.512", WORDS, [WORDS] * 3)
    return builder.call(called, [total, unsigned, signed])


def scores(blocks: int) -> Any:
    """As `vectors.scores`, for keys in u8 and queries in int8 `[heads, size]`."""

    def step(code: Code, words: list[Any], query: Any, totals: Variables, size: Any) -> None:
        for head, row in enumerate(totals):
            four = code.spread(query, code.offset(0, (size, head)), llvm.I32)
            for word, total in zip(words, row, strict=True):
                code.builder.store(_dot(code.builder, code.builder.load(total), word, four), total)

    return scores_by(step, WORDS, 4, 1, blocks)


def _whole_sums(columns: dict[int, int]) -> Any:
    """As `vectors.sums`, with weights of `_LEVELS` bytes `[heads, _LEVELS, TILE]` in `unit`, an fp32."""

    def some(code: Code, totals: Variables, values: Any, levels: Any, groups: Any, size: Any, ahead: Any) -> None:
        builder = code.builder
        with cgutils.for_range(builder, groups) as loop:
            group = code.moved(values, code.offset(0, (builder.mul(loop.index, size), 4)))
            lines = [llvm.number(64 * index) for index in range(len(totals[0]))]
            for line in lines:
                code.prefetch(group, builder.add(ahead, line))
            words = [code.load(group, line, WORDS) for line in lines]
            for index, row in enumerate(totals):
                four = code.spread(levels, code.offset(TILE * index, (loop.index, 4)), llvm.I32)
                for word, total in zip(words, row, strict=True):
                    builder.store(_dot(builder, builder.load(total), four, word), total)

    @intrinsic
    def exact_sums(
        _context: Any,
        values: Any,
        levels: Any,
        unit: Any,
        factors: Any,
        out: Any,
        heads: Any,
        count: Any,
        size: Any,
        ahead: Any,
    ) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            code = Code(builder)
            values, levels, factors, out = (llvm.pointer(builder, arguments[index]) for index in (0, 1, 3, 4))
            unit, (heads, count, size, ahead) = code.splat(arguments[2]), arguments[5:]
            groups = builder.udiv(builder.add(count, llvm.number(3)), llvm.number(4))
            for together, head in code.shares(heads, HEADS):
                width = columns[together]
                levels_of = code.moved(levels, code.offset(0, (head, _LEVELS * TILE)))
                with cgutils.for_range(builder, builder.udiv(size, llvm.number(width))) as chunk:
                    totals = code.variables(WORDS, _LEVELS * together, width // LANES)
                    column = code.moved(values, code.offset(0, (chunk.index, 4 * width)))
                    some(code, totals, column, levels_of, groups, size, ahead)
                    first = code.moved(out, code.offset(0, (builder.mul(head, size), 4), (chunk.index, 4 * width)))
                    for index in range(together):
                        factor = code.spread(factors, code.offset(4 * index, (head, 4)), llvm.F32)
                        of_head = totals[_LEVELS * index : _LEVELS * (index + 1)]
                        _add(code, of_head, unit, factor, code.moved(first, code.offset(0, (size, 4 * index))))
            return target.get_dummy_value()

        return types.void(types.int64, types.int64, types.float32, *[types.int64] * 6), generate

    return exact_sums


def _add(code: Code, totals: Variables, unit: Any, factor: Any, out: Any) -> None:
    """Make sums at `out` `factor` times as large, and add `totals`, those of the bytes of weights, highest first."""
    builder = code.builder
    byte = ir.Constant(FLOATS, [256.0] * LANES)
    for column, levels in enumerate(zip(*totals, strict=True)):
        high, middle, low = (builder.sitofp(builder.load(level), FLOATS) for level in levels)
        total = llvm.fused(code.builder, llvm.fused(code.builder, high, byte, middle), byte, low)
        place = llvm.number(4 * LANES * column)
        before = builder.fmul(factor, code.load(out, place, FLOATS))
        code.store(llvm.fused(code.builder, unit, total, before), out, place)


_sums_of_levels = _whole_sums({HEADS: 32, 1: 64})


@njit(error_model="numpy")
def in_units(scales: Any, out: Any) -> Any:
    """Write the scales of a tile's values to `out`, in units that make the largest one `_LARGEST`; returns the unit."""
    highest = np.int32(0)
    for index in range(len(scales)):
        highest = max(highest, magnitude(scales[index]))
    largest = from_bits(highest)
    inverse = _LARGEST / largest if _TINIEST < largest < np.inf else np.float32(0.0)
    for index in range(len(scales)):
        out[index] = scales[index] * inverse
    return largest / _LARGEST if inverse > 0 or highest >= _INFINITY else np.float32(0.0)


@njit
def _split(weights: Any, heads: Any) -> Any:
    """Round the weights `[heads, TILE]`, and write their bytes `[heads, _LEVELS, TILE]` behind them: the address."""
    given = carray(llvm.at(weights), (heads, TILE), np.float32)
    levels = carray(llvm.at(weights + 4 * heads * TILE), (heads, _LEVELS, TILE), np.uint8)
    for head in range(heads):
        _bytes_of(given[head], levels[head])
    return weights + 4 * heads * TILE


@njit
def _bytes_of(weights: Any, levels: Any) -> None:
    for index in range(TILE):
        word = whole(weights[index])  # NaN has been seen in the sum of the weights
        levels[0, index] = np.uint8(word >> 16)
        levels[1, index] = np.uint8(word >> 8)
        levels[2, index] = np.uint8(word)


@njit
def sums(
    values: Any, weights: Any, unit: Any, factors: Any, out: Any, heads: Any, count: Any, size: Any, ahead: Any
) -> None:
    """As `vectors.sums`, with weights in units from 0 to 2^24, and as much memory behind them, which is written."""
    _sums_of_levels(values, _split(weights, heads), unit, factors, out, heads, count, size, ahead)
