"""Markdown and plain text, which tell by their own signs what stands in them.

In: the text of a file, or of one turn of a YAML script. Out: a `Script` with its ledger, or the pieces of the turn.
"""

from __future__ import annotations

from pipeline.errors import Problem
from pipeline.source.ledger import Source
from pipeline.source.rendition import Rendition, TextReader, read_rendition
from pipeline.source.script import Piece, Reading, Script


def parse_markdown(
    text: str, shown: str, *, title: str, reading: Reading | None = None, plain_text: bool = False
) -> Script:
    """One Markdown or plain text file as a script. `title` names what stands before the first heading."""
    rendition = Rendition(Source(text), shown, plain_text=plain_text)
    return read_rendition(rendition, title=title, reading=reading or Reading())


def body_pieces(text: str, where: str, speaker: str | None) -> tuple[list[Piece], Source, list[Problem]]:
    """The pieces of one turn's text in a YAML script: the same rules, but no labels, chapters and boilerplate."""
    source = Source(text)
    reader = TextReader(Rendition(source, where, places=(where,) * (text.count("\n") + 1)), Reading())
    return reader.read_body(speaker), source, reader.warnings


def mark_title(source: Source) -> str:
    """Mark a title, and return its display text, on one line."""
    return TextReader(Rendition(source, ""), Reading()).heading_text(0, len(source.text))
