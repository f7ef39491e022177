"""Norms, gates and the codec's snake, row by row: against torch, and against a row alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pipeline.engines.dia.kernels import rows


@settings(max_examples=30)
@given(count=st.integers(1, 5), size=st.integers(1, 200), seed=st.integers(0, 1000), threads=st.integers(1, 3))
def test_norms_and_gates_are_those_of_torch_and_of_a_row_alone(count: int, size: int, seed: int, threads: int) -> None:
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(seed)
    x, weight = torch.randn(count, size, generator=generator) * 3, torch.randn(size, generator=generator)
    normed = rows.rms_norm(x, weight, 1e-5)
    torch.testing.assert_close(normed, functional.rms_norm(x, (size,), weight, 1e-5), rtol=1e-6, atol=1e-7)
    mixed = torch.randn(count, 2 * size, generator=generator) * 10
    gated = rows.silu_gate(mixed)
    gate, up = mixed.double().chunk(2, dim=1)
    torch.testing.assert_close(gated, (functional.silu(gate) * up).float(), rtol=1e-6, atol=1e-25)
    for index in range(count):
        assert torch.equal(rows.rms_norm(x[index : index + 1], weight, 1e-5)[0], normed[index])
        assert torch.equal(rows.silu_gate(mixed[index : index + 1])[0], gated[index])


def test_norms_and_gates_keep_what_is_not_finite_and_gates_have_ends() -> None:
    gate = torch.tensor([torch.nan, torch.inf, -1000.0, 1000.0, -88.0, 0.0])
    gated = rows.silu_gate(torch.cat([gate, torch.ones(6)])[None])[0]
    assert gated[0].isnan()
    torch.testing.assert_close(gated[1:], torch.tensor([torch.inf, 0.0, 1000.0, 0.0, 0.0]), rtol=0, atol=1e-30)
    assert rows.rms_norm(torch.tensor([[1.0, torch.nan]]), torch.ones(2), 1e-5).isnan().all()
    with pytest.raises(ValueError, match="a weight"):
        rows.rms_norm(torch.ones(1, 2), torch.ones(3), 1e-5)
    with pytest.raises(ValueError, match="rows of fp32"):
        rows.silu_gate(torch.ones(1, 2, dtype=torch.bfloat16))


@settings(max_examples=15)
@given(
    count=st.integers(1, 3000), vectors=st.integers(1, 6), seed=st.integers(0, 9), level=st.sampled_from([0.1, 3, 99])
)
def test_the_kernel_computes_snake_to_the_last_bit_of_bf16(count: int, vectors: int, seed: int, level: float) -> None:
    numbers, channels = torch.Generator().manual_seed(seed), vectors * rows.LANES
    x = (torch.randn(count, channels, generator=numbers) * level).bfloat16()
    alpha = torch.empty(channels).uniform_(0.1, 3, generator=numbers)
    scale, inverse, out = alpha / torch.pi, 1 / alpha, torch.full_like(x, torch.nan)
    expected = x.double() + (alpha.double() * x.double()).sin() ** 2 / alpha.double()
    addresses = scale.data_ptr(), inverse.data_ptr()
    rows.snake(x.data_ptr(), out.data_ptr(), count, channels, *addresses)
    wrong = (out.double() - expected).abs() - expected.abs() * 2**-8  # half a step, or a little more at a tie
    assert wrong.max() < 1e-4 * level
    torch.set_num_threads(2)
    rows.snake(x.data_ptr(), x.data_ptr(), count, channels, *addresses)
    assert torch.equal(x, out)
