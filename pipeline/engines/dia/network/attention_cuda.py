"""Attention over a static KV cache: tensor operations of fixed shapes, which a CUDA graph can hold.

A lane attends in blocks of exactly `BLOCK` keys, one after the other, with a running maximum, sum and mean (online
softmax, Milakov and Gimelshein 2018, arXiv:1805.02867). A block that lies wholly beyond a lane's length changes no bit:
its weights are exactly 0, the maximum stays, so that what came before is multiplied by exactly 1 and 0 is added. A lane
therefore has the same bits however many blocks its longer neighbours make it look at. Keys and values beyond the length
may be anything finite. Libraries choose a kernel by how many lanes there are, too, so `steady_tile` tries how many may
attend together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.engines.dia.network.attention import KvCache, PlainAttention, heads_of, rotate
from pipeline.engines.dia.network.linear import FP8, to_fp8

BLOCK = 256  # keys


@dataclass(frozen=True)
class LayerCache:
    """Keys and values `[L, heads, T, d]` of one layer; in fp8 each of them is divided by its scale `[L, heads, T]`."""

    keys: Tensor
    values: Tensor
    key_scales: Tensor | None = None
    value_scales: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor]:
        return (part for part in (self.keys, self.values, self.key_scales, self.value_scales) if part is not None)

    def lanes(self, lanes: slice) -> LayerCache:
        """Some neighbours, as views."""
        return LayerCache(*(part[lanes] for part in self))

    def put(self, lanes: Tensor | int, positions: Tensor | slice, keys: Tensor, values: Tensor) -> None:
        """Write `keys` and `values` `[..., d]` to `[lanes, :, positions]`."""
        if self.key_scales is None or self.value_scales is None:
            self.keys[lanes, :, positions] = keys.to(self.keys.dtype)
            self.values[lanes, :, positions] = values.to(self.values.dtype)
            return
        self.keys[lanes, :, positions], self.key_scales[lanes, :, positions] = to_fp8(keys)
        self.values[lanes, :, positions], self.value_scales[lanes, :, positions] = to_fp8(values)


@dataclass(frozen=True)
class StaticCache:
    """The KV cache of all lanes of a number of slots, up to `capacity` positions each; zeros to begin with.

    The conditional lane of slot `s` lies at `slots - 1 - s`, its unconditional one, where there are two `sides`, at
    `slots + s`: so the lanes of the first few slots are one piece, with the unconditional ones and without.
    """

    count: int  # of layers
    heads: int
    size: int
    sides: int  # 2 with unconditional lanes, otherwise 1
    dtype: torch.dtype  # fp8 too
    device: torch.device
    slots: int = 0
    capacity: int = 0

    @functools.cached_property
    def layers(self) -> list[LayerCache]:
        """Keys and values of each layer."""
        return [self._zeros() for _ in range(self.count)]

    def resized(self, slots: int, capacity: int) -> StaticCache:
        """Another one, for `slots` and no less than the present `capacity`, with what the first slots hold."""
        other = replace(self, slots=slots, capacity=capacity)
        kept = min(slots, self.slots)
        above = kept * (self.sides - 1)
        for new, old in zip(other.layers, self.layers, strict=True):
            for target, source in zip(new, old, strict=True):
                target[slots - kept : slots + above, :, : self.capacity] = source[
                    self.slots - kept : self.slots + above
                ]
        return other

    def lanes_of(self, slots: int, *, both: bool) -> slice:
        """The lanes of the first `slots` slots, the conditional ones first, from the last slot to the first."""
        return slice(self.slots - slots, self.slots + (slots if both else 0))

    def put(self, slot: int, side: int, cache: KvCache, length: int) -> None:
        """Begin a lane with the first `length` positions of another's KV cache, `[layers, heads, T, d]`."""
        keys, values = cache
        place = self._place(slot, side)
        for index, layer in enumerate(self.layers):
            layer.put(place, slice(length), keys[index, :, :length], values[index, :, :length])

    def move(self, source: int, target: int, length: int) -> None:
        """Let slot `target` have the first `length` positions of slot `source`."""
        for side in range(self.sides):
            for part in (part for layer in self.layers for part in layer):
                part[self._place(target, side), :, :length] = part[self._place(source, side), :, :length]

    def clear(self, slot: int) -> None:
        """Leave no NaN behind: what lies beyond a lane's length is multiplied by 0, and must be finite."""
        for side in range(self.sides):
            for part in (part for layer in self.layers for part in layer):
                part[self._place(slot, side)] = 0

    def _place(self, slot: int, side: int) -> int:
        return self.slots + slot if side else self.slots - 1 - slot

    def _zeros(self) -> LayerCache:
        shape = (self.sides * self.slots, self.heads, self.capacity, self.size)
        keys, values = (torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        if self.dtype != FP8:
            return LayerCache(keys, values)
        return LayerCache(keys, values, *(torch.zeros(shape[:3], device=self.device) for _ in range(2)))


@dataclass(frozen=True)
class StaticBatch:
    """A `Batch` of the lanes of the first slots, a row of each: N lanes, of which the first R read a text."""

    plain: PlainAttention
    self_cache: StaticCache
    cross_cache: StaticCache
    slots: int
    guided: bool
    positions: Tensor  # `[N]`, of the rows that are read
    lanes: Tensor  # `[N]`, 0 to N - 1
    text_lengths: Tensor  # `[R]`
    blocks: int  # of keys, enough for every lane
    text_blocks: int
    tile: int  # lanes that attend together
    text_tile: int
    dtype: torch.dtype

    def self_attention(self, layer: int, qkv: Tensor) -> Tensor:
        """As `Batch.self_attention`."""
        decoder = self.plain.config.decoder
        query, key, value = heads_of(qkv, (decoder.heads, decoder.kv_heads, decoder.kv_heads), decoder.head_dim)
        query, key = (rotate(part, self.plain.rope, self.positions) for part in (query, key))
        cache = self.self_cache.layers[layer].lanes(self.self_cache.lanes_of(self.slots, both=self.guided))
        cache.put(self.lanes, self.positions, key, value)
        return attend_in_tiles(query.to(self.dtype), cache, self.positions + 1, self.blocks, self.tile)

    def cross_attention(self, layer: int, query: Tensor) -> Tensor:
        """As `Batch.cross_attention`."""
        config = self.plain.config
        (query,) = heads_of(query, (config.decoder.cross_heads,), config.decoder.cross_head_dim)
        if config.cross_rope:
            query = rotate(query, self.plain.cross_rope, self.positions[: len(query)])
        cache = self.cross_cache.layers[layer].lanes(self.cross_cache.lanes_of(self.slots, both=False))
        return attend_in_tiles(query.to(self.dtype), cache, self.text_lengths, self.text_blocks, self.text_tile)


@functools.cache
def steady_tile(
    counts: tuple[int, ...], heads: int, kv_heads: int, size: int, dtype: torch.dtype, kv_dtype: torch.dtype, on: str
) -> int:
    """The most lanes that may attend together so that each has the bits it has alone, tried on the device `on`.

    `counts` are the numbers of lanes there may be; heads are of `size`, queries of `dtype`, the KV cache of `kv_dtype`.
    """
    most, device = max(counts), torch.device(on)
    generator = torch.Generator().manual_seed(0)
    query, *parts = (
        torch.randn(most, *shape, size, generator=generator).to(device)
        for shape in ((heads,), (kv_heads, BLOCK), (kv_heads, BLOCK))
    )
    (cache,) = StaticCache(1, kv_heads, size, 1, kv_dtype, device, most, BLOCK).layers
    query = query.to(dtype)
    cache.put(torch.arange(most, device=device), slice(BLOCK), *parts)
    lengths = torch.arange(most, device=device) * 37 % BLOCK + 1

    def attend(start: int, stop: int) -> Tensor:
        some = slice(start, stop)
        return attend_in_blocks(query[some], cache.lanes(some), lengths[some], 1)

    alone = torch.cat([attend(lane, lane + 1) for lane in range(most)])
    same = functools.cache(lambda count: torch.equal(attend(0, count), alone[:count]))
    tiles = [most, *(1 << power for power in reversed(range(most.bit_length())))]
    pieces = {tile: {min(tile, count) for count in counts} | {count % tile for count in counts} for tile in tiles}
    return next(tile for tile in tiles if all(same(piece) for piece in pieces[tile] if piece))


def attend_in_tiles(query: Tensor, cache: LayerCache, lengths: Tensor, blocks: int, tile: int) -> Tensor:
    """As `attend_in_blocks`, at most `tile` lanes together."""
    starts = range(0, len(query), tile)
    tiles = [slice(start, min(start + tile, len(query))) for start in starts]
    return torch.cat([attend_in_blocks(query[some], cache.lanes(some), lengths[some], blocks) for some in tiles])


def attend_in_blocks(query: Tensor, cache: LayerCache, lengths: Tensor, blocks: int) -> Tensor:
    """`[L, heads * d]` in float32 from `query` `[L, heads, d]` over the first `lengths` `[L]` positions; scale 1.

    Of `cache` only the first `blocks` blocks are looked at; no length is 0. The heads that share keys are rows of one
    product, and nothing is repeated.
    """
    lanes, heads, size = query.shape
    kv_heads = cache.keys.shape[1]
    batch, group = lanes * kv_heads, heads // kv_heads
    query = query.reshape(batch, group, size)
    maximum: Tensor | None = None
    total = mean = query  # until the first block, in which each lane has keys
    place = torch.arange(BLOCK, device=query.device)
    for start in range(0, blocks * BLOCK, BLOCK):
        block = slice(start, start + BLOCK)
        keys, values = (part[:, :, block].flatten(0, 1).to(query.dtype) for part in (cache.keys, cache.values))
        scores = _product(query, keys.transpose(1, 2))
        if cache.key_scales is not None:
            scores = scores * cache.key_scales[:, :, block].reshape(batch, 1, BLOCK)
        beyond = (place + start >= lengths[:, None])[:, None].expand(-1, kv_heads, -1)
        scores = scores.masked_fill(beyond.reshape(batch, 1, BLOCK), -math.inf)
        block_maximum = scores.amax(-1, keepdim=True)
        new_maximum = block_maximum if maximum is None else torch.maximum(maximum, block_maximum)
        weights = (scores - new_maximum).exp()
        block_total = weights.sum(-1, keepdim=True)
        if cache.value_scales is not None:
            weights = weights * cache.value_scales[:, :, block].reshape(batch, 1, BLOCK)
        block_mean = _product(weights.to(query.dtype), values)
        if maximum is None:
            total, mean = block_total, block_mean
        else:
            fade = (maximum - new_maximum).exp()
            total, mean = total * fade + block_total, mean * fade + block_mean
        maximum = new_maximum
    return (mean / total).view(lanes, heads * size)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right` in float32 for batches in any float type: rounding the scores to bf16 would be far too coarse."""
    if left.device.type == "cuda" and left.dtype != torch.float32:
        return torch.bmm(left, right, out_dtype=torch.float32)
    return torch.bmm(left.float(), right.float())
