"""Raised numbers: numerators, and marks of notes that no link leads from ("in 1914⁵,").

In: documents. Out: nothing; numbers that are marks of notes get the reason for which they are not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from pipeline.source.hypertext.elements import BLOCKS, LEFT_OUT, heading_level, tag_of, text_of
from pipeline.source.hypertext.notes import TITLES_OF_NOTES
from pipeline.source.prose.inline import is_power

_NUMBER = re.compile(r"[1-9]\d{0,2}")
_BASE = re.compile(r"(?<![\d.,])(?!(?:2|10|[\d.,]*[.,]\d*)$)\d+$")  # 2 and 10 have powers everywhere
_SLASHES = ("/", "⁄", "∕")
_OVER_NUMBER = re.compile(r"\s*[/⁄∕]\s*\d")
_HEAD_OF_NOTE = re.compile(r"\s*[\[(]?([1-9]\d{0,2})[\]).]")


def is_numerator(raised: etree._Element) -> bool:
    """Whether it is the upper number of a fraction: `<sup>1</sup>/<sub>2</sub>`."""
    tail = raised.tail or ""
    if not text_of(raised).strip().isdigit():
        return False
    below = raised.getnext()
    is_over_element = tail.strip() in _SLASHES and below is not None and text_of(below).strip().isdigit()
    return is_over_element or _OVER_NUMBER.match(tail) is not None


@dataclass
class _Raised:
    """A raised number without a link, and whether it is the mark of a note (None: it stands behind a number)."""

    element: etree._Element
    number: int
    is_mark: bool | None


def mark_raised_numbers(roots: Sequence[etree._Element]) -> None:
    """Mark numbers raised behind numbers, where other marks lack them, or where more notes than marks bear them."""
    by_root = [list(_raised(root)) for root in roots]
    if not any(one.is_mark is None for listed in by_root for one in listed):
        return
    notes = Counter(number for root in roots for number in _numbers_of_notes(root))
    marks = Counter(one.number for listed in by_root for one in listed if one.is_mark)
    for listed in by_root:
        own = {one.number for one in listed if one.is_mark}
        before, following = 0, _next_marks(listed)
        for one, after in zip(listed, following, strict=True):
            if one.is_mark is None:
                is_next = bool(own) and (before == one.number - 1 or after == one.number + 1)
                is_missing = one.number not in own and not own.isdisjoint((one.number - 1, one.number + 1))
                one.is_mark = is_next or is_missing or notes[one.number] > marks[one.number]
                if one.is_mark:
                    one.element.set(LEFT_OUT, "footnote")
                    own.add(one.number)
                    marks[one.number] += 1
            before = one.number if one.is_mark else before


def _next_marks(listed: Sequence[_Raised]) -> list[int]:
    """The number of the next mark behind each, 0 where there is none."""
    after, numbers = 0, list[int]()
    for one in reversed(listed):
        numbers.append(after)
        after = one.number if one.is_mark else after
    return numbers[::-1]


def _raised(root: etree._Element) -> Iterator[_Raised]:
    for element in root.iter("{*}sup"):
        words = text_of(element).strip()
        is_link = any(tag_of(one) == "a" for one in (*element.iter("{*}a"), *element.iterancestors("{*}a")))
        if not _NUMBER.fullmatch(words) or is_link or element.get(LEFT_OUT) or is_numerator(element):
            continue
        before = _before(element)
        if before.strip():
            yield _Raised(element, int(words), None if _BASE.search(before) else not is_power(before[-40:], words))


def _before(element: etree._Element) -> str:
    """The text before an element in its block, back to what stands before the element beside it."""
    previous, parent = element.getprevious(), element.getparent()
    if previous is not None and (tag_of(previous) not in BLOCKS):
        return (text_of(previous) if tag_of(previous) not in ("", "sup") else "") + (previous.tail or "")
    if previous is not None or parent is None:
        return previous.tail or "" if previous is not None else ""
    if parent.text or tag_of(parent) in BLOCKS:
        return parent.text or ""
    return _before(parent)


def _numbers_of_notes(root: etree._Element) -> Iterator[int]:
    """The numbers with which paragraphs begin as notes do: raised, or behind a heading "Notes"."""
    for element in root.iter("{*}p", "{*}li", "{*}dd", "{*}div"):
        first = next((child for child in element), None)
        is_raised = first is not None and tag_of(first) == "sup" and not (element.text or "").strip()
        if first is not None and is_raised and _NUMBER.fullmatch(text_of(first).strip()):
            yield int(text_of(first))
    within = False
    for element in root.iter("{*}*"):
        if heading_level(element):
            within = TITLES_OF_NOTES.fullmatch(text_of(element).strip(" .:\n\t")) is not None
        elif within and tag_of(element) == "ol":
            yield from range(1, 1 + sum(tag_of(child) == "li" for child in element))
        elif within and tag_of(element) == "p" and (match := _HEAD_OF_NOTE.match(text_of(element))):
            yield int(match[1])
