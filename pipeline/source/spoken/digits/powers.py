"""Powers of ten and others, in digits and as raised signs, and what else is raised or lowered, in English."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from pipeline.source.spoken.digits.context import ALONE, BEYOND_ASCII, DECIMAL, SPACE, WHOLE, rule
from pipeline.source.spoken.digits.units import INVERSE, PER, UNIT, said_per, said_unit
from pipeline.source.spoken.digits.words import cardinal, fraction, one_by_one, ordinal
from pipeline.source.spoken.rules import Rule

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_PREFIXES = frozenset("sin cos tan log sec cot".split())
_CARET = rf"{ALONE}({DECIMAL}){SPACE}(?:\^|\*\*){SPACE}([-−]?\d+(?:\.\d+)?)(?!\w)"
_SCIENTIFIC = rf"{ALONE}(?P<mantissa>{WHOLE}\.\d+(?=[eE])|\d+(?=[eE][-+−]|e\d))[eE]\+?(?P<e>[-−]?\d{{1,3}})(?!\w)"
_POWER = (
    rf"(?:{_CARET}|{ALONE}(\d+)([⁻]?[{_SUPERSCRIPTS}]+)(?![⁻⁺⁄])|{_SCIENTIFIC})"
    rf"(?:{SPACE}(?:(?P<unit>{UNIT})(?P<per>{PER})|(?P<inverse>{INVERSE}))(?![\w^²³⁻]))?"
)
_NEEDS = r"\d ?(?:\^|\*\*|[eE]\+?[-−]?\d|[^\x00-\x7f])"
POWER_OF_TEN = rf"(?=10(?:\^|\*\*|[⁻{_SUPERSCRIPTS}]))"


def _exponent(written: str) -> str:
    minus = "minus " if written[0] in "-−⁻" else ""
    digits = written.lstrip("-−⁻+⁺")
    if "." in digits:
        return f"to the {minus}{cardinal(digits)}"
    digits = _raised(digits)
    if len(digits) > 15:
        return f"to the {minus}{one_by_one(digits)}"
    if not minus and digits in ("2", "3"):
        return "squared" if digits == "2" else "cubed"
    return f"to the {minus}{cardinal(digits) if minus else ordinal(int(digits))}"


def _superscript(match: re.Match[str]) -> str:
    """x² is squared; behind a longer word it is the mark of a note, and nothing is said."""
    word = re.search(r"[^\W\d_]*$", match.string[max(0, match.start() - 12) : match.start()])
    stem = word[0] if word else ""
    return "" if len(stem) > 2 and stem.lower() not in _PREFIXES else _exponent(match[0])


def _charge(match: re.Match[str]) -> str:
    """SO₄²⁻"""
    return f"{cardinal(_raised(match[0][:-1]))} {'minus' if match[0][-1] == '⁻' else 'plus'}"


def _set_fraction(match: re.Match[str]) -> str:
    """³⁄₄"""
    numerator, denominator = (int(_raised(part)) for part in match.groups()[1:])
    if denominator < 2:
        return f"{cardinal(str(numerator))} over {cardinal(str(denominator))}"
    if match[1]:
        return f"{cardinal(match[1])} and {fraction(numerator, denominator, article='a')}"
    return fraction(numerator, denominator)


def _raised(digits: str) -> str:
    return "".join(str(unicodedata.digit(char)) for char in digits)


def _power(match: re.Match[str], *, language: str) -> str | None:
    """10^6, 10⁻⁶ m, 1.5e-3, 6 × 10²³ mol⁻¹"""
    if match["mantissa"]:
        words = f"{cardinal(match['mantissa'])} times ten {_exponent(match['e'])}"
    else:
        base, exponent = (match[1], match[2]) if match[1] else (match[3], match[4])
        words = f"{cardinal(base)} {_exponent(exponent)}"
    if match["unit"]:
        words = said_unit(words, Decimal(2), match["unit"], language)
    return words + said_per(match["per"] or match["inverse"] or "", language)


def _caret(match: re.Match[str]) -> str:
    return _exponent(match[1])


def powers(language: str) -> tuple[Rule, ...]:
    """Those of a number, with the unit behind it; `language`: "kilometres" in Britain."""

    def power(match: re.Match[str]) -> str | None:
        return _power(match, language=language)

    return (rule(_POWER, power, needs=_NEEDS),)


RAISED = (
    rule(
        rf"(?<![\d{_SUPERSCRIPTS}])(\d*)([{_SUPERSCRIPTS}]{{1,9}}+)⁄([{_SUBSCRIPTS}]{{1,9}})",
        _set_fraction,
        needs=BEYOND_ASCII,
    ),
    rule(rf"(?<![{_SUPERSCRIPTS}])[{_SUPERSCRIPTS}]++[⁻⁺]", _charge, needs=BEYOND_ASCII),
    rule(r"\^([-−]?\d+(?:\.\d+)?)(?!\w)", _caret),
    rule(rf"[⁻⁺]?[{_SUPERSCRIPTS}]++", _superscript, needs=BEYOND_ASCII),
)
