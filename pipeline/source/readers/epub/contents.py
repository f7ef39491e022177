"""The contents of a book: which of their entries begin chapters.

In: the navigation document of EPUB 3, or EPUB 2's NCX. Out: `ContentsEntry`s in the order in which they are listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from pipeline.source.hypertext.contents import CONTENTS
from pipeline.source.hypertext.elements import EPUB_TYPE, tag_of, text_of
from pipeline.source.readers.package import resolve

_PART = re.compile(r"\b(?:part|book|volume|act|section|teil|buch|band|partie|livre|tome|parte|libro)\b", re.IGNORECASE)
_FEW_WORDS = 60  # of a page that names a part and no more


@dataclass(frozen=True)
class ContentsEntry:
    """A line of the contents: its title, the document and the id that it leads to, and how deep it is listed."""

    title: str
    document: str
    fragment: str
    depth: int


def nav_entries(root: etree._Element, name: str) -> list[ContentsEntry]:
    """Those of a navigation document."""
    navs = list(root.iter("{*}nav"))
    tocs = [nav for nav in navs if "toc" in (nav.get(EPUB_TYPE) or nav.get("role") or "").replace("doc-", "").split()]
    entries: list[ContentsEntry] = []
    for toc in (tocs or navs[:1])[:1]:
        for link in toc.iter("{*}a", "{*}span"):
            if tag_of(link) == "span" and any(tag_of(one) == "a" for one in link.iterancestors()):
                continue
            depth = sum(tag_of(one) in ("ol", "ul") for one in link.iterancestors())
            entry = _entry(text_of(link), link.get("href") or "", name, depth)
            entries += [entry] if entry else []
    return entries


def ncx_entries(root: etree._Element, name: str) -> list[ContentsEntry]:
    """Those of an NCX."""
    entries: list[ContentsEntry] = []
    for point in root.iter("{*}navPoint"):
        label = next((text_of(one) for one in point if tag_of(one) == "navlabel"), "")
        content = next((one for one in point if tag_of(one) == "content"), None)
        depth = 1 + sum(tag_of(one) == "navpoint" for one in point.iterancestors())
        entry = _entry(label, (content.get("src") or "") if content is not None else "", name, depth)
        entries += [entry] if entry else []
    return entries


def _entry(title: str, href: str, name: str, depth: int) -> ContentsEntry | None:
    path, _, fragment = href.partition("#")
    document = resolve(name, path) if href else ""
    title = " ".join(title.split())
    return ContentsEntry(title, document, fragment, depth) if document is not None and title else None


def chapters(entries: Sequence[ContentsEntry], words: Mapping[str, int]) -> dict[str, dict[str, str]]:
    """The titles of chapters, by document and by id ("" is the document's beginning).

    The first level of the contents begins chapters, and a lower one does below an entry that is a part: its page names
    it and says no more. `words` are how many a document holds, of those that are read.
    """
    by_document: dict[str, dict[str, str]] = {}
    open_at: list[bool] = [True]  # by depth, whether entries there are chapters
    depths: list[int] = []
    for index, entry in enumerate(entries):
        while depths and depths[-1] >= entry.depth:
            depths.pop()
            open_at.pop()
        is_chapter = open_at[-1]
        below = entries[index + 1] if index + 1 < len(entries) and entries[index + 1].depth > entry.depth else None
        depths.append(entry.depth)
        open_at.append(is_chapter and below is not None and _is_part(entry, below, words))
        if is_chapter and entry.document in words and not CONTENTS.fullmatch(entry.title):
            by_document.setdefault(entry.document, {}).setdefault(entry.fragment, entry.title)
    return by_document


def _is_part(entry: ContentsEntry, below: ContentsEntry, words: Mapping[str, int]) -> bool:
    if not entry.document or entry.document not in words:
        return True
    if entry.document == below.document:
        return _PART.search(entry.title) is not None
    return words[entry.document] < _FEW_WORDS or _PART.search(entry.title) is not None
