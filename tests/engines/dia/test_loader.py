"""Models made of the products that suit a precision."""

from __future__ import annotations

from functools import partial

import torch

from pipeline.engines.dia.loader import in_fp8, product
from pipeline.engines.dia.network.linear import Fp8Linear
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import parse_config
from pipeline.engines.dia.weights.tensors import expected_shapes
from tests.support import tiny_dia


def test_fp8_leaves_the_head_and_what_is_no_product() -> None:
    """All else is near what it was, in half the bytes of bf16."""
    config = parse_config(tiny_dia.config_dict(), "tiny")
    weights = tiny_dia.make_state(tiny_dia.config_dict())
    before = dict(packed.merged((name, weights[name]) for name in expected_shapes(config)))
    state = in_fp8({name: weights[name] for name in expected_shapes(config)})
    assert state.keys() == before.keys()
    for name, weight in state.items():
        assert isinstance(weight, Fp8Linear) == (packed.kind(name) not in (None, "logits"))
        if isinstance(weight, Fp8Linear):
            made = weight(torch.eye(before[name].shape[1])).T
            assert (made - before[name]).abs().max() < 0.07 * before[name].abs().max()
    Model(config, state, partial(product, tier=None)).prefill_text(torch.tensor([1, 65]))
