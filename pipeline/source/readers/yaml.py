"""YAML and JSON: a script as chapters and turns, written down as data.

In: the text of a YAML or JSON file. Out: a `Script`, or every problem in it at once. The text of a turn follows
Markdown's rules.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.errors import Problem, did_you_mean, raise_if_any
from pipeline.source.documents import Data, Located, YamlPath, read_yaml
from pipeline.source.readers import markdown
from pipeline.source.script import MAX_PAUSE_S, Kind, Script, ScriptWriter


def parse_yaml(text: str, shown: str, *, title: str, kind: Kind, cast: Collection[str]) -> Script:
    """One YAML or JSON file as a script: `chapters` with `turns`, a list of chapters, or `turns` alone.

    The text of a turn follows Markdown's rules, except that nothing in it is a label; `cast` is therefore not
    needed, and is taken so that both formats are called alike.
    """
    del cast
    reader = _YamlScript(read_yaml(text, shown), title, kind)
    reader.read()
    raise_if_any(reader.problems)
    return Script(tuple(reader.writer.chapters), (*reader.warnings, *reader.writer.warnings))


class _YamlScript:
    """Walks the data of a YAML script, writing what is right and collecting what is wrong."""

    def __init__(self, located: Located, title: str, kind: Kind) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.writer = ScriptWriter(title, located.where(), kind)
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
                self._problem((*path, index), f"this is no mapping in the {of}.", "Write it as key: value.")
        return mappings

    def _chapters(self, data: Data, path: YamlPath) -> None:
        for number, (chapter_path, chapter) in enumerate(self._list(data, path, "chapters"), start=1):
            self._keys(chapter, chapter_path, ("title", "turns"))
            title = self._string(chapter, chapter_path, "title")
            name = self._title if number == 1 else f"Chapter {number}"
            if title:
                name = markdown.title_text(title)
            self.writer.begin_chapter(name, self._located.where(*chapter_path), announced=title is not None)
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
            self.writer.add_pause(self._pause(turn["pause_s"], (*path, "pause_s")), where)
        pieces, warnings = markdown.body_pieces(text or "", where)
        self.warnings += warnings
        self.writer.voice = self._string(turn, path, "voice")
        self.writer.speaker = speaker
        for piece in pieces:
            if speaker is not None and piece.what == "speaker":
                what = f"the text names [{piece.text}], and the turn has a speaker."
                self._problem((*path, "text"), what, "Remove one of the two.")
            elif speaker is None or piece.what != "paragraph":
                if speaker is not None and piece.what == "text":
                    self.writer.speaker = speaker  # a turn keeps its speaker across its own scene breaks
                self.writer.take(piece)
        self.writer.voice = None

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
