"""Takes are keyed by content, saved at once, and never trusted blindly."""

from __future__ import annotations

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

from pipeline.audio import Pcm
from pipeline.engines import TRAITS, Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.errors import StoppedError
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import TakeCounts
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings
from pipeline.takes.choices import choice_path, read_choice, write_choice
from pipeline.takes.judging import Judging
from pipeline.takes.plan import attempt_seed
from pipeline.takes.render import render_takes
from pipeline.takes.retakes import Policy
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


FATES = ("good", "clipped", "silent", "broken", "empty", "failed", "failed for good")  # of an attempt
USABLE = ("good", "clipped")  # from best to worst


class _Fated(ToneEngine):
    """Comes to what is planned for each attempt, with several requests in flight, in an order of its own.

    `fates` are by the key of the planned take; which attempt a request is, its seed says.
    """

    def __init__(
        self, job: Job, fates: Mapping[str, Sequence[str]], slots: int = 1, order: int = 0, attempts: int = 8
    ) -> None:
        self.fates = fates
        self.slots = slots
        self.choice = random.Random(order)
        self.calls = 0
        self.renders: Counter[str] = Counter()
        self._attempts = {
            attempt_seed(plan.key, number): (plan.key, number) for plan in job.takes for number in range(attempts)
        }

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
        key, attempt = self._attempts[request.seed]
        self.renders[key] += 1
        fate = self.fates[key][attempt]
        if fate.startswith("failed"):
            return Failed(request, f"it {fate}.", final=fate == "failed for good")
        (rendered,) = super().render([request])
        assert isinstance(rendered, Rendered)
        return replace(rendered, pcm=with_fate(rendered.pcm, fate), work_s=0.5)


def with_fate(pcm: Pcm, fate: str) -> Pcm:
    """Sound that comes to this."""
    match fate:
        case "clipped":
            return (pcm * 20).clip(-1, 1)
        case "silent":
            return pcm * 0
        case "broken":
            return np.where(np.arange(len(pcm)) == 5, np.nan, pcm).astype(np.float32)
        case "empty":
            return pcm[:0]
    return pcm


def retakes(number: int = 3) -> Judging:
    """So many, with other seeds."""
    return Judging(ignored=TRAITS["tone"].unlike_speech, policy=Policy(number))


def test_a_chunk_that_fails_does_not_stop_the_others(job: Job) -> None:
    """It is told of, with its place; silence counts as failure."""
    fates = [["failed for good"], ["silent"] * 4, ["good"], ["failed", "silent", "empty", "failed"]]
    engine = _Fated(job, {plan.key: fate for plan, fate in zip(job.takes, fates, strict=True)})
    done = render_takes(job.takes, engine, job.store, judging=retakes())
    assert (len(done.takes), done.flagged) == (1, ())
    assert [problem.where for problem in done.failed] == [job.takes[index].where for index in (0, 1, 3)]
    assert "it failed for good." in done.failed[0].what
    assert all("silent" in problem.what for problem in done.failed[1:])
    assert job.takes[2].key in done.takes


def test_a_faulty_take_is_tried_again_and_the_best_stands_and_is_flagged(job: Job) -> None:
    """Every attempt is a take of its own, and the choice says so; the next run flags it again and renders nothing."""
    one, two, three, four = (plan.key for plan in job.takes)
    fates = {
        one: ["clipped", "good"],
        two: ["silent", "clipped", "failed", "clipped"],
        three: ["good"],
        four: ["good"],
    }
    first = render_takes(job.takes, _Fated(job, fates), job.store, judging=retakes())
    assert (first.rendered, first.failed, first.retaken) == (4, (), 4)
    choices = {key: read_choice(job.store.folder, key) for key in fates}
    assert all(choice is not None and choice.settled for choice in choices.values())
    stands = {key: [a.number for a in c.attempts if a.take == c.stands] for key, c in choices.items() if c}
    assert stands == {one: [1], two: [1], three: [0], four: [0]}
    assert {key: first.takes[key].key for key in fates} == {key: c.stands for key, c in choices.items() if c}
    assert len(job.store.keys()) == 2 + 2 + 3  # a failed one is no take
    assert first.devices["here"].work_s == 0.5 * 7
    (flagged,) = first.flagged
    assert flagged.where == job.takes[1].where
    assert f"takes/{first.takes[two].key}.flac" in flagged.next
    again = render_takes(job.takes, _Fated(job, {}), job.store, judging=retakes())
    assert (again.reused, again.flagged, again.takes) == (4, first.flagged, first.takes)


@given(
    fates=st.lists(st.lists(st.sampled_from(FATES), min_size=4, max_size=4), min_size=4, max_size=4),
    number=st.integers(0, 3),
    slots=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    order=st.tuples(st.integers(), st.integers()),
)
@hypothesis.settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_take_ends_once_and_the_best_stands_in_any_order(
    job: Job, fates: list[list[str]], number: int, slots: tuple[int, int], order: tuple[int, int]
) -> None:
    """Whatever faults come, and whatever the engine has in flight."""
    plans = dict(zip((plan.key for plan in job.takes), fates, strict=True))
    both = []
    for count, seed in zip(slots, order, strict=True):
        engine, ended = _Fated(job, plans, count, seed), Counter[str]()
        with TemporaryDirectory() as folder:
            done = render_takes(
                job.takes,
                engine,
                TakeStore(Path(folder)),
                lambda plan, ended=ended: ended.update([plan.key]),  # type: ignore[misc]
                judging=retakes(number),
            )
        assert ended == dict.fromkeys(plans, 1)
        assert done.rendered == len(done.takes) == 4 - len(done.failed)
        for key, fate in plans.items():
            tried = _tried(fate, number)
            assert engine.renders[key] == len(tried)
            best = next((name for name in USABLE if name in tried), None)
            assert (key in done.takes) == (best is not None)
            assert (key in done.ears) == (best == "clipped")
        both.append(({key: (take.key, take.pcm_sha256) for key, take in done.takes.items()}, done.failed, done.flagged))
    assert both[0] == both[1]


@pytest.mark.parametrize("damage", ["bad json", "of another take", "an attempt that is gone", "other sound", "gone"])
def test_a_damaged_choice_costs_no_take(job: Job, damage: str) -> None:
    """What stands is judged again, and comes out the same; only a take that is gone is rendered."""
    fates = {plan.key: ["clipped", "good", "good"] for plan in job.takes}
    first = render_takes(job.takes, _Fated(job, fates), job.store, judging=retakes())
    key = job.takes[1].key
    path = choice_path(job.store.folder, key)
    choice = read_choice(job.store.folder, key)
    assert choice is not None
    rendered = 0
    match damage:
        case "bad json":
            path.write_text("{")
        case "of another take":
            path.write_bytes(choice_path(job.store.folder, job.takes[0].key).read_bytes())
        case "an attempt that is gone":
            write_choice(job.store.folder, replace(choice, stands="0" * 32))
        case "other sound":
            attempts = (choice.attempts[0], replace(choice.attempts[1], pcm_sha256="1" * 64))
            write_choice(job.store.folder, replace(choice, attempts=attempts))
            rendered = 1  # as somebody must have changed it
        case "gone":
            (job.store.folder / f"{choice.stands}.json").unlink()
            rendered = 1
    again = render_takes(job.takes, _Fated(job, fates), job.store, judging=retakes())
    assert again.rendered == rendered
    assert [key in note.what for note in again.notes] == [True]
    assert {take.key: take.pcm_sha256 for take in again.takes.values()} == {
        take.key: take.pcm_sha256 for take in first.takes.values()
    }
    assert read_choice(job.store.folder, key) == choice


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(job: Job) -> None:
    """And nothing is rendered twice."""
    fates = {plan.key: ["clipped", "clipped", "good"] for plan in job.takes}
    assert render_takes(job.takes, _Fated(job, fates), job.store, judging=retakes(1)).retaken == 4
    engine = _Fated(job, fates)
    more = render_takes(job.takes, engine, job.store, judging=retakes(3))
    assert (sum(engine.renders.values()), more.flagged) == (4, ())


def test_so_many_alternatives_are_made_in_any_case(job: Job) -> None:
    """And retakes come on top of them."""
    planned = [replace(plan, alternatives=3) for plan in job.takes]
    fates = {plan.key: ["good", "clipped", "good"] for plan in job.takes[:3]}
    fates[job.takes[3].key] = ["clipped", "clipped", "clipped", "good"]
    engine = _Fated(job, fates)
    done = render_takes(planned, engine, job.store, judging=retakes())
    assert (sum(engine.renders.values()), done.flagged) == (13, ())
    assert done.takes[planned[0].key].key == planned[0].key


def test_a_take_that_somebody_approved_stands_whatever_the_checks_say(job: Job) -> None:
    """It is not judged, and not made again."""
    fates = {plan.key: ["clipped", "clipped", "good"] for plan in job.takes}
    render_takes(job.takes, _Fated(job, fates), job.store, judging=retakes())
    choice = read_choice(job.store.folder, job.takes[0].key)
    assert choice is not None
    planned = [replace(job.takes[0], approved=choice.attempts[1].take), *job.takes[1:]]
    done = render_takes(planned, _Fated(job, fates), job.store, judging=retakes())
    assert (done.rendered, done.takes[planned[0].key].key) == (0, choice.attempts[1].take)
    assert done.flagged == ()


def test_the_longest_is_rendered_first(job: Job) -> None:
    """So that no device is left with it at the end."""
    engine = _Fated(job, {plan.key: ["good"] for plan in job.takes})
    render_takes(job.takes, engine, job.store, judging=retakes())
    sizes = {plan.key: plan.chunk.spoken_bytes for plan in job.takes}
    assert [sizes[key] for key in engine.renders] == sorted(sizes.values(), reverse=True)


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_an_engine_that_asks_again_gets_the_attempts_that_come_late(job: Job, slots: int) -> None:
    """It need not end and be called once more."""
    engine = _Fated(job, {plan.key: ["failed", "failed", "good"] for plan in job.takes}, slots)
    assert render_takes(job.takes, engine, job.store, judging=retakes()).rendered == 4
    assert engine.calls == 1


def test_takes_are_put_down_to_the_device_that_made_them(job: Job) -> None:
    """With the work on attempts that do not stand; without a name they are made here."""

    class _Two(_Fated):
        def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
            for result in super().render(requests):
                assert isinstance(result, Rendered)
                yield replace(result, device="cuda:1" if result.request.lines == job.takes[0].request.lines else "")

    fates = {plan.key: ["clipped", "good"] if plan is job.takes[0] else ["good"] for plan in job.takes}
    done = render_takes(job.takes, _Two(job, fates), job.store, judging=retakes())
    one, here = done.devices["cuda:1"], done.devices["here"]
    assert (one.takes, here.takes) == (1, 3)
    assert (one.work_s, here.work_s) == (1.0, 1.5)
    assert one.audio_s == pytest.approx(done.takes[job.takes[0].key].audio_s)
    assert one.audio_s + here.audio_s == pytest.approx(done.rendered_s)


@given(
    closed=st.lists(st.sampled_from([0.0, 0.5, 2.0, 9000.0]), max_size=30),
    fates=st.lists(st.sampled_from([["good"], ["clipped", "good"], ["failed", "good"]]), min_size=4, max_size=4),
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
        engine = _Watching(job, plans, slots)
        done = render_takes(job.takes, engine, TakeStore(Path(folder)), judging=retakes(), admission=admission)
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


def _tried(fate: list[str], number: int) -> list[str]:
    """The attempts at a take until one is good, hopeless or the last."""
    until = [index for index, name in enumerate(fate) if name in ("good", "failed for good")]
    return fate[: min([number, *until]) + 1]


class _Loud(ToneEngine):
    """Turned up until it clips, whatever the seed."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for rendered in super().render(requests):
            assert isinstance(rendered, Rendered)
            yield replace(rendered, pcm=with_fate(rendered.pcm, "clipped"))


def test_flagged_takes_are_delivered_and_reported(make_job: MakeJob, settings: Settings) -> None:
    """The job is done; what to listen to is listed, each with its place."""
    job = replace(open_job(make_job(deliver=["wav"]), settings, engine="tone"), engine=_Loud())
    report = render_job(job, Conditions(jobs=2))
    assert report.status == "done"
    assert report.takes == TakeCounts(4, rendered=4, reused=0, failed=0)
    assert [problem.where for problem in report.problems] == [plan.where for plan in job.takes]
    assert all("clip" in problem.what for problem in report.problems)
    assert render_job(job, Conditions(jobs=2)).problems == report.problems
