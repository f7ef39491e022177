"""Which families of rules a language has, and what it has no words for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from pipeline.source.spoken.digits.codes import CODES, NAMES
from pipeline.source.spoken.digits.dates import SPANS, YEARS, dates
from pipeline.source.spoken.digits.measures import measures
from pipeline.source.spoken.digits.money import MONEY, OLD_MONEY
from pipeline.source.spoken.digits.numbers import NUMBERED, NUMBERS, ORDINALS
from pipeline.source.spoken.digits.times import BOOKS, DURATIONS, TIMES
from pipeline.source.spoken.digits.words import converter, locale_of, number_words
from pipeline.source.spoken.rules import Family, replacements_of
from pipeline.source.spoken.scripts import base_language
from pipeline.source.spoken.words.families import word_families

# Digits, and signs that are numbers or stand among such, by what is neither: it is quicker to compile. Prose in Latin,
# Greek or Cyrillic letters has none.
_DIGITS = re.compile(r"[^\x00-/:-±´-¸º»¿-\u05ff\u1e00-\u206f\u208a-\u214f\u218a-\u245f\u2c00-\u2cfc]")

_SIGN = re.compile(r"[#$%&+<=>@^§°©№‰€£¥¢×÷±≈≠≤≥∞√]")  # not "_", "*" and their like, which are silent everywhere
_REACH = 48  # characters from a digit: to the word before it, to the unit behind it


@lru_cache(maxsize=16)
def families(language: str) -> tuple[Family, ...]:
    """The families for a language tag such as "en" or "pt-BR", in the order in which they are tried.

    Addresses come before digits, which would take theirs apart; other words and signs come after them.
    """
    before, after = word_families(language)  # an address may hold digits, and signs know less of a place than money
    if base_language(language) != "en":
        return (*before, digits(language), *after)
    return (*before, SPANS, digits(language), BOOKS, *after)


def digits(language: str) -> Family:
    """The family of all that has digits."""
    base, _, region = language.lower().replace("_", "-").partition("-")
    if base != "en":
        from pipeline.source.spoken.digits.others import others  # noqa: PLC0415 - its rules take a while to load

        return Family(_DIGITS, others(language), _REACH)
    dates_of_region = dates(american=region[:2] in ("", "us", "ph"))
    rules = (
        *OLD_MONEY,
        *NUMBERED,
        *DURATIONS,
        *dates_of_region,
        *TIMES,
        *MONEY,
        *ORDINALS,
        *CODES,
        *measures(language),
        *YEARS,
        *NAMES,
        *NUMBERS,
    )
    return Family(_DIGITS, rules, _REACH)


def says_romans(language: str) -> bool:
    """Whether Roman numerals such as "Henry IV" have words in a language."""
    if base_language(language) == "en":
        return True
    from pipeline.source.spoken.words.other_romans import has_romans  # noqa: PLC0415 - as `digits.others`

    return has_romans(language)


def unsaid_signs(language: str, texts: Iterable[str]) -> Counter[str]:
    """How often each sign that would be a word is left out of texts; none in languages that have words for signs."""
    counts: Counter[str] = Counter()
    if base_language(language) == "en":
        return counts
    from pipeline.source.spoken.words.other_signs import has_signs  # noqa: PLC0415 - as `digits.others`

    if has_signs(language):
        return counts
    for text in texts:
        if signs := list(_SIGN.finditer(text)):
            said = replacements_of(text, families(language))
            free = (sign for sign in signs if not any(one.start <= sign.start() < one.end for one in said))
            counts.update(sign[0] for sign in free)
    return counts


def unsupported(language: str) -> str | None:
    """What of the numbers of a language is not said in words, in plain words, or None where all is."""
    base = language.lower().replace("_", "-").partition("-")[0]
    if base == "en":
        return None
    if converter(language) is None:
        return "there are no words for its numbers: digits stay as they are written"
    gaps = []
    if number_words(3, "ordinal", language) is None:
        gaps.append("ordinals have no words")
    if locale_of(language) is None:
        gaps.append("units, money and dates have no words")
    return "; ".join(gaps) or None
