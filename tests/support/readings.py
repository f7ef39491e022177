"""How a text is read: its turns and notes."""

from __future__ import annotations

from typing import Any

from pipeline.source.ledger import Source
from pipeline.source.rendition import Rendition, read_rendition
from pipeline.source.script import Kind, Reading, Script


def parse_markdown(
    text: str, shown: str, *, title: str, reading: Reading | None = None, plain_text: bool = False
) -> Script:
    """One Markdown or plain text file as a script. `title` names what stands before the first heading."""
    rendition = Rendition(Source(text), shown, plain_text=plain_text)
    return read_rendition(rendition, title=title, reading=reading or Reading())


def read(text: str, kind: Kind = "podcast", **reading: Any) -> Script:
    return parse_markdown(text, "s.md", title="Job", reading=Reading(kind, **reading))


def said(script: Script) -> list[tuple[str | None, str]]:
    return [(turn.speaker, turn.text) for chapter in script.chapters for turn in chapter.turns]


def notes(script: Script) -> list[str]:
    return [f"{note.where.partition(':')[2]}: {note.what}" for note in script.warnings]
