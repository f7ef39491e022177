"""Shared: takes in an object store that several machines use, at any URL fsspec knows.

In: keys and files. Out: the same, as long as the store works; its first failure is kept as a `Problem`, and the work
goes on.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from pipeline.errors import Problem

_CREDENTIALS = re.compile(r"(?<=://)[^\s\"']*:[^\s\"']*@")
_QUERY = re.compile(r"(?<=\S)\?[^\s\"']*")


class SharedStore:
    """Files in a store that may fail at any time.

    After a failed read it is read no more in this run, and likewise written, as each failure costs a whole timeout; the
    next run makes up for it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: set[str] | None = None
        self._opened: tuple[Any, str] | None = None
        self._readable = self._writable = True
        self.problem: Problem | None = None

    def take_keys(self) -> set[str]:
        """Keys of the takes in the store: listed at the first call, later changed by `put` and `forget` alone."""
        if self._keys is None:
            self._keys = set()
            try:
                system, folder = self._open()
                names = system.ls(folder, detail=False)
                self._keys = whole_takes({name.rstrip("/").rsplit("/", 1)[-1] for name in names})
            except FileNotFoundError:
                pass  # nothing has been put there yet
            except Exception as error:
                self._readable = self._writable = False
                self._remember("cannot be listed", error)
        return self._keys

    def read(self, name: str) -> bytes | None:
        """The bytes of a file in the store; None where it has none, or does not give it."""
        if not self._readable:
            return None
        try:
            system, folder = self._open()
            return bytes(system.cat_file(f"{folder}/{name}"))
        except FileNotFoundError:
            return None
        except Exception as error:  # each kind of store has errors of its own, and none of them may cost the night
            self._readable = False
            self._remember("cannot be read", error)
            return None

    def put(self, key: str, sound: Path, record: Path) -> None:
        """Copy the two files of a take into the store, its JSON last."""
        if not self._writable:
            return
        try:
            system, folder = self._open()
            for path in (sound, record):
                system.pipe_file(f"{folder}/{path.name}", path.read_bytes())
        except Exception as error:
            self._writable = False
            self._remember("cannot be written", error)
        else:
            self.take_keys().add(key)

    def forget(self, key: str) -> None:
        """Take `key` for one that is not in the store, as what it has is damaged."""
        self.take_keys().discard(key)

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            self._opened = open_shared(self._url)
        return self._opened

    def _remember(self, what: str, error: Exception) -> None:
        if self.problem is None:
            self.problem = _shared_problem(self._url, what, error)


def open_shared(url: str) -> tuple[Any, str]:
    """The fsspec file system of `url`, and the path in it. Asks nothing of the network.

    Raises what fsspec raises: `ImportError` where the library for that kind of store is missing, `ValueError` for a
    kind it does not know.
    """
    fsspec = importlib.import_module("fsspec.core")  # here, as only a job with a shared store needs it
    options = {"auto_mkdir": True} if url.startswith("file:") or "://" not in url else {}
    system, path = fsspec.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
    return system, path.rstrip("/")


def check_shared(url: str) -> Problem | None:
    """Why `url` cannot be a store for takes, as far as that is known without the network."""
    try:
        open_shared(url)
    except Exception as error:  # each kind of store has errors of its own
        return _shared_problem(url, "is no store for takes", error)
    return None


def without_credentials(text: str) -> str:
    """`text` with no user, secret or signed query in the URLs in it."""
    return _QUERY.sub("", _CREDENTIALS.sub("", text))


def _shared_problem(url: str, what: str, error: Exception) -> Problem:
    reason = " ".join(without_credentials(str(error)).split())[:300].rstrip(".") or type(error).__name__
    match error:
        case ImportError() if url.startswith("s3"):
            advice = "Run: .venv/bin/pip install --editable '.[s3]', then run the same command again."
        case ImportError():
            advice = "Install what it needs, then run the same command again."
        case ValueError():
            advice = "Write one such as s3://bucket/takes, or a folder that all machines see."
        case _:
            advice = "Every take is kept in the job's folder. Run the same command again: it puts them there."
    return Problem(without_credentials(url), f"the shared takes: {what}: {reason}.", advice)


def whole_takes(names: set[str]) -> set[str]:
    """The keys of which both files are among `names`."""
    return {name[:-5] for name in names if name.endswith(".json") and f"{name[:-5]}.flac" in names}
