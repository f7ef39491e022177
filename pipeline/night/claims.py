"""Claims: a manifest that one watcher has taken, from the inbox to done/ or failed/.

running/<name>/
  .lock        held by the watcher that renders, and gone with its process: a claim whose lock is free is anybody's
  <manifest>   moved here by one rename, so that of several watchers one gets it; moved on when all the rest is done
  .script-alone   names it where it is a script that came without a manifest: all others are companions
  …            copies of its companions
done/<name>/   or failed/<name>/: all of it, with its report; `<name> 2` for another production under the same name

In: a `Drop`, then an `Outcome`. Knows no rendering, and decides nothing about when.
"""

from __future__ import annotations

import errno
import os
import shutil
import traceback
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import filelock

from pipeline.errors import PodcastError, Problem, RequestError
from pipeline.files import atomic_path, file_hash, is_inside, set_aside, storage_errors, write_text
from pipeline.jobs.report import Report, write_report
from pipeline.night.inbox import Drop
from pipeline.night.listing import (
    ALONE,
    LOCK,
    OURS,
    WHOLE,
    companions_in,
    jobs_of_claim,
    manifest_in,
    mark_alone,
    name_alone,
    stamp_of,
)
from pipeline.source.manifest import load_manifest
from pipeline.workspace import Folders, Production, job_name

_MEND = "Mend it and drop it into inbox/ again."


@dataclass(frozen=True)
class Outcome:
    """How the rendering of a manifest ended; `error` is empty where all of it is done."""

    name: str
    report: Report | None
    error: str = ""
    is_wrong: bool = False  # the request is at fault, and may yet be completed


def outcome_of_drop(drop: Drop) -> Outcome:
    """How a manifest ends that cannot be rendered as it is."""
    return Outcome(drop.name, None, "\n".join(map(str, drop.problems)), is_wrong=True)


@dataclass
class Claim:
    """A manifest that this watcher has taken, and what has become of it so far."""

    name: str
    manifest: Path
    folders: Folders
    known: frozenset[str]  # the manifests that were there when it was claimed
    lock: filelock.BaseFileLock
    outcome: Outcome | None = None  # what is to be delivered
    tries: int = 0
    due_s: float = 0.0  # when to go on with it

    @property
    def is_alone(self) -> bool:
        """Whether it is a script without a manifest."""
        return name_alone(self.folder) == self.manifest.name

    @property
    def folder(self) -> Path:
        """Where the manifest and copies of its companions lie while it is rendered."""
        return self.folders.running / self.name

    def plain(self, text: str) -> str:
        """A text with places as they were written: where a file is while it is rendered helps nobody later."""
        for folder in (self.folder, self.folders.inbox):
            for written in (folder.resolve(), folder):  # flow runs have whole paths
                text = text.replace(f"{written}{os.sep}", "")
        return text

    def bring(self, companions: Collection[str]) -> None:
        """Copy companions that the inbox has, unless the copy is there. Raises `StorageError`."""
        for name in self.changed(companions):
            _copy(self.folders.inbox / name, self.folder / name)

    def changed(self, companions: Collection[str]) -> list[str]:
        """The companions of which the inbox has another version than the claim, or the claim none."""
        hashes = {name: file_hash(self.folders.inbox / name) for name in companions}
        return [name for name, dropped in hashes.items() if dropped and dropped != file_hash(self.folder / name)]

    def deliver(self, outcome: Outcome) -> None:
        """Put everything into done/ or failed/, the manifest last. Raises `StorageError` or `OSError`.

        Until the manifest has moved the claim is a claim: whatever ends this, it can be done again.
        """
        target = place(self.folders.failed if outcome.error else self.folders.done, self.name, self.manifest)
        target.mkdir(parents=True, exist_ok=True)
        for name in _files(self.folder):
            is_ours = name in (self.manifest.name, *_result_names(self.name))  # those of an earlier drop are replaced
            if not is_ours and file_hash(target / name) != file_hash(self.folder / name):
                _copy(self.folder / name, target / name)
        if (self.folder / WHOLE).exists():
            self._move_rest(target)
        _write_report(target, outcome)
        if outcome.error:
            text = f"{outcome.error}\n\n{_MEND}\n"
            write_text(target / f"{self.name}.error.txt", text)
        if self.is_alone:
            mark_alone(target, self.manifest.name)
        with suppress(FileNotFoundError):  # somebody took it away while it was rendered
            self.manifest.replace(target / self.manifest.name)

    def _move_rest(self, target: Path) -> None:
        """Move what came in a folder and is not copied: hidden files, links, pipes. Raises `OSError`."""
        copies = set(_files(self.folder))
        for place, folders, names in os.walk(self.folder):
            links = [name for name in folders if Path(place, name).is_symlink()]
            for name in (*names, *links):
                path = Path(place, name)
                relative = path.relative_to(self.folder)
                if relative.as_posix() not in copies and name not in OURS and path != self.manifest:
                    (target / relative).parent.mkdir(parents=True, exist_ok=True)
                    path.rename(target / relative)

    def tidy(self, outcome: Outcome, shared: Collection[str]) -> list[str]:
        """Remove what is delivered from running/, the inbox and, where it is done now, failed/; returns what stayed.

        `shared` are the companions that other manifests name. Nothing goes of which there is no copy elsewhere.
        """
        stayed: list[str] = []
        own = (*_result_names(self.name), self.manifest.name)
        delivered = place(self.folders.done, self.name, self.manifest) / self.manifest.name
        failed = place(self.folders.failed, self.name, delivered)
        if not outcome.error and any((failed / name).exists() for name in own):  # it has been mended
            left = set(_files(self.folder)) - companions_in(failed, self.manifest.name)
            for name in (*own, *sorted(left)):
                stayed += _remove(failed / name, self.folders.failed)
            if (alone := name_alone(failed)) is not None and not (failed / alone).exists():
                stayed += _remove(failed / ALONE, self.folders.failed)
        return stayed + clear(self.folders, self.name, shared)

    def release(self) -> None:
        """Let the claim go; if its manifest is still there, any watcher may take it up."""
        self.lock.release()


def outcome_of_render(claimed: Claim, report: Report | None, error: Exception | None) -> Outcome:
    """How a render ended, with a report or with an error."""
    if report is not None:
        if report.status == "done":
            return Outcome(claimed.name, report)
        return Outcome(
            claimed.name, report, "\n".join(map(str, report.problems)) or f"{claimed.name}: {report.status}."
        )
    if isinstance(error, PodcastError):
        return Outcome(claimed.name, None, str(error), is_wrong=isinstance(error, RequestError))
    what = f"an error of the program, not of the manifest ({type(error).__name__}: {error})."
    trace = "".join(traceback.format_exception(error))
    return Outcome(
        claimed.name, None, f"{Problem(claimed.manifest.name, what)} Report it with what follows.\n\n{trace}"
    )


def place(parent: Path, name: str, manifest: Path) -> Path:
    """The folder in done/ or failed/ where a manifest belongs: that of its production, or else the next that is free.

    What nobody can read shares a folder with nothing but its own copy.
    """
    production, copy = _production(manifest), file_hash(manifest)
    for number in count(1):
        folder = _numbered(parent, name, number)
        there = list(jobs_of_claim(folder, {}).jobs)
        if os.path.lexists(folder) and not folder.is_dir():
            continue  # something else stands there
        if not there or copy is None:
            return folder
        of_name = [other for other in there if job_name(other).casefold() == name.casefold()]
        if len(of_name) == len(there) and all(
            file_hash(other) == copy or (production is not None and _production(other) == production)
            for other in of_name
        ):
            return folder
    raise AssertionError("there is always a next number")


def _places_there(parent: Path, name: str) -> list[Path]:
    """All folders that `place` has given a job so far."""
    return list(takewhile(Path.is_dir, (_numbered(parent, name, number) for number in count(1))))


def _numbered(parent: Path, name: str, number: int) -> Path:
    return parent / (name if number == 1 else f"{name} {number}")


def _production(manifest: Path) -> Production | None:
    try:
        return load_manifest(manifest, allow_outside=True)[0].production
    except RequestError:
        return None


def claim(folders: Folders, drop: Drop, known: frozenset[str]) -> Claim | None:
    """Take a manifest out of the inbox; None where another watcher was first. Raises `OSError`."""
    folder = folders.running / drop.name
    folder.mkdir(exist_ok=True)
    lock = _lock(folder)
    if lock is None:
        return None
    manifest = folder / drop.manifest.name
    try:
        if manifest_in(folder, drop.name) is not None:  # of a watcher that died a moment ago
            lock.release()
            return None
        mark_alone(folder, drop.manifest.name if drop.is_alone else None)
        drop.manifest.rename(manifest)
    except OSError as error:
        clear(folders, drop.name, set(_files(folder)))
        lock.release()
        if isinstance(error, FileNotFoundError):
            return None
        raise
    return Claim(drop.name, manifest, folders, known - {drop.manifest.name}, lock)


def claim_folder(folders: Folders, drop: Drop) -> None:
    """Move a folder that was dropped to running/, by one rename: then it is a claim that anybody may take up.

    Nothing happens where another watcher was first, or has a job of that name. Raises `OSError`.
    """
    assert drop.folder is not None
    try:
        mark_alone(drop.folder, drop.manifest.name if drop.is_alone else None)
        with suppress(FileExistsError):
            (drop.folder / WHOLE).open("x").close()
        drop.folder.rename(folders.running / drop.name)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY):
            raise


def take_over(folders: Folders, name: str, known: frozenset[str], shared: Collection[str]) -> Claim | None:
    """Take up a claim whose watcher is gone; None where it is not, or nothing is left to do. Raises `OSError`."""
    lock = _lock(folders.running / name)
    if lock is None:
        return None
    if (manifest := manifest_in(folders.running / name, name)) is not None:
        return Claim(name, manifest, folders, known - {manifest.name}, lock)
    clear(folders, name, shared)  # it was delivered, and its watcher died while tidying
    lock.release()
    return None


def clear(folders: Folders, name: str, shared: Collection[str]) -> list[str]:
    """Remove what was delivered from running/, and from the inbox unless it is `shared`; returns what stayed."""
    folder = folders.running / name
    stayed: list[str] = []
    places = [place for parent in (folders.done, folders.failed) for place in _places_there(parent, name)]
    for file in list(_files(folder)):
        copy, dropped = file_hash(folder / file), file_hash(folders.inbox / file)
        is_delivered = copy is not None and copy in {file_hash(place / file) for place in places}
        if is_delivered and file not in shared and dropped == copy:
            stayed += _remove(folders.inbox / file, folders.inbox)
        if is_delivered or (copy is not None and dropped == copy) or file in _result_names(name):
            stayed += _remove(folder / file, folder)
    if not list(_files(folder)):
        shutil.rmtree(folder, ignore_errors=True)
    return stayed


def _lock(folder: Path) -> filelock.BaseFileLock | None:
    """The lock of a claim; None where somebody has it, or the folder is gone."""
    path = folder / LOCK
    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    if os.path.lexists(path) and (path.is_symlink() or stamp_of(path) is None):  # which can be no lock
        set_aside(path)
    try:
        path.open("ab").close()
        before = path.stat()
        lock.acquire()
        after = path.stat()
    except (filelock.Timeout, FileNotFoundError):
        lock.release()
        return None
    if (before.st_ino, before.st_ctime_ns) != (after.st_ino, after.st_ctime_ns):
        lock.release()  # of a claim that was finished in between: this is no longer the file that others lock
        return None
    return lock


def _files(folder: Path) -> Iterator[str]:
    """The files of a claim; not the lock, what a killed watcher was about to write, or links that lead elsewhere."""
    for place, _folders, names in os.walk(folder):
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and stamp_of(path) and is_inside(path, folder):
                yield path.relative_to(folder).as_posix()


def _copy(source: Path, target: Path) -> None:
    with storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _result_names(name: str) -> tuple[str, ...]:
    return f"{name}.error.txt", f"{name}.report.json", f"{name}.report.md"


def _write_report(target: Path, outcome: Outcome) -> None:
    """The report for machines and for people, in place of an earlier drop's."""
    for result in _result_names(outcome.name):
        (target / result).unlink(missing_ok=True)
    if outcome.report is not None:
        write_report(target / f"{outcome.name}.report.json", outcome.report)


def _remove(path: Path, root: Path) -> list[str]:
    """Remove a file and the folders below `root` that it leaves empty; returns what prevented it."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return [f"{path} stays: {error.strerror or error}"]
    for folder in path.parents:
        if folder == root or not folder.is_relative_to(root):
            break
        try:
            folder.rmdir()
        except OSError:  # others are in it
            break
    return []
