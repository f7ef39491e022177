"""Numerals: Roman numerals, and digits in words."""

from __future__ import annotations

import re

from pipeline.source.spoken.digits import words

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")


def number_words(number: int, kind: str = "cardinal") -> str:
    """English words for a number; `kind` is "cardinal", "ordinal" or "year"."""
    return words.number_words(number, kind, "en") or str(number)


def digit_words(text: str) -> str:
    """The text with each of its digits as a word: "a10" is "a one zero"."""
    return " ".join(re.sub(r"[0-9]", lambda match: f" {number_words(int(match[0]))} ", text).split())


def roman_value(numeral: str) -> int:
    """The value of a Roman numeral in capitals or lower case, written as it should be; else 0."""
    letters = numeral.upper()
    if not letters or (numeral not in (letters, letters.lower())) or not _ROMAN.fullmatch(letters):
        return 0
    values = [_VALUES[letter] for letter in letters]
    return sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))
