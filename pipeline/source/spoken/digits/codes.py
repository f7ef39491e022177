"""Numbers that count nothing, in English: phones, versions, addresses, names of things such as "MP3" and "A320"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.source.spoken.digits.context import DASH, counts, rule, word_before
from pipeline.source.spoken.digits.units import UNIT
from pipeline.source.spoken.digits.words import cardinal, one_by_one, paired, plain, plural
from pipeline.source.spoken.rules import Rule
from pipeline.source.spoken.words.numerals import roman_value

_SOFTWARE = frozenset(
    "python java javascript php ruby go rust perl node ios ipados macos android windows ubuntu debian fedora linux"
    " kernel chrome firefox safari version versions release django rails react vue angular pytorch tensorflow cuda"
    " postgres postgresql mysql numpy pandas bluetooth usb openssl http tls html gpt claude llama gemini dia".split()
)
# What stands before a phone: "Tel.", "Fax: ", "his mobile number is ", "call me on ".
_CALLED = re.compile(
    r"(?i)\b(?:call(?:s|ed|ing)?|dial(?:s|l?ed|l?ing)?|r[ia]ng|(?:tele)?phone[ds]?|tel|fax|mobile|cell|mob|hotline|whatsapp"
    r"|emergency)(?: (?:me|us|him|her|them|number|no))?[.:]?(?: (?:is|at|on))?[:.]? ?$"
)
_SAID_IN_PAIRS = frozenset(
    "room rooms suite suites flight flights apartment apartments apt route routes rte highway highways hwy interstate"
    " boeing airbus cessna studio studios bus unit gate xbox porsche peugeot autobahn fahrenheit area exit".split()
)
_BATTING = frozenset("batting batted hit hits hitting slugging average".split())
_ELEMENT = re.compile(r"[A-Z][a-z]?|[₀-₉]+|\d+")


def _digits(match: re.Match[str]) -> str:
    """In groups, as they are written."""
    plus = "plus " if match[0].startswith("+") else ""
    return plus + one_by_one(match[0])


def _in_row(match: re.Match[str]) -> str:
    """12-4-1, 68-67-70: games, rounds, players; but digits where there are more of them, and of sort codes."""
    parts = re.findall(r"\d+", plain(match[0]))
    if (
        len(parts) > 5
        or any(len(part) > 2 or part[0] == "0" < part[1:] for part in parts)
        or word_before(match) == "code"
    ):
        return _digits(match)
    return " ".join(map(cardinal, parts))


def _called(match: re.Match[str]) -> str | None:
    """call 911, Fax: 555.0123; but "called 250000 voters"."""
    if counts(match) or not _CALLED.search(match.string, max(0, match.start() - 40), match.start()):
        return None
    return one_by_one(match[0])


def _zip(match: re.Match[str]) -> str | None:
    return (
        one_by_one(match[0])
        if re.search(r"(?i)\bzip(?: code)?:? $", match.string[max(0, match.start() - 10) : match.start()])
        else None
    )


def _in_pairs(match: re.Match[str]) -> str | None:
    """Room 101, Boeing 747, Flight 221; but "a route 300 miles long"."""
    if word_before(match) not in _SAID_IN_PAIRS or counts(match):
        return None
    words = paired(match[1])
    if match[2] and match[1][0] == match[1][-1] == "7" and "-" in match[0]:
        return _airliner(match)
    return f"{words} to {paired(match[2])}" if match[2] else words


def _airliner(match: re.Match[str]) -> str | None:
    """747-400, also without a maker before it; but "pages 737-800"."""
    last = " ".join(re.findall(r"\d+|[A-Za-z]", match[2]))
    if word_before(match) in ("pages", "lines", "from", "between"):
        return None
    return f"{paired(match[1])} {' '.join(cardinal(part) if part.isdecimal() else part for part in last.split(' '))}"


def _hit(match: re.Match[str]) -> str | None:
    """.45 caliber, batting .312"""
    if not match[2] and word_before(match) not in _BATTING:
        return None
    return paired(match[1])


def _isbn(match: re.Match[str]) -> str:
    tail = ", X" if match[2].upper().endswith("X") else ""
    return f"{match[1]} {one_by_one(match[2])}{tail}"


def _machine(match: re.Match[str]) -> str | None:
    """192.168.0.1:8080, 10.0.0.0/8; but 1.000.000.000"""
    parts = match[1].split(".")
    if any(int(part) > 255 or (part[0] == "0" and part != "0") for part in parts):
        return None
    said = " dot ".join(cardinal(part) if len(part) < 3 else one_by_one(part) for part in parts)
    port = f" port {one_by_one(match[2])}" if match[2] else ""
    return said + port + (f" slash {cardinal(match[3])}" if match[3] else "")


def _version(match: re.Match[str]) -> str:
    word = "version " if match["v"] else ""
    if match["v"] and match.string[max(0, match.start() - 8) : match.start()].lower().endswith("version "):
        word = ""
    parts = plain(match["parts"]).split(".")
    if not word and len(parts[0]) < 4 and parts[0] != "0" and all(len(part) == 3 for part in parts[1:]):
        return cardinal("".join(parts))  # 1.000.000
    return word + " point ".join(cardinal(part) for part in parts)


def _of_software(match: re.Match[str]) -> str | None:
    if word_before(match) not in _SOFTWARE:
        return None
    return " point ".join(cardinal(part) for part in match[0].split("."))


def _name(match: re.Match[str]) -> str:
    """MP3, 4K, R2D2, A320-200: short capitals are spelled, digits read as in names. MP3s are "threes"."""
    if match[0] in ("WW1", "WW2"):
        return f"World War {cardinal(match[0][-1])}"
    *parts, last = re.findall(r"[A-Za-z]+|\d+", match[0])
    if last == "s" and len(parts) > 1:
        *parts, last = parts
        return spelled([*map(_part, parts), plural(paired(last))])
    return spelled(map(_part, [*parts, last]))


def _clause(match: re.Match[str]) -> str:
    """501(c)(3), 401(k), § 12(b)(iv)"""
    parts = re.findall(r"\w+", match[2])
    return spelled([paired(match[1]), *(_value(part) if len(part) > 1 else _part(part) for part in parts)])


def _value(part: str) -> str:
    return cardinal(part if part.isdecimal() else str(roman_value(part)))


def _part(part: str) -> str:
    if part.isdecimal():
        return paired(part)
    return " ".join(part.upper()) if len(part) == 1 or (part.isupper() and len(part) <= 3) else part


def spelled(parts: Iterable[str]) -> str:
    """Parted by spaces, but for an "A", which alone would be the article."""
    return re.sub(r" A(?= )|^A (?=.)| A$", lambda match: match[0].replace(" ", "-"), " ".join(parts))


def _formula(match: re.Match[str]) -> str:
    """H₂O"""
    return spelled(
        cardinal("".join(str("₀₁₂₃₄₅₆₇₈₉".index(sub)) for sub in part)) if "₀" <= part[0] <= "₉" else _element(part)
        for part in _ELEMENT.findall(match[0])
    )


def _element(part: str) -> str:
    return paired(part) if part.isdecimal() else " ".join(part.upper())


def _subscript(match: re.Match[str]) -> str:
    return cardinal("".join(str("₀₁₂₃₄₅₆₇₈₉".index(char)) for char in match[0]))


_GAP = r"[ .\u00a0-]"

CODES: tuple[Rule, ...] = (
    rule(r"\b(ISBN|ISSN)(?:-1[03])?:? ?((?:\d[ -]?){7,12}[\dXx])(?!\w)", _isbn),
    rule(rf"(?<![\w.])\+\d{{1,3}}(?:{_GAP}?\(?\d{{1,5}}\)?){{2,6}}(?![\w%]|[.,]\d)", _digits),
    rule(rf"(?<![\w.-])(?:1{_GAP})?(?:\(\d{{3}}\) ?|\d{{3}}{_GAP})\d{{3}}[.-]\d{{4}}(?![\w-]|[.,]\d)", _digits),
    rule(rf"(?<![\w.-])(?:1{_GAP})?\(\d{{3}}\) ?\d{{3}} \d{{4}}(?![\w-]|[.,]\d)", _digits),
    rule(r"(?<![\w.-])\d{3} \d{3} \d{4}(?![\w-]|[.,]\d)", _digits),
    rule(r"(?<![\w.,$£€-])[2-9]\d\d-\d\d(?:\d[1-9]|[1-9]\d)(?![\w-]|[.,]\d)", _digits),
    rule(r"(?<![\w.,-])(?<!\d )\(?0\d{1,4}\)?(?:[ -]\d{2,8}){1,4}(?![\w-]|[.,]\d)", _digits),
    rule(
        r"(?<![\w.,-])(?:\d{6,15}|(?=(?:\d[ .]?){7})\d{2,5}(?:[ .]\d{2,6}){1,4}|\d{3}-\d{4})(?![\w-]|[.,]\d)", _called
    ),
    rule(r"(?<![\w.-])(?:1-)?8\d\d-(?=[A-Z]{2})", lambda match: f"{one_by_one(match[0])},"),
    rule(r"(?<=\b[A-Z]{2} )\d{5}(?:-\d{4})?(?![\w-])", _digits),
    rule(r"(?<![\w.,-])\d{5}(?![\w-])", _zip),
    rule(r"(?<![\w.])\d{4}(?: \d{4}){2,}(?!\w)", _digits),
    rule(rf"(?<![\w.])\d+(?:{DASH}\d+){{2,}}(?!\w)", _in_row),
    rule(r"(?<=_)\d{5,}(?!\d)|(?<![\w.,])(?:\d{5,}(?=_)|97[89]\d{10}(?!\w))", _digits),
    rule(rf"(?<= )(\d{{3,4}})(?:{DASH}(\d{{3,4}}))?(?![\w%°]|[.,:/]\d|{DASH}\d| ?(?:{UNIT})(?!\w))", _in_pairs),
    rule(r"(?<![\w.,-])(\d{1,4})(\([a-z]\)(?:\((?:[a-z]|[ivx]{1,4}|\d{1,2})\))*|-K)(?![\w(])", _clause),
    rule(
        r"(?<![\w.,])\.([1-9]\d\d?)(?!\d)(?=([ -](?:cal(?:ib\w+)?|[Mm]agnum|Colt|revolver|pistol|rifle|hitter)\b)?)",
        _hit,
    ),
    rule(r"\bH\.(26\d)(?!\w)", lambda match: f"H {paired(match[1])}"),
    rule(r"(?<=\biPhone )(\d{1,2})([scSCeE])(?!\w)", lambda match: f"{cardinal(match[1])} {match[2].upper()}"),
    rule(r"(?<![\w.,$£€-])(7[0-8]7)-((?:[1-9]00|[789])(?:ER|LR|F)?)(?![\w-]|[.,]\d)", _airliner),
    rule(r"(?<![\w.,-])(?:911|999|112|411|311|101)(?!\w|[.,]\d)", _called),
    rule(
        r"(?<![\w.])(?P<v>v(?:er\.? ?|\.)?|V(?:er\.? ?|\.|(?=\d{1,3}\.\d)))(?P<parts>\d+(?:\.\d+)*)(?![\w])", _version
    ),
    rule(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{2,5})|/(\d{1,2}))?(?!\w|\.\d)", _machine),
    rule(r"(?<![\w.])(?P<v>(?!))?(?P<parts>\d+(?:\.\d+){2,})(?!\w)", _version),
    rule(r"(?<![\w.,])\d{1,2}\.\d{1,2}(?![\w.])", _of_software),
    rule(r"\b(?:[A-Z][a-z]?[₀-₉\d]*)*[A-Z][a-z]?[₀-₉]+(?:[A-Z][a-z]?[₀-₉\d]*)*(?![A-Za-z\d])", _formula),
)

NAMES: tuple[Rule, ...] = (
    rule(r"(?<!\w)(?<!\d[.,])(?:[A-Za-z]++\d|\d++[A-Za-z])[A-Za-z0-9]*+(?!\w)(?:-\d{3,4}[A-Z]?(?![\w-]))?", _name),
    rule(r"[₀-₉]+", _subscript),
    rule(r"(?<=[A-Za-z]-)\d+(?!\w|[.,]\d)", lambda match: paired(match[0])),
)
