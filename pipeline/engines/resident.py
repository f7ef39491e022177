"""An engine that stays loaded, for whoever has something to say.

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

from pipeline.engines import Engine, Failed, Rendered, Request

Result = Rendered | Failed
# How long others may wait for an engine that goes on getting requests. To change, its slots must run empty first.
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class _Asked:
    engine: Hashable
    request: Request
    result: Future[Result]
    since: float
    priority: int


class Resident:
    """Engines by name, one of them at work at a time, in a thread of their own."""

    def __init__(self, open_engine: Callable[[Hashable], Engine], patience_s: float = _PATIENCE_S) -> None:
        self._open = open_engine
        self._patience_s = patience_s
        self._waiting: deque[_Asked] = deque()
        self._news = threading.Condition()
        self._speaking: dict[str, _Asked] = {}
        self._current: tuple[Hashable, Engine] | None = None
        self._number = count()
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    def speak(self, engine: Hashable, request: Request, priority: int = 0) -> Future[Result]:
        """Have `request` spoken, before all that wait with a lower `priority`.

        What the engine raises, every request it had at that moment raises.
        """
        asked = _Asked(engine, request, Future(), time.monotonic(), priority)
        with self._news:
            place = sum(one.priority >= priority for one in self._waiting)
            self._waiting.insert(place, asked)
            self._news.notify()
        return asked.result

    def slots(self, engine: Hashable) -> int:
        """How many takes the engine makes at once, if it is the one at work; else 1."""
        current = self._current
        return current[1].slots if current is not None and current[0] == engine else 1

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting)
                name = self._waiting[0].engine
            try:
                if self._current is None or self._current[0] != name:
                    # The one before is let go only now: both may speak with the same weights.
                    self._current = (name, self._open(name))
                for result in self._current[1].render(_Feed(self, name)):
                    asked = self._speaking.pop(result.request.key)
                    asked.result.set_result(replace(result, request=asked.request))
                if self._speaking:
                    raise RuntimeError(f"the engine ended and left {len(self._speaking)} requests unspoken")
            except Exception as error:  # whoever asked decides what to make of it
                self._current = None
                self._fail(name, error)

    def _fail(self, name: Hashable, error: Exception) -> None:
        """Tell those that were being spoken, or, where the engine did not even open, the first that wanted it."""
        asked = list(self._speaking.values())
        self._speaking.clear()
        if not asked:
            with self._news:
                asked = [one for one in self._waiting if one.engine == name]
                self._waiting = deque(one for one in self._waiting if one.engine != name)
        for one in asked:
            one.result.set_exception(error)

    def next(self, name: Hashable) -> Request | None:
        """The next request for the engine at work, under a key of its own: two jobs may say the same thing at once."""
        with self._news:
            first = self._waiting[0] if self._waiting else None
            if first is None:
                return None
            if first.engine != name and time.monotonic() - first.since > self._patience_s:
                return None
            asked = next((one for one in self._waiting if one.engine == name), None)
            if asked is None:
                return None
            self._waiting.remove(asked)
        key = str(next(self._number))
        self._speaking[key] = asked
        return replace(asked.request, key=key)


class _Feed(Iterator[Request]):
    """What waits for one engine. It may be asked again after it had nothing."""

    def __init__(self, resident: Resident, name: Hashable) -> None:
        self._resident, self._name = resident, name

    def __next__(self) -> Request:
        if (request := self._resident.next(self._name)) is None:
            raise StopIteration
        return request
