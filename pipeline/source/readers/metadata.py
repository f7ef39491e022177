"""Metadata: what a script file says of itself: title, author, language, description.

In: a path. Out: a `Metadata`, empty where the file says nothing, is not there, or cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import RequestError
from pipeline.source.documents import read_any_text, read_file_bytes, read_yaml
from pipeline.source.readers.docx import docx_tree
from pipeline.source.readers.epub.book import read_book_metadata
from pipeline.source.readers.fountain import fountain_metadata
from pipeline.source.readers.html import read_html_metadata
from pipeline.source.readers.office import read_office_metadata
from pipeline.source.script import Metadata

_FRONT_MATTER = re.compile(r"\ufeff?\s*?---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_GUTENBERG = re.compile(r"^(Title|Author): +(\S.*)$", re.MULTILINE)
_KEYS = {  # of front matter
    "title": ("title",),
    "author": ("author", "authors"),
    "language": ("language", "lang"),
    "description": ("description",),
}


def read_metadata(path: Path) -> Metadata:
    """What a script file says of itself, Markdown in its front matter. Raises nothing."""
    read = _READERS.get(path.suffix.lower())
    try:
        return read(path, str(path)) if read is not None else Metadata()
    except RequestError:
        return Metadata()


def _of_fountain(path: Path, shown: str) -> Metadata:
    title, author = fountain_metadata(read_any_text(path, shown)[0])
    return Metadata(title, author)


def _of_text(path: Path, shown: str) -> Metadata:
    """As Project Gutenberg writes them at the head of its files."""
    head = read_any_text(path, shown)[0][:4000]
    if "project gutenberg" not in head.lower():
        return Metadata()
    values = {name.lower(): value.strip() for name, value in _GUTENBERG.findall(head)}
    return Metadata(title=values.get("title", ""), author=values.get("author", ""))


def _of_markdown(path: Path, shown: str) -> Metadata:
    text, _notes = read_any_text(path, shown)
    match = _FRONT_MATTER.match(text)
    data = read_yaml(match[1], shown).data if match else None
    if not isinstance(data, dict):
        return Metadata()
    lowered = {key.lower(): value for key, value in data.items()}
    values = {name: next(filter(None, map(lowered.get, keys)), "") for name, keys in _KEYS.items()}
    return Metadata(**{name: _text(value) for name, value in values.items()})


_READERS: Mapping[str, Callable[[Path, str], Metadata]] = {
    **dict.fromkeys((".md", ".markdown"), _of_markdown),
    ".txt": _of_text,
    **dict.fromkeys((".fountain", ".spmd"), _of_fountain),
    **dict.fromkeys((".epub", ".kepub"), read_book_metadata),
    **dict.fromkeys((".html", ".htm", ".xhtml"), read_html_metadata),
    ".docx": lambda path, shown: docx_tree(read_file_bytes(path, shown), shown)[1],
    **dict.fromkeys((".odt", ".fb2", ".rtf"), read_office_metadata),
}


def _text(value: object) -> str:
    """A text, or the texts of a list: several authors."""
    texts = value if isinstance(value, list) else [value]
    return ", ".join(text.strip() for text in texts if isinstance(text, str))
