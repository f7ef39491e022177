"""Word lists: how often a word stands in a large body of spoken text, by language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache


@cache
def word_counts(language: str) -> Mapping[str, int]:
    """Words in lower case and their counts; empty for a language that has no list.

    "en" for example has 160,000 words of subtitles; some that nobody listed otherwise have a count of 50.
    """
    from spellchecker import SpellChecker  # noqa: PLC0415 - its list takes a tenth of a second

    known = language in SpellChecker.languages()
    return SpellChecker(language=language).word_frequency.dictionary if known else {}
