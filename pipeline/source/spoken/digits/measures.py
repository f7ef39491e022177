"""Units, percentages, fractions, powers and the like in English."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from pipeline.source.spoken.digits.context import (
    ALONE,
    DASH,
    DASH_AS_MINUS,
    NUMBER,
    SIGN,
    WHOLE,
    counts,
    rule,
    sign,
    word_after,
    word_before,
)
from pipeline.source.spoken.digits.units import ENGLISH_UNIT, INVERSE, PER, UNIT, UNITS, said_per, said_unit
from pipeline.source.spoken.digits.words import (
    cardinal,
    fraction,
    numeral,
    one_by_one,
    ordinal,
    paired,
    plain,
    plural,
)
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
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_MIXED = r"(?:(?P<whole>\d+)[ -](?P<n>\d{1,2})[/⁄](?P<d>\d{1,3})(?!\d))"
# "a 5-km run" aside: what is named by its measure, so that the unit is singular.
_MEASURED = re.compile(
    rf"(?:\d+ ?(?:{UNIT}|in))? (?:(?:round|square|deep|cake|baking|loaf|springform) ){{0,2}}(?:hurdles|sprint|dash"
    r"|freestyle|butterfly|backstroke|breaststroke|relay|batter(?:y|ies)|drive|engine|motor|bulb|lens|hose|pipe"
    r"|(?:tin|can|jar|packet|bag|bottle|carton|sachet|tub|block|bar|steak|fillet|pan|tray)s?)\b"
)
_PACKED = frozenset("g kg ml l L cl oz lb".split())
_VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_PREFIXES = frozenset("sin cos tan log sec cot".split())


def _quantity(written: str) -> tuple[str, Decimal]:
    """Words and value of "5", "2½", "3 1/2", "1,000.5"."""
    if parts := re.fullmatch(r"(?:(\d+)[ -])?(\d+)[/⁄](\d+)", written):
        numerator, denominator = int(parts[2]), max(2, int(parts[3]))
        value = Decimal(parts[1] or 0) + Decimal(numerator) / denominator
        part = fraction(numerator, denominator, article="a" if parts[1] else "one")
        return f"{cardinal(parts[1])} and {part}" if parts[1] else part, value
    if written[-1] in _VULGAR:
        part_of_one = unicodedata.numeric(written[-1])
        whole = written[:-1].strip()
        return _mixed(whole, written[-1]), Decimal(plain(whole) or "0") + Decimal(str(round(part_of_one, 3)))
    return cardinal(written), Decimal(re.sub(r"[^\d.]", "", plain(written)))


def _mixed(whole: str, sign_of_part: str) -> str:
    part = numeral(sign_of_part)
    if not whole:
        return part
    return f"{cardinal(whole)} and {re.sub('^one ', 'an ' if part.startswith('one e') else 'a ', part)}"


def _unit(match: re.Match[str], *, language: str) -> str | None:
    written = match["unit"]
    if match["gap"] and written in _APART and not _APART[written].match(match.string, match.end()):
        return None
    if (match["sides"] and written == "s") or (written in _NEVER_CLOSE and not match["gap"]):
        return None
    words, value = _quantity(match["amount"])
    if match["since"]:
        words, value = f"{_quantity(match['since'])[0]} to {words}", Decimal(2)
    if match["sides"]:
        between = " " if written in _PACKED and _is_measured(match) else " by "  # 2 x 400g tins
        sides = [_quantity(side.strip())[0] for side in re.split("[x×]", match["sides"]) if side.strip()]
        words, value = between.join([*sides, words]), Decimal(2)
    singular = match["gap"] == "-" or _of_one(match) or _is_measured(match)  # "a 5-km run"
    if not match["since"] and not match["sides"] and _PART_OF_ONE.fullmatch(match["amount"]):
        words = _part_of(words, written, language, singular=singular)
    else:
        words = said_unit(words, Decimal(1) if singular else value, written, language)
    ends = written.endswith(".") and not match["per"] and match.end() == len(match.string)
    other = " or" * bool(match["or"] and written != "°")  # 180°C/350°F
    return f"{sign(match[0])}{words}{said_per(match['per'], language)}{'.' * ends}{other}"


def _is_measured(match: re.Match[str]) -> bool:
    """a 400g tin, the 4x400m relay, a 20cm/8in round tin"""
    return _MEASURED.match(match.string, match.end()) is not None


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
    return f"{cardinal(match[1])} degree{'' if is_one else 's'} {scale}{' or' if match[3] else ''}"


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
        return said_unit(words.removeprefix("one "), Decimal(1), written, language)
    return _part(words, said_unit("", Decimal(1), written, language).strip())


def _part(words: str, what: str) -> str:
    article = "an" if re.match("[aeio]|hour", what) else "a"
    return f"{'half' if words == 'one half' else f'{words} of'} {article} {what}"


def _of_whole(match: re.Match[str], words: str) -> str:
    """The words of a fraction before what it is a part of: "½ cup" is half a cup, "a ½ cup measure" a half cup."""
    what = word_after(match) or (match.string[match.end() :][:1] == "-" and "-")
    if not what or what not in _WHOLES:
        return words
    if what == "-" or word_before(match) in ("a", "an"):
        return words.removeprefix("one ")
    return _part(words, what).removesuffix(f" {what}")


def _feet(match: re.Match[str]) -> str | None:
    """6 ft 2, 6'2\": a foot is singular before inches, as people say it. 2'30\" are minutes: a foot has 12 inches."""
    if not match["inches"] and counts(match):  # "6 feet 2 days later"
        return None
    if match["inches"] in ('"', "″", "”") and match[2].isdecimal() and 12 <= int(match[2]) < 60:
        return f"{cardinal(match[1])} minute{'s' * (match[1] != '1')} {cardinal(match[2])} seconds"
    return f"{cardinal(match[1])} foot {_quantity(match[2])[0]}"


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
    words, value = _quantity(match["amount"])
    if match["by"]:
        sides = re.findall(_AMOUNT, match["by"])
        words = " by ".join([*(_quantity(side)[0] for side in sides), words])
        value = Decimal(2)
    elif _PART_OF_ONE.fullmatch(match["amount"]):
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


def _exponent(written: str) -> str:
    minus = "minus " if written[0] in "-−⁻" else ""
    digits = _raised(written.lstrip("-−⁻+⁺"))
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


_SIDE_BY_SIDE = {("24", "7"), ("9", "11"), ("60", "40"), ("80", "20")}


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
    first, last = (_quantity(part)[0] for part in match.groups())
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


_SPACE = r"[ \u00a0]?"
_DECIMAL = r"\d+(?:\.\d+)?"
_INCH = r"(?:\"|”|″|'')"
_PART = r"(?:(?:\d{1,6}[ -])?(?:1[/⁄](?:[2-9]|\d{2,4})|[1-9]\d?[/⁄](?:[3-9]|1[0-9]|32|64)))(?!\d)"
_AMOUNT = rf"(?:{_PART}|\d* ?[{_VULGAR}]|{NUMBER})"
_FEET = rf"{ALONE}(\d+)(?:['’′]-?| ?ft\.?| ?feet| ?foot){_SPACE}(\d{{1,2}}(?:\.\d+)?[{_VULGAR}]?)"
_INCHES = rf"(?:(?P<inches>{_INCH}|{_SPACE}in\b(?:\.(?! [A-Z]|$))?|{_SPACE}inch(?:es)?\b)|(?![\w:/%'’°]|[.,]\d|-\d))"
_POINTS = {"N": "north", "S": "south", "E": "east", "W": "west", None: ""}
_DEGREES = (
    rf"(?:(?<!\w)([NSEW]) ?|{ALONE})({_DECIMAL})°{_SPACE}(?:({_DECIMAL})[′'’]{_SPACE})?(?:({_DECIMAL}){_INCH}{_SPACE})?"
    r"(?:([NSEW])(?:\.(?=[,;]| [a-zL]))?)?(?<! )(?!\w)"
)
_SINCE = rf"(?:(?P<since>{_AMOUNT})(?:%|°)? ?{DASH} ?)?(?P<sides>(?:{_AMOUNT} ?[x×] ?){{1,4}}+)?"
_WITH_UNIT = (
    rf"(?:{DASH_AS_MINUS}|{SIGN}){_SINCE}(?P<amount>{_AMOUNT})(?P<gap>[ \u00a0-]?)"
    rf"(?P<unit>{UNIT}|{ENGLISH_UNIT})(?P<per>{PER})"
    rf"(?![\w]|['’]s|(?<![%.])(?:/(?!\d|[Gg]as\b)|[\^²³*⁻]))(?P<or>/(?=(?:\d+ ?(?:{UNIT}|in)|[Gg]as)(?!\w)))?"
    r"(?:(?<=\w)\.(?= [a-z]|[,;:)]| \d+ ?oz))?"
)
_WHOLES = frozenset(
    "cup teaspoon tablespoon pint quart gallon ounce pound mile hour minute inch foot yard acre day century dozen liter"
    " litre kilometer kilometre kilo teaspoonful tablespoonful cupful -".split()
)
_PART_OF_ONE = re.compile(rf" ?[{_VULGAR}]|\d+[/⁄]\d+")
_QUOTED = 1000  # characters back to where a quotation may have been opened
_OPENS = r"(?:^|(?<=[\s(\[—–-]))"
_OPEN_QUOTES = {"”": re.compile("“"), "'": re.compile(_OPENS + "'")}
_OPEN_QUOTES["’"] = re.compile(f"{_OPENS}[‘’]")
_BY_PRIMES = rf"(?P<by>(?:{_AMOUNT}(?:[\"″”'′’]|'') ?[x×] ?){{1,4}}+)?"
_CARET = rf"{ALONE}({_DECIMAL}){_SPACE}(?:\^|\*\*){_SPACE}([-−]?\d+)(?!\w)"
_SCIENTIFIC = rf"{ALONE}(?P<mantissa>{WHOLE}\.\d+(?=[eE])|\d+(?=[eE][-+−]|e\d))[eE]\+?(?P<e>[-−]?\d{{1,3}})(?!\w)"
_TEN = rf"(?=10(?:\^|\*\*|[⁻{_SUPERSCRIPTS}]))"


def measures(language: str) -> tuple[Rule, ...]:
    """`language`: "kilometres" in Britain."""

    def unit(match: re.Match[str]) -> str | None:
        return _unit(match, language=language)

    def power(match: re.Match[str]) -> str | None:
        return _power(match, language=language)

    def unit_alone(match: re.Match[str]) -> str | None:
        """㎡"""
        return said_unit("", Decimal(2), match[0], language).strip() if match[0] in UNITS else None

    return (
        rule(_DEGREES, _degrees),
        rule(_FEET + _INCHES, _feet),
        rule(
            rf"(?:{_CARET}|{ALONE}(\d+)([⁻]?[{_SUPERSCRIPTS}]+)(?![⁻⁺⁄])|{_SCIENTIFIC})"
            rf"(?:{_SPACE}(?:(?P<unit>{UNIT})(?P<per>{PER})|(?P<inverse>{INVERSE}))(?![\w^²³⁻]))?",
            power,
        ),
        rule(rf"{ALONE}({NUMBER})((?!))?{_SPACE}[x×·]{_SPACE}{_TEN}", _times),
        rule(_WITH_UNIT, unit),
        rule(r"(?<![\w.,$£€-])(\d{2,3}) ?([CF])(?:(/)(?=\d{2,3} ?[CF]\b|[Gg]as\b)|(?![\w-]|[./]\w))", _of_oven),
        rule(r"(?<![\w.,:/'’x×-])(\d{1,3})(?:\+(\d{1,2}))?['’′](?= minute\b|[,;)]| \(|\.?$)", _of_match),
        rule(rf"{ALONE}{_BY_PRIMES}(?P<amount>{_AMOUNT})(?P<mark>''|[′″\"”'’])(?!\w)", _primes),
        rule(rf"(?<![\d{_SUPERSCRIPTS}])(\d*)([{_SUPERSCRIPTS}]{{1,9}}+)⁄([{_SUBSCRIPTS}]{{1,9}})", _set_fraction),
        rule(rf"(?<![{_SUPERSCRIPTS}])[{_SUPERSCRIPTS}]++[⁻⁺]", _charge),
        rule(rf"{ALONE}{_DECIMAL}(?:{_SPACE}[x×✕✖]{_SPACE}{_DECIMAL})+(?P<s>s?)(?!\w)", _by),
        rule(rf"{ALONE}({NUMBER})(?:{DASH}({NUMBER}))?[x×](?!\w)", _times),
        rule(r"\^([-−]?\d+)(?!\w)", _caret),
        rule(rf"[⁻⁺]?[{_SUPERSCRIPTS}]++", _superscript),
        rule(rf"{ALONE}{_MIXED}", _mixed_fraction),
        rule(rf"(?<![\w./])({_PART}) ?{DASH} ?({_PART})(?![\w/]|\.\d)", _fractions),
        rule(
            r"(?:(?<![\w)])[-−])?(?<![\w./])(?P<n>\d{1,4})[/⁄](?P<d>\d{1,4})(?P<th>(?:th|rd|nd)s?)?(?![\w/]|[.]\d)",
            _signed_fraction,
        ),
        rule(rf"(?:(?<![\w)])[-−+])?(?<!\d)(\d* ?)([{_VULGAR}])", _vulgar),
        rule("[\u3371-\u33df]", unit_alone),
    )
