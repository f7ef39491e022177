"""Deliverables: mastered, encoded and tagged files, measured as they will be heard.

In: orders. Out: a file with its transcripts and chapter marks beside it, and what was measured of
it after decoding, against the preset's limits. A file that is there already and would come out the same is left alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mutagen import MutagenError

from pipeline.audio import ChapterMark, Pcm
from pipeline.audio.codecs import Probe, Writer, decode, open_writer, probe
from pipeline.audio.loudness import Levels, measure
from pipeline.deliver.chapters import ChapterAudio
from pipeline.deliver.comply import MeasuredFile, checks
from pipeline.deliver.mastering import Master, Timeline, correct, master_blocks, solve
from pipeline.deliver.orders import Cover, Order
from pipeline.deliver.profiles import PROFILES, preset_profile
from pipeline.deliver.provenance import Origin, provenance_json, versions
from pipeline.deliver.record import SIDECARS, Deliverable, DeliveryRecord
from pipeline.deliver.tags import tag_flac, tag_m4b, tag_mp3, tag_wav
from pipeline.deliver.transcript import Cue, chapters_json, to_json, to_srt, to_vtt
from pipeline.files import (
    atomic_path,
    atomic_write,
    clear_way,
    ensure_folder,
    storage_errors,
    write_text,
)
from pipeline.source.presets import Preset

_TRIES = 3
_BLOCKS_AHEAD = 4  # of three seconds each, between mastering and an encoder that is alone
_BLOCKS_APART = 256  # by which one of several encoders may be behind another: about 130 MB
# How the report calls the checks of a preset, and of ACX.
_REPORTED = {
    "level": "level",
    "true_peak": "true_peak",
    "sample_rate": "sample_rate",
    "channels": "mono",
    "bit_rate": "bit_rate",
}
_REPORTED_OF_ACX = {
    "level": "acx_rms",
    "true_peak": "acx_peak",
    "noise_floor": "acx_noise_floor",
    "bit_rate": "acx_bit_rate",
    "sample_rate": "acx_sample_rate",
    "head": "acx_head",
    "tail": "acx_tail",
    "length": "acx_length",
}

OnAudio = Callable[[float], None]  # seconds of audio encoded or measured since the last call


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
    orders: Sequence[Order], record: DeliveryRecord, origin: Origin, on_audio: OnAudio = lambda _seconds: None
) -> list[Deliverable]:
    """Make files of one `mastering`, with everything that goes beside them.

    They are mastered once and encoded side by side. Raises `StorageError` where the disk does not take them.
    """
    by_path: dict[Path, Deliverable] = {}
    for order in orders:
        with storage_errors(order.path.parent):
            ensure_folder(order.path.parent, record.root)
        if finished := record.find(order):
            _write_sidecars(order, record, origin)
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
            record.put(file.order, by_path[file.order.path], versions())
            # Not before: a run that fails leaves what was there, and what says the same.
            _write_sidecars(file.order, record, origin)
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
    """Every limit of the preset, met or not, as measured on the decoded file, under its name in the report."""
    measured = MeasuredFile(levels, sound)
    kept = {row.name: row.ok for row in checks(preset_profile(preset), measured) if row.limit is not None}
    limits = {_REPORTED[name]: ok for name, ok in kept.items()}
    if preset.preset == "acx":
        del limits["level"]  # theirs is wider, and two words cannot be as loud as ours without peaks over theirs
        kept = {row.name: row.ok for row in checks(PROFILES["acx"], measured)}
        limits |= {reported: kept[name] for name, reported in _REPORTED_OF_ACX.items()}
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


def _write_sidecars(order: Order, record: DeliveryRecord, origin: Origin) -> None:
    """Transcripts in three formats, chapters as JSON, and where it all comes from."""
    lay = order.timeline
    cues = [
        Cue(start_s + cue.start_s, start_s + cue.end_s, cue.speaker, cue.text)
        for start_s, chapter in zip(lay.starts_s, order.chapters, strict=True)
        for cue in chapter.cues
    ]
    marks = chapter_marks(order.chapters, lay)
    provenance = provenance_json(order, origin, *record.hash_and_versions(order))
    texts = (to_vtt(cues), to_srt(cues), to_json(cues), chapters_json(marks), provenance)
    for suffix, text in zip(SIDECARS, texts, strict=True):
        write_text(order.path.with_suffix(suffix), text)
