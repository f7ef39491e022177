"""Attention over the static KV cache: what a lane hears has the same bits whatever lies beside it and beyond it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.network import attention_cuda
from pipeline.engines.dia.network.attention_cuda import (
    BLOCK,
    LayerCache,
    StaticCache,
    attend_in_blocks,
    attend_in_tiles,
    steady_tile,
)
from pipeline.engines.dia.network.linear import FP8
from tests.support import dia_fixtures


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny network is no faster with more, and much slower where other tests run beside it."""
    with dia_fixtures.threads(1):
        yield


def kept(generator: torch.Generator, lanes: int, heads: int, places: int, size: int) -> LayerCache:
    """Random keys and values."""
    return LayerCache(*torch.randn(2, lanes, heads, places, size, generator=generator))


@settings(max_examples=20)
@given(st.lists(st.integers(1, 3 * BLOCK), min_size=1, max_size=4), st.sampled_from([1, 2, 4]), st.integers(0, 99))
def test_what_is_not_heard_changes_no_bit(lengths: list[int], group: int, seed: int) -> None:
    """Neither what lies beyond a lane's length, nor more blocks, nor other lanes; and the mean is right."""
    generator = torch.Generator().manual_seed(seed)
    lanes, size = len(lengths), 16
    query = torch.randn(lanes, 2 * group, size, generator=generator)
    there = kept(generator, lanes, 2, 3 * BLOCK, size)
    found = attend_in_blocks(query, there, torch.tensor(lengths), 3)
    for lane, length in enumerate(lengths):
        here = slice(lane, lane + 1)
        blocks = -(-length // BLOCK)
        other = kept(generator, 1, 2, 3 * BLOCK, size)
        for mine, its in zip(other, there.lanes(here), strict=True):
            mine[:, :, :length] = its[:, :, :length]
        other.keys[:, :, length:] *= 1e30
        for count in range(blocks, 4):
            again = attend_in_blocks(query[here], other, torch.tensor([length]), count)
            assert torch.equal(again[0], found[lane])
        keys, values = (part[lane, :, :length].double().repeat_interleave(group, dim=0)[None] for part in there)
        exact = functional.scaled_dot_product_attention(query[lane].double()[None, :, None], keys, values, scale=1.0)
        torch.testing.assert_close(found[lane].double(), exact.flatten(), atol=1e-5, rtol=1e-5)


def test_bf16_scores_are_not_rounded() -> None:
    """They are large, as nothing divides them: in bf16 two that differ by 1 at 300 would be the same."""
    query = torch.zeros(1, 1, 16, dtype=torch.bfloat16)
    query[..., 0], query[..., 1] = 100.0, 1.0
    keys = torch.zeros(1, 1, BLOCK, 16, dtype=torch.bfloat16)
    keys[..., :2, 0], keys[..., 1, 1] = 3.0, 1.0
    values = torch.zeros_like(keys)
    values[..., 1, :] = 1.0
    found = attend_in_blocks(query, LayerCache(keys, values), torch.tensor([2]), 1)
    torch.testing.assert_close(found, torch.full((1, 16), 1 / (1 + math.exp(-1))), atol=3e-3, rtol=0)


def test_fewer_lanes_attend_together_where_a_kernel_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library computes otherwise from 12 products on, and for 3 lanes: the tile gives each lane its bits."""
    product = attention_cuda._product

    def differing(left: Tensor, right: Tensor) -> Tensor:
        return product(left, right) * (1 + 1e-6 if len(left) >= 12 or len(left) == 6 else 1)

    monkeypatch.setattr(attention_cuda, "_product", differing)
    search = steady_tile.__wrapped__
    arguments = (4, 2, 16, torch.float32, torch.float32, "cpu")
    assert search((1, 2, 4), *arguments) == 4
    assert search((1, 2, 4, 8), *arguments) == 4
    assert search((1, 2, 4, 7), *arguments) == 2
    assert search((1, 3), *arguments) == 2
    generator = torch.Generator().manual_seed(1)
    query, there = torch.randn(7, 4, 16, generator=generator), kept(generator, 7, 2, BLOCK, 16)
    lengths = torch.arange(7) + 5
    alone = [attend_in_blocks(query[[n]], there.lanes(slice(n, n + 1)), lengths[[n]], 1) for n in range(7)]
    assert torch.equal(attend_in_tiles(query, there, lengths, 1, 2), torch.cat(alone))
    assert not torch.equal(attend_in_tiles(query, there, lengths, 1, 7), torch.cat(alone))


@pytest.mark.parametrize("fp8", [False, True], ids=["", "fp8"])
def test_a_store_keeps_its_lanes_when_it_grows_and_when_they_move(fp8: bool) -> None:
    """Both lanes of each slot, wherever they lie."""
    cpu, dtype = torch.device("cpu"), FP8 if fp8 else torch.float32
    store = StaticCache(2, 3, 16, 2, dtype, cpu).resized(3, 4)
    caches = {(slot, side): tuple(torch.randn(2, 2, 3, 4, 16)) for slot in range(3) for side in range(2)}
    for (slot, side), cache in caches.items():
        store.put(slot, side, cache, 4)
    store = store.resized(5, 9)
    store.move(2, 4, 4)
    store.move(0, 2, 3)
    store = store.resized(5, 9)
    for slot, origin, length in ((4, 2, 4), (1, 1, 4), (2, 0, 3)):
        for side in range(2):
            (place,) = [place for place in range(10) if place == (5 + slot if side else 4 - slot)]
            for index, layer in enumerate(store.layers):
                found, expected = (part[place, :, :length] for part in (layer.keys, layer.values)), caches[origin, side]
                for kind, (part, its) in enumerate(zip(found, expected, strict=True)):
                    whole = its[index, :, :length]
                    if layer.key_scales is not None and layer.value_scales is not None:
                        scales = (layer.key_scales, layer.value_scales)[kind]
                        torch.testing.assert_close(
                            part.float() * scales[place, :, :length, None], whole, atol=0.1, rtol=0.07
                        )
                    else:
                        assert torch.equal(part, whole)
    store.clear(4)
    assert not any(part[[0, 9]].float().any() for layer in store.layers for part in layer)
