"""Transcripts: JSON of what was said when, as Podcasting 2.0, Whisper and this package write it.

In: the text of a JSON file, or its data. Out: a `Rendition` whose text are the words of the segments, or None where the
data is another thing, such as a script.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import Problem, RequestError, raise_if_any
from pipeline.source.encodings import words_of
from pipeline.source.ledger import Source
from pipeline.source.prose.blocks import Block, SourceLine
from pipeline.source.readers.subtitles import PARAGRAPH_GAP_S, ends_sentence, narrated
from pipeline.source.rendition import Rendition
from pipeline.source.speakers.forms import Label

_LARGEST = 50_000_000  # bytes: ten times the transcript of a day, each word with its times
_LISTS = ("segments", "transcription")  # the second is whisper.cpp's
_LINE = 40  # characters: a line of the text goes on until it has as many
_WORD_END = re.compile(r"[.!?…。！？][\"'”’)]*(?:\s|$)")
_CLINGS = re.compile(r"[,.;:!?…)\]}”’»%。、，！？：；]+$|['’](?:s|re|ve|ll|d|m|t)\b|n['’]t\b", re.IGNORECASE)
_OPENS = re.compile(r"[(\[{“‘«¿¡]+$")


class _Segment(NamedTuple):
    """What was said from `start_s` to `end_s`, by whom (None: it is not told), and which of all segments it is."""

    number: int
    text: str
    speaker: str | None
    start_s: float | None
    end_s: float | None


def refuse_large_json(path: Path, shown: str) -> None:
    """Raise `RequestError` for a file that would take too much memory."""
    size = path.stat().st_size if path.is_file() else 0
    if size > _LARGEST:
        what = f"the file has {size // 1_000_000} MB, and {_LARGEST // 1_000_000} are the most that is read of JSON."
        raise RequestError(Problem(shown, what, "Cut it in several, and name them all."))


def json_rendition(text: str, shown: str) -> Rendition | None:
    """The transcript in JSON; None where it is none. Raises `RequestError` where a transcript's JSON is broken."""
    try:
        data = json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        if any(f'"{key}"' in text for key in _LISTS):
            what = f"this is not valid JSON ({error.msg})."
            raise RequestError(Problem(f"{shown}:{error.lineno}", what, "Mend it, or save it again.")) from None
        return None
    except RecursionError:
        return None
    return transcript_rendition(data, shown)


def transcript_rendition(data: Any, shown: str) -> Rendition | None:
    """A transcript as paragraphs: a new one begins as in subtitles. None where `data` is no transcript.

    Places are `{shown}:segment 12`, counted from 1. Raises `RequestError` with all segments that cannot be read.
    """
    listed = _listed(data)
    if listed is None:
        return None
    problems: list[Problem] = []
    segments: list[_Segment] = []
    for number, item in enumerate(listed, start=1):
        segment = _segment(item, number, shown, problems)
        if segment is not None and segment.text.strip():
            segments.append(segment)
    if not listed:
        problems.append(Problem(shown, "there are no segments in this transcript.", "Save it again, with its text."))
    raise_if_any(problems)
    writer = _Writer(shown, segments)
    for segment in segments:
        writer.add(segment)
    return writer.rendition()


def _listed(data: Any) -> Sequence[Any] | None:
    """The segments in data, if it is a transcript."""
    if isinstance(data, dict) and not {"chapters", "turns"} & data.keys():
        return next((data[key] for key in _LISTS if isinstance(data.get(key), list)), None)
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        is_timed = all({"start", "startTime"} & item.keys() and {"text", "body"} & item.keys() for item in data)
        return data if is_timed else None
    return None


def _segment(item: Any, number: int, shown: str, problems: list[Problem]) -> _Segment | None:
    where = f"{shown}:segment {number}"
    if not isinstance(item, dict):
        problems.append(Problem(where, "this is no segment.", "It has to be a mapping with a text and times."))
        return None
    text = item.get("body", item.get("text"))
    if text is not None and not isinstance(text, str):
        problems.append(Problem(where, "the text of the segment is no text.", "Write it in quotes."))
        return None
    speaker = item.get("speaker")
    if isinstance(speaker, float) and speaker.is_integer():
        speaker = f"{speaker:.0f}"
    if speaker is not None and not isinstance(speaker, str):
        problems.append(Problem(where, "the speaker of the segment is no name.", "Write it in quotes."))
        return None
    offsets = item.get("offsets")
    if isinstance(offsets, Mapping):  # milliseconds
        times = [_seconds(offsets.get(key), 0.001) for key in ("from", "to")]
    else:
        times = [
            _seconds(item.get(key, item.get(other))) for key, other in (("startTime", "start"), ("endTime", "end"))
        ]
    name = None if speaker is None else " ".join(_whole(speaker).split())
    return _Segment(number, _whole(text or ""), name, times[0], times[1])


def _whole(text: str) -> str:
    """Text without halves of characters, which JSON can hold as escapes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _seconds(value: Any, unit_s: float = 1.0) -> float | None:
    try:
        seconds = float(value) * unit_s
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None


class _Writer:
    """Writes segments as the lines of a text, in paragraphs with labels."""

    def __init__(self, shown: str, segments: Sequence[_Segment]) -> None:
        self._shown = shown
        bodies = [segment.text for segment in segments]
        spaced = sum(body[:1].isspace() or body[-1:].isspace() for body in bodies)
        words = sum(len(body.split()) for body in bodies)
        self._has_spaces = words <= len(bodies) < 3 * spaced  # so that a word may be cut between two segments
        self._is_bare = 60 * sum(len(_WORD_END.findall(body)) for body in bodies) < words
        self._is_named = any(segment.speaker is not None for segment in segments)
        self._lines: list[str] = []
        self._places: list[str] = []
        self._labels: list[tuple[int, int, str]] = []  # the line of each, its length, and whom it names
        self._paragraphs: list[int] = []  # their first lines
        self._speaker: str | None = None
        self._end_s: float | None = None
        self._last = ""

    def add(self, segment: _Segment) -> None:
        """Write a segment: on the line of the one before, on a line of its own, or in another paragraph."""
        gap_s = 0.0 if self._end_s is None or segment.start_s is None else segment.start_s - self._end_s
        self._end_s = self._end_s if segment.end_s is None else segment.end_s
        name = None if segment.speaker is None else narrated(segment.speaker)
        is_other = name is not None and name != self._speaker
        is_silence = gap_s >= PARAGRAPH_GAP_S and (self._is_bare or ends_sentence(self._last))
        text = " ".join(words_of(segment.text))
        if is_other or is_silence or not self._lines:
            self._begin(segment, self._speaker if name is None else name, named=name is not None)
            self._lines[-1] += text
        elif self._clings(segment.text):
            self._lines[-1] += text
        elif len(self._lines[-1]) < _LINE:
            self._lines[-1] += f" {text}"
        else:
            self._line(segment, text)
        self._last = segment.text

    def _line(self, segment: _Segment, text: str) -> None:
        self._lines.append(text)
        self._places.append(f"{self._shown}:segment {segment.number}")

    def _begin(self, segment: _Segment, name: str | None, *, named: bool) -> None:
        """Begin a paragraph of who is named, or of whoever spoke before."""
        if self._lines:
            self._line(segment, "")
        self._speaker = name
        label = f"**{name}:** " if name and named else ""
        self._paragraphs.append(len(self._lines))
        if named:
            self._labels.append((len(self._lines), len(label), name or ""))
        self._line(segment, label)

    def _clings(self, text: str) -> bool:
        """Whether a segment stands right behind the one before, without a space."""
        first, last = text.lstrip()[:1], self._last.rstrip()[-1:]
        if self._has_spaces:
            return not (text[:1].isspace() or self._last[-1:].isspace())
        return (
            _CLINGS.match(text.strip()) is not None
            or _OPENS.fullmatch(self._last.strip()) is not None
            or (_is_unspaced(first) and _is_unspaced(last))
        )

    def rendition(self) -> Rendition:
        """All that was written."""
        source = Source("\n".join(self._lines))
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line) + 1)
        labels: list[Label] = []
        for at, length, name in self._labels:
            source.leave_out(starts[at], starts[at] + length, "label")
            labels.append(Label(starts[at], starts[at] + length, at + 1, name))
        blocks: list[Block] = []
        for first, after in pairwise([*self._paragraphs, len(self._lines) + 1]):
            ends = [(at, starts[at], starts[at] + len(self._lines[at])) for at in range(first, after - 1)]
            lines = tuple(SourceLine(at + 1, source.stretch(start, end)) for at, start, end in ends)
            blocks.append(Block("paragraph", first + 1, ends[0][1], ends[-1][2], lines))
        return Rendition(
            source,
            self._shown,
            places=tuple(self._places) or (self._shown,),
            blocks=blocks,
            labels=labels if self._is_named else None,
            is_wrapped=True,
        )


def _is_unspaced(char: str) -> bool:
    """Whether a character is of a script without spaces between words."""
    return "\u2e80" <= char <= "\uffef" and not "\uac00" <= char <= "\ud7a3"
