"""Numbers in English: cardinals, ordinals, ranges, numbered things, and every digit that is left."""

from __future__ import annotations

import re
import unicodedata

from pipeline.source.spoken.digits.context import ALONE, DASH, NUMBER, SIGN, counts, rule, sign, word_after, word_before
from pipeline.source.spoken.digits.words import cardinal, numerals, ordinal, paired, plain, plural
from pipeline.source.spoken.rules import Rule
from pipeline.source.spoken.sentences import BEFORE_A_NO

_NUMBERED = {
    "no": "number",
    "nos": "numbers",
    "nr": "number",
    "№": "number",
    "#": "number",
    "p": "page",
    "pp": "pages",
    "pg": "page",
    "vol": "volume",
    "vols": "volumes",
    "ch": "chapter",
    "chap": "chapter",
    "fig": "figure",
    "figs": "figures",
    "sec": "section",
    "art": "article",
    "op": "opus",
    "eq": "equation",
    "§": "section",
    "§§": "sections",
    "ep": "episode",
    "ex": "exercise",
}
_SCALE = r"(?:[ \u00a0-](?P<scale>hundred|thousand|million|billion|trillion|dozen)\b)?"
_PER = {"mo": "month", "yr": "year", "hr": "hour", "wk": "week", "min": "minute", "sec": "second"}
_SHORT = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "tn": "trillion", "mn": "million"}


NUMBER_SIGN = "[²³¹¼-¾\u0600-\u1dff\u2070-\u2189\u2460-\u2bff\u2cfd-\U0001ffff]"  # and letters that are none


def _signs(match: re.Match[str]) -> str | None:
    """²³, ½, ①, Ⅳ and 700 more; None where there is something else among them."""
    return numerals(match[0]) if all(unicodedata.category(char) in ("No", "Nl") for char in match[0]) else None


def _scale(match: re.Match[str]) -> str:
    return f" {match['scale']}" if match["scale"] else ""


def _number(match: re.Match[str]) -> str:
    return f"{sign(match[0])}{cardinal(match['number'])}{_scale(match)}"


def _range(match: re.Match[str]) -> str:
    first, last = plain(match["first"]), plain(match["number"])
    if first == last or (first, last) == ("24", "7"):  # fifty-fifty
        return f"{cardinal(first)} {cardinal(last)}{_scale(match)}"
    return f"{sign(match[0])}{cardinal(first)} to {cardinal(last)}{_scale(match)}"


def _numbered(match: re.Match[str]) -> str | None:
    if match[1] == "no." and word_before(match) in BEFORE_A_NO:
        return None  # "The answer is no. 7 men died."
    what = _NUMBERED[match[1].rstrip(".").lower()]
    words = f"{what} {cardinal(match[2])}"
    return f"{words} to {cardinal(match[3])}" if match[3] else words


def _without_stop(match: re.Match[str]) -> str | None:
    """Chanel No 5; "No 10 men" could lift it, and "No 3 of them" came."""
    return None if counts(match) or word_after(match) == "of" else f"Number {cardinal(match[1])}"


def _per(match: re.Match[str]) -> str:
    return f"per {_PER.get(match[1], match[1])}"


def _ordinal(match: re.Match[str]) -> str:
    return ordinal(int(re.sub(r"\D", "", match[1])))


def _ordinals(match: re.Match[str]) -> str:
    return f"{_ordinal(match)} to {ordinal(int(match[2]))}"


def _so_many(match: re.Match[str]) -> str | None:
    """1.2bn; 5M users, 10k people; but 100m hurdles."""
    if len(match[2]) == 1 and (not counts(match) or word_after(match) == "hurdles"):
        return None
    return f"{cardinal(match[1])} {_SHORT[match[2].lower()]}"


def _plural(match: re.Match[str]) -> str:
    """747s; the seconds of 5s are a unit."""
    return plural(paired(match[1]) if len(match[1]) == 3 else cardinal(match[1]))


def _listed(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])}, "


_WHAT = "|".join(re.escape(name) for name in sorted(_NUMBERED, key=len, reverse=True) if name.isalpha())

NUMBERED: tuple[Rule, ...] = (
    rule(r"(?<=\w)/(second|minute|hour|day|week|month|year|night|person|mo|yr|hr|wk|min|sec)(?!\w)", _per),
    rule(r"(?<!\w)No (\d+)(?![\w:]|[.,]\d)", _without_stop),
    rule(
        rf"((?:(?<!\w)(?:{_WHAT})\.)|№|§§?|(?<![\w&/])#)[ \u00a0]?(\d+(?:\.\d+)?)(?:{DASH}(\d+))?"
        r"(?![\w]|[.,]\d|\([a-z]\))",
        _numbered,
        re.IGNORECASE,
    ),
)

ORDINALS: tuple[Rule, ...] = (
    rule(rf"(?<![\w.,])(\d{{1,15}})(?:st|nd|rd|th)?{DASH}(\d{{1,15}})(?:st|nd|rd|th)(?!\w)", _ordinals, re.IGNORECASE),
    rule(
        r"(?<![\w.])(?<!\d/)(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:st|nd|rd|th|ˢᵗ|ⁿᵈ|ʳᵈ|ᵗʰ)(?!\w)", _ordinal, re.IGNORECASE
    ),
    rule(r"(?<=[Tt]he )(\d{0,2}[23])d(?= (?:day|of|inst|ult|[A-Z]))", _ordinal),
    rule(r"(?<![\w.,])(\d{2,}(?=s)|\d{2,3}(?=['’]s))['’]?s(?!\w)", _plural),
    rule(rf"{ALONE}({NUMBER}) ?(bn|tn|mn)(?!\w)", _so_many),
    rule(rf"{ALONE}({NUMBER})([kKmMbB])(?=[ \u00a0])", _so_many),
)


# The last of the rules for English: no digit is left after them.
NUMBERS: tuple[Rule, ...] = (
    rule(rf"{SIGN}(?P<first>{NUMBER})(?:{DASH}| [–−—] |\.\.(?=\d))(?P<number>{NUMBER}){_SCALE}(?![\d])", _range),
    rule(rf"{SIGN}(?P<number>{NUMBER}){_SCALE}", _number),
    rule(r"(?<!\d)(\d+),(?=\d)", _listed),
    rule(r"\d+", lambda match: cardinal(match[0])),
    rule(r"\d", lambda match: cardinal(match[0])),
    rule(f"{NUMBER_SIGN}+", _signs),
    rule(NUMBER_SIGN, _signs),
)
