"""Targets: where the entries of a book's contents lead, mended where they lead nowhere.

In: `ContentsEntry`s and the documents of the book. Out: entries whose documents and ids are there, and those for which
none was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from lxml import etree

from pipeline.errors import Problem
from pipeline.source.hypertext.elements import heading_level, tag_of, text_of
from pipeline.source.readers.epub.contents import ContentsEntry

_SHOWN = 3  # entries in a note


def mend_documents(
    entries: Sequence[ContentsEntry], roots: Mapping[str, etree._Element], find: Callable[[str], str | None]
) -> tuple[list[ContentsEntry], list[ContentsEntry]]:
    """The entries, and those that lead to no document of the book.

    `roots` are the documents in their order, `find` knows a member of the package whatever the case of its name. An
    entry of a document that is not there is that of one that no other leads to, and that begins with its title, or
    follows that of the entry before and begins with a heading.
    """
    resolved = [replace(entry, document=find(entry.document) or entry.document) for entry in entries]
    missing = [entry for entry in resolved if entry.document and find(entry.document) is None]
    listed = {entry.document for entry in resolved}
    names = list(roots)
    mended: list[ContentsEntry] = []
    for entry in resolved:
        if entry not in missing:
            mended.append(entry)
            continue
        before = next((one.document for one in reversed(mended) if one.document in roots), None)
        after = names[names.index(before) + 1 :] if before is not None else names
        free = [name for name in after if name not in listed]
        titled = (name for name in free if _begins_with(roots[name], entry.title))
        follows = (name for name in after[:1] if name in free and heading_at_start(roots[name]))
        name = next(titled, None) or next(follows, None)
        if name is not None:
            listed.add(name)
            mended.append(replace(entry, document=name, fragment=""))
    return mended, missing


def mend_fragments(starts: dict[str, dict[str, str]], roots: Mapping[str, etree._Element]) -> list[str]:
    """Let the chapters of `starts` whose ids are not there begin somewhere; returns the titles for which that fails.

    That is at an id in another case, at a heading of their title, or with the document, for the first of them.
    """
    lost: list[str] = []
    for name, begin in starts.items():
        ids = [value for one in roots[name].iter("{*}*") for value in (one.get("id"), one.get("name")) if value]
        by_key = {value.casefold(): value for value in reversed(ids)}
        nowhere: list[str] = []
        for fragment in [one for one in begin if one and one not in ids]:
            title = begin.pop(fragment)
            place = by_key.get(fragment.casefold()) or _heading_called(roots[name], title, fragment, begin)
            if place and begin.setdefault(place, title) == title:
                continue
            nowhere.append(title)
        if nowhere and not begin:
            begin[""] = nowhere.pop(0)
        lost += nowhere
    return lost


def _heading_called(root: etree._Element, title: str, fragment: str, begun: Collection[str]) -> str:
    """The id of the heading with that title, which gets `fragment` where it has none; else ""."""
    for element in root.iter("{*}*"):
        if heading_level(element) and title_key(text_of(element)) == title_key(title):
            identifier = element.get("id") or fragment
            if identifier not in begun:
                element.set("id", identifier)
                return identifier
    return ""


def heading_at_start(root: etree._Element) -> str:
    """The heading with which a document begins, "" where it begins with text."""
    for element in _blocks(root):
        return " ".join(text_of(element).split()) if heading_level(element) else ""
    return ""


def first_heading(root: etree._Element) -> str:
    """The first heading of a document, on one line; "" where there is none."""
    return next((" ".join(text_of(one).split()) for one in root.iter("{*}*") if heading_level(one)), "")


def _blocks(root: etree._Element) -> Iterator[etree._Element]:
    """The headings and paragraphs that are not empty."""
    for body in root.iter("{*}body"):
        for element in body.iter("{*}*"):
            if (heading_level(element) or tag_of(element) == "p") and text_of(element).strip():
                yield element


def _begins_with(root: etree._Element, title: str) -> bool:
    body = next(root.iter("{*}body"), None)
    key = title_key(title)
    return bool(key) and body is not None and title_key(text_of(body)[: 20 * len(title) + 200]).startswith(key)


def title_key(title: str) -> str:
    """What titles are compared by: their letters and numbers."""
    return "".join(re.findall(r"[^\W_]+", title)).casefold()


def dead_entries(missing: Sequence[ContentsEntry], lost: Sequence[str], shown: str) -> list[Problem]:
    """A note of the entries that lead nowhere."""
    if not missing and not lost:
        return []
    named = [f'"{entry.title}" ({entry.document})' for entry in missing] + [f'"{title}"' for title in lost]
    more = " …" if len(named) > _SHOWN else ""
    leads = "leads" if len(named) == 1 else "lead"
    entries = f"{len(named)} entr{'y' if len(named) == 1 else 'ies'}"
    what = f"{entries} of the book's contents {leads} nowhere: {', '.join(named[:_SHOWN])}{more}."
    return [Problem(shown, what, "Look whether each chapter begins where it should.")]
