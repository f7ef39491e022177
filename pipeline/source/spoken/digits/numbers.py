"""Numbers in English: cardinals, ordinals, ranges, numbered things, and every digit that is left."""

from __future__ import annotations

import re
import unicodedata

from pipeline.source.spoken.digits.codes import spelled
from pipeline.source.spoken.digits.context import (
    ALONE,
    BEYOND_ASCII,
    DASH,
    MONTH,
    NUMBER,
    SIGN,
    counts,
    ends_too,
    rule,
    sign,
    word_after,
    word_before,
)
from pipeline.source.spoken.digits.units import BELOW
from pipeline.source.spoken.digits.words import cardinal, numerals, ordinal, paired, plain, plural, year
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
    "chs": "chapters",
    "chap": "chapter",
    "chaps": "chapters",
    "bk": "book",
    "bks": "books",
    "pt": "part",
    "col": "column",
    "cols": "columns",
    "ll": "lines",
    "vv": "verses",
    "fig": "figure",
    "figs": "figures",
    "sec": "section",
    "art": "article",
    "op": "opus",
    "eq": "equation",
    "eqs": "equations",
    "§": "section",
    "§§": "sections",
    "ep": "episode",
    "ex": "exercise",
}
_SCALE = r"(?:[ \u00a0-](?P<scale>(?:hundred|thousand|million|billion|trillion|dozen)\b|M(?:io|rd)\b\.?))?"
# Before a number only, where nothing else is so short: of people, and of places.
_OF_PEOPLE = {
    "b": "born",
    "d": "died",
    "m": "married",
    "fl": "flourished",
    "r": "reigned",
    "bapt": "baptized",
    "bur": "buried",
}
_OF_PLACES = {"lat": "latitude", "long": "longitude", "lon": "longitude"}
_LINES = frozenset("pages lines verses notes columns paragraphs sections folios".split())  # 100-2 is 100 to 102
_COUNTED_WHOLE = frozenset(
    "people men women children soldiers troops inhabitants residents members workers employees students users visitors"
    " copies houses homes deaths cases victims refugees prisoners ships books jobs words voices votes".split()
)
_SHORT = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "tn": "trillion", "mn": "million"}


NUMBER_SIGN = "[²³¹¼-¾\u0600-\u1dff\u2070-\u2189\u2460-\u2bff\u2cfd-\U0001ffff]"  # and letters that are none


def _signs(match: re.Match[str]) -> str | None:
    """²³, ½, ①, Ⅳ and 700 more; None where there is something else among them."""
    return numerals(match[0]) if all(unicodedata.category(char) in ("No", "Nl") for char in match[0]) else None


def _scale(match: re.Match[str]) -> str:
    scale = match["scale"] or ""
    return scale and f" {({'Mio': 'million', 'Mrd': 'billion'}).get(scale[:3], scale)}"


def _number(match: re.Match[str]) -> str:
    """1,234; also 3.000 people, as the continent writes it"""
    number = match["number"]
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", number) and word_after(match) in _COUNTED_WHOLE:
        number = number.replace(".", "")
    return f"{sign(match[0])}{cardinal(number)}{_scale(match)}"


def _range(match: re.Match[str]) -> str | None:
    first, last = plain(match["first"]), plain(match["number"])
    if match["apart"] and not counts(match):  # "3 - 4 people"
        return None
    if first == last or (first, last) == ("24", "7"):  # fifty-fifty
        return f"{cardinal(first)} {cardinal(last)}{_scale(match)}"
    if match["minus"] and not (len(first) == len(last) == 4):
        return f"{sign(match[0])}{cardinal(first)} minus {cardinal(last)}{_scale(match)}"
    if word_before(match) in _LINES:
        last = _whole(first, last)
    return f"{sign(match[0])}{cardinal(first)} to {cardinal(last)}{_scale(match)}"


def _whole(first: str, last: str) -> str:
    """The last page of 100-2, which leaves out what it has in common with the first."""
    whole = first[: -len(last)] + last
    return whole if first.isdecimal() and last.isdecimal() and len(last) < len(first) and whole > first else last


def _minus(match: re.Match[str]) -> str:
    """5-3=2"""
    return " minus ".join(cardinal(number) for number in re.findall(NUMBER, match[0]))


def _of_person(match: re.Match[str]) -> str:
    return _OF_PEOPLE[match[1]]


def _circa(match: re.Match[str]) -> str:
    """c1850, c.1850–60"""
    return f"circa {year(int(match[1]))}{f' to {paired(match[2])}' if match[2] else ''}"


def _of_place(match: re.Match[str]) -> str:
    words = _OF_PLACES[match[1].lower()]
    return words.capitalize() if match[1][0].isupper() else words


def _numbered(match: re.Match[str]) -> str | None:
    if match[1] == "no." and word_before(match) in BEFORE_A_NO:
        return None  # "The answer is no. 7 men died."
    what = _NUMBERED[match[1].rstrip(".").lower()]
    words = f"{what} {spelled([cardinal(match[2]), *match[3].upper()])}"
    return f"{words} to {cardinal(_whole(match[2], match[4]))}" if match[4] else words


def _dash(match: re.Match[str]) -> str:
    """1920s–30s: what is left between two numbers that have rules of their own."""
    return "to " if match.string[match.end()] in "'’" else "to"


def _without_stop(match: re.Match[str]) -> str | None:
    """Chanel No 5; "No 10 men" could lift it, and "No 3 of them" came."""
    return None if counts(match) or word_after(match) == "of" else f"Number {cardinal(match[1])}"


def _per(match: re.Match[str]) -> str:
    return f"per {BELOW[match[1]]}"


def _ordinal(match: re.Match[str]) -> str | None:
    digits = re.sub(r"\D", "", match[1])
    if match[0].endswith("st") and (digits[-1] != "1" or digits.endswith("11")):
        return None  # 9st 4lb
    return ordinal(int(digits))


def _ordinals(match: re.Match[str]) -> str:
    return f"{ordinal(int(match[1]))} {'or' if match[2].endswith('/') else 'to'} {ordinal(int(match[3]))}"


def _century(match: re.Match[str]) -> str:
    return f"century{'.' * ends_too(match)}"


def _so_many(match: re.Match[str]) -> str | None:
    """1.2bn; 5M users, 10k people; but 100m hurdles."""
    if len(match[2]) == 1 and (not counts(match) or word_after(match) == "hurdles"):
        return None
    return f"{cardinal(match[1])} {_SHORT[match[2].lower()]}"


def _team(match: re.Match[str]) -> str:
    """49ers, 76ers"""
    words = cardinal(match["count"])
    return f"{words}{'rs' if words.endswith('e') else 'ers'}"


def _thousands(match: re.Match[str]) -> str:
    """10k-20k"""
    return f"{cardinal(match[1])} to {cardinal(match[2])} thousand"


def _plural(match: re.Match[str]) -> str:
    """747s, 1,000s; the seconds of 5s are a unit."""
    return plural(paired(match[1]) if len(match[1]) == 3 else cardinal(match[1]).removeprefix("one "))


def _listed(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])}, "


_WHAT = "|".join(
    re.escape(name) for name in sorted(_NUMBERED, key=len, reverse=True) if name.isalpha() and name != "pt"
)

NUMBERED: tuple[Rule, ...] = (
    rule(rf"{ALONE}{NUMBER}(?: ?{DASH} ?{NUMBER}){{1,4}}+(?= ?[=≠≈])", _minus),
    rule(
        r"(?<![\w.])(?<!\d )(b|d|m|fl|r|bapt|bur)\.(?= ?(?:c(?:a|irc)?\.? ?)?"
        rf"(?:(?:\d{{1,2}} )?{MONTH}\b|1\d{{3}}|20\d\d|\d{{2,3}}(?:{DASH}|,? (?:AD|BCE?|CE)\b)))",
        _of_person,
    ),
    rule(r"(?<!\w)(lat|lon|long)\.(?= ?\d+(?:\.\d+)?°)", _of_place, re.IGNORECASE),
    rule(rf"(?<!\w)ca?\.?(1\d{{3}})(?:{DASH}(\d{{4}}|\d\d))?(?!\w|[.,]\d)", _circa),
    rule(r"(?<!\w)No (\d+)(?![\w:]|[.,]\d)", _without_stop),
    rule(
        rf"(?!ex\. \d+:\d)((?:(?<!\w)(?:{_WHAT}|(?<!\d )pt)\.)|№|§§?|(?<![\w&/])#)[ \u00a0]?(\d+(?:\.\d+)?)([a-eg-z]?)"
        rf"(?:{DASH}(\d+))?(?![\w]|[.,]\d|{DASH}\d|\([a-z]\))",
        _numbered,
        re.IGNORECASE,
    ),
)

ORDINALS: tuple[Rule, ...] = (
    rule(
        rf"(?<![\w.,])(\d{{1,15}})((?:st|nd|rd|th)?{DASH}|(?:st|nd|rd|th)/)(\d{{1,15}})(?:st|nd|rd|th)(?!\w)",
        _ordinals,
        re.IGNORECASE,
    ),
    rule(
        r"(?<![\w.])(?<!\d/)(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:st|nd|rd|th|ˢᵗ|ⁿᵈ|ʳᵈ|ᵗʰ)(?!\w)", _ordinal, re.IGNORECASE
    ),
    rule(r"(?<=\d[snrt][tdh] )c(?:ent)?\.(?!\w)", _century),
    rule(r"(?<=[Tt]he )(\d{0,2}[23])d(?= (?:day|of|inst|ult|[A-Z]))", _ordinal),
    rule(r"(?<![\w.,])(\d{2,}(?=s)|\d{1,3}(?:,000)+(?=s)|\d{2,3}(?=['’]s))['’]?s(?!\w)", _plural),
    rule(rf"{ALONE}({NUMBER})[kK]?{DASH}({NUMBER})[kK](?!\w)", _thousands),
    rule(rf"{ALONE}({NUMBER}) ?(bn|tn|mn)(?!\w)", _so_many),
    rule(rf"{ALONE}({NUMBER})([kKmMbB])(?=[ \u00a0])", _so_many),
    rule(rf"{ALONE}({NUMBER})([kKmMbB])\+(?=[ \u00a0])", lambda match: f"{_so_many(match) or match[0][:-1]} plus"),
    rule(r"(?<![\w.,])(?P<count>\d{2})ers(?!\w)", _team),
)


# The last of the rules for English: no digit is left after them.
NUMBERS: tuple[Rule, ...] = (
    rule(r"(?<=\w)/(second|minute|hour|day|week|month|year|night|person|mo|yr|hr|wk|min|sec)(?!\w)", _per),
    rule(
        rf"{SIGN}(?P<first>{NUMBER})(?:{DASH}| [–—] |(?P<apart> - )|(?P<minus> − )|\.\.(?=\d))"
        rf"(?P<number>{NUMBER}){_SCALE}(?![\d])",
        _range,
    ),
    rule(r"(?:(?<=\d)|(?<=\ds)|(?<=\d['’]s))–(?=['’]?\d|(?:early|mid|late)[ -])|(?<=0s)-(?=['’]?\d0s)", _dash),
    rule(rf"{SIGN}(?P<number>{NUMBER}){_SCALE}", _number),
    rule(r"(?<!\d)(\d+),(?=\d)", _listed),
    rule(r"\d+", lambda match: cardinal(match[0])),
    rule(r"\d", lambda match: cardinal(match[0])),
    rule(f"{NUMBER_SIGN}+", _signs, needs=BEYOND_ASCII),
    rule(NUMBER_SIGN, _signs, needs=BEYOND_ASCII),
)
