"""Blocks: the lines of a source as headings, scene breaks, table rows and paragraphs.

In: a `Source` whose boilerplate is marked. Out: `Block`s in the order of the file; the signs that make them (`#`, `>`,
`-`, `|`) are marked. Knows no speakers and no inline markup.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markdown_it.common.utils import normalizeReference

from pipeline.source.ledger import Source, Stretch
from pipeline.source.prose.books import CHAPTER_LINE
from pipeline.source.prose.brackets import DIRECTION_ALONE, is_pause
from pipeline.source.prose.inline import References
from pipeline.source.prose.speech import Speech

_BULLET = re.compile(r"[-*+•]\s+(?=\S)")
_CHECKBOX = re.compile(r"\[[ xX]\]\s+(?=\S)")
_NUMBER = re.compile(r"(\d{1,9})[.)]\s+(?=\S)")
_QUOTE = re.compile(r"(?:>[ \t]?)+")
_CALLOUT = re.compile(r"\[!\w+\][+-]?[ \t]*")
_RULE = re.compile(r"([-*_])(?:[ \t]*\1){2,}")
_ORNAMENT = re.compile(r"([^\w\s()\[\]{}<>\"'“”‘’.,;:!?|=^`])(?:\s*\1)*")
_REFERENCE = re.compile(
    r"\[([^\[\]^][^\[\]]*)\]:\s*(<[^<>]*>|(?:[a-z][a-z+.-]*:|www\.|#|\.{0,2}/)\S*)(?:\s+[\"'(].*)?", re.IGNORECASE
)
_ROW = re.compile(r"\|[^|]*\S[^|]*\|[^|]*\S[^|]*\|")  # of two cells
_CELL = re.compile(r"[ \t]*((?:\\.|[^|\\\s])(?:(?:\\.|[^|\\])*(?:\\.|[^|\\\s]))?)")
_TEMPLATE = re.compile(r"\[([^\[\]^][^\[\]]*)\]:\s*(\{[{%].*[%}]\}\S*)")
_NUMERAL = re.compile(r"(?:[IVXLC]+|\d{1,3})\.?")
_HEADING = re.compile(r"(#{1,6})(?:[ \t]+|$)")
_CLOSING_SIGNS = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_SCENE_LINE = re.compile(r"SCENE\s+(?:[IVXLC]+|\d+|[A-Z]+)\b.{0,80}|Scene\s+(?:[IVXLC]+|\d+)\b.{0,60}")


@dataclass(frozen=True)
class SourceLine:
    """One line without the signs of its block."""

    number: int
    span: Stretch
    is_item: bool = False  # of a list

    @property
    def text(self) -> str:
        """What is to be seen of it."""
        return self.span.text


@dataclass(frozen=True)
class Block:
    """Lines that belong together: a paragraph, a heading of `level` 1 to 6, a table row, a scene break of none."""

    kind: Literal["paragraph", "heading", "scene", "row"]
    number: int  # of its first line
    start: int  # where in the source it begins and ends
    end: int
    lines: tuple[SourceLine, ...] = ()
    level: int = 0


def read_blocks(
    source: Source, speech: Speech | None = None, *, body: bool = False, plain_text: bool = False
) -> list[Block]:
    """The blocks of a source, its references aside. In the `body` of a turn nothing is a heading or a definition."""
    reader = _Blocks(source, speech or Speech(), body=body)
    blocks = reader.read()
    if body:
        return blocks
    return with_chapter_lines(source, blocks, reader.speech, plain_text=plain_text)


def with_chapter_lines(
    source: Source, blocks: Sequence[Block], speech: Speech, *, plain_text: bool = False, is_document: bool = False
) -> list[Block]:
    """Blocks but for tables of contents, in which "CHAPTER I." on a line of its own is a heading, as in plain text.

    It is one where there are no others; in a document, where there are fewer others.
    """
    said = {block.number for block in blocks if _may_be_chapter(block) and speech.begins_at(block.start, block.end)}
    listed = list(_without_contents(source, blocks, said))
    others = sum(block.kind == "heading" for block in blocks)
    chapters = sum(block.number not in said and _is_chapter_line(block) for block in listed)
    if others and not (is_document and chapters > max(others, 2)):
        return listed
    return list(_with_chapter_lines(source, listed, said, plain_text=plain_text))


def read_references(text: str, speech: Speech) -> References:
    """The targets of links that are defined on lines of their own."""
    references: References = {}
    start = 0
    for line in text.split("\n") if "]:" in text else ():
        start, end = start + len(line) + 1, start + len(line)
        if (
            "]:" in line
            and not speech.begins_at(end - len(line), end)
            and (match := _REFERENCE.fullmatch(line.strip()) or _TEMPLATE.fullmatch(line.strip()))
        ):
            references[normalizeReference(match[1])] = {"href": match[2], "title": ""}
    return references


def is_scene_break(text: str, *, alone: bool) -> bool:
    """Whether a line is signs and nothing else: "---", "#", "* * *", "~~~", "⁂"; some only as a paragraph `alone`."""
    if _RULE.fullmatch(text):
        return True
    is_ornament = not any(map(str.isalnum, text)) and _ORNAMENT.fullmatch(text) is not None
    return is_ornament and (len(text) > 2 or (alone and text in "#⁂❦*~§†◆❖") or text == "##")


class _Blocks:
    """Reads lines one by one; a paragraph's lines wait until the paragraph ends."""

    def __init__(self, source: Source, speech: Speech, *, body: bool) -> None:
        self.blocks: list[Block] = []
        self._source = source
        self.speech = speech
        self._body = body
        self._waiting: list[SourceLine] = []
        self._ends: list[tuple[int, int]] = []
        self._quoted = self._in_list = self._footnote = self._table = False
        self._indented: list[bool] = []  # whether the next line after each that has anything on it is indented

    def read(self) -> list[Block]:
        start = 0
        lines = self._source.text.split("\n")
        for number, line in enumerate(lines, start=1):
            self._line(number, start, start + len(line), lines)
            start += len(line) + 1
        self._flush()
        return self.blocks

    def _line(self, number: int, start: int, end: int, lines: list[str]) -> None:
        raw = self._source.text[start:end]
        span = self._source.stretch(start, end)
        begin, stop = span.strip()
        visible = span.text[begin:stop]
        if not visible.strip("> \t"):
            if not raw.strip("> \t"):
                self._footnote = self._footnote and self._goes_on_indented(lines, number)
            self._flush()
            self._table = False
        elif (
            self._footnote
            and (raw[:1].isspace() or not self._blank_before(lines, number))
            and not self.speech.begins_at(start, end)
        ):
            self._source.leave_out(start, end, "footnote")
        else:
            self._footnote = False
            self._visible_line(number, span.place(begin), span.end(stop), lines)

    def _goes_on_indented(self, lines: list[str], number: int) -> bool:
        """Whether the next line with anything on it is indented, so that a footnote goes on there."""
        if not self._indented:
            following = False
            for line in reversed(lines):
                self._indented.append(following)
                following = line[:1].isspace() if line.strip() else following
            self._indented.reverse()
        return self._indented[number - 1]

    @staticmethod
    def _blank_before(lines: list[str], number: int) -> bool:
        return number < 2 or not lines[number - 2].strip("> \t")

    def _visible_line(self, number: int, start: int, end: int, lines: list[str]) -> None:
        text = self._source.stretch(start, end).text
        quoted = False
        if text[0] == ">" and (quote := _QUOTE.match(text)):
            start, text = self._take(start, end, quote.end())
            quoted = True
            if (callout := _CALLOUT.match(text)) is not None:
                start, text = self._take(start, end, callout.end())
        if quoted and not self._quoted:
            self._flush()
        self._quoted = quoted
        if not text or self._is_block(text, number, start, end, lines):
            return
        ordered, is_item = _NUMBER.match(text), False
        if ordered is None and (bullet := _BULLET.match(text)) and not _RULE.fullmatch(text):
            self._flush()
            self._in_list = is_item = True
            start, text = self._take(start, end, bullet.end())
            if text and (box := _CHECKBOX.match(text)):
                start, text = self._take(start, end, box.end())
            if not text or self._is_block(text, number, start, end, lines):
                return
        elif ordered and not (self._waiting and ordered[1] != "1" and not self._in_list):
            self._flush()  # a line of prose may begin with "1984. "
            self._in_list = True
        self._waiting.append(SourceLine(number, self._source.stretch(start, end), is_item))
        self._ends.append((start, end))

    def _take(self, start: int, end: int, count: int) -> tuple[int, str]:
        """Mark the first `count` characters of a line as markup; where the rest begins, and what it is."""
        span = self._source.stretch(start, end)
        span.leave_out(0, count, "markup")
        return span.place(count), span.text[count:]

    def _is_block(self, text: str, number: int, start: int, end: int, lines: list[str]) -> bool:
        """Handle a line that is a block of its own; False when it is a line of a paragraph."""
        first = text[0]
        if first.isalpha() and "|" not in text:
            return False
        if not self._body and first == "#" and text.strip("# \t") and self._heading(text, number, start, end):
            return True
        if not self._body and first == "=" and self._waiting and len(text) > 1 and not text.strip("="):
            if self.speech.begins_at(self._ends[0][0], self._ends[-1][1]):
                self._flush()
                self.blocks.append(Block("scene", number, start, end))
            else:
                self._underlined(start, end)
            return True
        if is_scene_break(text, alone=not self._waiting):
            self._flush()
            self.blocks.append(Block("scene", number, start, end))
            return True
        if text.startswith("[^") and "]:" in text and not self._body:
            self._flush()
            self._footnote = True
            self._source.leave_out(start, end, "footnote")
            return True
        if DIRECTION_ALONE.fullmatch(text) and not is_pause(text):
            self._source.leave_out(start, end, "direction")
            return True
        if not self._body and first == "[" and self._is_definition(text, start, end):
            self._source.leave_out(start, end, "link target")
            return True
        if first == "|" and text[1:2].isspace() and "|" not in text[2:]:
            self._line_of_verse(text, number, start, end, lines)
            return True
        return "|" in text and self._table_row(text, number, start, end, lines)

    def _line_of_verse(self, text: str, number: int, start: int, end: int, lines: list[str]) -> None:
        """A line of a line block, "| So it goes": it ends where it stands."""
        begin, rest = self._take(start, end, 2)
        below = lines[number].lstrip() if number < len(lines) else ""
        if below[:2] == "| " and "|" not in below[2:] and rest[-1:].isalnum():
            self._source.replace(end, self._source.text.index("\n", end) + 1, ", ", "line of verse")
        self._waiting.append(SourceLine(number, self._source.stretch(begin, end)))
        self._ends.append((begin, end))

    def _is_definition(self, text: str, start: int, end: int) -> bool:
        if self.speech.begins_at(start, end):
            return False
        is_template = text.endswith("]:") and self._source.is_marked(start, end + 1)
        if text.endswith("]:") and not is_template:
            line_end = self._source.text.find("\n", end)
            is_template = self._source.is_marked(end, len(self._source.text) if line_end < 0 else line_end)
        return is_template or _REFERENCE.fullmatch(text) is not None

    def _heading(self, text: str, number: int, start: int, end: int) -> bool:
        signs = _HEADING.match(text)
        if signs is None:
            return False
        span = self._source.stretch(start, end)
        closing = _CLOSING_SIGNS.search(text, signs.end() - 1) if len(text) > signs.end() else None
        stop = closing.start() if closing else len(text)
        span.leave_out(0, signs.end(), "markup")
        span.leave_out(max(stop, signs.end()), len(text), "markup")
        self._flush()
        if stop <= signs.end():
            self.blocks.append(Block("scene", number, start, end))
        else:
            title = self._source.stretch(start, end)
            self.blocks.append(Block("heading", number, start, end, (SourceLine(number, title),), len(signs[1])))
        return True

    def _underlined(self, start: int, end: int) -> None:
        self._source.leave_out(start, end, "markup")
        lines, ends = self._waiting, self._ends
        self._waiting, self._ends = [], []
        self.blocks.append(Block("heading", lines[0].number, ends[0][0], ends[-1][1], tuple(lines), 1))

    def _table_row(self, text: str, number: int, start: int, end: int, lines: list[str]) -> bool:
        if not self._table:
            below = lines[number].strip("> \t") if number < len(lines) else ""
            is_rule = "-" in below and "|" in below and not below.strip("|-: \t")
            if not is_rule and not (_ROW.fullmatch(text) and _ROW.fullmatch(below)):
                return False
            self._table = True
        self._flush()
        span = self._source.stretch(start, end)
        if not text.strip("|-: \t"):
            span.leave_out(0, len(text), "table")
            return True
        cells = [match.span(1) for match in _CELL.finditer(text)]
        borders = [0, *(place for cell in cells for place in cell), len(text)]
        for index in range(0, len(borders), 2):
            if 0 < index < len(borders) - 2:
                span.replace(borders[index], borders[index + 1], ", ", "table")
            else:
                span.leave_out(borders[index], borders[index + 1], "table")
        parts = [self._source.stretch(span.place(a), span.end(b)) for a, b in cells]
        self.blocks.append(Block("row", number, start, end, tuple(SourceLine(number, part) for part in parts)))
        return True

    def _flush(self) -> None:
        """End the paragraph."""
        self._in_list = False
        if self._waiting:
            lines, ends = tuple(self._waiting), self._ends
            self.blocks.append(Block("paragraph", lines[0].number, ends[0][0], ends[-1][1], lines))
            self._waiting, self._ends = [], []


def _may_be_chapter(block: Block) -> bool:
    return block.kind == "paragraph" and len(block.lines) < 4 and CHAPTER_LINE.match(_bare(block.lines[0])) is not None


def _without_contents(source: Source, blocks: Sequence[Block], said: Collection[int]) -> Iterator[Block]:
    """Blocks but for three chapter lines or more with nothing between them, which are a table of contents."""
    run: list[Block] = []
    chapters = [block.number for block in blocks if _may_be_chapter(block) and block.number not in said]
    last = chapters[-1] if chapters else 0
    for block in blocks:
        if _may_be_chapter(block) and block.number not in said:
            run.append(block)
            continue
        yield from _last_of(source, run, last)
        run = []
        yield block
    yield from _last_of(source, run, last)


def _last_of(source: Source, run: Sequence[Block], last: int) -> Sequence[Block]:
    """What of a run of chapter lines is no table of contents; `last` is the line of the last chapter."""
    words = [_bare(block.lines[0]).upper().split()[:2] for block in run]
    alike = len(run) > 2 and len({first for first, *_number in words}) == 1
    if alike and run[-1].number == last and words[-1] not in words[:-1]:
        return run  # no chapter follows
    if not (alike or len(run) > 3) or not all(len(block.lines[0].text) < 80 for block in run):
        return run
    kept = run[-1:] if not alike or words[-1] == words[0] else ()  # "ACT I", "ACT II", "ACT III": the last too
    for block in run[: len(run) - len(kept)]:
        source.leave_out(block.start, block.end, "contents")
    return kept


def _with_chapter_lines(
    source: Source, blocks: Sequence[Block], said: Collection[int], *, plain_text: bool
) -> Iterator[Block]:
    """Blocks in which "CHAPTER I." on a line of its own is a heading, as it is where there are no others."""
    chapters = [block for block in blocks if block.number not in said and _is_chapter_line(block)]
    numerals = [block for block in blocks if block.kind == "paragraph" and len(block.lines) == 1]
    numerals = [block for block in numerals if _NUMERAL.fullmatch(_bare(block.lines[0]))]
    counted = {_bare(block.lines[0]).rstrip(".") for block in numerals}
    if len(chapters) < 3 and ({"I", "II", "III"} <= counted or (plain_text and {"1", "2", "3"} <= counted)):
        chapters += numerals
    if len(chapters) < (1 if plain_text else 2):
        yield from blocks
        return
    numbers = {block.number for block in chapters}
    above: Block | None = None  # a chapter line right above another: "BOOK ONE", then "Chapter 1"
    for block, after in pairwise([*blocks, None]):
        assert block is not None
        if block.number in numbers:
            start, lines = block.start, block.lines
            if above is not None:
                start, lines = above.start, (*above.lines, *lines)
                sign = "" if above.lines[-1].text.rstrip().endswith((".", ":")) else "."
                source.replace(above.end, block.start, f"{sign} ", "chapter title")
            chapter = Block("heading", lines[0].number, start, block.end, lines, 1)
            above = chapter if after is not None and after.number in numbers else None
            if above is None:
                yield chapter
        elif block.kind == "paragraph" and len(block.lines) == 1 and _SCENE_LINE.fullmatch(_bare(block.lines[0])):
            yield Block("heading", block.number, block.start, block.end, block.lines, 2)
        else:
            yield block


def _is_chapter_line(block: Block) -> bool:
    if block.kind != "paragraph" or len(block.lines) > 3 or not CHAPTER_LINE.fullmatch(_bare(block.lines[0])):
        return False
    return all(
        len(line.text) < 70 and not line.text.rstrip().endswith((".", "?", ",")) for line in block.lines[1:]
    ) or (all(line.text.isupper() for line in block.lines))


def is_numbered(heading: Block) -> bool:
    """Whether a heading is the number of a chapter: "IV", "Chapter Two"."""
    bare = _bare(heading.lines[0])
    return _NUMERAL.fullmatch(bare) is not None or CHAPTER_LINE.match(bare) is not None


def _bare(line: SourceLine) -> str:
    return line.text.strip(" \t*_=")
