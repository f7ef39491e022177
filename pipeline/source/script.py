"""Script: what is said, by whom, in which chapter.

In: the pieces that a reader finds in a file, in the order they are heard. Out: a `Script` of chapters and turns, with
the place of each turn in its file. Knows no formats, voices, engines or byte budgets.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.errors import Problem
from pipeline.source.ledger import Ledger
from pipeline.source.spoken.text import has_speech

# "heading" follows a heading that is spoken: it sounds like a scene break, and may share a chunk like a paragraph
Border = Literal["chapter", "scene", "heading", "turn", "paragraph"]
Kind = Literal["podcast", "audiobook"]

MAX_PAUSE_S = 60.0
MOST_TAKES = 20  # of one text, to choose from


@dataclass(frozen=True)
class Reading:
    """How a source is read: what its producer has said of it. What is left out is told by the source itself."""

    kind: Kind = "podcast"
    language: str = "en"
    cast: tuple[str, ...] = ()  # names of speakers, whatever they look like
    not_speakers: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)  # other names of a speaker, in lower case
    labels: str | None = None  # the only form of labels, or "none"
    chapters_at: int | None = None  # the level of headings that begin chapters
    read: tuple[str, ...] = ()  # documents of a book that are read, by their names or titles
    skip: tuple[str, ...] = ()  # and those that are not
    action: bool = False  # whether the narrator reads what happens in a screenplay

    def known_name(self, name: str) -> str | None:
        """The name that the producer has given a speaker, for one in whatever case, or for an alias of it."""
        key = name_key(name)
        return self.aliases.get(key) or next((known for known in self.cast if name_key(known) == key), None)


@dataclass(frozen=True)
class Metadata:
    """What a script file tells of itself; "" where it says nothing. `language` is a code such as "en" or "de-AT"."""

    title: str = ""
    author: str = ""
    language: str = ""
    description: str = ""


def name_key(name: str) -> str:
    """What names are compared by: `ANN` and `Ann` are one."""
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


class Piece(NamedTuple):
    """One thing a line says: a heading and its text, a speaker and the name, a pause and its length.

    `place` is where its text stands in the source.
    """

    what: Literal["chapter", "heading", "scene", "speaker", "paragraph", "text", "pause"]
    text: str
    where: str
    pause_s: float = 0.0
    place: tuple[int, int] = (0, 0)
    title: str = ""  # of a chapter, where that is not what is said of it


@dataclass(frozen=True)
class Turn:
    """One paragraph of one speaker as displayed: no markup, single spaces, tags such as (laughs) kept."""

    speaker: str | None  # None is the narrator
    text: str
    border: Border  # what lies between this turn and the one before it
    where: str  # "manifests/dune.md:14"
    pause_s: float | None = None  # a pause written before this turn; it replaces the border's own
    voice: str | None = None  # a voice for this turn alone (YAML scripts)
    takes: int = 0  # so many to choose from (YAML scripts); 0: as the manifest has it


@dataclass(frozen=True)
class Chapter:
    """A titled run of turns."""

    title: str
    turns: tuple[Turn, ...]
    where: str
    end_pause_s: float = 0.0  # a pause written after the last turn


class PlacedEdit(NamedTuple):
    """An edit that was made: its number and place in its file, and where in the script which words were replaced."""

    number: int
    edit: str
    where: str
    old: str
    new: str
    note: str


@dataclass(frozen=True)
class Script:
    """All chapters, and what was noticed on the way that does not stop a render."""

    chapters: tuple[Chapter, ...]
    warnings: tuple[Problem, ...] = ()
    ledgers: tuple[Ledger, ...] = ()  # what becomes of every character, by file
    problems: tuple[Problem, ...] = ()  # what has to be mended before it is rendered
    edits: tuple[PlacedEdit, ...] = ()


def speakers(script: Script) -> list[str]:
    """The speakers' names in the order in which they are first heard, without the narrator."""
    turns = (turn for chapter in script.chapters for turn in chapter.turns)
    return list(dict.fromkeys(turn.speaker for turn in turns if turn.speaker is not None))


class ScriptWriter:
    """Makes chapters and turns of pieces; all readers write through it, so all formats mean the same."""

    def __init__(self, title: str, where: str, kind: Kind) -> None:
        self.chapters: list[Chapter] = []
        self.warnings: list[Problem] = []
        self.count = 0  # of turns
        self.speaker: str | None = None
        self.voice: str | None = None
        self.takes = 0
        self._kind = kind
        self._open(title, where, keep=False)

    def _open(self, title: str, where: str, *, keep: bool) -> None:
        self._title, self._where, self._keep = title, where, keep
        self._turns: list[Turn] = []
        self._border: Border | None = "chapter"  # a border that is owed to the next turn, whoever speaks it
        self._pause_s: float | None = None
        self._has_spoken = False  # whether the current speaker has said something since being named
        self.speaker = None

    def begin_chapter(self, title: str, where: str, *, announced: str) -> None:
        """Close the chapter before and begin one; in an audiobook what is announced of its title is spoken."""
        self.close_chapter()
        self._open(title, where, keep=True)
        if self._kind == "audiobook" and has_speech(announced):
            self._say(announced, where)
            self._border = "heading"

    def close_chapter(self) -> None:
        """Keep the chapter, unless it is what stands before the first heading and says nothing."""
        if self._turns or self._keep:
            end_pause_s = self._pause_s or 0.0
            self.chapters.append(Chapter(self._title, tuple(self._turns), self._where, end_pause_s))
        self._turns, self._keep = [], False

    def add_pause(self, seconds: float, where: str) -> None:
        """A pause before the next turn, or at the end of the chapter; several add up."""
        total = (self._pause_s or 0.0) + seconds
        if total > MAX_PAUSE_S:
            what = f"the pauses here add up to {total:g} seconds."
            self.warnings.append(Problem(where, what, f"They are shortened to {MAX_PAUSE_S:.0f}."))
        self._pause_s = min(total, MAX_PAUSE_S)

    def take(self, piece: Piece) -> int | None:
        """Add a chapter, a speaker, a pause or words. Returns which turn speaks the piece, if one does."""
        count = self.count
        match piece.what:
            case "chapter":
                self.close_chapter()
                title = piece.title or piece.text or f"Chapter {len(self.chapters) + 1}"
                self.begin_chapter(title, piece.where, announced=piece.text)
            case "heading" | "scene":
                self._border = self._border if self._border == "chapter" else "scene"
                if self._kind == "audiobook":
                    self.speaker = None
                if piece.what == "heading" and self._kind == "audiobook" and has_speech(piece.text):
                    self._say(piece.text, piece.where)
                    self._border = "heading"
            case "speaker":
                self.speaker, self._has_spoken = piece.text or None, False  # nobody: the narrator
            case "paragraph":
                if self._kind == "audiobook" and self._has_spoken:
                    self.speaker = None
            case "pause":
                self.add_pause(piece.pause_s, piece.where)
            case "text":
                self._say(piece.text, piece.where)
                self._has_spoken = True
        return count if self.count > count else None

    def _say(self, text: str, where: str) -> None:
        last = self._turns[-1].speaker if self._turns else None
        border = self._border or ("paragraph" if last == self.speaker else "turn")
        self._turns.append(Turn(self.speaker, text, border, where, self._pause_s, self.voice, self.takes))
        self._border = self._pause_s = None
        self.count += 1
