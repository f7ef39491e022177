"""Chapters: takes trimmed and joined, with the time of everything that is said.

In: the finished takes of a chapter. Out: a 24-bit FLAC at the engine's rate, neither levelled nor mastered, and a
`ChapterAudio` with the time of each turn. A take that is not there leaves a gap, which is marked in the text.
Knows no presets, tags or encoders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from pipeline.audio import Pcm, flac
from pipeline.audio.edit import fade, silence, trim
from pipeline.deliver.transcript import Cue
from pipeline.files import atomic_path, clear_way, content_key, file_hash, read_record, write_record
from pipeline.source.manifest import Pauses
from pipeline.source.script import Chapter
from pipeline.source.voices import NARRATOR
from pipeline.takes.chunks import ChunkPiece
from pipeline.takes.plan import PlannedTake
from pipeline.takes.store import Take
from pipeline.threads import ahead

GAP_S = 2.0  # of silence in place of a take that is missing: long enough to be noticed
MISSING = "[missing] "  # in front of its words

_VERSION = 1  # raised whenever this file changes what a chapter sounds like

# Between pieces of one turn that were rendered apart, by how the first one ends.
_SENTENCE_S, _CLAUSE_S, _WORD_S = 0.35, 0.18, 0.05


@dataclass(frozen=True)
class TurnTime:
    """When a turn is spoken, in seconds from the chapter's start."""

    start_s: float
    end_s: float
    speaker: str
    text: str


@dataclass(frozen=True)
class ChapterGap:
    """Where a take is missing, in seconds from the chapter's start."""

    start_s: float
    take: str  # its key
    text: str


@dataclass(frozen=True)
class ChapterAudio:
    """A joined chapter on disk."""

    number: int
    title: str
    path: Path
    key: str
    sample_rate_hz: int
    frames: int
    turns: tuple[TurnTime, ...]
    cues: tuple[Cue, ...]  # finer than turns: one for each piece that was rendered on its own
    gaps: tuple[ChapterGap, ...] = ()
    pcm_sha256: str = ""  # of a chapter that is not joined yet

    @property
    def audio_s(self) -> float:
        """Seconds of sound."""
        return self.frames / self.sample_rate_hz


@dataclass(frozen=True)
class _ChapterRecord:
    """What the JSON beside a chapter says."""

    key: str
    file_sha256: str
    pcm_sha256: str
    sample_rate_hz: int
    frames: int
    turns: tuple[TurnTime, ...]
    cues: tuple[Cue, ...]
    gaps: tuple[ChapterGap, ...] = ()  # older records have none


@dataclass(frozen=True)
class _Sound:
    """A part of a take, and the pause in front of it."""

    pause_s: float
    pcm: Pcm
    pieces: tuple[ChunkPiece, ...]
    missing: PlannedTake | None = None  # there is only silence for it


def chapter_key(chapter: Chapter, planned: Sequence[PlannedTake], takes: Mapping[str, Take], pauses: Pauses) -> str:
    """Hashes all that can change the sound of a chapter or the times in it, gaps too."""
    return content_key(
        {
            "version": _VERSION,
            "takes": [takes[plan.key].pcm_sha256 if plan.key in takes else None for plan in planned],
            "pieces": [[(p.turn, p.speaker, p.text) for p in plan.chunk.pieces] for plan in planned],
            "borders": [[turn.border, turn.pause_s] for turn in chapter.turns],
            "end_pause_s": chapter.end_pause_s,
            "pauses": pauses.model_dump(),
        }
    )


def join_chapter(
    path: Path,
    number: int,
    chapter: Chapter,
    planned: Sequence[PlannedTake],
    takes: Mapping[str, Take],
    pauses: Pauses,
) -> ChapterAudio:
    """The chapter in `path`; joined anew only where something in it has changed.

    At least one of its takes must be in `takes`; those that are not become gaps.
    """
    key = chapter_key(chapter, planned, takes, pauses)
    if finished := _find(path, key, number, chapter.title):
        return finished
    rate = next(takes[plan.key].sample_rate_hz for plan in planned if plan.key in takes)
    cues: list[tuple[int, Cue]] = []
    gaps: list[ChapterGap] = []
    incomplete: set[int] = set()  # turns
    clear_way(path)
    with atomic_path(path) as temporary:
        writer = flac.FlacWriter(temporary, rate)
        try:
            for sound in ahead(_sounds(chapter, planned, takes, pauses, rate)):
                writer.write(silence(sound.pause_s, rate))
                cues += _cues(sound, writer.frames / rate, rate)
                if sound.missing:
                    gaps.append(ChapterGap(round(writer.frames / rate, 4), sound.missing.key, sound.missing.text))
                    incomplete.update(piece.turn for piece in sound.pieces)
                writer.write(fade(sound.pcm, rate))
            writer.write(silence(chapter.end_pause_s, rate))
        finally:
            writer.close()
    cues = _whole(cues)
    audio = ChapterAudio(
        number=number,
        title=chapter.title,
        path=path,
        key=key,
        sample_rate_hz=rate,
        frames=writer.frames,
        turns=tuple(_turn_times(chapter, cues, incomplete)),
        cues=tuple(cue for _turn, cue in cues),
        gaps=tuple(gaps),
        pcm_sha256=writer.pcm_sha256,
    )
    hashed = file_hash(path) or ""
    record = _ChapterRecord(key, hashed, audio.pcm_sha256, rate, audio.frames, audio.turns, audio.cues, audio.gaps)
    write_record(path.with_suffix(".json"), asdict(record))
    return audio


def take_times(path: Path, planned: Sequence[PlannedTake]) -> dict[str, float]:
    """When each take begins in the chapter in `path`, in seconds, by key; none where it was joined of others."""
    record = read_record(path.with_suffix(".json"), _ChapterRecord)
    if record is None:
        return {}
    cues = iter(record.cues)
    times: dict[str, float] = {}
    is_first = True
    for plan in planned:
        for piece in plan.chunk.pieces:
            if not piece.text and not is_first:
                continue
            is_first = False
            cue = next(cues, None)
            if cue is None or not cue.text.endswith(piece.text):
                return {}
            times.setdefault(plan.key, cue.start_s)
    return times


def _find(path: Path, key: str, number: int, title: str) -> ChapterAudio | None:
    record = read_record(path.with_suffix(".json"), _ChapterRecord)
    if record is None or record.key != key or file_hash(path) != record.file_sha256:
        return None
    return ChapterAudio(
        number,
        title,
        path,
        key,
        record.sample_rate_hz,
        record.frames,
        record.turns,
        record.cues,
        record.gaps,
        record.pcm_sha256,
    )


def _sounds(
    chapter: Chapter, planned: Sequence[PlannedTake], takes: Mapping[str, Take], pauses: Pauses, rate: int
) -> Iterator[_Sound]:
    """The takes of a chapter, cut at their spans where the engine knows them, trimmed, with the pauses between."""
    gap = silence(GAP_S, rate)
    before: ChunkPiece | None = None
    for plan in planned:
        pieces = plan.chunk.pieces
        if plan.key not in takes:
            yield _Sound(_pause_s(chapter, before, pieces[0].turn, pauses), gap, pieces, missing=plan)
            before = pieces[-1]
            continue
        take = takes[plan.key]
        pcm = take.read()
        if take.spans is None:
            groups = [(pcm, pieces)]
        else:
            edges = [round(span.start_s * take.sample_rate_hz) for span in take.spans]
            ends = [round(span.end_s * take.sample_rate_hz) for span in take.spans]
            groups = [(pcm[a:b], (piece,)) for a, b, piece in zip(edges, ends, pieces, strict=True)]
        for sound, group in groups:
            start, end = trim(sound, take.sample_rate_hz)
            yield _Sound(_pause_s(chapter, before, group[0].turn, pauses), sound[start:end], group)
            before = group[-1]


def _pause_s(chapter: Chapter, before: ChunkPiece | None, turn: int, pauses: Pauses) -> float:
    since = chapter.turns[(before.turn if before else -1) + 1 : turn + 1]
    written = [t.pause_s for t in since if t.pause_s is not None]
    if written:  # also of turns in between that had nothing to say
        return sum(written)
    if before is None:
        return 0.0
    if before.turn == turn:
        end = (before.text or before.spoken).rstrip("\"')]”’»")[-1:]
        return _SENTENCE_S if end in ".!?…" else _CLAUSE_S if end in ",;:—–-" else _WORD_S
    borders = {t.border for t in since}
    if borders & {"scene", "heading"}:
        return pauses.scene_s
    return pauses.turn_s if "turn" in borders else pauses.paragraph_s


def _cues(sound: _Sound, start_s: float, sample_rate_hz: int) -> Iterator[tuple[int, Cue]]:
    """A cue for each piece. Where a take's inner times are unknown they are shared out by length of what is said."""
    seconds = len(sound.pcm) / sample_rate_hz
    total = sum(len(piece.spoken) for piece in sound.pieces)
    mark = MISSING if sound.missing else ""
    done = 0
    for piece in sound.pieces:
        begin = start_s + seconds * done / total
        done += len(piece.spoken)
        end = start_s + seconds * done / total
        yield piece.turn, Cue(round(begin, 4), round(end, 4), piece.speaker or NARRATOR, mark + piece.text)


def _whole(cues: Sequence[tuple[int, Cue]]) -> list[tuple[int, Cue]]:
    """Cues that show something: what goes on without text, as its words were longer than a chunk, lengthens them."""
    shown: list[tuple[int, Cue]] = []
    for turn, cue in cues:
        if cue.text or not shown:
            shown.append((turn, cue))
        else:
            shown[-1] = (turn, replace(shown[-1][1], end_s=cue.end_s))
    return shown


def _turn_times(chapter: Chapter, cues: Sequence[tuple[int, Cue]], incomplete: Set[int]) -> Iterator[TurnTime]:
    for turn, owned in groupby(cues, key=lambda pair: pair[0]):
        spoken = [cue for _turn, cue in owned]
        mark = MISSING if turn in incomplete else ""
        yield TurnTime(spoken[0].start_s, spoken[-1].end_s, spoken[0].speaker, mark + chapter.turns[turn].text)
