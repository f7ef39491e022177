"""What a document says of itself: title, author, language, description. Knows no formats."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metadata:
    """As the file has it, "" where it says nothing; `language` is a code such as "en" or "de-AT"."""

    title: str = ""
    author: str = ""
    language: str = ""
    description: str = ""
