"""Watch: a drop folder. A manifest that is put into inbox/ is rendered and moved to done/, or to failed/.

In: the folder, and a function that renders one manifest. Out: everything in done/ and failed/, and an `Outcome` for
each manifest. Every look at the folder is a full one: what the system tells of changes only makes it come sooner, so
nothing is missed on a network folder, after a restart, or when a hundred manifests come at once. Several watchers, on
several machines, may share a folder.
"""

from __future__ import annotations

import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import watchfiles

from pipeline.errors import EngineError, PodcastError, Problem, RequestError, StorageError
from pipeline.jobs.report import Report
from pipeline.night.claims import Claim, Outcome, claim, take_over
from pipeline.night.inbox import Drop, Folders, Inbox, Scene
from pipeline.window import Window

Render = Callable[[Path, Path], Report]  # the manifest, and its path when it is done
OnFinished = Callable[[str, Report | None, str], None]  # name, report, error

_LOOK_S = 3.0  # at the latest; a change in the folder makes it sooner
_TRIES = 4  # with engines that fail


class Watcher:
    """Renders what is dropped into a folder, `at_once` manifests at a time.

    A manifest is taken when it and all that it names have not changed for `settle_s`; one with problems when nothing
    of it has changed for `patience_s`, and then it fails; one whose window (`window`, else its own) is closed waits.
    `poll` looks for changes where the system tells of none, as on network folders. `on_event` gets what a person should
    know, and `on_finished` each outcome, in the thread that runs the watcher. Raises `RequestError` from `run` and
    `drain` where the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        render: Render,
        *,
        at_once: int = 1,
        poll: bool = False,
        settle_s: float = 2.0,
        patience_s: float = 60.0,
        allow_outside: bool = False,
        window: Window | None = None,
        on_event: Callable[[str], None] = lambda _text: None,
        on_finished: OnFinished = lambda _name, _report, _error: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._folders = Folders(folder)
        self._render = render
        self._at_once = at_once
        self._poll = poll
        self._settle_s = settle_s
        self._patience_s = patience_s
        self._allow_outside = allow_outside
        self._window = window
        self._now = now
        self._on_event = on_event
        self._on_finished = on_finished
        self._clock = clock
        self._inbox = Inbox(self._folders, allow_outside)
        self._claims: dict[str, Claim] = {}
        self._renders: dict[str, Future[Report]] = {}
        self._outcomes: list[Outcome] = []
        self._given_up: set[str] = set()
        self._draining = False
        self._told: dict[str, str] = {}
        self._wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Take whatever comes until `stop` is set, then wait for what is being rendered.

        What a render does not finish by then stays in running/, and is taken up at the next start.
        """
        self._loop(stop, drain=False)

    def drain(self, stop: threading.Event) -> list[Outcome]:
        """Take all that is there, wait for it, and return how each ended; for runs by a schedule.

        What another watcher is rendering is left to it. What storage or engines prevent stays in running/.
        """
        self._outcomes = []
        self._loop(stop, drain=True)
        return self._outcomes

    def waiting(self) -> list[Drop]:
        """What lies in the inbox now, the next one first, each with what is wrong with it."""
        return list(Inbox(self._folders, self._allow_outside).look(self._clock()).drops)

    def _loop(self, stop: threading.Event, *, drain: bool) -> None:
        self._prepare()
        self._draining = drain
        self._given_up.clear()
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="render") as threads, self._hints():
            try:
                while not stop.is_set():
                    self._wake.clear()
                    busy = self._look(threads, stop)
                    if drain and not busy:
                        break
                    self._pause(stop, self._settle_s / 2 if busy else _LOOK_S)
                if wait(self._renders.values()).done:
                    self._reap(self._inbox.look(self._clock()), stop)
            except BaseException:
                stop.set()  # the renders share it
                raise
            finally:
                wait(self._renders.values())
                self._renders.clear()
                while self._claims:
                    self._claims.popitem()[1].release()

    def _prepare(self) -> None:
        for folder in self._folders.all:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                what = f"the drop folder cannot be used ({error.strerror or error})."
                raise RequestError(Problem(str(folder), what, "Make it writable, or name another folder.")) from None

    @contextmanager
    def _hints(self) -> Iterator[None]:
        """Wakes the loop when something changes in the inbox, as far as the system tells."""
        ended = threading.Event()

        def listen() -> None:
            try:
                for _changes in watchfiles.watch(
                    self._folders.inbox,
                    watch_filter=None,
                    debounce=500,
                    stop_event=ended,
                    force_polling=self._poll,
                    poll_delay_ms=1000,
                    rust_timeout=1000,
                ):
                    self._wake.set()
            except (OSError, RuntimeError):  # no more watches on this machine, or the folder is gone: the loop looks
                return

        thread = threading.Thread(target=listen, name="inbox", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _pause(self, stop: threading.Event, longest_s: float) -> None:
        end_s = time.monotonic() + min(max(longest_s, 0.05), _LOOK_S)
        while not stop.is_set() and (left_s := end_s - time.monotonic()) > 0:
            if self._wake.wait(min(left_s, 0.2)):
                return

    def _look(self, threads: ThreadPoolExecutor, stop: threading.Event) -> bool:
        """One look at the folder, and all that follows from it; whether there is more for us to do."""
        try:
            for folder in self._folders.all:
                folder.mkdir(parents=True, exist_ok=True)
            scene = self._inbox.look(self._clock())
        except OSError as error:
            self._tell_once("", f"{self._folders.root}: cannot be read ({error.strerror or error}). It is tried again.")
            return True
        self._told.pop("", None)
        ours = set(self._claims)
        self._reap(scene, stop)
        for mine in list(self._claims.values()):
            if mine.name not in self._renders and self._clock() >= mine.due_s:
                self._go_on(mine, scene, threads)
        self._take_over(scene)
        left = self._take(scene, ours)
        return left or bool(self._claims)

    @property
    def _is_full(self) -> bool:
        """Whether as many are being rendered, or held up, as may be."""
        return sum(mine.outcome is None for mine in self._claims.values()) >= self._at_once

    def _take_over(self, scene: Scene) -> None:
        """Take up what dead watchers left, at most as many as can be rendered."""
        for name in scene.claimed:
            if name in self._claims or name in self._given_up or self._is_full:
                continue
            try:
                taken = take_over(self._folders, name, scene.manifests(), scene.named_by_others(name))
            except OSError as error:
                self._tell_once(name, f"{name}: cannot be taken up ({error.strerror or error}).")
                continue
            if taken is not None:
                self._claims[name] = taken
                self._on_event(f"{name}: taken up where it was left.")

    def _take(self, scene: Scene, ours: set[str]) -> bool:
        """Claim what is ready in the inbox; whether something stays there for us to take later.

        `ours` are the jobs that were claimed by us when the folder was looked at, and that may be through by now.
        """
        left = False
        for drop in scene.drops:
            if drop.name in self._claims or drop.name in ours:
                left = True
            elif scene.claimed.get(drop.name) is not None:
                continue  # another watcher has one of this name, and takes this one next
            elif not drop.ready(self._settle_s, self._patience_s) or not (drop.problems or self._may_start(drop)):
                left = True
            else:
                self._claim(drop, scene)
        return left

    def _may_start(self, drop: Drop) -> bool:
        """Whether there is room for it, and its window is open: it must not hold a place while it sleeps."""
        window = self._window or drop.window
        return not self._is_full and (window is None or window.wait_s(self._now()) == 0)

    def _claim(self, drop: Drop, scene: Scene) -> None:
        try:
            taken = claim(self._folders, drop, scene.manifests())
        except OSError as error:
            self._tell_once(drop.name, f"{drop.name}: cannot be moved to running/ ({error.strerror or error}).")
            return
        if taken is not None:
            if drop.problems:
                taken.outcome = _wrong(drop)
            self._claims[drop.name] = taken
            self._wake.set()  # the next look finds it in running/, and goes on with it

    def _go_on(self, mine: Claim, scene: Scene, threads: ThreadPoolExecutor) -> None:
        """Deliver a claim, render it, or let it wait."""
        drop = scene.claimed.get(mine.name)
        if drop is None:
            what = "the manifest was taken out of running/ before it was rendered."
            outcome = mine.outcome or Outcome(mine.name, None, f"{mine.name}: {what}")
            self._deliver(mine, outcome, scene)
            return
        companions = self._companions(mine, drop, scene)
        if mine.outcome is not None and mine.changed(companions):
            mine.outcome = None
        if mine.outcome is None and drop.problems:
            mine.outcome = _wrong(drop)
        # What is wrong with a request may be a file that is still on its way.
        is_wrong = mine.outcome is not None and mine.outcome.is_wrong
        if drop.still_s < (self._patience_s if is_wrong else self._settle_s):
            return
        try:
            mine.bring(companions)
        except StorageError as error:
            self._hold(mine, error)
            return
        if mine.outcome is not None:
            self._deliver(mine, mine.outcome, scene)
            return
        done = self._folders.done / mine.manifest.name
        self._renders[mine.name] = future = threads.submit(self._render, mine.manifest, done)
        future.add_done_callback(lambda _future: self._wake.set())

    def _companions(self, mine: Claim, drop: Drop, scene: Scene) -> list[str]:
        """A claim's companions, without those that a manifest which came later has brought."""
        theirs = scene.named_by_others(mine.name, mine.known)
        return [name for name in drop.companions if name not in theirs]

    def _reap(self, scene: Scene, stop: threading.Event) -> None:
        """Take in what has been rendered; what `stop` has ended stays a claim, for the next start."""
        for name in [name for name, future in self._renders.items() if future.done()]:
            mine, future = self._claims[name], self._renders.pop(name)
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            outcome = _outcome(mine, None if error else future.result(), error)
            if stop.is_set() and outcome.error:
                continue
            if isinstance(error, StorageError) or (isinstance(error, EngineError) and mine.tries + 1 < _TRIES):
                self._hold(mine, error)
                continue
            drop = scene.claimed.get(name)
            again = mine.changed(self._companions(mine, drop, scene)) if drop else []
            if again and not stop.is_set():
                self._on_event(f"{name}: {', '.join(again)} changed meanwhile, so it is rendered again.")
                continue
            mine.outcome = outcome
            if not outcome.is_wrong:
                self._deliver(mine, outcome, scene)

    def _hold(self, mine: Claim, error: PodcastError) -> None:
        """Keep a claim that storage or engines do not let go on, and try again later."""
        mine.tries += 1
        if self._draining and mine.tries >= _TRIES:
            self._given_up.add(mine.name)
            later = "It stays in running/, and goes on at the next start."
            self._finish(mine, Outcome(mine.name, None, f"{error}\n{later}"))
            return
        mine.due_s = self._clock() + self._patience_s
        told = "; ".join(f"{problem.where}: {problem.what}" for problem in error.problems)
        self._tell_once(mine.name, f"{mine.name}: {told} It stays in running/ and is tried again.")

    def _deliver(self, mine: Claim, outcome: Outcome, scene: Scene) -> None:
        outcome = replace(outcome, error=mine.plain(outcome.error))
        try:
            mine.deliver(outcome)
        except StorageError as error:
            self._hold(mine, error)
            return
        except OSError as error:
            self._hold(mine, StorageError(Problem(str(error.filename), f"{error.strerror or error}.")))
            return
        # Looked at after the manifest has moved: of two watchers that finish together, one sees that it is the last.
        with suppress(OSError):
            scene = self._inbox.look(self._clock())
        for stayed in mine.tidy(outcome, scene.named_by_others(mine.name)):
            self._on_event(f"{mine.name}: {stayed}")
        self._finish(mine, outcome)

    def _finish(self, mine: Claim, outcome: Outcome) -> None:
        """Let a claim go and tell how it ended."""
        del self._claims[mine.name]
        self._told.pop(mine.name, None)
        mine.release()
        self._wake.set()  # there is room for another
        if self._draining:
            self._outcomes.append(outcome)
        self._on_finished(outcome.name, outcome.report, outcome.error)

    def _tell_once(self, about: str, text: str) -> None:
        """Tell what hinders, and not again at every look."""
        if self._told.get(about) != text:
            self._told[about] = text
            self._on_event(text)


def _wrong(drop: Drop) -> Outcome:
    """How a manifest ends that cannot be rendered as it is."""
    return Outcome(drop.name, None, "\n".join(map(str, drop.problems)), is_wrong=True)


def _outcome(mine: Claim, report: Report | None, error: Exception | None) -> Outcome:
    if report is not None:
        if report.status == "done":
            return Outcome(mine.name, report)
        return Outcome(mine.name, report, "\n".join(map(str, report.problems)) or f"{mine.name}: {report.status}.")
    if isinstance(error, PodcastError):
        return Outcome(mine.name, None, str(error), is_wrong=isinstance(error, RequestError))
    told = Problem(
        mine.manifest.name, f"an error of the program, not of the manifest ({type(error).__name__}: {error})."
    )
    trace = "".join(traceback.format_exception(error))
    return Outcome(mine.name, None, f"{told} Report it with what follows.\n\n{trace}")
