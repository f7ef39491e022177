"""Attention on a CPU in kernels of our own: one call for all lanes, over a KV cache in int8 or bf16.

A row of a prefill is a row like any other, with more and more before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.engines.dia.kernels.attention import BLOCK, Rows, attend, new_cache, store
from pipeline.engines.dia.network.attention import Batch, KvCache, Lane, Text, rope_tables
from pipeline.engines.dia.weights.config import DiaConfig


class FusedAttention:
    """An `Attention` whose KV cache is of `dtype`: int8, with scales for each token, or bf16."""

    def __init__(self, config: DiaConfig, dtype: torch.dtype, tier: str) -> None:
        self.config = config
        self.tier = tier
        self._dtype = dtype
        self.rope, cross_rope = rope_tables(config, torch.device("cpu"))
        self.cross_rope = cross_rope if config.cross_rope else None

    @staticmethod
    def suits(config: DiaConfig) -> bool:
        """Whether the kernels know heads of such sizes."""
        decoder = config.decoder
        return decoder.head_dim % BLOCK == 0 and decoder.cross_head_dim % BLOCK == 0

    def lane(self, text: Text | None, capacity: int) -> Lane:
        """An empty lane; capacities are rounded up to whole blocks of tokens."""
        decoder = self.config.decoder
        return Lane(text, self._cache(decoder.kv_heads, capacity, decoder.head_dim))

    def text(self, length: int) -> Text:
        """An empty text, rounded up like lanes."""
        decoder = self.config.decoder
        return Text(self._cache(decoder.cross_kv_heads, length, decoder.cross_head_dim), length)

    def _cache(self, heads: int, capacity: int, size: int) -> KvCache:
        return new_cache(self._dtype, self.config.decoder.layers, heads, capacity + -capacity % BLOCK, size)

    def write_text(self, text: Text, layer: int, kv: Tensor) -> None:
        """As `Attention.write_text`; the older network rotates keys by their places in the text."""
        positions = np.arange(text.length)
        store(kv, Rows.of([text.cache], positions, positions), layer, self.cross_rope)

    def batch(self, lanes: Sequence[Lane], rows: int) -> Batch:
        """As `Attention.batch`; what is the same for every layer is computed here, once."""
        following = np.arange(rows)
        positions = np.concatenate([lane.length + following for lane in lanes])
        texts = [lane.text for lane in lanes if lane.text is not None]
        with_text = positions[: rows * len(texts)]
        lengths = np.repeat([text.length for text in texts], rows)
        return _FusedBatch(
            self,
            Rows.of([lane.cache for lane in lanes], positions + 1, positions),
            Rows.of([text.cache for text in texts], lengths, with_text) if texts else None,
        )


@dataclass(frozen=True)
class _FusedBatch:
    attention: FusedAttention
    of_lanes: Rows
    of_texts: Rows | None

    def self_attention(self, layer: int, qkv: Tensor) -> Tensor:
        decoder = self.attention.config.decoder
        queries = decoder.heads * decoder.head_dim
        query, kv = qkv[:, :queries], qkv[:, queries:]
        store(kv, self.of_lanes, layer, self.attention.rope)
        return attend(query, self.of_lanes, layer, self.attention.tier, self.attention.rope)

    def cross_attention(self, layer: int, query: Tensor) -> Tensor:
        assert self.of_texts is not None
        return attend(query, self.of_texts, layer, self.attention.tier, self.attention.cross_rope)
