"""A language other than English, as far as its numbers go: what they look like, and their words.

In: a language tag that num2words has. Out: `CountedLanguage`, by which `others`, `hours` and `marks` count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from pipeline.source.spoken.digits.context import MOST_SPACED, grouped, rule
from pipeline.source.spoken.digits.words import locale_of, number_words, one_by_one, plain
from pipeline.source.spoken.rules import Rule
from pipeline.source.spoken.scripts import base_language

# Where the word for "to" wants a case that num2words does not know, as in Russian, the dash stays.
TO = {"de": "bis", "fr": "à", "es": "a", "it": "a", "pt": "a", "nl": "tot", "sv": "till", "da": "til"}
TO |= {"no": "til", "nb": "til", "nn": "til", "ca": "a", "ro": "la", "id": "sampai"}
# Where num2words says "punto" for a comma, or has no word for it.
_POINT = {("es", ","): "coma", ("ca", ","): "coma", ("it", ","): "virgola", ("it", "."): "punto"}
_POINT |= {("ar", "."): "فاصلة", ("cy", "."): "pwynt"}
IN_HUNDREDS = frozenset("de nl da no nb nn sv".split())  # 1984 as a year is nineteen hundreds
_UNSPACED = frozenset("ja zh yue th lo km my".split())


class CountedLanguage:
    """What the numbers of one language look like, and their words."""

    def __init__(self, language: str) -> None:
        from babel.numbers import get_decimal_symbol, get_group_symbol

        self.language, self.base = language, base_language(language)
        self.locale = locale_of(language)
        point = get_decimal_symbol(self.locale) if self.locale else "."
        group = get_group_symbol(self.locale) if self.locale else ","
        self.point = point if point in (".", ",") else "."
        groups = re.escape(group) + ("  \u00a0\u202f\u2009" if group.isspace() else "")
        self.whole = rf"(?:{grouped(groups, MOST_SPACED if group.isspace() else '')}|\d++)"
        self.number = rf"(?:{self.whole}(?:{re.escape(self.point)}\d++)?)"
        self.letter = r"\d" if self.base in {*_UNSPACED, "ko"} else r"\w"  # what a number does not stand against

    def value(self, written: str) -> Decimal:
        """The number that is written so."""
        return Decimal(
            re.sub(
                r"[^\d.]", "", plain(written).replace(".", "" if self.point == "," else ".").replace(self.point, ".")
            )
        )

    def words(self, written: str) -> str | None:
        """Cardinal words, digit by digit for what begins with zeros or is very long; None where there are none."""
        whole = plain(written).partition(self.point)[0]
        if (len(whole) > 1 and whole[0] == "0") or len(whole) > 15:
            return one_by_one(whole, self.language) if written.isdecimal() else None
        value = self.value(written)
        if (point := _POINT.get((self.base, self.point))) and self.point in written:
            decimals = one_by_one(plain(written).partition(self.point)[2], self.language)
            return f"{self.say(int(value))} {point} {decimals}"
        return self.say(int(value) if value == value.to_integral() and self.point not in written else value)

    def say(self, number: int | Decimal, to: str = "cardinal") -> str | None:
        """The words of a number."""
        return number_words(number, to, self.language)

    def year(self, number: int) -> str | None:
        """The words of a year."""
        if self.base == "sv" and 1100 <= number < 2000:
            return f"{self.say(number // 100)}hundra{self.say(number % 100) if number % 100 else ''}"
        if self.base in IN_HUNDREDS and 1100 <= number < 2000:
            return self.say(number, "year")
        return self.say(number)

    def rule(self, pattern: str, say: Callable[[re.Match[str]], str | None], flags: int = 0) -> Rule:
        """A rule; where words are not parted by spaces, nothing is."""
        if self.base == "ko":  # particles stand against words
            return Rule(pattern, say, flags)
        if self.base not in _UNSPACED:
            return rule(pattern, say, flags)

        def unspaced(match: re.Match[str]) -> str | None:
            words = say(match)
            return words and words.replace(" ", "")

        return Rule(pattern, unspaced, flags)
