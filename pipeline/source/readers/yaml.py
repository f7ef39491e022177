"""YAML and JSON: a script as chapters and turns, written down as data.

In: the text of a YAML or JSON file. Out: a `Script` with its ledger, or every problem in it at once. The text of a turn
follows Markdown's rules, but nothing in it is a label, a heading or a definition.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.errors import Problem, did_you_mean, raise_if_any
from pipeline.source.documents import Data, Located, YamlPath, read_yaml
from pipeline.source.ledger import Entry, Ledger, Reason, Source
from pipeline.source.readers import markdown
from pipeline.source.script import MAX_PAUSE_S, MOST_TAKES, Reading, Script, ScriptWriter

_TURN_KEYS = ("speaker", "text", "pause_s", "voice", "takes")
_COMMENT = re.compile(r"(?<!\S)#[^\n]*")
_PROPERTIES = re.compile(r"(?:[!&]\S*\s+(?:#[^\n]*\n\s*)*)+")
_BREAKS = "\n\x85\u2028\u2029"
_FOLD = rf"(?P<fold>[ \t]*+[{_BREAKS}][ \t{_BREAKS}]*+)"
_SPACES = rf"[ \t]++(?![{_BREAKS}])"
_FLOW = {  # what a scalar is made of, by its quote
    '"': re.compile(
        rf"\\\n[ \t]*+|{_FOLD}|(?P<escape>\\(?:x..|u.{{4}}|U.{{8}}|.))"
        rf"|(?P<text>(?:[^\\\"\s]|[^\S \t{_BREAKS}]|{_SPACES})++)",
        re.DOTALL,
    ),
    "'": re.compile(rf"{_FOLD}|(?P<quote>'')|(?P<text>(?:[^'\s]|[^\S \t{_BREAKS}]|{_SPACES})++)"),
    "": re.compile(rf"{_FOLD}|(?P<text>(?:\S|[^\S \t{_BREAKS}]|{_SPACES})++)"),
}


def parse_yaml(text: str, shown: str, *, title: str, reading: Reading | None = None) -> Script:
    """One YAML or JSON file as a script: `chapters` with `turns`, a list of chapters, `turns`, or a list of turns.

    A turn is a mapping with a text, or `Ann: Hello.`
    """
    reader = _YamlScript(text, read_yaml(text, shown), title, reading or Reading())
    reader.read()
    raise_if_any(reader.problems)
    chapters, warnings = tuple(reader.writer.chapters), (*reader.warnings, *reader.writer.warnings)
    return Script(chapters, warnings, (Ledger(shown, text, tuple(_complete(text, reader.entries))),))


class _YamlScript:
    """Walks the data of a YAML script, writing what is right and collecting what is wrong."""

    def __init__(self, text: str, located: Located, title: str, reading: Reading) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.entries: list[Entry] = []
        self.writer = ScriptWriter(title, located.where(), reading.kind)
        self._text = text
        self._located = located
        self._title = title
        self._reading = reading

    def read(self) -> None:
        """Read the whole document."""
        data = self._located.data
        if isinstance(data, dict) and "turns" in data and "chapters" not in data:
            self._keys(data, (), ("turns",))
            self._turns(data["turns"], ("turns",))
        elif isinstance(data, dict):
            self._keys(data, (), ("chapters",))
            self._chapters(data.get("chapters"), ("chapters",))
        elif isinstance(data, list) and data and not any(isinstance(one, dict) and "turns" in one for one in data):
            self._turns(data, ())
        else:
            self._chapters(data, ())
        self.writer.close_chapter()

    def _problem(self, path: YamlPath, what: str, fix: str) -> None:
        self.problems.append(Problem(self._located.where(*path), what, fix))

    def _keys(self, data: dict[str, Data], path: YamlPath, known: Sequence[str]) -> None:
        for key in data:
            if key not in known:
                self._problem((*path, key), f'"{key}" is not known here.', did_you_mean(key, known))

    def _list(self, data: Data, path: YamlPath, of: str) -> list[tuple[YamlPath, dict[str, Data]]]:
        """The mappings of a list with their paths; anything else in it, or instead of it, is a problem."""
        if not isinstance(data, list):
            self._problem(path, f"there is no list of {of} here.", f"Write {of} as a list of mappings.")
            return []
        mappings: list[tuple[YamlPath, dict[str, Data]]] = []
        for index, item in enumerate(data):
            if isinstance(item, dict):
                mappings.append(((*path, index), item))
            else:
                hint = "Write it as - Ann: …, or - text: …" if of == "turns" else "Write it as key: value."
                self._problem((*path, index), f"this is no mapping in the {of}.", hint)
        return mappings

    def _chapters(self, data: Data, path: YamlPath) -> None:
        for number, (chapter_path, chapter) in enumerate(self._list(data, path, "chapters"), start=1):
            self._keys(chapter, chapter_path, ("title", "turns"))
            title = self._string(chapter, chapter_path, "title")
            name = self._title if number == 1 else f"Chapter {number}"
            source = Source(self._value((*chapter_path, "title")) if title is not None else "")
            if title is not None:
                name = markdown.mark_title(source) or name
            turn = self.writer.count
            self.writer.begin_chapter(
                name, self._located.where(*chapter_path), announced=name if title is not None else ""
            )
            by: int | Reason = turn if self.writer.count > turn else "chapter title"
            self._transfer((*chapter_path, "title"), source.entries([(0, len(source.text), by)]))
            self._turns(chapter.get("turns"), (*chapter_path, "turns"))

    def _value(self, path: YamlPath) -> str:
        data = self._located.data
        for key in path:
            data = data[key]
        return str(data)

    def _turns(self, data: Data, path: YamlPath) -> None:
        for turn_path, turn in self._list(data, path, "turns"):
            (name, *others) = turn or ("",)
            if not others and _is_speaker(name) and (turn[name] is None or not str(turn[name]).strip()):
                self._problem((*turn_path, name), f'"{name}" says nothing here.', "Write a text, or remove the turn.")
            elif not others and _is_speaker(name) and isinstance(turn[name], str):
                self.entries += self._whole(self._located.keys.get((*turn_path, name)), "label")
                self._say(name, turn[name], (*turn_path, name), (*turn_path, name))
            else:
                self._turn(turn, turn_path)

    def _turn(self, turn: dict[str, Data], path: YamlPath) -> None:
        self._keys(turn, path, _TURN_KEYS)
        text = self._string(turn, path, "text")
        if turn.get("text") is None:
            self._problem(path, "the turn has no text.", "Give it one, or remove the turn.")
        speaker = self._string(turn, path, "speaker")
        self.entries += self._whole(self._located.places.get((*path, "speaker")), "label")
        if turn.get("pause_s") is not None:
            pause_s = self._pause(turn["pause_s"], (*path, "pause_s"))
            self.writer.add_pause(pause_s, self._located.where(*path, "text"))
        self.writer.voice = self._string(turn, path, "voice")
        self.writer.takes = self._takes(turn, path)
        self._say(speaker, text, (*path, "text"), path)
        self.writer.voice, self.writer.takes = None, 0

    def _takes(self, turn: dict[str, Data], path: YamlPath) -> int:
        """How many takes of it are wanted; 0 where nothing is said of that."""
        value = turn.get("takes")
        if value is None:
            return 0
        if isinstance(value, str) and value.isdecimal() and 1 <= int(value) <= MOST_TAKES:
            return int(value)
        what = f'"takes" has to be a whole number from 1 to {MOST_TAKES}.'
        self._problem((*path, "takes"), what, "Write a number such as 3.")
        return 0

    def _say(self, name: str | None, text: Data, text_path: YamlPath, path: YamlPath) -> None:
        """Write what `name` says, in paragraphs of their own."""
        speaker = None if name is None else self._reading.known_name(name) or " ".join(name.split())
        pieces, source, warnings = markdown.body_pieces(str(text or ""), self._located.where(*text_path), speaker)
        self.warnings += warnings
        self.writer.speaker = speaker
        spoken: list[tuple[int, int, int | Reason]] = []
        for piece in pieces:
            if speaker is not None and piece.what == "speaker":
                what = f"the text names [{piece.text}], and the turn has a speaker."
                self._problem(text_path if text_path in self._located.lines else path, what, "Remove one of the two.")
            elif speaker is None or piece.what != "paragraph":
                if speaker is not None and piece.what == "text":
                    self.writer.speaker = speaker  # a turn keeps its speaker across its own scene breaks
                turn = self.writer.take(piece)
                if turn is not None:
                    spoken.append((*piece.place, turn))
        self._transfer(text_path, source.entries(spoken))

    def _string(self, data: dict[str, Data], path: YamlPath, key: str) -> str | None:
        """The text at `key`, or None when there is none; an empty one or a list is a problem."""
        value = data.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value.strip():
            return value if key == "text" else " ".join(value.split())
        what = "is empty." if isinstance(value, str) else "is not text."
        self._problem((*path, key), f'"{key}" {what}', "Write a text, or leave the line out.")
        return None

    def _pause(self, value: Data, path: YamlPath) -> float:
        try:
            seconds = float(value) if isinstance(value, str) else -1.0
        except ValueError:
            seconds = -1.0
        if 0 <= seconds <= MAX_PAUSE_S:
            return seconds
        what = f'"pause_s" has to be a number of seconds from 0 to {MAX_PAUSE_S:.0f}.'
        self._problem(path, what, "Write a number such as 1.5.")
        return 0.0

    @staticmethod
    def _whole(place: tuple[int, int] | None, reason: Reason) -> Iterator[Entry]:
        if place is not None:
            yield Entry(*place, reason)

    def _transfer(self, path: YamlPath, entries: Sequence[Entry]) -> None:
        """Note what becomes of the value at `path`, at its place in the file."""
        if path not in self._located.places or not entries:
            return
        start, end = self._located.places[path]
        runs = list(_runs(self._value(path), self._text[start:end]))
        ends = [run.end for run in runs]
        for entry in entries:
            for index in range(bisect_right(ends, entry.start), len(runs)):
                run = runs[index]
                low, high = max(entry.start, run.start), min(entry.end, run.end)
                if low >= high:
                    break
                at = start + run.at + (low - run.start if run.verbatim else 0)
                stop = start + run.at + (high - run.start if run.verbatim else run.length)
                if entry.words is not None:
                    words = entry.words if low == entry.start else ""
                    self.entries.append(entry._replace(start=at, end=stop, words=words))
                elif entry.reason is None and not run.verbatim:
                    said = self._value(path)[low:high]
                    self.entries.append(Entry(at, stop, None, entry.turn, said, "escape"))
                else:
                    self.entries.append(entry._replace(start=at, end=stop))


def _is_speaker(key: str) -> bool:
    """Whether the only key of a turn is the name of who speaks, and no key that was mistyped."""
    return (
        bool(key.strip())
        and (key[0].isupper() or not difflib.get_close_matches(key, _TURN_KEYS))
        and key not in _TURN_KEYS
    )


class _Written(NamedTuple):
    """Characters of a scalar's value and where they are written: as they are, or as an escape."""

    start: int
    end: int
    at: int
    length: int
    verbatim: bool


def _runs(value: str, raw: str) -> Iterator[_Written]:
    """The characters of `value` in `raw`, the scalar as it is written in the file, with its tag and anchor."""
    properties = _PROPERTIES.match(raw)
    at = properties.end() if properties else 0
    if raw[at : at + 1] in "|>":
        yield from _runs_of_block(value, raw, raw.find("\n", at) + 1)
    else:
        quote = raw[at] if raw[at] in _FLOW else ""
        yield from _runs_of_flow(value, raw, at + len(quote), _FLOW[quote])


def _runs_of_flow(value: str, raw: str, at: int, pattern: re.Pattern[str]) -> Iterator[_Written]:
    """Those of a scalar on one line, or on several of which each end is a space."""
    index = 0
    while index < len(value) and (match := pattern.match(raw, at)):
        start, at = index, match.end()
        match match.lastgroup:
            case "fold":
                breaks = match[0].strip(" \t").replace(" ", "").replace("\t", "")
                kept = breaks[0] in "\u2028\u2029"  # which folding leaves as they are
                index += len(breaks) if kept else max(len(breaks) - 1, 1)
            case "escape":
                if match["escape"][1] == "u" and ord(value[index]) > 0xFFFF:  # a pair of surrogates
                    at += len(match[0])
                index += 1
                yield _Written(start, index, match.start(), at - match.start(), False)
            case "quote":
                index += 1
                yield _Written(start, index, match.start(), 1, True)
            case "text":
                index += len(match[0])
                yield _Written(start, index, match.start(), len(match[0]), True)


def _runs_of_block(value: str, raw: str, at: int) -> Iterator[_Written]:
    """Those of a scalar after `|` or `>`: what the value lacks is indentation, or a line end that became a space."""
    index = begin = 0
    begin_at = at
    while index < len(value) and at < len(raw):
        if raw[at] == value[index]:
            index, at = index + 1, at + 1
            continue
        if index > begin:
            yield _Written(begin, index, begin_at, index - begin, True)
        if value[index].isspace():
            index, at = index + 1, at + raw[at].isspace()
        else:
            at += 1
        begin, begin_at = index, at
    if index > begin:
        yield _Written(begin, index, begin_at, index - begin, True)


def _complete(text: str, entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries in order, and between them the comments and the keys and signs of the file."""
    at = 0
    for entry in sorted(entries):
        if entry.start < at:
            continue
        yield from _between(text, at, entry.start)
        yield entry
        at = entry.end
    yield from _between(text, at, len(text))


def _between(text: str, start: int, end: int) -> Iterator[Entry]:
    for match in _COMMENT.finditer(text, start, end):
        if match.start() > start:
            yield Entry(start, match.start(), "structure")
        yield Entry(*match.span(), "comment")
        start = match.end()
    if start < end:
        yield Entry(start, end, "structure")
