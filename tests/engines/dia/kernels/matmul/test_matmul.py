"""Kernels for matrix products: int8 to the bit on every tier, bf16 to the order of its sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia import devices
from pipeline.engines.dia.kernels import matmul as products
from pipeline.engines.dia.kernels.matmul import amx, bf16_linear, check, int8_linear, tiers
from pipeline.engines.dia.kernels.packing import Bf16Weight, Int8Weight, quantize_rows
from tests.support import dia_fixtures

TIERS = tiers(devices.cpu_features())
every_tier = pytest.mark.parametrize("tier", TIERS)
with_tiles = pytest.mark.skipif("amx" not in TIERS, reason="this CPU has no AMX")
shapes = st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 200))  # M, N, K
ROWS_TRIED = 70


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small products are no faster with more, and much slower where other tests run beside them."""
    with dia_fixtures.threads(1):
        yield


@pytest.fixture(params=[2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Numbers of threads."""
    with dia_fixtures.threads(request.param):
        yield request.param


def rows_and_weight(count: int, outputs: int, inputs: int) -> tuple[Tensor, Tensor]:
    """Rows `[M, K]` of very different sizes and a weight `[N, K]`."""
    generator = torch.Generator().manual_seed(count + 100 * outputs + 10_000 * inputs)
    x = torch.randn(count, inputs, generator=generator) * 10 ** torch.randn(count, 1, generator=generator)
    return x, torch.randn(outputs, inputs, generator=generator)


def exact(x: Tensor, weight: Int8Weight) -> Tensor:
    """The int8 product as it is specified, its sums in int64."""
    rows, scales = quantize_rows(x)
    sums = (rows.long() - 128) @ weight.unpack().long().T
    return sums.float() * (scales[:, None] * weight.scale)


def products_of(int8: Int8Weight, bf16: Bf16Weight, tier: str) -> list[Callable[[Tensor], Tensor]]:
    """The products that a tier has."""
    in_int8 = partial(int8_linear, weight=int8, tier=tier)
    return [in_int8, partial(bf16_linear, weight=bf16)] if tier == "amx" else [in_int8]


def rounded(x: Tensor, weight: Tensor) -> Tensor:
    """The product of rows and a weight in bf16, in float64."""
    return x.to(torch.bfloat16).double() @ weight.to(torch.bfloat16).double().T


@every_tier
@given(shape=shapes)
@example(shape=(70, 64, 128))
@example(shape=(32, 31, 64))
@example(shape=(17, 33, 65))
@settings(max_examples=40)
def test_int8_products_are_exact(tier: str, shape: tuple[int, int, int]) -> None:
    """To the bit, whatever the shape: all tiers are therefore the same."""
    x, weight = rows_and_weight(*shape)
    packed = Int8Weight.pack(weight)
    assert torch.equal(int8_linear(x, packed, tier), exact(x, packed))


@every_tier
@pytest.mark.parametrize("shape", [(64, 2048, 2048), (440, 96, 8192), (3, 9252, 2048)], ids=str)
def test_int8_products_are_exact_at_the_sizes_of_the_real_network(tier: str, shape: tuple[int, int, int]) -> None:
    """Where rows are taken in chunks, sums are beyond 2**24, and the last block of channels is cut."""
    x, weight = rows_and_weight(*shape)
    x[0], weight[0] = 1, 1  # the largest sum there can be
    packed = Int8Weight.pack(weight)
    rows, scales = quantize_rows(x)
    sums = (rows.double() - 128) @ packed.unpack().double().T  # exact below 2**53
    assert torch.equal(int8_linear(x, packed, tier), sums.float() * (scales[:, None] * packed.scale))


@every_tier
@pytest.mark.parametrize("shape", [(100, 72), (2052, 256)], ids=str)
def test_a_row_has_the_same_bits_alone_and_among_others(tier: str, shape: tuple[int, int], threads: int) -> None:
    """In any order and number, on any number of threads."""
    x, weight = rows_and_weight(ROWS_TRIED, *shape)
    int8, bf16 = Int8Weight.pack(weight), Bf16Weight.pack(weight)
    for product in products_of(int8, bf16, tier):
        with dia_fixtures.threads(1):
            alone = torch.cat([product(row[None]) for row in x])
        for count in (1, 2, 15, 16, 17, 31, 33, 63, ROWS_TRIED):
            order = torch.randperm(ROWS_TRIED, generator=torch.Generator().manual_seed(count))[:count]
            assert torch.equal(product(x[order]), alone[order]), (threads, count)


@every_tier
def test_a_row_that_is_not_finite_is_nan_and_spoils_no_other(tier: str) -> None:
    """A single NaN or infinity is enough, anywhere in the row; a row of zeros gives zeros."""
    x, weight = rows_and_weight(40, 50, 72)
    packed = Int8Weight.pack(weight)
    clean = int8_linear(x, packed, tier)
    x[3, 71], x[17, 0], x[39, 40] = math.nan, math.inf, -math.inf
    x[20] = 0
    spoilt = int8_linear(x, packed, tier)
    bad = torch.tensor([row in (3, 17, 39) for row in range(40)])
    same = ~bad & (torch.arange(40) != 20)
    assert spoilt[bad].isnan().all()
    assert (spoilt[20] == 0).all()
    assert torch.equal(spoilt[same], clean[same])


@every_tier
def test_rows_of_the_largest_and_smallest_numbers(tier: str) -> None:
    """No scale overflows; what is smaller than fp32 can divide by counts as zero."""
    x = torch.tensor([[3e38, -1.5e38], [2e-36, -1e-36], [1e-40, 0], [-0.0, 0.0]])
    packed = Int8Weight.pack(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    found = int8_linear(x, packed, tier)
    torch.testing.assert_close(found[:2], x[:2], rtol=0.01, atol=0)
    assert (found[2:] == 0).all()


@every_tier
def test_rows_that_lie_apart_in_memory(tier: str) -> None:
    """A part of each row of a wider matrix, a transposed matrix, and no rows at all."""
    x, weight = rows_and_weight(20, 40, 48)
    packed = Int8Weight.pack(weight)
    wide = torch.cat([x, x + 1], dim=1)
    assert torch.equal(int8_linear(wide[:, :48], packed, tier), int8_linear(x, packed, tier))
    assert torch.equal(int8_linear(x.T.contiguous().T, packed, tier), int8_linear(x, packed, tier))
    assert int8_linear(x[:0], packed, tier).shape == (0, 40)


@every_tier
def test_tiers_compute_right_on_this_machine(tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of a tier finds nothing, and does find what is wrong."""
    assert check(tier) == ""
    right = products.int8_linear
    monkeypatch.setattr(products, "int8_linear", lambda *arguments: right(*arguments) + 1e-3)
    assert tier in check(tier)


def test_tiers_are_what_the_cpu_and_its_kernel_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more than LLVM knows of, and no tiles without permission."""
    assert tiers(frozenset()) == ("plain",)
    assert tiers(frozenset({"neon", "dotprod"})) == ("plain",)
    monkeypatch.setattr(amx, "permitted", lambda: False)
    assert "amx" not in tiers(devices.cpu_features())


@pytest.mark.parametrize("x", [torch.zeros(2, 8).double(), torch.zeros(2, 9), torch.zeros(8)], ids=["type", "K", "1-d"])
def test_other_rows_are_refused(x: Tensor) -> None:
    """A kernel would read whatever lies there."""
    with pytest.raises(ValueError, match=r"fp32 \[M, 8\]"):
        int8_linear(x, Int8Weight.pack(torch.ones(4, 8)), "plain")


def test_an_unknown_tier_is_refused() -> None:
    """And not taken for another."""
    with pytest.raises(ValueError, match="no tier 'fastest'"):
        int8_linear(torch.zeros(2, 8), Int8Weight.pack(torch.ones(4, 8)), "fastest")


@given(shape=shapes)
def test_a_packed_weight_unpacks_to_what_it_was(shape: tuple[int, int, int]) -> None:
    """Rounded; each channel's largest weight is 127, and a channel of zeros stays one."""
    _, outputs, inputs = shape
    _, weight = rows_and_weight(*shape)
    weight[0] = 0
    packed = Int8Weight.pack(weight)
    found = packed.unpack()
    assert (found.shape, found.dtype, packed.outputs) == (weight.shape, torch.int8, outputs)
    assert ((found * packed.scale[:, None] - weight).abs() <= 0.5001 * packed.scale[:, None]).all()
    assert (found[1:].abs().amax(1) == 127).all()
    assert (found[0] == 0).all()
    assert torch.equal(packed.compensation, 128 * found.sum(1, dtype=torch.int32))
    assert packed.packed.shape == (2 * math.ceil(outputs / 32), 16 * math.ceil(inputs / 64), 16, 4)
    whole = Bf16Weight.pack(weight)
    assert torch.equal(whole.unpack(), weight.to(torch.bfloat16))
    assert whole.packed.shape == (2 * math.ceil(outputs / 32), 16 * math.ceil(inputs / 32), 16, 2)


def test_the_layout_is_panels_of_16_channels() -> None:
    """A file holds it, so it must not change unnoticed: `[N/16, K/4, 16, 4]`."""
    weight = torch.arange(-127, 129)[:128].reshape(2, 64).float()
    weight[:, 0] = 127
    packed = Int8Weight.pack(weight).packed
    assert packed.shape == (2, 16, 16, 4)
    for channel in range(2):
        assert torch.equal(packed[0, :, channel].flatten(), weight[channel].to(torch.int8))
    assert not packed[0, :, 2:].any()
    assert not packed[1].any()


@with_tiles
@given(shape=shapes)
@settings(max_examples=40)
def test_bf16_products_are_right_to_rounding(shape: tuple[int, int, int]) -> None:
    """Sums in fp32: no further from float64 than that allows."""
    x, weight = rows_and_weight(*shape)
    found = bf16_linear(x, Bf16Weight.pack(weight)).double()
    allowed = shape[2] * torch.finfo(torch.float32).eps * rounded(x.abs(), weight.abs())
    assert ((found - rounded(x, weight)).abs() <= allowed).all()


@with_tiles
def test_rows_are_rounded_to_bf16_as_torch_rounds() -> None:
    """Halves to even, infinity and NaN kept, in the row where they are."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 128, generator=generator) * 10 ** (8 * torch.randn(64, 128, generator=generator)).clamp(-30, 30)
    x[0] = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 1 + 2**-8 + 2**-20]).repeat(32)  # halves, and no half
    x[2, 5], x[3, 6] = math.nan, math.inf
    found = bf16_linear(x, Bf16Weight.pack(torch.eye(128)))
    expected = x.to(torch.bfloat16).float()
    finite = torch.ones(64, dtype=torch.bool)
    finite[2:4] = False
    assert torch.equal(found[finite], expected[finite])
    assert found[2].isnan().all()
    assert found[3, 6] == math.inf


@with_tiles
def test_bf16_sums_do_not_depend_on_chunks_of_rows() -> None:
    """Many rows of a wide weight, where chunks of rows are taken one after the other."""
    x, weight = rows_and_weight(150, 64, 8192)
    packed = Bf16Weight.pack(weight)
    together = bf16_linear(x, packed)
    assert torch.equal(torch.cat([bf16_linear(part, packed) for part in x.split(7)]), together)
    torch.testing.assert_close(
        together, functional.linear(x.bfloat16().float(), weight.bfloat16().float()), rtol=1e-3, atol=1e-2
    )
