"""Units, percentages, feet and inches, degrees, and times and by, in English."""

from __future__ import annotations

import re
from decimal import Decimal

from pipeline.source.spoken.digits.context import (
    ALONE,
    BEYOND_ASCII,
    DASH,
    DASH_AS_MINUS,
    DECIMAL,
    NUMBER,
    SIGN,
    SPACE,
    counts,
    rule,
    sign,
    word_after,
    word_before,
)
from pipeline.source.spoken.digits.fractions import AMOUNT, FRACTIONS, PART_OF_ONE, VULGAR, part_of_a, quantity
from pipeline.source.spoken.digits.powers import POWER_OF_TEN, RAISED, powers
from pipeline.source.spoken.digits.units import ENGLISH_UNIT, PER, UNIT, UNITS, said_per, said_unit
from pipeline.source.spoken.digits.words import cardinal, ordinal, paired, plural
from pipeline.source.spoken.rules import Rule

# What must stand behind a single letter that a space parts from its number: "120 W 45th St"; "½ t salt" is no ton.
_APART = {letter: re.compile(r"(?!\.? [A-Z0-9])") for letter in "WVNJ"}
_APART |= {
    "st": re.compile(r" \d+ ?lb| (?:1[0-3]|\d)(?![\w:/]|[.,]\d)"),
    "t": re.compile(" of "),
    "lm": re.compile("(?!)"),
    "MP": re.compile("(?!)"),
}
_APART["c."] = re.compile(r" (?!(?:an?|each|per|and|to|for|the|in|on|at|or|of|from|apiece)\b)[a-z]{3}")  # 1 c. flour
_NEVER_CLOSE = frozenset(["N", "J", "c."])  # "Gate 5J"
# "a 5-km run" aside: what is named by its measure, so that the unit is singular.
_MEASURED = (
    rf"(?:\d+ ?(?:{UNIT}|in))? (?:(?:round|square|deep|cake|baking|loaf|springform) ){{0,2}}(?:hurdles|sprint|dash"
    r"|freestyle|butterfly|backstroke|breaststroke|relay|batter(?:y|ies)|drive|engine|motor|bulb|lens|hose|pipe"
    r"|(?:tin|can|jar|packet|bag|bottle|carton|sachet|tub|block|bar|steak|fillet|pan|tray)s?)\b"
)
_PACKED = frozenset("g kg ml l L cl oz lb".split())


def _unit(match: re.Match[str], *, language: str) -> str | None:
    written = match["unit"]
    if match["gap"] and written in _APART and not _APART[written].match(match.string, match.end()):
        return None
    if (match["sides"] and written == "s") or (written in _NEVER_CLOSE and not match["gap"]):
        return None
    words, value = quantity(match["amount"])
    if match["since"]:
        words, value = f"{quantity(match['since'])[0]} to {words}", Decimal(2)
    if match["sides"]:
        between = " " if written in _PACKED and _is_measured(match) else " by "  # 2 x 400g tins
        sides = [quantity(side.strip())[0] for side in re.split("[x×]", match["sides"]) if side.strip()]
        words, value = between.join([*sides, words]), Decimal(2)
    singular = match["gap"] == "-" or _of_one(match) or _is_measured(match)  # "a 5-km run"
    if not match["since"] and not match["sides"] and PART_OF_ONE.fullmatch(match["amount"]):
        words = _part_of(words, written, language, singular=singular)
    else:
        words = said_unit(words, Decimal(1) if singular else value, written, language)
    ends = written.endswith(".") and not match["per"] and match.end() == len(match.string)
    other = " or" * bool(match["or"] and written != "°")  # 180°C/350°F
    return f"{sign(match[0])}{words}{said_per(match['per'], language)}{'.' * ends}{other}"


def _is_measured(match: re.Match[str]) -> bool:
    """a 400g tin, the 4x400m relay, a 20cm/8in round tin"""
    return re.compile(_MEASURED).match(match.string, match.end()) is not None


def _of_oven(match: re.Match[str]) -> str | None:
    """180C, 200C/400F/Gas 6; but "Room 180C", and "18C" only after words of degrees."""
    sure = len(match[1]) == 3 or match[3] or match.string[match.start() - 1 : match.start()] == "/"
    before = word_before(match)
    is_one = before in ("the", "a", "an")
    if before in _NAMED_BEFORE or (is_one and word_after(match) not in _HOT) or counts(match):
        return None
    if not (sure or before in _BEFORE_DEGREES):
        return None
    scale = "Celsius" if match[2] == "C" else "Fahrenheit"
    degrees = f"{sign(match[0])}{cardinal(match[1])} degree{'' if is_one else 's'}"
    return f"{degrees} {scale}{' or' if match[3] else ''}"


_BEFORE_DEGREES = frozenset("at to of below above around about between hit reached is was over under".split())
_HOT = frozenset("oven ovens fan heat oil water".split())
_NAMED_BEFORE = frozenset(
    "room rooms seat row gate flight class form house block suite apartment apt unit route bus model type".split()
)


def _of_match(match: re.Match[str]) -> str | None:
    """Smith 23', 67' (pen), 90+3': minutes of a match; "the 65' minute" is the sixty-fifth."""
    minute, added = match[1], match[2]
    if word_after(match) == "minute":
        return ordinal(int(minute))
    if not added and not _OTHER_MINUTE.search(match.string, max(0, match.start() - 24), match.end() + 24):
        return None
    return f"{cardinal(minute)}{f' plus {cardinal(added)}' if added else ''}"


_OTHER_MINUTE = re.compile(r"\+\d{1,2}['’′]|['’′] \((?:pen|og|o\.g)|[A-Z]\w+ \d{1,3}['’′], \d{1,3}['’′]")


def _of_one(match: re.Match[str]) -> bool:
    """a 9 mm gun, a 5 km: what is measured, or what is left out, is singular"""
    return word_before(match) in ("a", "an") and word_after(match) != "of"


def _part_of(words: str, written: str, language: str, *, singular: bool) -> str:
    """half a mile, three quarters of an hour; a half inch pipe"""
    if singular:
        part = words if words.startswith("one e") else words.removeprefix("one ")
        return said_unit(part, Decimal(1), written, language)
    return part_of_a(words, said_unit("", Decimal(1), written, language).strip())


def _feet(match: re.Match[str]) -> str | None:
    """6 ft 2, 6'2\": a foot is singular before inches, as people say it. 2'30\" are minutes: a foot has 12 inches."""
    if not match["inches"] and counts(match):  # "6 feet 2 days later"
        return None
    if match["inches"] in ('"', "″", "”") and match[2].isdecimal() and 12 <= int(match[2]) < 60:
        return f"{cardinal(match[1])} minute{'s' * (match[1] != '1')} {cardinal(match[2])} seconds"
    return f"{cardinal(match[1])} foot {quantity(match[2])[0]}"


def _degrees(match: re.Match[str]) -> str | None:
    """52°31′12″N, 40.7° N, N 45° E"""
    before, degrees, minutes, seconds, side = match.groups()
    if not (minutes or side or before):
        return None
    words = f"{_POINTS[before]} {cardinal(degrees)} degrees".strip()
    for part, name in ((minutes, "minutes"), (seconds, "seconds")):
        words += f" {cardinal(part if '.' in part else str(int(part)))} {name}" if part else ""
    return f"{words} {_POINTS[side]}".strip()


def _primes(match: re.Match[str]) -> str | None:
    """12″ and, where no quotation is open, 12" and 5'."""
    text, start, mark = match.string, match.start(), match["mark"]
    if mark in "\"'”’":
        opening = _OPEN_QUOTES.get(mark)  # else the sign closes, too
        if opening.search(text, max(0, start - _QUOTED), start) if opening else text.count(mark, 0, start) % 2:
            return None
        sure = mark in '"”' or re.match(" [a-z]", text[match.end() :][:2]) or len(match["amount"]) == 1
        if not sure or re.fullmatch(r"\d{4,}", match["amount"]):
            return None
    unit = "inch" if mark in '″"”' or mark == "''" else "ft"
    words, value = quantity(match["amount"])
    if match["by"]:
        sides = re.findall(AMOUNT, match["by"])
        words = " by ".join([*(quantity(side)[0] for side in sides), words])
        value = Decimal(2)
    elif PART_OF_ONE.fullmatch(match["amount"]):
        return _part_of(words, unit, "en", singular=bool(re.match("-| [a-z]", text[match.end() :][:2])))
    singular = _of_one(match) or counts(match)  # 3" nails
    return said_unit(words, Decimal(1) if singular else value, unit, "en")


def _by(match: re.Match[str]) -> str:
    """2 × 4 is "two by four"; before "=" and other such signs it is "times"."""
    after = match.string[match.end() : match.end() + 2].strip()
    between = " times " if after and after[0] in "=≈÷+−*" else " by "
    written = match[0].removesuffix("s")
    words = between.join(_side(part) for part in re.split(r"[ \u00a0]?[x×✕✖][ \u00a0]?", written))
    return plural(words) if match["s"] else words


def _side(written: str) -> str:
    return paired(written) if len(written) == 4 and written.isdecimal() else cardinal(written)


def _times(match: re.Match[str]) -> str:
    """5x, 3–5x"""
    return f"{cardinal(match[1])}{f' to {cardinal(match[2])}' if match[2] else ''} times"


_INCH = r"(?:\"|”|″|'')"
_FEET = rf"{ALONE}(\d+)(?:['’′]-?| ?ft\.?| ?feet| ?foot){SPACE}(\d{{1,2}}(?:\.\d+)?[{VULGAR}]?)"
_INCHES = rf"(?:(?P<inches>{_INCH}|{SPACE}in\b(?:\.(?! [A-Z]|$))?|{SPACE}inch(?:es)?\b)|(?![\w:/%'’°]|[.,]\d|-\d))"
_POINTS = {"N": "north", "S": "south", "E": "east", "W": "west", None: ""}
_DEGREES = (
    rf"(?:(?<!\w)([NSEW]) ?|{ALONE})({DECIMAL})°{SPACE}(?:({DECIMAL})[′'’]{SPACE})?(?:({DECIMAL}){_INCH}{SPACE})?"
    r"(?:([NSEW])(?:\.(?=[,;]| [a-zL]))?)?(?<! )(?!\w)"
)
_SINCE = rf"(?:(?P<since>{AMOUNT})(?:%|°)? ?{DASH} ?)?(?P<sides>(?:{AMOUNT} ?[x×] ?){{1,4}}+)?"
_WITH_UNIT = (
    rf"(?:{DASH_AS_MINUS}|{SIGN}){_SINCE}(?P<amount>{AMOUNT})(?P<gap>[ \u00a0-]?)"
    rf"(?P<unit>{UNIT}|{ENGLISH_UNIT})(?P<per>{PER})"
    rf"(?![\w]|['’]s|(?<![%.])(?:/(?!\d|[Gg]as\b)|[\^²³*⁻]))(?P<or>/(?=(?:{AMOUNT} ?(?:{UNIT}|in)|[Gg]as)(?!\w)))?"
    r"(?:(?<=\w)\.(?= [a-z]|[,;:)]| \d+ ?oz))?"
)
_QUOTED = 1000  # characters back to where a quotation may have been opened
_OPENS = r"(?:^|(?<=[\s(\[—–-]))"
_OPEN_QUOTES = {"”": re.compile("“"), "'": re.compile(_OPENS + "'")}
_OPEN_QUOTES["’"] = re.compile(f"{_OPENS}[‘’]")
_BY_PRIMES = rf"(?P<by>(?:{AMOUNT}(?:[\"″”'′’]|'') ?[x×] ?){{1,4}}+)?"


def measures(language: str) -> tuple[Rule, ...]:
    """`language`: "kilometres" in Britain."""

    def unit(match: re.Match[str]) -> str | None:
        return _unit(match, language=language)

    def unit_alone(match: re.Match[str]) -> str | None:
        """㎡"""
        return said_unit("", Decimal(2), match[0], language).strip() if match[0] in UNITS else None

    return (
        rule(_DEGREES, _degrees),
        rule(_FEET + _INCHES, _feet),
        *powers(language),
        rule(rf"{ALONE}({NUMBER})((?!))?{SPACE}[x×·]{SPACE}{POWER_OF_TEN}", _times),
        rule(_WITH_UNIT, unit, needs=rf"[\d{VULGAR}][ \u00a0-]?[^\d\s.,;:!?]"),
        rule(
            r"(?<![\w.,$£€-])(?:(?<![\w)])[-−])?(\d{2,3}|(?<=[-−])\d) ?([CF])"
            r"(?:(/)(?=\d{2,3} ?[CF]\b|[Gg]as\b)|(?![\w-]|[./]\w))",
            _of_oven,
        ),
        rule(r"(?<![\w.,:/'’x×-])(\d{1,3})(?:\+(\d{1,2}))?['’′](?= minute\b|[,;)]| \(|\.?$)", _of_match),
        rule(rf"{ALONE}{_BY_PRIMES}(?P<amount>{AMOUNT})(?P<mark>''|[′″\"”'’])(?!\w)", _primes, needs="[′″\"”'’]"),
        rule(rf"{ALONE}{DECIMAL}(?:{SPACE}[x×✕✖]{SPACE}{DECIMAL})+(?P<s>s?)(?!\w)", _by),
        rule(rf"{ALONE}({NUMBER})(?:{DASH}({NUMBER}))?[x×](?!\w)", _times),
        *RAISED,
        *FRACTIONS,
        rule("[\u3371-\u33df]", unit_alone, needs=BEYOND_ASCII),
    )
