"""Attention over int8 and bf16, and norms and gates, against torch in fp32 and against themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.engines.dia.devices import cpu_features
from pipeline.engines.dia.kernels import attention, products
from pipeline.engines.dia.kernels.attention import KvCache, Rows, attend, new_cache, read_cache, store
from pipeline.engines.dia.kernels.packing import ZERO_POINT, quantize_rows
from pipeline.engines.dia.network.attention import rope_table, rotate

TIERS = [tier for tier in products.tiers(frozenset(cpu_features())) if tier != "amx"]  # where it is "vnni"
DTYPES = (torch.int8, torch.bfloat16)
SIZES = (16, 48, 64, 128)
ROPE = {size: rope_table(100, size, 10_000.0, torch.device("cpu")) for size in SIZES}

every_kind = pytest.mark.parametrize(("dtype", "tier"), [(dtype, tier) for dtype in DTYPES for tier in TIERS])


@dataclass
class Case:
    """Caches of two layers with what they were made of; the second layer is the one in use."""

    dtype: torch.dtype
    heads: int
    size: int
    group: int
    seed: int = 0
    rope: Tensor | None = None
    capacity: int = 80

    def numbers(self, *shape: int) -> Tensor:
        self.seed += 1
        return torch.randn(shape, generator=torch.Generator().manual_seed(self.seed)) * 0.7

    def cache(self, projected: Tensor, capacity: int | None = None) -> KvCache:
        """A cache in which everything that is not stored is NaN or as large as can be."""
        made = new_cache(self.dtype, 2, self.heads, capacity or self.capacity, self.size)
        for part in made:
            part.view(torch.uint8).fill_(255)
        places = np.arange(len(projected))
        if len(projected):
            store(projected, Rows.of([made], places, places), 1, self.rope)
        return made

    def projected(self, length: int) -> Tensor:
        return self.numbers(length, 2 * self.heads * self.size)

    def queries(self, count: int) -> Tensor:
        return self.numbers(count, self.heads * self.group * self.size)

    def attend(self, query: Tensor, caches: Sequence[KvCache], lengths: Sequence[int], tier: str) -> Tensor:
        return attend(query, Rows.of(caches, lengths, lengths), 1, tier, self.rope)

    def expected(self, query: Tensor, caches: Sequence[KvCache], lengths: Sequence[int]) -> Tensor:
        """The same arithmetic in torch; what is left of the difference is the order of sums."""
        query = query.view(len(query), -1, self.size)
        if self.rope is not None:
            query = rotate(query, self.rope, torch.tensor(lengths))
        if self.dtype == torch.int8:
            whole, scales = quantize_rows(query.reshape(-1, self.size))
            query = ((whole.double() - ZERO_POINT) * scales[:, None]).view_as(query)
        made = torch.zeros(len(query), self.heads, self.group, self.size, dtype=torch.float64)
        for index, (cache, length) in enumerate(zip(caches, lengths, strict=True)):
            keys, values = (part.double() for part in read_cache(cache, 1, length))
            if length:
                shared = query[index].double().view(self.heads, self.group, self.size)
                made[index] = (shared @ keys.transpose(1, 2)).softmax(-1) @ values
        return made.flatten(1).float()


@every_kind
@settings(max_examples=20)
@given(
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=4),
    heads=st.integers(1, 3),
    group=st.integers(1, 6),
    size=st.sampled_from(SIZES),
    turned=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_rows_of_any_shape_are_attended_to_as_by_torch(
    dtype: torch.dtype, tier: str, lengths: list[int], heads: int, group: int, size: int, turned: bool, seed: int
) -> None:
    case = Case(dtype, heads, size, group, seed, ROPE[size] if turned else None)
    caches = [case.cache(case.projected(length)) for length in lengths]
    query = case.queries(len(lengths))
    made, expected = case.attend(query, caches, lengths, tier), case.expected(query, caches, lengths)
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)


@every_kind
def test_attention_is_close_to_that_of_what_was_not_rounded(dtype: torch.dtype, tier: str) -> None:
    case = Case(dtype, heads=4, size=128, group=4, capacity=320)
    projected, query = case.projected(300) / 3, case.queries(1) / 3
    made = case.attend(query, [case.cache(projected)], [300], tier)
    keys, values = projected.view(300, 2, 4, 128).unbind(1)
    scores = torch.einsum("hgd,thd->hgt", query.view(4, 4, 128), keys)
    exact = torch.einsum("hgt,thd->hgd", scores.softmax(-1), values).flatten()
    assert (made - exact).norm() / exact.norm() < (0.02 if dtype == torch.int8 else 0.005)


@every_kind
@settings(max_examples=10)
@given(st.data())
def test_a_row_has_the_same_bits_whatever_is_beside_it(dtype: torch.dtype, tier: str, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 70), min_size=2, max_size=6))
    order = data.draw(st.permutations(range(len(lengths))))
    case = Case(dtype, heads=2, size=64, group=data.draw(st.sampled_from((1, 4, 5))), rope=ROPE[64])
    projected, query = [case.projected(length) for length in lengths], case.queries(len(lengths))
    torch.set_num_threads(1)
    caches = [case.cache(rows) for rows in projected]
    alone = torch.cat([case.attend(query[i : i + 1], [caches[i]], [n], tier) for i, n in enumerate(lengths)])
    torch.set_num_threads(data.draw(st.integers(1, 3)))
    caches = [case.cache(projected[index], capacity=data.draw(st.sampled_from((80, 96, 256)))) for index in order]
    together = case.attend(query[list(order)], caches, [lengths[index] for index in order], tier)
    assert torch.equal(together, alone[list(order)])


@every_kind
def test_rows_read_at_once_have_the_bits_of_rows_read_one_by_one(dtype: torch.dtype, tier: str) -> None:
    case = Case(dtype, heads=2, size=64, group=4, rope=ROPE[64])
    mixed = case.numbers(30, (4 + 2) * 2 * 64)  # queries, keys and values as one product makes them
    query, projected = mixed[:, : 8 * 64], mixed[:, 8 * 64 :]
    cache, stepped = (new_cache(dtype, 2, 2, 80, 64) for _ in range(2))
    places = np.arange(30)
    at_once = Rows.of([cache], places + 1, places)
    store(projected, at_once, 1, case.rope)
    made = attend(query, at_once, 1, tier, case.rope)
    for place in places:
        row = Rows.of([stepped], [place + 1], [place])
        store(projected[place : place + 1], row, 1, case.rope)
        assert torch.equal(attend(query[place : place + 1], row, 1, tier, case.rope)[0], made[place])


@every_kind
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", ["query", "key", "value"])
def test_what_is_not_finite_reaches_the_row_that_reads_it_and_no_other(
    dtype: torch.dtype, tier: str, bad: float, where: str
) -> None:
    case = Case(dtype, heads=2, size=64, group=4)
    projected, query = case.projected(40), case.queries(2)
    if where == "query":
        query[1, 5] = bad
    else:
        projected[33, 5 if where == "key" else 2 * 64 + 5] = bad
    caches, lengths = [case.cache(projected)] * 2, [33, 40]
    made, expected = (of(query, caches, lengths) for of in (partial(case.attend, tier=tier), case.expected))
    assert torch.equal(made.isfinite(), expected.isfinite())
    finite = made.isfinite().view(2, 2, 4, 64)
    assert finite[0].all()
    assert finite[1, 1].all()
    assert not finite[1, 0, 0].any() if dtype == torch.int8 else not finite[1, 0].all()


@every_kind
def test_sharp_and_flat_attention_are_exact(dtype: torch.dtype, tier: str) -> None:
    """Scores far apart, and in rising order, so that the highest one is known last."""
    case = Case(dtype, heads=1, size=64, group=1, capacity=208)
    projected = torch.zeros(200, 2 * 64)
    projected[:, 0] = torch.arange(200)
    projected[:, 64:] = torch.arange(200)[:, None]
    query = torch.zeros(2, 64)
    query[0, 0] = 100
    made = case.attend(query, [case.cache(projected)] * 2, [200, 200], tier)
    torch.testing.assert_close(made, torch.tensor([199.0, 99.5])[:, None].expand(2, 64), rtol=4e-3, atol=0)


@pytest.mark.parametrize("turned", [False, True])
def test_int8_is_stored_as_quantize_rows_rounds(turned: bool) -> None:
    case = Case(torch.int8, heads=3, size=48, group=1, rope=ROPE[48] if turned else None)
    projected = case.projected(37)
    projected[5] = 0
    keys, values = projected.view(37, 2, 3, 48).unbind(1)
    if turned:
        keys = rotate(keys, ROPE[48], torch.arange(37))
    for part, made in zip((keys, values), read_cache(case.cache(projected), 1, 37), strict=True):
        whole, scales = quantize_rows(part.reshape(-1, 48))
        expected = (whole.float() - ZERO_POINT) * scales[:, None]
        assert torch.equal(made, expected.view(37, 3, 48).transpose(0, 1))


def test_bf16_is_rounded_as_by_torch() -> None:
    words = torch.randint(-(2**31), 2**31, (40 * 2 * 2 * 64,), generator=torch.Generator().manual_seed(0))
    words[:4096] = (words[:4096] & ~0xFFFF) | 0x8000  # halves
    projected = words.to(torch.int32).view(torch.float32).view(40, -1)
    projected[1, :5] = torch.tensor([torch.nan, -torch.nan, torch.inf, -torch.inf, 3.4e38])
    made = read_cache(Case(torch.bfloat16, heads=2, size=64, group=1).cache(projected), 1, 40)
    expected = projected.bfloat16().float().view(40, 2, 2, 64)
    for index, part in enumerate(made):
        torch.testing.assert_close(part, expected[:, index].transpose(0, 1), rtol=0, atol=0, equal_nan=True)


def test_rows_are_written_where_they_stand_and_nowhere_else() -> None:
    for dtype in DTYPES:
        case = Case(dtype, heads=2, size=16, group=1)
        cache = case.cache(case.projected(40))
        before = [part.clone() for part in cache]
        store(case.projected(2), Rows.of([cache], [0, 0], [7, 33]), 1)
        for part, old in zip(cache, before, strict=True):
            assert torch.equal(part[0].view(torch.uint8), old[0].view(torch.uint8))
        for part, old in zip(read_cache(cache, 1, 40), read_cache(tuple(before), 1, 40), strict=True):
            changed = (part != old).any(-1).any(0).nonzero().flatten().tolist()
            assert changed == [7, 33]


def test_what_no_kernel_can_read_is_refused() -> None:
    for dtype, capacity, size in ((torch.int8, 40, 64), (torch.int8, 48, 40), (torch.float32, 48, 64)):
        with pytest.raises(ValueError, match="no cache"):
            new_cache(dtype, 1, 1, capacity, size)
    cache = new_cache(torch.int8, 1, 1, 48, 64)
    with pytest.raises(ValueError, match="rows of 49 tokens"):
        Rows.of([cache], [49], [0])
    with pytest.raises(ValueError, match="behind the end"):
        store(torch.zeros(1, 128), Rows.of([cache], [48], [48]), 0)
    with pytest.raises(ValueError, match="are wanted"):
        attend(torch.zeros(2, 64), Rows.of([cache], [1], [1]), 0, "plain")
    with pytest.raises(ValueError, match="angles"):
        attend(torch.zeros(1, 64), Rows.of([cache], [1], [100]), 0, "plain", ROPE[64])


@pytest.mark.parametrize("tier", TIERS)
def test_the_check_finds_nothing_wrong_unless_something_is(tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attention.check(tier) == ""
    monkeypatch.setattr(attention, "ZERO_POINT", ZERO_POINT + 1)
    assert "is off by" in attention.check(tier)
