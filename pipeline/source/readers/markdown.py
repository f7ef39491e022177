"""Markdown: a script's text, line by line, into pieces in the order they are heard.

In: the text of a Markdown file, or of one turn of a YAML script. Out: `Piece`s (headings, scene breaks, labels, pauses,
display text) with their places; time stamps are recognised here, and left out. Knows no chapters, borders or kinds:
`script` makes those.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.token import Token

from pipeline.errors import Problem
from pipeline.source.script import MAX_PAUSE_S, Kind, Piece, Script, ScriptWriter
from pipeline.source.spoken import text as texts

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NEEDS_PARSER = re.compile(r"[*_\[\]\\`<&]")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_PAUSE = re.compile(r"pause:?\s*(-?\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|secs?|seconds?)?")
_CLOCK = r"\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,6})?"
_CLOCKS = re.compile(rf"{_CLOCK}(?:\s*(?:-|–|-->|to)\s*{_CLOCK})?")
_STAMP = rf"(?:\\?\[|\(){_CLOCK}(?:\\?\]|\))"
_BOLD = re.compile(
    rf"(?:{_STAMP}\s*)?(?P<mark>\*\*\*|\*\*|__)(?P<name>(?:(?!(?P=mark)).){{1,120}}?)"
    rf"(?::\s*(?P=mark)|(?P=mark)\s*(?:{_STAMP}\s*)?:)\s*(?:{_STAMP}\s*)?(?P<rest>.*)"
)
_PLAIN = re.compile(
    rf"(?:{_STAMP}\s*)?(?P<name>[^:]{{1,60}}?)\s*(?:{_STAMP}\s*)?:(?=\s|$)\s*(?:{_STAMP}\s*)?(?P<rest>.*)"
)
_LIST = re.compile(r"(?:[-*+]|(\d{1,9})[.)])\s+(?=\S)")
_RULE = re.compile(r"([-*_])(?:[ \t]*\1){2,}")
_FENCE = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})")
_DIRECTION = re.compile(r"([*_])\\?[(\[][^*_]*[)\]]\1")
_REFERENCE = re.compile(
    r"\[([^\[\]^][^\[\]]*)\]:\s*(<[^<>]*>|(?:[a-z]+:|www\.|[/#.])\S*)(?:\s+[\"'(].*)?", re.IGNORECASE
)
_FRONT_LINE = re.compile(r"\s|#|- |[\w-][\w -]*:(?:\s|$)")
_URL_SCHEMES = frozenset(("http", "https", "ftp", "mailto", "file"))

# Notes that are not heard; "" is an empty pair of brackets.
_NOTES_TEXT = """|music|music playing|theme music|intro music|outro music|upbeat music|background music\
|crosstalk|cross talk|cross-talk|overlapping|unintelligible|inaudible|indiscernible|silence|long silence\
|foreign language|speaking foreign language|speaks foreign language|foreign|bleep|bleeped|noise|static\
|background noise|blank_audio|no audio|pause|long pause|short pause|break|ad break"""
_NOTES = frozenset(_NOTES_TEXT.split("|"))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark")


def plain(text: str, references: dict[str, dict[str, str]] | None = None) -> str:
    """Inline Markdown as its display text, with single spaces; brackets that are no links are still there."""
    if _NEEDS_PARSER.search(text):
        env: dict[str, object] = {"references": dict(references or {})}
        tokens = _parser().parseInline(text, env)
        text = "".join(map(_display, tokens[0].children or ())) if tokens else ""
    text = " ".join(text.split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def title_text(text: str, references: dict[str, dict[str, str]] | None = None) -> str:
    """The display text of a heading, on one line."""
    return " ".join(_BRACKET.sub(lambda match: _bracketed(match[1]), plain(text, references)).split())


def _display(token: Token) -> str:
    if token.type in ("text", "code_inline", "text_special"):
        return str(token.content)
    is_space = token.type in ("softbreak", "hardbreak") or token.content[:3].lower() == "<br"
    return " " if is_space and token.type != "image" else ""


def _bracketed(inner: str) -> str:
    """What a bracketed word reads as: a tag, nothing (notes, time stamps, footnotes), or the word itself."""
    note = " ".join(inner.lower().split()).strip(".!…*")
    if note in _NOTES or note.startswith("^") or _CLOCKS.fullmatch(note):
        return ""
    parts = note.split()
    if len(parts) > 1 and _CLOCKS.fullmatch(parts[-1]):
        return "" if " ".join(parts[:-1]) in _NOTES else " ".join(inner.split()[:-1])
    return texts.nearest_tag(note) or inner


def read_pieces(text: str, shown: str, cast: Collection[str]) -> tuple[list[Piece], list[Problem]]:
    """The pieces of a whole Markdown file, and the warnings about what is not read."""
    problems: list[Problem] = []
    lines = _source_lines(text, shown, problems)
    reader = _Reader(lambda line: f"{shown}:{line}", _labels(lines, cast), problems)
    reader.read(lines)
    return reader.pieces, problems


def body_pieces(text: str, where: str) -> tuple[list[Piece], list[Problem]]:
    """The pieces of one turn's text in a YAML script: the same rules, but no labels and no chapters."""
    problems: list[Problem] = []
    reader = _Reader(lambda _: where, None, problems)
    reader.read(_clean(text, lambda _: where, problems).split("\n"))
    return reader.pieces, problems


def _clean(text: str, place: Callable[[int], str], problems: list[Problem]) -> str:
    """NFC text with `\\n` line ends and without control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    control = _CONTROL.search(text)
    if control:
        where = place(text.count("\n", 0, control.start()) + 1)
        count = len(_CONTROL.findall(text))
        what = f"{count} control characters (the first is U+{ord(control[0]):04X}) are left out."
        problems.append(Problem(where, what, "Remove them from the file."))
        text = _CONTROL.sub(lambda match: " " if match[0].isspace() else "", text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _source_lines(text: str, shown: str, problems: list[Problem]) -> list[str]:
    """The lines, with front matter and comments blanked so that the numbers stay right."""
    text = _clean(text.removeprefix("\ufeff"), lambda line: f"{shown}:{line}", problems)
    parts: list[str] = []
    at = 0
    while (begin := text.find("<!--", at)) >= 0:
        end = text.find("-->", begin + 4)
        if end < 0:
            where = f"{shown}:{text.count(chr(10), 0, begin) + 1}"
            what = "a comment is opened and never closed, so its text is read."
            problems.append(Problem(where, what, "Close it with -->."))
            parts.append(text[at:begin])
            at = begin + 4
            break
        parts += text[at:begin], "\n" * text.count("\n", begin, end)
        at = end + 3
    lines = "".join((*parts, text[at:])).split("\n")
    end = _front_matter_end(lines)
    return [""] * end + lines[end:]


def _front_matter_end(lines: list[str]) -> int:
    """How many lines the front matter takes; lines that are no YAML mapping stand between scene breaks."""
    if lines[0].rstrip() != "---":
        return 0
    for index, line in enumerate(lines[1:], start=1):
        if line.rstrip() in ("---", "..."):
            return index + 1
        if line and not _FRONT_LINE.match(line):
            return 0
    return 0


def _labels(lines: list[str], cast: Collection[str]) -> frozenset[str]:
    """The plain labels that count: the cast's, and every plausible one that begins two lines or more."""
    counts: Counter[str] = Counter()
    for line in lines:
        if ":" in line:
            stripped = _unquoted(line)[0]
            if (match := _BOLD.match(stripped)) and (name := _bold_name(match)):
                counts[name] += 1
            elif match := _PLAIN.match(stripped):
                counts[match["name"].strip()] += 1
    known = {unicodedata.normalize("NFC", name.strip()) for name in cast}
    return frozenset(known | {name for name, count in counts.items() if count > 1 and _plausible(name)})


def _bold_name(match: re.Match[str]) -> str:
    name = plain(re.sub(_STAMP, "", match["name"])).strip(" :[]")
    return name if len(name) <= 60 and texts.has_speech(name) else ""


def _plausible(name: str) -> bool:
    return (
        (name[:1].isupper() or name[:1].isdigit() or not name[:1].isascii())  # "said the King:" is no speaker
        and name[:1].isalnum()
        and not name.isdigit()
        and len(name) <= 40
        and len(name.split()) <= 5
        and name.lower() not in _URL_SCHEMES
        and not any(sign in name for sign in '!?;,…"“”*[]')
        # "Dr. Smith" is a name, "It ended. He said" is not.
        and ("." not in name or len(texts.sentences(name)) == 1)
    )


def _unquoted(line: str) -> tuple[str, bool]:
    """The line without block quote and list markers, and whether it was quoted."""
    stripped = line.strip()
    quoted = stripped[:1] == ">"
    if quoted:
        stripped = stripped.lstrip("> \t")
    item = _LIST.match(stripped)
    return (stripped[item.end() :] if item and not _RULE.fullmatch(stripped) else stripped), quoted


class _Reader:
    """Reads lines one by one; a paragraph's lines wait until the paragraph ends."""

    def __init__(self, place: Callable[[int], str], labels: frozenset[str] | None, problems: list[Problem]) -> None:
        self.pieces: list[Piece] = []
        self._place = place
        self._labels = labels  # None: the text of a turn, in which nothing is a label or a chapter
        self._problems = problems
        self._references: dict[str, dict[str, str]] = {}
        self._waiting: list[str] = []
        self._begin = 0  # the line number of the first waiting line
        self._quoted = False
        self._in_list = False
        self._fence = ""
        self._footnote = False
        self._table = False

    def read(self, lines: list[str]) -> None:
        """Turn all lines into pieces."""
        for line in lines:
            if "]:" in line and (match := _REFERENCE.fullmatch(line.strip())):
                self._references[normalizeReference(match[1])] = {"href": match[2], "title": ""}
        for number, line in enumerate(lines, start=1):
            stripped = line.strip()
            if self._fence or self._is_fence(stripped, number):
                self._inside_fence(stripped)
            elif not stripped.strip("> \t"):
                self._flush()
                self._footnote = self._table = False
            elif not self._footnote and not self._is_block(stripped, number, lines):
                self._paragraph_line(line, number)
        self._flush()

    def _warn(self, number: int, what: str, fix: str) -> None:
        self._problems.append(Problem(self._place(number), what, fix))

    def _is_fence(self, stripped: str, number: int) -> bool:
        if stripped[:3] not in ("```", "~~~") or not (match := _FENCE.match(stripped)):
            return False
        self._flush()
        self._warn(number, "a code block begins here and is not read.", "Write what is to be heard in words.")
        self._fence = match[1] + " "  # the space: the opening line itself does not close it
        return True

    def _inside_fence(self, stripped: str) -> None:
        if self._fence.endswith(" "):
            self._fence = self._fence.strip()
        elif len(stripped) >= len(self._fence) and not stripped.strip(self._fence[0]):
            self._fence = ""

    def _is_block(self, stripped: str, number: int, lines: list[str]) -> bool:
        """Handle a line that is a block of its own; False when it is a line of a paragraph."""
        first = stripped[0]
        if first.isalpha() and "|" not in stripped:
            return False
        if first == "#" and self._heading(stripped, number):
            return True
        if first == "=" and self._waiting and len(stripped) > 1 and not stripped.strip("="):
            source, self._waiting = "\n".join(self._waiting), []
            self._add_heading(source, 1, self._begin)
        elif first in "-*_" and _RULE.fullmatch(stripped):
            self._flush()
            self.pieces.append(Piece("scene", "", self._place(number)))
        elif stripped.startswith("[^") and "]:" in stripped:
            self._flush()
            self._footnote = True
        elif not _DIRECTION.fullmatch(stripped) and not _REFERENCE.fullmatch(stripped):
            return "|" in stripped and self._table_row(stripped, number, lines)
        return True

    def _heading(self, stripped: str, number: int) -> bool:
        title = stripped.lstrip("#")
        level = len(stripped) - len(title)
        if level > 6 or (title and not title[0].isspace()):
            return False
        shorter = title.rstrip("#")
        if shorter != title and (not shorter or shorter[-1].isspace()):
            title = shorter
        self._flush()
        self._add_heading(title, level, number)
        return True

    def _add_heading(self, source: str, level: int, number: int) -> None:
        title = title_text(source, self._references)
        is_chapter = level == 1 and self._labels is not None
        where = self._place(number)
        self.pieces.append(Piece("chapter" if is_chapter else "heading", title, where))

    def _table_row(self, stripped: str, number: int, lines: list[str]) -> bool:
        if not self._table:
            below = lines[number].strip() if number < len(lines) else ""
            if "-" not in below or "|" not in below or below.strip("|-: \t"):
                return False
            self._table = True
            self._warn(number, "a table begins here and is read cell by cell.", "Write it as sentences.")
        self._flush()
        if stripped.strip("|-: \t"):
            cells = (cell.strip() for cell in stripped.strip("|").split("|"))
            self._add_line(", ".join(cell for cell in cells if cell), number)
            self._flush()
        return True

    def _paragraph_line(self, line: str, number: int) -> None:
        content, quoted = _unquoted(line)
        if quoted and not self._quoted:
            self._flush()
        item = _LIST.match(line.strip("> \t"))
        if item and self._waiting and item[1] not in (None, "1") and not self._in_list:
            content = line.strip("> \t")  # a line of prose that happens to begin with "1984. "
        elif item:
            self._flush()
            self._in_list = True
        self._quoted = quoted
        if quoted and content and self._is_block(content, number, [""]):
            return
        if self._labels is not None and ":" in content and (label := self._label(content)):
            self._flush()
            self.pieces.append(Piece("speaker", label[0], self._place(number)))
            content = label[1]
        self._add_line(content, number)

    def _label(self, content: str) -> tuple[str, str] | None:
        """The name and the rest of the line, if it begins with a label."""
        if (match := _BOLD.match(content)) and (name := _bold_name(match)):
            return name, match["rest"]
        match = _PLAIN.match(content)
        if match and self._labels and (name := match["name"].strip()) in self._labels:
            return name, match["rest"]
        return None

    def _add_line(self, content: str, number: int) -> None:
        if content and not self._waiting:
            self._begin = number
        if content:
            self._waiting.append(content)

    def _flush(self) -> None:
        """End the paragraph: its text, cut at pauses and at [S1] and [S2]."""
        self._in_list = False
        if not self._waiting:
            return
        text = plain("\n".join(self._waiting), self._references)
        self._waiting = []
        where = self._place(self._begin)
        self.pieces.append(Piece("paragraph", "", where))
        if "[" in text:
            text = self._cut_at_brackets(text, where)
        self._say(text, where)

    def _say(self, text: str, where: str) -> None:
        text = " ".join(text.split())
        if texts.has_speech(text) or texts.has_tag(text):
            self.pieces.append(Piece("text", text, where))

    def _cut_at_brackets(self, text: str, where: str) -> str:
        """Emit everything up to the last pause or dialogue tag; return what follows it."""
        kept, at = "", 0
        for match in _BRACKET.finditer(text):
            inner = match[1].strip()
            kept, at = _joined(kept, text[at : match.start()]), match.end()
            if inner in ("S1", "S2"):
                self._say(kept, where)
                self.pieces.append(Piece("speaker", inner, where))
                kept = ""
            elif inner.lower().startswith("pause"):
                self._say(kept, where)
                self._pause(inner, where)
                kept = ""
            else:
                kept += _bracketed(inner)
        return _joined(kept, text[at:])

    def _pause(self, inner: str, where: str) -> None:
        match = _PAUSE.fullmatch(inner.lower())
        if match:
            seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
            if not 0 <= seconds <= MAX_PAUSE_S:
                what = f"the pause [{inner}] is not between 0 and {MAX_PAUSE_S:.0f} seconds."
                self._problems.append(Problem(where, what, "It is shortened to fit."))
            self.pieces.append(Piece("pause", "", where, min(max(seconds, 0.0), MAX_PAUSE_S)))
        elif inner.lower() != "pause":
            what = f"the pause [{inner}] is not understood and left out."
            self._problems.append(Problem(where, what, "Write it as [pause 1.5s]."))


def _joined(kept: str, more: str) -> str:
    """`kept + more`, closing the gap that a dropped note leaves before punctuation; stray brackets go."""
    more = more.replace("[", "").replace("]", "")
    return kept.rstrip() + more if more[:1] and more[0] in ",.;:!?…" else kept + more


def parse_markdown(text: str, shown: str, *, title: str, kind: Kind, cast: Collection[str]) -> Script:
    """One Markdown file as a script. `title` names what stands before the first heading."""
    pieces, warnings = read_pieces(text, shown, cast)
    writer = ScriptWriter(title, f"{shown}:1", kind)
    for piece in pieces:
        writer.take(piece)
    writer.close_chapter()
    return Script(tuple(writer.chapters), (*warnings, *writer.warnings))
