"""Scales move outliers to where they do no harm, and change no bit of the network."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.engines.dia.calibration.mend import Mend, mended, seams
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import DiaConfig, parse_config
from pipeline.engines.dia.weights.tensors import expected_shapes
from tests.support import tiny_dia


@settings(max_examples=15)
@given(st.data(), st.integers(1, 3), st.integers(1, 2), st.sampled_from(["0626", "v1"]))
def test_scales_change_no_bit_of_the_network(data: st.DataObject, kv_heads: int, group: int, network: Any) -> None:
    """In fp32 and in bf16, whatever powers of two they are, for any grouping of heads and both networks."""
    sizes = {"num_key_value_heads": kv_heads, "num_attention_heads": kv_heads * group}
    cross = {"cross_num_key_value_heads": group, "cross_num_attention_heads": group * kv_heads}
    layers = {"num_hidden_layers": 1}
    read = parse_config(tiny_dia.config_dict(encoder=sizes | layers, decoder=sizes | cross | layers), "tiny")
    config = DiaConfig(**vars(read) | {"network": network})
    weights = tiny_dia.make_state(tiny_dia.config_dict(encoder=sizes | layers, decoder=sizes | cross | layers))
    state = dict(packed.merged((name, weights[name]) for name in expected_shapes(config)))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))

    def scale(channels: int) -> Tensor:
        return torch.exp2(torch.randint(-6, 7, (channels,), generator=generator).float())

    mends = [Mend(seam, "drawn", scale(seam.channels), ()) for seam in seams(config)]
    scaled = dict(mended(state.items(), mends))
    touched = {name for seam in seams(config) for name in (seam.maker, *seam.readers)}
    assert touched == {name for name in state if not torch.equal(state[name], scaled[name])}
    rows = torch.randint(0, 1024, (1, 7, 9), generator=generator)
    for dtype in (torch.float32, torch.bfloat16):
        both = []
        for made in (state, scaled):
            model = Model(config, {name: made[name] if "norm" in name else made[name].to(dtype) for name in made})
            lanes = [model.lane(model.prefill_text(torch.arange(1, 12)), 7), model.lane(None, 7)]
            both.append(torch.cat([model.logits(model.step([lane], rows)[0]) for lane in lanes]))
        assert both[0].isfinite().all()
        assert torch.equal(*both)


def test_every_product_but_the_head_reads_one_seam() -> None:
    """And no seam reads what is not there."""
    config = parse_config(tiny_dia.config_dict(), "tiny")
    readers = [reader for seam in seams(config) for reader in seam.readers]
    names = [name for name, _ in packed.merged((name, torch.empty(0)) for name in expected_shapes(config))]
    assert sorted(readers) == sorted(name for name in names if packed.kind(name) not in (None, "logits"))
