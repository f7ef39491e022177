"""Sections: the chapters of a page that stand before and behind its text, as those of a book are documents.

In: the tree of a page. Out: what of it is not read, marked, and notes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from lxml import etree

from pipeline.errors import Problem, did_you_mean
from pipeline.source.hypertext.elements import LEFT_OUT, heading_level, text_of
from pipeline.source.hypertext.notes import spoken_text
from pipeline.source.ledger import Reason
from pipeline.source.prose.books import GUTENBERG_END
from pipeline.source.readers.epub.matter import lines_of, reason_of_title, stands_at_edge
from pipeline.source.script import Reading

_FEWEST = 5  # headings of a page that is a book
_SHOWN = 8  # sections that are not read


@dataclass(frozen=True)
class _Section:
    """A heading and what stands below it, up to the next that is no lower."""

    title: str
    elements: Sequence[etree._Element]  # the outermost ones, that of the heading first
    within: int  # how many of the next sections belong to it
    has_text: bool  # between its heading and the next

    @property
    def key(self) -> str:
        """What titles are compared by."""
        return self.title.casefold()


def mark_sections(root: etree._Element, shown: str, reading: Reading) -> tuple[list[Problem], list[Problem]]:
    """Leave out what the titles of sections tell not to be read, and those that the producer skips.

    Returns a note of them, and a problem for each name that the producer has given and no section bears.
    """
    read, skipped = ({name.casefold() for name in names} for names in (reading.read, reading.skip))
    sections = list(_sections(root))
    left_out: list[str] = []
    for section, is_edge in zip(sections, _at_edge(sections), strict=True):
        reason: Reason | None = "hidden" if section.key in skipped else None
        if section.key in read:
            _read_all_of(section)
        elif reason is None and len(sections) >= _FEWEST:
            words = " ".join(text for one in section.elements[1:] for text in spoken_text(one)).split()
            lines = (line for one in section.elements[1:] for line in lines_of(one))
            reason = reason_of_title(section.title, words, lines, is_edge=is_edge)
            if reason == "footnote" and section.within:
                reason = None  # chapters below it, each with its notes: their marks tell more
            left_out += [f"{section.title} ({reason})"] if words and reason not in (None, "contents") else []
        for element in section.elements if reason is not None else ():
            if element.get(LEFT_OUT) is None:
                element.set(LEFT_OUT, reason or "")
    titles = [section.title for section in sections]
    known = {section.key for section in sections}
    problems = [
        Problem(shown, f'no chapter of the page is called "{name}".', did_you_mean(name, titles))
        for name in (*reading.read, *reading.skip)
        if name.casefold() not in known
    ]
    if not left_out:
        return [], problems
    more = " …" if len(left_out) > _SHOWN else ""
    what = f"these chapters of the page are not read: {', '.join(left_out[:_SHOWN])}{more}."
    return [Problem(shown, what, "To read one, write read: [its title] beside the script's name.")], problems


def _at_edge(sections: Sequence[_Section]) -> Iterator[bool]:
    """Whether each is among the first or the last that have text: a title page may be many headings."""
    texts = [0, *accumulate(section.has_text for section in sections)]
    for index, section in enumerate(sections):
        yield stands_at_edge(texts[index], texts[-1] - texts[index + section.within + 1])


def _read_all_of(section: _Section) -> None:
    """Take away what other rules say of it."""
    for outer in section.elements:
        for element in outer.iter("{*}*"):
            element.attrib.pop(LEFT_OUT, "")


def _sections(root: etree._Element) -> Iterator[_Section]:
    order = [element for body in root.iter("{*}body") for element in body.iter("{*}*")]
    heads = [at for at, element in enumerate(order) if heading_level(element) and text_of(element).strip()]
    heads = [at for at in heads if not any(heading_level(one) for one in order[at].iterancestors())]
    bounds = [*heads, len(order)]
    for head, at in enumerate(heads):
        level = heading_level(order[at])
        after = range(head + 1, len(heads))
        last = next((other for other in after if heading_level(order[heads[other]]) <= level), len(heads))
        following, end = bounds[head + 1], bounds[last]
        around = set(order[end].iterancestors()) if end < len(order) else set()
        below = iter([element for element in order[at:end] if element not in around])
        if end == len(order):
            below = takewhile(lambda one: not GUTENBERG_END.match(text_of(one).strip()), below)
        title = " ".join(text_of(order[at]).split())
        yield _Section(title, list(_outermost(below)), last - head - 1, any(map(_has_text, order[at + 1 : following])))


def _has_text(element: etree._Element) -> bool:
    """Whether text of its own stands in an element that is no part of a heading, and before or in none."""
    is_heading = any(heading_level(one) for one in (element, *element.iterancestors(), *element.iter("{*}*")))
    return not is_heading and bool(text_of(element).strip())


def _outermost(elements: Iterator[etree._Element]) -> Iterator[etree._Element]:
    seen: set[etree._Element] = set()
    for element in elements:
        parent = element.getparent()
        if parent not in seen:
            yield element
        seen.add(element)
