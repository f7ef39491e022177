"""Walk: all text nodes of a part of a DOCX in their order, put into a tree of HTML.

In: the root of a part, and the element that takes its text. Out: nothing; what a reader would not say aloud bears the
attribute `{urn:podcast}left-out` with its reason. White space between elements is no text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lxml import etree

from pipeline.errors import Problem, RequestError
from pipeline.source.ledger import Reason
from pipeline.source.word.blocks import Blocks, Look, end_cell, look_of, remove
from pipeline.source.word.fields import Fields, reason_of_field, unclosed_fields
from pipeline.source.word.inline import LEFT_OUT, PLACE, Inline, Wrap
from pipeline.source.word.names import OF_TEXT, attribute, child_of, is_on, name_of, relation_of, value_of
from pipeline.source.word.runs import SIGNS, alternative_text, is_line, run_wraps, symbol
from pipeline.source.word.styles import Numbering, Styles, toggles_of

MAX_DEPTH = 256
_TEXTS: Mapping[str, Reason | None] = {  # elements whose text counts to the last space, and why it is not read
    "w:t": None,
    "m:t": None,
    "a:t": "picture",
    "w:delText": "struck out",
    "w:instrText": "hidden",
    "w:delInstrText": "hidden",
}


class _Frame(NamedTuple):
    """An element that is open, and what holds for all within it."""

    name: str
    container: etree._Element  # takes blocks
    reason: Reason | None
    wraps: tuple[Wrap, ...] = ()


class _Story(NamedTuple):
    """A stretch of text that is read for itself: a part, or a text box."""

    root: etree._Element
    container: etree._Element
    reason: Reason | None
    depth: int
    place: str  # of all its paragraphs; "" where they are counted


@dataclass
class _Paragraph:
    inline: Inline
    look: Look
    boxes: list[_Story] = field(default_factory=list)
    is_rule: bool = False


@dataclass
class PartWalk:
    """Reads one part. `links` are the targets of its relationships, `shown` stands before the numbers of paragraphs."""

    shown: str
    styles: Styles
    numbering: Numbering
    links: Mapping[str, str]
    warnings: list[Problem] = field(default_factory=list)
    _number: int = 0  # of the paragraph
    _rubies: int = 0
    _story: _Story | None = None
    _unchosen: set[etree._Element] = field(default_factory=set)

    def read(self, root: etree._Element, container: etree._Element, reason: Reason | None = None) -> None:
        """Put all text of the part into `container`; for `reason` none of it is read."""
        self._stories = deque([_Story(root, container, reason, 0, "")])
        self._unclosed = unclosed_fields(root)
        self._blocks = Blocks(self.numbering)
        while self._stories:
            self._read(self._stories.popleft())

    def _read(self, story: _Story) -> None:
        self._story = story
        self._frames = [_Frame("", story.container, story.reason)]
        self._fields = Fields()
        self._paragraph: _Paragraph | None = None
        self._unended: tuple[etree._Element, _Paragraph] | None = None
        self._run: tuple[tuple[Wrap, ...], Reason | None] = ((), None)
        walk = etree.iterwalk(story.root, events=("start", "end"))
        for event, element in walk:
            if event == "start":
                if len(self._frames) + story.depth > MAX_DEPTH:
                    what = f"{MAX_DEPTH} elements are nested within one another."
                    raise RequestError(Problem(self._place, what, "Open it in Word and save it again."))
                if element is not story.root and self._is_box(element):
                    walk.skip_subtree()
                    self._frames.append(self._frames[-1])
                    continue
                self._frames.append(self._start(element, name_of(element)))
                self._text(element.text)
            else:
                self._end(self._frames.pop(), element)
                if element is not story.root:
                    self._text(element.tail)
        self._end_unended()

    @property
    def _place(self) -> str:
        return (self._story.place if self._story else "") or f"{self.shown}:{max(self._number, 1)}"

    def _is_box(self, element: etree._Element) -> bool:
        """Put off a text box, or a paragraph within one, until the paragraph around it ends."""
        name, above = name_of(element), self._frames[-1]
        if name != "w:txbxContent" and not (name == "w:p" and self._paragraph is not None):
            return False
        depth = len(self._frames) + (self._story.depth if self._story else 0)
        box = _Story(element, above.container, above.reason or self._fields.reason, depth, self._place)
        if self._paragraph is not None:
            self._paragraph.boxes.append(box)
        else:
            self._add_box(box)
        return True

    def _add_box(self, box: _Story) -> None:
        element = etree.SubElement(box.container, "div", {PLACE: box.place})
        if box.reason is not None:
            element.set(LEFT_OUT, box.reason)
        self._stories.append(box._replace(container=element))

    def _start(self, element: etree._Element, name: str) -> _Frame:
        now = self._frames[-1]._replace(name=name)
        match name:
            case "w:p":
                self._begin_paragraph(element, now)
            case "w:tbl" | "w:tr" | "w:tc":
                return self._in_table(element, now)
            case "w:r":
                self._begin_run(element)
            case "mc:AlternateContent":
                self._choose(element)
            case "w:fldChar":
                if element not in self._unclosed:
                    self._fields.take(attribute(element, "fldCharType"))
            case "w:altChunk" | "w:subDoc":
                self._warn_of_chunk(element)
            case _:
                self._add_sign(element, now)
                return now._replace(
                    reason=now.reason or self._reason_within(element, name),
                    wraps=(*now.wraps, *self._wrap(element, now)),
                )
        return now

    def _reason_within(self, element: etree._Element, name: str) -> Reason | None:
        """Why nothing within an element is read."""
        match name:
            case "w:del" | "w:moveFrom":
                return "struck out"
            case "w:sdt":
                return _reason_of_control(element)
            case "w:fldSimple":
                return reason_of_field(attribute(element, "instr") or "")
            case "mc:Choice" | "mc:Fallback":
                return "hidden" if element in self._unchosen else None
        return None

    def _wrap(self, element: etree._Element, now: _Frame) -> tuple[Wrap, ...]:
        """The element of HTML that one is around text; links stand in no other link."""
        if now.name == "w:hyperlink" and not any(wrap[0] == "a" for wrap in now.wraps):
            anchor = attribute(element, "anchor")
            href = self.links.get(relation_of(element) or "", "") + (f"#{anchor}" if anchor else "")
            return (("a", href),) if href else ()
        if now.name == "w:ruby":
            self._rubies += 1
            return (("ruby", str(self._rubies)),)
        return (("rt", ""),) if now.name == "w:rt" and now.wraps else ()

    def _add_sign(self, element: etree._Element, now: _Frame) -> None:
        """What is text, or stands for it, without being a text node."""
        is_in_run = self._frames[-1].name == "w:r"
        if now.name in SIGNS and is_in_run:
            self._add(SIGNS[now.name], now)
        elif now.name == "w:sym" and is_in_run:
            self._add(symbol(element), now)
        elif now.name in ("w:br", "w:cr") and is_in_run:
            is_page = attribute(element, "type") in ("page", "column")
            if is_page or now.reason or self._fields.reason or self._run[1] or self._paragraph is None:
                self._add(" ", now)
            else:
                self._paragraph.inline.add_break()
        elif now.name in ("w:footnoteReference", "w:endnoteReference"):
            if attribute(element, "customMarkFollows") in ("1", "true", "on"):
                self._run = (self._run[0], self._run[1] or "footnote")
        elif is_line(element) and self._paragraph is not None:
            self._paragraph.is_rule = True
        elif text := alternative_text(element):
            self._leave_out(text, now.reason or self._fields.reason or "picture")

    def _text(self, text: str | None) -> None:
        """A text node in the element that is open."""
        if not text:
            return
        now = self._frames[-1]
        if now.name in _TEXTS:
            if now.name == "w:instrText":
                self._fields.add_code(text)
            self._add(text, now, _TEXTS[now.name])
        elif text.strip():
            self._add(text, now, "hidden")

    def _add(self, text: str, now: _Frame, kind: Reason | None = None) -> None:
        wraps, hidden = self._run
        reason = now.reason or (kind if kind == "struck out" else None) or self._fields.reason or hidden or kind
        if reason is not None:
            self._leave_out(text, reason)
        elif self._paragraph is not None:
            self._paragraph.inline.add(text, (*now.wraps, *wraps))
        else:  # a text that no paragraph holds is no text of the document
            self._leave_out(text, "hidden")

    def _leave_out(self, text: str, reason: Reason) -> None:
        if self._paragraph is not None:
            self._paragraph.inline.leave_out(text, reason)
        elif text.strip():
            container = self._frames[-1].container
            etree.SubElement(container, "p", {PLACE: self._place, LEFT_OUT: reason}).text = text

    def _begin_paragraph(self, element: etree._Element, now: _Frame) -> None:
        self._number += not (self._story and self._story.place)
        look = look_of(element, self.styles, self.numbering)
        if now.reason is not None:
            look = replace(look, reason=now.reason)
        container, before = self._unended or (None, None)
        if before is not None and container is now.container:  # this one goes on with it
            self._unended = None
            old = before.inline.block
            block = self._blocks.add(now.container, look, old.get(PLACE) or self._place)
            before.inline.move_to(block)
            remove(old)
            self._paragraph = replace(before, look=look)
            return
        self._end_unended()
        self._paragraph = _Paragraph(Inline(self._blocks.add(now.container, look, self._place)), look)

    def _begin_run(self, element: etree._Element) -> None:
        properties = child_of(element, "w:rPr")
        named = value_of(properties, "w:rStyle")
        own = toggles_of(properties)
        look = self._paragraph.look if self._paragraph else None
        toggles: dict[str, bool] = {}
        for name in ("bold", "italic", "struck", "hidden"):
            of_paragraph = look is not None and self.styles.toggle(look.style, name)
            if look is not None and look.tag != "p" and name != "hidden":
                of_paragraph = False  # headings are bold anyway
            toggles[name] = own.get(name, of_paragraph != self.styles.toggle(named, name))
        reason: Reason | None = "hidden" if toggles["hidden"] else self.styles.left_out(named)
        is_code = self.styles.is_code(named) or (look is not None and self.styles.is_code(look.style))
        wraps: tuple[Wrap, ...] = (("code", ""),) if is_code else ()
        self._run = ((*wraps, *run_wraps(toggles, value_of(properties, "w:vertAlign"))), reason)

    def _in_table(self, element: etree._Element, now: _Frame) -> _Frame:
        self._end_unended()
        tag = {"w:tbl": "table", "w:tr": "tr", "w:tc": "td"}[now.name]
        is_deleted = any(
            child_of(element, *path) is not None for path in (("w:trPr", "w:del"), ("w:tcPr", "w:cellDel"))
        )
        block = etree.SubElement(now.container, tag, {PLACE: f"{self.shown}:{self._number + 1}"})
        if is_deleted:
            block.set(LEFT_OUT, "struck out")
        return now._replace(container=block, reason=now.reason or ("struck out" if is_deleted else None))

    def _choose(self, element: etree._Element) -> None:
        """Read the first alternative with words; the others have the same."""
        choices = [child for child in element if name_of(child) in ("mc:Choice", "mc:Fallback")]
        with_words = (one for one in choices if any((text.text or "").strip() for text in one.iter(*OF_TEXT)))
        chosen = next(with_words, choices[0] if choices else None)
        self._unchosen.update(one for one in choices if one is not chosen)

    def _warn_of_chunk(self, element: etree._Element) -> None:
        target = self.links.get(relation_of(element) or "", "another file")
        what = f"{target} is embedded here as a file of its own and is not read."
        self.warnings.append(Problem(self._place, what, "Open the document in Word and save it again."))

    def _end(self, frame: _Frame, element: etree._Element) -> None:
        match frame.name:
            case "w:r":
                self._run = ((), None)
            case "w:p" if name_of(element) == "w:p" and self._paragraph is not None:
                paragraph, self._paragraph = self._paragraph, None
                if paragraph.look.goes_on:
                    self._unended = (frame.container, paragraph)
                else:
                    self._end_paragraph(paragraph)
            case "w:tc" | "w:body":
                self._end_unended()
                if frame.name == "w:tc":
                    end_cell(frame.container)

    def _end_unended(self) -> None:
        if self._unended is not None:
            (_container, paragraph), self._unended = self._unended, None
            self._end_paragraph(paragraph)

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        inline, block = paragraph.inline, paragraph.inline.block
        inline.close()
        if inline.is_empty and (paragraph.is_rule or paragraph.look.is_ruled) and block.tag == "p":
            block.tag = "hr"
            block.text = None
        elif block.tag not in ("p", "li") and not inline.has_words:
            block.tag = "p"  # nothing to head a chapter with
        for box in paragraph.boxes:
            self._add_box(box)


def _reason_of_control(element: etree._Element) -> Reason | None:
    """Why a content control is not read: Word's own building blocks, and prompts that nobody has replaced."""
    properties = child_of(element, "w:sdtPr")
    gallery = (value_of(properties, "w:docPartObj", "w:docPartGallery") or "").lower()
    if gallery in ("table of contents", "table of figures", "tables of contents"):
        return "contents"
    if gallery.startswith("page numbers"):
        return "page number"
    prompt = child_of(properties, "w:showingPlcHdr")
    return "hidden" if prompt is not None and is_on(prompt) else None
