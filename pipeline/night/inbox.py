"""Inbox: what lies in a drop folder, and since when each of it has been as it is.

In: the folder, and the time by a clock that never jumps. Out: a `Scene` of `Drop`s: the manifests that wait and those
that are claimed, each with its companions (script, cover, voices), its problems, and how long nothing of it has
changed. Sizes and modification times are only compared for equality, so that a wrong clock anywhere does not matter.
Changes nothing on disk, and knows no rendering.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import watchfiles

from pipeline.errors import Problem, RequestError
from pipeline.files import is_inside
from pipeline.source.documents import read_text, read_yaml
from pipeline.source.edits import EDITS_ENDING, edits_file
from pipeline.source.manifest import Manifest, is_yaml_script, load_manifest
from pipeline.window import Window
from pipeline.workspace import VOICES, Folders, job_name

MANIFEST_SUFFIXES = (".yaml", ".yml")
LOCK = ".lock"  # held by the watcher that renders a job
WHOLE = ".whole"  # in the folder of a job: it was dropped as a folder, with all that it names
_PASSING_SUFFIXES = ("~", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp")

FileStamp = tuple[int, int]  # bytes, nanoseconds
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

    def ready(self, settle_s: float, patience_s: float) -> bool:
        """Whether it has lain still for long enough: one with problems may yet be completed."""
        return self.still_s >= (patience_s if self.problems or self.is_arriving else settle_s)


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
class _Read:
    """A YAML file as it was last read."""

    stamp: FileStamp
    manifest: Manifest | None = None
    problems: tuple[Problem, ...] = ()
    is_script: bool = False


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
    _read: dict[Path, _Read] = field(default_factory=dict)
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    def look(self, now_s: float) -> Scene:
        """Everything there is. Raises `OSError` where the folders cannot be listed."""
        inbox, running = self.folders.inbox, self.folders.running
        before, self._seen = self._seen, {}
        read_before, self._read = self._read, {}
        voices = list(_voices(inbox))
        drops = [
            self._drop(path, read, (inbox,), voices, before, now_s)
            for path, read in self._manifests(inbox, read_before).items()
        ]
        claimed: dict[str, Drop | None] = {}
        for name in sorted(_list(running)):
            folder = running / name
            if name.startswith(".") or not folder.is_dir():
                continue
            manifests = self._manifests(folder, read_before).items()
            named = [(path, read) for path, read in manifests if job_name(path) == name]
            # What lies in the inbox goes first: it may be newer than the copy that was made of it.
            whole = (folder / WHOLE).exists()
            roots = (folder,) if whole else (inbox, folder)
            both = list(dict.fromkeys((*(() if whole else voices), *_voices(folder))))
            drop = self._drop(*named[0], roots, both, before, now_s) if named else None
            claimed[name] = replace(drop, companions=()) if drop and whole else drop
        folders, strays = self._dropped_folders([*drops, *filter(None, claimed.values())], read_before, before, now_s)
        drops += folders
        drops.sort(key=lambda drop: (-drop.priority, drop.seen_s, self._read[drop.manifest].stamp[1], drop.name))
        return Scene(tuple(drops), claimed, strays)

    def _dropped_folders(
        self,
        drops: Collection[Drop],
        read_before: Mapping[Path, _Read],
        before: Mapping[Path, _Seen],
        now_s: float,
    ) -> tuple[list[Drop], dict[Problem, float]]:
        """The jobs that came as a folder each; and what is wrong with other folders, with how long they lie still."""
        inbox = self.folders.inbox
        named = {Path(name).parts[0] for drop in drops for name, _stamp in drop.stamp if Path(name).parts}
        jobs: list[Drop] = []
        strays: dict[Problem, float] = {}
        for name in sorted(set(_list(inbox)) - (named - {VOICES})):
            folder = inbox / name
            if name.startswith(".") or not folder.is_dir():
                continue
            stamp = _stamp_of_all(folder)
            last = before.get(folder)
            since_s = last.since_s if last and last.stamp == stamp else now_s
            self._seen[folder] = _Seen(last.first_s if last else now_s, since_s, stamp)
            manifests = self._manifests(folder, read_before)
            if (stray := _stray(folder, len(manifests))) is not None:
                strays[stray] = now_s - since_s
            elif name != VOICES:
                ((path, read),) = manifests.items()
                drop = self._drop(path, read, (folder,), list(_voices(folder)), before, now_s)
                is_arriving = any(_is_passing(file) and not Path(file).name.startswith(".") for file, _stamp in stamp)
                drop = replace(drop, companions=(), folder=folder, is_arriving=is_arriving)
                jobs.append(replace(drop, stamp=stamp, still_s=now_s - since_s))
        return jobs, strays

    def _manifests(self, folder: Path, before: Mapping[Path, _Read]) -> dict[Path, _Read]:
        files = _yaml_files(folder, before)
        self._read |= files
        return _manifests(folder, files)

    def _drop(
        self,
        path: Path,
        read: _Read,
        roots: tuple[Path, ...],
        voices: list[str],
        before: Mapping[Path, _Seen],
        now_s: float,
    ) -> Drop:
        problems = list(read.problems)
        files: dict[str, FileStamp | None] = {path.name: read.stamp}
        companions = [name for name in voices if not _is_passing(name) and self._allows(_first(roots, name), roots)]
        for where, name in _named(read.manifest):
            companion, problem = self._companion(name, where, roots)
            problems += [problem] if problem else []
            companions += [companion] if companion else []
            files[name] = stamp_of(_first(roots, name))
        edits = edits_file(path).name
        if stamp_of(place := _first(roots, edits)):
            files[edits] = stamp_of(place)
            outside = Problem(edits, "the edits are outside the manifest's folder.", "Drop the file itself.")
            companions += [edits] if self._allows(place, roots) else []
            problems += [] if edits in companions else [outside]
        files |= {name: stamp_of(_first(roots, name)) for name in voices}
        stamp = tuple(files.items())
        last = before.get(path) or before.get(roots[0] / path.name)  # it is the same one that was just claimed
        since_s = last.since_s if last and last.stamp == stamp else now_s
        self._seen[path] = seen = _Seen(last.first_s if last else now_s, since_s, stamp)
        return Drop(
            manifest=path,
            name=job_name(path),
            priority=read.manifest.priority if read.manifest else 0,
            window=read.manifest.window if read.manifest else None,
            companions=tuple(dict.fromkeys(companions)),
            problems=tuple(problems),
            stamp=stamp,
            seen_s=seen.first_s,
            still_s=now_s - since_s,
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


def stamp_of(path: Path) -> FileStamp | None:
    """What shows that a file has changed; None where there is no regular file."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # a NUL in the name
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def manifests_in(folder: Path) -> list[Path]:
    """All manifests in a folder, as they are now."""
    return list(_manifests(folder, _yaml_files(folder, {})))


def manifest_in(folder: Path, name: str) -> Path | None:
    """The manifest of the job `name` in a folder, as it is now."""
    return next((path for path in manifests_in(folder) if job_name(path).casefold() == name.casefold()), None)


def companions_in(folder: Path, but: str) -> set[str]:
    """The files named by every manifest in a folder but one."""
    others = [read for path, read in _manifests(folder, _yaml_files(folder, {})).items() if path.name != but]
    named = {Path(name).as_posix() for read in others for _where, name in _named(read.manifest)}
    named |= {edits_file(read.manifest.path).name for read in others if read.manifest}
    return named | set(_voices(folder)) if others else set()


def _yaml_files(folder: Path, before: Mapping[Path, _Read]) -> dict[Path, _Read]:
    """The YAML files in a folder, each read again only where it has changed."""
    files: dict[Path, _Read] = {}
    for name in sorted(_list(folder)):
        path = folder / name
        if path.suffix.lower() in MANIFEST_SUFFIXES and not _is_passing(name) and (stamp := stamp_of(path)):
            known = before.get(path)
            files[path] = known if known and known.stamp == stamp else _read(path, stamp)
    return files


def _manifests(folder: Path, files: Mapping[Path, _Read]) -> dict[Path, _Read]:
    """Those YAML files that are no scripts, and that no other one names as its script."""
    scripts = {
        folder / script.file
        for path, read in files.items()
        if read.manifest is not None
        for script in read.manifest.script
        if folder / script.file != path
    }
    return {path: read for path, read in files.items() if not read.is_script and path not in scripts}


def _read(path: Path, stamp: FileStamp) -> _Read:
    if path.name.endswith(EDITS_ENDING):
        return _Read(stamp, is_script=True)
    if path.is_symlink():  # it would lead elsewhere once it is moved
        return _Read(stamp, problems=(Problem(str(path), "the manifest is a link.", "Drop the file itself."),))
    try:
        data = read_yaml(read_text(path, str(path)), str(path)).data
        if isinstance(data, list) or is_yaml_script(data):
            return _Read(stamp, is_script=True)
        # What lies outside is looked for at every look, as a link may be made at any time.
        manifest, problems = load_manifest(path, allow_outside=True)
    except RequestError as error:
        return _Read(stamp, problems=error.problems)
    return _Read(stamp, manifest, tuple(problems))


def _stray(folder: Path, manifests: int) -> Problem | None:
    """Why a folder in the inbox is no job."""
    where = f"{folder.parent.name}/{folder.name}"
    hint = "Drop one manifest, or a folder with one and all that it names."
    if folder.is_symlink():
        return Problem(where, "the folder is a link.", "Drop the folder itself.")
    if folder.name == VOICES:
        what = "it holds a manifest, and this name is for voices."
        return Problem(where, what, "Drop it under another name.") if manifests else None
    if manifests == 0:
        return Problem(where, "it holds no manifest, and none beside it names a file in it.", hint)
    if manifests > 1:
        return Problem(where, f"it holds {manifests} manifests.", hint)
    ours = next((name for name in (LOCK, WHOLE) if not _may_be_ours(folder / name)), None)
    return (
        Problem(where, f'it holds something called "{ours}", as a file of ours is.', "Take it out.") if ours else None
    )


def _may_be_ours(path: Path) -> bool:
    """Whether nothing is there, or the mark of a folder that could not be moved yet."""
    if not os.path.lexists(path):
        return True
    return path.name == WHOLE and not path.is_symlink() and stamp_of(path) is not None


def _stamp_of_all(folder: Path) -> Stamp:
    """That of every file in a folder."""
    files = [Path(place, name) for place, _folders, names in os.walk(folder) for name in names if name != WHOLE]
    return tuple(sorted((path.relative_to(folder).as_posix(), stamp_of(path)) for path in files))


def _named(manifest: Manifest | None) -> Iterator[tuple[str, str]]:
    """The place and the text of every path in a manifest."""
    if manifest is not None:
        scripts = enumerate(manifest.script)
        yield from ((manifest.where("script", index), script.file) for index, script in scripts if script.file)
        if manifest.cover:
            yield manifest.where("cover"), manifest.cover


def _first(roots: tuple[Path, ...], name: str) -> Path:
    """A file in the first folder that has it."""
    return next((root / name for root in roots if stamp_of(root / name)), roots[0] / name)


def _voices(root: Path) -> Iterator[str]:
    """All that lies under voices/, also what is still being copied; which of it is used, the script says."""
    for folder, _folders, names in os.walk(root / VOICES):
        for name in sorted(names) if Path(folder) != root / VOICES else ():  # each has a folder of its own
            if stamp_of(path := Path(folder, name)):
                yield path.relative_to(root).as_posix()


def _list(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):  # removed meanwhile
        return []


def _is_passing(path: str) -> bool:
    """Whether a name is one that copying programs use until the file is whole (rsync's begin with a dot)."""
    return Path(path).name.startswith(".") or path.lower().endswith(_PASSING_SUFFIXES)
