"""A job's folder: where everything in it lies, and which process has it; and the folders of a drop folder.

output/<job>/
  takes/<key>.flac + .json             finished takes: the job's checkpoint
  voices/<key>.flac + .json            auditions: the prompts of voices that bring none
  chapters/01 - Title.flac + .json     joined takes, with the time of every turn
  <preset>/<Author>/<Title>/…          deliverables
  deliverables.json                    how each of them was made
  report.json  report.md
  job.json                             whose folder this is: the manifest, and the engines it was rendered with
  .lock  .lock.json                    held by the process that renders, and which one that is
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from pipeline.errors import Problem, RequestError
from pipeline.files import read_json, safe_name, storage_errors, write_json

_PATIENCE_S = 0.2  # of `lock`, with a process that only looks whether the lock is free


def job_name(manifest: Path) -> str:
    """The name of a manifest's job, and of its folder."""
    return safe_name(manifest.stem)


class Workspace:
    """The paths in the folder of one job, and its lock."""

    def __init__(self, output: Path, job: str) -> None:
        self.job = job
        self.root = output / job
        self.takes = self.root / "takes"
        self.voices = self.root / "voices"
        self.chapters = self.root / "chapters"
        self.deliverables = self.root / "deliverables.json"
        self.report = self.root / "report.json"
        self.summary = self.root / "report.md"
        self.record = self.root / "job.json"
        self._lock = self.root / ".lock"
        self._holder = self.root / ".lock.json"

    def chapter(self, number: int, title: str) -> Path:
        """The sound of a chapter."""
        return self.chapters / f"{number:02d} - {safe_name(title)}.flac"

    def create(self) -> None:
        """Make the folders. Raises `StorageError` where that cannot be done."""
        with storage_errors(self.root):
            for folder in (self.takes, self.voices, self.chapters):
                folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the job. Raises `RequestError` naming the holder if another process has it.

        The lock is the operating system's, so it is gone with its process however that ended.
        """
        self.create()
        lock = filelock.FileLock(self._lock, timeout=_PATIENCE_S)
        with storage_errors(self.root):
            try:
                lock.acquire()
            except filelock.Timeout:
                raise RequestError(self._held()) from None
        try:
            for left in self.root.rglob(".*.tmp*"):  # of a process that was killed while writing
                left.unlink(missing_ok=True)
            write_json(self._holder, {"pid": os.getpid(), "host": socket.gethostname()})
            yield
        finally:
            self._holder.unlink(missing_ok=True)
            lock.release()

    def is_held(self) -> bool:
        """Whether a process has the job. Raises `StorageError` where that cannot be known.

        One on another machine, whose locks may not reach this one, is taken to live.
        """
        if not self._lock.exists():  # nobody ever had it: nothing is left behind there
            return False
        holder = read_json(self._holder)
        if isinstance(holder, dict) and holder.get("host") not in (None, socket.gethostname()):
            return True
        with storage_errors(self._lock):
            try:
                with filelock.FileLock(self._lock, timeout=0):
                    return False
            except filelock.Timeout:
                return True

    def _held(self) -> Problem:
        holder = read_json(self._holder)
        try:
            who = f"process {holder['pid']} on {holder['host']}"
        except (TypeError, KeyError):
            who = "another process"
        return Problem(str(self.root), f"{who} is rendering this job.", "Wait for it, or stop it first.")


def workspaces(
    output: Path, file: Callable[[Workspace], Path] = lambda workspace: workspace.record
) -> dict[str, Workspace]:
    """Every job in an output folder that has `file`, by its name. Links are left out: they lead somewhere else."""
    if not output.is_dir():
        return {}
    folders = sorted(path for path in output.iterdir() if path.is_dir() and not path.is_symlink())
    by_name = {path.name: Workspace(output, path.name) for path in folders}
    return {name: workspace for name, workspace in by_name.items() if file(workspace).is_file()}


@dataclass(frozen=True)
class Folders:
    """The four folders of a drop folder."""

    root: Path

    @classmethod
    def around(cls, manifest: Path) -> Folders:
        """Those of the drop folder in one of whose folders a manifest lies."""
        return cls(manifest.parent.parent)

    @property
    def inbox(self) -> Path:
        """Where manifests are dropped."""
        return self.root / "inbox"

    @property
    def running(self) -> Path:
        """A folder for each manifest that is claimed."""
        return self.root / "running"

    @property
    def done(self) -> Path:
        """What was rendered."""
        return self.root / "done"

    @property
    def failed(self) -> Path:
        """What was not, each with its `.error.txt`."""
        return self.root / "failed"

    def create(self) -> None:
        """Make those that are missing. Raises `OSError`."""
        for folder in (self.inbox, self.running, self.done, self.failed):
            folder.mkdir(parents=True, exist_ok=True)

    def prepare(self) -> None:
        """Make all four, and see that files can be written there. Raises `RequestError`."""
        for folder in (self.inbox, self.running, self.done, self.failed):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                what = f"the drop folder cannot be used ({error.strerror or error})."
                raise RequestError(Problem(str(folder), what, "Make it writable, or name another folder.")) from None
