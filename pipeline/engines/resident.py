"""An engine that stays loaded between the jobs of a worker process.

In: requests, one by one and from any thread. Out: a future for each. They share the engine's slots as they come, so
that no slot stands empty while anything waits. Knows no processes or networks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count
from typing import Generic, TypeVar

from pipeline.engines import Engine, Failed, Rendered, Request

Result = Rendered | Failed
E = TypeVar("E", bound=Hashable)  # by which an engine is known and opened
# How long others may wait for an engine that goes on getting requests. To change, its slots must run empty first.
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class _Queued(Generic[E]):
    """A request that waits for its result."""

    engine: E
    request: Request
    result: Future[Result]
    since: float
    priority: int


class Resident(Generic[E]):
    """Engines of which one is loaded and at work at a time, in a thread of its own."""

    def __init__(self, open_engine: Callable[[E], Engine], patience_s: float = _PATIENCE_S) -> None:
        self._open = open_engine
        self._patience_s = patience_s
        self._queue: deque[_Queued[E]] = deque()  # by priority
        self._queue_changed = threading.Condition()
        self._in_slots: dict[str, _Queued[E]] = {}  # what the engine has pulled, by a key of its own
        self._current: tuple[E, Engine] | None = None
        self._number = count()
        # Not `threads.every`: it waits for requests, and lasts as long as the process.
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    def speak(self, engine: E, request: Request, priority: int = 0) -> Future[Result]:
        """Have `request` spoken, before all that wait with a lower `priority`.

        An error of the engine is the result of every request it had pulled by then.
        """
        queued = _Queued(engine, request, Future(), time.monotonic(), priority)
        with self._queue_changed:
            place = sum(other.priority >= priority for other in self._queue)
            self._queue.insert(place, queued)
            self._queue_changed.notify()
        return queued.result

    def slots(self, engine: E) -> int:
        """How many takes the engine renders at once, if it is the one at work; else 1."""
        current = self._current
        return current[1].slots if current is not None and current[0] == engine else 1

    def _work(self) -> None:
        while True:
            with self._queue_changed:
                self._queue_changed.wait_for(lambda: self._queue)
                engine = self._queue[0].engine
            try:
                if self._current is None or self._current[0] != engine:
                    # The one before is let go only now: both may speak with the same weights.
                    self._current = (engine, self._open(engine))
                for result in self._current[1].render(_Feed(self, engine)):
                    queued = self._in_slots.pop(result.request.key)
                    queued.result.set_result(replace(result, request=queued.request))
                if self._in_slots:
                    raise RuntimeError(f"the engine ended and left {len(self._in_slots)} requests unspoken")
            except Exception as error:  # for those who wait for results
                self._current = None
                self._fail(engine, error)

    def _fail(self, engine: E, error: Exception) -> None:
        """Give `error` to what the engine had pulled, or, where it did not even open, to all that wait for it."""
        failed = list(self._in_slots.values())
        self._in_slots.clear()
        if not failed:
            with self._queue_changed:
                failed = [queued for queued in self._queue if queued.engine == engine]
                self._queue = deque(queued for queued in self._queue if queued.engine != engine)
        for queued in failed:
            queued.result.set_exception(error)

    def next(self, engine: E) -> Request | None:
        """The next request for the engine at work, under a key of its own: two jobs may say the same thing at once."""
        with self._queue_changed:
            first = self._queue[0] if self._queue else None
            if first is None:
                return None
            if first.engine != engine and time.monotonic() - first.since > self._patience_s:
                return None
            queued = next((queued for queued in self._queue if queued.engine == engine), None)
            if queued is None:
                return None
            self._queue.remove(queued)
        key = str(next(self._number))
        self._in_slots[key] = queued
        return replace(queued.request, key=key)


class _Feed(Iterator[Request], Generic[E]):
    """The requests in the queue for one engine. It may be asked again after it had none."""

    def __init__(self, resident: Resident[E], engine: E) -> None:
        self._resident, self._engine = resident, engine

    def __next__(self) -> Request:
        if (request := self._resident.next(self._engine)) is None:
            raise StopIteration
        return request
