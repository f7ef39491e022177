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
