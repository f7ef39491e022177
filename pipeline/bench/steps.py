"""Takes that stand still, so that one step of the decoder can be measured as often as one likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.dia.batching.slots import Prompted, Slots
from pipeline.engines.dia.network.attention import Cache, Lane

Step = Callable[[int, int, bool], None]


def hold(slots: Slots, text: NDArray[np.int64], rows: int, count: int) -> Step:
    """`step(slots, length, guided)`: a whole step of so many takes, sampling included, that brings them to `length`.

    There are `count` takes of up to `rows` rows, which mean nothing. One has read `text` `[T]` and its rows; the others
    are copies of it, with memory of their own.
    """
    config = slots._model.config
    codes = np.random.default_rng(0).integers(0, config.eos, (rows - 1, len(config.delays))).astype(np.int16)
    first = slots._admit(Prompted("held", text, codes, seed=0, max_frames=1))
    twins = [
        replace(first, grid=first.grid.copy(), cond=_twin(first.cond), uncond=first.uncond and _twin(first.uncond))
        for _ in range(count - 1)
    ]
    held = [first, *twins]
    guides = [slot.uncond for slot in held]

    def step(count: int, length: int, guided: bool) -> None:
        for slot, guide in zip(held[:count], guides, strict=False):
            slot.row, slot.end, slot.cond.length = length - 1, None, length - 1
            slot.uncond = guide if guided else None
            if guide is not None:
                guide.length = length - 1
        slots._advance(held[:count])

    return step


def _twin(lane: Lane) -> Lane:
    text = lane.text and replace(lane.text, cache=_copy(lane.text.cache))
    return replace(lane, text=text, cache=_copy(lane.cache))


def _copy(cache: Cache) -> Cache:
    return tuple(part.clone() for part in cache)
