"""Render: the loop that has planned takes rendered, retries those with faults, and saves each the moment it exists.

In: planned takes, an engine, and the store of finished takes. Out: `TakesDone`. Knows no chapters and no clock.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from pipeline.checks.gate import UNUSABLE, Limits, faults, score
from pipeline.engines import Engine, Failed, Rendered, Request
from pipeline.errors import Problem
from pipeline.takes.plan import PlannedTake, attempt_seed
from pipeline.takes.store import Attempt, Take, TakeStore
from pipeline.window import ALWAYS, Admission

ATTEMPTS = 3  # more after a take with faults
HERE = "here"  # the device of an engine that renders in this process


@dataclass(frozen=True)
class DeviceWork:
    """What one device has done in a run."""

    takes: int = 0  # that were kept
    audio_s: float = 0.0  # of those
    work_s: float = 0.0  # with the attempts that were not kept

    def __add__(self, other: DeviceWork) -> DeviceWork:
        return DeviceWork(self.takes + other.takes, self.audio_s + other.audio_s, self.work_s + other.work_s)

    @property
    def speed_x(self) -> float:
        """Seconds of audio per second of work; 0 where there was no work."""
        return round(self.audio_s / self.work_s, 1) if self.work_s > 0 else 0.0


@dataclass(frozen=True)
class MissingTake:
    """A take that is missing from its chapter, and why."""

    problem: Problem
    why: str  # it is missing, without its place: "it came out silent."


@dataclass(frozen=True)
class Ear:
    """A take for a person to listen to: even its best attempt has faults. It is delivered, or left out for them."""

    take: str  # its file, relative to the job's folder
    where: str = ""  # in the script
    text: str = ""
    faults: tuple[str, ...] = ()  # as the gate names them

    @property
    def problem(self) -> Problem:
        """What is to be done about it where it is delivered."""
        return Problem(
            self.where,
            f'the best take of "{self.text[:60]}" is {" and ".join(self.faults)}.',
            f"Listen to {self.take}, and change the text or the seed if it is no good.",
        )


@dataclass(frozen=True)
class TakesDone:
    """What the render loop leaves behind. Mappings are by the takes' keys."""

    takes: Mapping[str, Take]
    reused: int  # of them, those that were finished before
    missing: Mapping[str, MissingTake] = field(default_factory=dict)  # those that failed in the order of the book
    ears: Mapping[str, Ear] = field(default_factory=dict)
    devices: Mapping[str, DeviceWork] = field(default_factory=dict)  # by name
    unshared: Problem | None = None  # what kept takes from the shared store
    failed_auditions: tuple[Problem, ...] = ()
    poor_auditions: tuple[Problem, ...] = ()  # of voices that speak all the same

    @property
    def rendered(self) -> int:
        """How many takes this run rendered."""
        return len(self.takes) - self.reused

    @property
    def rendered_s(self) -> float:
        """Seconds of audio that are new."""
        return sum(work.audio_s for work in self.devices.values())

    @property
    def failed(self) -> tuple[Problem, ...]:
        """Auditions and takes that came to nothing; what was left out for its faults has a take, and did not fail."""
        without_take = (missing.problem for key, missing in self.missing.items() if key not in self.takes)
        return (*self.failed_auditions, *without_take)

    @property
    def flagged(self) -> tuple[Problem, ...]:
        """The problems of takes that are delivered with faults."""
        return tuple(ear.problem for key, ear in self.ears.items() if key not in self.missing)

    @property
    def delivered(self) -> Mapping[str, Take]:
        """The takes that chapters are made of."""
        return {key: take for key, take in self.takes.items() if key not in self.missing}


class _PendingTake:
    """A take that is being rendered: the number of the attempt that the engine has, and the best one before it."""

    def __init__(self, plan: PlannedTake) -> None:
        self.plan = plan
        self.attempt = 0
        self.best: Attempt | None = None
        self._failure = self._advice = ""  # why an attempt came to nothing, and what to do then

    def add(self, result: Rendered | Failed, sample_rate_hz: int, limits: Limits | None) -> bool:
        """Keep `result` if it is the best so far; tell whether another seed could do better."""
        if isinstance(result, Failed):
            self._failure, self._advice = result.reason, result.next
            return not result.final
        measured = (result.pcm, sample_rate_hz, self.plan.chunk.spoken_bytes, limits)
        attempt = Attempt(self.attempt, result, tuple(faults(*measured)), score(*measured))
        if self.best is None or attempt.score < self.best.score:
            self.best = attempt
        return bool(attempt.faults)

    def retry(self) -> Request:
        """The request of the next attempt."""
        self.attempt += 1
        return replace(self.plan.request, seed=attempt_seed(self.plan.key, self.attempt))

    def missing(self) -> MissingTake | None:
        """Why there is nothing to deliver; None where there is."""
        if self.best is not None and UNUSABLE.isdisjoint(self.best.faults):
            return None
        why = self._failure if self.best is None else f"it came out {' and '.join(self.best.faults)}."
        advice = self._advice if self.best is None else ""
        return not_rendered(self.plan, why, advice or "Change the text.")


class _Queue:
    """The requests that may be started, in their order.

    It may be asked again after it had nothing: a request comes back for another attempt, or the hours for work begin.
    So an engine asks as long as it has work, and a place that falls free is not left so.
    """

    def __init__(self, requests: Iterable[Request], admission: Admission) -> None:
        self.waiting = deque(requests)
        self._admission = admission

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        if not self.waiting or self._admission.wait_s() > 0:
            raise StopIteration
        return self.waiting.popleft()


def find_takes(
    planned: Sequence[PlannedTake], store: TakeStore, on_take: Callable[[PlannedTake], None] = lambda _take: None
) -> dict[str, Take]:
    """Those of `planned` that are finished, by key; `on_take` is called with each."""
    takes = {}
    for plan in planned:
        if take := store.find(plan.key):
            takes[plan.key] = take
            on_take(plan)
    return takes


def render_takes(
    planned: Sequence[PlannedTake],
    engine: Engine,
    store: TakeStore,
    on_take: Callable[[PlannedTake], None] = lambda _take: None,
    *,
    limits: Limits | None = None,
    attempts: int = ATTEMPTS,
    finished: Mapping[str, Take] | None = None,
    admission: Admission = ALWAYS,
) -> TakesDone:
    """Skip what is finished, render the rest, the longest first, save each take the moment it exists.

    A take with faults (`limits`: the seconds a byte may last) is tried again with other seeds, up to `attempts` times,
    while the others go on; then the best is kept and flagged. A chunk that fails is reported and the others go on.
    `finished` is what `find_takes` gave, where that was asked before; `on_take` is not called for those again. Where
    `admission` lets no chunks be started it waits, and what is begun is finished. Whatever ends this early, a stop or
    an error of `on_take`, the takes saved so far are kept.
    """
    finished = find_takes(planned, store, on_take) if finished is None else finished
    takes = {plan.key: finished[plan.key] for plan in planned if plan.key in finished}
    reused = len(takes)
    unfinished = [plan for plan in planned if plan.key not in takes]
    # The longest first, so that no device is left with a long one at the end.
    pending = {plan.key: _PendingTake(plan) for plan in sorted(unfinished, key=lambda plan: -plan.chunk.spoken_bytes)}
    queue = _Queue((take.plan.request for take in pending.values()), admission)
    missing: dict[str, MissingTake] = {}
    devices: defaultdict[str, DeviceWork] = defaultdict(DeviceWork)

    def keep(plan: PlannedTake, attempt: Attempt, share: Callable[[str], None]) -> None:
        takes[plan.key] = store.save(plan.key, plan.parts, plan.text, attempt, engine.sample_rate_hz)
        share(plan.key)
        on_take(plan)

    # One take is written while the next is rendered; never more, so that a crash loses no more.
    with store.sharing(takes) as share, ThreadPoolExecutor(1) as writer:
        writing = writer.submit(lambda: None)
        while queue.waiting:  # an engine that had pulled everything before a take came out faulty is asked once more
            admission.wait()
            for result in engine.render(queue):
                take = pending[result.request.key]
                if isinstance(result, Rendered):
                    devices[result.device or HERE] += DeviceWork(work_s=result.work_s)
                writing.result()
                if take.add(result, engine.sample_rate_hz, limits) and take.attempt < attempts:
                    queue.waiting.appendleft(take.retry())  # next: until it is done, its best attempt fills memory
                    continue
                plan = pending.pop(result.request.key).plan  # and with it the sound of its attempts
                if (nothing := take.missing()) is not None:
                    missing[plan.key] = nothing
                    on_take(plan)
                    continue
                assert take.best is not None
                sound = take.best.rendered
                devices[sound.device or HERE] += DeviceWork(1, len(sound.pcm) / engine.sample_rate_hz)
                writing = writer.submit(keep, plan, take.best, share)
        writing.result()
    in_order = {plan.key: missing[plan.key] for plan in planned if plan.key in missing}
    return TakesDone(takes, reused, in_order, _ears(planned, takes), dict(devices), store.problem)


def not_rendered(plan: PlannedTake, why: str, advice: str) -> MissingTake:
    """The `MissingTake` for a `plan` that was not rendered."""
    return MissingTake(Problem(plan.where, f'"{plan.text[:60]}" was not rendered: {why}', advice), why)


def leave_out_faulty(done: TakesDone) -> TakesDone:
    """`done` with its faulty takes missing instead of delivered."""
    advice = "Change the text or the seed, or have it as it is with on_failure: best."
    missing = dict(done.missing)
    for key, ear in done.ears.items():
        why = f"its best take is {' and '.join(ear.faults)}."
        missing[key] = MissingTake(Problem(ear.where, f'"{ear.text[:60]}" was left out: {why}', advice), why)
    return replace(done, missing=missing)


def _ears(planned: Sequence[PlannedTake], takes: Mapping[str, Take]) -> dict[str, Ear]:
    """The takes with faults, in the order of the book."""
    return {
        plan.key: Ear(f"takes/{plan.key}.flac", plan.where, plan.text, takes[plan.key].faults)
        for plan in planned
        if plan.key in takes and takes[plan.key].faults
    }
