"""How a text is read: its turns and notes."""

from __future__ import annotations

from typing import Any

from pipeline.source.readers.markdown import parse_markdown
from pipeline.source.script import Kind, Reading, Script


def read(text: str, kind: Kind = "podcast", **reading: Any) -> Script:
    return parse_markdown(text, "s.md", title="Job", reading=Reading(kind, **reading))


def said(script: Script) -> list[tuple[str | None, str]]:
    return [(turn.speaker, turn.text) for chapter in script.chapters for turn in chapter.turns]


def notes(script: Script) -> list[str]:
    return [f"{note.where.partition(':')[2]}: {note.what}" for note in script.warnings]
