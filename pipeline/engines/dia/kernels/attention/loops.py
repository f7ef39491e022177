"""Attention of one step's rows, and the keys and values it stores: what each thread does, compiled by numba.

A piece of work is one row and one head of its keys and values, with the query heads that share it. Nothing a piece
computes depends on another piece, so a row has the same bits whatever rows there are and whoever computes them.

A row is described by `ROW_FIELDS` int64: the addresses of its cache's keys, of its values, and in int8 of the scales of
both, laid out as `attention.new_cache` says; then the capacity, how many tokens the row reads, and its position.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import carray, njit

from pipeline.engines.dia.kernels import llvm
from pipeline.engines.dia.kernels.arithmetic import (
    SUMMED,
    exponential,
    from_ordered,
    ordered,
    round_to_int8,
    rounded_to_bf16,
    total,
)
from pipeline.engines.dia.kernels.attention import vectors, vnni
from pipeline.engines.dia.kernels.attention.vectors import GROUP, LANES, LINE, TILE
from pipeline.engines.dia.kernels.packing import ZERO_POINT

_ZERO_POINT = np.float32(ZERO_POINT)  # of keys in int8
_LOWEST = np.float32(-3.4e38)
ROW_FIELDS = 7


@njit
def _rotated(row: Any, table: Any, positions: Any, position: Any, out: Any) -> None:
    """Write `row` `[size]`, turned by the rotary angles of its position, to `out`: element i pairs with i + size / 2.

    The table of cosines and sines is fp32 `[2, positions, size / 2]`; at address 0 there is none, and nothing turns.
    """
    half = len(row) // 2
    if table == 0:
        out[:] = row
        return
    cosines, sines = carray(llvm.at(table), (2, positions, half), np.float32)[:, position]
    for index in range(half):
        low, high = row[index], row[index + half]
        out[index] = low * cosines[index] - high * sines[index]
        out[index + half] = high * cosines[index] + low * sines[index]


@njit
def store(block: Any) -> None:
    """Write the keys and values of all rows into their caches, each at its row's position, a row at a time."""
    rows, heads, size, item, layer, source, stride, row_table_at, table, positions = block[1:11]
    row_table = carray(llvm.at(row_table_at), (ROW_FIELDS, rows), np.int64)
    turned, rounded = np.empty(size, np.float32), np.empty(size * item, np.uint8)
    row = llvm.claim(block.ctypes.data)
    while row < rows:
        keys, values, key_scales, value_scales, capacity, _length, position = row_table[:, row]
        given = carray(llvm.at(source + 4 * row * stride), (2, heads, size), np.float32)
        for head in range(heads):
            token = (layer * heads + head) * capacity + position
            lane, part = position % LANES, position % GROUP
            _rotated(given[0, head], table, positions, position, turned)
            if item == 1:
                carray(llvm.at(key_scales + 4 * token), 1, np.float32)[0] = round_to_int8(turned, _ZERO_POINT, rounded)
                _spread(rounded.view(np.uint32), keys + (token - lane) * size, LANES, lane)
                scale = round_to_int8(given[1, head], np.float32(0.0), rounded.view(np.int8))
                carray(llvm.at(value_scales + 4 * token), 1, np.float32)[0] = scale
                _spread(rounded, values + (token - part) * size, GROUP, part)
            else:
                _round_to_bf16(turned, rounded.view(np.uint16))
                _spread(rounded.view(np.uint32), keys + (token - lane) * size * item, LANES, lane)
                _round_to_bf16(given[1, head], carray(llvm.at(values + token * size * item), size, np.uint16))
        row = llvm.claim(block.ctypes.data)


@njit
def _round_to_bf16(row: Any, out: Any) -> None:
    for index in range(len(row)):
        out[index] = rounded_to_bf16(row[index])


@njit
def _spread(row: Any, at: Any, lanes: Any, lane: Any) -> None:
    """Write `row` to one of the lanes that take turns at `at`."""
    out = carray(llvm.at(at), (len(row), lanes), row.dtype)
    for index in range(len(row)):
        out[index, lane] = row[index]


@njit
def _as_int8(row: Any, at: Any, member: Any) -> Any:
    """Write query `row` in int8 to `[group, size]` at `at`; its scale, and what the zero point adds to its dots."""
    out = carray(llvm.at(at + member * len(row)), len(row), np.int8)
    scale = round_to_int8(row, np.float32(0.0), out)
    total = 0
    for number in out:
        total += number
    return scale, _ZERO_POINT * np.float32(total)


@njit
def _as_whole(row: Any, at: Any, member: Any) -> Any:
    """As `_as_int8`, but the whole numbers are written as fp32."""
    out = carray(llvm.at(at + 4 * member * len(row)), len(row), np.float32)
    scale = round_to_int8(row, np.float32(0.0), out)
    return scale, _ZERO_POINT * out.sum()


@njit
def _as_fp32(row: Any, at: Any, member: Any) -> Any:
    """Write query `row` to `[group, size]` at `at`, as it is."""
    carray(llvm.at(at + 4 * member * len(row)), len(row), np.float32)[:] = row
    return np.float32(1.0), np.float32(0.0)


@njit
def _weigh(scores: Any, count: Any, of_query: Any, key_scales: Any, value_scales: Any, highest: Any) -> Any:
    """Turn the dots `[TILE]` of one query with `count` tokens into weights of their values, zeros behind the last.

    They are in units of e to the highest score yet. Returns that score and the sum of the weights.
    """
    shift, scale = of_query
    top = ordered(highest)
    for index in range(count):
        scores[index] = (scores[index] - shift) * (scale * key_scales[index])
        top = max(top, ordered(scores[index]))
    highest = from_ordered(top)
    for index in range(count):
        scores[index] = exponential(scores[index] - highest)
    scores[count:] = np.float32(0.0)
    summed = total(scores.ctypes.data, TILE // SUMMED)
    for index in range(count):
        scores[index] *= value_scales[index]
    return highest, summed


@njit
def _as_they_are(scales: Any, out: Any) -> Any:
    """Write the scales of a tile's values to `out`, in units that are returned."""
    out[: len(scales)] = scales
    return np.float32(1.0)


class _Memory(NamedTuple):
    """What one thread works with, for the query heads of a piece."""

    queries: Any  # [group, size], as the tier's loops read them
    scales: Any  # [group]: of the queries, fp32 as all of this
    shifts: Any  # [group]: what the keys' zero point adds to dots
    highest: Any  # [group]: the highest score yet
    totals: Any  # [group]: the sum of all weights, in units of e to the highest score
    factors: Any  # [group]: what that unit has become in units of the new one
    weights: Any  # [group, TILE]: dots of a tile, and then weights; behind it is as much for the tier's loops
    key_scales: Any  # [TILE]
    value_scales: Any  # [TILE]


@njit
def _memory(at: Any, group: Any, size: Any) -> Any:
    """The parts of `_memory_numbers` fp32 at `at`. Parts of an array would be counted, which takes longer than work."""
    queries = carray(llvm.at(at), (group, size), np.float32)
    weights = carray(llvm.at(at + queries.nbytes), (2 * group, TILE), np.float32)
    of_tile = carray(llvm.at(at + queries.nbytes + weights.nbytes), (2, TILE), np.float32)
    of_queries = carray(llvm.at(at + queries.nbytes + weights.nbytes + of_tile.nbytes), (5, group), np.float32)
    scales, shifts, highest, totals, factors = of_queries
    of_tile[:] = np.float32(1.0)
    return _Memory(queries, scales, shifts, highest, totals, factors, weights[:group], of_tile[0], of_tile[1])


@njit
def _memory_numbers(group: Any, size: Any) -> Any:
    return group * (size + 2 * TILE + 5) + 2 * TILE


@njit
def _weigh_tile(memory: Any, count: Any, ahead: Any, lines: Any) -> None:
    """Turn the dots of a tile of `count` tokens into weights, and add them up.

    So that the memory is not idle meanwhile, `lines` cache lines from `ahead` on are fetched for each query.
    """
    for member in range(len(memory.weights)):
        vectors.fetch(ahead + member * lines * LINE, lines)
        before, of_query = memory.highest[member], (memory.shifts[member], memory.scales[member])
        of_tile = memory.key_scales, memory.value_scales
        highest, summed = _weigh(memory.weights[member], count, of_query, *of_tile, before)
        factor = exponential(before - highest)
        memory.highest[member], memory.factors[member] = highest, factor
        memory.totals[member] = memory.totals[member] * factor + summed


def _named(name: str, function: Any) -> Any:
    """`function` compiled under a name of its own.

    numba numbers functions of one name in the order they are compiled in, process by process, and two that were cached
    by two processes may have one number: the second to be loaded would call the first.
    """
    function.__qualname__ = f"{function.__name__}_{name}"
    return njit(function)


def _over_tokens(name: str, item: int, dots: Any, units: Any, sums: Any) -> Any:
    """The loop over the tokens of a piece, in caches of `item` bytes a number, with the loops of a tier."""

    def over_tokens(places: Any, following: Any, length: Any, memory: Any, attended: Any) -> None:
        keys, values, key_scales, value_scales = places
        group, size = attended.shape
        tile_bytes = TILE * size * item
        lines_at_once = tile_bytes // LINE // 4  # of keys: more would keep the dots from what they need themselves
        lines_of_query = (tile_bytes // LINE - lines_at_once) // group
        for first in range(0, length, TILE):
            count = min(TILE, length - first)
            key_ahead, value_ahead, unit = tile_bytes, tile_bytes, np.float32(1.0)
            if first + TILE >= length:
                key_ahead, value_ahead = following[0] - keys, following[1] - values
            weights, blocks = memory.weights.ctypes.data, (count + LANES - 1) // LANES
            vectors.fetch(keys + key_ahead, lines_at_once)
            dots(keys, memory.queries.ctypes.data, weights, group, blocks, size)
            if item == 1:
                memory.key_scales[:count] = carray(llvm.at(key_scales + 4 * first), count, np.float32)
                unit = units(carray(llvm.at(value_scales + 4 * first), count, np.float32), memory.value_scales)
            _weigh_tile(memory, count, keys + key_ahead + lines_at_once * LINE, lines_of_query)
            factors, out = memory.factors.ctypes.data, attended.ctypes.data
            sums(values, weights, unit, factors, out, group, count, size, value_ahead)
            keys += tile_bytes
            values += tile_bytes

    return _named(name, over_tokens)


@njit
def _places(row_table: Any, piece: Any, heads: Any, layer: Any, row_bytes: Any) -> Any:
    """Where the keys and values of a piece are, and their scales."""
    row = piece // heads
    first = (layer * heads + piece % heads) * row_table[4, row]
    start, scales = first * row_bytes, 4 * first
    return row_table[0, row] + start, row_table[1, row] + start, row_table[2, row] + scales, row_table[3, row] + scales


def _attention(name: str, item: int, prepare: Any, over_tokens: Any) -> Any:
    """The loop over pieces."""

    def attend(block: Any) -> None:
        rows, group, heads, size, layer, query, stride, row_table_at, table, positions, out = block[1:12]
        row_table = carray(llvm.at(row_table_at), (ROW_FIELDS, rows), np.int64)
        owned = np.empty(size + _memory_numbers(group, size), np.float32)
        turned, memory = owned[:size], _memory(owned.ctypes.data + 4 * size, group, size)
        pieces = rows * heads
        piece = llvm.claim(block.ctypes.data)
        while piece < pieces:
            row, following = piece // heads, llvm.claim(block.ctypes.data)
            attended = carray(llvm.at(out + 4 * piece * group * size), (group, size), np.float32)
            given_at = query + 4 * (row * stride + piece % heads * group * size)
            given = carray(llvm.at(given_at), (group, size), np.float32)
            for member in range(group):
                _rotated(given[member], table, positions, row_table[6, row], turned)
                of_query = prepare(turned, memory.queries.ctypes.data, member)
                memory.scales[member], memory.shifts[member] = of_query
            attended[:], memory.totals[:], memory.highest[:] = np.float32(0.0), np.float32(0.0), _LOWEST
            places = _places(row_table, piece, heads, layer, size * item)
            next_places = _places(row_table, min(following, pieces - 1), heads, layer, size * item)
            over_tokens(places, next_places, row_table[5, row], memory, attended)
            if row_table[5, row] > 0:
                for member in range(group):
                    attended[member] /= memory.totals[member]
            piece = following
        owned[0] = np.float32(0.0)  # it would be freed after its last use

    return _named(name, attend)


_vnni_loops = _over_tokens("int8_vnni", 1, vnni.scores(4), vnni.in_units, vnni.sums)
_int8_loops = _over_tokens("int8_plain", 1, vectors.scores("int8", 1), _as_they_are, vectors.sums("int8", 16))
_bf16_wide_loops = _over_tokens("bf16_wide", 2, vectors.scores("bf16", 4), _as_they_are, vectors.sums("bf16", 64))
_bf16_loops = _over_tokens("bf16_plain", 2, vectors.scores("bf16", 1), _as_they_are, vectors.sums("bf16", 16))

_int8_vnni = _attention("int8_vnni", 1, _as_int8, _vnni_loops)
_int8_plain = _attention("int8_plain", 1, _as_whole, _int8_loops)
_bf16_avx512 = _attention("bf16_avx512", 2, _as_fp32, _bf16_wide_loops)
_bf16_plain = _attention("bf16_plain", 2, _as_fp32, _bf16_loops)


def store_all(block: Any) -> None:
    """Begin `store`."""
    store(carray(block, 11, np.int64))


def int8_vnni(block: Any) -> None:
    """Attention over int8 with AVX512 and its VNNI."""
    _int8_vnni(carray(block, 12, np.int64))


def int8_plain(block: Any) -> None:
    """Attention over int8 on any CPU."""
    _int8_plain(carray(block, 12, np.int64))


def bf16_avx512(block: Any) -> None:
    """Attention over bf16 with the registers of AVX512."""
    _bf16_avx512(carray(block, 12, np.int64))


def bf16_plain(block: Any) -> None:
    """Attention over bf16 on any CPU."""
    _bf16_plain(carray(block, 12, np.int64))
