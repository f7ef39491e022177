"""Attention of the decoder's rows over keys and values in int8 or bf16, and how rows come to be kept so.

A row reads a cache that lies anywhere in memory, as far as it says. Its bits depend on itself and on what it reads
alone: not on other rows, their number, the number of threads, or what else its cache has room for.

In int8, keys and values have a scale for each token and head, and the query, which is rounded too, one for each head:
the dots are exact, and all that follows is in fp32. In bf16 the query stays in fp32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pipeline.engines.dia.kernels.attention import loops
from pipeline.engines.dia.kernels.attention.loops import ROW_FIELDS
from pipeline.engines.dia.kernels.attention.vectors import GROUP, LANES
from pipeline.engines.dia.kernels.packing import WORD, ZERO_POINT, quantize_rows
from pipeline.engines.dia.kernels.parallel import Kernel

KvCache = tuple[Tensor, ...]

BLOCK = LANES  # tokens: capacities are multiples of it
_WIDE = 64  # numbers of a head: sizes that are multiples of it have the loops of AVX512
_LARGEST_SIZE = 512  # numbers of a head up to which dots of int8 are exact in fp32

_store = Kernel(loops.store_all)
_ATTEND: Mapping[tuple[torch.dtype, bool], Kernel] = {  # by the type of the values, and whether there is AVX512
    (torch.int8, True): Kernel(loops.int8_vnni),
    (torch.int8, False): Kernel(loops.int8_plain),
    (torch.bfloat16, True): Kernel(loops.bf16_avx512),
    (torch.bfloat16, False): Kernel(loops.bf16_plain),
}
_TIERS: Mapping[str, bool] = {"amx": True, "vnni": True, "plain": False}  # tiles were no quicker than VNNI here


def new_cache(dtype: torch.dtype, layers: int, heads: int, capacity: int, size: int) -> KvCache:
    """Room for `capacity` tokens, a multiple of 16, in `heads` heads of `size` numbers, a multiple of 16 up to 512.

    The keys `[layers, heads, capacity / 16, words, 16, numbers of a word]`, a word being 4 bytes of one token. In bf16
    the values `[layers, heads, capacity, size]`. In int8 they are `[layers, heads, capacity / 4, size, 4]`, with the
    scales of keys and of values, fp32 `[layers, heads, capacity]` each; and the keys are u8 with zero point 128. Raises
    ValueError for another size or type.
    """
    if capacity % BLOCK or size % LANES or not 0 < size <= _LARGEST_SIZE or dtype not in (torch.int8, torch.bfloat16):
        raise ValueError(f"no cache of {capacity} tokens of {size} numbers in {dtype}")
    word = WORD // dtype.itemsize
    key_dtype = torch.uint8 if dtype == torch.int8 else dtype
    keys = torch.empty(layers, heads, capacity // BLOCK, size // word, BLOCK, word, dtype=key_dtype)
    if dtype == torch.bfloat16:
        return keys, torch.empty(layers, heads, capacity, size, dtype=dtype)
    values = torch.empty(layers, heads, capacity // GROUP, size, GROUP, dtype=dtype)
    return keys, values, *(torch.empty(layers, heads, capacity) for _ in range(2))


def read_cache(cache: KvCache, layer: int, length: int) -> tuple[Tensor, Tensor]:
    """The keys and values of the first `length` tokens as fp32, `[heads, length, size]` each."""
    heads, capacity, size = _shape(cache)
    keys, values = (part[layer].float() for part in cache[:2])
    keys = keys.transpose(2, 3).reshape(heads, capacity, size)
    if len(cache) > 2:
        values = values.transpose(2, 3).reshape(heads, capacity, size)
        keys = (keys - ZERO_POINT) * cache[2][layer, :, :, None]
        values = values * cache[3][layer, :, :, None]
    return keys[:, :length], values[:, :length]


@dataclass(frozen=True)
class Rows:
    """The rows of one step: the cache, the length and the position of each. They are the same for every layer."""

    row_table: NDArray[np.int64]  # [ROW_FIELDS, M], as the kernels read it
    shape: tuple[int, int]  # heads and size of the caches
    dtype: torch.dtype  # of their values
    caches: tuple[KvCache, ...]  # kept, because `row_table` has their addresses

    @classmethod
    def of(cls, caches: Sequence[KvCache], lengths: ArrayLike, positions: ArrayLike) -> Self:
        """Rows `[M]`, M / len(caches) consecutive ones of each cache; all caches are of one shape but for capacity.

        A row reads the first `lengths` tokens of its cache, and is itself at `positions`: its angle, and where `store`
        writes it. Raises ValueError where a row would read more than its cache has room for.
        """
        lengths, positions = np.asarray(lengths, np.int64), np.asarray(positions, np.int64)
        row_table = np.zeros((ROW_FIELDS, len(lengths)), np.int64)
        of_caches = [
            (*(part.data_ptr() for part in cache), *(0,) * (4 - len(cache)), _shape(cache)[1]) for cache in caches
        ]
        row_table[:5] = np.repeat(np.array(of_caches, np.int64).T, len(lengths) // len(caches), axis=1)
        row_table[5], row_table[6] = lengths, positions
        if (lengths > row_table[4]).any() or lengths.min() < 0 or positions.min() < 0:
            raise ValueError(f"rows of {lengths.max()} tokens in caches of {row_table[4].min()}")
        heads, _capacity, size = _shape(caches[0])
        return cls(row_table, (heads, size), caches[0][1].dtype, tuple(caches))


def store(projected: Tensor, rows: Rows, layer: int, rope: Tensor | None = None) -> None:
    """Write keys and values, `projected` fp32 `[M, 2 * heads * size]`, into the caches, at the rows' positions.

    Keys are turned first, by `rope` if given: fp32 `[2, positions, size / 2]`, cosines and sines, with the halves of a
    head as pairs. They are rounded half to even: to bf16, or to int8 as `packing.quantize_rows` does.
    """
    heads, size = rows.shape
    stride = _stride(projected, rows, 2 * heads * size)
    if (rows.row_table[6] >= rows.row_table[4]).any():
        raise ValueError("a row is written behind the end of its cache")
    shape = (len(projected), heads, size, rows.dtype.itemsize, layer)
    _store(*shape, projected.data_ptr(), stride, rows.row_table.ctypes.data, *_table(rope, rows))


def attend(query: Tensor, rows: Rows, layer: int, tier: str, rope: Tensor | None = None) -> Tensor:
    """softmax(query keys) values for each row: fp32 `[M, heads * size]` to as much; the scale of the scores is 1.

    The query is turned by `rope` first, as keys are in `store`. As many query heads, one after the other, share a head
    of the cache as there are more of them. The result of a row with no tokens is zeros; NaN in a query, or in a key or
    a value that its row reads, makes NaN of all it could have changed. `tier` is one of `matmul.tiers`.
    """
    heads, size = rows.shape
    group = query.shape[1] // (heads * size)
    stride = _stride(query, rows, group * heads * size)
    out = torch.empty(len(query), group * heads * size)
    shape = (len(query), group, heads, size, layer)
    kernel = _ATTEND[rows.dtype, _TIERS[tier] and size % _WIDE == 0]
    kernel(*shape, query.data_ptr(), stride, rows.row_table.ctypes.data, *_table(rope, rows), out.data_ptr())
    return out


def check(tier: str) -> str:
    """What is wrong with attention of `tier` on this machine, or "": small numbers, compared with torch in fp32."""
    generator = torch.Generator().manual_seed(0)
    heads, group, capacity, lengths = 2, 4, 96, (1, 90)
    for dtype, size in ((torch.int8, 64), (torch.bfloat16, 64), (torch.int8, 16), (torch.bfloat16, 16)):
        caches = [new_cache(dtype, 1, heads, capacity, size) for _ in lengths]
        projected = torch.randn(len(lengths) * max(lengths), 2 * heads * size, generator=generator)
        everything = np.tile(np.arange(max(lengths)), len(lengths))
        store(projected, Rows.of(caches, everything, everything), 0)
        query = torch.randn(len(lengths), heads * group * size, generator=generator) / 4
        output = attend(query, Rows.of(caches, lengths, lengths), 0, tier)
        if dtype == torch.int8:
            numbers, scales = quantize_rows(query.view(-1, size))
            query = (numbers.float() - ZERO_POINT) * scales[:, None]
        for row, (cache, length) in enumerate(zip(caches, lengths, strict=True)):
            keys, values = read_cache(cache, 0, length)
            weights = (query.view(len(lengths), heads, group, size)[row] @ keys.transpose(1, 2)).softmax(-1)
            error = (output[row] - (weights @ values).flatten()).abs().max()
            if not error < 1e-4:
                return f"attention over {length} tokens of {size} numbers in {dtype} is off by {error:.2g}"
    return ""


def _shape(cache: KvCache) -> tuple[int, int, int]:
    """Heads, capacity and size."""
    _layers, heads, blocks, words, lanes, numbers = cache[0].shape
    return heads, blocks * lanes, words * numbers


def _stride(x: Tensor, rows: Rows, width: int) -> int:
    """Numbers from one row of `x` to the next."""
    wanted = (rows.row_table.shape[1], width)
    if x.shape != wanted or x.dtype != torch.float32 or x.stride(1) != 1:
        raise ValueError(f"{x.dtype} of {tuple(x.shape)} where {wanted} in fp32 are wanted, a row in one piece")
    return x.stride(0)


def _table(rope: Tensor | None, rows: Rows) -> tuple[int, int]:
    """Address of the angles, and how many positions there are."""
    if rope is None:
        return 0, 0
    last = rows.row_table[6].max()
    if not rope.is_contiguous() or rope.dtype != torch.float32 or rope.shape[1] <= last:
        raise ValueError(f"angles of {rope.dtype} for {rope.shape[1]} positions, and a row at {last}")
    return rope.data_ptr(), rope.shape[1]
