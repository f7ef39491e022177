"""Fractions in English: 3/4, 2 1/2, ½, and numbers that may have one."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from pipeline.source.spoken.digits.context import ALONE, DASH, NUMBER, rule, sign, word_after, word_before
from pipeline.source.spoken.digits.words import cardinal, fraction, numeral, plain

VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_PART = r"(?:(?:\d{1,6}[ -])?(?:1[/⁄](?:[2-9]|\d{2,4})|[1-9]\d?[/⁄](?:[3-9]|1[0-9]|32|64)))(?!\d)"
AMOUNT = rf"(?:{_PART}|\d* ?[{VULGAR}]|{NUMBER})"
PART_OF_ONE = re.compile(rf" ?[{VULGAR}]|\d+[/⁄]\d+")
_MIXED = r"(?:(?P<whole>\d+)[ -](?P<n>\d{1,2})[/⁄](?P<d>\d{1,3})(?!\d))"
_WHOLES = frozenset(
    "cup teaspoon tablespoon pint quart gallon ounce pound mile hour minute inch foot yard acre day century dozen liter"
    " litre kilometer kilometre kilo teaspoonful tablespoonful cupful -".split()
)
_SIDE_BY_SIDE = {("24", "7"), ("9", "11"), ("60", "40"), ("80", "20")}


def quantity(written: str) -> tuple[str, Decimal]:
    """Words and value of "5", "2½", "3 1/2", "1,000.5"."""
    if parts := re.fullmatch(r"(?:(\d+)[ -])?(\d+)[/⁄](\d+)", written):
        numerator, denominator = int(parts[2]), max(2, int(parts[3]))
        value = Decimal(parts[1] or 0) + Decimal(numerator) / denominator
        part = fraction(numerator, denominator, article="a" if parts[1] else "one")
        return f"{cardinal(parts[1])} and {part}" if parts[1] else part, value
    if written[-1] in VULGAR:
        part_of_one = unicodedata.numeric(written[-1])
        whole = written[:-1].strip()
        return _mixed(whole, written[-1]), Decimal(plain(whole) or "0") + Decimal(str(round(part_of_one, 3)))
    return cardinal(written), Decimal(re.sub(r"[^\d.]", "", plain(written)))


def _mixed(whole: str, sign_of_part: str) -> str:
    part = numeral(sign_of_part)
    if not whole:
        return part
    return f"{cardinal(whole)} and {re.sub('^one ', 'an ' if part.startswith('one e') else 'a ', part)}"


def _of_whole(match: re.Match[str], words: str) -> str:
    """The words of a fraction before what it is a part of: "½ cup" is half a cup, "a ½ cup measure" a half cup."""
    what = word_after(match) or (match.string[match.end() :][:1] == "-" and "-")
    if not what or what not in _WHOLES:
        return words
    if what == "-" or word_before(match) in ("a", "an"):
        return words if words.startswith("one e") else words.removeprefix("one ")  # a one eighth inch slice
    return part_of_a(words, what).removesuffix(f" {what}")


def part_of_a(words: str, what: str) -> str:
    """half a mile, three quarters of an hour"""
    article = "an" if re.match("[aeio]|hour", what) else "a"
    return f"{'half' if words == 'one half' else f'{words} of'} {article} {what}"


def _simple_fraction(match: re.Match[str]) -> str | None:
    """3/4 is three quarters, 8/10 eight out of ten, 24/7 twenty-four seven, 16/9 sixteen over nine."""
    over, under = plain(match["n"]), plain(match["d"])
    numerator, denominator = int(over), int(under)
    if word_after(match) in ("stars", "points", "marks") or (over == under and over in ("5", "10", "100")):
        return f"{cardinal(over)} out of {cardinal(under)}"
    if word_after(match) == "time" or over == under or (over, under) in _SIDE_BY_SIDE:
        return f"{cardinal(over)} {cardinal(under)}"
    if match["th"]:
        return fraction(numerator, denominator) if denominator > 1 else None
    if 0 < numerator < denominator and (denominator < 10 or denominator in (12, 16, 20, 24, 32, 64) or numerator == 1):
        return _of_whole(match, fraction(numerator, denominator))
    if numerator <= denominator and denominator in (10, 100):
        return f"{cardinal(over)} out of {cardinal(under)}"
    return f"{cardinal(over)} over {cardinal(under)}"


def _signed_fraction(match: re.Match[str]) -> str | None:
    words = _simple_fraction(match)
    return words and sign(match[0]) + words


def _fractions(match: re.Match[str]) -> str:
    """1/2–3/4"""
    first, last = (quantity(part)[0] for part in match.groups())
    return f"{first} to {_of_whole(match, last)}"


def _mixed_fraction(match: re.Match[str]) -> str | None:
    whole, numerator, denominator = match["whole"], int(match["n"]), int(match["d"])
    if not 0 < numerator < denominator:
        return None
    return f"{cardinal(whole)} and {fraction(numerator, denominator, article='a')}"


def _vulgar(match: re.Match[str]) -> str:
    minus, whole = sign(match[0]), match[1].strip()
    words = _mixed(whole, match[2])
    return minus + (words if whole else _of_whole(match, words))


def _rating(match: re.Match[str]) -> str:
    """8.5/10"""
    return f"{cardinal(match[1])} out of {cardinal(match[2])}"


FRACTIONS = (
    rule(rf"{ALONE}(\d\d?\.\d{{1,2}})/(5|10|20|100)(?![\w/]|\.\d)", _rating),
    rule(rf"{ALONE}{_MIXED}", _mixed_fraction),
    rule(rf"(?<![\w./])({_PART}) ?{DASH} ?({_PART})(?![\w/]|\.\d)", _fractions),
    rule(
        r"(?:(?<![\w)])[-−])?(?<![\w./])(?P<n>\d{1,4})[/⁄](?P<d>\d{1,4})(?P<th>(?:th|rd|nd)s?)?(?![\w/]|[.]\d)",
        _signed_fraction,
    ),
    rule(rf"(?:(?<![\w)])[-−+])?(?<!\d)(\d* ?)([{VULGAR}])", _vulgar),
)
