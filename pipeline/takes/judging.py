"""Judging: what takes are judged by, and the checks that run beside the rendering.

In: takes on disk. Out: what was measured of each, in the order they came. Decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from pipeline.checks.repeats import repeated_bytes
from pipeline.checks.signal import measure
from pipeline.engines import Voice
from pipeline.takes.attempts import PlannedAttempt
from pipeline.takes.baseline import Baseline
from pipeline.takes.plan import PlannedTake
from pipeline.takes.retakes import Policy
from pipeline.takes.store import Take

_MANY_WAIT = 50  # takes whose checks lag behind before that is told
_LOOK_S = 0.5  # between two looks whether the job is to stop
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judging:
    """How takes are judged and made again.

    `seconds_per_byte` are the least and the most that a byte of text may last, and `ignored` the checks that do not
    count. `split` cuts a take in two near a share
    of it, where that can be done, and sees to it that the next plan cuts there, too. `baseline` is what takes are
    compared by, and `longer_prompt` gives a voice
    a prompt that a take follows, by its key, where that leaves room for what is to be said.
    """

    seconds_per_byte: tuple[float, float] | None = None
    ignored: Set[str] = frozenset()
    policy: Policy = field(default_factory=Policy)
    split: Callable[[PlannedTake, float, int], Sequence[PlannedTake]] = lambda _plan, _share, _retakes: ()
    baseline: Baseline | None = None
    longer_prompt: Callable[[Voice, str, PlannedTake], Voice | None] = lambda _voice, _take, _plan: None


@dataclass(frozen=True)
class MeasuredTake:
    """What the checks measured of an attempt's take."""

    attempt: PlannedAttempt
    take: Take
    values: Mapping[str, float]


class CheckThread:
    """Measures takes in a thread of its own: they wait for that on disk, and the device never does."""

    def __init__(self) -> None:
        self.waiting = 0  # takes that were not taken up yet
        self._measured: SimpleQueue[MeasuredTake | BaseException] = SimpleQueue()
        self._thread = ThreadPoolExecutor(1)
        self._has_told = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, error: type[BaseException] | None, *_rest: object) -> None:
        self._thread.shutdown(wait=error is None, cancel_futures=True)

    def expect(self) -> None:
        """A take is about to come."""
        self.waiting += 1
        if self.waiting > _MANY_WAIT and not self._has_told:
            self._has_told = True
            _log.warning("%d takes wait on disk for their checks, which lag behind the device", self.waiting)

    def submit(self, attempt: PlannedAttempt, take: Take, *, expected: bool = False) -> None:
        """Measure a take as soon as those before it are measured."""
        if not expected:
            self.expect()
        self._thread.submit(self._measure, attempt, take)

    def is_empty(self) -> bool:
        """Whether nothing is measured that was not taken up."""
        return self._measured.empty()

    def next(self) -> MeasuredTake | None:
        """What was measured next; None where nothing comes for a moment. Raises what the checks raised."""
        try:
            measured = self._measured.get(timeout=_LOOK_S)
        except Empty:
            return None
        if isinstance(measured, BaseException):
            raise measured
        self.waiting -= 1
        return measured

    def _measure(self, attempt: PlannedAttempt, take: Take) -> None:
        try:
            spoken = attempt.plan.spoken
            values = measure(take.read(), take.sample_rate_hz, len(spoken.encode()), repeated_bytes(spoken))
            self._measured.put(MeasuredTake(attempt, take, values))
        except BaseException as error:
            self._measured.put(error)
