"""Blocks: the elements of HTML that the paragraphs, lists and tables of a part become.

In: paragraphs in order with the container each stands in. Out: `p`, `h1` to `h6`, `ul`, `ol`, `table` in it. Knows no
text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from pipeline.source.ledger import Reason
from pipeline.source.word.inline import LEFT_OUT, PLACE, last_child
from pipeline.source.word.names import attribute, child_of, name_of, value_of
from pipeline.source.word.styles import Numbering, Styles, listed_in, outline_of


@dataclass(frozen=True)
class Look:
    """What the style and the properties of a paragraph say of it."""

    style: str | None
    tag: str = "p"  # or h1 to h6
    kind: str = ""  # "title" or "subtitle"
    listed: tuple[str, int] | None = None
    reason: Reason | None = None
    is_ruled: bool = False  # has a line above or below
    goes_on: bool = False  # its end is deleted, or it is a dropped capital: the next one belongs to it


def look_of(paragraph: etree._Element, styles: Styles, numbering: Numbering) -> Look:
    """That of a `w:p`."""
    properties = child_of(paragraph, "w:pPr")
    style = value_of(properties, "w:pStyle")
    style = style if style is not None else styles.default
    outline = outline_of(properties)
    level = styles.heading_level(style) if outline is None else (outline + 1 if outline < 9 else 0)
    tag, kind = (f"h{min(level, 6)}" if level else "p"), ""
    if styles.is_named(style, "title"):
        tag, kind = "h1", "title"
    elif styles.is_named(style, "subtitle"):
        tag, kind = "p", "subtitle"
    own = listed_in(properties)
    listed = own if own is not None else styles.listed(style)
    mark, frame = child_of(properties, "w:rPr"), child_of(properties, "w:framePr")
    return Look(
        style,
        tag,
        kind,
        listed if tag == "p" and listed in numbering.starts else None,
        styles.left_out(style),
        child_of(properties, "w:pBdr") is not None,
        (mark is not None and any(name_of(child) in ("w:del", "w:moveFrom") for child in mark))
        or (frame is not None and attribute(frame, "dropCap") in ("drop", "margin")),
    )


@dataclass
class Blocks:
    """Makes the elements; `numbering` tells which lists count."""

    numbering: Numbering
    _lists: list[tuple[int, etree._Element]] = field(default_factory=list)  # the open ones: level and element
    _listed: str = ""
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)  # of the items so far

    def add(self, container: etree._Element, look: Look, place: str) -> etree._Element:
        """The element of a paragraph at the end of `container`."""
        if look.listed is None or look.reason is not None:
            element = etree.SubElement(container, look.tag)
        else:
            element = etree.SubElement(self._list(container, *look.listed), "li")
        element.set(PLACE, place)
        if look.kind:
            element.set("class", look.kind)
        if look.reason is not None:
            element.set(LEFT_OUT, look.reason)
        return element

    def _list(self, container: etree._Element, number: str, level: int) -> etree._Element:
        """The list to which an item belongs: the one that is open, one within its last item, or a new one."""
        if self._listed != number or not self._lists or last_child(container) is not self._lists[0][1]:
            self._lists.clear()
        self._listed = number
        start = self.numbering.starts[number, level]
        tag = "ul" if start is None else "ol"
        while self._lists and (
            self._lists[-1][0] > level or (self._lists[-1][0] == level and self._lists[-1][1].tag != tag)
        ):
            self._lists.pop()
        for key in [key for key in self._counts if key[0] == number and key[1] > level]:
            del self._counts[key]
        count = self._counts.get((number, level), 0)
        self._counts[number, level] = count + 1
        if not self._lists or self._lists[-1][0] < level:
            holder = container
            if self._lists and (item := last_child(self._lists[-1][1])) is not None:
                holder = item
            element = etree.SubElement(holder, tag)
            if start is not None and start + count != 1:
                element.set("start", str(start + count))
            self._lists.append((level, element))
        return self._lists[-1][1]


def remove(element: etree._Element) -> None:
    """Take out an element that has been moved elsewhere, and the list that is empty without it."""
    parent = element.getparent()
    while parent is not None:
        parent.remove(element)
        if len(parent) or parent.tag not in ("ul", "ol"):
            return
        element, parent = parent, parent.getparent()


def end_cell(cell: etree._Element) -> None:
    """Put the only paragraph with words of a cell right into it: it is read as a cell of its row.

    Word ends every cell with a paragraph, also behind a table; where that is empty, it is no blank line.
    """
    full = [child for child in cell if child.tag != "p" or child.text or last_child(child) is not None]
    if [child.tag for child in full] == ["p"]:
        full[0].tag = "span"
        cell.set(PLACE, full[0].get(PLACE) or "")
        del full[0].attrib[PLACE]
    last = last_child(cell)
    for child in [last] if full and full[0].tag != "span" else list(cell):
        if child is not None and child not in full:
            cell.remove(child)
