"""Overnight: a drop folder that is rendered unattended, and the digest that is read in the morning.

In: a drop folder and a way to render one manifest, in place or as a flow run. Out: what `watch.py` makes of it, shown
on the board while it lasts, and `digest.html` after each job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.jobs.bulk import AT_ONCE, Bulk, open_bulk
from pipeline.jobs.job import open_job
from pipeline.jobs.progress import progress_bars
from pipeline.jobs.report import Report
from pipeline.jobs.stages import OnProgress
from pipeline.jobs.status import Board, JobStatus
from pipeline.night.claims import Outcome
from pipeline.night.digest import Digest, latest_digest, names_waiting
from pipeline.night.page import write_digest
from pipeline.night.watch import Render, Watcher
from pipeline.settings import Settings

EVERY_ENGINE = ("draft", "dia")  # what a drop folder may ask for
_LOOK_S = 2.0


@dataclass(frozen=True)
class Night:
    """A drop folder, and how it is looked after. `say` gets what a person should know, a line each."""

    folder: Path
    settings: Settings
    say: Callable[[str], None]
    poll: bool = False
    at_once: int | None = None
    allow_outside: bool = False

    def watch(self, render: Render, board: Board, stop: threading.Event, *, once: bool = False) -> list[Outcome]:
        """Look after the folder until `stop`, or with `once` until nothing is left, and tell how each ended then."""
        watcher = Watcher(
            self.folder,
            render,
            at_once=self.at_once or AT_ONCE,
            poll=self.poll,
            allow_outside=self.allow_outside,
            window=self.settings.window,
            on_event=self.say,
            on_finished=self._finished,
        )
        with _shown(board, self.folder):
            if once:
                return watcher.drain(stop)
            self.say(f"watching {self.folder / 'inbox'}; stop with Ctrl-C")
            watcher.run(stop)
            return []

    def in_place(self, *, once: bool = False) -> list[Outcome]:
        """The same, rendered by workers of this process."""
        stop = threading.Event()
        with open_bulk(self.settings, EVERY_ENGINE, at_once=self.at_once, alone=False) as bulk, progress_bars() as bar:
            threading.Thread(target=_stop_with, args=(stop, bulk), name="stop", daemon=True).start()
            try:
                return self.watch(render_with(bulk, bar, allow_outside=self.allow_outside), bulk.board, stop, once=once)
            finally:
                stop.set()

    def digest(self) -> Digest:
        """Of the last 24 hours."""
        return latest_digest(self.settings.output, self.folder)

    def _finished(self, name: str, report: Report | None, error: str) -> None:
        told = report.status if report else "failed"
        self.say(f"{name}: {told}" + (f"\n{error}" if error else ""))
        try:
            write_digest(self.settings.output, self.digest())
        except StorageError as problem:
            self.say(str(problem))


def _stop_with(stop: threading.Event, bulk: Bulk) -> None:
    stop.wait()
    bulk.stop()


def render_with(bulk: Bulk, bar: Callable[[str], OnProgress], *, allow_outside: bool) -> Render:
    """Renders one manifest as a job of `bulk`."""

    def render(manifest: Path, owner: Path) -> Report:
        job = open_job(manifest, bulk.settings, allow_outside=allow_outside, owner=owner)
        bulk.add(job)
        return bulk.render(job, bar(job.name))

    return render


@contextmanager
def _shown(board: Board, folder: Path) -> Iterator[None]:
    """Keep what waits in the inbox on the board."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            names = names_waiting(folder)
            board.lies_in_inbox([JobStatus(Path(name).stem, name, "waits", 0.0, note="in the inbox") for name in names])

    thread = threading.Thread(target=look, name="inbox", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
