"""Deliverables: mastered, encoded and tagged files, measured as they will be heard.

In: orders. Out: a file with its transcripts and chapter marks beside it, and what was measured of
it after decoding, against the preset's limits. A file that is there already and would come out the same is left alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mutagen import MutagenError

from pipeline.audio import ChapterMark, Pcm
from pipeline.audio.codecs import Probe, Writer, decode, open_writer, probe
from pipeline.audio.loudness import SILENCE_DB, Levels, measure
from pipeline.deliver.chapters import MISSING, ChapterAudio, texts_in
from pipeline.deliver.mastering import TOLERANCE, Master, Timeline, correct, level, master_blocks, solve, target
from pipeline.deliver.orders import Cover, Order
from pipeline.deliver.tags import tag_flac, tag_m4b, tag_mp3, tag_wav
from pipeline.deliver.transcript import Cue, chapters_json, to_json, to_srt, to_vtt
from pipeline.files import (
    atomic_path,
    atomic_write,
    clear_way,
    content_key,
    file_hash,
    is_inside,
    read_record,
    storage_errors,
    write_record,
    write_text,
)
from pipeline.source.presets import Preset
from pipeline.workspace import Workspace

_TRIES = 3
_BLOCKS_AHEAD = 4  # of three seconds each, between mastering and an encoder that is alone
_BLOCKS_APART = 256  # by which one of several encoders may be behind another: about 130 MB
_ACX_LONGEST_S = 120 * 60
_SUFFIXES = (".mp3", ".m4b", ".wav", ".flac")
_SIDECARS = (".vtt", ".srt", ".transcript.json", ".chapters.json")

OnAudio = Callable[[float], None]  # seconds of audio encoded or measured since the last call


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


@dataclass
class _Deliverables:
    """What `deliverables.json` says."""

    files: dict[str, _Delivered]


class DeliveryRecord:
    """The record of finished files, so that an unchanged one is not made again."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
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

    def put(self, order: Order, deliverable: Deliverable) -> None:
        """Record the finished file of `order`."""
        words = words_of(turn.text for chapter in order.chapters for turn in chapter.turns)
        file = _Delivered(order.key, file_hash(order.path) or "", deliverable, words=tuple(sorted(words)))
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
        """A finished file of one of the `presets` that says nothing of `texts`, all that a script says; None without.

        What files say that are not on record is told by the chapters.
        """
        words = words_of(texts)
        for name, file in sorted(self._files.items()):
            path = self._workspace.root / name
            of_preset = [other for other in self._files.values() if other.deliverable.preset == file.deliverable.preset]
            said = {word for other in of_preset for word in other.words}
            if file.deliverable.preset in presets and said and not said & words and path.is_file():
                return path
        if not self._files and (said := texts_in(self._workspace.chapters)) and not said & texts:
            files = (path for preset in sorted(presets) for path in sorted((self._workspace.home / preset).rglob("*")))
            return next((path for path in files if path.suffix in _SUFFIXES and path.is_file()), None)
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


def words_of(texts: Iterable[str]) -> set[str]:
    """A short hash of each text: scripts that have none in common are two different scripts."""
    return {content_key(text.removeprefix(MISSING))[:8] for text in texts}


def _with_sidecars(path: Path) -> list[Path]:
    return [path, *(path.with_suffix(suffix) for suffix in _SIDECARS)]


@dataclass
class _PendingFile:
    """A deliverable on its way to the disk."""

    order: Order
    path: Path  # temporary
    marks: Sequence[ChapterMark]
    sound: Probe | None = None
    levels: Levels | None = None


def write_covers(orders: Iterable[Order], cover: Cover | None) -> None:
    """The cover, once in each folder that files go to. Raises `StorageError`."""
    if cover is None:
        return
    for folder in sorted({order.path.parent for order in orders}):
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / f"cover{cover.suffix}", cover.data)


def deliver(
    orders: Sequence[Order], record: DeliveryRecord, on_audio: OnAudio = lambda _seconds: None
) -> list[Deliverable]:
    """Make files of one `mastering`, with everything that goes beside them.

    They are mastered once and encoded side by side. Raises `StorageError` where the disk does not take them.
    """
    by_path: dict[Path, Deliverable] = {}
    for order in orders:
        with storage_errors(order.path.parent):
            order.path.parent.mkdir(parents=True, exist_ok=True)
        _write_sidecars(order)
        if finished := record.find(order):
            by_path[order.path] = finished
            on_audio(2 * order.audio_s)
    missing = [order for order in orders if order.path not in by_path]
    for order in missing:
        clear_way(order.path)
    if missing:
        with ExitStack() as stack:
            files = [
                _PendingFile(
                    order,
                    stack.enter_context(atomic_path(order.path)),
                    chapter_marks(order.chapters, order.timeline) if order.marks else [],
                )
                for order in missing
            ]
            master = solve(missing[0].chapters, missing[0].preset)
            _encode(files, master, on_audio, then=lambda file: _finish(file, master, on_audio))
        for file in files:
            by_path[file.order.path] = _deliverable(file, record)
            record.put(file.order, by_path[file.order.path])
    return [by_path[order.path] for order in orders]


def _finish(file: _PendingFile, master: Master, on_audio: OnAudio) -> None:
    """Measure a file as it will be heard; encode it again as long as that is off target; tag it."""
    for attempt in range(1, _TRIES + 1):
        file.sound = probe(file.path)
        blocks = _counted(decode(file.path), file.order, on_audio)
        file.levels = measure(blocks, file.sound.sample_rate_hz, file.order.preset.room_tone_db)
        better = correct(master, file.levels, file.order.preset)
        if better is None or attempt == _TRIES:
            break
        master = better
        _encode([file], master, on_audio, then=lambda _file: None)
    _tag(file)


def _deliverable(file: _PendingFile, record: DeliveryRecord) -> Deliverable:
    assert file.levels is not None
    assert file.sound is not None
    return Deliverable(
        path=record.name(file.order.path),
        preset=file.order.preset.preset,
        audio_s=round(file.levels.duration_s, 3),
        lufs=round(file.levels.lufs, 2),
        rms_db=round(file.levels.rms_db, 2),
        true_peak_dbtp=round(file.levels.true_peak_dbtp, 2),
        noise_floor_db=round(file.levels.noise_floor_db, 2),
        limits=check_limits(file.order.preset, file.levels, file.sound),
    )


def chapter_marks(chapters: Sequence[ChapterAudio], lay: Timeline) -> list[ChapterMark]:
    """A mark where each chapter's sound starts; the first stands at 0, where players want one."""
    starts = [0.0, *lay.starts_s[1:], lay.duration_s]
    return [
        ChapterMark(chapter.title, start_s, end_s)
        for chapter, start_s, end_s in zip(chapters, starts, starts[1:], strict=False)
    ]


def check_limits(preset: Preset, levels: Levels, sound: Probe) -> dict[str, bool]:
    """Every limit of the preset, met or not, as measured on the decoded file."""
    limits = {
        "level": abs(level(levels, preset) - target(preset)) <= TOLERANCE,
        "true_peak": levels.true_peak_dbtp <= preset.true_peak_dbtp,
        "sample_rate": sound.sample_rate_hz == preset.sample_rate_hz,
        "mono": sound.channels == 1,
    }
    if preset.format == "mp3":
        limits["bit_rate"] = sound.bitrate_kbps == preset.bitrate_kbps
    if preset.preset == "acx":  # ACX audio submission requirements
        limits |= {
            "acx_rms": -23 <= levels.rms_db <= -18,
            "acx_peak": levels.true_peak_dbtp <= -3,
            "acx_noise_floor": levels.noise_floor_db <= -60,
            "acx_bit_rate": sound.bitrate_kbps >= 192,
            "acx_sample_rate": sound.sample_rate_hz == 44_100,
            "acx_head": 0.5 <= levels.head_s <= 1,
            "acx_tail": 1 <= levels.tail_s <= 5,
            "acx_length": levels.duration_s <= _ACX_LONGEST_S,
        }
    return limits


class _Encoder:
    """Writes a file in a thread of its own, as many as `behind` blocks late."""

    def __init__(self, file: _PendingFile, behind: int, stack: ExitStack) -> None:
        preset, chapters = file.order.preset, file.order.chapters
        self._file = file
        self._behind = behind
        self._opened = stack.enter_context(ExitStack())
        self._writer: Writer = self._opened.enter_context(
            open_writer(
                file.path,
                preset.format,
                preset.sample_rate_hz,
                preset.bitrate_kbps,
                chapters=file.marks,
                frames=round(file.order.audio_s * preset.sample_rate_hz),
                bandwidth_hz=chapters[0].sample_rate_hz / 2,  # of the takes; above it is nothing but room tone
            )
        )
        self._thread = stack.enter_context(ThreadPoolExecutor(1))
        self._waiting: deque[Future[None]] = deque()

    def put(self, block: Pcm) -> None:
        """Have `block` written. Raises what an earlier one met."""
        if len(self._waiting) == self._behind:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._writer.write, block))

    def end(self, then: Callable[[_PendingFile], None]) -> Future[None]:
        """Complete the file once all of it is written, and go on with `then`."""

        def close() -> None:
            for written in self._waiting:
                written.result()  # what failed is not closed as if it were whole
            self._opened.close()
            then(self._file)

        return self._thread.submit(close)


def _encode(
    files: Sequence[_PendingFile], master: Master, on_audio: OnAudio, then: Callable[[_PendingFile], None]
) -> None:
    """Write one mastered stream into all `files`, and do `then` with each as soon as it is whole.

    So a fast encoder's file is measured while a slow one is still at work.
    """
    first = files[0].order
    behind = _BLOCKS_AHEAD if len(files) == 1 else _BLOCKS_APART
    with ExitStack() as stack:
        encoders = [_Encoder(file, behind, stack) for file in files]
        for block in master_blocks(first.chapters, first.preset, master):
            on_audio(len(files) * len(block) / first.preset.sample_rate_hz)
            for encoder in encoders:
                encoder.put(block)
        for ended in [encoder.end(then) for encoder in encoders]:
            ended.result()


def _counted(blocks: Iterable[Pcm], order: Order, on_audio: OnAudio) -> Iterator[Pcm]:
    for block in blocks:
        on_audio(len(block) / order.preset.sample_rate_hz)
        yield block


def _tag(file: _PendingFile) -> None:
    tags = file.order.tags
    try:
        match file.order.preset.format:
            case "mp3":
                tag_mp3(file.path, tags, file.marks)
            case "m4b":
                tag_m4b(file.path, tags)
            case "flac":
                tag_flac(file.path, tags, file.marks)
            case "wav":
                tag_wav(file.path, tags)
    except MutagenError as error:  # mutagen wraps what the disk says
        raise error.args[0] if error.args and isinstance(error.args[0], OSError) else error from error


def _write_sidecars(order: Order) -> None:
    """Transcripts in three formats, and chapters as JSON."""
    lay = order.timeline
    cues = [
        Cue(start_s + cue.start_s, start_s + cue.end_s, cue.speaker, cue.text)
        for start_s, chapter in zip(lay.starts_s, order.chapters, strict=True)
        for cue in chapter.cues
    ]
    texts = (to_vtt(cues), to_srt(cues), to_json(cues), chapters_json(chapter_marks(order.chapters, lay)))
    for suffix, text in zip(_SIDECARS, texts, strict=True):
        write_text(order.path.with_suffix(suffix), text)
