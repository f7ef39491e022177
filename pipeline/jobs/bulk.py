"""Bulk: several jobs at once, on devices that they share.

In: checked jobs. Out: a report for each. A few run side by side, so that no device stands idle while one job's files
are encoded; the rest wait, by priority and then in the order they came. What a job may do to the devices is Dask's
business; whether the disk has room for it and its window is open is checked in this module.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from pipeline.engines import TRAITS, Engine, Machine
from pipeline.errors import PodcastError, Problem, StoppedError, StorageError
from pipeline.files import storage_errors
from pipeline.jobs.disk import disk_problem, estimate
from pipeline.jobs.job import Job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import Bars, Conditions, OnProgress, RunStage, in_place, render_job
from pipeline.jobs.status import Board, JobStatus
from pipeline.settings import Settings
from pipeline.window import Admission, Window

if TYPE_CHECKING:
    from pipeline.engines.crew import Crew

JobOutcome = Report | PodcastError
EngineFor = Callable[[Job], Engine]
AT_ONCE = 3
_log = logging.getLogger(__name__)


def in_this_process(job: Job) -> Engine:
    """The engine that the job was opened with."""
    return job.engine


class Bulk:
    """What the jobs of a process share: devices, a board, and a lock so that one at a time joins and encodes.

    `engine_for` gives each job its engine; `devices_stop` ends what that has in flight. A job that another run has
    waits for it, and the log and the board say so.
    """

    def __init__(
        self,
        settings: Settings,
        board: Board,
        *,
        engine_for: EngineFor = in_this_process,
        at_once: int = 1,
        check_disk: bool = True,
        devices_stop: threading.Event | None = None,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.settings = settings
        self.board = board
        self.at_once = at_once
        self._engine_for = engine_for
        self._check_disk = check_disk
        self._devices_stop = devices_stop or threading.Event()
        self._clock = clock
        self._finishing = threading.Lock()
        self._stops: set[threading.Event] = set()
        self._stopped = False

    def add(self, job: Job) -> None:
        """Put a job that waits on the board."""
        self.board.add(JobStatus(job.name, job.manifest.title, "waits", job.audio_s, job.manifest.priority))

    def render(self, job: Job, on_progress: OnProgress, stage: RunStage = in_place) -> Report:
        """Render one job, in any thread. Raises what `render_job` raises, and `StorageError` for too small a disk."""

        def progress(stage: str, done: float, total: float) -> None:
            self.board.progress(job.name, stage, done, total)
            on_progress(stage, done, total)

        holders: set[str] = set()

        def on_held(who: str) -> None:
            if who not in holders:
                holders.add(who)
                self.board.sleeps(job.name, who)
                _log.warning("%s: %s It is waited for.", job.workspace.root, who)

        admission = self._admission(job)
        conditions = Conditions(self.settings.jobs, admission, progress, stage, self._finishing, on_held)
        self._stops.add(admission.stop)
        try:
            if self._stopped:
                raise StoppedError
            if self._check_disk:
                _check_disk_space(job)
            return render_job(replace(job, engine=self._engine_for(job)), conditions)
        finally:
            self._stops.discard(admission.stop)
            self.board.remove(job.name)

    def is_open(self, job: Job) -> bool:
        """Whether the job's window is open now."""
        window = self._window_of(job)
        return window is None or window.wait_s(self._clock()) == 0

    def stop(self) -> None:
        """Have every job raise `StoppedError` as soon as it can, and those to come at once; finished takes stay."""
        self._stopped = True
        self._devices_stop.set()
        for stop in list(self._stops):
            stop.set()

    def _window_of(self, job: Job) -> Window | None:
        """The window of this run, else the manifest's."""
        return self.settings.window or job.manifest.window

    def _admission(self, job: Job) -> Admission:
        """What lets the job's chunks start; while its window is closed the board and the log say so."""
        window = self._window_of(job)

        def on_closed(opens: datetime, is_first: bool) -> None:
            until = f"until {opens:%H:%M} (window {window})"
            self.board.sleeps(job.name, until)
            if is_first:
                _log.warning("%s starts no more chunks %s", job.name, until)

        return Admission(window, clock=self._clock, on_closed=on_closed)


def _check_disk_space(job: Job) -> None:
    """Raise `StorageError` where the disk is too small for the job, or cannot be looked at."""
    with storage_errors(job.workspace.root):
        problem = disk_problem(job, estimate(job))
    if problem is not None:
        raise StorageError(problem)


@contextmanager
def open_bulk(
    settings: Settings, engines: Collection[str], *, at_once: int | None, alone: bool, check_disk: bool = True
) -> Iterator[Bulk]:
    """What jobs of these `engines` run on: workers of this machine or of the cluster that the settings name.

    A single job on an engine that is light enough (`alone`) runs in this process. Raises `RequestError` for devices
    that cannot be read and `EngineError` where a cluster does not answer.
    """
    if alone and is_light(settings, engines):
        with Board(settings.output).open() as board:
            yield Bulk(settings, board, check_disk=check_disk)
        return
    from pipeline.engines.cluster import worker_pids
    from pipeline.engines.crew import open_crew

    with open_crew(settings, engines) as crew, Board(settings.output, worker_pids).open() as board:
        yield Bulk(
            settings,
            board,
            engine_for=pool_engines(crew, settings),
            at_once=at_once or AT_ONCE,
            check_disk=check_disk,
            devices_stop=crew.stop,
        )


@contextmanager
def open_engine_of(job: Job, settings: Settings) -> Iterator[tuple[Engine, threading.Event]]:
    """The engine that `render` would use for the job, on all devices, and what stops it. Raises as `open_bulk` does."""
    if is_light(settings, [job.traits.name]):
        yield job.engine, threading.Event()
        return
    from pipeline.engines.crew import open_crew

    with open_crew(settings, [job.traits.name]) as crew:
        yield pool_engines(crew, settings)(job), crew.stop


def is_light(settings: Settings, engines: Collection[str]) -> bool:
    """Whether jobs of these engines need no workers, and the settings ask for none."""
    need_workers = any(TRAITS[name].needs_workers for name in engines)
    return not need_workers and settings.device in (None, "auto") and settings.cluster is None


def pool_engines(crew: Crew, settings: Settings) -> EngineFor:
    """Engines whose requests are spoken by the workers of `crew`."""
    from pipeline.engines.pool import Pool

    machine = Machine.of(settings)
    return lambda job: Pool(job.traits.name, job.engine, job.manifest.dia.sound(), machine, crew, job.manifest.priority)


def render_jobs(jobs: Sequence[Job], bulk: Bulk, bars_of: Bars) -> Iterator[tuple[Job, JobOutcome]]:
    """Render `jobs`, yielding each with its outcome as it ends. One that fails does not end the others.

    `bars_of` gives each job's progress bars by its name. An error in the caller, such as Ctrl-C, stops all.
    """
    for job in jobs:
        bulk.add(job)
    # Those outside their window last: they would hold the places of others while they sleep.
    in_order = sorted(jobs, key=lambda job: (not bulk.is_open(job), -job.manifest.priority))
    # Not `concurrent.futures.wait`: a Ctrl-C that comes within would leave a lock behind that all jobs need to end.
    ended: SimpleQueue[tuple[Job, JobOutcome | BaseException]] = SimpleQueue()

    def run(job: Job) -> None:
        try:
            ended.put((job, _outcome(job, bulk, bars_of)))
        except BaseException as error:
            ended.put((job, error))

    with ThreadPoolExecutor(bulk.at_once, "job") as pool:
        try:
            for job in in_order:
                pool.submit(run, job)
            for _job in in_order:
                yield _next(ended)
        except BaseException:
            bulk.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _next(ended: SimpleQueue[tuple[Job, JobOutcome | BaseException]]) -> tuple[Job, JobOutcome]:
    """The next job that ends. Raises what it raised."""
    while True:
        with suppress(Empty):
            job, outcome = ended.get(timeout=0.5)
            if isinstance(outcome, BaseException) and not isinstance(outcome, PodcastError):
                raise outcome
            return job, outcome


def _outcome(job: Job, bulk: Bulk, bars_of: Bars) -> JobOutcome:
    try:
        with bars_of(job.name) as on_progress:
            return bulk.render(job, on_progress)
    except PodcastError as error:
        return error
    except StoppedError:
        raise
    except Exception as error:  # a fault of the program must not end the other jobs
        _log.exception("%s failed", job.name)
        what = f"an error of the program ({type(error).__name__}: {error})."
        return PodcastError(Problem(job.name, what, "Run the same command again: finished takes are kept."))
