"""Walk: the elements of a document in order, as text, styles and blocks for a `DocumentWriter`.

In: the tree of a document. Out: nothing; all its text nodes, and the texts that stand for its pictures, are handed to
the writer, those that are not read with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lxml import etree

from pipeline.source.hypertext.elements import (
    AFTER_NAME,
    BLOCKS,
    PLACE,
    classes_of,
    heading_level,
    is_persona,
    is_speaker,
    is_stanza,
    is_verse,
    name_in,
    reason_of,
    tag_of,
    text_of,
    types_of,
)
from pipeline.source.hypertext.raised import is_numerator
from pipeline.source.hypertext.writer import DocumentWriter
from pipeline.source.ledger import Reason
from pipeline.source.prose.inline import is_note_mark, is_power

_STYLES = {"b": "**", "strong": "**", "i": "*", "em": "*"}
_DROPPED_CAPITAL = re.compile(r"drop|initial|firstletter|first-letter|versal|lettrine")
_BREAKS_SCENE = re.compile(r"^(?:asterism|tb|thoughtbreak|scene-?break|section-?break|ornament|separator)$")
_LINES = re.compile(r"\n")
_LETTER = re.compile(r"[“‘\"']?[^\W\d_]")
_WORDS_OF_ONE = frozenset("AIOaioÀÓEYUàéyu")
_READ_ON_TITLE = frozenset("epigraph dedication foreword preface prologue introduction".split())
_CELLS = ("td", "th")


class _Open(NamedTuple):
    """An element that is not closed yet, and what holds within it."""

    tag: str
    style: str
    reason: Reason | None
    heading: int  # the level of the heading it stands in
    is_block: bool
    is_verse: bool = False
    is_pre: bool = False
    is_code: bool = False
    is_row: bool = False  # its cells are read as cells
    is_dropped: bool = False  # its letter belongs to the word behind it
    is_power: bool = False  # raised, and no mark of a note


_ROOT = _Open("", "", None, 0, is_block=True)


@dataclass
class Walk:
    """Goes through documents; `place` is where an element stands, `chapters` the titles of what begins at an id."""

    writer: DocumentWriter
    place: Callable[[etree._Element], str] = lambda element: element.get(PLACE) or ""
    has_speakers: bool = False  # classes tell who speaks
    chapters: Mapping[str, str] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=lambda: [_ROOT])
    _counts: list[int] = field(default_factory=list)  # of the items of ordered lists
    _plays: list[bool] = field(default_factory=list)  # of open tables, whether a row has named who speaks
    _number: str = ""  # of an item of a list, whose text comes next
    _after_label: bool = False  # a sign that follows belongs to it
    _joins: bool = False  # a dropped capital came before

    def read(self, root: etree._Element, reason: Reason | None = None) -> None:
        """Write all of a document; for `reason` none of it is read."""
        self._open = [_ROOT._replace(reason=reason)]
        for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
            if event == "start":
                self._start(element, is_root=element is root or tag_of(element) == "body")
                self._text(element.text)
            elif event == "end":
                self._end(element)
                if element is not root:
                    self._text(element.tail)
            elif element is not root and element.getparent() is not None:
                self._text(element.tail)
        self.writer.end_block()

    def read_data(self, root: etree._Element, reason: Reason) -> None:
        """Write the text nodes of what is no HTML, each for itself."""
        for text in root.itertext():
            self.writer.add(str(text), reason=reason)
            self.writer.end_block()

    def _start(self, element: etree._Element, *, is_root: bool) -> None:
        above, tag = self._open[-1], tag_of(element)
        own = reason_of(element, is_root=is_root)
        reason = own if own == "head" else above.reason or own or self._note(element, tag)
        if above.reason == "front matter" and above.tag and not _READ_ON_TITLE.isdisjoint(types_of(element)):
            reason = None
        is_block = tag in BLOCKS or heading_level(element) > 0
        if tag == "sup" and reason is None and is_numerator(element) and self.writer.last_written[-1:].isdigit():
            self.writer.add(" ")  # "3 1/2", and not 31 halves
        now = above._replace(
            tag=tag,
            style=_combined(above.style, _STYLES.get(tag, "")),
            reason=reason,
            heading=above.heading or heading_level(element),
            is_block=is_block and not above.heading,
            is_verse=above.is_verse or (is_block and is_verse(element)),
            is_pre=above.is_pre or tag == "pre",
            is_code=above.is_code or tag in ("code", "samp", "kbd", "tt"),
            is_dropped=_is_dropped_capital(element),
            is_power=above.is_power or (tag == "sup" and reason is None and self._is_power(element)),
        )
        if now.is_dropped or self._is_line(element, now, above):
            now = now._replace(is_block=False)
        if now.is_block:
            self._begin_block(element, now, above)
            now = self._in_table(element, now)
        self._open.append(now)
        for name in (element.get("id"), element.get("name") if tag == "a" else None):
            if name is not None and name in self.chapters:
                self.writer.begin_chapter(self.chapters[name])
        self._empty_element(element, tag, now)

    def _begin_block(self, element: etree._Element, now: _Open, above: _Open) -> None:
        if not (above.is_row and now.tag in _CELLS):
            self._end_block(above)
        self.writer.place = self.place(element) or self.writer.place
        if now.tag == "ol":
            start = element.get("start") or "1"
            is_counted = element.get("type") in (None, "1") and element.get("reversed") is None
            self._counts.append((int(start) if re.fullmatch(r"\d{1,6}", start) else 1) if is_counted else -1)
        elif now.tag == "ul":
            self._counts.append(-1)
        elif now.tag == "li" and self._counts and self._counts[-1] >= 0 and now.reason is None:
            value = element.get("value") or ""
            self._counts[-1] = int(value) if re.fullmatch(r"\d{1,6}", value) else self._counts[-1]
            self._number = f"{self._counts[-1]}. "
            self._counts[-1] += 1

    def _in_table(self, element: etree._Element, now: _Open) -> _Open:
        if now.tag == "table":
            self._plays.append(False)
            return now._replace(is_row=False)
        if now.tag == "tr" and self._plays:
            cells = [cell for cell in element if tag_of(cell) in _CELLS]
            self._plays[-1] = self._plays[-1] or any(map(is_persona, cells))
            if self._plays[-1]:
                self.writer.speaker = None
                return now._replace(is_row=False)
            nested = any(tag_of(child) in BLOCKS for cell in cells for child in cell)
            return now._replace(is_row=len(cells) > 1 and not nested)
        return now

    def _is_line(self, element: etree._Element, now: _Open, above: _Open) -> bool:
        """Whether a block is a line of verse or of a heading: a break stands before it, and no border."""
        in_verse = above.is_verse and now.tag in ("p", "div") and not is_stanza(element)
        is_line = now.tag in BLOCKS and (in_verse or above.heading > 0)
        if is_line:
            self.writer.add_break(is_verse=True)
        return is_line

    def _empty_element(self, element: etree._Element, tag: str, now: _Open) -> None:
        """What is said of elements without text nodes of their own."""
        if tag == "br" and self.writer.ends_with_break and not (now.heading or now.is_row):
            self.writer.end_block()
        elif tag == "br":
            self.writer.add_break(is_verse=now.is_verse or _is_between_spans(element))
        elif tag == "hr" and now.reason is None:
            self.writer.add_scene()
        elif tag in ("img", "image", "area") and (shown := element.get("alt") or ""):
            is_letter = len(shown) == 1 and shown.isalpha() and (element.tail or "")[:1].isalpha()
            self.writer.add(shown, reason=now.reason or (None if is_letter else "picture"))
        elif tag == "q" and now.reason is None:
            self.writer.add("“", now.style)

    def _note(self, element: etree._Element, tag: str) -> Reason | None:
        """Whether a raised number is the mark of a note."""
        if tag != "sup":
            return None
        inner = text_of(element).strip()
        is_link = next(element.iter("{*}a"), None) is not None
        if not inner or (inner.isalpha() and not is_link) or is_numerator(element):
            return None  # "XIVe siècle", "1/2"
        return "footnote" if is_note_mark(inner) and not self._is_power(element) else None

    def _is_power(self, element: etree._Element) -> bool:
        inner = text_of(element).strip()
        is_link = next(element.iter("{*}a"), None) is not None
        is_ordinal = inner.isalpha() and inner not in ("n", "x")  # "1er", "XIVe"
        is_other = is_link or is_ordinal or is_numerator(element)
        return not is_other and is_power(self.writer.last_written, inner)

    def _text(self, text: str | None) -> None:
        if not text:
            return
        now = self._open[-1]
        if self._number and text.strip() and now.reason is None:
            self.writer.add(self._number)
            self._number = ""
        if self._after_label and text.strip():
            self._after_label = False
            sign = AFTER_NAME.match(text)
            self.writer.add_to_label(sign[0] if sign else "")
            text = text[sign.end() :] if sign else text
        if self._joins and text.strip():
            self._joins = False
            text = text.lstrip()
        if now.is_pre and "\n" in text:
            for index, line in enumerate(_LINES.split(text)):
                if index:
                    self.writer.add_break(is_verse=True)
                self.writer.add(line, now.style, now.reason, is_code=now.is_code)
            return
        if now.is_power and now.reason is None:
            self.writer.add_power(text, now.style)
        else:
            self.writer.add(text, now.style, now.reason, is_code=now.is_code)

    def _end(self, element: etree._Element) -> None:
        now = self._open.pop()
        above = self._open[-1]
        if now.tag == "q" and now.reason is None:
            self.writer.add("”", now.style)
        if now.is_dropped:
            self._joins = text_of(element).strip(" “‘\"'") not in _WORDS_OF_ONE or (element.tail or "")[:1].isalpha()
        if self.has_speakers and above.reason is None and is_speaker(element) and self.writer.is_only(text_of(element)):
            self.writer.end_label(name_in(element))
            self._after_label = not now.is_block
            return
        if not now.is_block:
            return
        if above.is_row and now.tag in _CELLS:
            self.writer.add_cell()
        elif self._plays and self._plays[-1] and is_persona(element):
            self.writer.end_label(name_in(element))
        elif now.tag == "p" and now.reason is None and _is_empty(element):
            self._end_blank(element, now)
        else:
            self._end_block(now)
        if now.tag in ("ol", "ul") and self._counts:
            self._counts.pop()
        if now.tag == "tr" and self._plays and self._plays[-1]:
            self.writer.speaker = None
        elif now.tag == "table":
            self._plays.pop()

    def _end_blank(self, element: etree._Element, now: _Open) -> None:
        self._end_block(now)
        if any(map(_BREAKS_SCENE.match, classes_of(element))):
            self.writer.add_scene()
        else:
            self.writer.end_blank()

    def _end_block(self, now: _Open) -> None:
        if now.is_row and now.tag == "tr":
            self.writer.end_block("row")
        elif now.heading:
            self.writer.end_block("heading", now.heading)
        else:
            self.writer.end_block(is_item=now.tag == "li")


def _combined(above: str, style: str) -> str:
    """`**` within `*` is `***`."""
    if not style or style in (above, "") or above == "***":
        return above
    return style if not above else "***"


def _is_between_spans(line_break: etree._Element) -> bool:
    """Whether the lines around a break are elements of their own, as lines of verse are."""
    before, after = line_break.getprevious(), line_break.getnext()
    return before is not None and after is not None and tag_of(before) == tag_of(after) == "span"


def _is_empty(element: etree._Element) -> bool:
    return not text_of(element).strip() and not any(
        tag_of(one) in ("img", "svg", "hr", "image", "br") for one in element.iterdescendants()
    )


def _is_dropped_capital(element: etree._Element) -> bool:
    """Whether it holds the first letter of a word that goes on behind it."""
    if tag_of(element) not in ("span", "div", "b", "big", "font", "strong", "i", "em"):
        return False
    if not any(map(_DROPPED_CAPITAL.search, (*classes_of(element), *types_of(element)))):
        return False
    return _LETTER.fullmatch(text_of(element).strip()) is not None
