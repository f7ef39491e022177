"""Continuous batching without tensors: which requests are decoded, which wait, and what becomes of them without memory.

Requests come in, pulled when a slot is free; their codes go out, in the order they are finished. What computes is a
`Stepper`: `slots.py` has the one for CPUs, `cuda_slots.py` the one for CUDA. Nothing here knows a network or a device.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.dia.batching.delay import Codes

MOST_SLOTS = 32  # on a CPU; memory may hold fewer

_log = logging.getLogger(__name__)
_NO_MEMORY = "there is not enough memory for it, even alone."


@dataclass(frozen=True)
class GenerationRequest:
    """A text to be spoken, the voice prompt's codes that the speech goes on from (P may be 0), and a seed.

    `key` comes back with the result and means nothing here. `temperature` is the stepper's where it is None.
    """

    key: str
    text: NDArray[np.int64]  # `[T]`, bytes and tags
    prompt: Codes  # `[P, C]`
    seed: int
    max_frames: int
    temperature: float | None = None


@dataclass(frozen=True)
class Generated:
    """The codes `[F, C]` that follow the prompt. `reason` says why there are none, `retry` if another seed may help."""

    key: str
    codes: Codes
    reason: str = ""
    retry: bool = False

    @classmethod
    def failed(cls, request: GenerationRequest, reason: str, *, retry: bool = False) -> Generated:
        """The result of a request that came to nothing, and why."""
        return cls(request.key, request.prompt[:0], reason, retry)


class Slot(Protocol):
    """A request that is being decoded."""

    @property
    def request(self) -> GenerationRequest:
        """The one that was prefilled."""

    @property
    def row(self) -> int:
        """The next row that the decoder reads: one more after each decode step."""


SlotT = TypeVar("SlotT", bound=Slot)


class Stepper(Protocol[SlotT]):
    """Computes for the scheduler. All raise `MemoryError` for want of memory, whatever the device calls it.

    What a slot's codes are may depend on its request alone: not on other slots, nor on when they came and went.
    """

    def reset(self) -> None:
        """Free all slots: a `generate` that was not read to its end left them in use."""

    def kv_bytes(self, request: GenerationRequest) -> int:
        """The KV cache that `request` needs if it becomes as long as it may."""

    def prefill(self, request: GenerationRequest) -> SlotT:
        """Encode the text and read the prompt."""

    def allocate(self, slot: SlotT, slots: int) -> None:
        """Find a place for a prefilled `slot` among up to `slots`; with fewer of them it may be easier to find."""

    def decode(self, active: Sequence[SlotT]) -> int:
        """Take a decode step, or several, of all slots there are; how many. After an error all of them are free."""

    def finish(self, slot: SlotT) -> Generated | None:
        """The result of a slot that has ended, which is free then; None: it goes on."""

    def trim(self) -> None:
        """Give back memory that is only there to be quicker."""


class Scheduler(Generic[SlotT]):
    """Generates codes for requests, up to `limit` at a time, and no more than fit `room` bytes of KV cache.

    `limit` may be changed between two calls of `generate`, and shrinks by itself where memory runs out. For one
    `generate` at a time.
    """

    def __init__(self, stepper: Stepper[SlotT], limit: int, room: int | None = None) -> None:
        self.stepper = stepper
        self.limit = limit
        self._room = room
        self.steps = 0
        self.slot_steps = 0  # slots in use, summed over steps: occupancy is this by steps and limit

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generated]:
        """Each request exactly once, in the order they finish; the next is pulled only when a slot is free.

        An iterator that had nothing more is asked again after each step, for as long as any slot is in use.
        """
        self.stepper.reset()
        incoming = iter(requests)
        queue: deque[GenerationRequest] = deque()  # put back for want of memory, in front of those to come
        active: list[SlotT] = []
        while True:
            while len(active) < self.limit and (request := queue.popleft() if queue else next(incoming, None)):
                if not self._fits(request, active):
                    queue.appendleft(request)
                    break
                try:
                    active.append(self._admit(request, alone=not active))
                except MemoryError:
                    if active:
                        queue.appendleft(request)
                        self._shrink(len(active))
                    else:
                        yield Generated.failed(request, _NO_MEMORY)
            if not active:
                return
            try:
                self._decode(active)
            except MemoryError:
                if len(active) == 1:
                    yield Generated.failed(active.pop().request, _NO_MEMORY)
                # The step left them half decoded, and a take depends on its request alone: they begin again.
                queue.extendleft(slot.request for slot in reversed(active))
                self._shrink(len(active) // 2)
                active = []
                continue
            results = [self.stepper.finish(slot) for slot in active]
            active = [slot for slot, result in zip(active, results, strict=True) if result is None]
            yield from filter(None, results)

    def _fits(self, request: GenerationRequest, active: Sequence[SlotT]) -> bool:
        """Whether there is room for `request` beside the active ones; alone it may try in any case."""
        if self._room is None or not active:
            return True
        return sum(map(self.stepper.kv_bytes, [request, *(slot.request for slot in active)])) <= self._room

    def _admit(self, request: GenerationRequest, *, alone: bool) -> SlotT:
        """Prefill `request`. Where it is `alone`, what stands in its way is memory for `limit` slots: fewer may do."""
        slot = self.stepper.prefill(request)
        while True:
            try:
                self.stepper.allocate(slot, self.limit)
            except MemoryError:
                if not alone or self.limit == 1:
                    raise
            else:
                return slot
            self._shrink(self.limit // 2)

    def _decode(self, active: Sequence[SlotT]) -> None:
        before = sum(slot.row for slot in active)
        self.steps += self.stepper.decode(active)
        self.slot_steps += sum(slot.row for slot in active) - before

    def _shrink(self, limit: int) -> None:
        self.limit = max(limit, 1)
        self.stepper.trim()
        _log.warning("out of memory: going on with %d takes at a time", self.limit)
