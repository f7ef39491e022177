"""The private operators of torch, and what does the same without them."""

from __future__ import annotations

import pytest
import torch

from pipeline.engines.dia.network import onednn


def test_a_float_product_falls_back_to_torch_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same to rounding."""
    for dtype in (torch.float32, torch.bfloat16):
        generator = torch.Generator().manual_seed(0)
        weight, x = (torch.randn(shape, generator=generator).to(dtype) for shape in ((40, 64), (32, 64)))
        quick = onednn.float_product(weight, 32)(x)
        with monkeypatch.context() as patch:
            patch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
            assert not onednn.packs(weight)
            plain = onednn.float_product(weight, 32)(x)
        torch.testing.assert_close(quick, plain)


def test_a_cpu_that_does_not_compute_bf16_gets_torch_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN refuses a weight of bf16 where there is no AVX-512."""
    monkeypatch.setattr(onednn, "_computes_bf16", lambda: False)
    assert not onednn.packs(torch.zeros(4, 4, dtype=torch.bfloat16))
    assert onednn.packs(torch.zeros(4, 4))
    assert not onednn.convolves()


def test_sums_of_int8_that_overflow_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CPUs without VNNI."""
    monkeypatch.setattr(
        onednn, "_packed_int8_sums", lambda _weight, _zero_point: lambda x: torch.full((len(x), 1), 8160.0)
    )
    assert not onednn.multiplies_int8.__wrapped__()
