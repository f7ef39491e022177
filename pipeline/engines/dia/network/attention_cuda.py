"""Attention over a static pool of lanes: tensor operations of fixed shapes, which a CUDA graph can hold.

A lane attends in blocks of exactly `BLOCK` keys, one after the other, with a running maximum, sum and mean (online
softmax, Milakov and Gimelshein 2018, arXiv:1805.02867). A block of which nothing is heard changes no bit: its weights
are exactly 0, the maximum stays, so that what came before is multiplied by exactly 1 and 0 is added. A lane therefore
has the same bits however many blocks its longer neighbours make it look at. Keys and values that are not heard may be
anything finite. Libraries choose a kernel by how many lanes there are, too, so `steady_tile` tries how many may attend
together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.engines.dia.network.attention import Cache, PlainAttention, heads_of, rotate
from pipeline.engines.dia.network.linear import FP8, to_fp8

BLOCK = 256  # keys


@dataclass(frozen=True)
class Kept:
    """Keys and values `[L, heads, T, d]` of one layer; in fp8 each of them is divided by its scale `[L, heads, T]`."""

    keys: Tensor
    values: Tensor
    key_scales: Tensor | None = None
    value_scales: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor]:
        return (part for part in (self.keys, self.values, self.key_scales, self.value_scales) if part is not None)

    def lanes(self, lanes: slice) -> Kept:
        """Some neighbours, as views."""
        return Kept(*(part[lanes] for part in self))

    def put(self, lanes: Tensor | int, places: Tensor | slice, keys: Tensor, values: Tensor) -> None:
        """Keep `keys` and `values` `[..., d]` as `keys[lanes, :, places]`."""
        if self.key_scales is None or self.value_scales is None:
            self.keys[lanes, :, places] = keys.to(self.keys.dtype)
            self.values[lanes, :, places] = values.to(self.values.dtype)
            return
        self.keys[lanes, :, places], self.key_scales[lanes, :, places] = to_fp8(keys)
        self.values[lanes, :, places], self.value_scales[lanes, :, places] = to_fp8(values)


@dataclass(frozen=True)
class Store:
    """What the lanes of a number of slots have read, up to `capacity` places each; all of it zeros to begin with.

    The conditional lane of slot `s` lies at `slots - 1 - s`, its unconditional one, where there are two `sides`, at
    `slots + s`: so the lanes of the first few slots are one piece, with the unconditional ones and without.
    """

    count: int  # of layers
    heads: int
    size: int
    sides: int
    dtype: torch.dtype  # fp8 too
    device: torch.device
    slots: int = 0
    capacity: int = 0

    @functools.cached_property
    def layers(self) -> list[Kept]:
        """Keys and values of each layer."""
        return [self._zeros() for _ in range(self.count)]

    def resized(self, slots: int, capacity: int) -> Store:
        """Another one, for `slots` and no less than the present `capacity`, with what the first slots hold."""
        other = replace(self, slots=slots, capacity=capacity)
        kept = min(slots, self.slots)
        above = kept * (self.sides - 1)
        for new, old in zip(other.layers, self.layers, strict=True):
            for part, its in zip(new, old, strict=True):
                part[slots - kept : slots + above, :, : self.capacity] = its[self.slots - kept : self.slots + above]
        return other

    def reach(self, slots: int, *, both: bool) -> slice:
        """The lanes of the first `slots` slots, the conditional ones first, from the last slot to the first."""
        return slice(self.slots - slots, self.slots + (slots if both else 0))

    def put(self, slot: int, side: int, cache: Cache, length: int) -> None:
        """Begin a lane with the first `length` places of what another has read, `[layers, heads, T, d]`."""
        keys, values = cache
        place = self._place(slot, side)
        for index, layer in enumerate(self.layers):
            layer.put(place, slice(length), keys[index, :, :length], values[index, :, :length])

    def move(self, source: int, target: int, length: int) -> None:
        """Let slot `target` have the first `length` places of slot `source`."""
        for side in range(self.sides):
            for part in (part for layer in self.layers for part in layer):
                part[self._place(target, side), :, :length] = part[self._place(source, side), :, :length]

    def clear(self, slot: int) -> None:
        """Leave no NaN behind: what is not heard is multiplied by 0, and must be finite."""
        for side in range(self.sides):
            for part in (part for layer in self.layers for part in layer):
                part[self._place(slot, side)] = 0

    def _place(self, slot: int, side: int) -> int:
        return self.slots + slot if side else self.slots - 1 - slot

    def _zeros(self) -> Kept:
        shape = (self.sides * self.slots, self.heads, self.capacity, self.size)
        keys, values = (torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        if self.dtype != FP8:
            return Kept(keys, values)
        return Kept(keys, values, *(torch.zeros(shape[:3], device=self.device) for _ in range(2)))


@dataclass(frozen=True)
class PoolBatch:
    """The lanes of the first slots, about to read a row each. N lanes, of which the first R read a text."""

    plain: PlainAttention
    heard: Store
    texts: Store
    slots: int
    guided: bool
    places: Tensor  # `[N]`, of the rows that are read
    lanes: Tensor  # `[N]`, 0 to N - 1
    text_lengths: Tensor  # `[R]`
    blocks: int  # that reach every row
    text_blocks: int
    tile: int  # lanes that attend together
    text_tile: int
    dtype: torch.dtype

    def hear(self, layer: int, mixed: Tensor) -> Tensor:
        """As `Batch.hear`."""
        decoder = self.plain.config.decoder
        query, key, value = heads_of(mixed, (decoder.heads, decoder.kv_heads, decoder.kv_heads), decoder.head_dim)
        query, key = (rotate(part, self.plain.rope, self.places) for part in (query, key))
        kept = self.heard.layers[layer].lanes(self.heard.reach(self.slots, both=self.guided))
        kept.put(self.lanes, self.places, key, value)
        return attend_in_tiles(query.to(self.dtype), kept, self.places + 1, self.blocks, self.tile)

    def read(self, layer: int, query: Tensor) -> Tensor:
        """As `Batch.read`."""
        config = self.plain.config
        (query,) = heads_of(query, (config.decoder.cross_heads,), config.decoder.cross_head_dim)
        if config.cross_rope:
            query = rotate(query, self.plain.cross_rope, self.places[: len(query)])
        kept = self.texts.layers[layer].lanes(self.texts.reach(self.slots, both=False))
        return attend_in_tiles(query.to(self.dtype), kept, self.text_lengths, self.text_blocks, self.text_tile)


@functools.cache
def steady_tile(
    counts: tuple[int, ...], heads: int, shared: int, size: int, dtype: torch.dtype, kept_as: torch.dtype, where: str
) -> int:
    """The most lanes that may attend together so that each has the bits it has alone, tried on the device `where`.

    `counts` are the numbers of lanes there may be; `shared` are the heads of keys, which are kept as `kept_as`.
    """
    most, device = max(counts), torch.device(where)
    generator = torch.Generator().manual_seed(0)
    query, *parts = (
        torch.randn(most, *shape, size, generator=generator).to(device)
        for shape in ((heads,), (shared, BLOCK), (shared, BLOCK))
    )
    store = Store(1, shared, size, 1, kept_as, device, most, BLOCK)
    kept, query = store.layers[0], query.to(dtype)
    kept.put(torch.arange(most, device=device), slice(BLOCK), *parts)
    lengths = torch.arange(most, device=device) * 37 % BLOCK + 1

    def attend(start: int, stop: int) -> Tensor:
        here = slice(start, stop)
        return attend_in_blocks(query[here], kept.lanes(here), lengths[here], 1)

    alone = torch.cat([attend(lane, lane + 1) for lane in range(most)])
    same = functools.cache(lambda count: torch.equal(attend(0, count), alone[:count]))
    tiles = [most, *(1 << power for power in reversed(range(most.bit_length())))]
    pieces = {tile: {min(tile, count) for count in counts} | {count % tile for count in counts} for tile in tiles}
    return next(tile for tile in tiles if all(same(piece) for piece in pieces[tile] if piece))


def attend_in_tiles(query: Tensor, kept: Kept, lengths: Tensor, blocks: int, tile: int) -> Tensor:
    """As `attend_in_blocks`, at most `tile` lanes together."""
    starts = range(0, len(query), tile)
    pieces = [slice(start, min(start + tile, len(query))) for start in starts]
    return torch.cat([attend_in_blocks(query[here], kept.lanes(here), lengths[here], blocks) for here in pieces])


def attend_in_blocks(query: Tensor, kept: Kept, lengths: Tensor, blocks: int) -> Tensor:
    """`[L, heads * d]` in float32 from `query` `[L, heads, d]` over the first `lengths` `[L]` places; the scale is 1.

    Of `kept` only the first `blocks` blocks are looked at; no length is 0. The heads that share keys are rows of one
    product, and nothing is repeated.
    """
    lanes, heads, size = query.shape
    shared = kept.keys.shape[1]
    batch, group = lanes * shared, heads // shared
    query = query.reshape(batch, group, size)
    most: Tensor | None = None
    total = heard = query  # until the first block, in which something is heard by each lane
    place = torch.arange(BLOCK, device=query.device)
    for start in range(0, blocks * BLOCK, BLOCK):
        here = slice(start, start + BLOCK)
        keys, values = (part[:, :, here].flatten(0, 1).to(query.dtype) for part in (kept.keys, kept.values))
        scores = _product(query, keys.transpose(1, 2))
        if kept.key_scales is not None:
            scores = scores * kept.key_scales[:, :, here].reshape(batch, 1, BLOCK)
        beyond = (place + start >= lengths[:, None])[:, None].expand(-1, shared, -1)
        scores = scores.masked_fill(beyond.reshape(batch, 1, BLOCK), -math.inf)
        highest = scores.amax(-1, keepdim=True)
        higher = highest if most is None else torch.maximum(most, highest)
        weights = (scores - higher).exp()
        weight = weights.sum(-1, keepdim=True)
        if kept.value_scales is not None:
            weights = weights * kept.value_scales[:, :, here].reshape(batch, 1, BLOCK)
        mean = _product(weights.to(query.dtype), values)
        if most is None:
            total, heard = weight, mean
        else:
            fade = (most - higher).exp()
            total, heard = total * fade + weight, heard * fade + mean
        most = higher
    return (heard / total).view(lanes, heads * size)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right` in float32 for batches in any float type: rounding the scores to bf16 would be far too coarse."""
    if left.device.type == "cuda" and left.dtype != torch.float32:
        return torch.bmm(left, right, out_dtype=torch.float32)
    return torch.bmm(left.float(), right.float())
