"""Store: the folder of finished takes, which are the job's checkpoint, and a copy of it that machines share.

A take is finished if and only if its sound and, written last, its JSON are there; there is no other state. The folder
is what the work goes by: a shared store (any URL fsspec knows) only fills it and is filled from it, and where that
fails it is remembered and the work goes on.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.audio import Pcm, flac
from pipeline.engines import Rendered, Span
from pipeline.errors import Problem
from pipeline.workspace import atomic_write, clear_way, file_hash, read_record, set_aside, write_record

_COPIES = 4  # at once: they wait for the network, not for a core
_CREDENTIALS = re.compile(r"(?<=://)[^\s\"']*:[^\s\"']*@")
_QUERY = re.compile(r"(?<=\S)\?[^\s\"']*")


@dataclass(frozen=True)
class Take:
    """A finished take on disk."""

    key: str
    path: Path
    pcm_sha256: str
    sample_rate_hz: int
    frames: int
    spans: tuple[Span, ...] | None
    attempt: int = 0  # which of its attempts was kept
    faults: tuple[str, ...] = ()  # what the gate says is wrong with it all the same

    def read(self) -> Pcm:
        """Its samples `[T]`."""
        return flac.read(self.path)


@dataclass(frozen=True)
class Attempt:
    """One rendering of a take, and what the gate says of it."""

    number: int  # 0: the first
    rendered: Rendered
    faults: tuple[str, ...]
    score: tuple[bool, int, float]


class TakeStore:
    """The takes in `folder`, and those in the store at the URL `shared` that other machines fill too.

    What the shared store holds is listed once, when it is first asked for: a store object lives for one run.
    """

    def __init__(self, folder: Path, shared: str | None = None) -> None:
        self.folder = folder
        self._shared = None if shared is None else _Shared(shared)

    @property
    def problem(self) -> Problem | None:
        """What kept takes from being shared, if something did; none of them is lost for it."""
        return None if self._shared is None else self._shared.problem

    def keys(self) -> set[str]:
        """Keys of the takes that are there or can be fetched, going by their names alone."""
        names = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        return _whole(names) | (set() if self._shared is None else self._shared.there())

    def parts(self, key: str) -> dict[str, Any] | None:
        """What went into the key of a take that is in the folder."""
        record = read_record(self._json(key))
        return None if record is None else record.get("parts")

    def find(self, key: str) -> Take | None:
        """The take called `key`, if it is there and undamaged; else it is fetched, if the shared store has it.

        A damaged one is set aside. Raises `StorageError` where a take that was fetched cannot be written.
        """
        if (take := self._find_here(key)) is not None or self._shared is None or key not in self._shared.there():
            return take
        if not self._fetch(key, self._shared):
            return None
        take = self._find_here(key)
        if take is None:
            self._shared.forget(key)  # damaged there: the one that is rendered now takes its place
        return take

    def save(self, key: str, parts: dict[str, Any], text: str, attempt: Attempt, sample_rate_hz: int) -> Take:
        """Put a take on disk: its sound first, its JSON last. Raises `StorageError` where that fails.

        `parts` are all that went into `key`; `text` is for whoever reads the JSON.
        """
        rendered = attempt.rendered
        samples = flac.quantize(rendered.pcm)
        encoded = flac.encode(samples, sample_rate_hz)
        sound = self._sound(key)
        take = Take(
            key=key,
            path=sound,
            pcm_sha256=flac.pcm_hash(samples),
            sample_rate_hz=sample_rate_hz,
            frames=len(samples),
            spans=rendered.spans,
            attempt=attempt.number,
            faults=attempt.faults,
        )
        clear_way(sound)
        atomic_write(sound, encoded)
        write_record(
            self._json(key),
            {
                "parts": parts,
                "text": text,
                "sample_rate_hz": sample_rate_hz,
                "frames": take.frames,
                "duration_s": round(take.frames / sample_rate_hz, 3),
                "attempt": take.attempt,
                "faults": list(take.faults),
                "spans": None if take.spans is None else [[span.start_s, span.end_s] for span in take.spans],
                "pcm_sha256": take.pcm_sha256,
                "file_sha256": file_hash(sound),
                "work_s": round(rendered.work_s, 3),
            },
        )
        return take

    @contextmanager
    def sharing(self, finished: Iterable[str]) -> Iterator[Callable[[str], None]]:
        """Puts the takes called `finished` into the shared store, unless they are there, and gives a function for more.

        That happens beside the work, and the block's end waits for it. Where the block ends early, what is not there
        yet is left to the next run.
        """
        if self._shared is None:
            yield lambda _key: None
            return
        shared = self._shared
        copier = ThreadPoolExecutor(_COPIES)

        def share(key: str) -> None:
            if key not in shared.there():
                copier.submit(shared.put, key, self._sound(key), self._json(key))

        try:
            for key in finished:
                share(key)
            yield share
        except BaseException:
            copier.shutdown(wait=False, cancel_futures=True)
            raise
        copier.shutdown()

    def _find_here(self, key: str) -> Take | None:
        written, sound = self._json(key), self._sound(key)
        if not written.exists():
            return None
        record = read_record(written)
        if record is not None and file_hash(sound) == record["file_sha256"]:
            spans = record["spans"]
            return Take(
                key=key,
                path=sound,
                pcm_sha256=record["pcm_sha256"],
                sample_rate_hz=record["sample_rate_hz"],
                frames=record["frames"],
                spans=None if spans is None else tuple(Span(*span) for span in spans),
                attempt=record.get("attempt", 0),  # older takes have neither
                faults=tuple(record.get("faults", ())),
            )
        for damaged in (written, sound):
            if damaged.exists():
                set_aside(damaged)
        return None

    def _fetch(self, key: str, shared: _Shared) -> bool:
        """Write down what the shared store has under `key`; tell whether both files came."""
        sound, written = self._sound(key), self._json(key)
        for path in (sound, written):
            data = shared.read(path.name)
            if data is None:
                return False
            clear_way(path)
            atomic_write(path, data)
        return True

    def _sound(self, key: str) -> Path:
        return self.folder / f"{key}.flac"

    def _json(self, key: str) -> Path:
        return self.folder / f"{key}.json"


class _Shared:
    """Files in a store that may fail at any time.

    It is not asked again for what failed once, as that costs its whole timeout; the next run makes up for it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: set[str] | None = None
        self._opened: tuple[Any, str] | None = None
        self._readable = self._writable = True
        self.problem: Problem | None = None

    def there(self) -> set[str]:
        """Keys of the takes that were there when it was first asked, and of those put there since."""
        if self._keys is None:
            self._keys = set()
            try:
                system, folder = self._open()
                names = system.ls(folder, detail=False)
                self._keys = _whole({name.rstrip("/").rsplit("/", 1)[-1] for name in names})
            except FileNotFoundError:
                pass  # nothing has been put there yet
            except Exception as error:
                self._readable = self._writable = False
                self._remember("cannot be listed", error)
        return self._keys

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where it is gone or cannot be had."""
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

    def put(self, key: str, sound: Path, written: Path) -> None:
        """Copy a take there, its JSON last."""
        if not self._writable:
            return
        try:
            system, folder = self._open()
            for path in (sound, written):
                system.pipe_file(f"{folder}/{path.name}", path.read_bytes())
        except Exception as error:
            self._writable = False
            self._remember("cannot be written", error)
        else:
            self.there().add(key)

    def forget(self, key: str) -> None:
        """What is there under `key` is no good."""
        self.there().discard(key)

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
    """What makes `url` no store for takes, before anything is started; whether it answers is not asked."""
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
            advice = 'Run: pip install "podcast-pipeline[s3]", then run the same command again.'
        case ImportError():
            advice = "Install what it needs, then run the same command again."
        case ValueError():
            advice = "Write one such as s3://bucket/takes, or a folder that all machines see."
        case _:
            advice = "Every take is kept in the job's folder. Run the same command again: it puts them there."
    return Problem(without_credentials(url), f"the shared takes: {what}: {reason}.", advice)


def _whole(names: set[str]) -> set[str]:
    """The keys of which both files are among `names`."""
    return {name[:-5] for name in names if name.endswith(".json") and f"{name[:-5]}.flac" in names}
