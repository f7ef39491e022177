"""Symbols: signs that are words.

In: display text. Out: rules for "&" (and), "<5" (less than 5), "~20" (about 20), "he/she" (he or she), "°", "©", "€"
and their like. A sign that has no rule is silent. English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.sentences import ends_sentence

_SIGNS = {
    "<=": "less than or equal to", "≤": "less than or equal to", "⩽": "less than or equal to",
    ">=": "greater than or equal to", "≥": "greater than or equal to", "⩾": "greater than or equal to",
    "!=": "is not equal to", "≠": "is not equal to", "==": "equals", "=": "equals", "≡": "is identical to",
    "=>": "to", "->": "to", "→": "to", "⇒": "to", "➔": "to", "➜": "to",
    "&": "and", "+": "plus", "×": "times", "÷": "divided by", "±": "plus or minus", "≈": "approximately",
    "∞": "infinity", "√": "square root of", "°": "degrees", "℃": "degrees Celsius", "℉": "degrees Fahrenheit",
    "§§": "sections", "§": "section", "¶": "paragraph", "©": "copyright", "℗": "copyright",
    "%": "percent", "‰": "per mille", "@": "at", "№": "number", "♯": "sharp", "♭": "flat", "µ": "micro",
    "€": "euros", "£": "pounds", "¥": "yen", "¢": "cents", "₹": "rupees", "₽": "rubles", "₩": "won", "₿": "bitcoin",
    "₺": "lira", "₴": "hryvnias", "₫": "dong", "₪": "shekels", "₱": "pesos", "₦": "naira", "฿": "baht",
}  # fmt: skip
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon"
        " phi chi psi omega".split(),
        strict=True,
    )
)
_SIGN = "|".join(sorted(map(re.escape, _SIGNS), key=len, reverse=True))
_AMOUNT = r"[$€£¥₹]?\s?[\d.]*\d"
_ODD = r"[^A-Za-z0-9\s.,;:!?'\"()“”‘’—–…À-ÖØ-öø-ž-]"
_TOUCH_BEFORE = frozenset("\"'“‘(- ") | {""}
_TOUCH_AFTER = frozenset("\"'”’).,;:!?- ") | {""}
_CHOICES = (
    r"he/she|she/he|his/hers?|her/his|him/her|her/him|himself/herself|he/they|she/they|yes/no|true/false|on/off|mom/dad"
    r"|brother/sister|man/woman|men/women|boy/girl|male/female|husband/wife|parent/guardian|pass/fail|win/lose|day/night"
)


def _sign(words: str) -> Callable[[re.Match[str]], str]:
    return lambda match: _apart(match, words)


def _apart(match: re.Match[str], words: str) -> str:
    """With spaces where a word or a sign that may be one touches it."""
    text, start, end = match.string, match.start(), match.end()
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    return f"{' ' * (before not in _TOUCH_BEFORE)}{words}{' ' * (after not in _TOUCH_AFTER)}"


def symbols() -> tuple[Family, ...]:
    """The families of English signs; they come last, as most of the others know more of a sign's place."""
    return (Family(re.compile(_ODD), _RULES),)


def _et_cetera(match: re.Match[str]) -> str:
    return _apart(match, "et cetera" + "." * (match[0].endswith(".") and ends_sentence(match.string, match.end())))


def _ampersand(match: re.Match[str]) -> str:
    return f" {match[1]} and A-" if match[2] else f" {match[1]} and A"


def _end_of_power(match: re.Match[str]) -> str | None:
    """The bracket that closes that of 2^(n+1), which is not said either."""
    return "" if re.search(r"[^\W_]\^\([^()]*$", match.string[max(0, match.start() - 40) : match.start()]) else None


def _power(match: re.Match[str]) -> str:
    """xⁿ"""
    return _apart(match, f"to the power of {unicodedata.normalize('NFKC', match[0])}")


_RULES = (
    Rule(r"(?<![^\W_])([A-Z])&A(?![^\W_])(?=( \w))?", _ampersand),
    Rule(r"£\.? ?s\.,? ?d\b\.?", lambda match: "pounds, shillings and pence"),
    Rule(r"&c(?!\w)\.?", _et_cetera),
    Rule(r"(?<=[Cc]opyright )©", lambda match: ""),
    Rule(r"(?<=[A-Za-z])\$(?=[A-Za-z])", lambda match: "s"),  # Ke$ha
    Rule(r"\$(?=[A-Za-z_])", _sign("dollar")),
    Rule(r"\$", _sign("dollars")),
    Rule(r"<->|<-(?!\d)", lambda match: " "),
    Rule(r"<([A-Za-z][\w-]*)(?: [^<>]{0,200})?>(?=.{0,400}?</\1>)|</[A-Za-z][\w-]*>", lambda match: ""),  # <b>word</b>
    Rule(r"<[bh]r ?/?>", lambda match: " "),
    Rule(r"<([A-Za-z][\w-]*)>", lambda match: _apart(match, match[1])),
    Rule(rf"<(?!=)(?={_AMOUNT})|(?<= )<(?= )|(?<=[^\W_])<(?=[^\W_])(?!\w+>)", _sign("less than")),
    Rule(rf"(?<!-)(?<!=)>(?!=)(?={_AMOUNT})|(?<=\S )>(?= )|(?<=[^\W_])>(?=[^\W_])", _sign("greater than")),
    Rule(rf"(?<!\w)~(?={_AMOUNT}|[A-Za-z]+\b(?!~))", _sign("about")),
    Rule(r"(?<=\d)(?: ?)[*⋅·](?: ?)(?=\d)", _sign("times")),
    Rule(r"(?<=[^\W_])\^-(?=[A-Za-z])", _sign("to the power of minus")),
    Rule(r"(?<=[^\W_])\^(?:(?=[^\W_])|\()", _sign("to the power of")),
    Rule(r"\)", _end_of_power),
    Rule(r"(?<=[A-Za-z\d)])(?<![^\W_][A-Za-z])[ⁿˣʸᵏᵐ](?![^\W_])", _power),  # not the "Mʳ" of old letters
    Rule(r"(?<![\d#])#(?=\d)", _sign("number")),
    Rule(r"(?<![\w#])#(?![\w#])", lambda match: "hash"),
    Rule(rf"(?<![\w/])(?:{_CHOICES})(?![\w/])", lambda match: match[0].replace("/", " or "), re.IGNORECASE),
    Rule(r"(?<![\w/])([Ss])/he(?![\w/])", lambda match: "She or he" if match[1] == "S" else "she or he"),
    Rule(r"(?<=[a-z][a-z]s)/(?=(?:second|minute|hour|day|week|month|year)s?\b)", lambda match: " per "),
    Rule(r"(?<=\S )[/|](?= \S)", lambda match: "-"),
    Rule(r"[™®℠]", lambda match: ""),
    Rule(
        "(?<![\u0370-\u03ff\u1f00-\u1fff])[α-ωΑ-ΡΣ-Ω](?![\u0370-\u03ff\u1f00-\u1fff\u0300-\u036f])",
        lambda match: _apart(match, _GREEK.get(match[0].lower(), "sigma")),
    ),
    Rule(_SIGN, lambda match: _apart(match, _SIGNS[match[0]])),
)
