"""Files: atomic writes, records with a checksum, content keys, and names that every file system takes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import Problem, StorageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

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
_STORAGE_HINTS = {
    errno.ENOSPC: "Make room or choose another folder with --out",
    errno.EDQUOT: "Make room or choose another folder with --out",
    errno.EIO: "See to the disk or choose another folder with --out",
}
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # by shape: making one takes longer than using it
_MAX_NAME_BYTES = 120  # file systems allow 255; number, suffix and temporary ending need room


def cache_folder() -> Path:
    """Where what can be made again is kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podcast-pipeline"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about `path` into a `StorageError` that says what to do."""
    try:
        yield
    except OSError as error:
        reason = _STORAGE_ERRNOS.get(error.errno or 0, f"{error.strerror or error}.")
        hint = _STORAGE_HINTS.get(error.errno or 0, "Choose another folder with --out")
        raise StorageError(
            Problem(str(path), reason, f"{hint}, then run the same command again: finished takes are kept.")
        ) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path` that takes its place, whole and on disk, when the block ends well."""
    temporary = _temporary(path)
    with storage_errors(path):
        temporary.touch(exist_ok=False)  # O_EXCL: nor does it follow a link that somebody has put there
        try:
            yield temporary
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that takes its name when the block ends well. Raises `OSError`, also if `path` is."""
    temporary = _temporary(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """A name beside `path` that no thread, process or machine uses besides, and nobody can foresee."""
    return path.with_name(f".{path.stem}.{secrets.token_hex(8)}.tmp{path.suffix}")


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` to `path`: afterwards the old file or the new one is there, never a part.

    A folder that stands there is set aside.
    """
    clear_way(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def encode(text: str) -> bytes:
    """UTF-8. Bytes of file names that are none, which Python has as half surrogate pairs, become JSON's escapes."""
    return text.encode(errors="backslashreplace")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, as `encode` has it, atomically."""
    atomic_write(path, encode(text))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, atomically."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def open_regular(path: Path) -> BufferedReader:
    """A regular file, opened for reading. Raises `OSError`, also for a pipe or a device, which may never end."""
    no_wait = getattr(os, "O_NONBLOCK", 0)  # for somebody to write into the pipe
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | no_wait))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bytes(path: Path) -> bytes:
    """What is in a regular file. Raises `OSError`, as `open_regular` does."""
    with open_regular(path) as file:
        return file.read()


def read_json(path: Path) -> Any:
    """The JSON in `path`, or None where there is none that can be read."""
    try:
        return json.loads(read_bytes(path))
    except (OSError, ValueError, RecursionError):
        return None


def write_record(path: Path, value: dict[str, Any]) -> None:
    """Write `value` as JSON with a checksum of itself, atomically."""
    write_json(path, {"check": content_key(value)} | value)


def read_record(path: Path, shape: type[T]) -> T | None:
    """What `write_record` wrote, as a `shape`; None where it is not there just as it was written, or is no `shape`."""
    record = read_json(path)
    if not isinstance(record, dict):
        return None
    check = record.pop("check", None)
    try:
        if check != content_key(record):
            return None
        return _adapter(shape).validate_python(record)
    except (ValueError, RecursionError):  # pydantic's error is a ValueError
        return None


def _adapter(shape: type[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to load

    if shape not in _ADAPTERS:
        _ADAPTERS[shape] = TypeAdapter(shape)
    adapter: TypeAdapter[T] = _ADAPTERS[shape]
    return adapter


def content_key(parts: Any) -> str:
    """SHA-256 over the canonical JSON of `parts`, 32 hexadecimal digits (128 bits)."""
    return hashlib.sha256(encode(_CANONICAL.encode(parts))).hexdigest()[:32]


def read_failure(path: Path) -> OSError | None:
    """What the operating system says on reading the file to its end, which libsndfile and FFmpeg do not hand on."""
    try:
        with open_regular(path) as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        return error
    return None


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file's bytes; None where it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def is_inside(path: Path, folder: Path) -> bool:
    """Whether `path` lies in `folder`, wherever links lead."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a link to itself, a NUL
        return False


def safe_name(title: str) -> str:
    """`title` as a file name that Linux, macOS and Windows all take."""
    name = unicodedata.normalize("NFC", title)
    name = re.sub(r'[<>:"/\\|?*]', "-", name)
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    name = " ".join(name.split()).encode()[:_MAX_NAME_BYTES].decode(errors="ignore").strip(". -")
    if name.split(".")[0].upper() in _RESERVED:
        name = f"_{name}"
    return name or "untitled"


def ensure_folder(folder: Path, root: Path) -> None:
    """Make a folder within `root`; what stands in the place of one on the way there is set aside. Raises `OSError`."""
    for path in (folder, *folder.parents):
        if path == root:
            break
        if os.path.lexists(path) and not path.is_dir():
            set_aside(path)
    folder.mkdir(parents=True, exist_ok=True)


def clear_way(path: Path) -> None:
    """Set aside a folder that stands where a file of the job belongs."""
    if path.is_dir():
        set_aside(path)


def set_aside(path: Path) -> None:
    """Move a damaged file out of the way, keeping it for whoever wants to look; one that is gone is in nobody's way."""
    aside = path.with_name(path.name + ".damaged")
    with storage_errors(path):
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
        elif path.is_dir():  # which takes no file's place
            aside.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            path.replace(aside)
