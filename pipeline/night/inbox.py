"""Inbox: what lies in a drop folder, and since when each of it has been as it is.

In: the folder, and the time by a clock that never jumps. Out: a `Scene` of `Drop`s: the manifests that wait (and the
scripts without one) and those that are claimed, each with its companions (script, edits, decisions, cover, voices,
lexicons), its problems, and how long nothing of it has changed. Sizes and modification times are only compared for
equality, so that a wrong clock anywhere does not matter. Changes nothing on disk, and knows no rendering.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import watchfiles

from pipeline.errors import Problem
from pipeline.files import is_inside
from pipeline.night.listing import (
    LOCK,
    OURS,
    WHOLE,
    FileStamp,
    ListedFile,
    Listing,
    is_passing,
    jobs_of_claim,
    list_jobs,
    list_names,
    mentioned,
    shared_in,
    stamp_of,
)
from pipeline.source.keys import BESIDE
from pipeline.source.readers import conversion
from pipeline.window import Window
from pipeline.workspace import LEXICON, VOICES, Folders, job_name

Stamp = tuple[tuple[str, FileStamp | None], ...]  # of a manifest and all that it names


@dataclass(frozen=True)
class Drop:
    """A manifest that was dropped, and what it brings along."""

    manifest: Path
    name: str  # of the job
    priority: int
    window: Window | None  # its own, of the hours in which its chunks may be started
    companions: tuple[str, ...]  # the files it names that are there, relative to its folder
    problems: tuple[Problem, ...]
    stamp: Stamp
    seen_s: float  # when it was first seen, by the watcher's clock
    still_s: float  # for how long nothing of it has changed
    folder: Path | None = None  # that was dropped, with the manifest and all that it names in it
    is_arriving: bool = False  # one of its files is called as if it were still being copied
    is_alone: bool = False  # a script without a manifest
    is_unreadable: bool = False  # a PDF and the like: nothing that comes yet makes a script of it

    def ready(self, settle_s: float, patience_s: float) -> bool:
        """Whether it has lain still for long enough: what has problems or no manifest may yet be completed."""
        waits = ((self.problems or self.is_alone) and not self.is_unreadable) or self.is_arriving
        return self.still_s >= (patience_s if waits else settle_s)

    @property
    def place(self) -> str:
        """Where it lies in the inbox."""
        return self.manifest.name if self.folder is None else f"{self.folder.name}/{self.manifest.name}"


@dataclass(frozen=True)
class Scene:
    """A drop folder as it is seen at one moment."""

    drops: tuple[Drop, ...]  # in the inbox: the highest priority first, then the oldest
    claimed: Mapping[str, Drop | None]  # by job, in running/; None where a folder holds no manifest
    strays: Mapping[Problem, float] = field(default_factory=dict)  # what is no job, and for how long it has been so

    def named_by_others(self, job: str, known: Collection[str] = ()) -> set[str]:
        """The companions of every job but `job`, and but those whose manifests are `known`."""
        claimed = [drop for name, drop in self.claimed.items() if drop is not None and name != job]
        others = [drop for drop in (*self.drops, *claimed) if drop.manifest.name not in known]
        return {companion for drop in others for companion in drop.companions}

    def needed_by_others(self, job: str) -> set[str]:
        """The companions of every job but `job` that it has no copy of: those that wait, or were just claimed."""
        claimed = [drop for name, drop in self.claimed.items() if drop is not None and name != job]
        needed = {name for drop in claimed for name in drop.companions if not (drop.manifest.parent / name).is_file()}
        return needed | {name for drop in self.drops for name in drop.companions}

    def manifests(self) -> frozenset[str]:
        """The file names of all manifests there are."""
        claimed = [drop for drop in self.claimed.values() if drop is not None]
        return frozenset(drop.manifest.name for drop in (*self.drops, *claimed))


@dataclass(frozen=True)
class _Seen:
    """Since when something is there, and since when it is as it is."""

    first_s: float
    since_s: float
    stamp: Stamp


@dataclass
class Inbox:
    """Looks at a drop folder again and again, and remembers what it saw."""

    folders: Folders
    allow_outside: bool = False
    _read: dict[Path, ListedFile] = field(default_factory=dict)
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    def look(self, now_s: float) -> Scene:
        """Everything there is. Raises `OSError` where the folders cannot be listed."""
        inbox = self.folders.inbox
        before, self._seen = self._seen, {}
        read_before, self._read = self._read, {}
        shared = list(shared_in(inbox))
        listing = self._keep(list_jobs(inbox, read_before))  # before running/, where others move what lies here
        claimed, companions = self._claimed(shared, read_before, before, now_s)
        drops = [
            self._drop(path, file, (inbox,), shared, before, now_s)
            for path, file in listing.jobs.items()
            if file.kind == "manifest" or path.name not in companions
        ]
        folders, strays = self._dropped_folders([*drops, *filter(None, claimed.values())], read_before, before, now_s)
        drops, strangers = _apart([*drops, *folders], claimed)
        drops.sort(key=lambda drop: (-drop.priority, drop.seen_s, self._read[drop.manifest].stamp[1], drop.name))
        return Scene(tuple(drops), claimed, strays | strangers)

    def _keep(self, listing: Listing) -> Listing:
        self._read |= listing.files
        return listing

    def _claimed(
        self, shared: list[str], read_before: Mapping[Path, ListedFile], before: Mapping[Path, _Seen], now_s: float
    ) -> tuple[dict[str, Drop | None], set[str]]:
        """What lies in running/, by job; and what in the inbox belongs to those."""
        claimed: dict[str, Drop | None] = {}
        companions: set[str] = set()
        for name in sorted(list_names(self.folders.running)):
            folder = self.folders.running / name
            if name.startswith(".") or not folder.is_dir():
                continue
            listing = self._keep(jobs_of_claim(folder, read_before))
            named = [(path, file) for path, file in listing.jobs.items() if job_name(path) == name]
            # What lies in the inbox goes first: it may be newer than the copy that was made of it.
            whole = (folder / WHOLE).exists()
            roots = (folder,) if whole else (self.folders.inbox, folder)
            both = list(dict.fromkeys((*(() if whole else shared), *shared_in(folder))))
            drop = self._drop(*named[0], roots, both, before, now_s) if named else None
            claimed[name] = replace(drop, companions=()) if drop and whole else drop
            if drop is None:  # what was copied for a job that is through is about to be removed here, too
                companions.update(path.name for path in listing.files)  # not what has been moved there since
            elif not whole:
                companions |= {file for file, _stamp in drop.stamp} - {drop.manifest.name}
        return claimed, companions

    def _dropped_folders(
        self,
        drops: Collection[Drop],
        read_before: Mapping[Path, ListedFile],
        before: Mapping[Path, _Seen],
        now_s: float,
    ) -> tuple[list[Drop], dict[Problem, float]]:
        """The jobs that came as a folder each; and what is wrong with other folders, with how long they lie still."""
        inbox = self.folders.inbox
        named = {Path(name).parts[0] for drop in drops for name, _stamp in drop.stamp if Path(name).parts}
        jobs: list[Drop] = []
        strays: dict[Problem, float] = {}
        for name in sorted(set(list_names(inbox)) - (named - {VOICES})):
            folder = inbox / name
            if name.startswith(".") or not folder.is_dir():
                continue
            stamp = _stamp_of_all(folder)
            last = before.get(folder)
            since_s = last.since_s if last and last.stamp == stamp else now_s
            self._seen[folder] = _Seen(last.first_s if last else now_s, since_s, stamp)
            listing = self._keep(list_jobs(folder, read_before))
            if (stray := _stray(folder, listing)) is not None:
                strays[stray] = now_s - since_s
            elif name not in (VOICES, LEXICON):
                ((path, file),) = (listing.manifests or listing.scripts).items()
                drop = self._drop(path, file, (folder,), list(shared_in(folder)), before, now_s)
                is_arriving = any(is_passing(file) and not Path(file).name.startswith(".") for file, _stamp in stamp)
                drop = replace(drop, companions=(), folder=folder, is_arriving=is_arriving)
                jobs.append(replace(drop, stamp=stamp, still_s=now_s - since_s))
        return jobs, strays

    def _drop(
        self,
        path: Path,
        file: ListedFile,
        roots: tuple[Path, ...],
        shared: list[str],
        before: Mapping[Path, _Seen],
        now_s: float,
    ) -> Drop:
        problems = list(file.problems)
        files: dict[str, FileStamp | None] = {path.name: file.stamp}
        beside = _beside(path, roots)
        others = [*shared, *mentioned(file, roots[0]), *beside]
        companions = [name for name in others if not is_passing(name) and self._allows(_first(roots, name), roots)]
        for name in set(beside) - set(companions):
            what = f"the {beside[name]} are outside the manifest's folder."
            problems.append(Problem(name, what, "Drop the file itself."))
        for where, name in file.names():
            companion, problem = self._companion(name, where, roots)
            problems += [problem] if problem else []
            companions += [companion] if companion else []
            files[name] = stamp_of(_first(roots, name))
        files |= {name: stamp_of(_first(roots, name)) for name in others}
        stamp = tuple(files.items())
        last = before.get(path) or before.get(roots[0] / path.name)  # it is the same one that was just claimed
        since_s = last.since_s if last and last.stamp == stamp else now_s
        self._seen[path] = seen = _Seen(last.first_s if last else now_s, since_s, stamp)
        return Drop(
            manifest=path,
            name=job_name(path),
            priority=file.manifest.priority if file.manifest else 0,
            window=file.manifest.window if file.manifest else None,
            companions=tuple(dict.fromkeys(companions)),
            problems=tuple(problems),
            stamp=stamp,
            seen_s=seen.first_s,
            still_s=now_s - since_s,
            is_alone=file.kind == "script",
            is_unreadable=conversion(path, path.name) is not None,
        )

    def _companion(self, name: str, where: str, roots: tuple[Path, ...]) -> tuple[str | None, Problem | None]:
        """A file the manifest names, as it moves along with it, or what is wrong with it; one outside stays there."""
        path = Path(name)
        outside = Problem(where, f'"{name}" is outside the manifest\'s folder.', "Drop it beside the manifest.")
        if ".." in path.parts or (path.is_absolute() and not self.allow_outside):
            return None, outside
        place = _first(roots, name)
        if stamp_of(place) is None:
            return None, Problem(where, f'there is no file "{name}".', "Drop it beside the manifest.")
        if path.is_absolute():
            return None, None
        return (path.as_posix(), None) if self._allows(place, roots) else (None, outside)

    def _allows(self, place: Path, roots: tuple[Path, ...]) -> bool:
        """Whether a file may be taken along: no link leads out of the folder."""
        return self.allow_outside or any(is_inside(place, root) for root in roots)


@contextmanager
def noticing(inbox: Path, on_change: Callable[[], object], *, poll: bool) -> Iterator[None]:
    """Call `on_change` whenever something changes in a folder, as far as the system reports it, until the block ends.

    `poll` looks for changes every second instead.
    """
    over = threading.Event()

    def listen() -> None:
        try:
            for _changes in watchfiles.watch(
                inbox,
                watch_filter=None,
                debounce=500,
                stop_event=over,
                force_polling=poll,
                poll_delay_ms=1000,
                rust_timeout=1000,
            ):
                on_change()
        except (OSError, RuntimeError):  # no more watches on this machine, or the folder is gone: the watcher looks
            return

    # Not `threads.every`: it waits for the system, not for a time.
    thread = threading.Thread(target=listen, name="inbox", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _apart(drops: Sequence[Drop], claimed: Mapping[str, Drop | None]) -> tuple[list[Drop], dict[Problem, float]]:
    """The jobs without the scripts that are none; and what is wrong with those, with how long they lie still.

    That is one that is a link, or that another job shares its name with: they might replace each other's files.
    """
    by_name: dict[str, list[Drop]] = {}
    for drop in (*drops, *filter(None, claimed.values())):
        by_name.setdefault(drop.name.casefold(), []).append(drop)
    jobs: list[Drop] = []
    strays: dict[Problem, float] = {}
    for drop in drops:
        where = f"inbox/{drop.place}"
        others = [
            other
            for other in by_name[drop.name.casefold()]
            if other.place != drop.place and not (other.is_alone and other.problems and not drop.problems)
        ]
        if drop.is_alone and others:
            what = f"another job is called so, too ({others[0].place})."
            hint = "Rename one of them." if others[0].is_alone else "Rename it, or name it in that manifest."
            strays[Problem(where, what, hint)] = drop.still_s
        elif drop.is_alone and drop.manifest.is_symlink():
            strays[replace(drop.problems[0], where=where)] = drop.still_s
        else:
            jobs.append(drop)
    return jobs, strays


def _stray(folder: Path, listing: Listing) -> Problem | None:
    """Why a folder in the inbox is no job."""
    where, manifests, scripts = f"{folder.parent.name}/{folder.name}", len(listing.manifests), len(listing.scripts)
    hint = "Drop one manifest, or a folder with one and all that it names."
    if folder.is_symlink():
        return Problem(where, "the folder is a link.", "Drop the folder itself.")
    if folder.name == LEXICON:
        return None
    if folder.name == VOICES:
        what = "it holds a manifest, and this name is for voices."
        return Problem(where, what, "Drop it under another name.") if manifests else None
    if manifests > 1:
        return Problem(where, f"it holds {manifests} manifests.", hint)
    if manifests == 0 and scripts != 1:
        what = "it holds no manifest, and none beside it names a file in it."
        more = f"Of {scripts} scripts each needs a folder of its own." if scripts else hint
        return Problem(where, what, more)
    ours = next((name for name in OURS if not _may_be_ours(folder / name)), None)
    return (
        Problem(where, f'it holds something called "{ours}", as a file of ours is.', "Take it out.") if ours else None
    )


def _may_be_ours(path: Path) -> bool:
    """Whether nothing is there, or the mark of a folder that could not be moved yet."""
    if not os.path.lexists(path):
        return True
    return path.name != LOCK and not path.is_symlink() and stamp_of(path) is not None


def _stamp_of_all(folder: Path) -> Stamp:
    """That of every file in a folder."""
    files = [Path(place, name) for place, _folders, names in os.walk(folder) for name in names if name not in OURS]
    return tuple(sorted((path.relative_to(folder).as_posix(), stamp_of(path)) for path in files))


def _beside(path: Path, roots: tuple[Path, ...]) -> dict[str, str]:
    """The files of edits and decisions that lie beside a job, and which is which."""
    names = {f"{path.stem}{ending}": what for ending, what in BESIDE.items()}
    return {name: what for name, what in names.items() if stamp_of(_first(roots, name))}


def _first(roots: tuple[Path, ...], name: str) -> Path:
    """A file in the first folder that has it."""
    return next((root / name for root in roots if stamp_of(root / name)), roots[0] / name)
