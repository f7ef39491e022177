"""The decoder's attention over the KV cache: the plain kind, on whatever torch computes with.

It is the specification. `attention_cpu.py` has the quicker kind for CPUs, `attention_cuda.py` the static one for CUDA.
A lane is a row of the batch with a KV cache of its own: the conditional one of a take, which reads its text, or the
unconditional one of guidance, which has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.weights.config import DiaConfig

_MEASURED = 1024  # rows and tokens
# Each `[layers, kv heads, capacity or a part of it, ...]`; what is in them is the affair of whoever made them.
KvCache = tuple[Tensor, ...]


@dataclass(frozen=True)
class Text:
    """The KV cache of a text of `length` tokens, of every layer's cross-attention."""

    cache: KvCache
    length: int


@dataclass(eq=False)
class Lane:
    """A row of the batch, with the KV cache of the `length` rows it has read. Unconditional without a text."""

    text: Text | None
    cache: KvCache
    length: int = 0

    def copy(self, other: Lane) -> None:
        """Begin with what `other`, a lane of the same kind and no greater capacity, has read."""
        for target, source in zip(self.cache, other.cache, strict=True):
            target[:, :, : source.shape[2]] = source
        self.length = other.length


class Batch(Protocol):
    """Lanes that read a number of rows each in one step. N: rows of all of them, R: of those with a text.

    All tensors are float32, whatever the KV cache is kept in.
    """

    def self_attention(self, layer: int, qkv: Tensor) -> Tensor:
        """`[N, heads * d]` of `qkv` `[N, (heads + 2 kv heads) * d]`, whose keys and values enter the KV cache first."""

    def cross_attention(self, layer: int, query: Tensor) -> Tensor:
        """`[R, cross heads * d]` of `query` `[R, cross heads * d]` over the lanes' texts."""


class Attention(Protocol):
    """A kind of KV cache, and how it is attended to."""

    def lane(self, text: Text | None, capacity: int) -> Lane:
        """An empty lane for up to `capacity` rows."""

    def text(self, length: int) -> Text:
        """The KV cache for a text of `length` tokens, still to be written."""

    def write_text(self, text: Text, layer: int, kv: Tensor) -> None:
        """Put the keys and values `kv` `[T, 2 * cross kv heads * d]` of a whole text into its KV cache."""

    def batch(self, lanes: Sequence[Lane], rows: int) -> Batch:
        """The step in which `lanes`, those with a text first, read `rows` rows each."""


@dataclass(frozen=True)
class KvSizes:
    """Bytes of KV cache for one row of a lane, and for one token of a text."""

    row: float
    token: float

    @classmethod
    def of(cls, attention: Attention) -> Self:
        """As measured on a lane and a text of `attention`."""
        measured = (attention.lane(None, _MEASURED), attention.text(_MEASURED))
        return cls(*(sum(tensor.nbytes for tensor in part.cache) / _MEASURED for part in measured))

    def total(self, tokens: int, rows: int, lanes: int) -> int:
        """Bytes for a text of so many tokens and `lanes` lanes of up to `rows` rows."""
        return round(tokens * self.token + lanes * rows * self.row)


class PlainAttention:
    """Lane by lane, by torch's own attention."""

    def __init__(self, config: DiaConfig, dtype: torch.dtype, device: torch.device) -> None:
        self.config = config
        self._dtype = dtype
        self._device = device
        self.rope, self.cross_rope = rope_tables(config, device)

    def lane(self, text: Text | None, capacity: int) -> Lane:
        """An empty lane, its keys and values `[layers, kv heads, capacity, d]`."""
        decoder = self.config.decoder
        return Lane(text, self._empty(decoder.kv_heads, capacity, decoder.head_dim))

    def text(self, length: int) -> Text:
        """An empty text, its keys and values `[layers, cross kv heads, T, d]`."""
        decoder = self.config.decoder
        return Text(self._empty(decoder.cross_kv_heads, length, decoder.cross_head_dim), length)

    def _empty(self, heads: int, capacity: int, size: int) -> KvCache:
        shape = (self.config.decoder.layers, heads, capacity, size)
        return tuple(torch.empty(shape, dtype=self._dtype, device=self._device) for _ in range(2))

    def write_text(self, text: Text, layer: int, kv: Tensor) -> None:
        """As `Attention.write_text`; the older network rotates keys by their places in the text."""
        decoder = self.config.decoder
        key, value = heads_of(kv, (decoder.cross_kv_heads,) * 2, decoder.cross_head_dim)
        if self.config.cross_rope:
            key = rotate(key, self.cross_rope, torch.arange(len(key), device=self._device))
        keys, values = text.cache
        keys[layer] = key.transpose(0, 1)
        values[layer] = value.transpose(0, 1)

    def batch(self, lanes: Sequence[Lane], rows: int) -> Batch:
        """As `Attention.batch`."""
        starts = torch.tensor([lane.length for lane in lanes], device=self._device)
        positions = (starts[:, None] + torch.arange(rows, device=self._device)).flatten()
        return _PlainBatch(self, lanes, rows, positions)


@dataclass(frozen=True)
class _PlainBatch:
    attention: PlainAttention
    lanes: Sequence[Lane]
    rows: int
    positions: Tensor  # `[N]`

    def self_attention(self, layer: int, qkv: Tensor) -> Tensor:
        decoder = self.attention.config.decoder
        query, key, value = heads_of(qkv, (decoder.heads, decoder.kv_heads, decoder.kv_heads), decoder.head_dim)
        query, key = (rotate(part, self.attention.rope, self.positions) for part in (query, key))
        attended = []
        rows = self.rows
        for lane, q, k, v in zip(self.lanes, query.split(rows), key.split(rows), value.split(rows), strict=True):
            end = lane.length + rows
            keys, values = lane.cache
            keys[layer, :, lane.length : end] = k.transpose(0, 1)
            values[layer, :, lane.length : end] = v.transpose(0, 1)
            attended.append(attend(q.to(keys.dtype), keys[layer, :, :end], values[layer, :, :end], causal=rows > 1))
        return torch.cat(attended).float()

    def cross_attention(self, layer: int, query: Tensor) -> Tensor:
        config = self.attention.config
        (query,) = heads_of(query, (config.decoder.cross_heads,), config.decoder.cross_head_dim)
        if config.cross_rope:
            query = rotate(query, self.attention.cross_rope, self.positions[: len(query)])
        caches = [lane.text.cache for lane in self.lanes if lane.text is not None]
        attended = [
            attend(q.to(keys.dtype), keys[layer], values[layer])
            for q, (keys, values) in zip(query.split(self.rows), caches, strict=True)
        ]
        return torch.cat(attended).float()


def heads_of(projected: Tensor, counts: Sequence[int], size: int) -> list[Tensor]:
    """`[N, sum(counts) * size]` as one `[N, count, size]` for each of `counts`."""
    return list(projected.view(len(projected), -1, size).split(list(counts), dim=1))


def rope_tables(config: DiaConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """The decoder's tables for self-attention, and for cross-attention where the network rotates there."""
    decoder = config.decoder
    longest = max(config.encoder.max_positions, decoder.max_positions)
    return (
        rope_table(decoder.max_positions, decoder.head_dim, decoder.rope_theta, device),
        rope_table(longest, decoder.cross_head_dim, decoder.rope_theta, device),
    )


def rope_table(positions: int, size: int, theta: float, device: torch.device) -> Tensor:
    """Cosines and sines `[2, positions, size / 2]`: a table, so that one of them never depends on its neighbours."""
    exponent = torch.arange(0, size, 2, dtype=torch.float64) / size
    angle = torch.arange(positions, dtype=torch.float64)[:, None] / theta**exponent
    return torch.stack([angle.cos(), angle.sin()]).float().to(device)


def rotate(x: Tensor, table: Tensor, positions: Tensor) -> Tensor:
    """Rotary positions on `x` `[N, heads, d]`, the halves of `d` as pairs, in float32."""
    cos, sin = table[:, positions][:, :, None]
    low, high = x.float().chunk(2, dim=-1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


def attend(query: Tensor, keys: Tensor, values: Tensor, *, causal: bool = False) -> Tensor:
    """`[n, heads * d]` from `query` `[n, heads, d]` over `keys` and `values` `[kv heads, T, d]`; the scale is 1."""
    count, heads, _size = query.shape
    group = heads // len(keys)
    if count == 1:  # the heads of a group share keys, as rows of one query
        attended = functional.scaled_dot_product_attention(
            query.reshape(1, len(keys), group, -1), keys[None], values[None], scale=1.0
        )
    else:
        keys, values = (part.repeat_interleave(group, dim=0)[None] for part in (keys, values))
        attended = functional.scaled_dot_product_attention(
            query.transpose(0, 1)[None], keys, values, is_causal=causal, scale=1.0
        ).transpose(1, 2)
    return attended.reshape(count, -1)
