"""A request while it is decoded: its rows on the delay pattern, which of them is next, and where they end.

Shared by the steppers, without tensors. `fill` is the specification of what the CUDA stepper does on its device.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.dia.batching.delay import FREE, Grid, delayed, undelayed
from pipeline.engines.dia.batching.sampling import uniforms
from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest
from pipeline.engines.dia.weights.config import DiaConfig

_NOT_FINITE = "the network gave no finite numbers (NaN)."


def rows_of(request: GenerationRequest, config: DiaConfig) -> int:
    """Rows of the prompt, of the longest take, and those in which the last codebook catches up."""
    return len(request.prompt) + 1 + request.max_frames + max(config.delays) + 1


@dataclass(eq=False)
class Decoding:
    """Where a request is at: `row` is the next one that the decoder reads, and the prompt's have been read."""

    request: GenerationRequest
    config: DiaConfig
    grid: Grid = field(init=False)  # `[rows, C]`, delayed; what is drawn takes the place of `FREE`
    uniforms: NDArray[np.float32] = field(init=False)  # `[rows, C]`
    row: int = field(init=False)
    end: int | None = field(default=None, init=False)  # the row in which the first codebook has EOS
    finite: bool = field(default=True, init=False)  # all logits so far

    def __post_init__(self) -> None:
        config, rows = self.config, rows_of(self.request, self.config)
        self.grid = delayed(self.request.prompt, config.delays, config.bos, rows)
        self.uniforms = uniforms(self.request.seed, rows, len(config.delays))
        self.row = len(self.request.prompt)

    @property
    def first(self) -> int:
        """The first row that is not given in the first codebook."""
        return len(self.request.prompt) + 1

    @property
    def cap(self) -> int:
        """The row in which the first codebook has EOS at the latest."""
        return self.first + self.request.max_frames

    @property
    def frames(self) -> int:
        """Frames begun once the next row is read: guidance may end with so many."""
        return self.row - self.first + 1

    @property
    def steps_left(self) -> int:
        """Decode steps until the last codebook has caught up with the first one's EOS; as many as there may be."""
        return (self.cap if self.end is None else self.end) + max(self.config.delays) - 1 - self.row

    def fill(self, tokens: NDArray[np.int64]) -> None:
        """Put `tokens` `[C]`, drawn after `row`, into the row after it, which is next then.

        What is given stays. In each codebook EOS stands as many rows after the first one's as it is delayed, then PAD.
        """
        self.row += 1
        if self.end is None and (self.row == self.cap or tokens[0] == self.config.eos):
            self.end = self.row
        given = self.grid[self.row]
        tokens = np.where(given == FREE, tokens, given)
        if self.end is not None:
            ends = self.end + np.asarray(self.config.delays)
            tokens = np.where(self.row == ends, self.config.eos, np.where(self.row > ends, self.config.pad, tokens))
        self.grid[self.row] = tokens

    def result(self) -> Generated | None:
        """The codes once the last codebook has caught up, or why there will be none; None: it goes on."""
        if not self.finite:
            return Generated.failed(self.request, _NOT_FINITE, retry=True)
        if self.end is None or self.steps_left > 0:
            return None
        prompt = len(self.request.prompt)
        return Generated(self.request.key, undelayed(self.grid, self.config.delays, prompt, self.end - self.first))
