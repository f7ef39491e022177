"""Matrix products and the gate of the MLP: a row has the same bits whatever other rows there are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.kernels.packing import Int8Weight
from pipeline.engines.dia.network import onednn
from pipeline.engines.dia.network.linear import FP8, ROWS, Fp8Linear, Int8Linear, Linear, multiplies, silu_gate, to_fp8
from pipeline.engines.dia.network.onednn import packs
from tests.support import dia_fixtures

ROWS_TRIED = 100
TINY = [(96, 48), (37, 33), (9252, 48)]  # [out, in]
REAL = [(2048, 3072), (3072, 2048)]
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
kinds = pytest.mark.usefixtures("kind")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small products are no faster with more, and much slower where other tests run beside them."""
    with dia_fixtures.threads(1):
        yield


@pytest.fixture(params=["packed", "plain"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of product: the weight packed, where this machine can, and torch's own."""
    if request.param == "plain":
        monkeypatch.setattr(onednn, "packs", lambda _weight: False)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Numbers of threads; three share rows of a power of two so that one is cut."""
    with dia_fixtures.threads(request.param):
        yield request.param


def weight_and_rows(shape: tuple[int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A weight `[out, in]` and rows `[100, in]` in float32."""
    generator = torch.Generator().manual_seed(sum(shape))
    weight = torch.randn(shape, generator=generator) / shape[1] ** 0.5
    return weight.to(dtype), torch.randn(ROWS_TRIED, shape[1], generator=generator)


def places(count: int, rows: int = ROWS_TRIED) -> list[slice]:
    """`count` neighbours among `rows`: the first, some in between, the last."""
    return [slice(start, start + count) for start in sorted({0, (rows - count) // 3, rows - count})]


@kinds
@dtypes
@pytest.mark.parametrize("shape", TINY, ids=str)
def test_a_row_alone_has_the_bits_it_has_among_others(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    """Every number of rows from 1 to 100, here and there."""
    weight, x = weight_and_rows(shape, dtype)
    product = Linear(weight)
    alone = torch.cat([product(row[None]) for row in x])
    for count in range(1, ROWS_TRIED + 1):
        start = 7 * count % (ROWS_TRIED - count + 1)
        place = slice(start, start + count)
        assert torch.equal(product(x[place]), alone[place]), place


@kinds
@dtypes
@pytest.mark.parametrize("shape", REAL, ids=str)
def test_the_same_at_the_sizes_of_the_real_network(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    """Around every edge of a tile."""
    weight, x = weight_and_rows(shape, dtype)
    product = Linear(weight)
    together = product(x)
    for count in (1, 2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS, ROWS_TRIED - 1):
        for place in places(count):
            assert torch.equal(product(x[place]), together[place]), (count, place)


@kinds
@dtypes
@pytest.mark.parametrize("shape", [*TINY, *REAL], ids=str)
def test_the_order_of_the_rows_is_nothing_to_a_row(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    """Nor does it matter that one stands there twice."""
    weight, x = weight_and_rows(shape, dtype)
    product = Linear(weight)
    together = product(x)
    for seed in range(5):
        order = torch.randint(ROWS_TRIED, (ROWS_TRIED,), generator=torch.Generator().manual_seed(seed))
        assert torch.equal(product(x[order]), together[order])


@kinds
@dtypes
@pytest.mark.parametrize("shape", [*TINY, *REAL], ids=str)
def test_the_product_is_right_to_rounding(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    """Sums in float32, rounded once to the weight's type: no further from float64 than that allows."""
    weight, x = weight_and_rows(shape, dtype)
    found = Linear(weight)(x)
    read, exact_weight = x.to(dtype).double(), weight.double()
    exact = read @ exact_weight.T
    summed = shape[1] * torch.finfo(torch.float32).eps / 2 * (read.abs() @ exact_weight.abs().T)
    rounded = torch.finfo(dtype).eps / 2 * exact.abs()
    assert found.dtype == torch.float32
    assert torch.equal(found.to(dtype).float(), found)
    assert ((found.double() - exact).abs() <= 1.01 * (summed + rounded)).all()
    torch.testing.assert_close(found, functional.linear(x.to(dtype), weight).float(), atol=1e-3, rtol=1.6e-2)


@kinds
@dtypes
def test_a_row_without_numbers_spoils_no_other(dtype: torch.dtype) -> None:
    """NaN and infinity stay in their rows."""
    weight, x = weight_and_rows((96, 48), dtype)
    product = Linear(weight)
    clean = product(x)
    x[3], x[40, 7] = math.nan, math.inf
    spoilt = product(x)
    bad = torch.tensor([row in (3, 40) for row in range(ROWS_TRIED)])
    assert torch.equal(spoilt[~bad], clean[~bad])
    assert not spoilt[bad].isfinite().any()


@kinds
@dtypes
def test_rows_that_lie_apart_in_memory(dtype: torch.dtype) -> None:
    """Half of a wider matrix, as its rows copied; and no rows at all."""
    weight, x = weight_and_rows((96, 48), dtype)
    product = Linear(weight)
    wide = torch.cat([x, x], dim=1).to(dtype)[:ROWS]
    assert torch.equal(product(wide[:, 48:]), product(x[:ROWS]))
    assert product(x[:0]).shape == (0, 96)


def test_a_weight_is_packed_only_where_torch_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two float types, on a CPU, with oneDNN; the product of any other weight is torch's own."""
    assert not packs(torch.zeros(4, 4, dtype=torch.float64))
    assert not packs(torch.zeros(4, 4, device="meta"))
    weight, x = weight_and_rows((96, 48), torch.float64)
    torch.testing.assert_close(Linear(weight)(x), (x.double() @ weight.T).float())
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not packs(torch.zeros(4, 4))


@dtypes
@pytest.mark.parametrize("width", [32, 8192, 31, 80, 8200, 40_000])
def test_a_row_of_the_gate_alone_has_the_bits_it_has_among_others(dtype: torch.dtype, width: int, threads: int) -> None:
    """At every width, and where threads share the work."""
    rows = ROWS_TRIED if width <= ROWS_TRIED else 40
    generator = torch.Generator().manual_seed(width)
    gate, up = (4 * torch.randn(2, rows, width, generator=generator)).to(dtype)
    both = torch.cat([gate, up], dim=1)  # as the model has them: two halves of one product
    alone = torch.cat([silu_gate(both[row : row + 1]) for row in range(rows)])
    for count in range(1, rows + 1) if width <= ROWS_TRIED else (2, 7, 32, 33, 40):
        for place in places(count, rows):
            assert torch.equal(silu_gate(both[place]), alone[place]), (threads, count, place)


@dtypes
@pytest.mark.parametrize("width", [1, 80, 8192])
def test_the_gate_is_right_to_rounding(dtype: torch.dtype, width: int) -> None:
    """In float32, whatever the type of its halves."""
    generator = torch.Generator().manual_seed(width)
    gate, up = (6 * torch.randn(2, 40, width, generator=generator)).to(dtype)
    found = silu_gate(torch.cat([gate, up], dim=1))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), functional.silu(gate.double()) * up.double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@dtypes
def test_the_product_is_the_same_for_every_number_of_rows_with_more_threads(
    dtype: torch.dtype, packed: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever computes it."""
    if not packed:
        monkeypatch.setattr(onednn, "packs", lambda _weight: False)
    weight, x = weight_and_rows((2048, 2048), dtype)
    product = Linear(weight)
    together = product(x)
    for count in (1, 2, ROWS, ROWS + 1):
        for place in places(count):
            assert torch.equal(product(x[place]), together[place]), (threads, count, place)


# fp8


@given(st.integers(0, 2**31), st.floats(-60, 60))
def test_fp8_keeps_three_bits_of_each_number(seed: int, power: float) -> None:
    """Of any size; the largest is kept best, and nothing becomes a NaN."""
    x = torch.randn(5, 48, generator=torch.Generator().manual_seed(seed)) * 2.0**power
    x[2] = 0
    rounded, scales = to_fp8(x)
    found = rounded.float() * scales[:, None]
    assert rounded.dtype == FP8
    assert found.isfinite().all()
    least = x.abs().amax(-1, keepdim=True) / 448 * 2**-9  # half of the smallest step
    assert ((found - x).abs() <= x.abs() / 16 * 1.001 + least).all()


@pytest.mark.parametrize("native", [False, True], ids=["restored", "multiplied"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", [(96, 48), (1040, 96)], ids=str)
def test_a_product_in_fp8_is_right_to_its_rounding(dtype: torch.dtype, native: bool, shape: tuple[int, int]) -> None:
    """And a row has the same bits alone and among others."""
    generator = torch.Generator().manual_seed(shape[0])
    weight = torch.randn(shape, generator=generator) * torch.logspace(-3, 3, shape[0])[:, None]
    x = torch.randn(ROWS + 9, shape[1], generator=generator)
    product = Fp8Linear(weight.to(dtype), native=native)
    found, exact = product(x), x @ weight.T
    assert found.dtype == torch.float32
    error = (found - exact).norm(dim=0) / exact.norm(dim=0)  # of each output channel, small and large
    assert (error < (0.07 if native else 0.05)).all()
    assert (error > 0.005).all()
    assert all(torch.equal(product(row[None])[0], found[index]) for index, row in enumerate(x))
    assert torch.equal(product(x[7:]), found[7:])


def test_a_cpu_restores_fp8_weights() -> None:
    """Only some GPUs multiply in fp8."""
    weight = torch.randn(32, 32)
    assert not multiplies(weight)
    assert torch.equal(Fp8Linear(weight)(weight), Fp8Linear(weight, native=False)(weight))


# int8, by torch


@pytest.fixture(params=["oneDNN", "plain"])
def torch_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN's product of int8, where this torch has it, and what stands in for it."""
    if request.param == "plain":
        monkeypatch.setattr(onednn, "multiplies_int8", lambda: False)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 60), st.integers(1, 150))


@pytest.mark.usefixtures("torch_only")
@given(shapes, st.integers(0, 2**32 - 1))
def test_products_of_int8_are_exact(shape: tuple[int, int, int], seed: int) -> None:
    """The sums of whole numbers, times both scales: in numpy, by the definition."""
    rows, outputs, inputs = shape
    generator = torch.Generator().manual_seed(seed)
    weight = Int8Weight.pack(torch.randn(outputs, inputs, generator=generator))
    x = torch.randn(rows, inputs, generator=generator)
    scale = x.abs().amax(1).numpy() / np.float32(127)
    inverse = np.float32(127) / x.abs().amax(1).numpy()
    whole = np.rint(x.numpy() * inverse[:, None]).astype(np.int64)
    sums = (whole @ weight.unpack().numpy().astype(np.int64).T).astype(np.float32)
    expected = sums * (scale[:, None] * weight.scale.numpy())
    np.testing.assert_array_equal(Int8Linear(weight, None)(x).numpy(), expected)


@pytest.mark.usefixtures("torch_only")
def test_rows_of_zeros_and_without_numbers() -> None:
    """Nothing comes of nothing, and NaN and infinity spoil their own row alone."""
    weight = Int8Weight.pack(torch.randn(20, 30, generator=torch.Generator().manual_seed(0)))
    x = torch.randn(6, 30, generator=torch.Generator().manual_seed(1))
    clean = Int8Linear(weight, None)(x)
    x[1], x[3, 4], x[4, 0] = 0, torch.nan, torch.inf
    made = Int8Linear(weight, None)(x)
    assert not made[1].any()
    assert made[3:5].isnan().all()
    assert torch.equal(made[[0, 2, 5]], clean[[0, 2, 5]])
