"""The CUDA stepper on a CPU with a tiny Dia: takes of several blocks of keys, and a record of each take's logits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.batching.cuda_slots import CudaSlot, CudaStepper, StepShape
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest, Scheduler
from pipeline.engines.dia.network import attention
from pipeline.engines.dia.network.attention_cuda import BLOCK, LayerCache, attend_in_blocks
from pipeline.engines.dia.network.model import Model
from tests.support.dia_fixtures import CONFIG, QUICK, by_key

GREEDY = Sampling(temperature=0)
# Takes of several blocks of rows and of text.
LONG = replace(
    QUICK,
    encoder=replace(CONFIG.encoder, max_positions=600),
    decoder=replace(CONFIG.decoder, max_positions=1100),
)
PLAIN = attention.attend


def attend_alike(query: Tensor, keys: Tensor, values: Tensor, *, causal: bool = False) -> Tensor:
    """Plain attention as it is for many rows at a time, and as the static KV cache's for one."""
    if len(query) > 1:
        return PLAIN(query, keys, values, causal=causal)
    length = keys.shape[1]
    padded = (functional.pad(part, (0, 0, 0, -length % BLOCK))[None] for part in (keys, values))
    return attend_in_blocks(query, LayerCache(*padded), torch.tensor([length]), -(-length // BLOCK))


def static(
    model: Model,
    sampling: Sampling,
    limit: int,
    cfg_frames: int | None = None,
    *,
    fp8: bool = False,
    graphs: bool | None = None,
) -> Scheduler[CudaSlot]:
    """The scheduler of a GPU, with whatever torch computes on."""
    return Scheduler(CudaStepper(model, sampling, cfg_frames, fp8=fp8, graphs=graphs), limit)


def decode_all(scheduler: Scheduler[Any], wanted: Sequence[GenerationRequest]) -> dict[str, Generated]:
    """What becomes of each request."""
    results = by_key(scheduler.generate(iter(wanted)))
    assert results.keys() == {request.key for request in wanted}
    return results


def long_requests() -> list[GenerationRequest]:
    """Takes that begin before, at and after the edges of blocks, with texts of one to three blocks."""
    rng = np.random.default_rng(5)
    rows, texts = (0, BLOCK - 10, BLOCK - 1, BLOCK, 530), (3, BLOCK, BLOCK + 1, 600, 20)
    return [
        GenerationRequest(
            key=f"take {number}",
            text=rng.integers(1, 256, text),
            prompt=rng.integers(0, 1024, (frames, 9)).astype(np.int16),
            seed=number,
            max_frames=4 + 3 * number,
        )
        for number, (frames, text) in enumerate(zip(rows, texts, strict=True))
    ]


class Watched(CudaStepper):
    """The stepper with a record of each take's logits, `[C, V]`, of either kind of lane."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logits_of: defaultdict[str, list[Tensor]] = defaultdict(list)
        self.shapes: list[StepShape] = []

    def _step(self, shape: StepShape) -> None:
        self.shapes.append(shape)
        super()._step(shape)

    def _draw(self, cond: Tensor, uncond: Tensor | None, row: Tensor) -> tuple[Tensor, Tensor]:
        for number, slot in self._slots.items():
            if self._state.active[number]:
                self.logits_of[slot.request.key].extend(part[number] for part in (cond, uncond) if part is not None)
        return super()._draw(cond, uncond, row)
