"""Render: the loop that makes takes of what is planned, and saves each the moment it exists.

In: planned takes, an engine, and the store of what is finished. Out: `TakesDone`. Knows no chapters, devices or clocks.
"""

from __future__ import annotations

from collections import deque
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
    work_s: float = 0.0  # it spent, with the attempts that were not kept


@dataclass(frozen=True)
class Missing:
    """A take that is not to be heard: where it should be, and why there is nothing."""

    problem: Problem
    why: str


@dataclass(frozen=True)
class Doubtful:
    """A take that has faults all the same, for a person to listen to."""

    key: str
    path: str  # in the job's folder
    where: str
    text: str
    faults: tuple[str, ...]

    @property
    def problem(self) -> Problem:
        """As it is told where the take is delivered."""
        return Problem(
            self.where,
            f'the best take of "{self.text[:60]}" is {" and ".join(self.faults)}.',
            f"Listen to {self.path}, and change the text or the seed if it is no good.",
        )


@dataclass(frozen=True)
class TakesDone:
    """What the render loop leaves behind."""

    takes: dict[str, Take]
    rendered: int
    reused: int
    failed: tuple[Problem, ...]
    rendered_s: float  # seconds of audio
    work_s: float  # seconds the engine spent on it, with the attempts that were not kept
    flagged: tuple[Problem, ...] = ()  # takes that are delivered with faults
    missing: Mapping[str, Missing] = field(default_factory=dict)  # by key; those that failed, in the order of the book
    ears: tuple[Doubtful, ...] = ()  # takes with faults, delivered or not
    devices: Mapping[str, DeviceWork] = field(default_factory=dict)  # by name
    unshared: Problem | None = None  # what kept takes from the shared store

    @property
    def heard(self) -> dict[str, Take]:
        """The takes that chapters are made of."""
        return {key: take for key, take in self.takes.items() if key not in self.missing}


class _Trial:
    """A take on its way: which attempt the engine has, and the best of those before."""

    def __init__(self, plan: PlannedTake) -> None:
        self.plan = plan
        self.attempt = 0
        self.best: Attempt | None = None
        self._reason = ""  # an attempt came to nothing

    def judge(self, result: Rendered | Failed, sample_rate_hz: int, limits: Limits | None) -> bool:
        """Remember `result` if it is the best so far; tell whether another seed could do better."""
        if isinstance(result, Failed):
            self._reason = result.reason
            return not result.final
        look = (result.pcm, sample_rate_hz, self.plan.chunk.spoken_bytes, limits)
        attempt = Attempt(self.attempt, result, tuple(faults(*look)), score(*look))
        if self.best is None or attempt.score < self.best.score:
            self.best = attempt
        return bool(attempt.faults)

    def again(self) -> Request:
        """The request of the next attempt."""
        self.attempt += 1
        return replace(self.plan.request, seed=attempt_seed(self.plan.key, self.attempt))

    def failure(self) -> Missing | None:
        """Why there is nothing to deliver, if that is so."""
        if self.best is not None and UNUSABLE.isdisjoint(self.best.faults):
            return None
        why = self._reason if self.best is None else f"it came out {' and '.join(self.best.faults)}."
        return not_rendered(self.plan, why, "Change the text.")


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


class _Work:
    """Counts what every device has done."""

    def __init__(self) -> None:
        self.devices: dict[str, DeviceWork] = {}

    def add(self, result: Rendered, *, takes: int = 0, audio_s: float = 0.0, work_s: float = 0.0) -> None:
        """Put it down to the device that made `result`."""
        name = result.device or HERE
        before = self.devices.get(name, DeviceWork())
        self.devices[name] = DeviceWork(before.takes + takes, before.audio_s + audio_s, before.work_s + work_s)


def find_takes(
    planned: Sequence[PlannedTake], store: TakeStore, on_take: Callable[[PlannedTake], None] = lambda _take: None
) -> dict[str, Take]:
    """Those of `planned` that are finished, by key; `on_take` is told of each."""
    found = {}
    for plan in planned:
        if take := store.find(plan.key):
            found[plan.key] = take
            on_take(plan)
    return found


def render_takes(
    planned: Sequence[PlannedTake],
    engine: Engine,
    store: TakeStore,
    on_take: Callable[[PlannedTake], None] = lambda _take: None,
    *,
    limits: Limits | None = None,
    attempts: int = ATTEMPTS,
    found: Mapping[str, Take] | None = None,
    admission: Admission = ALWAYS,
) -> TakesDone:
    """Skip what is finished, render the rest, the longest first, save each take the moment it exists.

    A take with faults (`limits`: the seconds a byte may last) is tried again with other seeds, up to `attempts` times,
    while the others go on; then the best is kept and flagged. A chunk that fails is reported and the others go on.
    `found` is what `find_takes` gave, where that was asked before; `on_take` is not told of those again. Where
    `admission` lets no chunks be started it waits, and what is begun is finished. Whatever ends this early, a stop or
    an error of `on_take`, the takes saved so far are kept.
    """
    there = find_takes(planned, store, on_take) if found is None else found
    takes = {plan.key: there[plan.key] for plan in planned if plan.key in there}
    reused = len(takes)
    left = [plan for plan in planned if plan.key not in takes]
    # The longest first, so that no device is left with a long one at the end.
    trials = {plan.key: _Trial(plan) for plan in sorted(left, key=lambda plan: -plan.chunk.spoken_bytes)}
    queue = _Queue((trial.plan.request for trial in trials.values()), admission)
    missing: dict[str, Missing] = {}
    work = _Work()

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
                trial = trials[result.request.key]
                if isinstance(result, Rendered):
                    work.add(result, work_s=result.work_s)
                writing.result()
                if trial.judge(result, engine.sample_rate_hz, limits) and trial.attempt < attempts:
                    queue.waiting.appendleft(trial.again())  # next: until it is done, its best attempt fills memory
                    continue
                plan = trials.pop(result.request.key).plan  # and with it the sound of its attempts
                if (failure := trial.failure()) is not None:
                    missing[plan.key] = failure
                    on_take(plan)
                    continue
                assert trial.best is not None
                work.add(trial.best.rendered, takes=1, audio_s=len(trial.best.rendered.pcm) / engine.sample_rate_hz)
                writing = writer.submit(keep, plan, trial.best, share)
        writing.result()
    return _done(planned, takes, reused, missing, work.devices, store.problem)


def not_rendered(plan: PlannedTake, why: str, advice: str) -> Missing:
    """The take of `plan`, which came to nothing."""
    return Missing(Problem(plan.where, f'"{plan.text[:60]}" was not rendered: {why}', advice), why)


def leave_out_faulty(done: TakesDone) -> TakesDone:
    """The same, but takes with faults are missing instead of delivered and flagged."""
    advice = "Change the text or the seed, or have it as it is with on_failure: best."
    missing = dict(done.missing)
    for take in done.ears:
        why = f"its best take is {' and '.join(take.faults)}."
        missing[take.key] = Missing(Problem(take.where, f'"{take.text[:60]}" was left out: {why}', advice), why)
    return replace(done, flagged=(), missing=missing)


def _done(
    planned: Sequence[PlannedTake],
    takes: dict[str, Take],
    reused: int,
    missing: Mapping[str, Missing],
    devices: Mapping[str, DeviceWork],
    unshared: Problem | None,
) -> TakesDone:
    """All of it, in the order of the book."""
    in_order = {plan.key: missing[plan.key] for plan in planned if plan.key in missing}
    ears = tuple(
        Doubtful(plan.key, f"takes/{plan.key}.flac", plan.where, plan.text, takes[plan.key].faults)
        for plan in planned
        if plan.key in takes and takes[plan.key].faults
    )
    return TakesDone(
        takes=takes,
        rendered=len(takes) - reused,
        reused=reused,
        failed=tuple(gone.problem for gone in in_order.values()),
        rendered_s=sum(work.audio_s for work in devices.values()),
        work_s=sum(work.work_s for work in devices.values()),
        flagged=tuple(doubtful.problem for doubtful in ears),
        missing=in_order,
        ears=ears,
        devices=devices,
        unshared=unshared,
    )
