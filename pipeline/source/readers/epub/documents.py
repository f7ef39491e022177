"""Documents: the documents of a book, and how a producer names those that are to be read or skipped.

In: parsed documents, and what the contents call them. Out: which of them a name means, and notes of those not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from lxml import etree

from pipeline.errors import Problem, did_you_mean
from pipeline.source.hypertext.elements import BLOCKS, LEFT_OUT, reason_of, tag_of, text_of
from pipeline.source.hypertext.notes import spoken_text
from pipeline.source.ledger import Reason
from pipeline.source.readers.epub.contents import ContentsEntry
from pipeline.source.readers.epub.targets import first_heading
from pipeline.source.script import Reading

_WORD = re.compile(r"[^\W_]")
_READ_IF_NAMED = ("footnote", "contents", "front matter", "boilerplate")  # the other reasons hold all the same
_SHOWN = 8  # documents that are not read


@dataclass
class BookDocument:
    """A document of the book: its member in the package, its tree, and why none of it is read."""

    name: str
    root: etree._Element
    is_linear: bool
    reason: Reason | None = None
    text: str = ""  # what is read of it
    titles: list[str] = field(default_factory=list)  # in the contents


def titles_of(document: BookDocument, entries: Sequence[ContentsEntry]) -> list[str]:
    """What the contents call a document: by the entries that lead to it, or the one that leads into it."""
    own = [entry for entry in entries if entry.document == document.name]
    return [entry.title for entry in own if not entry.fragment or len(own) == 1]


def _names(document: BookDocument) -> list[str]:
    """All by which a producer may name it: its titles, its first heading, its file with its folder or without."""
    return [*document.titles, first_heading(document.root), document.name, document.name.rpartition("/")[2]]


def is_named(document: BookDocument, names: Sequence[str]) -> bool:
    """Whether one of the names means a document, whatever their case."""
    own = {" ".join(name.split()).casefold() for name in _names(document)} - {""}
    return not own.isdisjoint(" ".join(name.split()).casefold() for name in names)


def read_all_of(root: etree._Element) -> None:
    """Take away what says that a document, or a part of it, is not read; not from the marks of notes."""
    for element in root.iter("{*}*"):
        if tag_of(element) in BLOCKS and reason_of(element) in _READ_IF_NAMED:
            element.set(LEFT_OUT, "")
        elif tag_of(element) == "a" and element.get("href") and not _WORD.search(text_of(element)):
            element.set(LEFT_OUT, "footnote")  # the arrow that leads back to the mark


def unknown_names(documents: Sequence[BookDocument], reading: Reading, shown: str) -> list[Problem]:
    """Names of documents that are to be read or skipped, and that the book does not have."""
    names = {name for one in documents for name in _names(one) if name}
    unknown = [name for name in (*reading.read, *reading.skip) if not any(is_named(one, (name,)) for one in documents)]
    return [
        Problem(shown, f'no document of the book is called "{name}".', did_you_mean(name, names)) for name in unknown
    ]


def silent_names(documents: Sequence[BookDocument], reading: Reading, shown: str) -> list[Problem]:
    """Documents that are to be read, and in which there is nothing to read."""
    named = [one for one in documents if is_named(one, reading.read)]
    silent = [one.name for one in named if not "".join(spoken_text(one.root)).strip()]
    what = "{0} is to be read, and has no text to read."
    return [Problem(shown, what.format(name), "Take it out of the names after read:.") for name in silent]


def not_read(
    documents: Sequence[BookDocument], beside: Sequence[BookDocument], reading: Reading, shown: str
) -> list[Problem]:
    """Notes of the documents that are not read, but for contents and what the producer skips.

    `beside` are those in the package that the order of the book does not name.
    """
    left_out = [one for one in documents if one.reason not in (None, "contents") and not is_named(one, reading.skip)]
    left_out = [one for one in left_out if any(text_of(body).strip() for body in one.root.iter("{*}body"))]
    names = [f"{one.name.rpartition('/')[2]} ({one.reason})" for one in left_out]
    notes = [("these documents of the book are not read", names)]
    nameless = [one.name.rpartition("/")[2] for one in beside if not is_named(one, reading.skip)]
    notes.append(("documents that the order of the book does not name are not read", nameless))
    fix = "To read one, write read: [its name] beside the script's name."
    return [
        Problem(shown, f"{what}: {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}.", fix)
        for what, names in notes
        if names
    ]
