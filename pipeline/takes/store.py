"""Store: the folder of finished takes, which are the job's checkpoint, and a copy of it that machines share.

A take is finished if and only if its two files are in the folder: its sound and, written last, its JSON. There is no
other state; `plan.py` computes the key that names them. A shared store (`shared.py`) only fills the folder and is
filled from it; where it fails the work goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.audio import Pcm, flac
from pipeline.engines import Rendered, Span
from pipeline.errors import Problem
from pipeline.files import atomic_write, content_key, file_hash, read_record, set_aside, write_record
from pipeline.takes.shared import SharedStore, whole_takes

_COPIES = 4  # at once: they wait for the network, not for a core


@dataclass(frozen=True)
class Take:
    """A finished take in the folder, undamaged when it was read."""

    key: str
    path: Path
    pcm_sha256: str
    sample_rate_hz: int
    frames: int
    spans: tuple[Span, ...] | None

    @property
    def audio_s(self) -> float:
        """Seconds of sound."""
        return self.frames / self.sample_rate_hz

    def read(self) -> Pcm:
        """Its samples `[T]`."""
        return flac.read(self.path)


@dataclass(frozen=True)
class _TakeRecord:
    """What the JSON of a take says."""

    parts: dict[str, Any]  # what the key hashes
    text: str  # for whoever reads it
    sample_rate_hz: int
    frames: int
    duration_s: float
    spans: tuple[tuple[float, float], ...] | None
    pcm_sha256: str
    file_sha256: str
    work_s: float

    def is_possible(self) -> bool:
        """Whether it can be what a take was saved with: a span for each line or none, and all within the sound."""
        if self.sample_rate_hz < 1 or self.frames < 0:
            return False
        spans, longest_s = self.spans or (), self.frames / self.sample_rate_hz + 0.001
        are_within = all(0 <= start_s <= end_s <= longest_s for start_s, end_s in spans)
        return are_within and (self.spans is None or len(spans) == len(self.parts.get("lines", spans)))

    def take(self, key: str, path: Path) -> Take:
        return Take(
            key=key,
            path=path,
            pcm_sha256=self.pcm_sha256,
            sample_rate_hz=self.sample_rate_hz,
            frames=self.frames,
            spans=None if self.spans is None else tuple(Span(*span) for span in self.spans),
        )


class TakeStore:
    """The takes in `folder`, and those in the store at the URL `shared` that other machines fill too.

    What the shared store holds is listed once, when it is first asked for: a store object lives for one run.
    """

    def __init__(self, folder: Path, shared: str | None = None) -> None:
        self.folder = folder
        self._shared = None if shared is None else SharedStore(shared)

    @property
    def problem(self) -> Problem | None:
        """The first failure of the shared store; no take is lost for it."""
        return None if self._shared is None else self._shared.problem

    def keys(self) -> set[str]:
        """Keys of the takes in the folder and in the shared store, going by the names of files alone."""
        is_there = Path(self.folder).is_dir()
        names = {path.name for path in self.folder.iterdir()} if is_there else set()
        return whole_takes(names) | (set() if self._shared is None else self._shared.take_keys())

    def parts(self, key: str) -> tuple[dict[str, Any], str] | None:
        """What the key of a take in the folder hashes, and its text as displayed; None where there is no such take."""
        record = read_record(self._json(key), _TakeRecord)
        return None if record is None else (record.parts, record.text)

    def find(self, key: str) -> Take | None:
        """The take of `key`, fetched from the shared store where the folder has none; None where neither has it.

        A damaged one is set aside. Raises `StorageError` where a take that was fetched cannot be written.
        """
        if (take := self._find_local(key)) is not None or self._shared is None or key not in self._shared.take_keys():
            return take
        if not self._fetch(key, self._shared):
            return None
        take = self._find_local(key)
        if take is None:
            self._shared.forget(key)  # damaged there: the one that is rendered now takes its place
        return take

    def save(self, key: str, parts: dict[str, Any], text: str, rendered: Rendered, sample_rate_hz: int) -> Take:
        """Put a take on disk: its sound first, its JSON last. Raises `StorageError` where that fails.

        `parts` are what `key` hashes; `text` is for whoever reads the JSON.
        """
        samples = flac.quantize(rendered.pcm)
        sound = self._sound(key)
        atomic_write(sound, encoded := flac.encode(samples, sample_rate_hz))
        record = _TakeRecord(
            parts=parts,
            text=text,
            sample_rate_hz=sample_rate_hz,
            frames=len(samples),
            duration_s=round(len(samples) / sample_rate_hz, 3),
            spans=None if rendered.spans is None else tuple((span.start_s, span.end_s) for span in rendered.spans),
            pcm_sha256=flac.pcm_hash(samples),
            file_sha256=hashlib.sha256(encoded).hexdigest(),
            work_s=round(rendered.work_s, 3),
        )
        write_record(self._json(key), asdict(record))
        return record.take(key, sound)

    @contextmanager
    def sharing(self) -> Iterator[Callable[[str], None]]:
        """Yields a function that copies the take of a key into the shared store, unless it has it.

        That happens in threads, and the block's end waits for them. Where the block ends early, what is not copied yet
        is left to the next run.
        """
        if self._shared is None:
            yield lambda _key: None
            return
        shared = self._shared
        copier = ThreadPoolExecutor(_COPIES)

        def share(key: str) -> None:
            if key not in shared.take_keys():
                copier.submit(shared.put, key, self._sound(key), self._json(key))

        try:
            yield share
        except BaseException:
            copier.shutdown(wait=False, cancel_futures=True)
            raise
        copier.shutdown()

    def look(self, key: str) -> Take | None:
        """The take of `key` in the folder; None where there is none, or a damaged one. Changes nothing on disk."""
        sound = self._sound(key)
        record = read_record(self._json(key), _TakeRecord)
        if record is None or content_key(record.parts) != key or not record.is_possible():
            return None
        if file_hash(sound) != record.file_sha256:
            return None
        return record.take(key, sound)

    def _find_local(self, key: str) -> Take | None:
        if (take := self.look(key)) is not None or not self._json(key).exists():
            return take
        self.set_aside(key)
        return None

    def set_aside(self, key: str) -> None:
        """Keep a take that is not what it should be for whoever wants to look, so that it is made again."""
        for damaged in (self._json(key), self._sound(key)):
            if damaged.exists():
                set_aside(damaged)

    def _fetch(self, key: str, shared: SharedStore) -> bool:
        """Copy the two files of a take from the shared store; tell whether both came."""
        for path in (self._sound(key), self._json(key)):
            data = shared.read(path.name)
            if data is None:
                return False
            atomic_write(path, data)
        return True

    def _sound(self, key: str) -> Path:
        return self.folder / f"{key}.flac"

    def _json(self, key: str) -> Path:
        return self.folder / f"{key}.json"
