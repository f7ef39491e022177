"""The network on a CPU in int8 and bf16, in each tier of kernels: against the plain one, and against itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.engines.dia.network.attention import KvSizes
from pipeline.engines.dia.network.attention_cpu import FusedAttention
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import parse_config
from tests.support import dia_fixtures, tiny_dia
from tests.support.dia_fixtures import (
    CONFIG,
    USUAL,
    V1,
    V1_CONFIG,
    alone,
    by_key,
    eager,
    equal,
    fused,
    requests,
    run,
    tiny,
    usable_tiers,
)

tiers = pytest.mark.parametrize("tier", usable_tiers(), ids=str)
precisions = pytest.mark.parametrize("precision", ["int8", "bf16"])
TEXT = b"[S1] It is only a matter of time."


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny network is no faster with more, and much slower where other tests run beside it."""
    with dia_fixtures.threads(1):
        yield


def logits(model: Model, rows: Tensor, text: bytes | None = TEXT, at_once: int = 1000) -> Tensor:
    """What `model` makes of `rows` `[n, C]`, of which it reads so many at once and the rest one by one."""
    lane = model.lane(None if text is None else model.prefill_text(torch.tensor(list(text))), len(rows))
    parts = [rows[:at_once], *(row[None] for row in rows[at_once:])]
    return model.logits(torch.cat([model.step([lane], part[None])[0] for part in parts]))


def some_rows(count: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 1024, (count, 9)))


@tiers
@precisions
def test_a_take_is_the_same_in_any_company(precision: str, tier: str | None) -> None:
    """Code for code: alone, in a full batch, in another order, with other limits, and on other numbers of threads."""
    model, wanted = fused(precision, tier), requests(6, longest=10)
    expected = alone(model, wanted)
    assert len({len(made.codes) for made in expected.values()}) > 3
    assert equal(run(model, wanted, 6), expected)
    with dia_fixtures.threads(3):
        assert equal(by_key(eager(model, USUAL, 2).generate(wanted[::-1])), expected)


@tiers
def test_the_older_network_too(tier: str | None) -> None:
    """Its cross-attention turns keys and queries."""
    model, wanted = fused("int8", tier, config=V1_CONFIG), requests(4, longest=6)
    assert equal(run(model, wanted, 4, V1), alone(model, wanted, V1))


@pytest.mark.parametrize("tier", [tier for tier in usable_tiers() if tier])
@precisions
def test_rows_are_read_at_once_as_they_are_one_by_one(precision: str, tier: str) -> None:
    """Bit for bit: for attention of our own, a prompt's rows are nothing special."""
    model, rows = fused(precision, tier), some_rows(40)
    for text in (TEXT, None):
        assert torch.equal(logits(model, rows, text), logits(model, rows, text, at_once=1))


def off(model: Model, expected: Tensor, rows: Tensor) -> float:
    """How far `model` is from the `expected` logits, in parts of their spread."""
    made = torch.stack([logits(model, rows), logits(model, rows, None)])
    return float((made - expected).square().mean().sqrt() / expected.std())


@tiers
def test_errors_are_those_of_rounding(tier: str | None) -> None:
    """Against float32: bf16's is small, int8's a few times as large."""
    rows = some_rows(60)
    plain = tiny(torch.float32)
    expected = torch.stack([logits(plain, rows), logits(plain, rows, None)])
    assert off(fused("bf16", tier), expected, rows) < 0.02
    assert 0.002 < off(fused("int8", tier), expected, rows) < 0.06


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_tiers_agree(count: int, seed: int) -> None:
    """To rounding, and the products of int8 bit for bit (see there)."""
    rows = some_rows(count, seed)
    made = [logits(fused("int8", tier), rows) for tier in usable_tiers() if tier is not None]
    for other in made[1:]:
        torch.testing.assert_close(other, made[0], atol=0.15, rtol=0.02)


def test_memory_is_what_lanes_and_texts_take() -> None:
    """int8 takes a little more than half of what bf16 does."""
    int8, bf16 = fused("int8", "plain"), fused("bf16", "plain")
    for model in (int8, bf16):
        text, lane = model.prefill_text(torch.tensor(list(TEXT))), model.lane(None, 100)
        taken = sum(part.nbytes for part in (*text.cache, *lane.cache))
        assert taken == pytest.approx(KvSizes.of(model.attention).total(len(TEXT), 100, 1), rel=0.3)
    small, large = (KvSizes.of(model.attention).total(300, 1000, 2) for model in (int8, bf16))
    assert small < 0.8 * large


def test_heads_of_odd_sizes_are_left_to_torch() -> None:
    """The kernels know multiples of 16."""
    config = tiny_dia.config_dict(decoder={"head_dim": 10})
    assert FusedAttention.suits(CONFIG)
    assert not FusedAttention.suits(parse_config(config, "odd"))
