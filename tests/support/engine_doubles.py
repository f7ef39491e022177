"""An engine for tests of what drives engines: it batches continuously, counts, and does as its text says.

`Doubles`, registered with a Dask client, has it take the tone engine's place in every worker, also in those to come.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from distributed import WorkerPlugin

from pipeline import engines
from pipeline.engines import DraftVoice, Failed, Line, Rendered, Request, Traits, Voice
from pipeline.engines.tone import ToneEngine
from pipeline.errors import EngineError, Problem

ANN = Voice("ann", DraftVoice())
_STEP_S = {"quick": 0.004, "steady": 0.03, "slow": 0.2}  # by what the worker's name begins with; others take no time


def request(key: object, text: str, *, seed: int = 1, voice: Voice = ANN) -> Request:
    """A chunk of one line."""
    return Request(str(key), (Line(voice, text),), "en", seed)


@dataclass
class Count:
    """What slots engines have done in this process."""

    steps: int = 0
    busy: int = 0  # slots, summed over the steps
    spoken: list[str] = field(default_factory=list)


class Slots(ToneEngine):
    """Tones, several at once: a request takes a step for every word, and its place is filled the moment it is free.

    A text that begins with "break" breaks the engine, one with "poison" kills its process.
    """

    def __init__(self, slots: int = 1, step_s: float = 0.0, count: Count | None = None) -> None:
        self.slots = slots
        self.count = count or Count()
        self._step_s = step_s

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak step by step."""
        incoming = iter(requests)
        active: list[tuple[Request, int]] = []
        while True:
            active += [(one, _words(one)) for one in islice(incoming, self.slots - len(active))]
            if not active:
                return
            time.sleep(self._step_s)
            self.count.steps += 1
            self.count.busy += len(active)
            active = [(one, left - 1) for one, left in active]
            finished = [one for one, left in active if left <= 0]
            active = [(one, left) for one, left in active if left > 0]
            for one in finished:
                self.count.spoken.append(one.lines[0].text)
                yield next(super().render([one]))


def _words(one: Request) -> int:
    text = one.lines[0].text
    if text.startswith("poison"):
        os.kill(os.getpid(), signal.SIGKILL)
    if text.startswith("break"):
        raise RuntimeError("it broke")
    return len(text.split())


_name = ""


def open_engine() -> Slots:
    """As many slots as `DOUBLE_SLOTS` says; none at all in a worker whose name begins with "refuse"."""
    if _name.startswith("refuse"):
        raise EngineError(Problem(_name, "there is nothing to speak with.", "Install it."))
    step_s = next((step_s for start, step_s in _STEP_S.items() if _name.startswith(start)), 0.0)
    return Slots(int(os.environ.get("DOUBLE_SLOTS", "1")), step_s)


class Doubles(WorkerPlugin):
    """Set up by Dask in each worker process before it is given anything to do."""

    def setup(self, worker: Any) -> None:
        """Put the double in place."""
        global _name  # noqa: PLW0603 - one for each worker process
        _name = str(worker.name)
        engines.TRAITS = {**engines.TRAITS, "tone": Traits("tone", __name__)}
