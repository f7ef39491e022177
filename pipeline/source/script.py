"""Script: what is said, by whom, in which chapter.

In: the text of one or more script files (Markdown or YAML). Out: a `Script` of chapters and turns, with the
place of each turn in its file. Knows no voices, engines or byte budgets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import Problem, RequestError, did_you_mean, raise_if_any
from pipeline.source.documents import Data, Located, YamlPath, read_text, read_yaml
from pipeline.source.readers import markdown
from pipeline.source.spoken.text import has_speech, spoken

# "heading" follows a heading that is spoken: it sounds like a scene break, and may share a chunk like a paragraph
Border = Literal["chapter", "scene", "heading", "turn", "paragraph"]
Kind = Literal["podcast", "audiobook"]

MARKDOWN_SUFFIXES = (".md", ".markdown", ".txt")
YAML_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Turn:
    """One paragraph of one speaker as displayed: no markup, single spaces, tags such as (laughs) kept."""

    speaker: str | None  # None is the narrator
    text: str
    border: Border  # what lies between this turn and the one before it
    where: str  # "manifests/dune.md:14"
    pause_s: float | None = None  # a pause written before this turn; it replaces the border's own
    voice: str | None = None  # a voice for this turn alone (YAML scripts)


@dataclass(frozen=True)
class Chapter:
    """A titled run of turns."""

    title: str
    turns: tuple[Turn, ...]
    where: str
    end_pause_s: float = 0.0  # a pause written after the last turn


@dataclass(frozen=True)
class Script:
    """All chapters, and what was noticed on the way that does not stop a render."""

    chapters: tuple[Chapter, ...]
    warnings: tuple[Problem, ...] = ()


def speakers(script: Script) -> list[str]:
    """The speakers' names in the order in which they are first heard, without the narrator."""
    turns = (turn for chapter in script.chapters for turn in chapter.turns)
    return list(dict.fromkeys(turn.speaker for turn in turns if turn.speaker is not None))


class _Builder:
    """Builds chapters and turns from events, for both formats, so that both mean the same."""

    def __init__(self, title: str, where: str, kind: Kind) -> None:
        self.chapters: list[Chapter] = []
        self.warnings: list[Problem] = []
        self.speaker: str | None = None
        self.voice: str | None = None
        self._kind = kind
        self._open(title, where, keep=False)

    def _open(self, title: str, where: str, *, keep: bool) -> None:
        self._title, self._where, self._keep = title, where, keep
        self._turns: list[Turn] = []
        self._border: Border | None = "chapter"  # a border that is owed to the next turn, whoever speaks it
        self._pause_s: float | None = None
        self._has_spoken = False  # whether the current speaker has said something since being named
        self.speaker = None

    def begin_chapter(self, title: str, where: str, *, announced: bool) -> None:
        """Close the chapter before and begin one; in an audiobook an announced title is spoken."""
        self.close_chapter()
        self._open(title, where, keep=True)
        if announced and self._kind == "audiobook" and has_speech(title):
            self._say(title, where)
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
        if total > markdown.MAX_PAUSE_S:
            what = f"the pauses here add up to {total:g} seconds."
            self.warnings.append(Problem(where, what, f"They are shortened to {markdown.MAX_PAUSE_S:.0f}."))
        self._pause_s = min(total, markdown.MAX_PAUSE_S)

    def add(self, event: markdown.Event) -> None:
        """Take in the next event."""
        match event.what:
            case "chapter":
                title = event.text or f"Chapter {len(self.chapters) + 1}"
                self.begin_chapter(title, event.where, announced=bool(event.text))
            case "heading" | "scene":
                self._border = self._border if self._border == "chapter" else "scene"
                if self._kind == "audiobook":
                    self.speaker = None
                if event.what == "heading" and self._kind == "audiobook" and has_speech(event.text):
                    self._say(event.text, event.where)
                    self._border = "heading"
            case "speaker":
                self.speaker, self._has_spoken = event.text, False
            case "paragraph":
                if self._kind == "audiobook" and self._has_spoken:
                    self.speaker = None
            case "pause":
                self.add_pause(event.pause_s, event.where)
            case "text":
                self._say(event.text, event.where)
                self._has_spoken = True

    def _say(self, text: str, where: str) -> None:
        last = self._turns[-1].speaker if self._turns else None
        border = self._border or ("paragraph" if last == self.speaker else "turn")
        self._turns.append(Turn(self.speaker, text, border, where, self._pause_s, self.voice))
        self._border = self._pause_s = None


def parse_markdown(text: str, shown: str, *, title: str, kind: Kind, cast: Collection[str]) -> Script:
    """One Markdown file as a script. `title` names what stands before the first heading."""
    events, warnings = markdown.read_events(text, shown, cast)
    builder = _Builder(title, f"{shown}:1", kind)
    for event in events:
        builder.add(event)
    builder.close_chapter()
    return Script(tuple(builder.chapters), (*warnings, *builder.warnings))


def parse_yaml(text: str, shown: str, *, title: str, kind: Kind, cast: Collection[str]) -> Script:
    """One YAML or JSON file as a script: `chapters` with `turns`, a list of chapters, or `turns` alone.

    The text of a turn follows Markdown's rules, except that nothing in it is a label; `cast` is therefore not
    needed, and is taken so that both formats are called alike.
    """
    del cast
    reader = _YamlScript(read_yaml(text, shown), title, kind)
    reader.read()
    raise_if_any(reader.problems)
    return Script(tuple(reader.builder.chapters), (*reader.warnings, *reader.builder.warnings))


class _YamlScript:
    """Walks the data of a YAML script, building what is right and collecting what is wrong."""

    def __init__(self, located: Located, title: str, kind: Kind) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.builder = _Builder(title, located.where(), kind)
        self._located = located
        self._title = title

    def read(self) -> None:
        """Read the whole document."""
        data = self._located.data
        if isinstance(data, dict) and "turns" in data and "chapters" not in data:
            self._keys(data, (), ("turns",))
            self._turns(data["turns"], ("turns",))
        elif isinstance(data, dict):
            self._keys(data, (), ("chapters",))
            self._chapters(data.get("chapters"), ("chapters",))
        else:
            self._chapters(data, ())
        self.builder.close_chapter()

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
                self._problem((*path, index), f"this is no mapping in the {of}.", "Write it as key: value.")
        return mappings

    def _chapters(self, data: Data, path: YamlPath) -> None:
        for number, (chapter_path, chapter) in enumerate(self._list(data, path, "chapters"), start=1):
            self._keys(chapter, chapter_path, ("title", "turns"))
            title = self._string(chapter, chapter_path, "title")
            name = self._title if number == 1 else f"Chapter {number}"
            if title:
                name = markdown.title_text(title)
            self.builder.begin_chapter(name, self._located.where(*chapter_path), announced=title is not None)
            self._turns(chapter.get("turns"), (*chapter_path, "turns"))

    def _turns(self, data: Data, path: YamlPath) -> None:
        for turn_path, turn in self._list(data, path, "turns"):
            self._turn(turn, turn_path)

    def _turn(self, turn: dict[str, Data], path: YamlPath) -> None:
        self._keys(turn, path, ("speaker", "text", "pause_s", "voice"))
        text = self._string(turn, path, "text")
        if text is None and not turn.get("text"):
            self._problem(path, "the turn has no text.", "Give it one, or remove the turn.")
        speaker = self._string(turn, path, "speaker")
        where = self._located.where(*path, "text")
        if turn.get("pause_s") is not None:
            self.builder.add_pause(self._pause(turn["pause_s"], (*path, "pause_s")), where)
        events, warnings = markdown.body_events(text or "", where)
        self.warnings += warnings
        self.builder.voice = self._string(turn, path, "voice")
        self.builder.speaker = speaker
        for event in events:
            if speaker is not None and event.what == "speaker":
                what = f"the text names [{event.text}], and the turn has a speaker."
                self._problem((*path, "text"), what, "Remove one of the two.")
            elif speaker is None or event.what != "paragraph":
                if speaker is not None and event.what == "text":
                    self.builder.speaker = speaker  # a turn keeps its speaker across its own scene breaks
                self.builder.add(event)
        self.builder.voice = None

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
        if 0 <= seconds <= markdown.MAX_PAUSE_S:
            return seconds
        what = f'"pause_s" has to be a number of seconds from 0 to {markdown.MAX_PAUSE_S:.0f}.'
        self._problem(path, what, "Write a number such as 1.5.")
        return 0.0


def load_script(paths: Sequence[tuple[Path, str]], *, title: str, kind: Kind, cast: Collection[str]) -> Script:
    """The script in one or more files, each a path and its name to show. Raises `RequestError` with all problems."""
    chapters: list[Chapter] = []
    warnings: list[Problem] = []
    problems: list[Problem] = []
    for path, shown in paths:
        name = _titled(path.stem) if len(paths) > 1 else title
        try:
            script = _load_file(path, shown, name, kind, cast)
        except RequestError as error:
            problems += error.problems
            continue
        chapters += script.chapters
        warnings += script.warnings
        problems += _silent_chapters(script, shown)
    if not paths:
        problems.append(Problem("script", "there are no script files.", "Name at least one."))
    raise_if_any(problems)
    return Script(tuple(chapters), tuple(warnings))


def _load_file(path: Path, shown: str, title: str, kind: Kind, cast: Collection[str]) -> Script:
    suffix = path.suffix.lower()
    if suffix not in MARKDOWN_SUFFIXES + YAML_SUFFIXES:
        accepted = ", ".join(MARKDOWN_SUFFIXES + YAML_SUFFIXES)
        what = f'a "{suffix}" file cannot be a script.' if suffix else "the file's name has no suffix."
        raise RequestError(Problem(shown, what, f"Use one of {accepted}."))
    parse = parse_yaml if suffix in YAML_SUFFIXES else parse_markdown
    return parse(read_text(path, shown), shown, title=title, kind=kind, cast=cast)


def _silent_chapters(script: Script, shown: str) -> list[Problem]:
    """A chapter that would be rendered to nothing is an error: its file would be silent."""
    silent = [
        Problem(
            chapter.where,
            f'the chapter "{chapter.title}" has nothing to say.',
            "Write text under its heading, or remove the heading.",
        )
        for chapter in script.chapters
        if not any(has_speech(spoken(turn.text, tags=False)) for turn in chapter.turns)
    ]
    if not script.chapters:
        silent.append(Problem(shown, "there is nothing to say in this file.", "Write some text in it."))
    return silent


def _titled(stem: str) -> str:
    """A chapter title from a file's name: "02_the-storm" is "The storm"."""
    named = re.sub(r"^\d+[\s._-]+", "", stem)
    named = " ".join(re.split(r"[\s_-]+", named)).strip() or stem
    return named[:1].upper() + named[1:]
