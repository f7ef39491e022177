"""Edits: words of a script that are to be other words, in a file beside the manifest.

In: `<manifest>.edits.yaml` and the ledgers of the scripts as they are read without edits. Out: for each file the
`Change`s to be made in its text, and what is to be said of each edit. Knows no formats: `readers.edited` makes the
changes.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.errors import Problem, RequestError, did_you_mean
from pipeline.source.documents import Located, read_text, read_yaml
from pipeline.source.ledger import Change, Ledger
from pipeline.source.script import PlacedEdit

_MOST_NEAREST = 5  # of the edits whose words are gone: for these the nearest words are looked for
EDITS_ENDING = ".edits.yaml"
_KEYS = ("at", "old", "new", "file", "note")
_QUOTES = str.maketrans("‘’‚‛“”„‟«»", '\'\'\'\'""""""')
_SEEN = ("label", "cue", "direction", "pause", "time stamp", "markup", "page number", "footnote", "table", "picture")
_BARRIERS = ("front matter", "head", "boilerplate", "code", "contents", "template")  # no words go on after them
_TITLES = ("chapter title", "heading")
_SIGNS = "*_`~"
_BARRIER = "\0"
_SPACED = "\u2e80"  # from here on scripts write no spaces between words
_WITHOUT_SPACES = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"))

View = Literal["spoken", "seen"]


@dataclass(frozen=True)
class Edit:
    """`old` is to be `new`, where it stands within `at`; `file` is None for whichever script has it."""

    number: int  # in its file, from 1
    where: str
    old: str
    new: str
    at: str
    file: Path | None
    note: str


@dataclass(frozen=True)
class Edits:
    """What is to be changed in each file, where each edit is made, and what is wrong."""

    changes: Mapping[Path, Sequence[Change]] = field(default_factory=dict)
    placed: tuple[PlacedEdit, ...] = ()
    warnings: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()


def edits_file(manifest: Path) -> Path:
    """Where the edits of a manifest's script stand."""
    return manifest.with_name(f"{manifest.stem}{EDITS_ENDING}")


def load_edits(path: Path, files: Mapping[str, Path]) -> tuple[tuple[Edit, ...], list[Problem]]:
    """The edits in a file, and what is wrong with others in it; none where there is no such file.

    `files` are the scripts by their names in the manifest. Raises `RequestError` for what is no file of edits.
    """
    if not os.path.lexists(path):
        return (), []
    if not path.is_file():
        raise RequestError(Problem(str(path), "the edits are no file.", "Put a file there, or take it away."))
    located = read_yaml(read_text(path, str(path)), str(path))
    if located.data is None:
        return (), []
    if not isinstance(located.data, list):
        raise RequestError(Problem(f"{path}:1", "this is no list of edits.", 'Write each as - old: "…", new: "…".'))
    problems: list[Problem] = []
    edits = [_edit(located, index, files, problems) for index in range(len(located.data))]
    return tuple(edit for edit in edits if edit is not None), problems


def _edit(located: Located, index: int, files: Mapping[str, Path], problems: list[Problem]) -> Edit | None:
    """One edit; whatever is wrong with it goes to `problems`."""
    data: Any = located.data[index]
    known = len(problems)

    def wrong(key: str, what: str, fix: str) -> None:
        problems.append(Problem(located.where(index, key), what, fix))

    if not isinstance(data, dict):
        problems.append(Problem(located.where(index), "this is no edit.", 'Write it as - old: "…", new: "…".'))
        return None
    for key in data:
        if key not in _KEYS:
            wrong(key, f'unknown key "{key}".', did_you_mean(key, _KEYS))
    values = {key: data.get(key) for key in _KEYS}
    for key, value in values.items():
        if value is not None and not isinstance(value, str):
            wrong(key, f'"{key}" is no text.', "Write it in quotes.")
            values[key] = None
    old, new, at = (" ".join((values[key] or "").split()) for key in ("old", "new", "at"))
    if not old:
        wrong("old", 'there is no "old".', "Write the words that stand in the script.")
    if values["new"] is None:
        wrong("new", 'there is no "new".', 'Write the words that are to stand there, or "" to take the old ones out.')
    if at and old and old.translate(_QUOTES) not in at.translate(_QUOTES):
        wrong("at", 'the words of "at" do not contain those of "old".', "Write those of old: with a few around them.")
    if old and old == new:
        wrong("new", '"old" and "new" are the same.', "Correct one, or take the edit out.")
    name = values["file"]
    if name is not None and name not in files:
        wrong("file", f'the manifest names no script "{name}".', did_you_mean(name, files))
    if len(problems) > known:
        return None
    file = files[name] if name is not None else None
    return Edit(index + 1, located.where(index), old, new, at or old, file, values["note"] or "")


class _Hit(NamedTuple):
    """Where words stand: the file's index, and the first and the last character."""

    file: int
    start: int
    end: int


def place_edits(edits: Sequence[Edit], files: Sequence[tuple[Path, Ledger | None]]) -> Edits:
    """Find the words of each edit in the scripts as they are read without edits; None stands for one in YAML."""
    texts = [_Texts(ledger) for _path, ledger in files if ledger is not None]
    paths = [path for path, ledger in files if ledger is not None]
    warnings: list[Problem] = []
    problems: list[Problem] = []
    hits: list[tuple[_Hit, Edit]] = []
    for edit in edits:
        others = [index for index, path in enumerate(paths) if edit.file in (None, path)]
        if not others:
            what = "edits are for Markdown, plain text and documents, and this script is YAML or cannot be read."
            problems.append(Problem(edit.where, what, "Change the script's own file."))
            continue
        standing = _standing(edit, texts, others)
        if len(standing) == 1:
            hits.append((standing[0], edit))
        elif standing:
            places = ", ".join(texts[hit.file].where(hit.start) for hit in standing[:3])
            more = " …" if len(standing) > 3 else ""
            what = f'"{edit.old}" stands {len(standing)} times: {places}{more}.'
            problems.append(Problem(edit.where, what, "Write a few words around the one that is meant, as at: …"))
        else:
            is_shown = len(warnings) < _MOST_NEAREST  # looking for them takes long
            near = next((near for index in others if is_shown and (near := texts[index].nearest(edit.at))), "")
            hint = f'The nearest words are "{near}".' if near else "Take the edit out, or correct it."
            warnings.append(Problem(edit.where, f'"{edit.at}" no longer stands in the script.', hint))
    hits.sort(key=lambda pair: pair[0])
    changes: dict[Path, list[Change]] = {}
    for index, (hit, edit) in enumerate(hits):
        if index and hits[index - 1][0].file == hit.file and hits[index - 1][0].end > hit.start:
            what = f"edit {hits[index - 1][1].number} changes some of the same words."
            problems.append(Problem(edit.where, what, "Make one edit of the two."))
        start, end = texts[hit.file].whole(hit, takes_out=not edit.new)
        changes.setdefault(paths[hit.file], []).append(Change(start, end, edit.new))
    placed = sorted(PlacedEdit(e.number, e.where, texts[h.file].where(h.start), e.old, e.new, e.note) for h, e in hits)
    return Edits(changes, tuple(placed), tuple(warnings), tuple(problems))


def _standing(edit: Edit, texts: Sequence[_Texts], files: Sequence[int]) -> list[_Hit]:
    """Where the old words of an edit stand: as they are spoken, else as they are written; else with other quotes."""
    for is_folded in (False, True):
        for view in _VIEWS:
            hits = [
                _Hit(index, *place)
                for index in files
                for place in texts[index].find(edit.at, edit.old, view, is_folded)
            ]
            if hits:
                return list(dict.fromkeys(hits))
    return []


_VIEWS: tuple[View, ...] = ("spoken", "seen")


class _Texts:
    """A file's text as it is spoken and as it is seen, each character with its place."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._views = {view: _View(ledger, view) for view in _VIEWS}

    def where(self, position: int) -> str:
        """The place of a character in the words of its format."""
        return self._ledger.where(self._ledger.line(position))

    def find(self, at: str, old: str, view: View, is_folded: bool) -> Iterator[tuple[int, int]]:
        """Where `old` stands within `at`."""
        seen = self._views[view]
        text = seen.text
        if is_folded:
            text, at, old = text.translate(_QUOTES), at.translate(_QUOTES), old.translate(_QUOTES)
        for begin in _places(text, at):
            around = text[max(begin - 1, 0) : begin + len(at) + 1]
            skipped = min(begin, 1)
            for within in _places(around, old):
                first = begin - skipped + within
                if begin <= first and first + len(old) <= begin + len(at):
                    yield seen.starts[first], seen.ends[first + len(old) - 1]

    def whole(self, hit: _Hit, *, takes_out: bool) -> tuple[int, int]:
        """A place with both signs of an emphasis of which it has one, and with the gap that it would leave."""
        text, start, end = self._ledger.text, hit.start, hit.end
        if any(self._is_sign(at) for at in range(start, end)):
            while start and self._is_sign(start - 1):
                start -= 1
            while end < len(text) and self._is_sign(end):
                end += 1
        if takes_out and (end == len(text) or text[end].isspace() or text[end] in ",.;:!?…"):
            while start and text[start - 1] in " \t":
                start -= 1
        return start, end

    def _is_sign(self, at: int) -> bool:
        return self._ledger.text[at] in _SIGNS and self._ledger.entry_at(at).reason == "markup"

    def nearest(self, words: str) -> str:
        """The words of the file that are most like some, or ""."""
        spoken = self._views["spoken"].text.replace(_BARRIER, " ").split()
        wanted = words.split()
        known = {word.lower().strip(".,;:!?\"'") for word in wanted}
        if len(wanted) == 1:
            return next(iter(difflib.get_close_matches(words, dict.fromkeys(spoken), n=1)), "")
        windows: dict[str, None] = {}
        for index, word in enumerate(spoken):
            if word.lower().strip(".,;:!?\"'") in known and len(windows) < 5000:
                for first in range(max(index - len(wanted) + 1, 0), index + 1):
                    windows[" ".join(spoken[first : first + len(wanted)])] = None
        return next(iter(difflib.get_close_matches(words, windows, n=1)), "")


def _places(text: str, words: str) -> Iterator[int]:
    """Where words stand in a text, and are no parts of longer ones."""
    at = text.find(words)
    while at >= 0:
        end = at + len(words)
        if not (_is_joined(text[at - 1 : at], words[0]) or _is_joined(words[-1], text[end : end + 1])):
            yield at
        at = text.find(words, at + 1)


def _is_joined(before: str, after: str) -> bool:
    return before.isalnum() and after.isalnum() and not any(map(_is_unspaced, (before, after)))


def _is_unspaced(char: str) -> bool:
    return char >= _SPACED or any(first <= char <= last for first, last in _WITHOUT_SPACES)


class _View:
    """A text in which all white space is one space, and no words go over a `_BARRIER`."""

    def __init__(self, ledger: Ledger, view: View) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self._chars: list[str] = []
        turn: int | None = None
        for entry in ledger.entries:
            raw = ledger.text[entry.start : entry.end]
            if entry.reason is None:
                if turn not in (None, entry.turn):
                    self._add(_BARRIER, entry.start, entry.start)
                turn = entry.turn
            elif entry.reason == "label" and turn is not None and view == "seen":
                self._add(_BARRIER, entry.start, entry.start)
                turn = None
            if entry.words is not None and view == "spoken":
                for char in entry.words:
                    self._add(char, entry.start, entry.end)
            elif entry.reason is None or entry.reason in _TITLES or (view == "seen" and entry.reason in _SEEN):
                for at, char in enumerate(raw, entry.start):
                    self._add(char, at, at + 1)
            elif entry.reason in _BARRIERS:
                self._add(_BARRIER, entry.start, entry.end)
            elif raw[:1].isspace() or raw[-1:].isspace():
                self._add(" ", entry.start, entry.end)
        self.text = "".join(self._chars)

    def _add(self, char: str, start: int, end: int) -> None:
        char = " " if char.isspace() else char
        if char != " " or (self._chars and self._chars[-1] != " "):
            self._chars.append(char)
            self.starts.append(start)
            self.ends.append(end)
