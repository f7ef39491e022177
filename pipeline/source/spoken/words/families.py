"""The families of words of a language, before and after those of numbers."""

from __future__ import annotations

from functools import lru_cache

from pipeline.source.spoken.rules import Family
from pipeline.source.spoken.scripts import base_language
from pipeline.source.spoken.words.abbreviations import abbreviations
from pipeline.source.spoken.words.capitals import capitals
from pipeline.source.spoken.words.chat import chat
from pipeline.source.spoken.words.romans import romans
from pipeline.source.spoken.words.symbols import symbols
from pipeline.source.spoken.words.web import web


@lru_cache(maxsize=16)
def word_families(language: str) -> tuple[tuple[Family, ...], tuple[Family, ...]]:
    """The families that come before numbers, as an address may hold some, and those that come after them."""
    if base_language(language) != "en":
        from pipeline.source.spoken.words.other_romans import other_romans  # noqa: PLC0415 - as `digits.others`
        from pipeline.source.spoken.words.other_signs import sign_families, typed_families  # noqa: PLC0415 - likewise

        return (
            (*typed_families(language), *other_romans(language)),
            (*abbreviations(language), *sign_families(language)),
        )
    return (*chat(), *web()), (*romans(), *abbreviations(language), *capitals(), *symbols())
