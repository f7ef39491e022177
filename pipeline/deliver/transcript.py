"""What is said when, as subtitles and as the JSON of Podcasting 2.0.

Cues come in as they were rendered, in order; texts come out. Nothing is read or written here. The limits are
those of the Podcasting 2.0 transcript guide: lines of at most 65 characters for WebVTT, and for SRT two lines
of 32 with the speaker named when it changes.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.audio import ChapterMark
from pipeline.words import timestamp

VTT_LINE = 65  # characters
SRT_LINE = 32
NAME_ROOM = 40  # of a WebVTT line at most: a longer name makes its first line longer, not the text narrower

_HARD_SPACE = re.compile(r"[\xa0\u2007\u202f]")
_WORD = re.compile(r"[\S\xa0\u2007\u202f]+")  # a no-break space holds its words together
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")  # without those that are white space
_ATOM = re.compile(r"&(?:amp|lt|gt);|.")
_SENTENCE_END = re.compile(r".*[.!?…。！？][\"'”’»)\]]*(?= |$)")  # greedy, so the last one
_CLAUSE_END = re.compile(r".*[,;:—–،、，；][\"'”’»)\]]*(?= |$)")


@dataclass(frozen=True)
class Cue:
    """What a transcript shows at one time: from when to when, who speaks, and the text."""

    start_s: float
    end_s: float
    speaker: str
    text: str


def to_vtt(cues: Sequence[Cue]) -> str:
    """WebVTT with the speaker as a voice span. Lines as written, span and all, are at most 65 characters.

    Only a span longer than 40 makes its line longer, by what it is over.
    """
    out = ["WEBVTT\n"]
    clock_ms = 0
    for cue in cues:
        name = _escape(" ".join(_words(cue.speaker)))
        span = f"<v {name}>" if name else ""
        first = VTT_LINE - min(len(span), NAME_ROOM)
        # Escaped before it is laid out, so that `&amp;` takes the room it takes in the file.
        words = _words(_escape(cue.text))
        for start_s, end_s, lines in _timed_parts(cue, words, first, VTT_LINE):
            start_ms, clock_ms = _after(clock_ms, start_s, end_s)
            text = "\n".join(lines)
            out.append(f"{timestamp(start_ms, '.')} --> {timestamp(clock_ms, '.')}\n{span}{text}\n")
    return "\n".join(out)


def to_srt(cues: Sequence[Cue]) -> str:
    """SRT with `Name:` where the speaker changes, two lines of at most 32 characters to a cue."""
    out: list[str] = []
    clock_ms = 0
    speaker = ""
    for cue in cues:
        # SRT has no escapes, and an arrow in the text would read as a line of times.
        words = _words(cue.text.replace("-->", "→"))
        if not words:
            continue
        if cue.speaker != speaker:
            speaker = cue.speaker
            name = _words(speaker.replace("-->", "→"))
            words = [*name[:-1], f"{name[-1]}:", *words] if name else words
        for start_s, end_s, lines in _timed_parts(cue, words, SRT_LINE, SRT_LINE):
            start_ms, clock_ms = _after(clock_ms, start_s, end_s)
            text = "\n".join(lines)
            out.append(f"{len(out) + 1}\n{timestamp(start_ms, ',')} --> {timestamp(clock_ms, ',')}\n{text}\n")
    return "\n".join(out)


def to_json(cues: Sequence[Cue]) -> str:
    """The JSON transcript of Podcasting 2.0, one segment for each cue, times in seconds."""
    segments = [
        {
            "speaker": cue.speaker,
            "startTime": round(cue.start_s, 3),
            "endTime": round(cue.end_s, 3),
            "body": cue.text,
        }
        for cue in cues
    ]
    return json.dumps({"version": "1.0.0", "segments": segments}, ensure_ascii=False, indent=1) + "\n"


def chapters_json(marks: Sequence[ChapterMark]) -> str:
    """JSON chapters 1.2 of Podcasting 2.0, times in seconds."""
    chapters = [{"startTime": round(mark.start_s, 3), "title": mark.title} for mark in marks]
    return json.dumps({"version": "1.2.0", "chapters": chapters}, ensure_ascii=False, indent=1) + "\n"


def _words(text: str) -> list[str]:
    """The words of `text` without control characters, which no subtitle format allows."""
    clean = _CONTROL.sub("", text)
    if not _HARD_SPACE.search(clean):
        return clean.split()
    return [word for word in _WORD.findall(clean) if not word.isspace()]


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _timed_parts(cue: Cue, words: list[str], first: int, width: int) -> Iterator[tuple[float, float, list[str]]]:
    """Start, end and lines of each part of `cue` that fits two lines; the first has room for `first` characters.

    It is cut at the end of a sentence, else a clause, else a word; a word longer than a line is cut too. The parts
    share the cue's time by their number of characters.
    """
    parts = list(_parts(" ".join(_cut(words, min(first, width))), first, width))
    sizes = [sum(map(len, lines)) for lines in parts]
    total = sum(sizes)
    length_s = cue.end_s - cue.start_s
    done = 0
    start_s = cue.start_s
    for lines, size in zip(parts, sizes, strict=True):
        done += size
        end_s = cue.end_s if done == total else cue.start_s + length_s * done / total
        yield start_s, end_s, lines
        start_s = end_s


def _cut(words: list[str], room: int) -> list[str]:
    """Cut words that no line can hold, between characters and never inside an escape such as `&amp;`."""
    if max(map(len, words), default=0) <= room:
        return words
    out = []
    for word in words:
        piece = ""
        for atom in _ATOM.findall(word) if len(word) > room else [word]:
            if piece and len(piece) + len(atom) > room:
                out.append(piece)
                piece = ""
            piece += atom
        out.append(piece)
    return out


def _parts(text: str, first: int, width: int) -> Iterator[list[str]]:
    """The lines of one part after the other; no word of `text` is longer than a line."""
    start = 0
    while start < len(text):
        part = text[start : _line_end(text, _line_end(text, start, first) + 1, width)]
        if start + len(part) < len(text):
            part = part[: _best_end(part)]
            orphan = width // 4
            if len(text) - start - len(part) < orphan and (space := part.rfind(" ", 0, -orphan)) > 0:
                part = part[:space]  # else the last word or two would flash by alone
        start += len(part) + 1
        line_end = _line_end(part, 0, first)
        yield [part[:line_end], part[line_end + 1 :]] if line_end < len(part) else [part]


def _line_end(text: str, start: int, width: int) -> int:
    """Where the line that begins at `start` ends: the last space it reaches, or the end of `text`."""
    return len(text) if len(text) - start <= width else text.rfind(" ", start, start + width + 1)


def _best_end(part: str) -> int:
    """The last sentence end in the second half of `part`, else the last clause end, else all of it."""
    for pattern in (_SENTENCE_END, _CLAUSE_END):
        end = pattern.match(part)
        if end and end.end() > len(part) // 2:
            return end.end()
    return len(part)


def _after(clock_ms: int, start_s: float, end_s: float) -> tuple[int, int]:
    """The cue's times in milliseconds: not before the last one's end, and at least 1 ms long."""
    start_ms = max(clock_ms, round(start_s * 1000))
    return start_ms, max(start_ms + 1, round(end_s * 1000))
