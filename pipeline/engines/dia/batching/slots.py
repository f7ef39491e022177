"""Continuous batching: takes share each step of the decoder, and a waiting one enters as soon as another has ended.

A take is a slot with one or two lanes: the conditional one, which reads the text, and the unconditional one of
guidance. Nothing a slot makes depends on the other slots.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.engines.dia.batching.delay import FREE, Codes, Grid, delayed, undelayed
from pipeline.engines.dia.batching.sampling import Sampling, sample, uniforms
from pipeline.engines.dia.network.attention import Lane, Sizes
from pipeline.engines.dia.network.model import Model

_log = logging.getLogger(__name__)
_NO_MEMORY = "there is not enough memory for it, even alone."
_PROMPTS_KEPT = 8  # unconditional readings of voice prompts


@dataclass(frozen=True)
class Prompted:
    """A take to be generated: a text, the codes `[P, C]` of the voice prompt it goes on from (P may be 0), and a seed.

    `key` is handed through.
    """

    key: str
    text: NDArray[np.int64]  # `[T]`
    prompt: Codes
    seed: int
    max_frames: int


@dataclass(frozen=True)
class Generated:
    """The codes `[F, C]` that follow the prompt. `reason` says why there are none, `retry` if another seed may help."""

    key: str
    codes: Codes
    reason: str = ""
    retry: bool = False


@dataclass
class _Slot:
    request: Prompted
    grid: Grid  # `[rows, C]`, delayed; what is not given is filled in
    given: NDArray[np.bool_]
    uniforms: NDArray[np.float32]  # `[rows, C]`
    cond: Lane
    uncond: Lane | None
    row: int  # the next one to read
    end: int | None = None  # the row in which the first codebook has EOS

    @property
    def first(self) -> int:
        """The first row that is not given in the first codebook."""
        return len(self.request.prompt) + 1


class Slots:
    """Generates takes, up to `limit` at a time, and no more than fit `room` bytes for keys and values.

    `cfg_frames` leaves guidance out after so many frames.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        limit: int,
        cfg_frames: int | None = None,
        room: int | None = None,
    ) -> None:
        self._model = model
        self._sampling = sampling
        self.limit = limit
        self._cfg_frames = cfg_frames
        self._room = room
        self._sizes = Sizes.of(model.attention)
        self._unconditional: OrderedDict[bytes, Lane] = OrderedDict()
        self._delays = model.config.delays
        self._nothing = np.zeros((0, len(self._delays)), np.int16)
        self.steps = 0
        self.slot_steps = 0  # slots in use, summed over steps: occupancy is this by steps and limit

    def generate(self, requests: Iterable[Prompted]) -> Iterator[Generated]:
        """Each request exactly once, in the order they finish; the next is pulled only when a slot is free."""
        incoming = iter(requests)
        active: list[_Slot] = []
        again: deque[Prompted] = deque()  # put back for want of memory
        while True:
            while len(active) < self.limit and (request := again.popleft() if again else next(incoming, None)):
                if not self._fits(request, active):
                    again.appendleft(request)
                    break
                try:
                    active.append(self._admit(request))
                except (RuntimeError, MemoryError) as error:
                    _raise_unless_memory(error)
                    if active:
                        again.appendleft(request)
                        self._shrink(len(active))
                    else:
                        yield Generated(request.key, self._nothing, reason=_NO_MEMORY)
            if not active:
                return
            try:
                broken = self._advance(active)
            except (RuntimeError, MemoryError) as error:
                _raise_unless_memory(error)
                if len(active) == 1:
                    yield Generated(active.pop().request.key, self._nothing, reason=_NO_MEMORY)
                # The step left them half read, and a take depends on its seed alone: they begin again.
                again.extendleft(slot.request for slot in reversed(active))
                self._shrink(len(active) // 2)
                active = []
                continue
            generated = [self._finished(slot, broken) for slot in active]
            active = [slot for slot, done in zip(active, generated, strict=True) if done is None]
            yield from filter(None, generated)

    def _fits(self, request: Prompted, active: Sequence[_Slot]) -> bool:
        """Whether there is room for `request` beside those that run; alone it may try in any case."""
        if self._room is None or not active:
            return True
        return sum(map(self._bytes, [request, *(slot.request for slot in active)])) <= self._room

    def _bytes(self, request: Prompted) -> int:
        return self._sizes.take(len(request.text), self._rows(request), 2 if self._sampling.cfg_scale > 0 else 1)

    def _rows(self, request: Prompted) -> int:
        """Rows of the prompt, of the longest take, and those in which the last codebook catches up."""
        return len(request.prompt) + 1 + request.max_frames + max(self._delays) + 1

    def _shrink(self, limit: int) -> None:
        self.limit = max(limit, 1)
        self._unconditional.clear()
        _log.warning("out of memory: going on with %d takes at a time", self.limit)

    def _admit(self, request: Prompted) -> _Slot:
        """Read the prompt into lanes of the take's own."""
        frames, delays = len(request.prompt), self._delays
        rows = self._rows(request)
        grid = delayed(request.prompt, delays, self._model.config.bos, rows)
        text = self._model.read(torch.from_numpy(request.text).to(self._model.device))
        cond = self._model.lane(text, rows)
        uncond = self._model.lane(None, rows) if self._sampling.cfg_scale > 0 else None
        if frames:
            self._model.step([cond], self._codes(grid[None, :frames]))
            if uncond is not None:
                self._copy_unconditional(uncond, grid[:frames])
        draws = uniforms(request.seed, rows, len(delays))
        return _Slot(request, grid, grid != FREE, draws, cond, uncond, row=frames)

    def _copy_unconditional(self, lane: Lane, grid: Grid) -> None:
        """Without a text the reading of a prompt is the same for every take, and is done once."""
        key = grid.tobytes()
        if key not in self._unconditional:
            read = self._model.lane(None, len(grid))
            self._model.step([read], self._codes(grid[None]))
            self._unconditional[key] = read
            if len(self._unconditional) > _PROMPTS_KEPT:
                self._unconditional.popitem(last=False)
        self._unconditional.move_to_end(key)
        read = self._unconditional[key]
        lane.copy(read)

    def _advance(self, active: Sequence[_Slot]) -> set[str]:
        """One step of every slot: read a row, fill in the next. Returns the keys of those that came to no numbers."""
        guided = [slot for slot in active if slot.uncond is not None]
        lanes = [slot.cond for slot in active] + [slot.uncond for slot in guided if slot.uncond is not None]
        read = np.stack([slot.grid[slot.row] for slot in [*active, *guided]])[:, None]
        logits = self._model.logits(self._model.step(lanes, self._codes(read))[:, 0])
        self.steps += 1
        self.slot_steps += len(active)
        broken: set[str] = set()
        index = {id(lane): row for row, lane in enumerate(lanes)}
        for slots in (guided, [slot for slot in active if slot.uncond is None]):
            if slots:
                broken |= self._fill(slots, logits, index)
        for slot in active:
            slot.row += 1
            frames = slot.row - slot.first + 1
            if self._cfg_frames is not None and frames >= self._cfg_frames:
                slot.uncond = None
        return broken

    def _fill(self, slots: Sequence[_Slot], logits: Tensor, index: dict[int, int]) -> set[str]:
        """Draw the next row of `slots`, all with guidance or all without."""
        cond = logits[[index[id(slot.cond)] for slot in slots]]
        uncond = None if slots[0].uncond is None else logits[[index[id(slot.uncond)] for slot in slots]]
        finite = cond.isfinite().all(-1).all(-1)
        if uncond is not None:
            finite &= uncond.isfinite().all(-1).all(-1)
        uniform = torch.from_numpy(np.stack([slot.uniforms[slot.row] for slot in slots])).to(self._model.device)
        drawn = sample(cond, uncond, self._sampling, self._model.config.eos, uniform).cpu().numpy()
        for slot, tokens in zip(slots, drawn, strict=True):
            self._write(slot, tokens)
        return {slot.request.key for slot, good in zip(slots, finite.tolist(), strict=True) if not good}

    def _write(self, slot: _Slot, tokens: NDArray[np.int64]) -> None:
        """Put the drawn `tokens` `[C]` into the row after the one that was read, by the rules for its end."""
        eos, pad = self._model.config.eos, self._model.config.pad
        row = slot.row + 1
        capped = row == slot.first + slot.request.max_frames
        if slot.end is None and (capped or tokens[0] == eos):
            slot.end = row
        tokens = np.where(slot.given[row], slot.grid[row], tokens)
        if slot.end is not None:
            ends = slot.end + np.asarray(self._delays)
            tokens = np.where(row == ends, eos, np.where(row > ends, pad, tokens))
        slot.grid[row] = tokens

    def _finished(self, slot: _Slot, broken: set[str]) -> Generated | None:
        """What the slot has made, once the last codebook has caught up."""
        key = slot.request.key
        if key in broken:
            return Generated(key, self._nothing, reason="the network gave no finite numbers (NaN).", retry=True)
        if slot.end is None or slot.row < slot.end + max(self._delays) - 1:
            return None
        frames = slot.end - slot.first
        codes = undelayed(slot.grid, self._delays, len(slot.request.prompt), frames)
        return Generated(key, codes)

    def _codes(self, grid: Grid) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(grid)).to(self._model.device)


def _raise_unless_memory(error: Exception) -> None:
    """Torch has an error of its own for a GPU, and none for the CPU's allocator."""
    memory = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
    if not memory:
        raise error
