"""Status: what runs and what waits, as the processes that do it report it.

In: a `Board` in each process that renders, which writes down its jobs every now and then. Out: what `podcast status`
shows of all of them, with an ETA each. A board belongs to a live process: its lock is gone with the process, and what
is left of it is not believed.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import filelock
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import StorageError, printable
from pipeline.files import read_bytes, write_text
from pipeline.threads import every
from pipeline.words import clock, table

_FOLDER = ".status"  # in the output folder
_WRITE_EVERY_S = 1.0
State = Literal["runs", "sleeps", "claimed", "waits"]
_STATES: tuple[State, ...] = get_args(State)  # in the order in which they are shown
# Of a job's whole work: where a stage starts, and how much of it that is.
_SHARES: Mapping[str, tuple[float, float]] = {
    "takes": (0.0, 0.6),
    "chapters": (0.6, 0.1),
    "deliverables": (0.7, 0.3),
}


@dataclass(frozen=True)
class JobStatus:
    """A job as it stands. Times are in seconds."""

    job: str
    title: str
    state: State  # sleeps: outside its window; claimed: by a watcher, and about to begin
    audio_s: float  # to expect of all of it
    priority: int = 0
    stage: str = ""
    done: float = 0.0  # of the whole, 0 to 1
    eta_s: float | None = None
    note: str = ""


@dataclass(frozen=True)
class ProcessStatus:
    """A process that renders, its jobs, and the processes that work for it, by name."""

    host: str
    pid: int
    jobs: tuple[JobStatus, ...]
    workers: Mapping[str, int] = field(default_factory=dict)


def share_done(stage: str, done: float, total: float) -> float:
    """How much of a job is done, 0 to 1, when `done` of `total` of a stage is."""
    start, length = _SHARES[stage]
    return start + length * (done / total if total else 1.0)


class _Entry:
    """A job on a board, and when it began at what."""

    def __init__(self, status: JobStatus) -> None:
        self.status = status
        self.begun: tuple[float, float] | None = None  # seconds, and how much was done then


class Board:
    """The jobs of this process, written into the output folder every second while it is open.

    `workers` gives the processes that work for it, by name.
    """

    def __init__(self, output: Path, workers: Callable[[], Mapping[str, int]] = dict) -> None:
        self._workers = workers
        self._folder = output / _FOLDER
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._waiting: Sequence[JobStatus] = ()

    @contextmanager
    def open(self) -> Iterator[Board]:
        """Show the board. A disk that does not take it stops nothing."""
        held = filelock.FileLock(self._folder / f"{self._name}.lock", timeout=0)
        with suppress(OSError, filelock.Timeout):
            self._folder.mkdir(parents=True, exist_ok=True)
            held.acquire()
        self._write()
        try:
            with every(_WRITE_EVERY_S, self._write):
                yield self
        finally:
            with suppress(OSError):
                (self._folder / f"{self._name}.json").unlink(missing_ok=True)
                held.release()
                (self._folder / f"{self._name}.lock").unlink(missing_ok=True)

    def add(self, status: JobStatus) -> None:
        """Put a job on the board."""
        with self._lock:
            self._entries[status.job] = _Entry(status)

    def lies_in_inbox(self, waiting: Sequence[JobStatus]) -> None:
        """What waits in a drop folder, in place of what did before."""
        with self._lock:
            self._waiting = tuple(waiting)

    def progress(self, job: str, stage: str, done: float, total: float) -> None:
        """Note how much of a stage of a job is done."""
        with self._lock:
            if (entry := self._entries.get(job)) is not None:
                whole, now = share_done(stage, done, total), time.monotonic()
                if entry.begun is None or stage != entry.status.stage:
                    entry.begun = (now, whole)
                entry.status = replace(entry.status, state="runs", stage=stage, done=whole, note="")

    def sleeps(self, job: str, note: str) -> None:
        """Note that a job is outside its window, or waits for another run that has it."""
        with self._lock:
            if (entry := self._entries.get(job)) is not None:
                entry.begun = None
                entry.status = replace(entry.status, state="sleeps", note=note, eta_s=None)

    def remove(self, job: str) -> None:
        """Take a job that has ended off the board."""
        with self._lock:
            self._entries.pop(job, None)

    def jobs(self) -> list[JobStatus]:
        """All of them, those that run first, with an ETA each where there is something to go by."""
        with self._lock:
            entries = list(self._entries.values())
            waiting = [status for status in self._waiting if status.job not in self._entries]
        now = time.monotonic()
        running = [replace(e.status, eta_s=_eta_s(e, now)) for e in entries if e.status.state != "waits"]
        queued = sorted((e.status for e in entries if e.status.state == "waits"), key=lambda status: -status.priority)
        return [*running, *_one_after_another(running, [*queued, *waiting])]

    def _write(self) -> None:
        process = ProcessStatus(socket.gethostname(), os.getpid(), tuple(self.jobs()), dict(self._workers()))
        with suppress(StorageError, OSError):
            write_text(self._folder / f"{self._name}.json", json.dumps(asdict(process), ensure_ascii=False))


def _eta_s(entry: _Entry, now: float) -> float | None:
    """By how long it took from where this stage began."""
    if entry.begun is None or entry.status.state != "runs":
        return None
    since, before = entry.begun
    gained = entry.status.done - before
    return None if gained <= 0 else round((now - since) / gained * (1 - entry.status.done), 1)


def _one_after_another(running: Sequence[JobStatus], queued: Sequence[JobStatus]) -> Iterator[JobStatus]:
    """ETAs of those that wait: the speed of those that run, and all the audio before them."""
    known = [status for status in running if status.eta_s]
    speed_x = sum(status.audio_s * (1 - status.done) / status.eta_s for status in known if status.eta_s)
    ahead_s = sum(status.audio_s * (1 - status.done) for status in running)
    lengths_s = [status.audio_s for status in (*running, *queued) if status.audio_s]
    usual_s = sum(lengths_s) / len(lengths_s) if lengths_s else 0.0  # what lies in an inbox is not opened yet
    for status in queued:
        ahead_s += status.audio_s or usual_s
        yield replace(status, eta_s=round(ahead_s / speed_x, 1) if speed_x else None)


def read_status(output: Path) -> list[ProcessStatus]:
    """Every live process that renders into `output`, with its jobs. What dead ones left is removed."""
    processes = []
    for path in sorted((output / _FOLDER).glob("*.json")):
        lock = filelock.FileLock(path.with_suffix(".lock"), timeout=0)
        with suppress(OSError):
            try:
                lock.acquire()
            except filelock.Timeout:
                with suppress(ValidationError):  # of another version, or not what it seems
                    processes.append(TypeAdapter(ProcessStatus).validate_json(read_bytes(path)))
                continue
            path.unlink(missing_ok=True)
            lock.release()
            path.with_suffix(".lock").unlink(missing_ok=True)
    return processes


def status_table(processes: Sequence[ProcessStatus]) -> str:
    """What `read_status` returns, for people: a line for each job, and one for each process and its workers."""
    jobs: dict[str, JobStatus] = {}
    for job in sorted((job for process in processes for job in process.jobs), key=lambda job: _STATES.index(job.state)):
        jobs.setdefault(job.job, job)  # a watcher has it too while a flow run renders it
    rows = [("job", "state", "done", "ETA", "")]
    for job in jobs.values():
        eta = clock(job.eta_s) if job.eta_s is not None else "-"
        rows.append((printable(job.job), job.state, f"{100 * job.done:.0f} %", eta, printable(job.note or job.stage)))
    lines = [table(rows) if jobs else "Nothing runs and nothing waits."]
    for process in processes:
        workers = ", ".join(f"{name} ({pid})" for name, pid in process.workers.items())
        lines.append(f"process {process.pid} on {process.host}" + (f", workers {workers}" if workers else ""))
    return "\n".join(lines)
