"""Ledger: what becomes of every character of a source.

A reader builds no text. It *marks* characters of a `Source`: with the reason for which they are left out, or with the
words that stand for them. What is spoken is put together of the characters that bear no mark, so that nothing can
disappear without a reason. Knows no formats, chapters or voices.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

Reason = Literal[
    "label",
    "time stamp",
    "cue",
    "direction",
    "pause",
    "chapter title",
    "heading",
    "front matter",
    "boilerplate",
    "contents",
    "head",
    "comment",
    "struck out",
    "template",
    "code",
    "link target",
    "picture",
    "table",
    "footnote",
    "page number",
    "markup",
    "edit",
    "hidden",
    "ruby",
    "structure",
    "control character",
    "unread",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why a character is not spoken. "hidden" is what the file itself does not show, "edit" what an edit has replaced,
"head" what a document of HTML holds for browsers, its title and styles,
"structure" what is no text in a YAML script; "unread" would be a fault of ours."""

_SPOKEN, _REPLACED = 0, 255
_CODES = {reason: code for code, reason in enumerate(REASONS, start=1)}
_TABLES = {code: bytes([code, *range(1, 255), code]) for code in _CODES.values()}
_RUNS = re.compile(rb"\x00+|\xff+")
_RUN_OF = {code: re.compile(re.escape(bytes([code])) + b"+") for code in (_SPOKEN, _REPLACED, *_CODES.values())}
_IN_LINES = ("footnote", "structure", "contents")  # reasons that are given line by line
_WORDS = re.compile(r"[^\W_]")


class Entry(NamedTuple):
    """The characters from `start` to `end`, and what becomes of them."""

    start: int
    end: int
    reason: Reason | None  # why they are not spoken; None: they are
    turn: int | None = None  # which turn of the script speaks them
    words: str | None = None  # what is spoken in their place
    rule: str = ""  # why that stands in their place


class Change(NamedTuple):
    """The words that are to stand in the place of the characters from `start` to `end`."""

    start: int
    end: int
    words: str


class Passage(NamedTuple):
    """Words of a source that are not spoken as they stand: why, and what is spoken in their place."""

    where: str
    text: str
    reason: str
    words: str | None = None


@dataclass(frozen=True)
class Ledger:
    """A source, `\\n` at its line ends, in entries that follow one another without a gap."""

    shown: str
    text: str
    entries: tuple[Entry, ...]
    places: tuple[str, ...] = ()  # where each line stands in the file, if its number does not tell

    def where(self, line: int) -> str:
        """Where a line, counted from 1, stands in the file."""
        return self.places[line - 1] if self.places else f"{self.shown}:{line}"

    def line(self, position: int) -> int:
        """The number of the line on which a character stands."""
        return self.text.count("\n", 0, position) + 1

    def entry_at(self, position: int) -> Entry:
        """What becomes of a character."""
        return self.entries[bisect_right(self.entries, position, key=lambda entry: entry.start) - 1]

    def words(self, entry: Entry) -> str:
        """What of an entry is more than punctuation, on one line; "" where nothing is."""
        text = self.text[entry.start : entry.end]
        return " ".join(text.split()) if _WORDS.search(text) else ""

    def passages(self) -> Iterator[Passage]:
        """All that is not spoken as it stands, in order; those of one reason that only signs part on a line are one."""
        line, at = 1, 0
        run: list[Entry] = []
        for entry in self.entries:
            text = self.words(entry)
            if not text and entry.words is None:
                continue
            reason = entry.reason or entry.rule
            goes_on = bool(run) and entry.words is None and run[0].words is None and run[0].reason == reason
            if goes_on and reason not in _IN_LINES:
                goes_on = "\n" not in self.text[run[-1].end : entry.start]
            if run and not goes_on:
                line, at = line + self.text.count("\n", at, run[0].start), run[0].start
                yield self._passage(run, line)
                run = []
            if reason:
                run.append(entry)
        if run:
            yield self._passage(run, line + self.text.count("\n", at, run[0].start))

    def _passage(self, run: Sequence[Entry], line: int) -> Passage:
        first = run[0]
        text = " ".join(self.text[first.start : run[-1].end].split())
        return Passage(self.where(line), text, first.reason or first.rule, first.words)

    def moved(self, turns: int) -> Ledger:
        """The same where `turns` turns of other sources go before."""
        if not turns:
            return self
        entries = (entry if entry.turn is None else entry._replace(turn=entry.turn + turns) for entry in self.entries)
        return replace(self, entries=tuple(entries))


class Source:
    """A text of which a reader marks what is not spoken as it stands. The first reason for a character holds."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._marks = bytearray(len(text))
        self._replaced: dict[int, tuple[int, str, str]] = {}  # by its start: end, words, rule

    def leave_out(self, start: int, end: int, reason: Reason) -> None:
        """Mark the characters from `start` to `end` as not spoken."""
        self._mark(start, end, _CODES[reason])

    def replace(self, start: int, end: int, words: str, rule: str) -> bool:
        """Let `words` be spoken in place of what stands from `start` to `end`; not where a letter is marked there."""
        marks = self._marks[start:end]
        if start >= end or (
            any(marks) and any(m and c.isalnum() for m, c in zip(marks, self.text[start:end], strict=True))
        ):
            return False
        self._marks[start:end] = bytes([_REPLACED]) * (end - start)
        self._replaced[start] = (end, words, rule)
        return True

    def edited(self, changes: Sequence[Change]) -> Source:
        """The same text with new words right behind the old ones, which are left out; `changes` are in order.

        Where all old ones were left out already, the new ones are for the same reason.
        """
        pieces: list[str] = []
        marks = bytearray()
        at = 0
        replaced = sorted(self._replaced.items())
        edited: dict[int, tuple[int, str, str]] = {}
        for change in (*changes, Change(len(self.text), len(self.text), "")):
            moved = len(marks) - at
            old = self._marks[change.start : change.end]
            codes = set(old)
            new = bytes([codes.pop() if len(codes) == 1 and not codes & {_SPOKEN, _REPLACED} else _SPOKEN])
            edited.update(
                (start + moved, (end + moved, words, rule))
                for start, (end, words, rule) in replaced
                if at <= start < change.start
            )
            pieces += self.text[at : change.end], change.words
            marks += self._marks[at : change.start] + old.translate(_TABLES[_CODES["edit"]]) + new * len(change.words)
            at = change.end
        source = Source("".join(pieces))
        source._marks, source._replaced = marks, edited
        return source

    def _mark(self, start: int, end: int, code: int) -> None:
        self._marks[start:end] = self._marks[start:end].translate(_TABLES[code])

    def is_marked(self, start: int, end: int) -> bool:
        """Whether any character from `start` to `end` is left out or replaced."""
        return self._marks.count(_SPOKEN, start, end) != max(end - start, 0)

    def stretch(self, start: int, end: int) -> Stretch:
        """What is still to be spoken between two places."""
        if self._marks.count(_SPOKEN, start, end) == end - start > 0:  # nothing is marked
            return Stretch(self, [(start, end, self.text[start:end])])
        pieces: list[tuple[int, int, str]] = []
        for run in _RUNS.finditer(self._marks, start, end):
            at, stop = run.span()
            if self._marks[at] == _SPOKEN:
                pieces.append((at, stop, self.text[at:stop]))
                continue
            while at < stop:
                after, words, _rule = self._replaced.get(at, (at + 1, "", ""))
                pieces.append((at, after, words))
                at = after
        return Stretch(self, pieces)

    def entries(self, spoken: Sequence[tuple[int, int, int | Reason]]) -> tuple[Entry, ...]:
        """All characters: `spoken` are the ranges, in order, that turns speak, or that are not spoken for a reason."""
        cuts = sorted({0, len(self.text), *(place for start, end, _by in spoken for place in (start, end))})
        starts = [start for start, _end, _by in spoken]
        entries: list[Entry] = []
        for start, end in pairwise(cuts):
            index = bisect_right(starts, start) - 1
            by: int | Reason | None = spoken[index][2] if index >= 0 and start < spoken[index][1] else None
            entries += self._entries(start, end, by)
        return tuple(entries)

    def _entries(self, start: int, end: int, by: int | Reason | None) -> Iterator[Entry]:
        turn = by if isinstance(by, int) else None
        while start < end:
            at, code = start, self._marks[start]
            match = _RUN_OF[code].match(self._marks, start, end)
            start = stop = match.end() if match else end
            if code not in (_SPOKEN, _REPLACED):
                yield Entry(at, stop, REASONS[code - 1])
            elif turn is None:
                stands = code == _SPOKEN and _WORDS.search(self.text, at, stop)
                empty: Reason = "unread" if stands else "markup"
                yield Entry(at, stop, by if isinstance(by, str) else empty)
            elif code == _SPOKEN:
                yield Entry(at, stop, None, turn)
            else:
                while at < stop:
                    after, words, rule = self._replaced.get(at, (stop, "", ""))
                    yield Entry(at, min(after, stop), None, turn, words, rule)
                    at = after


class Stretch:
    """A stretch of a source without what is left out, its replacements in place, as one text."""

    def __init__(self, source: Source, pieces: Sequence[tuple[int, int, str]]) -> None:
        self.text = pieces[0][2] if len(pieces) == 1 else "".join(words for _start, _end, words in pieces)
        self._source = source
        self._pieces = pieces
        self._begins = [0]
        for _start, _end, words in pieces[:-1]:
            self._begins.append(self._begins[-1] + len(words))

    def place(self, index: int) -> int:
        """Where in the source the character at `index` stands; at the end of the text, where the span ends."""
        if not self._pieces:
            return 0
        if index >= len(self.text):
            return self._pieces[-1][1]
        which = bisect_right(self._begins, index) - 1
        start, end, words = self._pieces[which]
        return start + index - self._begins[which] if end - start == len(words) else start

    def end(self, index: int) -> int:
        """Where in the source the text before `index` ends."""
        if index <= 0 or not self._pieces:
            return self.place(0)
        which = bisect_right(self._begins, index - 1) - 1
        start, end, words = self._pieces[which]
        return start + index - self._begins[which] if end - start == len(words) else end

    def leave_out(self, start: int, end: int, reason: Reason) -> None:
        """Mark the characters from `start` to `end` of this text as not spoken."""
        if start < end:
            self._source.leave_out(self.place(start), self.end(end), reason)

    def replace(self, start: int, end: int, words: str, rule: str) -> bool:
        """Let `words` be spoken in place of the characters from `start` to `end` of this text, if none is marked."""
        return start < end and self._source.replace(self.place(start), self.end(end), words, rule)

    def rest(self) -> Stretch:
        """What of it is still to be spoken as it stands, now that more is marked."""
        return self._source.stretch(self.place(0), self.end(len(self.text)))

    def strip(self) -> tuple[int, int]:
        """Where the text begins and ends without the white space around it."""
        return len(self.text) - len(self.text.lstrip()), len(self.text.rstrip())


def display(text: str) -> str:
    """Marked text as it is displayed: composed characters and single spaces."""
    for invisible in "\u00ad\u2060\ufeff" if not text.isascii() else "":
        text = text.replace(invisible, "")
    text = " ".join(text.split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)
