"""Contents: lists of what a document or a book holds, which stand in its text and are not read.

In: documents. Out: nothing; the lists, and the headings above them, get the reason for which they are not read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from lxml import etree

from pipeline.source.hypertext.elements import BLOCKS, LEFT_OUT, heading_level, tag_of, text_of
from pipeline.source.readers.package import resolve

CONTENTS = re.compile(
    r"(?:table of )?contents|inhalt(?:sverzeichnis)?|table des mati[èe]res|sommaire|[íi]ndice|inhoud", re.IGNORECASE
)
_LISTS = ("table", "ul", "ol", "dl", "div", "p", "section", "blockquote")
_MOST_IN_LINKS = 0.6
_LONGEST_TITLE = 6  # words of a link that ends as a sentence does, and is none
_ENTRY_BESIDE = 16  # characters
_ENTRY = 160  # characters of an entry at most


def mark_lists(name: str, root: etree._Element, documents: Collection[str]) -> None:
    """Leave out lists of links to the book's own documents: a table of contents, and the heading above it."""
    lists: list[etree._Element] = []
    sums: list[list[int]] = []  # of each open element: links, characters in links, characters
    in_links = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        is_link = tag_of(element) == "a" and _is_listed(element, name, documents)
        if event == "start":
            in_links += is_link
            sums.append([int(is_link), 0, 0])
            _count(sums[-1], element.text, in_links)
            continue
        in_links -= is_link
        links, linked, whole = sums.pop()
        beside = whole - linked  # of each entry: its number, its page; a sentence has more
        most = _ENTRY_BESIDE if tag_of(element) != "p" else _ENTRY_BESIDE // 4
        if links > 2 and linked > _MOST_IN_LINKS * whole and beside < most * links and tag_of(element) in _LISTS:
            lists.append(element)
        if sums:
            sums[-1] = [sums[-1][0] + links, sums[-1][1] + linked, sums[-1][2] + whole]
            _count(sums[-1], element.tail, in_links)
    for element in reversed(lists):  # the outer ones first
        if not any(one.get(LEFT_OUT) for one in (element, *element.iterancestors())):
            element.set(LEFT_OUT, "contents")
            _mark_heading(element)


def _count(sums: list[int], text: str | None, in_links: int) -> None:
    size = len("".join(text.split())) if text else 0
    sums[2] += size
    sums[1] += size if in_links else 0


def _is_listed(link: etree._Element, name: str, documents: Collection[str]) -> bool:
    href = link.get("href") or ""
    words = text_of(link).strip()
    is_sentence = len(words.split()) > _LONGEST_TITLE and words[-1:] in ".?!”"
    if not href or link.get(LEFT_OUT) is not None or len(words) < 2 or is_sentence:
        return False
    is_heading = any(heading_level(one) for one in link.iter("{*}*")) or any(
        heading_level(one) for one in link.iterancestors()
    )
    return not is_heading and resolve(name, href.partition("#")[0]) in documents


def _mark_heading(element: etree._Element) -> None:
    before: etree._Element | None = element
    while before is not None and before.getprevious() is None and tag_of(before) != "body":
        before = before.getparent()
    heading = before.getprevious() if before is not None else None
    headings = [heading] if heading is not None else []
    for one in (*headings, *(child for child in element.iter("{*}*") if heading_level(child))):
        if CONTENTS.fullmatch(text_of(one).strip(" .:\n\t\r")):
            one.set(LEFT_OUT, "contents")


def mark_below_titles(root: etree._Element, others: Collection[str] = ()) -> None:
    """Leave out what stands below a heading "Contents" up to the next heading, where all of it is short.

    It has to hold links, page numbers, or titles: of headings of the document, or of `others` in the book.
    """
    headings = [one for one in root.iter("{*}*") if heading_level(one)]
    titles = "|".join([*map(_key, map(text_of, headings)), *map(_key, others)])
    for heading in headings:
        if heading.get(LEFT_OUT) or not CONTENTS.fullmatch(text_of(heading).strip(" .:\n\t\r")):
            continue
        listed = list(_up_to_heading(heading))
        lines = [line for one in listed for line in _lines(one) if text_of(line).strip()]
        linked = sum(next(line.iter("{*}a"), None) is not None for line in lines)
        known = sum(_is_entry(text_of(line), titles) for line in lines)
        is_short = all(len(text_of(line)) < _ENTRY for line in lines)
        if lines and ((is_short and known + linked > 0.3 * len(lines)) or linked > 0.8 * len(lines)):
            for one in (heading, *listed):
                one.set(LEFT_OUT, "contents")


def mark_runs(name: str, root: etree._Element, documents: Collection[str]) -> None:
    """Leave out paragraphs one after another that are nothing but links to the book's own documents."""
    for parent in root.iter("{*}body", "{*}div", "{*}section", "{*}nav", "{*}center"):
        run: list[etree._Element] = []
        for child in [*(one for one in parent if tag_of(one)), None]:
            words = "" if child is None else text_of(child).strip()
            if child is not None and tag_of(child) in ("p", "div") and not child.get(LEFT_OUT):
                links = [one for one in child.iter("{*}a") if _is_listed(one, name, documents)]
                if words and len(links) == 1 and len(text_of(links[0]).strip()) > 0.8 * len(words):
                    run.append(child)
                    continue
            if words or child is None or tag_of(child) == "hr":
                for one in run if len(run) > 2 else ():
                    one.set(LEFT_OUT, "contents")
                run = []


def _is_entry(line: str, titles: str) -> bool:
    """Whether a line ends with the number of a page, or is a title."""
    key = _key(line)
    return re.search(r"[\s.](?:\d{1,4}|[ivxlc]{1,6})\s*$", line) is not None or (len(key) > 3 and key in titles)


def _key(text: str) -> str:
    return "".join(re.findall(r"[^\W_]+", text)).casefold()


def _up_to_heading(heading: etree._Element) -> Iterator[etree._Element]:
    for sibling in heading.itersiblings():
        if heading_level(sibling) or any(heading_level(one) for one in sibling.iter("{*}*")):
            return
        if tag_of(sibling):
            yield sibling


def _lines(element: etree._Element) -> Iterator[etree._Element]:
    """The innermost blocks of an element."""
    for one in element.iter("{*}*"):
        if tag_of(one) in BLOCKS and not any(tag_of(child) in BLOCKS for child in one):
            yield one
