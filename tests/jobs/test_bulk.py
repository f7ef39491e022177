"""Several jobs at once: in their order, sharing what there is, and none takes another with it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.engines import Engine, Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.errors import Problem, StoppedError, StorageError
from pipeline.jobs.bulk import Bulk, is_light, open_bulk, render_jobs
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import no_bars
from pipeline.jobs.status import Board
from pipeline.settings import Settings
from tests.support.commands import MakeJob
from tests.support.processes import WAIT_S, until

SCRIPT = "# One\n\n" + "\n\n---\n\n".join(f"Scene {number} is about rivers." for number in range(4)) + "\n"


@pytest.fixture
def make(make_job: MakeJob, settings: Settings) -> Callable[..., Job]:
    """Opens a job of four takes and one file."""

    def opened(name: str, **keys: object) -> Job:
        return open_job(make_job(SCRIPT, name=name, deliver=["flac"], **keys), settings, engine="tone")

    return opened


class _Watched:
    """Notes which jobs speak, and how many at the same time; with `together` they wait until so many do."""

    def __init__(self, together: int = 1) -> None:
        self.order: list[str] = []
        self.now: set[str] = set()
        self.most = 0
        self.barrier = threading.Barrier(together)
        self._lock = threading.Lock()

    def of(self, job: Job) -> Engine:
        """The engine of one job."""
        return _OfJob(self, job.name)

    @contextmanager
    def speaking(self, name: str) -> Iterator[None]:
        """A job speaks."""
        with self._lock:
            self.order.append(name)
            self.now.add(name)
            self.most = max(self.most, len(self.now))
        self.barrier.wait(WAIT_S)
        yield
        with self._lock:
            self.now.remove(name)


class _OfJob(ToneEngine):
    def __init__(self, watched: _Watched, name: str) -> None:
        self.watched, self.name = watched, name

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """As tones."""
        with self.watched.speaking(self.name):
            yield from super().render(requests)


def test_jobs_begin_by_priority_then_in_the_order_they_came(
    make: Callable[..., Job], settings: Settings, tmp_path: Path
) -> None:
    """And each is told of once, with its own report."""
    jobs = [make("a"), make("b", priority=3), make("c", priority=-1), make("d", priority=3), make("e")]
    watched = _Watched()
    bulk = Bulk(settings, Board(tmp_path), engine_for=watched.of)
    outcomes = {job.name: outcome for job, outcome in render_jobs(jobs, bulk, no_bars)}
    assert watched.order == ["b", "d", "a", "e", "c"]
    assert watched.most == 1
    assert outcomes.keys() == {job.name for job in jobs}
    for name, outcome in outcomes.items():
        assert isinstance(outcome, Report)
        assert (outcome.job, outcome.status) == (name, "done")


@pytest.mark.parametrize("at_once", [2, 3])
def test_so_many_jobs_run_at_once_and_no_more(
    make: Callable[..., Job], settings: Settings, tmp_path: Path, at_once: int
) -> None:
    """They meet while they speak; a job more would have begun by then."""
    jobs = [make(f"job {number}") for number in range(2 * at_once)]
    watched = _Watched(together=at_once)
    bulk = Bulk(settings, Board(tmp_path), engine_for=watched.of, at_once=at_once)
    outcomes = [outcome for _job, outcome in render_jobs(jobs, bulk, no_bars)]
    assert all(isinstance(outcome, Report) for outcome in outcomes)
    assert len(outcomes) == 2 * at_once
    assert watched.most == at_once


class _FullDisk(ToneEngine):
    """The second take finds no room."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """One, and no more."""
        yield next(super().render(requests))
        raise StorageError(Problem("/", "no space is left.", "Make room."))


def test_a_job_that_fails_ends_alone(make: Callable[..., Job], settings: Settings, tmp_path: Path) -> None:
    """The others are done, and the reason comes back with it; what it had finished is kept."""
    jobs = [make("a"), make("full"), make("z")]
    board = Board(tmp_path)

    def engine_for(job: Job) -> Engine:
        return _FullDisk() if job.name == "full" else job.engine

    bulk = Bulk(settings, board, engine_for=engine_for, at_once=2)
    outcomes = {job.name: outcome for job, outcome in render_jobs(jobs, bulk, no_bars)}
    assert isinstance(outcomes["full"], StorageError)
    assert all(isinstance(outcomes[name], Report) for name in ("a", "z"))
    assert len(jobs[1].store.keys()) == 1
    assert board.jobs() == []


def test_a_job_that_another_run_has_waits_for_it(
    make: Callable[..., Job], settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And it is told who has it, once."""
    job, us = make("held"), f"process {os.getpid()} on {socket.gethostname()}"
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with job.workspace.lock():
            held.set()
            free.wait(60)

    with ThreadPoolExecutor(2) as threads:
        holder = threads.submit(hold)
        held.wait(60)
        board = Board(tmp_path)
        waiting = threads.submit(lambda: list(render_jobs([job], Bulk(settings, board), no_bars)))
        until(lambda: [status.note for status in board.jobs()] == [f"{us} is rendering this job."])
        assert not waiting.done()
        free.set()
        holder.result(60)
        ((_job, outcome),) = waiting.result(60)
    assert [record.message for record in caplog.records if "is rendering" in record.message] == [
        f"{job.workspace.root}: {us} is rendering this job. It is waited for."
    ]
    assert isinstance(outcome, Report)
    assert outcome.status == "done"


def test_too_small_a_disk_is_told_before_anything_is_begun(
    make: Callable[..., Job], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written and no engine is asked; without the check it is tried."""
    job, board, asked = make("book"), Board(tmp_path), []
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("pipeline.jobs.disk.shutil.disk_usage", lambda _path: usage._replace(free=1000))

    def engine_for(job: Job) -> Engine:
        asked.append(job.name)
        return job.engine

    ((_job, outcome),) = render_jobs([job], Bulk(settings, board, engine_for=engine_for), no_bars)
    assert isinstance(outcome, StorageError)
    assert "are free" in str(outcome)
    assert not asked
    assert not job.workspace.root.exists()
    assert board.jobs() == []
    unchecked = Bulk(settings, board, engine_for=engine_for, check_disk=False)
    ((_job, outcome),) = render_jobs([job], unchecked, no_bars)
    assert isinstance(outcome, Report)


class _Endless(ToneEngine):
    """Speaks its first take, then nothing until it is let go."""

    def __init__(self, said: threading.Semaphore, go_on: threading.Event) -> None:
        self.said, self.go_on = said, go_on

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """One, and the others when it is time."""
        for number, rendered in enumerate(super().render(requests)):
            if number:
                assert self.go_on.wait(WAIT_S)
            yield rendered
            self.said.release()


def test_an_interruption_ends_all_and_keeps_their_takes(
    make: Callable[..., Job], settings: Settings, tmp_path: Path
) -> None:
    """Those that wait never begin; the same jobs go on from there."""
    jobs = [make("a"), make("b"), make("waits")]
    said, go_on = threading.Semaphore(0), threading.Event()
    bulk = Bulk(settings, Board(tmp_path), engine_for=lambda _job: _Endless(said, go_on), at_once=2)

    def stop() -> None:
        for _job in range(2):
            assert said.acquire(timeout=WAIT_S)
        bulk.stop()
        go_on.set()

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(StoppedError):
        list(render_jobs(jobs, bulk, no_bars))
    stopping.join()
    kept = [len(job.store.keys()) for job in jobs]
    assert all(1 <= count <= 3 for count in kept[:2])
    assert kept[2] == 0
    after = Bulk(settings, Board(tmp_path), at_once=2)
    again = {job.name: outcome for job, outcome in render_jobs(jobs, after, no_bars)}
    for job, count in zip(jobs, kept, strict=True):
        report = again[job.name]
        assert isinstance(report, Report)
        assert report.takes.reused == count


@pytest.mark.slow
def test_jobs_side_by_side_on_real_workers(make: Callable[..., Job], settings: Settings) -> None:
    """Make the takes they would have made alone, in this process."""
    jobs = [make("a"), make("b", priority=1), make("c")]
    with open_bulk(settings.model_copy(update={"device": "cpu:2x1"}), {"tone"}, at_once=3, alone=False) as bulk:
        outcomes = [outcome for _job, outcome in render_jobs(jobs, bulk, no_bars)]
    assert [isinstance(outcome, Report) and outcome.status for outcome in outcomes] == ["done"] * 3
    elsewhere = settings.model_copy(update={"output": settings.output.with_name("elsewhere")})
    alone = [open_job(job.owner, elsewhere, engine="tone") for job in jobs]
    for job, other in zip(jobs, alone, strict=True):
        with open_bulk(elsewhere, {"tone"}, at_once=None, alone=True) as bulk:
            list(render_jobs([other], bulk, no_bars))
        assert _sounds(job) == _sounds(other)
        assert len(_sounds(job)) == 4


def _sounds(job: Job) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in job.store.folder.glob("*.flac")}


@pytest.mark.parametrize(
    ("engines", "keys", "light"),
    [
        ({"tone"}, {}, True),
        ({"draft", "tone"}, {"device": "auto"}, True),
        ({"dia"}, {}, False),
        ({"draft"}, {"device": "cpu:2x1"}, False),
        ({"draft"}, {"cluster": "tcp://127.0.0.1:8786"}, False),
    ],
)
def test_workers_are_started_where_they_are_of_use(
    settings: Settings, engines: set[str], keys: dict[str, Any], light: bool
) -> None:
    """For Dia, and where somebody asks for them."""
    assert is_light(settings.model_copy(update=keys), engines) == light
