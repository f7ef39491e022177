"""The stepper for CPUs, and for GPUs that are not CUDA's: each slot has lanes of its own, as long as its take may get.

Nothing is computed for an empty slot, and lanes are as many as there are in a step: they need not be static.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pipeline.engines.dia.batching.decoding import Decoding
from pipeline.engines.dia.batching.prefill import Prefill, memory_errors
from pipeline.engines.dia.batching.sampling import Sampling, sample
from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest
from pipeline.engines.dia.network.attention import Lane
from pipeline.engines.dia.network.model import Model


@dataclass(eq=False)
class EagerSlot(Decoding):
    """A request with its lanes: the conditional one, and the unconditional one for as long as there is guidance."""

    cond: Lane = field(kw_only=True)
    uncond: Lane | None = field(kw_only=True)


class EagerStepper:
    """A `Stepper` that takes one decode step at a time. `cfg_frames` leaves guidance out after so many frames."""

    def __init__(self, model: Model, sampling: Sampling, cfg_frames: int | None = None) -> None:
        self.model = model
        self._sampling = sampling
        self._cfg_frames = cfg_frames
        self._prefill = Prefill(model, guided=sampling.cfg_scale > 0)
        self.kv_bytes = self._prefill.kv_bytes
        self.trim = self._prefill.clear

    def reset(self) -> None:
        """Nothing to do: a slot's memory goes with it."""

    @memory_errors()
    def prefill(self, request: GenerationRequest) -> EagerSlot:
        """As `Stepper.prefill`."""
        cond, uncond = self._prefill.lanes(request)
        return EagerSlot(request, self.model.config, cond=cond, uncond=uncond)

    def allocate(self, slot: EagerSlot, slots: int) -> None:
        """Nothing to do: its lanes have their memory."""

    @memory_errors()
    def decode(self, active: Sequence[EagerSlot]) -> int:
        """Read a row of every slot and fill in the next, once."""
        guided = [slot for slot in active if slot.uncond is not None]
        lanes = [slot.cond for slot in active] + [slot.uncond for slot in guided if slot.uncond is not None]
        rows = np.stack([slot.grid[slot.row] for slot in [*active, *guided]])[:, None]
        logits = self.model.logits(self.model.step(lanes, self._prefill.codes(rows))[:, 0])
        index = {id(lane): row for row, lane in enumerate(lanes)}
        for slots in (guided, [slot for slot in active if slot.uncond is None]):
            if slots:
                self._fill(slots, logits, index)
        for slot in active:
            if self._cfg_frames is not None and slot.frames >= self._cfg_frames:
                slot.uncond = None
        return 1

    def _fill(self, slots: Sequence[EagerSlot], logits: Tensor, index: dict[int, int]) -> None:
        """Draw the next row of `slots`, all with guidance or all without."""
        cond = logits[[index[id(slot.cond)] for slot in slots]]
        uncond = None if slots[0].uncond is None else logits[[index[id(slot.uncond)] for slot in slots]]
        finite = cond.isfinite().all(-1).all(-1)
        if uncond is not None:
            finite &= uncond.isfinite().all(-1).all(-1)
        uniform = torch.from_numpy(np.stack([slot.uniforms[slot.row] for slot in slots])).to(self.model.device)
        sampling = self._sampling
        temperatures = [sampling.temperature_of(slot.request.temperature) for slot in slots]
        temperature = torch.tensor(temperatures, dtype=torch.float32, device=self.model.device)
        tokens = sample(cond, uncond, sampling, self.model.config.eos, uniform, temperature).cpu().numpy()
        for slot, drawn, good in zip(slots, tokens, finite.tolist(), strict=True):
            slot.fill(drawn)
            slot.finite = good

    def finish(self, slot: EagerSlot) -> Generated | None:
        """As `Stepper.finish`."""
        return slot.result()
