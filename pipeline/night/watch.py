"""Watch: a drop folder. A manifest that is put into inbox/ is rendered and moved to done/, or to failed/.

In: the folder, and a function that renders one manifest, in place or as a flow run. Out: everything in done/ and
failed/, an `Outcome` for each manifest, and the digest after each.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.errors import PodcastError, printable, reason
from pipeline.jobs.bulk import Bulk, open_bulk
from pipeline.jobs.job import open_job
from pipeline.jobs.progress import progress_bars, telling
from pipeline.jobs.report import Report, file_lines
from pipeline.jobs.stages import Bars
from pipeline.jobs.status import Board, JobStatus
from pipeline.night.claims import Outcome
from pipeline.night.digest import latest_digest, remember_drop_folder
from pipeline.night.inbox import Inbox
from pipeline.night.page import write_digest
from pipeline.night.watcher import DropFolder, Render, Watcher
from pipeline.threads import every
from pipeline.words import clock
from pipeline.workspace import Folders

EVERY_ENGINE = ("draft", "kokoro", "dia")  # what a drop folder may ask for
_SHOW_S = 2.0
_STOP_S = 0.2
_log = logging.getLogger(__name__)


def watch_in_place(drops: DropFolder, *, once: bool = False) -> list[Outcome]:
    """`watch` with workers of this process, until Ctrl-C."""
    stop = threading.Event()
    at_once = drops.at_once
    with ExitStack() as stack:
        with telling("starting the workers"):
            bulk = stack.enter_context(open_bulk(drops.settings, EVERY_ENGINE, at_once=at_once, alone=False))
        bars_of = stack.enter_context(progress_bars(keep=False))

        def stop_renders() -> None:
            if stop.is_set():
                bulk.stop()

        with every(_STOP_S, stop_renders):
            render = render_with(bulk, bars_of, allow_outside=drops.allow_outside)
            return watch(drops, render, bulk.board, stop, once=once)


def render_with(bulk: Bulk, bars_of: Bars, *, allow_outside: bool) -> Render:
    """Renders one manifest as a job of `bulk`."""

    def render(manifest: Path, owner: Path) -> Report:
        job = open_job(manifest, bulk.settings, allow_outside=allow_outside, owner=owner)
        bulk.add(job)
        with bars_of(job.name) as on_progress:
            return bulk.render(job, on_progress)

    return render


def watch(
    drops: DropFolder, render: Render, board: Board, stop: threading.Event, *, once: bool = False
) -> list[Outcome]:
    """Look after the folder until `stop`, or with `once` until nothing is left; returns how each manifest ended then.

    What waits is on `board` meanwhile, and the digest is written after each manifest. Raises `RequestError` where the
    folder cannot be used.
    """
    output = drops.settings.output
    said: set[str] = set()  # of the digest
    inbox = Inbox(Folders(drops.root))  # as the digest sees it, which reads again only what has changed

    def finished(outcome: Outcome) -> None:
        for line in _lines(outcome, output):
            drops.say(line)
        try:
            write_digest(output, latest_digest(output, inbox))
        except Exception as error:  # whatever it is, the next job goes on
            if str(error) not in said:
                said.add(str(error))
                _log.exception("the digest cannot be written")
                drops.say(str(error) if isinstance(error, PodcastError) else f"no digest is written: {reason(error)}.")

    remember_drop_folder(output, drops.root)
    with showing(board, drops.root, "in the inbox"):
        if not once:
            drops.say(f"watching {Folders(drops.root).inbox}; stop with Ctrl-C")
        return Watcher(drops, render, finished).run(stop, once=once)


@contextmanager
def showing(board: Board, folder: Path, note: str) -> Iterator[None]:
    """Have on `board` what waits in a drop folder, with `note`, and what was taken from there."""

    inbox = Inbox(Folders(folder))

    def show() -> None:
        try:
            scene = inbox.look(0.0)
        except OSError:  # the watcher tells of it
            return
        waits = [JobStatus(drop.name, drop.place, "waits", 0.0, note=note) for drop in scene.drops]
        claims = [
            JobStatus(name, name, "claimed", 0.0, note="begins soon") for name, drop in scene.claimed.items() if drop
        ]
        board.lies_in_inbox([*claims, *waits])

    show()
    with every(_SHOW_S, show):
        yield


def _lines(outcome: Outcome, output: Path) -> Iterator[str]:
    """How a manifest ended, for people: what it was, and where its files are or what is wrong with it."""
    report = outcome.report
    if report is None:
        yield f"{outcome.name}: failed"
    else:
        yield f'{outcome.name}: {report.status} ("{printable(report.title)}", {clock(report.audio_s)} of audio)'
        root = output / Path(report.job or outcome.name).parts[0]
        yield from (f"  {line}" for line in file_lines(report, root))
    if outcome.error:
        yield outcome.error
