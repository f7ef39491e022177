"""Subtitles: SRT and WebVTT, whose lines are speech and whose times are not.

In: the text of a file. Out: a `Rendition` whose paragraphs go over as many cues as a sentence does. Voices (`<v Ann>`)
are labels; what else tells who speaks (`ANN:`) is left to the election.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.errors import Problem
from pipeline.source.ledger import Source
from pipeline.source.prose.blocks import Block, SourceLine
from pipeline.source.readers.cue_labels import CueNames, begins_as_label, cue_names
from pipeline.source.readers.cue_marks import mark_sounds, mark_tags, voices_in
from pipeline.source.rendition import Rendition
from pipeline.source.script import Reading, name_key
from pipeline.source.speakers.forms import Label
from pipeline.source.voices import NARRATOR
from pipeline.words import counted

PARAGRAPH_GAP_S = 2.0  # of silence after the end of a sentence: a new paragraph begins

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2})(?:[.,:](\d{1,3}))?"
_SHOWN = 8  # names in a note
_MOST_ROLLED = 20  # lines of a cue; nobody shows more
_SILENCE_S = 1.0  # after which a line that comes again is said again
_TIMES = re.compile(rf"\s*(?:\d+\s+)?{_CLOCK}\s*-{{1,2}}>\s*{_CLOCK}(?:\s.*)?")
_NUMBER = re.compile(r"\s*\d{1,6}\s*")
_BLOCKS = ("NOTE", "STYLE", "REGION")
_SENTENCE_END = re.compile(r"[.!?…。！？♪][\"'”’»)\]♪\s]*$|[\])]\s*$")
_DASH = re.compile(r"\s*[-‐–—](?![-–—])\s*(?=[^\W\d_]|[\"'“‘¿¡\[(♪<{])")
_ARROWS = re.compile(r"\s*>{2,3}\s*(?=\S)")


def ends_sentence(text: str) -> bool:
    """Whether what is shown ends with a sentence, or with a bracket that stands for a sound."""
    return _SENTENCE_END.search(text) is not None


@dataclass
class _Shown:
    """A line of a cue: where it stands, and what is seen of it."""

    number: int
    start: int
    end: int
    text: str = ""


@dataclass
class _Timed:
    """A cue: from when to when it is shown (None: nobody knows), and its lines."""

    start_s: float | None
    end_s: float | None
    number: int
    lines: list[_Shown] = field(default_factory=list)


def subtitles_rendition(text: str, shown: str, reading: Reading) -> Rendition:
    """Subtitles as paragraphs: a new one begins where the speaker changes, or where a sentence and a silence of
    `PARAGRAPH_GAP_S` end together; in a file of hardly any sentences, at the silences.
    """
    source = Source(text)
    is_vtt = text.removeprefix("\ufeff").startswith("WEBVTT") or shown.lower().endswith(".vtt")
    cues = _Cues(source, is_vtt=is_vtt).read()
    reader = _Paragraphs(source, shown, cues, reading)
    reader.read()
    has_voices = bool(reader.labels)
    return Rendition(
        source,
        shown,
        blocks=reader.blocks,
        labels=reader.labels if has_voices else None,
        sure_labels=reader.sure_labels,
        warnings=reader.warnings,
        is_wrapped=True,
    )


class _Cues:
    """Finds times and what stands below them, whatever is broken; all that is neither is a cue's line."""

    def __init__(self, source: Source, *, is_vtt: bool) -> None:
        self._source = source
        self._is_vtt = is_vtt
        self._lines: list[_Shown] = []
        start = 0
        for number, text in enumerate(source.text.split("\n"), start=1):
            self._lines.append(_Shown(number, start, start + len(text), text.removeprefix("\ufeff")))
            start += len(text) + 1
        self._is_times = [_times(line.text) is not None for line in self._lines]
        self._heads = [at for at in range(1, len(self._lines)) if self._is_times[at] and not self._is_times[at - 1]]
        worded = sum(self._is_worded(at - 1) for at in self._heads)
        self._has_worded_names = 2 * worded > len(self._heads)

    def read(self) -> list[_Timed]:
        """The cues in the order of the file."""
        cues: list[_Timed] = []
        at = self._header()
        counted = 0
        while at < len(self._lines):
            line = self._lines[at]
            if (times := _times(line.text)) is not None:
                self._leave_out(at)
                cues.append(_Timed(*times, line.number))
            elif self._is_name(at, cues, counted):
                counted = int(line.text) if _NUMBER.fullmatch(line.text) else counted
                self._leave_out(at)
            elif self._opens_block(at):
                at = self._block(at)
                continue
            elif line.text.strip():
                cues = cues or [_Timed(None, None, line.number)]
                cues[-1].lines.append(line)
            at += 1
        return cues

    def _leave_out(self, at: int) -> None:
        self._source.leave_out(self._lines[at].start, self._lines[at].end, "time stamp")

    def _header(self) -> int:
        """Mark the header of WebVTT; where the rest begins."""
        if not self._lines[0].text.startswith("WEBVTT"):
            return 0
        at = 0
        while at < len(self._lines) and self._lines[at].text.strip() and not self._is_times[at]:
            self._source.leave_out(self._lines[at].start, self._lines[at].end, "front matter")
            at += 1
        return at

    def _opens_block(self, at: int) -> bool:
        word = self._lines[at].text.partition(" ")[0].partition("\t")[0].strip()
        is_alone = word == "NOTE" or self._lines[at].text.strip() == word
        return self._is_vtt and word in _BLOCKS and is_alone and self._is_after_gap(at)

    def _block(self, at: int) -> int:
        """Mark a comment or a style; where the rest begins."""
        is_note = self._lines[at].text.startswith("NOTE")
        first = at
        while at < len(self._lines) and self._lines[at].text.strip() and not self._is_times[at]:
            at += 1
        for line in self._lines[first:at]:
            self._source.leave_out(line.start, line.end, "comment" if is_note else "code")
        return at

    def _is_after_gap(self, at: int) -> bool:
        return at == 0 or not self._lines[at - 1].text.strip()

    def _is_worded(self, at: int) -> bool:
        """Whether a line may be a name of the cue below that is written in words."""
        text = self._lines[at].text.strip()
        return bool(text) and not _NUMBER.fullmatch(text) and self._is_after_gap(at)

    def _is_name(self, at: int, cues: Sequence[_Timed], counted: int) -> bool:
        """Whether a line is the number or the name of the cue below, and no line of the one before."""
        if at + 1 >= len(self._lines) or not self._is_times[at + 1] or not self._lines[at].text.strip():
            return False
        text = self._lines[at].text
        if _NUMBER.fullmatch(text):
            return self._is_after_gap(at) or not cues or int(text) == counted + 1
        is_name = (
            self._is_vtt and self._is_after_gap(at) and (self._has_worded_names or not cues or " " not in text.strip())
        )
        return is_name and "<" not in text


def _times(line: str) -> tuple[float, float] | None:
    """The seconds on a line of times; None where it is none."""
    match = _TIMES.fullmatch(line) if ">" in line else None
    if match is None:
        return None
    numbers = match.groups()
    return _seconds(*numbers[:4]), _seconds(*numbers[4:])


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int((fraction or "0").ljust(3, "0")) / 1000


class _Paragraphs:
    """Marks what is no speech in the lines of cues, and joins lines into paragraphs."""

    def __init__(self, source: Source, shown: str, cues: Sequence[_Timed], reading: Reading) -> None:
        self.blocks: list[Block] = []
        self.labels: list[Label] = []
        self.sure_labels: list[Label] = []
        self.warnings: list[Problem] = []
        self._source = source
        self._shown = shown
        self._cues = cues
        self._reading = reading
        self._names = CueNames()
        self._named = ""  # who speaks in the paragraph, by the label at its head
        self._waiting: list[_Shown] = []
        self._voice: str | None = None

    def read(self) -> None:
        """Make blocks and labels of the cues."""
        if self._cues and self._cues[0].start_s is None:
            self._warn(self._cues[0].number, "this has no time.", "It is read as it stands; look whether it belongs.")
        for cue in self._cues:
            self._mark_cue(cue)
        self._leave_out_repeats()
        self._warn_of_order()
        lines = [line for cue in self._cues for line in cue.lines if line.text]
        is_bare = 20 * sum(ends_sentence(line.text) for line in lines) < len(lines)
        dashed = self._mark_speakers()
        if self._reading.labels in (None, "plain") and "<v" not in self._source.text:
            shown = [next((line.text for line in cue.lines if self._see(line)), "") for cue in self._cues]
            known = {*map(name_key, self._reading.cast), *self._reading.aliases}
            excluded = set(map(name_key, self._reading.not_speakers))
            self._names = cue_names([text for text in shown if text], excluded, known)
            self._warn_of_doubts(lines)
        end_s: float | None = None
        for cue in self._cues:
            gap_s = 0.0 if end_s is None or cue.start_s is None else cue.start_s - end_s
            end_s = cue.end_s if cue.end_s is not None else end_s
            for index, line in enumerate(one for one in cue.lines if self._see(one)):
                last = self._waiting[-1].text if self._waiting else ""
                is_silence = not index and gap_s >= PARAGRAPH_GAP_S and (is_bare or ends_sentence(last))
                voice = self._first_voice(line)
                is_other = line.number in dashed or (voice is not None and voice != self._voice)
                is_label = begins_as_label(line.text, after_end=not last or ends_sentence(last))
                if is_silence or is_other or self._is_of_another(line) or (is_label and not self._is_named(line)):
                    self._flush()
                self._named = "" if is_label else self._named  # whom `_take_label` knows, or somebody else
                self._take_label(line)
                self._add(line)
        self._flush()

    def _warn(self, number: int, what: str, fix: str) -> None:
        self.warnings.append(Problem(f"{self._shown}:{number}", what, fix))

    def _warn_of_doubts(self, lines: Sequence[_Shown]) -> None:
        doubtful = self._names.doubtful
        if doubtful:
            number = next((line.number for line in lines if doubtful[0] in line.text), 1)
            more = " …" if len(doubtful) > _SHOWN else ""
            what = f"these stand once before a colon, as names do, and are read: {', '.join(doubtful[:_SHOWN])}{more}."
            self._warn(number, what, "Who speaks is named in speakers: of the manifest.")

    def _see(self, line: _Shown) -> str:
        """What is still to be seen of a line."""
        line.text = self._source.stretch(line.start, line.end).text.strip()
        return line.text

    def _mark_cue(self, cue: _Timed) -> None:
        """Mark the tags of a cue; what is seen of its lines then."""
        for line in cue.lines:
            mark_tags(self._source, line.start, line.end)
            self._see(line)

    def _leave_out_repeats(self) -> None:
        """Lines that only roll on to the next cue, and cues that stand twice at one time: said once."""
        pairs = list(pairwise(self._cues))
        rolled = [_rolled(before, cue) for before, cue in pairs]
        grown = [_grown(before, cue) for before, cue in pairs]
        is_rolling = len(pairs) > 2 and 10 * sum(map(any, zip(rolled, grown, strict=True))) > 3 * len(pairs)
        marks: list[tuple[int, int]] = []
        for (before, cue), count, prefix in zip(pairs, rolled, grown, strict=True):
            lines = [line for line in cue.lines if line.text]
            same = (before.start_s, before.end_s) == (cue.start_s, cue.end_s) and cue.start_s is not None
            if same and [line.text for line in lines] == [line.text for line in before.lines if line.text]:
                marks += ((line.start, line.end) for line in lines)
            elif is_rolling:
                marks += ((line.start, line.end) for line in lines[:count])
            if is_rolling and prefix and not count:
                span = self._source.stretch(lines[0].start, lines[0].end)
                first = span.strip()[0]
                marks.append((span.place(first), span.end(first + prefix)))
        for start, end in marks:
            self._source.leave_out(start, end, "cue")
        if marks:
            what = f"{counted(len(marks), 'line')} shown again in the next cue, and said once."
            self._warn(1, what, "If they are said again, write them into one cue.")

    def _warn_of_order(self) -> None:
        starts = [(cue.start_s, cue.number) for cue in self._cues if cue.start_s is not None]
        late = [number for (before_s, _), (start_s, number) in pairwise(starts) if start_s < before_s]
        if late:
            what = f"{len(late)} cues begin before the one above them."
            self._warn(late[0], what, "They are read as they stand; sort them if that is wrong.")

    def _mark_speakers(self) -> set[int]:
        """Mark sounds, and the dashes and arrows before what another says; the lines that begin so."""
        dashes = [
            line
            for cue in self._cues
            if sum(_DASH.match(line.text) is not None for line in cue.lines) > 1
            for line in cue.lines
            if _DASH.match(line.text)
        ]
        others: set[int] = set()
        for cue in self._cues:
            for line in cue.lines:
                span = self._source.stretch(line.start, line.end)
                match = _ARROWS.match(span.text) or _DASH.match(span.text)
                is_sign = match and (
                    ">" in match[0] or dashes or begins_as_label(span.text[match.end() :], after_end=True)
                )
                if match and is_sign:
                    span.leave_out(*match.span(), "markup")
                    others.add(line.number)
            mark_sounds(self._source, [(line.start, line.end) for line in cue.lines])
        if dashes and not any("<v" in self._source.text[line.start : line.end] for line in dashes):
            counts = Counter(line.text[:1] for line in dashes)
            what = f'"{counts.most_common(1)[0][0]}" stands {len(dashes)} times for another speaker, without a name.'
            self._warn(dashes[0].number, what, "Write a name in the place of each, or all is read in one voice.")
        return others

    def _is_named(self, line: _Shown) -> bool:
        return self._names.in_every_cue and self._names.label_of(line.text) is not None

    def _is_of_another(self, line: _Shown) -> bool:
        """Whether a label at the head of a line names somebody else than that of the paragraph."""
        label = self._names.label_of(line.text)
        return label is not None and (label.key != self._named or not self._names.in_every_cue)

    def _take_label(self, line: _Shown) -> None:
        """Where every cue bears a label: it heads a paragraph, or only says once more who goes on."""
        label = self._names.label_of(line.text) if self._names.in_every_cue else None
        if label is None:
            self._named = "" if self._names.begins_within(line.text) else self._named
            return
        span = self._source.stretch(line.start, line.end)
        first = len(span.text) - len(span.text.lstrip())
        if self._waiting:
            span.leave_out(first, first + label.end, "label")
            self._see(line)
        else:
            start, end = span.place(first), span.end(first + label.end)
            self.sure_labels.append(Label(start, end, line.number, label.name))
        self._named = "" if self._names.begins_within(line.text[label.end :]) else label.key

    def _first_voice(self, line: _Shown) -> str | None:
        """Who speaks at the head of a line, where a voice is named there."""
        for start, _end, name in voices_in(self._source.text, line.start, line.end):
            if not self._source.stretch(line.start, start).text.strip():
                return narrated(name)
            break
        return None

    def _add(self, line: _Shown) -> None:
        """A line of the paragraph, cut at the voices in it."""
        for start, end, written in voices_in(self._source.text, line.start, line.end):
            name = narrated(written)
            if name != self._voice or not self._waiting:
                self.labels.append(Label(start, end, line.number, name))
            self._voice = name
        self._waiting.append(line)

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        if not lines:
            return
        for before, after in pairwise(lines):  # one line end stays for each
            self._source.leave_out(before.end + 1, after.start, "time stamp")
        seen = tuple(SourceLine(line.number, self._source.stretch(line.start, line.end)) for line in lines)
        self.blocks.append(Block("paragraph", lines[0].number, lines[0].start, lines[-1].end, seen))


def narrated(name: str) -> str:
    """The name of a voice as labels have it: nobody's for the narrator, whom transcripts name."""
    return "" if name_key(name) == name_key(NARRATOR) else name


def _follows(before: _Timed, cue: _Timed) -> bool:
    """Whether a cue comes without a silence after the one before, so that its lines may have stayed on the screen."""
    return before.end_s is None or cue.start_s is None or cue.start_s - before.end_s < _SILENCE_S


def _rolled(before: _Timed, cue: _Timed) -> int:
    """How many lines of a cue are the last ones of the cue before."""
    last = [line.text for line in before.lines if line.text]
    texts = [line.text for line in cue.lines if line.text]
    most = min(len(texts), len(last), _MOST_ROLLED)
    rolled = next((count for count in range(most, 0, -1) if last[-count:] == texts[:count]), 0)
    return 0 if rolled == len(texts) and not _follows(before, cue) else rolled  # "Go!", and later "Go!" again


def _grown(before: _Timed, cue: _Timed) -> int:
    """How many characters of a cue's first line the last line of the cue before has shown already."""
    last = next((line.text for line in reversed(before.lines) if line.text), "")
    first = next((line.text for line in cue.lines if line.text), "")
    return len(last) if last and first.startswith(f"{last} ") else 0
