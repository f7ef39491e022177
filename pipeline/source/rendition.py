"""Rendition: a source of whatever format as its reader hands it on, and how all of them become a script.

In: a `Rendition`: a text, what its format marks in it, and what it tells of blocks and speakers. Out: a `Script` with
its ledger. What is not spoken is marked in the source, by this module and by those it calls; what bears no mark is
spoken.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pipeline.errors import Problem
from pipeline.source.ledger import Ledger, Reason, Source, Stretch, display
from pipeline.source.prose.blocks import Block, read_blocks, read_references, with_chapter_lines
from pipeline.source.prose.boilerplate import mark_boilerplate
from pipeline.source.prose.brackets import DIRECTION_ALONE, Brackets, Cut, is_pause
from pipeline.source.prose.chapters import document_headings, repeated_titles, silent_headings, with_parts
from pipeline.source.prose.inline import References, mark_inline
from pipeline.source.prose.lines import Vocabulary, mark_line_ends
from pipeline.source.prose.speech import Speech
from pipeline.source.script import Piece, Reading, Script, ScriptWriter, name_key
from pipeline.source.speakers.forms import Label
from pipeline.source.speakers.labels import Labels, find_labels, known_labels, label_places
from pipeline.source.spoken import text as texts
from pipeline.words import counted

_LINE = re.compile(r"\(line (\d+)\)")
_ON_STAGE = re.compile(r"([*_])(?:Enter|Exit|Exeunt|Re-?enter|Manet|Flourish|Alarums?)\b[^*_]*\1")
_ARROWS = re.compile(r"(?:^|\s)>>\s+(?=[A-Z])")
_EQUALS = re.compile(r"(?<![\w=])=(?=[^\s=])([^=\n]+?)(?<=[^\s=])=(?![\w=])")
_TAG_ALONE = re.compile(r"([*_])([a-z][a-z ]{2,24})[.!…]?\1(?=\s+[A-Z\"“‘(*_—]|\s*$)")


@dataclass
class Rendition:
    """A source with what its format tells.

    Without `blocks` and `labels` the text itself has to tell them, as Markdown's does. `signs` are characters that the
    reader of the format has put into the text (`**` around what is bold), so that the rules for texts see them.
    """

    source: Source
    shown: str
    places: Sequence[str] = ()  # where each line of the text stands; else its number does
    blocks: Sequence[Block] | None = None
    labels: Sequence[Label] | None = None  # in order, marked; none: nobody is named
    sure_labels: Sequence[Label] = ()  # at the heads of lines, not marked: whatever else the text tells, these count
    signs: Sequence[tuple[int, int]] = ()
    plain_text: bool = False  # no Markdown
    has_chapters: bool = False  # headings of level 1 are those of the book's own contents
    is_wrapped: bool = False  # lines end where they are full, and never as those of verse
    verbatim: Sequence[tuple[int, int]] = ()  # code, in which brackets are no notes
    titles: Mapping[int, str] = field(default_factory=dict)  # of chapters whose headings are said as they stand
    least_labels: Mapping[str, float] = field(default_factory=dict)  # the share of paragraphs that has to bear one
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def where(self, line: int) -> str:
        """Where a line of the text stands, in the words of the format."""
        return self.places[line - 1] if self.places else f"{self.shown}:{line}"


def read_rendition(rendition: Rendition, *, title: str, reading: Reading) -> Script:
    """The script that it is. `title` names what stands before the first heading."""
    source = rendition.source
    reader = TextReader(rendition, reading)
    pieces = reader.read()
    writer = ScriptWriter(title, rendition.where(1), reading.kind)
    spoken: list[tuple[int, int, int | Reason]] = []
    for piece in pieces:
        turn = writer.take(piece)
        unspoken: Reason = "chapter title" if piece.what == "chapter" else "heading"
        if piece.text and piece.what in ("text", "chapter", "heading"):
            spoken.append((*piece.place, unspoken if turn is None else turn))
    writer.close_chapter()
    return Script(
        tuple(writer.chapters),
        (*reader.warnings, *writer.warnings),
        (Ledger(rendition.shown, source.text, source.entries(spoken), tuple(rendition.places)),),
        tuple(reader.problems),
    )


class TextReader:
    """Marks a source from its boilerplate down to its brackets, and makes pieces of what bears no mark."""

    def __init__(self, rendition: Rendition, reading: Reading) -> None:
        source = rendition.source
        self.warnings = list(rendition.warnings)
        self.problems = list(rendition.problems)
        self._rendition = rendition
        self._source = source
        self._place = rendition.where
        self._reading = reading
        self._sign_starts = [start for start, _end in rendition.signs]
        self._references: References = {}
        self._brackets = Brackets(source, frozenset(), [])
        self._vocabulary = Vocabulary(source.text, reading.language)
        self._speaker = ""  # of the paragraph before
        self._cues: list[tuple[str, str]] = []  # the place of each bracket that may be a cue

    def read(self) -> list[Piece]:
        """The pieces of a file."""
        source, reading, given = self._source, self._reading, self._rendition
        names = {name.casefold() for name in (*reading.cast, *reading.aliases)}
        speech = Speech(lambda: label_places(source.text, reading))
        if given.blocks is None:
            mark_boilerplate(source, names, speech, self._warn, self._refuse)
            blocks = read_blocks(source, speech, plain_text=given.plain_text)
            self._references = read_references(source.text, speech)
        else:
            mark_boilerplate(source, names, speech, self._warn, None)
            is_document = bool(given.least_labels) and not given.has_chapters
            blocks = with_chapter_lines(source, list(_visible(given.blocks)), speech, is_document=is_document)
        if given.labels is None:
            least = given.least_labels.get(reading.kind, 0.0)
            labels = find_labels(
                source, blocks, reading, self._warn, least, sure=given.sure_labels, is_caption=given.is_wrapped
            )
        else:
            labels = known_labels(blocks, given.labels, reading)
        arrows = len(_ARROWS.findall(source.text))
        if arrows > 1 and not (given.is_wrapped and labels.names):
            what = f'">>" stands {arrows} times for another speaker, without a name, and all is read in one voice.'
            self._warn(1, what, "Write a name in the place of each.")
        self._brackets.speakers = labels.names
        self._brackets.is_play = labels.is_play
        self._brackets.verbatim = given.verbatim
        self._brackets.is_book = reading.kind == "audiobook"
        with_speakers = {self._file_of(blocks[index]) for index in labels.by_block if index < len(blocks)}
        blocks, level, titles, silent = self._chapters(blocks, labels)
        pieces: list[Piece] = []
        in_table = False
        tables: list[int] = []
        for index, block in enumerate(blocks):
            is_read = block.kind == "row" and index not in labels.by_block
            if is_read and not in_table and source.stretch(block.start, block.end).text.strip():
                tables.append(block.number)
            in_table = block.kind == "row"
            is_prose = bool(given.least_labels) and self._file_of(block) not in with_speakers
            is_prose = is_prose or (self._brackets.is_book and not with_speakers)
            self._brackets.is_prose, self._brackets.speakers = is_prose, frozenset() if is_prose else labels.names
            pieces += self._pieces(block, labels, index, 0 if index in silent else level, is_title=index in titles)
        for number in tables[:1] if len(tables) > 3 else tables:
            more = f", and {len(tables) - 1} more later," if len(tables) > 3 else ""
            what = f"a table begins here{more} and is read cell by cell."
            self._warn(number, what, "Write it as sentences.")
        if self._cues:
            shown = ", ".join(note for _where, note in self._cues[:3]) + (" …" if len(self._cues) > 3 else "")
            what = f"{counted(len(self._cues), 'bracket')} between sentences, taken for cues and not read: {shown}."
            self.warnings.append(Problem(self._cues[0][0], what, "Write without brackets what is to be read."))
        return pieces

    def _chapters(self, blocks: list[Block], labels: Labels) -> tuple[list[Block], int, set[int], set[int]]:
        """Blocks with parts in chapters' titles, the level of chapters, the headings that are titles or begin none."""
        given, labelled = self._rendition, labels.by_block
        level, titles, opening = 1, set[int](), set[int]()
        if given.blocks is None or self._reading.chapters_at is not None:
            level, title = self._chapter_level([b for index, b in enumerate(blocks) if index not in labelled])
            titles = {index for index, block in enumerate(blocks) if block is title}
        elif not given.has_chapters:
            headings = document_headings(blocks, labelled)
            level, titles, opening = headings.level, set(headings.title), set(headings.opening)
        if level == 1 and given.blocks is None:
            return blocks, level, titles, set()
        silent = silent_headings(blocks, labelled, level)
        if not given.has_chapters:
            titles |= repeated_titles(blocks, silent - titles - opening)
            blocks = with_parts(self._source, blocks, labelled, silent - titles - opening, titles, level)
        return blocks, level, titles, silent | opening

    def _file_of(self, block: Block) -> str:
        """The document in which a block stands, of those that a book is made of."""
        return self._place(block.number).rpartition(":")[0]

    def read_body(self, speaker: str | None) -> list[Piece]:
        """The pieces of a turn."""
        labels = Labels()
        self._brackets.speakers = frozenset({name_key(speaker)} if speaker else ())
        self._speaker = speaker or ""
        blocks = read_blocks(self._source, body=True)
        return [piece for index, block in enumerate(blocks) for piece in self._pieces(block, labels, index, 0)]

    def _warn(self, number: int, what: str, fix: str) -> None:
        if self._rendition.places:  # the lines of the text are not those of the file
            what = _LINE.sub(lambda line: f"({self._place(int(line[1])).rpartition('/')[2]})", what)
        self.warnings.append(Problem(self._place(number), what, fix))

    def _refuse(self, number: int, what: str, fix: str) -> None:
        self.problems.append(Problem(self._place(number), what, fix))

    def _chapter_level(self, blocks: Sequence[Block]) -> tuple[int, Block | None]:
        """At which level headings begin chapters, and the heading that is the title of all of it, if one is."""
        headings = [block for block in blocks if block.kind == "heading"]
        first = [block for block in headings if block.level == 1]
        second = [block for block in headings if block.level == 2]
        lower = [block for block in headings if block.level > 1]
        if self._reading.chapters_at is not None:
            is_title = self._reading.chapters_at > 1 == len(first) and blocks[:1] == first
            following = next((block for block in blocks[1:] if block.kind != "scene"), None)
            is_title = is_title and following is not None and following.kind == "heading"
            return self._reading.chapters_at, first[0] if is_title else None
        if len(first) == 1 and len(second) > 1 and headings[0] is first[0]:
            before = next(block for block in blocks if block.kind != "scene")
            after = blocks[blocks.index(first[0]) + 1 :]
            goes_on = next((block for block in after if block.kind != "scene"), second[0])
            if self._reading.kind == "podcast":
                what = f"the {len(second)} headings of two signs (##) begin chapters."
                self._warn(second[0].number, what, "chapters_at: 1 beside the script's name makes one of them.")
            return 2, first[0] if before is first[0] and goes_on is second[0] else None
        if lower and (self._reading.kind == "podcast" or not first):
            level = min(block.level for block in lower)
            unread = ", not read" if self._reading.kind == "podcast" else ""
            what = f"{counted(len(lower), 'heading')} below chapters{unread}: {lower[0].lines[0].text.strip()[:40]}"
            what += " …" if len(lower) > 1 else "."
            self._warn(lower[0].number, what, f"chapters_at: {level} beside the script's name makes chapters of them.")
        return 1, None

    def _pieces(
        self, block: Block, labels: Labels, index: int, level: int, *, is_title: bool = False
    ) -> Iterator[Piece]:
        where = self._place(block.number)
        marked = labels.by_block.get(index, ())
        if block.kind == "scene":
            yield Piece("scene", "", where)
        elif block.kind == "heading" and not marked:
            title = self.heading_text(block.start, block.end)
            if is_title:
                self._source.leave_out(block.start, block.end, "chapter title")
            else:
                is_chapter = block.level <= level
                self._speaker = "" if is_chapter or self._reading.kind == "audiobook" else self._speaker
                place = (block.start, block.end)
                longer = self._rendition.titles.get(block.start, "")
                yield Piece("chapter" if is_chapter else "heading", title, where, place=place, title=longer)
        else:
            yield from self._paragraph(block, marked, goes_on=labels.goes_on)

    def heading_text(self, start: int, end: int) -> str:
        """The display text of a heading, its markup and brackets marked."""
        self._mark_inline(start, end)
        self._brackets.read(self._source.stretch(start, end), None)
        return display(self._source.stretch(start, end).text)

    def _mark_inline(self, start: int, end: int) -> None:
        """Mark the markup between two places: the signs that a reader has put in, and those that are written."""
        signs = self._rendition.signs
        for sign in signs[bisect_left(self._sign_starts, start) : bisect_left(self._sign_starts, end)]:
            if not self._source.is_marked(*sign):  # it may belong to what was replaced: "*sighs*"
                self._source.leave_out(*sign, "markup")
        is_written = self._rendition.blocks is None
        mark_inline(self._source.stretch(start, end), self._references, only_emphasis=not is_written)

    def _paragraph(self, block: Block, labels: Sequence[Label], *, goes_on: bool) -> Iterator[Piece]:
        """A paragraph, cut at its labels."""
        where = self._place(block.number)
        parts: list[tuple[int, str, str | None]] = [(block.start, where, "")]
        parts += ((label.end, self._place(label.number), label.name) for label in labels)
        ends = [*(label.start for label in labels), block.end]
        for index, ((start, place, name), end) in enumerate(zip(parts, ends, strict=True)):
            if name:
                yield Piece("speaker", name, place)
                self._speaker = name
            elif index and name == "":
                yield Piece("speaker", "", place)
                self._speaker = ""
            elif (name is None or (goes_on and start == block.start)) and self._speaker:
                yield Piece("speaker", self._speaker, place)
            if self._source.stretch(start, end).text.strip():
                yield from self._text(start, end, place)

    def _text(self, start: int, end: int, where: str) -> Iterator[Piece]:
        """What one speaker says in a paragraph, cut at pauses and at [S1] and [S2]."""
        source = self._source
        span = source.stretch(start, end)
        first, last = span.strip()
        is_stage = bool(self._brackets.speakers) and _ON_STAGE.fullmatch(span.text, first, last)
        is_beat = is_pause(span.text[first:last])
        if is_stage or (DIRECTION_ALONE.fullmatch(span.text, first, last) and not is_beat):
            span.leave_out(first, last, "direction")
            return
        is_verse = not self._rendition.is_wrapped
        mark_line_ends(
            span, self._vocabulary, lambda what, fix: self.warnings.append(Problem(where, what, fix)), verse=is_verse
        )
        _mark_tags_alone(source.stretch(start, end))
        self._mark_inline(start, end)
        for match in _EQUALS.finditer(span.text):
            span.leave_out(match.start(), match.start() + 1, "markup")
            span.leave_out(match.end() - 1, match.end(), "markup")
        cuts = self._brackets.read(source.stretch(start, end), self._speaker or None)
        self.warnings += (Problem(where, what, fix) for what, fix in self._brackets.notes)
        self._brackets.notes.clear()
        self._cues += ((where, note) for note in self._brackets.doubtful)
        self._brackets.doubtful.clear()
        yield Piece("paragraph", "", where)
        edges = [Cut(start, start), *cuts, Cut(end, end)]
        for cut, after in pairwise(edges):
            if cut.speaker:
                self._speaker = cut.speaker
                yield Piece("speaker", cut.speaker, where)
            elif cut.pause_s is not None:
                yield Piece("pause", "", where, cut.pause_s)
            text = display(source.stretch(cut.end, after.start).text)
            if texts.has_speech(text) or texts.has_tag(text):
                yield Piece("text", text, where, place=(cut.end, after.start))


def _visible(blocks: Sequence[Block]) -> Iterator[Block]:
    """Blocks as they are to be seen now that more is marked."""
    for block in blocks:
        lines = [replace(line, span=line.span.rest()) for line in block.lines]
        lines = [line for line in lines if line.text.strip()]
        if lines or block.kind == "scene":
            yield replace(block, lines=tuple(lines))


def _mark_tags_alone(span: Stretch) -> None:
    """`*sighs*` between two sentences is no emphasis."""
    for match in _TAG_ALONE.finditer(span.text) if "*" in span.text or "_" in span.text else ():
        before = span.text[max(match.start() - 80, 0) : match.start()].rstrip()
        if (not before or before[-1] in ".!?…:") and (tag := texts.nearest_tag(match[2])):
            span.replace(*match.span(), tag, "tag")
