"""Metadata: what a script file says of itself: title, author, language, description.

In: a path. Out: a `Metadata`, empty where the file says nothing, is not there, or cannot be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import RequestError
from pipeline.source.documents import read_any_text, read_yaml

_FRONT_MATTER = re.compile(r"\ufeff?\s*?---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEYS = {  # of front matter
    "title": ("title",),
    "author": ("author", "authors"),
    "language": ("language", "lang"),
    "description": ("description",),
}


@dataclass(frozen=True)
class Metadata:
    """As they stand in the file; empty where it has none."""

    title: str = ""
    author: str = ""
    language: str = ""
    description: str = ""


def read_metadata(path: Path) -> Metadata:
    """What a script file says of itself: Markdown in its front matter. Raises nothing."""
    if path.suffix.lower() not in (".md", ".markdown"):
        return Metadata()
    try:
        text, _notes = read_any_text(path, str(path))
        match = _FRONT_MATTER.match(text)
        data = read_yaml(match[1], str(path)).data if match else None
    except RequestError:
        return Metadata()
    if not isinstance(data, dict):
        return Metadata()
    lowered = {key.lower(): value for key, value in data.items()}
    values = {name: next(filter(None, map(lowered.get, keys)), "") for name, keys in _KEYS.items()}
    return Metadata(**{name: _text(value) for name, value in values.items()})


def _text(value: object) -> str:
    """A text, or the texts of a list: several authors."""
    texts = value if isinstance(value, list) else [value]
    return ", ".join(text.strip() for text in texts if isinstance(text, str))
