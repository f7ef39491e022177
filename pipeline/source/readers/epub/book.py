"""A book: the documents of an EPUB in their order, as one rendition.

In: an EPUB. Out: a `Rendition` in which every text node of every document stands, what the book tells of itself, and
its cover.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from pipeline.errors import Problem, did_you_mean
from pipeline.source.hypertext.contents import mark_below_titles, mark_lists, mark_runs
from pipeline.source.hypertext.elements import (
    EPUB_TYPE,
    LEFT_OUT,
    heading_level,
    is_speaker,
    mark_small_capitals,
    tag_of,
    text_of,
)
from pipeline.source.hypertext.notes import is_noted, mark_notes, spoken_text
from pipeline.source.hypertext.walk import Walk
from pipeline.source.hypertext.writer import DocumentWriter
from pipeline.source.ledger import Reason
from pipeline.source.readers.epub.contents import ContentsEntry, chapters, nav_entries, ncx_entries
from pipeline.source.readers.epub.matter import matter_of, stands_at_edge
from pipeline.source.readers.epub.opf import Opf, landmarks_of, read_opf
from pipeline.source.readers.package import Package, resolve
from pipeline.source.rendition import Rendition
from pipeline.source.script import Metadata, Reading

_XLINK = "{http://www.w3.org/1999/xlink}href"
_INLINE = re.compile(r"data:image/[\w.+-]+;base64,")
_SHOWN = 8  # documents that are not read


@dataclass
class _Document:
    """A document of the book, and why none of it is read."""

    name: str
    root: etree._Element
    is_linear: bool
    reason: Reason | None = None
    text: str = ""  # what is read of it
    titles: list[str] = field(default_factory=list)  # in the contents


def read_book(path: Path, shown: str, reading: Reading) -> Rendition:
    """An EPUB. Raises `RequestError` for one that cannot be read whole."""
    with Package.open(path, shown, "EPUB") as package:
        opf = read_opf(package, shown)
        documents = [_Document(item.name, package.parse(item.name), linear) for item, linear in opf.spine]
        others = [_Document(name, package.parse(name), False) for name in _others(opf, package)]
        navs = {item.name for item in opf.items.values() if "nav" in item.properties}
        entries = _entries(opf, [*documents, *others], navs)
        entries = [entry for entry in entries if not _is_title_beside_others(entry, entries, opf.metadata.title)]
        landmarks = dict(opf.landmarks)
        for one in (*documents, *others):
            landmarks |= dict(landmarks_of(one.root, one.name)) if one.name in navs else {}
        has_notes = mark_notes([(document.name, document.root) for document in documents], _target)
        _judge(documents, entries, landmarks, opf, navs, reading)
        rendition = _write(documents, others, entries, opf, shown, reading, has_notes=has_notes)
        rendition.warnings = [*package.warnings, *opf.warnings, *_not_read(documents, reading, shown)]
        rendition.warnings += _unknown(documents, reading, shown)
        missing = [item.name for item in opf.items.values() if item.name in navs and not package.find(item.name)]
        what = "the contents of the book, {0}, are missing."
        rendition.warnings += [Problem(shown, what.format(name), "Look at its chapters.") for name in missing]
    return rendition


def read_book_metadata(path: Path, shown: str) -> Metadata:
    """What an EPUB tells of itself. Raises `RequestError`."""
    with Package.open(path, shown, "EPUB") as package:
        return read_opf(package, shown).metadata


def read_book_cover(path: Path, shown: str) -> bytes | None:
    """The picture on the cover of an EPUB, if it has one. Raises `RequestError`."""
    with Package.open(path, shown, "EPUB") as package:
        cover = read_opf(package, shown).cover
        if cover is not None and cover.lower().endswith(".svg"):  # a drawing around a picture, which no player shows
            pictures = [one.get("href") or one.get(_XLINK) or "" for one in package.parse(cover).iter("{*}image")]
            if pictures and (inline := _INLINE.match(pictures[0])):
                with suppress(ValueError):  # else it is told of as a cover that is no picture
                    return base64.b64decode(pictures[0][inline.end() :] + "==")  # too much padding is none to it
            cover = next((name for href in pictures if (name := resolve(cover, href)) and package.find(name)), cover)
        return None if cover is None else package.read(cover)


def _others(opf: Opf, package: Package) -> list[str]:
    """The texts of the package that are not in the order of the book: contents, pictures, what nobody names."""
    read = {item.name for item, _linear in opf.spine}
    kinds = ("application/xhtml+xml", "text/html", "image/svg+xml", "application/x-dtbncx+xml")
    named = [item.name for item in opf.items.values() if item.media_type in kinds and item.name not in read]
    named += [name for name in package.names if name.lower().endswith((".xhtml", ".html", ".htm", ".ncx", ".opf"))]
    read.add(opf.name)
    return [name for name in dict.fromkeys(named) if name not in read and package.find(name)]


def _entries(opf: Opf, documents: Sequence[_Document], navs: set[str]) -> list[ContentsEntry]:
    """The contents: EPUB 3's, else those of EPUB 2."""
    roots = {document.name: document.root for document in documents}
    for name in sorted(navs & set(roots)):
        if entries := nav_entries(roots[name], name):
            return entries
    return ncx_entries(roots[opf.ncx], opf.ncx) if opf.ncx in roots else []


def _is_title_beside_others(entry: ContentsEntry, entries: Sequence[ContentsEntry], title: str) -> bool:
    """Whether an entry is the title of the book, on the page of something else."""
    others = (one for one in entries if one is not entry and one.document == entry.document)
    return entry.title.casefold() == title.casefold() and any(True for _other in others)


def _judge(
    documents: list[_Document],
    entries: Sequence[ContentsEntry],
    landmarks: Mapping[str, str],
    opf: Opf,
    navs: set[str],
    reading: Reading,
) -> None:
    """Decide which documents are read, and mark lists of contents in those that are; their notes are marked."""
    names = {document.name for document in documents}
    for document in documents:
        document.titles = [entry.title for entry in entries if entry.document == document.name and not entry.fragment]
    for document in documents:
        if _is_named(document, reading.read):
            _read_all_of(document.root)
            document.text = text_of(document.root)
            continue
        mark_lists(document.name, document.root, names)
        mark_runs(document.name, document.root, names)
        mark_below_titles(document.root, [entry.title for entry in entries])
        document.text = " ".join(" ".join(spoken_text(document.root)).split())
    for index, document in enumerate(documents):
        if not _is_named(document, reading.read):
            is_edge = stands_at_edge(index, len(documents))
            landmark = landmarks.get(document.name, "")
            document.reason = _reason(document, landmark, opf, navs, reading, is_edge=is_edge)


def _reason(
    document: _Document, landmark: str, opf: Opf, navs: set[str], reading: Reading, *, is_edge: bool
) -> Reason | None:
    if _is_named(document, reading.skip):
        return "hidden"
    if document.name in navs:
        return "contents"
    if not document.is_linear:
        return "hidden"
    if is_noted(document.root):
        return "footnote"
    if len(opf.spine) == 1:
        return None
    book = (opf.metadata.title, *opf.metadata.author.split(", "))
    return matter_of(document.root, document.text, landmark, document.titles, book, is_edge=is_edge)


def _is_named(document: _Document, names: Sequence[str]) -> bool:
    own = {title.casefold() for title in document.titles} | {document.name.rpartition("/")[2].casefold()}
    return not own.isdisjoint(name.casefold() for name in names)


def _read_all_of(root: etree._Element) -> None:
    """Take away what says that a document, or a part of it, is not read; not from the marks of notes."""
    for element in root.iter("{*}body", "{*}section", "{*}div", "{*}aside", "{*}article", "{*}li", "{*}ol", "{*}p"):
        for name in (LEFT_OUT, EPUB_TYPE, "role"):
            element.attrib.pop(name, "")


def _target(name: str, href: str) -> tuple[str, str] | None:
    path, _, fragment = href.partition("#")
    document = resolve(name, path)
    return None if document is None else (document, fragment)


def _write(
    documents: Sequence[_Document],
    others: Sequence[_Document],
    entries: Sequence[ContentsEntry],
    opf: Opf,
    shown: str,
    reading: Reading,
    *,
    has_notes: bool,
) -> Rendition:
    read = [document for document in documents if document.reason is None]
    starts = chapters(entries, {document.name: len(document.text.split()) for document in read})
    _begin_where_ids_are_missing(starts, read)
    _add_chapters_of_headings(starts, read, {entry.document for entry in entries})
    if reading.chapters_at is not None or (len(read) == 1 and not entries):
        starts = {}
    writer = DocumentWriter(shown, place=f"{shown}:{opf.name}:1", has_chapters=bool(starts), book=opf.metadata.title)
    mark_small_capitals([document.root for document in read])
    speakers = sum(is_speaker(element) for document in read for element in document.root.iter("{*}*"))
    walk = Walk(writer, has_notes=has_notes, has_speakers=speakers > 2)
    walk.read_data(opf.root, "front matter")
    for document in documents:
        begin = starts.get(document.name, {}) if document.reason is None else {}
        _walk(walk, document, shown, begin, document.reason)
    for document in others:
        is_contents = document.name == opf.ncx or any(True for _nav in document.root.iter("{*}nav"))
        reason: Reason = "contents" if is_contents else "hidden"
        if document.name.lower().endswith((".ncx", ".opf")):
            writer.place = f"{shown}:{document.name}:1"
            walk.read_data(document.root, reason)
        else:
            _walk(walk, document, shown, {}, reason)
    return writer.rendition()


def _walk(walk: Walk, document: _Document, shown: str, starts: dict[str, str], reason: Reason | None) -> None:
    place = f"{shown}:{document.name}"
    walk.place = lambda element: f"{place}:{element.sourceline or 1}"
    walk.chapters = {fragment: title for fragment, title in starts.items() if fragment}
    walk.writer.place = f"{place}:1"
    if "" in starts:
        walk.writer.begin_chapter(starts[""])
    walk.read(document.root, reason)


def _begin_where_ids_are_missing(starts: dict[str, dict[str, str]], read: Sequence[_Document]) -> None:
    """Chapters whose places in a document are not there begin with it, the first of them."""
    for document in read:
        begin = starts.get(document.name, {})
        known = {value for one in document.root.iter("{*}*") for value in (one.get("id"), one.get("name"))} | {""}
        for fragment in [fragment for fragment in begin if fragment not in known]:
            begin.setdefault("", begin[fragment])
            del begin[fragment]


def _add_chapters_of_headings(starts: dict[str, dict[str, str]], read: Sequence[_Document], listed: set[str]) -> None:
    """Chapters that begin documents with headings, where the contents name fewer than half of these."""
    heads = {document.name: title for document in read if (title := _heading_at_start(document.root))}
    unlisted = [name for name in heads if name not in listed]
    if 2 * len(unlisted) >= len(heads):
        for name in unlisted:
            starts.setdefault(name, {}).setdefault("", heads[name])


def _heading_at_start(root: etree._Element) -> str:
    """The heading with which a document begins, "" where it begins with text."""
    for body in root.iter("{*}body"):
        for element in body.iter("{*}*"):
            if heading_level(element) and text_of(element).strip():
                return " ".join(text_of(element).split())
            if tag_of(element) == "p" and text_of(element).strip():
                return ""
    return ""


def _unknown(documents: Sequence[_Document], reading: Reading, shown: str) -> list[Problem]:
    """Names of documents that are to be read or skipped, and that the book does not have."""
    names = {name for one in documents for name in (*one.titles, one.name.rpartition("/")[2])}
    known = {name.casefold() for name in names}
    unknown = [name for name in (*reading.read, *reading.skip) if name.casefold() not in known]
    return [
        Problem(shown, f'no document of the book is called "{name}".', did_you_mean(name, names)) for name in unknown
    ]


def _not_read(documents: Sequence[_Document], reading: Reading, shown: str) -> list[Problem]:
    """A note of the documents of the book that are not read, but for contents and what the producer skips."""
    left_out = [one for one in documents if one.reason not in (None, "contents") and not _is_named(one, reading.skip)]
    left_out = [one for one in left_out if any(text_of(body).strip() for body in one.root.iter("{*}body"))]
    if not left_out:
        return []
    names = [f"{one.name.rpartition('/')[2]} ({one.reason})" for one in left_out[:_SHOWN]]
    more = " …" if len(left_out) > _SHOWN else ""
    what = f"these documents of the book are not read: {', '.join(names)}{more}."
    return [Problem(shown, what, "To read one, write read: [its name] beside the script's name.")]
