"""A job's folder: its layout, its lock, atomic writes, content keys and file names that every file system takes.

output/<job>/
  takes/<key>.flac + .json             finished takes: the job's checkpoint
  voices/<key>.flac + .json            auditions: the prompts of voices that bring none
  chapters/01 - Title.flac + .json     joined takes, with the time of every turn
  <preset>/<Author>/<Title>/…          deliverables
  report.json  report.md
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from pipeline.errors import Problem, RequestError, StorageError

_STORAGE_ERRNOS = {
    errno.ENOSPC: "the disk is full.",
    errno.EDQUOT: "the disk quota is used up.",
    errno.EROFS: "the file system is read-only.",
    errno.EACCES: "the folder is not writable.",
    errno.EPERM: "the folder is not writable.",
    errno.ENOTDIR: "a part of the path is a file, not a folder.",
    errno.EEXIST: "a file stands where a folder is needed.",
    errno.EIO: "the disk reports an input/output error.",
}
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_MAX_NAME_BYTES = 120  # file systems allow 255; number, suffix and temporary ending need room


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


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about `path` into a `StorageError` that says what to do."""
    try:
        yield
    except OSError as error:
        reason = _STORAGE_ERRNOS.get(error.errno or 0, f"{error.strerror or error}.")
        hint = "Make room or choose another folder with --out"
        raise StorageError(
            Problem(str(path), reason, f"{hint}, then run the same command again: finished takes are kept.")
        ) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, whole and on disk, when the block ends well."""
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    with storage_errors(path):
        try:
            yield temporary
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` to `path`: afterwards the old file or the new one is there, never a part."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, atomically."""
    atomic_write(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The JSON in `path`, or None where there is none that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def write_record(path: Path, value: dict[str, Any]) -> None:
    """Write `value` as JSON with a checksum of itself, atomically."""
    clear_way(path)
    write_json(path, {"check": content_key(value)} | value)


def read_record(path: Path) -> dict[str, Any] | None:
    """What `write_record` wrote, or None where it is not there just as it was written."""
    record = read_json(path)
    if not isinstance(record, dict):
        return None
    check = record.pop("check", None)
    try:
        return record if check == content_key(record) else None
    except (ValueError, RecursionError):
        return None


def content_key(parts: Any) -> str:
    """SHA-256 over the canonical JSON of `parts`, 32 hexadecimal digits (128 bits)."""
    return hashlib.sha256(_CANONICAL.encode(parts).encode()).hexdigest()[:32]


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file's bytes; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def safe_name(title: str) -> str:
    """`title` as a file name that Linux, macOS and Windows all take."""
    name = unicodedata.normalize("NFC", title)
    name = re.sub(r'[<>:"/\\|?*]', "-", name)
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    name = " ".join(name.split()).encode()[:_MAX_NAME_BYTES].decode(errors="ignore").strip(". -")
    if name.split(".")[0].upper() in _RESERVED:
        name = f"_{name}"
    return name or "untitled"


def clear_way(path: Path) -> None:
    """Set aside a folder that stands where a file of the job belongs."""
    if path.is_dir():
        set_aside(path)


def set_aside(path: Path) -> None:
    """Move a damaged file out of the way, keeping it for whoever wants to look."""
    aside = path.with_name(path.name + ".damaged")
    with storage_errors(path):
        if aside.is_dir():
            shutil.rmtree(aside)
        path.replace(aside)
