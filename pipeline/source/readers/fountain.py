"""Fountain: screenplays as plain text, by the syntax of Fountain 1.1.

In: the text of a file. Out: a `Rendition` with blocks and labels: dialogue is spoken, scene headings are scene breaks,
sections are headings, and all else is marked as what it is.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from pipeline.errors import Problem
from pipeline.source.ledger import Reason, Source
from pipeline.source.prose.blocks import Block, SourceLine
from pipeline.source.prose.brackets import is_pause
from pipeline.source.rendition import Rendition
from pipeline.source.script import Reading, name_key
from pipeline.source.speakers.election import BOTH
from pipeline.source.speakers.forms import Label
from pipeline.source.spoken.text import nearest_tag

_NOTE = re.compile(
    r"\[\[(?:(?!\]\]|\[\[|\n[ \t]?\n).){0,4000}\]\]", re.DOTALL
)  # over lines, but not over one that is empty
_KEY = re.compile(r"([^\W_][\w /-]*):[ \t]*(.*)")
_TITLE_KEYS = frozenset(
    (
        "title,credit,author,authors,source,notes,note,draft date,date,contact,contact info,copyright,revision,format"
        ",series,episode,season,language,subtitle"
    ).split(",")
)
_SCENE = re.compile(r"(?:INT|EXT|EST|INT\.?\s*/\s*EXT|EXT\.?\s*/\s*INT|I\s*/\s*E)(?:[.:]|\s|$)", re.IGNORECASE)
_FORCED_SCENE = re.compile(r"\.[^\W_]")
_SECTION = re.compile(r"(#{1,6})[ \t]*(?=[^#\s])")
_PAGE_BREAK = re.compile(r"={3,}")
_TRANSITION = re.compile(
    r".*\bTO:|FADE (?:IN|OUT|UP|TO \w+)[.:]?|(?:SMASH |HARD |JUMP |MATCH )?CUT TO [A-Z ]+[.:]|(?:DISSOLVE|WIPE)[.:]"
    r"|(?:THE )?END(?: OF .+)?\.?"
)
_PARENTHETICAL = re.compile(r"\([^()]*\)")
_ESCAPE = re.compile(r"\\(?=[*_\\~@!.>#=^()\[\]])")
_SOUND = re.compile(
    r"[!?;:…,]|\.$|\.\.|^(?:SFX|SOUND|MEANWHILE|LATER|BACK TO|INSERT|TITLE|SUPER)\b|(?:\S+ ){4}"
    r"|\b(?:BANG|BOOM|CRASH|THUD|CLICK|SLAM|RING|BUZZ|BEEP|KNOCK|SCREECH|SILENCE|BLACKOUT|EXPLOSION|GUNSHOT|THUNDER)S?\b"
)


def fountain_rendition(text: str, shown: str, reading: Reading) -> Rendition:
    """A screenplay: its dialogue by who says it; what happens is read only where `reading.action` asks for it."""
    reader = _Screenplay(text, shown, reading)
    reader.read()
    return Rendition(reader.source, shown, blocks=reader.blocks, labels=reader.labels, warnings=reader.warnings)


def fountain_metadata(text: str) -> tuple[str, str]:
    """The title and the author on the title page, on one line each and without emphasis; "" where it has none."""
    values: dict[str, list[str]] = {}
    key = ""
    for line in text.removeprefix("\ufeff").split("\n")[: _title_page_end(text)]:
        if (match := _KEY.match(line)) and not line[0].isspace():
            key = match[1].strip().lower()
            values[key] = [match[2]]
        elif key:
            values[key].append(line)
    plain = {key: re.sub(r"(?<!\\)[*_]|\\(?=[*_])", "", " ".join(" ".join(of).split())) for key, of in values.items()}
    return plain.get("title", ""), plain.get("author") or plain.get("authors", "")


def _title_page_end(text: str) -> int:
    """How many lines at the top are a title page: keys with values, and indented lines that go on with a value."""
    lines = text.removeprefix("\ufeff").split("\n")
    end = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    keys: list[str] = []
    for line in lines[:end]:
        match = None if line[0].isspace() else _KEY.match(line)
        if match:
            keys.append(match[1].strip().lower())
        elif not keys or not line[0].isspace():
            return 0
    return end if _TITLE_KEYS.intersection(keys) else 0


class _ScriptLine(NamedTuple):
    """A line of which something is to be seen, or that is empty; `text` is what is seen of it."""

    number: int
    start: int
    end: int
    text: str


class _Screenplay:
    """Reads lines one by one; those of a speech or of action wait until the paragraph ends."""

    def __init__(self, text: str, shown: str, reading: Reading) -> None:
        self.source = Source(text)
        self.blocks: list[Block] = []
        self.labels: list[Label] = []
        self.warnings: list[Problem] = []
        self._shown = shown
        self._reading = reading
        self._excluded = set(map(name_key, reading.not_speakers))
        self._waiting: list[_ScriptLine] = []
        self._cue: _ScriptLine | None = None  # that whose speech is read
        self._bracket: list[_ScriptLine] = []  # the lines of a parenthetical that is not closed yet
        self._spellings: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._first: dict[str, int] = {}

    def read(self) -> None:
        """Mark the text from its comments down to its escapes."""
        end = 0
        while (start := self.source.text.find("/*", end)) >= 0 and (
            end := self.source.text.find("*/", start + 2) + 2
        ) > 1:
            self.source.leave_out(start, end, "comment")
        for match in _NOTE.finditer(self.source.text):
            self.source.leave_out(*match.span(), "comment")
        lines = list(self._lines())
        self._names(lines)
        for index, line in enumerate(lines):
            before = lines[index - 1].text if index else ""
            after = lines[index + 1].text if index + 1 < len(lines) else ""
            self._line(line, is_after_gap=_is_gap(before), is_before_gap=not after.strip())
        self._flush()
        self._warn_of_names()
        if not self.labels:
            what = "nobody speaks in this screenplay: there is no name in capitals above a line."
            hint = "action: true beside the script's name has the narrator read what happens."
            self.warnings.append(Problem(f"{self._shown}:1", what, hint))

    def _lines(self) -> list[_ScriptLine]:
        """The lines after the title page but for those that are comments through and through."""
        raw = self.source.text.split("\n")
        skip = _title_page_end(self.source.text)
        lines: list[_ScriptLine] = []
        start = 0
        for number, text in enumerate(raw, start=1):
            end = start + len(text)
            if number <= skip:
                self.source.leave_out(start, min(end + 1, len(self.source.text)), "front matter")
            else:
                seen = self.source.stretch(start, end).text.removeprefix("\ufeff")
                if seen.strip() or not self.source.is_marked(start, min(end + 1, len(self.source.text))):
                    lines.append(_ScriptLine(number, start, end, seen))
            start = end + 1
        return lines

    def _names(self, lines: list[_ScriptLine]) -> None:
        """Count who has cues, and how each is spelled: `Ann` goes before `ANN`."""
        for before, line, after in zip(["", *(one.text for one in lines)], lines, [*lines[1:], None], strict=False):
            if after is not None and after.text.strip() and _is_gap(before) and (name := _cue_name(line.text)):
                key = name_key(name)
                self._counts[key] += 1
                self._first.setdefault(key, line.number)
                if key not in self._spellings or (self._spellings[key].isupper() and not name.isupper()):
                    self._spellings[key] = name

    def _is_cue(self, line: _ScriptLine, *, is_after_gap: bool, is_before_gap: bool) -> bool:
        name = _cue_name(line.text) if is_after_gap and not is_before_gap else ""
        key = name_key(name)
        if not name or key in self._excluded:
            return False
        is_forced_action = line.text.endswith("  ") and self._counts[key] == 1 and not line.text.strip().startswith("@")
        return not is_forced_action or self._reading.known_name(name) is not None

    def _line(self, line: _ScriptLine, *, is_after_gap: bool, is_before_gap: bool) -> None:
        text = line.text.strip()
        if not text:
            goes_on = self._cue is not None and len(line.text) > 1 and self._waiting
            cue = self._cue
            self._flush()
            if goes_on:  # two spaces on an empty line: the same speech
                self._cue = cue
        elif self._is_structure(line, text):
            pass
        elif self._cue is not None:
            self._speech(line, text)
        elif is_after_gap and (_SCENE.match(text) or _FORCED_SCENE.match(text)):
            self._scene(line)
        elif text[0] == ">" and text[-1] == "<" and len(text) > 1:
            self._action(line, signs=(1, 1))
        elif text[0] == ">" or (is_after_gap and text.isupper() and _TRANSITION.fullmatch(text)):
            self._leave_out(line, "cue")
        elif text[0] == "~":  # sung by whoever spoke before
            self._speech(line, text)
        elif text[0] == "!":
            self._action(line, signs=(1, 0))
        elif self._is_cue(line, is_after_gap=is_after_gap, is_before_gap=is_before_gap):
            self._flush()
            self._cue = line
            self._mark_cue(line)
        else:
            self._action(line)

    def _is_structure(self, line: _ScriptLine, text: str) -> bool:
        """Handle a section, a synopsis or a page break, which may stand right below a speech."""
        in_speech = self._cue is not None
        section = _SECTION.match(text)
        if section and (not in_speech or text[section.end() - 1].isspace()):
            self._flush()
            span = self.source.stretch(line.start, line.end)
            first, last = span.strip()
            span.leave_out(0, first + section.end(), "markup")
            start, end = span.place(first + section.end()), span.end(last)
            self._escapes(start, end)
            title = SourceLine(line.number, self.source.stretch(start, end))
            self.blocks.append(Block("heading", line.number, start, end, (title,), len(section[1])))
        elif _PAGE_BREAK.fullmatch(text) or (not in_speech and not text.strip("#")):
            self._leave_out(line, "markup")
        elif text[0] == "=" and (not in_speech or text[1:2].isspace()):
            self._leave_out(line, "comment")
        else:
            return False
        return True

    def _leave_out(self, line: _ScriptLine, reason: Reason) -> None:
        """End the paragraph, and leave a line out."""
        self._flush()
        self.source.leave_out(line.start, line.end, reason)

    def _scene(self, line: _ScriptLine) -> None:
        self._leave_out(line, "heading")
        self.blocks.append(Block("scene", line.number, line.start, line.end))

    def _action(self, line: _ScriptLine, signs: tuple[int, int] = (0, 0)) -> None:
        """What happens; `signs` are how many characters before and after it force it to be that."""
        if not self._reading.action:
            self.source.leave_out(line.start, line.end, "direction")
            return
        span = self.source.stretch(line.start, line.end)
        first, last = span.strip()
        span.leave_out(first, first + signs[0], "markup")
        span.leave_out(last - signs[1], last, "markup")
        self._waiting.append(line)

    def _mark_cue(self, line: _ScriptLine) -> None:
        span = self.source.stretch(line.start, line.end)
        if (bracket := span.text.find("(")) > 0:
            last = span.text.rfind(")") + 1
            span.leave_out(bracket, last if last > bracket else len(span.text), "direction")
        self.source.leave_out(line.start, line.end, "label")

    def _speech(self, line: _ScriptLine, text: str) -> None:
        """A line of dialogue, a parenthetical or a lyric."""
        span = self.source.stretch(line.start, line.end)
        first, last = span.strip()
        if self._bracket or (text[0] == "(" and ")" not in text):
            self._bracket.append(line)
            if ")" not in text:
                return
            close = span.text.index(")") + 1
            self.source.leave_out(self._bracket[0].start, span.end(close), "direction")
            self._bracket = []
            if close < last:
                self._waiting.append(line)
        elif _PARENTHETICAL.fullmatch(text):
            tag = nearest_tag(text[1:-1].strip(" .!…"))
            if is_pause(text) or (tag and span.replace(first, last, tag, "tag")):
                self._waiting.append(line)
            else:
                span.leave_out(first, last, "direction")
        else:
            if text[0] == "~":
                span.leave_out(first, first + 1, "markup")
            self._waiting.append(line)

    def _escapes(self, start: int, end: int) -> None:
        """The sign before one that is meant as it stands."""
        for match in _ESCAPE.finditer(self.source.text, start, end):
            self.source.leave_out(*match.span(), "markup")

    def _flush(self) -> None:
        """End the paragraph, and with it the speech."""
        lines, cue = [*self._waiting, *self._bracket], self._cue  # a bracket that nothing closes is read
        self._waiting, self._bracket, self._cue = [], [], None
        if not lines:
            return
        goes_on = cue is None or any(label.number == cue.number for label in self.labels[-1:])
        first = lines[0] if cue is None or goes_on else cue
        self._escapes(lines[0].start, lines[-1].end)
        shown = lines if first is lines[0] else (first, *lines)
        seen = [SourceLine(line.number, self.source.stretch(line.start, line.end)) for line in shown]
        self.blocks.append(Block("paragraph", lines[0].number, first.start, lines[-1].end, tuple(seen)))
        name = (
            self._spellings[name_key(_cue_name(cue.text))] if cue else None if lines[0].text.lstrip()[0] == "~" else ""
        )
        end = first.start if goes_on else min(first.end + 1, lines[0].start)
        self.labels.append(Label(first.start, end, lines[0].number if cue is None else cue.number, name))

    def _warn_of_names(self) -> None:
        """Cues that stand once and look like something that happens, and those of several speakers."""
        for key, count in self._counts.items():
            name = self._spellings[key]
            parts = [name_key(part) for part in BOTH.split(name)]
            if len(parts) > 1 and all(part in self._counts for part in parts):
                what = f'"{name}" is spoken by one voice.'
                self.warnings.append(
                    Problem(f"{self._shown}:{self._first[key]}", what, "Write a speech for each of them.")
                )
            is_known = self._reading.known_name(name) is not None or key in self._excluded
            if (
                count == 1
                and not is_known
                and _SOUND.search(name.upper())
                and any(label.name == name for label in self.labels)
            ):
                what = f'"{name}" stands above a line as a name does, and is taken for a speaker.'
                hint = f'Write "!" before it, or not_speakers: ["{name}"] in the manifest, if it is none.'
                self.warnings.append(Problem(f"{self._shown}:{self._first[key]}", what, hint))


def _is_gap(line: str) -> bool:
    """Whether a line is empty, or is none of a paragraph, so that a name may stand right below it."""
    text = line.strip()
    return not text or text[0] in "#=" or _SCENE.match(text) is not None or _FORCED_SCENE.match(text) is not None


def _cue_name(line: str) -> str:
    """Who speaks below a line, or "": a name in capitals, or after "@", without what stands in brackets."""
    text = line.strip().removesuffix("^").rstrip()
    forced = text.startswith("@")
    name = text.removeprefix("@").partition("(")[0]
    name = " ".join(re.sub(r"[*_\\]", "", name).split()).rstrip(": ")
    if not any(map(str.isalpha, name)) or len(name) > 80:
        return ""
    if forced:
        return name
    is_other = _SCENE.match(text) or text[0] in "!.>~#=([" or _TRANSITION.fullmatch(text)
    return name if name.isupper() and not is_other else ""
