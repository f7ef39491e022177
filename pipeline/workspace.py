"""A job's folder: its layout, its lock, atomic writes, content keys and file names that every file system takes.

output/<job>/
  takes/<key>.flac + .json             finished takes: the job's checkpoint
  voices/<key>.flac + .json            auditions: the prompts of voices that bring none
  chapters/01 - Title.flac + .json     joined takes, with the time of every turn
  <preset>/<Author>/<Title>/…          deliverables
  report.json  report.md
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from pipeline.errors import Problem, RequestError
from pipeline.files import atomic_write, read_json, storage_errors


class Workspace:
    """The folder of one job."""

    def __init__(self, output: Path, job: str) -> None:
        self.job = job
        self.root = output / job
        self.takes = self.root / "takes"
        self.voices = self.root / "voices"
        self.chapters = self.root / "chapters"
        self.report = self.root / "report.json"
        self.made = self.root / "deliverables.json"
        self._lock = self.root / ".lock"
        self._holder = self.root / ".lock.json"

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
        lock = filelock.FileLock(self._lock, timeout=0)
        with storage_errors(self.root):
            try:
                lock.acquire()
            except filelock.Timeout:
                raise RequestError(self._held()) from None
        try:
            for left in self.root.rglob(".*.tmp*"):  # of a process that was killed while writing
                left.unlink(missing_ok=True)
            me = {"pid": os.getpid(), "host": socket.gethostname()}
            atomic_write(self._holder, json.dumps(me).encode())
            yield
        finally:
            self._holder.unlink(missing_ok=True)
            lock.release()

    def is_held(self) -> bool:
        """Whether a live process has the job; one on another machine is taken to live."""
        holder = read_json(self._holder)
        if not isinstance(holder, dict):
            return False
        if holder.get("host") != socket.gethostname():
            return True
        try:
            os.kill(int(holder["pid"]), 0)
        except (ProcessLookupError, KeyError, ValueError):
            return False
        except PermissionError:
            pass
        return True

    def _held(self) -> Problem:
        try:
            holder = json.loads(self._holder.read_text())
            who = f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError):
            who = "another process"
        return Problem(str(self.root), f"{who} is rendering this job.", "Wait for it, or stop it first.")
