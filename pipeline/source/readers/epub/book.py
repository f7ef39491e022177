"""A book: the documents of an EPUB in their order, as one rendition.

In: an EPUB. Out: a `Rendition` in which every text node of every document stands, what the book tells of itself, and
its cover.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.errors import Problem, RequestError
from pipeline.source.hypertext.contents import mark_below_titles, mark_lists, mark_runs
from pipeline.source.hypertext.elements import (
    is_speaker,
    mark_small_capitals,
    text_of,
)
from pipeline.source.hypertext.notes import is_noted, mark_notes, spoken_text
from pipeline.source.hypertext.raised import mark_raised_numbers
from pipeline.source.hypertext.walk import Walk
from pipeline.source.hypertext.writer import DocumentWriter
from pipeline.source.ledger import Reason
from pipeline.source.readers.epub.contents import ContentsEntry, chapters, nav_entries, ncx_entries
from pipeline.source.readers.epub.documents import (
    BookDocument,
    is_named,
    not_read,
    read_all_of,
    silent_names,
    titles_of,
    unknown_names,
)
from pipeline.source.readers.epub.matter import matter_of, stands_at_edge
from pipeline.source.readers.epub.opf import TEXTS, Opf, landmarks_of, read_opf
from pipeline.source.readers.epub.targets import (
    dead_entries,
    heading_at_start,
    mend_documents,
    mend_fragments,
)
from pipeline.source.readers.package import Package, resolve
from pipeline.source.rendition import Rendition
from pipeline.source.script import Metadata, Reading

_XLINK = "{http://www.w3.org/1999/xlink}href"
_INLINE = re.compile(r"data:image/[\w.+-]+;base64,")


def read_book(path: Path, shown: str, reading: Reading) -> Rendition:
    """An EPUB. Raises `RequestError` for one that cannot be read whole."""
    with Package.open(path, shown, "EPUB") as package:
        opf = read_opf(package, shown)
        warnings = list(opf.warnings)
        documents = [BookDocument(item.name, package.parse(item.name), linear) for item, linear in opf.spine]
        others = list(_others(opf, package, warnings))
        navs = {item.name for item in opf.items.values() if "nav" in item.properties}
        entries = _entries(opf, [*documents, *others], navs)
        entries, missing = mend_documents(entries, {one.name: one.root for one in documents}, package.find)
        entries = [entry for entry in entries if not _is_title_beside_others(entry, entries, opf.metadata.title)]
        for document in (*documents, *others):
            document.titles = titles_of(document, entries)
        warnings += unknown_names([*documents, *others], reading, shown)
        beside = [one for one in others if _is_text(one, navs)]  # texts, and none of them in the book's order
        asked_for = [one for one in others if is_named(one, reading.read)]
        documents += (replace(one, is_linear=True) for one in asked_for)
        others = [one for one in others if one not in asked_for]
        landmarks = dict(opf.landmarks)
        for one in (*documents, *others):
            landmarks |= dict(landmarks_of(one.root, one.name, package)) if one.name in navs else {}
        target = partial(_target, package)
        mark_notes([(document.name, document.root) for document in documents], target)
        mark_raised_numbers([document.root for document in documents])
        _judge(documents, entries, landmarks, opf, navs, reading)
        starts, lost = _starts(documents, entries, {one.name for one in asked_for})
        rendition = _write(documents, others, starts, entries, opf, shown, reading)
        warnings += silent_names(documents, reading, shown)
        warnings += dead_entries(missing, lost, shown)
        warnings += not_read(documents, [one for one in beside if one in others], reading, shown)
        rendition.warnings = [*package.warnings, *warnings]
        gone = [item.name for item in opf.items.values() if item.name in navs and not package.find(item.name)]
        what = "the contents of the book, {0}, are missing."
        rendition.warnings += [Problem(shown, what.format(name), "Look at its chapters.") for name in gone]
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


def _others(opf: Opf, package: Package, warnings: list[Problem]) -> Iterator[BookDocument]:
    """The texts of the package that are not in the order of the book: contents, pictures, what nobody names."""
    read = {item.name for item, _linear in opf.spine} | {opf.name}
    kinds = (*TEXTS, "application/x-dtbncx+xml")
    named = [item.name for item in opf.items.values() if item.media_type in kinds]
    named += [name for name in package.names if name.lower().endswith((".xhtml", ".html", ".htm", ".ncx", ".opf"))]
    for name in dict.fromkeys(named):
        if name in read or not package.find(name) or "__MACOSX/" in name or name.rpartition("/")[2].startswith("._"):
            continue  # the last two hold what macOS knows of a file
        try:
            yield BookDocument(name, package.parse(name), is_linear=False)
        except RequestError as error:  # nobody reads it in any case
            warnings += error.problems


def _is_text(document: BookDocument, navs: set[str]) -> bool:
    """Whether a document that is not in the order of the book is more than its contents or a drawing."""
    if document.name in navs or any(True for _nav in document.root.iter("{*}nav")):
        return False
    return any(text_of(body).strip() for body in document.root.iter("{*}body"))


def _entries(opf: Opf, documents: Sequence[BookDocument], navs: set[str]) -> list[ContentsEntry]:
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
    documents: list[BookDocument],
    entries: Sequence[ContentsEntry],
    landmarks: Mapping[str, str],
    opf: Opf,
    navs: set[str],
    reading: Reading,
) -> None:
    """Decide which documents are read, and mark lists of contents in those that are; their notes are marked."""
    names = {document.name for document in documents}
    for document in documents:
        if is_named(document, reading.read):
            read_all_of(document.root)
            document.text = text_of(document.root)
            continue
        mark_lists(document.name, document.root, names)
        mark_runs(document.name, document.root, names)
        mark_below_titles(document.root, [entry.title for entry in entries])
        document.text = " ".join(" ".join(spoken_text(document.root)).split())
    for index, document in enumerate(documents):
        if not is_named(document, reading.read):
            is_edge = stands_at_edge(index, len(documents) - index - 1)
            landmark = landmarks.get(document.name, "")
            document.reason = _reason(document, landmark, opf, navs, reading, is_edge=is_edge)


def _reason(
    document: BookDocument, landmark: str, opf: Opf, navs: set[str], reading: Reading, *, is_edge: bool
) -> Reason | None:
    if is_named(document, reading.skip):
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


def _target(package: Package, name: str, href: str) -> tuple[str, str] | None:
    path, _, fragment = href.partition("#")
    document = resolve(name, path)
    return None if document is None else (package.find(document) or document, fragment)


def _starts(
    documents: Sequence[BookDocument], entries: Sequence[ContentsEntry], asked_for: set[str]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Where chapters begin, by document and id, and the titles in the contents for which there is no place.

    Documents that are `asked_for` begin one, too: nothing in the book's order stands before them.
    """
    read = [document for document in documents if document.reason is None]
    starts = chapters(entries, {document.name: len(document.text.split()) for document in read})
    lost = mend_fragments(starts, {document.name: document.root for document in read})
    _add_chapters_of_headings(starts, read, {entry.document for entry in entries}, asked_for)
    return starts, lost


def _write(
    documents: Sequence[BookDocument],
    others: Sequence[BookDocument],
    starts: dict[str, dict[str, str]],
    entries: Sequence[ContentsEntry],
    opf: Opf,
    shown: str,
    reading: Reading,
) -> Rendition:
    read = [document for document in documents if document.reason is None]
    if reading.chapters_at is not None or (len(read) == 1 and not entries):
        starts = {}
    writer = DocumentWriter(shown, place=f"{shown}:{opf.name}:1", has_chapters=bool(starts), book=opf.metadata.title)
    mark_small_capitals([document.root for document in read])
    speakers = sum(is_speaker(element) for document in read for element in document.root.iter("{*}*"))
    walk = Walk(writer, has_speakers=speakers > 2)
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


def _walk(walk: Walk, document: BookDocument, shown: str, starts: dict[str, str], reason: Reason | None) -> None:
    place = f"{shown}:{document.name}"
    walk.place = lambda element: f"{place}:{element.sourceline or 1}"
    walk.chapters = {fragment: title for fragment, title in starts.items() if fragment}
    walk.writer.place = f"{place}:1"
    if "" in starts:
        walk.writer.begin_chapter(starts[""])
    walk.read(document.root, reason)


def _add_chapters_of_headings(
    starts: dict[str, dict[str, str]], read: Sequence[BookDocument], listed: set[str], asked_for: set[str]
) -> None:
    """Chapters that begin documents with headings: those `asked_for`, all where the contents name fewer than half."""
    heads = {document.name: title for document in read if (title := heading_at_start(document.root))}
    unlisted = [name for name in heads if name not in listed]
    is_most = 2 * len(unlisted) >= len(heads)
    for name in unlisted:
        if is_most or name in asked_for:
            starts.setdefault(name, {}).setdefault("", heads[name])
