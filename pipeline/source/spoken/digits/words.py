"""Words for numbers, by num2words, and for what is counted, by babel; both load at the first number.

In: digits of any script, as a text writes them. Out: words, or None where the language has none for them.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

LONGEST = 15  # digits of a number without separators; a longer one is read digit by digit
_ENDLESS = frozenset({"am"})  # num2words 0.5.14 never returns for some numbers
_OWN_NAMES = {"nb": "no", "nn": "no", "kk": "kz"}  # what num2words calls a language


@lru_cache(maxsize=64)
def converter(language: str) -> str | None:
    """The name that num2words has for a language such as "pt-BR", or None."""
    base, _, region = language.replace("_", "-").partition("-")
    base = base.lower()
    if base == "en":
        return "en"  # "en_IN" would count in lakhs, also what was written for others
    if base in _ENDLESS:
        return None
    from num2words import CONVERTER_CLASSES

    own = _OWN_NAMES.get(base, base)
    return next((name for name in (f"{own}_{region[:2].upper()}", own) if name in CONVERTER_CLASSES), None)


@lru_cache(maxsize=64)
def locale_of(language: str) -> str | None:
    """The locale that babel has for a language tag, or None."""
    from babel import Locale, UnknownLocaleError

    base, _, region = language.replace("_", "-").partition("-")
    for name in (*([f"{base.lower()}_{region[:2].upper()}"] if region else []), base.lower()):
        try:
            return str(Locale.parse(name))
        except (UnknownLocaleError, ValueError):
            continue
    return None


@lru_cache(maxsize=8192)
def number_words(number: int | Decimal, to: str, language: str) -> str | None:
    """`to`: "cardinal", "ordinal" or "year"."""
    from num2words import num2words

    name = converter(language)
    if name is None:
        return None
    try:
        words = str(num2words(number, lang=name, to=to))
    except Exception:  # what the converters raise differs from language to language
        return None
    if name == "en":
        words = words.replace("oh-", "oh ")
    return " ".join(words.replace(",", " ").split())


def plain(digits: str) -> str:
    """The digits in ASCII, and what stands between them as it is."""
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(char, char)) for char in digits)


def one_by_one(digits: str, language: str = "en") -> str:
    """Digit by digit; whatever is no digit parts groups with a comma."""
    groups = [
        " ".join(number_words(int(digit), "cardinal", language) or digit for digit in group)
        for group in re.findall(r"\d+", plain(digits))
    ]
    return ", ".join(groups)


def cardinal(written: str) -> str:
    """English words for "1,234", "1 234.50", "007"."""
    written = re.sub(r"[^\d.]", "", plain(written))
    whole, point, decimals = written.partition(".")
    if len(whole) > LONGEST or (len(whole) > 1 and whole[0] == "0"):
        words = one_by_one(whole)
    else:
        words = (number_words(int(whole), "cardinal", "en") or "") if whole else ""
    return f"{words} point {one_by_one(decimals)}".strip() if point and decimals else words


def ordinal(number: int) -> str:
    """English: "twenty-first"."""
    return number_words(number, "ordinal", "en") or cardinal(str(number))


def year(number: int) -> str:
    """English: "nineteen eighty-four", "two thousand and seven", "twenty twenty-four"."""
    return number_words(number, "year", "en") or cardinal(str(number))


def paired(digits: str) -> str:
    """As numbers in names are read in English: 16 "sixteen", 747 "seven forty-seven", 1911 "nineteen eleven"."""
    digits = plain(digits)
    if len(digits) > 4 or (len(digits) > 1 and digits[0] == "0"):
        return one_by_one(digits)
    return cardinal(digits) if len(digits) < 3 else year(int(digits))


def plural(words: str) -> str:
    """English: "sixties", "nineteen hundreds", "sixes"."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith(("x", "s")) else f"{words}s"


def fraction(numerator: int, denominator: int, *, article: str = "one") -> str:
    """English: "three quarters"; `article` is what a single part is told with ("two and a half")."""
    part = {2: "half", 4: "quarter"}.get(denominator) or ordinal(denominator)
    count = article if numerator == 1 else cardinal(str(numerator))
    if numerator == 1:
        return f"{'an' if article == 'a' and part[0] in 'aeiou' else count} {part}"
    return f"{count} {'halves' if part == 'half' else plural(part)}"


def numeral(char: str) -> str:
    """English words for a sign that is a number by itself, such as "½", "①" or "Ⅳ"."""
    value = Fraction(unicodedata.numeric(char)).limit_denominator(1000)
    if value < 0:
        return f"minus {fraction(-value.numerator, value.denominator)}"
    if value.denominator == 1:
        return cardinal(str(value.numerator))
    whole, part = divmod(value.numerator, value.denominator)
    return (
        f"{cardinal(str(whole))} and {fraction(part, value.denominator, article='a')}"
        if whole
        else fraction(part, value.denominator)
    )


def numerals(run: str) -> str:
    """English words for a run of such signs: Roman ones are one number, others are told one by one."""
    values = [Fraction(unicodedata.numeric(char)) for char in run]
    if len(run) > 1 and all("\u2160" <= char <= "\u2188" for char in run):
        signed = [-one if one < after else one for one, after in zip(values, [*values[1:], Fraction(0)], strict=True)]
        if sum(signed) > 0:
            return cardinal(str(int(sum(signed))))
    return " ".join(numeral(char) for char in run)


@lru_cache(maxsize=2048)
def measured(words: str, value: Decimal, unit: str, language: str) -> str | None:
    """`words` for `value`, with the unit of babel's name for it: "five kilometers"."""
    from babel.numbers import format_decimal
    from babel.units import format_unit

    locale = locale_of(language)
    if locale is None:
        return None
    written = format_unit(value, unit, locale=locale)
    return " ".join(written.replace(format_decimal(value, locale=locale), words).split())


@lru_cache(maxsize=512)
def currency(code: str, count: Decimal, language: str) -> str | None:
    """The name of so much of a currency: "Swiss francs"; None where babel has none."""
    from babel.numbers import get_currency_name

    locale = locale_of(language)
    name = get_currency_name(code, count, locale=locale) if locale else code
    return None if name == code else name
