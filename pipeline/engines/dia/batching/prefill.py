"""Prefill: the text is encoded and the voice prompt read before the first decode step, alike for every stepper."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.engines.dia.batching.decoding import rows_of
from pipeline.engines.dia.batching.delay import Grid, delayed
from pipeline.engines.dia.batching.scheduler import GenerationRequest
from pipeline.engines.dia.network.attention import KvSizes, Lane
from pipeline.engines.dia.network.model import Model

_PROMPTS_KEPT = 8


class Prefill:
    """Lanes for requests: a conditional one that reads the text, and with guidance (`guided`) an unconditional one.

    Without a text the reading of a prompt is the same for every take: the last few are kept in a prompt cache.
    """

    def __init__(self, model: Model, *, guided: bool) -> None:
        self._model = model
        self._guided = guided
        self._sizes = KvSizes.of(model.attention)
        self._prompts: OrderedDict[bytes, Lane] = OrderedDict()

    def kv_bytes(self, request: GenerationRequest) -> int:
        """As `Stepper.kv_bytes`, in lanes of the request's own."""
        rows = rows_of(request, self._model.config)
        return self._sizes.total(len(request.text), rows, 2 if self._guided else 1)

    def lanes(self, request: GenerationRequest) -> tuple[Lane, Lane | None]:
        """The conditional lane and the unconditional one, with capacity for all rows; both have read the prompt."""
        model, config, prompt = self._model, self._model.config, request.prompt
        rows = rows_of(request, config)
        text = model.prefill_text(torch.from_numpy(request.text).to(model.device))
        cond = model.lane(text, rows)
        uncond = model.lane(None, rows) if self._guided else None
        if len(prompt):
            grid = delayed(prompt, config.delays, config.bos, len(prompt))
            model.step([cond], self.codes(grid[None]))
            if uncond is not None:
                self.copy_prompt(uncond, grid)
        return cond, uncond

    def copy_prompt(self, lane: Lane, grid: Grid) -> None:
        """Let an unconditional `lane` begin with the prompt's rows `grid` `[P, C]`, which the prompt cache then has."""
        key = grid.tobytes()
        if key not in self._prompts:
            prompt = self._model.lane(None, len(grid))
            self._model.step([prompt], self.codes(grid[None]))
            self._prompts[key] = prompt
            if len(self._prompts) > _PROMPTS_KEPT:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(key)
        lane.copy(self._prompts[key])

    def clear(self) -> None:
        """Empty the prompt cache."""
        self._prompts.clear()

    def codes(self, grid: Grid) -> Tensor:
        """`grid` on the model's device."""
        return torch.from_numpy(np.ascontiguousarray(grid)).to(self._model.device)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Within, want of memory is a `MemoryError`: torch has an error of its own for a GPU, and none for the CPU."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise
