"""Takes are keyed by content, saved at once, and never trusted blindly."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from pipeline.engines import Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.errors import StoppedError
from pipeline.files import read_record, write_record
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import TakeCounts
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings
from pipeline.takes.plan import attempt_seed
from pipeline.takes.render import render_takes
from pipeline.takes.store import TakeStore
from pipeline.window import Admission, parse_window
from tests.support.commands import MakeJob

_WINDOW, _OPENS = parse_window("23:00-06:30"), datetime(2026, 11, 26, 23)


def test_a_finished_take_is_not_rendered_again(job: Job) -> None:
    """Nor touched."""
    first = render_takes(job.takes, job.engine, job.store)
    assert (first.rendered, first.reused) == (len(job.takes), 0)
    before = {path: path.stat().st_mtime_ns for path in job.store.folder.iterdir()}
    second = render_takes(job.takes, job.engine, job.store)
    assert (second.rendered, second.reused) == (0, len(job.takes))
    assert {path: path.stat().st_mtime_ns for path in job.store.folder.iterdir()} == before
    assert {key: take.pcm_sha256 for key, take in first.takes.items()} == {
        key: take.pcm_sha256 for key, take in second.takes.items()
    }


class _Dying(ToneEngine):
    """Speaks two requests, then the power fails."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for count, rendered in enumerate(super().render(requests)):
            if count == 2:
                raise KeyboardInterrupt
            yield rendered


def test_each_take_is_on_disk_before_the_next_is_rendered(job: Job) -> None:
    """Whatever ends the loop, what was finished stays."""
    with pytest.raises(KeyboardInterrupt):
        render_takes(job.takes, _Dying(), job.store)
    longest = sorted(job.takes, key=lambda plan: -plan.chunk.spoken_bytes)
    assert job.store.keys() == {plan.key for plan in longest[:2]}
    assert render_takes(job.takes, job.engine, job.store).reused == 2


LIMITS = (0.04, 0.12)
RATE_HZ = 1000
# What an attempt may come to, from best to worst: its level, and its seconds for a byte.
SOUNDS = {
    "good": (0.3, 0.08),
    "clipped": (1.0, 0.08),
    "short": (0.3, 0.02),
    "long": (0.3, 0.3),
    "longer": (0.3, 0.4),
    "clipped and long": (1.0, 0.3),
    "silent": (0.0, 0.08),
    "broken": (np.nan, 0.08),
    "empty": (0.3, 0.0),
}
FAULTS = {
    "good": (),
    "clipped": ("clipped",),
    "long": ("too long for its text",),
    "short": ("too short for its text",),
    "longer": ("too long for its text",),
    "clipped and long": ("clipped", "too long for its text"),
}
FATES = (*SOUNDS, "failed", "failed for good")


class _Fated(ToneEngine):
    """Comes to what is planned for each attempt, with several requests in flight, in an order of its own."""

    sample_rate_hz = RATE_HZ

    def __init__(self, fates: Mapping[str, Sequence[str]], slots: int = 1, order: int = 0) -> None:
        self.fates = fates
        self.slots = slots
        self.choice = random.Random(order)
        self.calls = 0
        self.renders: Counter[str] = Counter()

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        self.calls += 1
        pulling = iter(requests)
        active: list[Request] = []
        while True:
            active += islice(pulling, self.slots - len(active))
            if not active:
                return
            yield self._finish(active.pop(self.choice.randrange(len(active))))

    def _finish(self, request: Request) -> Rendered | Failed:
        attempt = self.renders[request.key]
        self.renders[request.key] += 1
        assert request.seed == attempt_seed(request.key, attempt)
        fate = self.fates[request.key][attempt]
        if fate not in SOUNDS:
            return Failed(request, f"it {fate}.", final=fate == "failed for good")
        level, seconds_per_byte = SOUNDS[fate]
        spoken_bytes = sum(len(line.text.encode()) for line in request.lines) + len(request.lines) - 1
        pcm = np.full(round(seconds_per_byte * spoken_bytes * RATE_HZ), level, np.float32)
        pcm[-1:] *= 1 - attempt / 1000  # no two attempts are the same
        return Rendered(request, pcm, None, 0.5)


def test_a_chunk_that_fails_does_not_stop_the_others(job: Job) -> None:
    """It is told of, with its place; silence counts as failure."""
    fates = [["failed for good"], ["silent"] * 4, ["good"], ["failed", "silent", "empty", "failed"]]
    engine = _Fated({plan.key: fate for plan, fate in zip(job.takes, fates, strict=True)})
    done = render_takes(job.takes, engine, job.store)
    assert (done.rendered, done.flagged) == (1, ())
    assert [problem.where for problem in done.failed] == [job.takes[index].where for index in (0, 1, 3)]
    assert [problem.what.split(": ")[-1] for problem in done.failed] == [
        "it failed for good.",
        "it came out silent.",
        "it came out silent.",
    ]
    assert job.store.keys() == {job.takes[2].key}


def test_a_faulty_take_is_tried_again_and_the_best_is_kept_and_flagged(job: Job) -> None:
    """Its record says so, and the next run flags it again, as does one that finds records of before."""
    one, two, three, four = (plan.key for plan in job.takes)
    fates = {
        one: ["long", "good"],
        two: ["longer", "clipped and long", "failed", "long"],
        three: ["good"],
        four: ["good"],
    }
    first = render_takes(job.takes, _Fated(fates), job.store, limits=LIMITS)
    assert (first.rendered, first.failed) == (4, ())
    assert [(first.takes[key].attempt, first.takes[key].faults) for key in fates] == [
        (1, ()), (3, ("too long for its text",)), (0, ()), (0, ()),
    ]  # fmt: skip
    assert first.devices["here"].work_s == 0.5 * 7
    (flagged,) = first.flagged
    assert flagged.where == job.takes[1].where
    assert "is too long for its text." in flagged.what
    assert f"takes/{two}.flac" in flagged.next
    record = json.loads((job.store.folder / f"{two}.json").read_text())
    assert (record["attempt"], record["faults"]) == (3, ["too long for its text"])
    again = render_takes(job.takes, _Fated({}), job.store, limits=LIMITS)
    assert (again.reused, again.flagged, again.takes) == (4, first.flagged, first.takes)
    old = read_record(job.store.folder / f"{two}.json", dict)
    assert old is not None
    del old["attempt"], old["faults"]
    write_record(job.store.folder / f"{two}.json", old)
    assert render_takes(job.takes, _Fated({}), job.store, limits=LIMITS).flagged == ()


@given(
    fates=st.lists(st.lists(st.sampled_from(FATES), min_size=4, max_size=4), min_size=4, max_size=4),
    attempts=st.integers(0, 3),
    slots=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    order=st.tuples(st.integers(), st.integers()),
)
@hypothesis.settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_take_ends_once_and_the_best_is_kept_in_any_order(
    job: Job, fates: list[list[str]], attempts: int, slots: tuple[int, int], order: tuple[int, int]
) -> None:
    """Whatever faults come, and whatever the engine has in flight."""
    plans = dict(zip((plan.key for plan in job.takes), fates, strict=True))
    both = []
    for count, seed in zip(slots, order, strict=True):
        engine, ended = _Fated(plans, count, seed), Counter[str]()
        with TemporaryDirectory() as folder:
            done = render_takes(
                job.takes,
                engine,
                TakeStore(Path(folder)),
                lambda plan, ended=ended: ended.update([plan.key]),  # type: ignore[misc]
                limits=LIMITS,
                attempts=attempts,
            )
        assert ended == dict.fromkeys(plans, 1)
        assert done.rendered == len(done.takes) == 4 - len(done.failed)
        for key, fate in plans.items():
            made = _made(fate, attempts)
            assert engine.renders[key] == len(made)
            best = min((name for name in made if name in SOUNDS), key=list(SOUNDS).index, default="failed")
            if best in FAULTS:
                assert (done.takes[key].attempt, done.takes[key].faults) == (made.index(best), FAULTS[best])
            else:
                assert key not in done.takes
        both.append((
            {key: (take.pcm_sha256, take.attempt, take.faults) for key, take in done.takes.items()},
            done.failed,
            done.flagged,
        ))  # fmt: skip
    assert both[0] == both[1]


def test_the_longest_is_rendered_first(job: Job) -> None:
    """So that no device is left with it at the end."""
    engine = _Fated({plan.key: ["good"] for plan in job.takes})
    render_takes(job.takes, engine, job.store)
    sizes = {plan.key: plan.chunk.spoken_bytes for plan in job.takes}
    assert [sizes[key] for key in engine.renders] == sorted(sizes.values(), reverse=True)


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_an_engine_that_asks_again_gets_the_attempts_that_come_late(job: Job, slots: int) -> None:
    """It need not end and be called once more."""
    engine = _Fated({plan.key: ["failed", "clipped", "good"] for plan in job.takes}, slots)
    assert render_takes(job.takes, engine, job.store).rendered == 4
    assert engine.calls == 1


def test_takes_are_put_down_to_the_device_that_made_them(job: Job) -> None:
    """With the work on attempts that were not kept; without a name they are made here."""

    class _Two(_Fated):
        def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
            for result in super().render(requests):
                assert isinstance(result, Rendered)
                yield replace(result, device="cuda:1" if result.request.key == job.takes[0].key else "")

    engine = _Two({plan.key: ["clipped", "good"] if plan is job.takes[0] else ["good"] for plan in job.takes})
    done = render_takes(job.takes, engine, job.store)
    one, here = done.devices["cuda:1"], done.devices["here"]
    assert (one.takes, here.takes) == (1, 3)
    assert (one.work_s, here.work_s) == (1.0, 1.5)
    assert one.audio_s == pytest.approx(done.takes[job.takes[0].key].frames / RATE_HZ)
    assert one.audio_s + here.audio_s == pytest.approx(done.rendered_s)


@given(
    closed=st.lists(st.sampled_from([0.0, 0.5, 2.0, 9000.0]), max_size=30),
    fates=st.lists(st.sampled_from([["good"], ["long", "good"], ["failed", "good"]]), min_size=4, max_size=4),
    slots=st.integers(1, 5),
)
@hypothesis.settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_begun_while_it_may_not_be(
    job: Job, closed: list[float], fates: list[list[str]], slots: int
) -> None:
    """What is begun is finished, waits are short, and in the end every take is there."""
    answers, log = iter(closed), list[float]()
    plans = dict(zip((plan.key for plan in job.takes), fates, strict=True))

    def clock() -> datetime:
        log.append(next(answers, 0.0))
        return _OPENS - timedelta(seconds=log[-1])

    class _NoSleep(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout == min(log[-1], 1.0) > 0
            return False

    admission = Admission(_WINDOW, clock=clock)
    admission.stop = _NoSleep()

    class _Watching(_Fated):
        def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
            return super().render(self._watched(iter(requests)))

        def _watched(self, requests: Iterator[Request]) -> Iterator[Request]:
            for request in requests:
                assert log[-1] == 0
                yield request

    with TemporaryDirectory() as folder:
        engine = _Watching(plans, slots)
        done = render_takes(job.takes, engine, TakeStore(Path(folder)), limits=LIMITS, admission=admission)
    assert done.rendered == 4
    assert engine.renders == {key: len(fate) for key, fate in plans.items()}


def test_a_wait_can_be_broken_off(job: Job) -> None:
    """What was in flight is finished and kept."""
    closed_s = iter([0, 0, 0, 3600, 3600])

    def on_closed(_opens: datetime, is_first: bool) -> None:
        if not is_first:
            admission.stop.set()

    admission = Admission(_WINDOW, clock=lambda: _OPENS - timedelta(seconds=next(closed_s)), on_closed=on_closed)
    with pytest.raises(StoppedError):
        render_takes(job.takes, job.engine, job.store, admission=admission)
    assert len(job.store.keys()) == 2


def _made(fate: list[str], attempts: int) -> list[str]:
    """The attempts of a take until one is good, hopeless or the last."""
    until = [index for index, name in enumerate(fate) if name in ("good", "failed for good")]
    return fate[: min([attempts, *until]) + 1]


class _Loud(ToneEngine):
    """Turned up until it clips, whatever the seed."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for rendered in super().render(requests):
            assert isinstance(rendered, Rendered)
            yield replace(rendered, pcm=(rendered.pcm * 8).clip(-1, 1))


def test_flagged_takes_are_delivered_and_reported(make_job: MakeJob, settings: Settings) -> None:
    """The job is done; what to listen to is listed, each with its place."""
    job = replace(open_job(make_job(deliver=["wav"]), settings, engine="tone"), engine=_Loud())
    report = render_job(job, Conditions(jobs=2))
    assert report.status == "done"
    assert report.takes == TakeCounts(4, rendered=4, reused=0, failed=0)
    assert [problem.where for problem in report.problems] == [plan.where for plan in job.takes]
    assert all("is clipped." in problem.what for problem in report.problems)
    assert render_job(job, Conditions(jobs=2)).problems == report.problems
