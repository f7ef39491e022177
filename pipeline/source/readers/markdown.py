"""Markdown and plain text, which tell by their own signs what stands in them.

In: the text of a file, or of one turn of a YAML script. Out: a `Rendition`, or the pieces of the turn.
"""

from __future__ import annotations

from pipeline.errors import Problem
from pipeline.source.ledger import Source
from pipeline.source.rendition import Rendition, TextReader
from pipeline.source.script import Piece, Reading


def markdown_rendition(text: str, shown: str, _reading: Reading) -> Rendition:
    """A Markdown file."""
    return Rendition(Source(text), shown)


def text_rendition(text: str, shown: str, _reading: Reading) -> Rendition:
    """A plain text file."""
    return Rendition(Source(text), shown, plain_text=True)


def body_pieces(text: str, where: str, speaker: str | None) -> tuple[list[Piece], Source, list[Problem]]:
    """The pieces of one turn's text in a YAML script: the same rules, but no labels, chapters and boilerplate."""
    source = Source(text)
    reader = TextReader(Rendition(source, where, places=(where,) * (text.count("\n") + 1)), Reading())
    return reader.read_body(speaker), source, reader.warnings


def mark_title(source: Source) -> str:
    """Mark a title, and return its display text, on one line."""
    return TextReader(Rendition(source, ""), Reading()).heading_text(0, len(source.text))
