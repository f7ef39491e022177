"""HTML: one document as a rendition, and what becomes HTML: documents of Word and of other programs.

In: a file. Out: a `Rendition`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from lxml import etree

from pipeline.source.documents import read_file_bytes
from pipeline.source.hypertext.contents import mark_below_titles, mark_lists, mark_runs
from pipeline.source.hypertext.elements import (
    LEFT_OUT,
    PLACE,
    classes_of,
    heading_level,
    is_speaker,
    mark_small_capitals,
    tag_of,
    text_of,
    types_of,
)
from pipeline.source.hypertext.notes import mark_notes
from pipeline.source.hypertext.raised import mark_raised_numbers
from pipeline.source.hypertext.walk import Walk
from pipeline.source.hypertext.writer import DocumentWriter
from pipeline.source.readers.docx import docx_tree
from pipeline.source.readers.markup import parse_html
from pipeline.source.readers.office import office_tree
from pipeline.source.readers.sections import mark_sections
from pipeline.source.rendition import Rendition
from pipeline.source.script import Metadata, Reading

_TITLE_AND_AUTHOR = re.compile(  # as Project Gutenberg writes them
    r"(?:(?:The )?Project Gutenberg(?:['’]s)?(?: E-?(?:book|text) of)? )?(.+), by ([^,]+?)\.?", re.IGNORECASE
)
_NAMES = {"author": "author", "dc.creator": "author", "description": "description", "dc.description": "description"}


def read_html(path: Path, shown: str, reading: Reading) -> Rendition:
    """An HTML or XHTML file. Raises `RequestError` for what is none."""
    root, warnings = parse_html(read_file_bytes(path, shown), shown)
    _mark_around_main(root)
    rendition = tree_rendition(root, shown, reading)
    return replace(rendition, warnings=[*warnings, *rendition.warnings])


def read_docx(path: Path, shown: str) -> Rendition:
    """A document of Word. Raises `RequestError` for what is none."""
    root, _metadata, warnings = docx_tree(read_file_bytes(path, shown), shown)
    _mark_title_block(root)
    return replace(tree_rendition(root, shown), warnings=warnings)


def read_office(path: Path, shown: str) -> Rendition:
    """What pandoc reads. Raises `RequestError`, also where it is not installed."""
    root, _metadata, warnings = office_tree(path, shown)
    _mark_title_block(root)
    return replace(tree_rendition(root, shown), warnings=warnings)


def tree_rendition(root: etree._Element, shown: str, reading: Reading | None = None) -> Rendition:
    """The tree of a document; its elements bear their places, or stand on the lines that the parser knows.

    Of a page the `reading` tells which chapters are read.
    """
    mark_lists(shown, root, (shown,))
    mark_runs(shown, root, (shown,))
    mark_below_titles(root)
    warnings, problems = mark_sections(root, shown, reading) if reading is not None else ([], [])
    mark_notes([(shown, root)], lambda name, href: (name, href[1:]) if href[:1] == "#" else None)
    mark_raised_numbers([root])
    writer = DocumentWriter(shown, place=f"{shown}:1")
    walk = Walk(writer, place=lambda element: _place(element, shown))
    mark_small_capitals([root])
    walk.has_speakers = sum(map(is_speaker, root.iter("{*}*"))) > 2
    walk.read(root)
    return replace(writer.rendition(), warnings=warnings, problems=problems)


def read_html_metadata(path: Path, shown: str) -> Metadata:
    """What the head of an HTML file says of it. Raises `RequestError`."""
    root, _warnings = parse_html(read_file_bytes(path, shown), shown)
    title = next((text_of(one) for one in root.iter("{*}title")), "")
    values = {"title": title, "language": next((lang for one in root.iter("{*}html") if (lang := one.get("lang"))), "")}
    for meta in root.iter("{*}meta"):
        name = _NAMES.get((meta.get("name") or "").lower())
        if name is not None and name not in values:
            values[name] = meta.get("content") or ""
    values = {name: " ".join(value.split()) for name, value in values.items()}
    if (match := _TITLE_AND_AUTHOR.fullmatch(values["title"])) and "author" not in values:
        values |= {"title": match[1], "author": match[2]}
    return Metadata(**values)


def _place(element: etree._Element, shown: str) -> str:
    return element.get(PLACE) or f"{shown}:{element.sourceline or 1}"


def _mark_title_block(root: etree._Element) -> None:
    """Leave out the title of a document, which is that of the whole: what has the style "Title" or "Subtitle"."""
    for element in root.iter("{*}h1", "{*}p", "{*}header"):
        kinds = {*classes_of(element), element.get("id")}
        if not kinds.isdisjoint(("title", "subtitle", "title-block-header")):
            element.set(LEFT_OUT, "front matter")


def _mark_around_main(root: etree._Element) -> None:
    """Leave out what a web page has around its text: menus, the head and the foot of the site."""
    mains = [one for one in root.iter("{*}*") if tag_of(one) == "main" or "main" in types_of(one)]
    mains = mains or [one for one in root.iter("{*}*") if tag_of(one) == "article"]
    if len(mains) != 1:
        mains = []
    for main in mains:
        inner = main
        while (parent := inner.getparent()) is not None and tag_of(inner) != "body":
            for sibling in parent:
                if sibling is not inner and tag_of(sibling) not in ("", "head") and not _holds_title(sibling):
                    sibling.set(LEFT_OUT, "boilerplate")
            inner = parent
    for body in root.iter("{*}body"):
        for child in body:
            is_foot = tag_of(child) == "footer" and not mains
            if is_foot and ("©" in text_of(child) or next(child.iter("{*}a"), None) is not None):
                child.set(LEFT_OUT, "boilerplate")  # else it is signed, as a letter is


def _holds_title(element: etree._Element) -> bool:
    return any(heading_level(one) == 1 for one in element.iter("{*}*"))
