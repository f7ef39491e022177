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
_TITLES = re.compile(
    r"(?:foot|end)?notes?|notes and references|references|anmerkungen|fußnoten|notas|notes?", re.IGNORECASE
)
_HOLDERS = ("ol", "ul", "dl", "div", "section", "aside")
_CONTAINERS = frozenset("li p div aside dd section tr td".split())

Target = Callable[[str, str], tuple[str, str] | None]  # a document's name and an href in it: a document and an id


def mark_notes(documents: Sequence[tuple[str, etree._Element]], target: Target) -> bool:
    """Mark them in documents of these names. Returns whether there are any marks."""
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
    has_marks = False
    for name, root in documents:
        for link in root.iter("{*}a"):
            href = link.get("href") or ""
            if "#" not in href or not _is_mark(link) or _is_within(link, notes):
                continue
            place = target(name, href)
            note = _note_at(places.get(place)) if place is not None else None
            if note is not None and not _is_sure(link) and not _leads_back(note, link):
                continue  # "see page 126"
            if note is None or order.get(id(note), -1) < order.get(id(link), 0) or _is_within(link, {id(note)}):
                continue
            has_marks = True
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
    return has_marks


def _is_mark(link: etree._Element) -> bool:
    if link.get(LEFT_OUT) or reason_of(link) == "footnote":
        return True
    words = text_of(link).strip()
    return _MARK.fullmatch(words) is not None and "backlink" not in types_of(link)


def _is_sure(link: etree._Element) -> bool:
    """Whether a mark is written as no number in a sentence is: raised, in brackets, a sign, or by its type."""
    words = text_of(link).strip()
    is_raised = any(tag_of(one) == "sup" for one in (*islice(link.iter("{*}*"), 9), *islice(link.iterancestors(), 2)))
    return is_raised or reason_of(link) == "footnote" or re.fullmatch(r"\W*|\W+\w{1,4}\W+", words) is not None


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
            return block if block is element or _begins(block, element) else None
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
    """The paragraphs by which a note goes on, up to the next one."""
    siblings: list[etree._Element] = []
    for sibling in note.itersiblings():
        if heading_level(sibling):
            break
        if sibling.get(LEFT_OUT) == "footnote":
            for one in siblings:
                one.set(LEFT_OUT, "footnote")
            break
        siblings.append(sibling)


def _mark_holders(notes: Sequence[etree._Element]) -> None:
    """Notes of several paragraphs: what holds them, where it begins with one, as others of its kind do beside it."""
    holders = [note.getparent() for note in notes if note.getprevious() is None and tag_of(note) == "p"]
    kinds = Counter((id(one.getparent()), one.tag, one.get("class")) for one in holders if one is not None)
    for holder in holders:
        if holder is None or tag_of(holder) not in ("div", "li", "aside", "dd", "section"):
            continue
        if kinds[id(holder.getparent()), holder.tag, holder.get("class")] > 1:
            holder.set(LEFT_OUT, "footnote")


def _mark_titles(note: etree._Element) -> None:
    """The heading above the first of several notes, and notes among them that nothing leads to."""
    holder = note
    while (parent := holder.getparent()) is not None and tag_of(parent) in _HOLDERS and _holds_notes(parent):
        holder = parent
    headings = [holder.getprevious(), *(child for child in holder if heading_level(child) and holder is not note)]
    titles = [one for one in headings if one is not None and heading_level(one) and _TITLES.fullmatch(_shown(one))]
    for title in titles:
        title.set(LEFT_OUT, "footnote")
    if titles:
        holder.set(LEFT_OUT, "footnote")


def _shown(element: etree._Element) -> str:
    return text_of(element).strip(" .:\n\t")


def _holds_notes(element: etree._Element) -> bool:
    """Whether most of what stands in an element are notes."""
    blocks = [
        child for child in element if tag_of(child) in BLOCKS and not heading_level(child) and tag_of(child) != "hr"
    ]
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
    """Whether a document holds notes and hardly anything else."""
    has_notes = any(one.get(LEFT_OUT) == "footnote" and tag_of(one) != "a" for one in root.iter("{*}*"))
    return has_notes and len(" ".join(spoken_text(root)).split()) < 12
