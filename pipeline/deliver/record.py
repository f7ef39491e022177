"""Record: which deliverables of a production are finished, how each was made, and what it says.

In: what was finished. Out: what need not be made again, what nobody wants any more, and what must not be replaced.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.audio.loudness import SILENCE_DB
from pipeline.deliver.chapters import MISSING
from pipeline.deliver.orders import Order
from pipeline.files import content_key, file_hash, is_inside, read_json, read_record, storage_errors, write_record
from pipeline.workspace import Workspace

_SUFFIXES = (".mp3", ".m4b", ".wav", ".flac")
SIDECARS = (".vtt", ".srt", ".transcript.json", ".chapters.json", ".provenance.json")


@dataclass(frozen=True)
class Deliverable:
    """A finished file, and what was measured of it after decoding; the defaults are of a file that was not measured."""

    path: str  # relative to the job's folder
    preset: str = ""
    audio_s: float = 0.0
    lufs: float = SILENCE_DB
    rms_db: float = SILENCE_DB
    true_peak_dbtp: float = SILENCE_DB
    noise_floor_db: float = SILENCE_DB
    limits: Mapping[str, bool] = field(default_factory=dict)  # of the preset: name -> kept


@dataclass
class _Delivered:
    """What is on record of a finished file."""

    key: str  # of its order
    sha256: str
    deliverable: Deliverable
    is_left_over: bool = False  # the last run that was done had no order for it
    words: tuple[str, ...] = ()  # a short hash of what each turn in it says; older records have none
    made_with: Mapping[str, str] = field(default_factory=dict)  # versions; older records have none


@dataclass
class _Deliverables:
    """What `deliverables.json` says."""

    files: dict[str, _Delivered]


class DeliveryRecord:
    """The record of finished files, so that an unchanged one is not made again."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.root = workspace.root
        self._lock = threading.Lock()
        record = read_record(workspace.deliverables, _Deliverables)
        self._files = {} if record is None else record.files

    def find(self, order: Order) -> Deliverable | None:
        """The deliverable of `order`, if its file is unchanged since and would come out the same."""
        name = self.name(order.path)
        file = self._files.get(name)
        if file and file.key == order.key and file.sha256 == file_hash(order.path):
            return file.deliverable
        return None

    def hash_and_versions(self, order: Order) -> tuple[str, Mapping[str, str]]:
        """The SHA-256 of the finished file of `order`, and the versions it was made with."""
        file = self._files[self.name(order.path)]
        return file.sha256, file.made_with

    def put(self, order: Order, deliverable: Deliverable, made_with: Mapping[str, str]) -> None:
        """Record the finished file of `order`, and the versions of what made it."""
        words = words_of(turn.text for chapter in order.chapters for turn in chapter.turns)
        file = _Delivered(order.key, file_hash(order.path) or "", deliverable, False, tuple(sorted(words)), made_with)
        with self._lock:
            self._files[deliverable.path] = file
            self._write()

    def settle(self, orders: Iterable[Order]) -> list[str]:
        """After a run that is done: remove what earlier runs made by the same presets and no order asks for any more.

        What other presets made stays, as `leftovers`; what somebody changed since stays too. Returns what was removed.
        """
        orders = list(orders)
        names, presets = {self.name(order.path) for order in orders}, {order.preset.preset for order in orders}
        wanted = {path for order in orders for path in _with_sidecars(order.path)}
        removed = []
        for name in sorted(self._files.keys() - names):
            if self._files[name].deliverable.preset in presets:
                for path in set(self._intact(name)) - wanted:  # another format has sidecars of the same names
                    with storage_errors(path):
                        path.unlink(missing_ok=True)
                    removed.append(self.name(path))
                del self._files[name]
            else:
                self._files[name].is_left_over = True
        for name in names:
            self._files[name].is_left_over = False
        self._write()
        return sorted(removed)

    def leftovers(self, wanted: Set[str] = frozenset(), *, everything: bool = False) -> list[Path]:
        """Files the last run that was done had no order for, but for those of `wanted` presets; or all on record."""
        unwanted = {name: file for name, file in self._files.items() if file.deliverable.preset not in wanted}
        names = self._files if everything else (name for name, file in unwanted.items() if file.is_left_over)
        return [path for name in sorted(names) for path in self._intact(name)]

    def replaced_by(self, texts: Set[str], presets: Set[str]) -> Path | None:
        """A finished file of a preset of which none says anything of `texts`, all that a script says; None without.

        What a file says is on record, or else in the transcript beside it.
        """
        words, whole = words_of(texts), "\n".join(texts)
        for preset in sorted(presets):
            files = [path for path in sorted((self._workspace.home / preset).rglob("*")) if path.suffix in _SUFFIXES]
            said, agrees = False, False
            for path in files:
                file = self._files.get(self.name(path))
                cues = () if file and file.words else _cue_texts(path)
                said = said or bool(cues or (file and file.words))
                agrees = agrees or bool(file and words.intersection(file.words)) or any(cue in whole for cue in cues)
            if said and not agrees:
                return files[0]
        return None

    def _intact(self, name: str) -> list[Path]:
        """A file and what lies beside it, if it is there as it was made, and within the job's folder."""
        path = self._workspace.root / name
        if (
            not is_inside(path, self._workspace.home)
            or path.is_symlink()
            or file_hash(path) != self._files[name].sha256
        ):
            return []
        return [path for path in _with_sidecars(path) if path.is_file()]

    def _write(self) -> None:
        write_record(self._workspace.deliverables, asdict(_Deliverables(self._files)))

    def name(self, path: Path) -> str:
        """`path` relative to the job's folder, as the record and the report have it."""
        return path.relative_to(self._workspace.root).as_posix()


def _cue_texts(sound: Path) -> list[str]:
    """What the transcript beside a file says, piece by piece; nothing where it cannot be read."""
    transcript = read_json(sound.with_suffix(".transcript.json"))
    segments = transcript.get("segments") if isinstance(transcript, dict) else None
    bodies = [each.get("body") for each in segments if isinstance(each, dict)] if isinstance(segments, list) else []
    return [body.removeprefix(MISSING) for body in bodies if isinstance(body, str) and body]


def words_of(texts: Iterable[str]) -> set[str]:
    """A short hash of each text: scripts that have none in common are two different scripts."""
    return {content_key(text.removeprefix(MISSING))[:8] for text in texts}


def _with_sidecars(path: Path) -> list[Path]:
    return [path, *(path.with_suffix(suffix) for suffix in SIDECARS)]
