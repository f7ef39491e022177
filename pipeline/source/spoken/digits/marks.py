"""Signs at numbers in languages other than English: "3:1", "§ 12", "N.º 5", "2½".

In: a language. Out: rules. A colon between numbers is never said as a pause.
"""

from __future__ import annotations

import re
from decimal import Decimal

from pipeline.source.spoken.digits.counted import CountedLanguage
from pipeline.source.spoken.digits.units import UNIT, UNITS
from pipeline.source.spoken.digits.words import measured
from pipeline.source.spoken.rules import Rule

_TO_ONE = {"de": "zu", "fr": "à", "es": "a", "it": "a", "pt": "a", "ca": "a", "ja": "対", "ko": "대", "th": "ต่อ"}
_SECTIONS = {  # of "§" and "§§"
    "de": ("Paragraf", "Paragrafen"),
    "fr": ("paragraphe", "paragraphes"),
    "es": ("párrafo", "párrafos"),
    "it": ("paragrafo", "paragrafi"),
    "pt": ("parágrafo", "parágrafos"),
    "nl": ("paragraaf", "paragrafen"),
}
_NUMBERED = {  # the word, and what stands for it before a number
    "de": ("Nummer", r"№|[nN]o\."),
    "fr": ("numéro", r"№|[nN](?:[º°]|o\.?)"),
    "es": ("número", r"№|[nN]\.?[º°]"),
    "it": ("numero", r"№|[nN](?:[º°]|\.)"),
    "pt": ("número", r"№|[nN]\.?[º°]"),
    "nl": ("nummer", r"№|[nN](?:[º°]|o\.)"),
}
_PARTS = {  # of "½¼¾⅓⅔", alone
    "de": ("ein halb", "ein Viertel", "drei Viertel", "ein Drittel", "zwei Drittel"),
    "fr": ("un demi", "un quart", "trois quarts", "un tiers", "deux tiers"),
    "es": ("medio", "un cuarto", "tres cuartos", "un tercio", "dos tercios"),
    "it": ("mezzo", "un quarto", "tre quarti", "un terzo", "due terzi"),
    "pt": ("meio", "um quarto", "três quartos", "um terço", "dois terços"),
    "nl": ("een half", "een kwart", "drie kwart", "een derde", "twee derde"),
}
_VALUES = dict(zip("½¼¾⅓⅔", map(Decimal, ("0.5", "0.25", "0.75", "0.33", "0.67")), strict=True))
_AND = {"fr": "et", "es": "y", "it": "e", "pt": "e", "nl": "en"}


def marks(numbers: CountedLanguage) -> tuple[Rule, ...]:
    """The rules of a language for signs at numbers."""
    base, number = numbers.base, numbers.number
    minutes = re.compile(rf"\d+:[0-5]\d{re.escape(numbers.point)}\d{{1,2}}")  # of a race: 1:25,3

    def score(match: re.Match[str]) -> str | None:
        words = [numbers.words(part) for part in match[0].split(":")]
        is_score = base in _TO_ONE and len(words) == 2 and not minutes.fullmatch(match[0])
        between = f" {_TO_ONE[base]} " if is_score else " "
        return between.join(word for word in words if word) if all(words) else None

    rules = [
        numbers.rule(rf"(?<![{numbers.letter}.:,]){number}(?::{number})+(?![{numbers.letter}:])", score),
    ]
    if base in _SECTIONS:
        one, many = _SECTIONS[base]
        rules.append(numbers.rule(r"§§?(?=[ \u00a0]?\d)", lambda match: many if len(match[0]) > 1 else one))
        name, short = _NUMBERED[base]
        rules.append(numbers.rule(rf"(?<![\w.])(?:{short})(?=[ \u00a0]?\d)", lambda _: name))
        rules.append(_fractions(numbers))
    return tuple(rules)


def _fractions(numbers: CountedLanguage) -> Rule:
    def fraction(match: re.Match[str]) -> str | None:
        part = _PARTS[numbers.base]["½¼¾⅓⅔".index(match["part"])]
        whole = numbers.say(int(match["whole"])) if match["whole"] else ""
        if whole is None:
            return None
        words = _mixed(numbers.base, whole, part) if whole else part
        if not match["unit"]:
            return words
        value = int(match["whole"]) + _VALUES[match["part"]] if whole else Decimal(1)
        name = UNITS[match["unit"]]
        said = None if name[0] == "=" else measured(words, value, name, numbers.language)
        return said or f"{words} {match['unit']}"

    unit = rf"(?:[ \u00a0]?(?P<unit>{UNIT})(?![\w/^²³]))?"
    return numbers.rule(rf"(?<![\w.,/])(?:(?P<whole>\d{{1,3}})[ \u2009]?)?(?P<part>[½¼¾⅓⅔]){unit}(?!\w)", fraction)


def _mixed(base: str, whole: str, part: str) -> str:
    """2½: "zweieinhalb", "deux et demi", "dos y medio"."""
    if base == "de":
        return f"{re.sub('eins$', 'ein', whole)}{part.replace(' ', '').lower()}"
    return f"{whole} {_AND[base]} {'demi' if part == 'un demi' else part}"
