"""Notes: the marks of footnotes and endnotes, and the notes that they lead to.

In: the documents of a book in their order. Out: nothing; elements that are marks or notes get the reason for which they
are not read (`elements.LEFT_OUT`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from lxml import etree

from pipeline.source.hypertext.elements import (
    BLOCKS,
    LEFT_OUT,
    heading_level,
    reason_of,
    tag_of,
    text_of,
    types_of,
)

_MARK = re.compile(r"[\[({]?(?:\d{1,4}|[*†‡§¶]{1,3}|[a-z]|[ivxlc]{1,6})[\])}]?[.]?", re.IGNORECASE)
TITLES_OF_NOTES = re.compile(
    r"(?:foot|end)?notes?|notes and references|references|anmerkungen|fußnoten|notas|notes?", re.IGNORECASE
)
_MOST_BESIDE = 3  # paragraphs by which a note goes on
_MOST_OF_NOTE = 250  # words
_OF_NOTES = re.compile(r"not[ea]|\bfn", re.IGNORECASE)
_HOLDERS = ("ol", "ul", "dl", "div", "section", "aside")
_CONTAINERS = frozenset("li p div aside dd section tr td".split())

Target = Callable[[str, str], tuple[str, str] | None]  # a document's name and an href in it: a document and an id


def mark_notes(documents: Sequence[tuple[str, etree._Element]], target: Target) -> None:
    """Mark them in documents of these names."""
    places = {
        (name, identifier): element
        for name, root in documents
        for element in root.iter(etree.Element)
        for identifier in (element.get("id"), element.get("name"))
        if identifier
    }
    everything = [one for _name, root in documents for one in root.iter()]  # lxml makes anew what nobody keeps
    order = {id(element): index for index, element in enumerate(everything)}
    kept: list[etree._Element] = []
    notes: set[int] = set()
    for name, root in documents:
        for link in root.iter("{*}a"):
            href = link.get("href") or ""
            if "#" not in href or not _is_mark(link) or _is_within(link, notes) or _heads_its_paragraph(link):
                continue
            place = target(name, href)
            note = _note_at(places.get(place)) if place is not None else None
            if note is not None and not _is_note_of(note, link):
                continue  # "see page 126", "turn to [3]"
            if note is None or order.get(id(note), -1) < order.get(id(link), 0) or _is_within(link, {id(note)}):
                continue
            link.set(LEFT_OUT, "footnote")
            note.set(LEFT_OUT, "footnote")
            kept.append(note)
            notes.add(id(note))
    for note in kept:
        _mark_beside(note)
    _mark_holders(kept)
    parents: set[int] = set()
    for note in kept:
        parent = note.getparent()
        if parent is not None and id(parent) not in parents:
            parents.add(id(parent))
            _mark_titles(note)


def _is_mark(link: etree._Element) -> bool:
    if link.get(LEFT_OUT) or reason_of(link) == "footnote":
        return True
    words = text_of(link).strip()
    return _MARK.fullmatch(words) is not None and "backlink" not in types_of(link)


def _heads_its_paragraph(link: etree._Element) -> bool:
    """Whether nothing stands before a link in its block: it is the number of a note, or of a verse, and no mark."""
    block = next((one for one in link.iterancestors() if tag_of(one) in BLOCKS), None)
    return block is not None and "noteref" not in types_of(link) and _begins(block, link)


def _is_note_of(note: etree._Element, link: etree._Element) -> bool:
    """Whether what a mark leads to is its note: it leads back, is told to be one, or begins with the mark.

    Of a raised mark it may be any short text.
    """
    if any(heading_level(one) for one in islice(note.iter("{*}*"), 200)):
        return False
    if _is_typed(note) or "noteref" in types_of(link) or _leads_back(note, link):
        return True
    mark = text_of(link).strip(" []().{}")
    begins = re.match(r"[\[({]?(\w{1,4}|[*†‡§¶]{1,3})[\])}.:\s]", text_of(note).lstrip())
    is_raised = any(tag_of(one) == "sup" for one in (*islice(link.iter("{*}*"), 9), *islice(link.iterancestors(), 2)))
    if begins is not None and begins[1] == mark:
        return is_raised or not mark.isalnum() or text_of(link).strip() != mark
    return is_raised and len(text_of(note).split()) < _MOST_OF_NOTE


def _leads_back(note: etree._Element, link: etree._Element) -> bool:
    """Whether a link in a note leads to its mark, or to what stands right around that."""
    near = {one.get(name) for one in (link, *islice(link.iterancestors(), 2)) for name in ("id", "name")} - {None}
    return any((one.get("href") or "").rpartition("#")[2] in near for one in islice(note.iter("{*}a"), 50))


def _is_within(element: etree._Element, notes: set[int]) -> bool:
    return any(id(one) in notes for one in element.iterancestors())


def _note_at(element: etree._Element | None) -> etree._Element | None:
    """The block of a note whose place is at its beginning; None where the place is in the middle of a text."""
    if element is None:
        return None
    if reason_of(element) == "page number":
        return None
    for block in (element, *element.iterancestors()):
        tag = tag_of(block)
        if tag in ("body", "html") or heading_level(block):
            return None
        if tag in _CONTAINERS:
            if block is not element and not _begins(block, element):
                return None
            following = element.getnext() if element is not block and element.getparent() is block else None
            is_anchor = following is not None and tag_of(following) in BLOCKS and not text_of(element).strip()
            return following if is_anchor else block
    return None


def _begins(block: etree._Element, element: etree._Element) -> bool:
    """Whether nothing stands in a block before an element."""
    for event, one in etree.iterwalk(block, events=("start", "end")):
        if one is element:
            break
        text = one.text if event == "start" else one.tail
        if text and text.strip(" [(.\n\t"):
            return False
    return True


def _mark_beside(note: etree._Element) -> None:
    """The few paragraphs by which a note goes on, up to the next one; where a type or a class tells notes, none."""
    if _is_typed(note):
        return
    siblings: list[etree._Element] = []
    for sibling in note.itersiblings():
        if heading_level(sibling) or tag_of(sibling) == "hr" or len(siblings) > _MOST_BESIDE:
            break
        if sibling.get(LEFT_OUT) == "footnote":
            for one in siblings:
                one.set(LEFT_OUT, "footnote")
            break
        if any(link.get(LEFT_OUT) for link in sibling.iter("{*}a")):
            break  # a paragraph of the text, which has notes itself
        siblings.append(sibling)


def _is_typed(note: etree._Element) -> bool:
    given = note.attrib.pop(LEFT_OUT, "")
    reason = reason_of(note)
    if given:
        note.set(LEFT_OUT, given)
    return reason == "footnote"


def _mark_holders(notes: Sequence[etree._Element]) -> None:
    """Notes of several paragraphs: what holds them, where it begins with one, as others of its kind do beside it."""
    holders = [note.getparent() for note in notes if note.getprevious() is None and tag_of(note) == "p"]
    kinds = Counter((id(one.getparent()), one.tag, one.get("class")) for one in holders if one is not None)
    for holder in holders:
        if holder is None or not (
            tag_of(holder) in ("li", "aside", "dd") or _OF_NOTES.search(holder.get("class") or "")
        ):
            continue
        if kinds[id(holder.getparent()), holder.tag, holder.get("class")] > 1:
            holder.set(LEFT_OUT, "footnote")


def _mark_titles(note: etree._Element) -> None:
    """The heading above the first of several notes, and notes among them that nothing leads to."""
    holder = note
    while (parent := holder.getparent()) is not None and tag_of(parent) in _HOLDERS and _holds_notes(parent):
        holder = parent
    before = holder.getprevious()
    first = next((child for child in holder if tag_of(child)), None) if holder is not note else None
    titles = [
        one
        for one in (before, first)
        if one is not None and heading_level(one) and TITLES_OF_NOTES.fullmatch(_shown(one))
    ]
    for title in titles:
        title.set(LEFT_OUT, "footnote")
    if titles:
        holder.set(LEFT_OUT, "footnote")


def _shown(element: etree._Element) -> str:
    return text_of(element).strip(" .:\n\t")


def _holds_notes(element: etree._Element) -> bool:
    """Whether most of what stands in an element are notes, and nothing but their title before them."""
    children = [child for child in element if tag_of(child) in BLOCKS and tag_of(child) != "hr"]
    headings = [child for child in children if heading_level(child)]
    if headings and not (headings == children[:1] and TITLES_OF_NOTES.fullmatch(_shown(headings[0]))):
        return False
    blocks = [child for child in children if child not in headings]
    return 2 * sum(child.get(LEFT_OUT) == "footnote" for child in blocks) > len(blocks)


def spoken_text(root: etree._Element) -> Iterator[str]:
    """The text nodes that no element leaves out."""
    skipped: etree._Element | None = None
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            if skipped is None and (element.get(LEFT_OUT) or reason_of(element, is_root=tag_of(element) == "body")):
                skipped = element
            if skipped is None:
                yield element.text or ""
        else:
            if element is skipped:
                skipped = None
            if skipped is None and element is not root:
                yield element.tail or ""
            elif skipped is None:
                return


def is_noted(root: etree._Element) -> bool:
    """Whether a document holds notes and nothing else but headings."""
    has_notes = any(one.get(LEFT_OUT) == "footnote" and tag_of(one) != "a" for one in root.iter("{*}*"))
    headings = " ".join(
        text_of(one) for body in root.iter("{*}body") for one in body.iter("{*}*") if heading_level(one)
    )
    return has_notes and "".join(" ".join(spoken_text(root)).split()) in "".join(headings.split())
