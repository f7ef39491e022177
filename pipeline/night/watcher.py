"""Watcher: what becomes of everything in a drop folder, look by look.

In: the folder, and a function that renders one manifest. Out: an `Outcome` for each. Every look at the folder is a full
one: what the system reports of changes only makes it come sooner, so nothing is missed on a network folder, after a
restart, or when a hundred manifests come at once. Several watchers, on several machines, may share a folder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.errors import EngineError, PodcastError, Problem, StorageError
from pipeline.jobs.bulk import AT_ONCE
from pipeline.jobs.report import Report
from pipeline.night.claims import (
    Claim,
    Outcome,
    claim,
    claim_folder,
    outcome_of_drop,
    outcome_of_render,
    place,
    take_over,
)
from pipeline.night.inbox import Drop, Inbox, Scene, noticing
from pipeline.settings import Settings
from pipeline.workspace import Folders

Render = Callable[[Path, Path], Report]  # the manifest, and its path when it is done

_LOOK_S = 3.0  # at the latest; a change in the folder makes it sooner
_TRIES = 4  # with engines that fail


@dataclass(frozen=True)
class DropFolder:
    """A drop folder, and how it is looked after.

    `at_once` manifests are rendered side by side. One is taken when it and all that it names have not changed for
    `settle_s`; one with problems when nothing of it has changed for `patience_s`, and then it fails; a script without
    a manifest then, too, as one may be on its way; one whose window (the settings', else its own) is closed waits.
    `poll` looks for changes where the system reports none, as on network folders. `say` gets what a person should know,
    a line each.
    """

    root: Path
    settings: Settings
    say: Callable[[str], None]
    at_once: int = AT_ONCE
    poll: bool = False
    allow_outside: bool = False
    settle_s: float = 2.0
    patience_s: float = 60.0
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = datetime.now


class Watcher:
    """Renders what is dropped into a folder. `on_finished` gets each outcome, in the thread that runs the watcher."""

    def __init__(
        self,
        drops: DropFolder,
        render: Render,
        on_finished: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        self._drops = drops
        self._render = render
        self._on_finished = on_finished
        self._folders = Folders(drops.root)
        self._inbox = Inbox(self._folders, drops.allow_outside)
        self._claims: dict[str, Claim] = {}
        self._renders: dict[str, Future[Report]] = {}
        self._outcomes: list[Outcome] = []  # of a watcher that runs once
        self._given_up: set[str] = set()
        self._moved: set[str] = set()  # what came as a folder, until it is taken up
        self._once = False
        self._hindrances: dict[str, str] = {}  # what was said last, by job; "": of the folder
        self._wake = threading.Event()

    def run(self, stop: threading.Event, *, once: bool = False) -> list[Outcome]:
        """Take whatever comes until `stop` is set, then wait for what is being rendered.

        With `once` (runs by a schedule) take only what is there, and return how each ended. What another watcher is
        rendering is left to it. What a render does not finish by then, or storage or engines prevent, stays in
        running/, and is taken up at the next start. Raises `RequestError` where the folder cannot be used.
        """
        self._folders.prepare()
        self._once = once
        self._outcomes = []
        self._given_up.clear()
        with (
            ThreadPoolExecutor(self._drops.at_once, thread_name_prefix="render") as threads,
            noticing(self._folders.inbox, self._wake.set, poll=self._drops.poll),
        ):
            try:
                while not stop.is_set():
                    self._wake.clear()
                    busy = self._look(threads, stop)
                    if once and not busy:
                        break
                    self._pause(stop, self._drops.settle_s / 2 if busy else _LOOK_S)
                if wait(self._renders.values()).done:
                    self._reap(self._inbox.look(self._drops.clock()), stop)
            except BaseException:
                stop.set()  # the renders share it
                raise
            finally:
                wait(self._renders.values())
                self._renders.clear()
                while self._claims:
                    self._claims.popitem()[1].release()
        return self._outcomes

    def _pause(self, stop: threading.Event, longest_s: float) -> None:
        end_s = time.monotonic() + min(max(longest_s, 0.05), _LOOK_S)
        while not stop.is_set() and (left_s := end_s - time.monotonic()) > 0:
            if self._wake.wait(min(left_s, 0.2)):
                return

    def _look(self, threads: ThreadPoolExecutor, stop: threading.Event) -> bool:
        """One look at the folder, and all that follows from it; whether there is more for us to do."""
        try:
            self._folders.create()
            scene = self._inbox.look(self._drops.clock())
        except OSError as error:
            self._say_once("", f"{self._folders.root}: cannot be read ({error.strerror or error}). It is tried again.")
            return True
        self._hindrances.pop("", None)
        ours, ended = set(self._claims), len(self._outcomes)
        self._moved &= scene.claimed.keys()  # the others another watcher has taken up, and is through with
        self._reap(scene, stop)
        for stray, still_s in scene.strays.items():
            if self._once or still_s >= self._drops.patience_s:
                self._say_once(stray.where, str(stray))
        for claimed in list(self._claims.values()):
            if claimed.name not in self._renders and self._drops.clock() >= claimed.due_s:
                self._go_on(claimed, scene, threads)
        self._take_over(scene)
        left = self._take(scene, ours) or len(self._outcomes) > ended  # another may have waited for its name
        return left or bool(self._claims) or bool(self._moved)

    @property
    def _is_full(self) -> bool:
        """Whether as many are being rendered, or held up, as may be."""
        return sum(claimed.outcome is None for claimed in self._claims.values()) >= self._drops.at_once

    def _take_over(self, scene: Scene) -> None:
        """Take up what dead watchers left, at most as many as can be rendered."""
        for name in scene.claimed:
            if name in self._claims or name in self._given_up or self._is_full:
                continue
            try:
                taken = take_over(self._folders, name, scene.manifests(), scene.needed_by_others(name))
            except OSError as error:
                self._say_once(name, f"{name}: cannot be taken up ({error.strerror or error}).")
                continue
            if taken is not None:
                self._claims[name] = taken
                if name not in self._moved:  # by us, a moment ago
                    self._drops.say(f"{name}: taken up where it was left.")
                self._moved.discard(name)

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
            elif self._is_due(drop):
                self._claim(drop, scene)
            else:
                left = True
                if (
                    self._once and (drop.problems or drop.is_alone) and not drop.is_unreadable
                ):  # whoever waits for the end wants to know what for
                    what = drop.problems[0].what if drop.problems else f"no manifest names {drop.place}."
                    self._say_once(drop.name, f"{drop.name}: {what} That may come yet, and is waited for.")
        return left

    def _is_due(self, drop: Drop) -> bool:
        """Whether it lies still, and is wrong or may start: it must not hold a place while its window is closed."""
        if not drop.ready(self._drops.settle_s, self._drops.patience_s):
            return False
        if drop.problems:
            return True
        window = self._drops.settings.window or drop.window
        return not self._is_full and (window is None or window.wait_s(self._drops.now()) == 0)

    def _claim(self, drop: Drop, scene: Scene) -> None:
        try:
            if drop.folder is not None:
                claim_folder(self._folders, drop)
                self._moved.add(drop.name)
                self._wake.set()
                return
            taken = claim(self._folders, drop, scene.manifests())
        except OSError as error:
            self._say_once(drop.name, f"{drop.name}: cannot be moved to running/ ({error.strerror or error}).")
            return
        if taken is not None:
            if drop.problems:
                taken.outcome = outcome_of_drop(drop)
            self._claims[drop.name] = taken
            self._wake.set()  # the next look finds it in running/, and goes on with it

    def _go_on(self, claimed: Claim, scene: Scene, threads: ThreadPoolExecutor) -> None:
        """Deliver a claim, render it, or let it wait."""
        drop = scene.claimed.get(claimed.name)
        if drop is None:
            what = "the manifest was taken out of running/ before it was rendered."
            outcome = claimed.outcome or Outcome(claimed.name, None, f"{claimed.name}: {what}")
            self._deliver(claimed, outcome, scene)
            return
        companions = self._companions(claimed, drop, scene)
        if claimed.outcome is not None and claimed.changed(companions):
            claimed.outcome = None
        if claimed.outcome is None and drop.problems:
            claimed.outcome = outcome_of_drop(drop)
        # What is wrong with a request may be a file that is still on its way.
        is_wrong = claimed.outcome is not None and claimed.outcome.is_wrong and not drop.is_unreadable
        if drop.still_s < (self._drops.patience_s if is_wrong else self._drops.settle_s):
            return
        try:
            claimed.bring(companions)
        except StorageError as error:
            self._hold(claimed, error)
            return
        if claimed.outcome is not None:
            self._deliver(claimed, claimed.outcome, scene)
            return
        done = place(self._folders.done, claimed.name, claimed.manifest) / claimed.manifest.name
        self._renders[claimed.name] = future = threads.submit(self._render, claimed.manifest, done)
        future.add_done_callback(lambda _future: self._wake.set())

    def _companions(self, claimed: Claim, drop: Drop, scene: Scene) -> list[str]:
        """A claim's companions, without those that a manifest which came later has brought."""
        theirs = scene.named_by_others(claimed.name, claimed.known)
        return [name for name in drop.companions if name not in theirs]

    def _reap(self, scene: Scene, stop: threading.Event) -> None:
        """Take in what has been rendered; what `stop` has ended stays a claim, for the next start."""
        for name in [name for name, future in self._renders.items() if future.done()]:
            claimed, future = self._claims[name], self._renders.pop(name)
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            outcome = outcome_of_render(claimed, None if error else future.result(), error)
            if stop.is_set() and outcome.error:
                continue
            if isinstance(error, StorageError) or (isinstance(error, EngineError) and claimed.tries + 1 < _TRIES):
                self._hold(claimed, error)
                continue
            drop = scene.claimed.get(name)
            again = claimed.changed(self._companions(claimed, drop, scene)) if drop else []
            if again and not stop.is_set():
                self._drops.say(f"{name}: {', '.join(again)} changed meanwhile, so it is rendered again.")
                continue
            claimed.outcome = outcome
            if not outcome.is_wrong:
                self._deliver(claimed, outcome, scene)

    def _hold(self, claimed: Claim, error: PodcastError) -> None:
        """Keep a claim that storage or engines do not let go on, and try again later."""
        claimed.tries += 1
        if self._once and claimed.tries >= _TRIES:
            self._given_up.add(claimed.name)
            later = "It stays in running/, and goes on at the next start."
            self._finish(claimed, Outcome(claimed.name, None, f"{error}\n{later}"))
            return
        claimed.due_s = self._drops.clock() + self._drops.patience_s
        hindrance = "; ".join(f"{problem.where}: {problem.what}" for problem in error.problems)
        self._say_once(claimed.name, f"{claimed.name}: {hindrance} It stays in running/ and is tried again.")

    def _deliver(self, claimed: Claim, outcome: Outcome, scene: Scene) -> None:
        outcome = replace(outcome, error=claimed.plain(outcome.error))
        try:
            claimed.deliver(outcome)
        except StorageError as error:
            self._hold(claimed, error)
            return
        except OSError as error:
            self._hold(claimed, StorageError(Problem(str(error.filename), f"{error.strerror or error}.")))
            return
        # Looked at after the manifest has moved: of two watchers that finish together, one sees that it is the last.
        with suppress(OSError):
            scene = self._inbox.look(self._drops.clock())
        for stayed in claimed.tidy(outcome, scene.needed_by_others(claimed.name)):
            self._drops.say(f"{claimed.name}: {stayed}")
        self._finish(claimed, outcome)

    def _finish(self, claimed: Claim, outcome: Outcome) -> None:
        """Let a claim go, and hand on how it ended."""
        del self._claims[claimed.name]
        self._hindrances.pop(claimed.name, None)
        claimed.release()
        self._wake.set()  # there is room for another
        if self._once:
            self._outcomes.append(outcome)
        self._on_finished(outcome)

    def _say_once(self, about: str, text: str) -> None:
        """Say what hinders, and not again at every look."""
        if self._hindrances.get(about) != text:
            self._hindrances[about] = text
            self._drops.say(text)
