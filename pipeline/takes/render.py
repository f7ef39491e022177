"""Render: the loop that has planned takes rendered, judged, and made again in the way that helps.

In: planned takes, an engine, and the store of finished takes. Out: `TakesDone`. Every attempt is saved the moment it
exists and judged beside the rendering; a step depends on the attempts at its own take alone, and what compares a take
with others waits until all first attempts are there. So the same takes stand whatever the order in which they end.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

import numpy as np

from pipeline.checks.signal import measure
from pipeline.checks.statistics import compare
from pipeline.checks.verdicts import UNUSABLE, Finding, judge
from pipeline.engines import Engine, Failed, Rendered, Request
from pipeline.errors import Problem
from pipeline.takes.attempts import PROMPT, PlannedAttempt, Variation, attempt_at, first_attempt
from pipeline.takes.baseline import Baseline, voices_of
from pipeline.takes.choices import CHOICE_ENDING, Choice, JudgedAttempt, best_of, choice_path, read_choice, write_choice
from pipeline.takes.history import tried_remedies
from pipeline.takes.judging import CheckThread, Judging
from pipeline.takes.outcome import HERE, DeviceWork, MissingTake, TakesDone, ear_of, not_rendered
from pipeline.takes.plan import PlannedTake
from pipeline.takes.retakes import Again, Policy, Split, next_step
from pipeline.takes.store import Take, TakeStore
from pipeline.window import ALWAYS, Admission

OnTake = Callable[[PlannedTake], None]


class _Queue:
    """The requests that may be started, in their order.

    It may be asked again after it had nothing: a take is to be made again, or the hours for work begin. So an engine
    asks as long as it has work, and a place that falls free is not left so.
    """

    def __init__(self, admission: Admission) -> None:
        self.waiting: deque[Request] = deque()
        self._admission = admission

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        if not self.waiting or self._admission.wait_s() > 0:
            raise StopIteration
        return self.waiting.popleft()


class _PendingTake:
    """A planned take with the attempts at it so far."""

    def __init__(self, plan: PlannedTake) -> None:
        self.plan = plan
        self.attempts: list[JudgedAttempt] = []
        self.halves: tuple[PlannedTake, ...] = ()  # that stand in its place
        self.is_settled = False  # in an earlier run, or by a person
        self.stands: Take | None = None

    @property
    def best(self) -> JudgedAttempt | None:
        """The attempt that stands."""
        return best_of(self.attempts)

    def missing(self) -> MissingTake:
        """Why there is nothing to deliver."""
        last = next((one for one in self.attempts if one.bad), self.attempts[-1])
        causes = [finding for finding in last.bad if finding.check in UNUSABLE] or last.bad
        why = last.failure or f"it {' and '.join(finding.what for finding in causes)}."
        return not_rendered(self.plan, why, last.advice or "Change the text.")


def find_takes(
    planned: Sequence[PlannedTake], store: TakeStore, on_take: OnTake = lambda _take: None
) -> dict[str, Take]:
    """What stands for those of `planned` that are finished, by key: somebody approved it, or it was settled before.

    `on_take` is called with each.
    """
    finished: dict[str, Take] = {}
    for plan in planned:
        choice = None if plan.approved else read_choice(store.folder, plan.key)
        stands = plan.approved or (choice.stands if choice and choice.settled else "")
        if stands and (take := store.find(stands)) is not None:
            finished[plan.key] = take
            on_take(plan)
    return finished


def render_takes(
    planned: Sequence[PlannedTake],
    engine: Engine,
    store: TakeStore,
    on_take: OnTake = lambda _take: None,
    *,
    judging: Judging | None = None,
    finished: Mapping[str, Take] = MappingProxyType({}),
    admission: Admission = ALWAYS,
) -> TakesDone:
    """Skip what is finished, render the rest, the longest first, save each take the moment it exists, and judge it.

    A take with faults is made again as `judging` has it (without it, never), while the others go on; then the best
    stands and is flagged. A chunk that fails is reported and the others go on. `finished` is what `find_takes` gave,
    where that was asked before: `on_take` is not called for those again. Where `admission` lets no chunks be started it
    waits, and what is begun is finished. Whatever ends this early, a stop or an error of `on_take`, the takes saved so
    far are kept.
    """
    work = _Work(engine, store, on_take, judging or Judging(policy=Policy(0)), admission, finished)
    return work.run(planned)


class _Work:
    """One call of `render_takes`."""

    def __init__(
        self,
        engine: Engine,
        store: TakeStore,
        on_take: OnTake,
        judging: Judging,
        admission: Admission,
        finished: Mapping[str, Take],
    ) -> None:
        self._engine, self._store, self._on_take = engine, store, on_take
        self._judging, self._admission = judging, admission
        self._reported = set(finished)  # keys of plans for which `on_take` was called
        self._queue = _Queue(admission)
        self._pending: dict[str, _PendingTake] = {}  # by the key of the plan
        self._attempts: dict[str, PlannedAttempt] = {}  # that the engine has or will get, by their keys
        self._takes = {take.key: take for take in finished.values()}  # that are there, by their keys
        self._checks = CheckThread()
        self._is_comparing = judging.baseline is None  # there is nothing to compare: each take is settled at once
        self._devices: defaultdict[str, DeviceWork] = defaultdict(DeviceWork)
        self._device_of: dict[str, str] = {}  # by the keys of the takes that this run rendered
        self._retaken = 0
        self._notes: list[Problem] = []

    def run(self, planned: Sequence[PlannedTake]) -> TakesDone:
        """Render and judge all of `planned`, and compare them."""
        # One take is written while the next is rendered; never more, so that a crash loses no more.
        with self._store.sharing() as self._share, self._checks, ThreadPoolExecutor(1) as self._writer:
            for plan in planned:
                self._begin(plan)
            # The longest first, so that no device is left with a long one at the end.
            size = {plan.key: -len(plan.spoken.encode()) for plan in planned}
            self._queue.waiting = deque(sorted(self._queue.waiting, key=lambda one: size.get(one.key, 0)))
            self._work_off()
            if self._judging.baseline is not None:
                self._compare(planned, self._judging.baseline)
                self._work_off()
        return self._outcome(self._in_order(planned))

    def _begin(self, plan: PlannedTake) -> None:
        """Take up what is there of a take, and what it lacks."""
        pending = self._pending[plan.key] = _PendingTake(plan)
        if plan.approved and self._find(plan.approved) is not None:
            pending.is_settled = True
            self._rest(pending, plan.approved)
            return
        if plan.approved:
            what = f"the take that somebody approved, takes/{plan.approved}.flac, is gone or damaged."
            self._notes.append(Problem(plan.where, what, "Another stands in its place: listen, and approve that one."))
        choice = read_choice(self._store.folder, plan.key)
        if choice is not None and choice.stands:  # else all is tried again: it may have been the machine's fault
            pending.attempts = self._still_true(choice)
            is_true = len(pending.attempts) == len(choice.attempts)
            pending.is_settled = choice.settled and is_true
        else:
            is_true = not os.path.lexists(choice_path(self._store.folder, plan.key)) or choice is not None
        if not is_true:
            what = f"takes/{plan.key}{CHOICE_ENDING} is damaged, or a take of it is gone or changed: it is made again."
            self._notes.append(Problem(plan.where, what))
        self._advance(pending)

    def _still_true(self, choice: Choice) -> list[JudgedAttempt]:
        """The attempts on record, up to the first that is gone though it may stand.

        One whose sound is another now was changed under our hands, and is set aside.
        """
        attempts: list[JudgedAttempt] = []
        for attempt in choice.attempts:
            is_needed = attempt.pcm_sha256 and (attempt.take == choice.stands or not choice.settled)
            if is_needed and not self._is_as_judged(attempt):
                break
            attempts.append(attempt)
        return attempts

    def _is_as_judged(self, attempt: JudgedAttempt) -> bool:
        take = self._find(attempt.take)
        if take is None or take.pcm_sha256 == attempt.pcm_sha256:
            return take is not None
        self._store.set_aside(attempt.take)
        del self._takes[attempt.take]
        return False

    def _find(self, key: str) -> Take | None:
        take = self._takes.get(key) or self._store.find(key)
        if take is not None:
            self._takes[key] = take
            self._share(key)
        return take

    def _advance(self, pending: _PendingTake) -> None:
        """Take the next step with a take, or let it rest: until it is compared, or for good."""
        plan = pending.plan
        if not pending.attempts:
            self._plan(first_attempt(plan))
            return
        if not pending.is_settled:
            pending.attempts = [one.judged(self._findings(plan, one)) for one in pending.attempts]
        step = self._next_step(pending)
        if isinstance(step, Split):
            retakes = (plan.chunk.split.retakes if plan.chunk.split else 0) + len(pending.attempts)
            pending.halves = tuple(self._judging.split(plan, step.share, retakes))
            if pending.halves:
                self._record(pending)
                for half in pending.halves:
                    self._begin(half)
                return
            step = self._next_step(pending, may_split=False)
        if isinstance(step, Again):
            pending.is_settled = False
            self._plan(attempt_at(plan, len(pending.attempts), self._variation(plan, step)))
            return
        best = pending.best
        if best is not None and best.take not in self._takes:  # it was tidied away when another one stood
            pending.attempts, pending.is_settled = [], False
            self._plan(first_attempt(plan))
            return
        self._rest(pending, best.take if best else "")

    def _next_step(self, pending: _PendingTake, *, may_split: bool = True) -> Again | Split | None:
        split = pending.plan.chunk.split
        return next_step(
            pending.attempts,
            self._judging.policy,
            alternatives=pending.plan.alternatives,
            retakes=split.retakes if split else 0,
            may_split=may_split,
            has_prompt=bool(self._best_takes(pending.plan)),
        )

    def _variation(self, plan: PlannedTake, step: Again) -> Variation:
        if step.remedy != PROMPT:
            return Variation(step.remedy, step.temperature)
        voices = {line.voice.name: line.voice for line in plan.request.lines}
        longer = [
            self._judging.longer_prompt(voices[name], take, plan)
            for name, take in sorted(self._best_takes(plan).items())
        ]
        return Variation(step.remedy, voices=tuple(voice for voice in longer if voice is not None))

    def _best_takes(self, plan: PlannedTake) -> dict[str, str]:
        """The best take of each voice in a plan, as far as the baseline has one."""
        baseline = self._judging.baseline
        names = {line.voice.name for line in plan.request.lines} if baseline is not None else ()
        known = ((name, baseline.of(name)) for name in names) if baseline is not None else ()
        return {name: voice.best for name, voice in known if voice is not None and voice.best}

    def _findings(self, plan: PlannedTake, attempt: JudgedAttempt) -> tuple[Finding, ...]:
        """What the checks say of an attempt, by limits and, where its voices have a baseline, beside the others."""
        if not attempt.measured:
            return ()
        findings = judge(attempt.measured, self._judging.seconds_per_byte)
        baseline = self._judging.baseline.of(voices_of(plan)) if self._judging.baseline is not None else None
        compared = () if baseline is None else compare(attempt.measured, baseline.statistics)
        return tuple(one for one in (*findings, *compared) if one.check not in self._judging.ignored)

    def _plan(self, attempt: PlannedAttempt) -> None:
        """Have an attempt judged, if its take is there already, or rendered."""
        take = self._find(attempt.key)
        if take is not None:
            self._checks.submit(attempt, take)
            return
        self._attempts[attempt.key] = attempt
        if attempt.number:
            self._queue.waiting.appendleft(attempt.request)  # next: what is worked on is soon done with
        else:
            self._queue.waiting.append(attempt.request)

    def _work_off(self) -> None:
        """Until nothing waits, neither for the engine nor for its checks."""
        writing: Future[None] = self._writer.submit(lambda: None)
        while self._queue.waiting or self._checks.waiting:
            if self._queue.waiting:  # an engine that had pulled everything before a take came out faulty is asked again
                self._admission.wait()
                for result in self._engine.render(self._queue):
                    attempt = self._attempts.pop(result.request.key)
                    writing.result()
                    self._admission.raise_if_stopped()
                    if isinstance(result, Rendered):
                        self._devices[result.device or HERE] += DeviceWork(work_s=result.work_s)
                    if isinstance(result, Rendered) and len(result.pcm) and np.isfinite(result.pcm).all():
                        self._device_of[attempt.key] = result.device or HERE
                        self._checks.expect()
                        writing = self._writer.submit(self._save, attempt, result)
                    else:
                        self._add(attempt, self._came_to_nothing(attempt, result))
                    self._take_up_judged()
                writing.result()
            self._take_up_judged(wait=True)

    def _save(self, attempt: PlannedAttempt, result: Rendered) -> None:
        plan = attempt.plan
        take = self._store.save(attempt.key, attempt.parts, plan.text, result, self._engine.sample_rate_hz)
        self._takes[attempt.key] = take
        self._share(attempt.key)
        self._checks.submit(attempt, take, expected=True)

    def _came_to_nothing(self, attempt: PlannedAttempt, result: Rendered | Failed) -> JudgedAttempt:
        judged = JudgedAttempt(attempt.number, attempt.remedy, attempt.key)
        if isinstance(result, Failed):
            return replace(judged, failure=result.reason, advice=result.next, final=result.final)
        size = attempt.plan.chunk.spoken_bytes
        return replace(judged, measured=measure(result.pcm, self._engine.sample_rate_hz, size))

    def _take_up_judged(self, *, wait: bool = False) -> None:
        """Take up what the checks have measured; with `wait` until there is something, or more to render."""
        while (wait and not self._queue.waiting and self._checks.waiting) or not self._checks.is_empty():
            self._admission.raise_if_stopped()
            if (measured := self._checks.next()) is not None:
                take = measured.take
                judged = JudgedAttempt(
                    number=measured.attempt.number,
                    remedy=measured.attempt.remedy,
                    take=take.key,
                    pcm_sha256=take.pcm_sha256,
                    audio_s=round(take.audio_s, 3),
                    measured=measured.values,
                )
                self._add(measured.attempt, judged)

    def _add(self, attempt: PlannedAttempt, judged: JudgedAttempt) -> None:
        pending = self._pending[attempt.plan.key]
        pending.attempts.append(judged)
        self._retaken += attempt.number > 0
        self._advance(pending)

    def _compare(self, planned: Sequence[PlannedTake], baseline: Baseline) -> None:
        """Compare all takes with each other, now that each has its first, and go on with those that stand out."""
        in_order = self._in_order(planned)
        standing = [(pending.plan, best) for pending in in_order if (best := pending.best) is not None]
        baseline.add(standing, planned)
        self._is_comparing = True
        for pending in in_order:
            if not pending.is_settled:
                self._advance(pending)

    def _record(self, pending: _PendingTake, stands: str = "", *, settled: bool = False) -> None:
        plan, attempts = pending.plan, tuple(pending.attempts)
        parent = plan.chunk.split.parent if plan.chunk.split else ""
        write_choice(self._store.folder, Choice(plan.key, attempts, stands, settled, bool(pending.halves), parent))

    def _rest(self, pending: _PendingTake, stands: str) -> None:
        pending.stands = self._takes.get(stands)
        if not pending.is_settled:
            self._record(pending, stands, settled=self._is_comparing)
        if pending.plan.key not in self._reported:
            self._reported.add(pending.plan.key)
            self._on_take(pending.plan)

    def _in_order(self, plans: Sequence[PlannedTake]) -> list[_PendingTake]:
        """All that are not cut in two, in the order of the book."""
        pending = (self._pending[plan.key] for plan in plans)
        return list(chain.from_iterable(self._in_order(one.halves) if one.halves else [one] for one in pending))

    def _outcome(self, in_order: Sequence[_PendingTake]) -> TakesDone:
        takes = {pending.plan.key: pending.stands for pending in in_order if pending.stands is not None}
        for take in takes.values():
            if (device := self._device_of.get(take.key)) is not None:
                self._devices[device] += DeviceWork(1, take.audio_s)
        folder, standing = self._store.folder, ((one.plan, one.best) for one in in_order if one.stands)
        doubtful = ((plan, best) for plan, best in standing if best is not None and best.bad)
        return TakesDone(
            takes=takes,
            reused=sum(take.key not in self._device_of for take in takes.values()),
            missing={pending.plan.key: pending.missing() for pending in in_order if pending.stands is None},
            ears={plan.key: ear_of(plan, best, tried_remedies(folder, plan)) for plan, best in doubtful},
            devices=dict(self._devices),
            unshared=self._store.problem,
            planned=tuple(pending.plan for pending in in_order),
            retaken=self._retaken,
            notes=tuple(self._notes),
        )
