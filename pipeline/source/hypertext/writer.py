"""Writer: the text of a document, block by block, with what is left out of it in its place.

In: the text nodes of a document in order, with their style and the reason for which they are not read. Out: a
`Rendition` in which every one of them stands. Knows no elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from pipeline.source.encodings import words_of
from pipeline.source.ledger import Reason, Source
from pipeline.source.prose.blocks import Block, SourceLine, is_scene_break
from pipeline.source.prose.books import CHAPTER_LINE
from pipeline.source.prose.inline import power
from pipeline.source.rendition import Rendition
from pipeline.source.speakers.forms import Label

BlockKind = Literal["paragraph", "heading", "scene", "row"]

_NUMERAL = re.compile(r"(?:[IVXLC]+|\d{1,3})\.?")
_LETTERS = re.compile(r"[^\W_]+")
_FEWEST = {"audiobook": 0.08, "podcast": 0.04}  # of paragraphs with labels: with fewer, "Production:" is no person
_FEW_BLANKS = 0.1  # of all paragraphs: so few empty ones are breaks between scenes, more are a way to space lines


class _TextRun(NamedTuple):
    """Text of one style; "\\n" is a line break and "\\t" the border of two cells."""

    text: str
    style: str = ""
    reason: Reason | None = None
    is_code: bool = False
    sign: Literal["", "break", "verse", "cell"] = ""
    is_power: bool = False


@dataclass
class _WrittenBlock:
    """A block as it stands in the text: where its lines (or cells) begin and end, and what heads it."""

    kind: BlockKind
    number: int
    start: int
    end: int
    lines: list[tuple[int, int]] = field(default_factory=list)
    level: int = 0
    is_item: bool = False
    is_chapter: bool = False  # its document, or the book's contents, say so
    is_blank: bool = False
    key: str = ""  # of a heading
    is_number: bool = False
    title: str = ""  # in the contents, where that says more than the heading


@dataclass
class DocumentWriter:
    """Takes text in the order of the document; `end_block` ends what the text before it belongs to."""

    shown: str
    place: str = ""  # of what is written next
    has_chapters: bool = False  # `begin_chapter` tells them, and the levels of headings do not
    book: str = ""  # its title, which is no chapter
    signs: list[tuple[int, int]] = field(default_factory=list)
    labels: list[Label] | None = None
    speaker: str | None = None  # whose the next paragraph is; "" where whoever spoke before goes on
    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _places: list[str] = field(default_factory=list)
    _runs: list[_TextRun] = field(default_factory=list)
    _blocks: list[_WrittenBlock] = field(default_factory=list)
    _left_out: list[tuple[int, int, Reason]] = field(default_factory=list)
    _verbatim: list[tuple[int, int]] = field(default_factory=list)
    _replaced: list[tuple[int, int, str, str]] = field(default_factory=list)
    _label_at: int | None = None
    _chapter: str | None = None  # the title of one that begins with the next block
    _longer_title: str = ""  # the contents' for the block that is being written
    _rest_of_title: str = ""  # what the contents' title says more than the heading before

    @property
    def last_written(self) -> str:
        """The last 40 characters of the block that is being written, without what is left out."""
        return "".join(run.text for run in self._runs[-8:] if run.reason is None)[-40:]

    def add(self, text: str, style: str = "", reason: Reason | None = None, *, is_code: bool = False) -> None:
        """Text of a text node; white space in it is a space."""
        if text:
            self._runs.append(_TextRun(text, style, reason, is_code))

    def add_power(self, text: str, style: str) -> None:
        """Text of a text node that is raised: the 2 of "x²"."""
        self._runs.append(_TextRun(text, style, is_power=True))

    @property
    def ends_with_break(self) -> bool:
        """Whether nothing was added since the end of a line."""
        last = next((run for run in reversed(self._runs) if run.sign or run.text.strip()), None)
        return last is not None and last.sign in ("break", "verse")

    def is_only(self, text: str) -> bool:
        """Whether nothing else is in the block that is being written."""
        return "".join(run.text for run in self._runs).split() == text.split()

    def add_break(self, *, is_verse: bool) -> None:
        """The end of a line within a block; of one that is no verse it is a space where the next begins small."""
        self._runs.append(_TextRun("", sign="verse" if is_verse else "break"))

    def add_cell(self) -> None:
        """The end of a cell within a row."""
        self._runs.append(_TextRun("", sign="cell"))

    def begin_chapter(self, title: str) -> None:
        """What comes next is a chapter, `title` in the contents."""
        last = self._blocks[-1] if self._blocks else None
        if last is not None and last.kind == "heading" and not last.is_chapter and last.key and last.key == _key(title):
            last.is_chapter, last.level = True, 1
        else:
            self._chapter = title

    def end_block(self, kind: BlockKind = "paragraph", level: int = 0, *, is_item: bool = False) -> None:
        """Write what was added as a block of its own; where nothing of it is read, it is none."""
        runs, self._runs = self._runs, []
        visible = "".join(run.text for run in runs if run.reason is None)
        if not visible.strip():
            self._write_left_out(runs)
            return
        shown = " ".join(visible.split())
        is_book = kind == "heading" and bool(self.book) and _key(shown) == _key(self.book) != _key(self._chapter or "")
        if self._chapter is not None and kind != "scene" and not is_book:
            kind, level = self._head(shown, kind, level)
        elif self._rest_of_title and kind != "scene":
            kind, level = self._goes_on_with_title(shown, kind, level)
        if kind in ("paragraph", "heading") and is_scene_break(shown, alone=True):
            kind = "scene"
        is_chapter = kind == "heading" and level == 0
        if is_chapter:
            level = 1
        elif kind == "heading" and self.has_chapters:
            level = max(level, 2)
        self._begin_line()
        block = _WrittenBlock(kind, len(self._places), self._length, 0, [], level, is_item, is_chapter)
        block.key = _key(shown) if kind == "heading" else ""
        block.title, self._longer_title = self._longer_title, ""
        block.is_number = kind == "heading" and _is_number(shown)
        self._write(runs, block)
        block.end = self._length
        self._note_speaker(block)
        self._blocks.append(block)

    def end_blank(self) -> None:
        """An empty paragraph, which may be a break between scenes."""
        self._begin_line()
        self._blocks.append(_WrittenBlock("scene", len(self._places), self._length, self._length, is_blank=True))

    def add_scene(self) -> None:
        """A rule between scenes."""
        self.end_block()
        self._begin_line()
        self._blocks.append(_WrittenBlock("scene", len(self._places), self._length, self._length))

    def end_label(self, name: str) -> None:
        """What was added names who speaks; "" where nobody is named and the speech goes on."""
        self.labels = [] if self.labels is None else self.labels
        runs, self._runs = self._runs, []
        if any(run.text.strip() for run in runs):
            self._begin_line()
            self._label_at = self._length
            self._write([run._replace(reason=run.reason or "label", style="") for run in runs], None)
        self.speaker = name

    def add_to_label(self, sign: str) -> None:
        """A sign behind a name that was written just now."""
        if sign.strip():
            self._begin_line()
            self._write([_TextRun(sign, reason="label")], None)

    def _note_speaker(self, block: _WrittenBlock) -> None:
        if self.speaker is None or block.kind != "paragraph" or self.labels is None:
            return
        start = self._label_at if self._label_at is not None else block.start
        self.labels.append(Label(start, block.start, block.number, self.speaker or None))
        block.start, self._label_at = start, None
        self.speaker = ""

    def _head(self, shown: str, kind: BlockKind, level: int) -> tuple[BlockKind, int]:
        """The heading of a chapter is what stands there as one, or repeats the title; else the title itself."""
        title, self._chapter = self._chapter or "", None
        whole, begins = _key(title), _key(shown)
        if kind == "heading" or (begins and (whole == begins or whole.startswith(begins)) and kind == "paragraph"):
            self._rest_of_title = whole.removeprefix(begins) if whole.startswith(begins) else ""
            self._longer_title = title if self._rest_of_title and kind == "heading" else ""
            if not self._rest_of_title and kind == "heading" and _is_number(shown):
                self._rest_of_title = "*"
            return "heading", 0
        if whole:
            runs, self._runs = self._runs, [_TextRun(title)]
            self.end_block("heading")
            self._runs = runs
        return kind, level

    def _goes_on_with_title(self, shown: str, kind: BlockKind, level: int) -> tuple[BlockKind, int]:
        """A second line of a chapter's title, right below its number."""
        rest, self._rest_of_title = self._rest_of_title, ""
        belongs = _key(shown) == rest or (rest == "*" and kind == "heading")
        return ("heading", 0) if belongs else (kind, level)

    def _begin_line(self) -> None:
        if self._parts:
            self._put("\n\n")
            self._places.append(self._places[-1])
        self._places.append(self.place)

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _write_left_out(self, runs: Sequence[_TextRun]) -> None:
        if any(words_of(run.text) for run in runs):
            self._begin_line()
            self._write(runs, None)

    def _write(self, runs: Sequence[_TextRun], block: _WrittenBlock | None) -> None:
        """Write runs, a space for all white space, signs around what is bold or italic."""
        line, style, gap, begun, ended = self._length, "", "", False, ""
        is_heading = block is not None and block.kind == "heading"
        for run in runs:
            if run.sign:
                style = self._close(style)
                if block is None:
                    gap = " " if begun else ""
                    continue
                if begun:
                    block.lines.append((line, self._length))
                    ended = run.sign
                gap, begun = "", False
                continue
            words = " ".join(words_of(run.text))
            gap = " " if run.text[:1].isspace() and begun else gap
            if not words:
                continue
            if ended:
                self._end_line(ended, words, is_heading=is_heading)
                line, ended = self._length, ""
            wanted = style if run.reason else "" if is_heading else run.style
            if wanted != style:
                style = self._close(style)
            self._put(gap)
            if wanted != style:
                self.signs.append((self._length, self._length + len(wanted)))
                self._put(wanted)
                style = wanted
            start = self._length
            self._put(words)
            if run.reason:
                self._left_out.append((start, self._length, run.reason))
            if run.is_power:
                self._replaced.append((start, self._length, power(words), "power"))
            if run.is_code:
                self._verbatim.append((start, self._length))
            gap, begun = " " if run.text[-1].isspace() else "", True
        self._close(style)
        if block is not None and begun:
            block.lines.append((line, self._length))

    def _close(self, style: str) -> str:
        if style:
            self.signs.append((self._length, self._length + len(style)))
            self._put(style)
        return ""

    def _end_line(self, sign: str, after: str, *, is_heading: bool) -> None:
        if sign == "cell":
            self._replaced.append((self._length, self._length + 3, ", ", "table"))
            self._put(" | ")
        elif is_heading:
            self._put(" " if self._parts[-1][-1:] in ".:;!?—–-," else ". ")
        else:
            self._put("\n" if sign == "break" and after.lstrip("“‘\"'(")[:1].islower() else "  \n")
            self._places.append(self.place)

    def rendition(self) -> Rendition:
        """What was written, as a whole."""
        self.end_block()
        source = Source("".join(self._parts))
        for left_out in self._left_out:
            source.leave_out(*left_out)
        for replaced in self._replaced:
            source.replace(*replaced)
        return Rendition(
            source,
            self.shown,
            places=self._places or [self.place],
            blocks=[_as_block(source, block) for block in self._whole(source)],
            labels=self.labels,
            signs=self.signs,
            has_chapters=self.has_chapters,
            titles={block.start: block.title for block in self._blocks if block.title},
            verbatim=self._verbatim,
            least_labels=_FEWEST,
        )

    def _whole(self, source: Source) -> Iterator[_WrittenBlock]:
        """Blocks; a chapter's number and its title are one heading, empty paragraphs are breaks where they are few."""
        paragraphs = sum(block.kind == "paragraph" for block in self._blocks)
        blanks = sum(block.is_blank for block in self._blocks)
        head: _WrittenBlock | None = None
        title = _key(self.book)
        is_title = bool(title)  # whether all so far belongs to the title of the book
        for index, block in enumerate(self._blocks):
            after = next((one for one in self._blocks[index + 1 :] if not one.is_blank), None)
            is_alone = after is not None and after.kind == "heading"  # no text follows
            names_book = block.kind == "heading" and is_alone and _is_of_title(block.key, title)
            is_title = is_title and (names_book or block.is_blank)
            if is_title and self.has_chapters:
                source.leave_out(block.start, block.end, "front matter")
                continue
            if block.is_blank and blanks > _FEW_BLANKS * paragraphs:
                continue
            is_title_of = head is not None and head.is_number and block.kind == "heading" and not block.is_number
            if head is not None and (block.is_chapter or is_title_of):
                sign = "" if source.text[head.end - 1] in ".:;!?" else "."
                source.replace(head.end, head.end + 1, f"{sign} ", "chapter title")
                head = replace(head, end=block.end, lines=[*head.lines, *block.lines])
                continue
            if head is not None and block.is_blank:
                continue
            if head is not None:
                yield head
            head = block if block.is_chapter or block.is_number else None
            if head is None:
                yield block
        if head is not None:
            yield head


def _as_block(source: Source, block: _WrittenBlock) -> Block:
    lines = [SourceLine(block.number, source.stretch(start, end), block.is_item) for start, end in block.lines]
    return Block(block.kind, block.number, block.start, block.end, tuple(lines), block.level)


def _key(text: str) -> str:
    """What titles are compared by: their letters and numbers."""
    return "".join(_LETTERS.findall(text)).casefold()


def _is_of_title(key: str, title: str) -> bool:
    """Whether a heading is the title of the book, or a part of it such as what stands before its subtitle."""
    return key == title or (len(key) > 5 and len(title) > 5 and (title.startswith(key) or key.startswith(title)))


def _is_number(heading: str) -> bool:
    """Whether a heading is "IV", "7" or "Chapter Two", so that a title may follow."""
    bare = heading.strip(" .:—–-")
    return _NUMERAL.fullmatch(bare) is not None or (CHAPTER_LINE.fullmatch(bare) is not None and len(bare.split()) < 4)
