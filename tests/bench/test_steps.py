"""Takes that stand still, so that one step can be measured again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.bench.random_weights import BenchWeights
from pipeline.bench.steps import hold
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.slots import Slots
from pipeline.engines.dia.network.attention import Lane
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import read_config
from pipeline.engines.dia.weights.tensors import load_weights


def test_takes_stand_still_while_their_step_is_measured(tiny: BenchWeights) -> None:
    """Each step reads the row it should, in as many takes as it should, and can be repeated."""
    config = read_config(tiny.dia)
    lengths: list[list[tuple[bool, int]]] = []

    class Watched(Model):
        def step(self, lanes: Any, codes: torch.Tensor) -> torch.Tensor:
            made = super().step(lanes, codes)
            lengths.append([(lane.text is not None, lane.length) for lane in lanes])
            return made

    with torch.inference_mode():
        slots = Slots(Watched(config, load_weights(tiny.dia, config, torch.float32, "cpu")), Sampling(), 3)
        step = hold(slots, np.array([1, 65, 66]), 30, 3)
        lengths.clear()
        for count, length, guided in [(3, 30, True), (3, 30, True), (1, 20, True), (2, 20, False), (2, 30, True)]:
            step(count, length, guided)
    cond, uncond = [(True, 30)], [(False, 30)]
    assert lengths == [
        3 * cond + 3 * uncond,
        3 * cond + 3 * uncond,
        [(True, 20), (False, 20)],
        [(True, 20)] * 2,
        2 * cond + 2 * uncond,
    ]


def test_held_takes_have_read_what_a_take_reads(tiny: BenchWeights) -> None:
    """Their keys and values are those of a take that goes on from the same rows, in every lane."""
    config = read_config(tiny.dia)
    model = Model(config, load_weights(tiny.dia, config, torch.float32, "cpu"))
    kept: list[list[Lane]] = []
    step_of_model = model.step

    def step(lanes: Any, codes: torch.Tensor) -> torch.Tensor:
        kept.append(list(lanes))
        return step_of_model(lanes, codes)

    model.step = step  # type: ignore[method-assign]
    with torch.inference_mode():
        hold(Slots(model, Sampling(), 2), np.array([1, 65, 66]), 10, 2)(2, 10, True)
    first, second = kept[-1][:2]
    for mine, its in zip(first.cache, second.cache, strict=True):
        assert mine.data_ptr() != its.data_ptr()
        assert torch.equal(mine[:, :, :9], its[:, :, :9])
