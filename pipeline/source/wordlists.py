"""Word lists: the words of a language and how common they are, as far as pyspellchecker has them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache


@cache
def listed_words(language: str) -> Mapping[str, int]:
    """The words of a language of two letters, in lower case, and how often its corpus has each; none without a list."""
    from spellchecker import SpellChecker  # noqa: PLC0415 - its list takes a tenth of a second

    known = language in SpellChecker.languages()
    return SpellChecker(language=language).word_frequency.dictionary if known else {}
