"""Units, percentages, fractions, powers and the like in English."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from pipeline.source.spoken.digits.context import ALONE, DASH, NUMBER, SIGN, counts, rule, sign, word_after, word_before
from pipeline.source.spoken.digits.words import (
    cardinal,
    fraction,
    measured,
    numeral,
    one_by_one,
    ordinal,
    paired,
    plain,
    plural,
)
from pipeline.source.spoken.rules import Rule

# What is written, and babel's name of the unit; in several words, all of them said as they are in English.
_UNITS = """
km length-kilometer|m length-meter|dm length-decimeter|cm length-centimeter|mm length-millimeter
µm length-micrometer|μm length-micrometer|nm length-nanometer|mi length-mile|yd length-yard|ft length-foot
in. length-inch|inch length-inch|km/h speed-kilometer-per-hour|kmh speed-kilometer-per-hour
kph speed-kilometer-per-hour|mph speed-mile-per-hour|m/s speed-meter-per-second|kn speed-knot|kg mass-kilogram
g mass-gram|mg mass-milligram|µg mass-microgram|μg mass-microgram|t mass-tonne|lb mass-pound|lbs mass-pound
oz mass-ounce|l volume-liter|L volume-liter|dl volume-deciliter|cl volume-centiliter|ml volume-milliliter
mL volume-milliliter|tsp volume-teaspoon|tbsp volume-tablespoon|gal volume-gallon|°C temperature-celsius
℃ temperature-celsius|°F temperature-fahrenheit|℉ temperature-fahrenheit|° angle-degree|º angle-degree
Hz frequency-hertz|kHz frequency-kilohertz|MHz frequency-megahertz|GHz frequency-gigahertz|kB digital-kilobyte
KB digital-kilobyte|MB digital-megabyte|GB digital-gigabyte|TB digital-terabyte|PB digital-petabyte
Mb digital-megabit|Gb digital-gigabit|W power-watt|kW power-kilowatt|MW power-megawatt|GW power-gigawatt
hp power-horsepower|kWh energy-kilowatt-hour|kcal energy-kilocalorie|cal energy-calorie|kJ energy-kilojoule
V electric-volt|mA electric-milliampere|Ω electric-ohm|Pa pressure-pascal|hPa pressure-hectopascal
kPa pressure-kilopascal|psi pressure-pound-force-per-square-inch|mbar pressure-millibar|ha area-hectare
km² area-square-kilometer|km2 area-square-kilometer|m² area-square-meter|m2 area-square-meter
cm² area-square-centimeter|cm2 area-square-centimeter|ft² area-square-foot|ft2 area-square-foot
m³ volume-cubic-meter|m3 volume-cubic-meter|cm³ volume-cubic-centimeter|cm3 volume-cubic-centimeter|h duration-hour
hr duration-hour|hrs duration-hour|min duration-minute|mins duration-minute|s duration-second|sec duration-second
secs duration-second|ms duration-millisecond|ns duration-nanosecond|px graphics-pixel|MP graphics-megapixel
ppm concentr-part-per-1e6|% concentr-percent|‰ concentr-permille|％ concentr-percent|٪ concentr-percent
fps =frames per second|rpm =revolutions per minute|dB =decibels|bpm =beats per minute|dpi =dots per inch
kbps =kilobits per second|kbit/s =kilobits per second|Mbps =megabits per second|Mbit/s =megabits per second
Gbps =gigabits per second|MWh =megawatt hours|GWh =gigawatt hours|mAh =milliampere hours|cc =cubic centimeters
mm2 =square millimeters|mm² =square millimeters|sq ft =square feet|sq. ft. =square feet|sq km =square kilometers
sq mi =square miles|fl oz =fluid ounces|ft/s =feet per second|mg/l =milligrams per liter|mg/L =milligrams per liter
kg/m³ =kilograms per cubic meter|m/s² =meters per second squared|m/s2 =meters per second squared
g/cm³ =grams per cubic centimeter|lx light-lux|lm light-lumen
"""


def _units() -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in _UNITS.strip().replace("\n", "|").split("|"):
        written, _, name = entry.rpartition(" =") if " =" in entry else entry.rpartition(" ")
        table[written] = f"={name}" if " =" in entry else name
    return table


UNITS = _units()
UNIT = "|".join(re.escape(written) for written in sorted(UNITS, key=len, reverse=True))
_NEVER_APART = frozenset("t K W V h s t lm MP".split())  # "5 in. he said", "the 5 Ws"
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_MIXED = r"(?:(?P<whole>\d+)[ -](?P<n>\d{1,2})[/⁄](?P<d>\d{1,3})(?!\d))"
_RACES = frozenset("hurdles sprint dash freestyle butterfly backstroke breaststroke".split())
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
    return f"{cardinal(whole)} and {part.replace('one ', 'a ', 1) if part.startswith('one ') else part}"


def _unit(match: re.Match[str], *, language: str) -> str | None:
    written = match["unit"]
    if (match["gap"] and written in _NEVER_APART) or (match["sides"] and written == "s"):
        return None
    words, value = _quantity(match["amount"])
    if match["since"]:
        words, value = f"{_quantity(match['since'])[0]} to {words}", Decimal(2)
    if match["sides"]:
        sides = [_quantity(side.strip())[0] for side in re.split("[x×]", match["sides"]) if side.strip()]
        words, value = " by ".join([*sides, words]), Decimal(2)
    ends = written.endswith(".") and match.end() == len(match.string)
    return f"{sign(match[0])}{_of_unit(match, words, value, language)}{'.' * ends}"


def _of_unit(match: re.Match[str], words: str, value: Decimal, language: str) -> str:
    name = UNITS[match["unit"]]
    if name[0] == "=":
        one = value == 1 and " " not in name
        return f"{words} {name[1:].removesuffix('s') if one else name[1:]}"
    of_one = word_before(match) in ("a", "an") and word_after(match) not in ("", "of")  # "a 9 mm gun"
    singular = match["gap"] == "-" or of_one or word_after(match) in _RACES  # "a 5-km run"
    if (
        re.fullmatch(rf" ?[{_VULGAR}]|\d+[/⁄]\d+", match["amount"]) and not match["since"] and not match["sides"]
    ):  # "half a mile"
        if singular:  # "a ½-inch pipe"
            return measured(words.removeprefix("one "), Decimal(1), name, language) or words
        one_of_it = measured("a", Decimal(1), name, language) or ""
        article = "an" if re.match("a (?:[aeio]|hour)", one_of_it) else "a"
        return f"{'half' if words == 'one half' else f'{words} of'} {article}{one_of_it[1:]}"
    return measured(words, Decimal(1) if singular else value, name, language) or words


def _feet(match: re.Match[str]) -> str | None:
    """6 ft 2, 6'2\": a foot is singular before inches, as people say it."""
    if not match["inches"] and counts(match):  # "6 feet 2 days later"
        return None
    return f"{cardinal(match[1])} foot {_quantity(match[2])[0]}"


def _degrees(match: re.Match[str]) -> str | None:
    degrees, minutes, seconds, side = match.groups()
    if not minutes and not side:
        return None
    words = f"{cardinal(degrees)} degrees"
    words += f" {cardinal(minutes)} minutes" if minutes else ""
    words += f" {cardinal(seconds)} seconds" if seconds else ""
    return words + {"N": " north", "S": " south", "E": " east", "W": " west", None: ""}[side]


def _primes(match: re.Match[str]) -> str:
    one, many = ("foot", "feet") if match[2] == "′" else ("inch", "inches")
    return f"{cardinal(match[1])} {one if match[1] == '1' else many}"


def _inches(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} by {cardinal(match[2])} inches"


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
    return f"{cardinal(match[1])} times"


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


def _simple_fraction(match: re.Match[str]) -> str | None:
    """3/4 is three quarters, 8/10 eight out of ten, 24/7 twenty-four seven, 16/9 sixteen over nine."""
    over, under = plain(match["n"]), plain(match["d"])
    numerator, denominator = int(over), int(under)
    if (numerator, denominator) in ((24, 7), (9, 11), (60, 40), (80, 20)) or over == under:
        return f"{cardinal(over)} {cardinal(under)}"
    if word_after(match) in ("stars", "points", "marks"):
        return f"{cardinal(over)} out of {cardinal(under)}"
    if word_after(match) == "time":
        return f"{cardinal(over)} {cardinal(under)}"
    if match["th"]:
        return fraction(numerator, denominator) if denominator > 1 else None
    if 0 < numerator < denominator and (denominator < 10 or denominator in (12, 16, 20, 24, 32, 64) or numerator == 1):
        return fraction(numerator, denominator)
    if numerator <= denominator and denominator in (10, 100):
        return f"{cardinal(over)} out of {cardinal(under)}"
    return f"{cardinal(over)} over {cardinal(under)}"


def _mixed_fraction(match: re.Match[str]) -> str | None:
    whole, numerator, denominator = match["whole"], int(match["n"]), int(match["d"])
    if not 0 < numerator < denominator:
        return None
    return f"{cardinal(whole)} and {fraction(numerator, denominator, article='a')}"


def _vulgar(match: re.Match[str]) -> str:
    minus = sign(match[0])
    return minus + _mixed(match[1].strip(), match[2])


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


def _power(match: re.Match[str]) -> str:
    base, exponent = (match[1], match[2]) if match[1] else (match[3], match[4])
    return f"{cardinal(base)} {_exponent(exponent)}"


def _caret(match: re.Match[str]) -> str:
    return _exponent(match[1])


_SPACE = r"[ \u00a0]?"
_DECIMAL = r"\d+(?:\.\d+)?"
_INCH = r"(?:\"|”|″|'')"
_PART = r"(?:(?:\d{1,6}[ -])?(?:1[/⁄][2-9]|[1-9]\d?[/⁄](?:[3-9]|1[0-9]|32|64)))(?!\d)"
_AMOUNT = rf"(?:{_PART}|\d* ?[{_VULGAR}]|{NUMBER})"
_FEET = rf"{ALONE}(\d+)(?:['’′]| ?ft\.?| ?feet| ?foot){_SPACE}(\d{{1,2}}(?:\.\d+)?[{_VULGAR}]?)"
_INCHES = rf"(?:(?P<inches>{_INCH}|{_SPACE}in\b\.?|{_SPACE}inch(?:es)?\b)|(?![\w,:/%'’°]|\.\d|-\d))"
_DEGREES = rf"{ALONE}(\d+)°{_SPACE}(?:(\d+)[′'’]{_SPACE})?(?:({_DECIMAL}){_INCH}{_SPACE})?([NSEW])?(?![\w])"
_SINCE = rf"(?:(?P<since>{_AMOUNT})(?:%|°)? ?{DASH} ?)?(?P<sides>(?:{_AMOUNT} ?[x×] ?)+)?"
_WITH_UNIT = (
    rf"{SIGN}{_SINCE}(?P<amount>{_AMOUNT})(?P<gap>[ \u00a0-]?)(?P<unit>{UNIT})"
    r"(?![\w]|(?<![%.])[/^²³*])(?:(?<=\w)\.(?= [a-z]|[,;:]| \d+ ?oz))?"
)
_CARET = rf"{ALONE}({_DECIMAL}){_SPACE}(?:\^|\*\*){_SPACE}([-−]?\d+)(?!\w)"
_TEN = rf"(?=10(?:\^|\*\*|[⁻{_SUPERSCRIPTS}]))"


def measures(language: str) -> tuple[Rule, ...]:
    """`language`: "kilometres" in Britain."""

    def unit(match: re.Match[str]) -> str | None:
        return _unit(match, language=language)

    return (
        rule(_DEGREES, _degrees),
        rule(_FEET + _INCHES, _feet),
        rule(rf"{_CARET}|{ALONE}(\d+)([⁻]?[{_SUPERSCRIPTS}]+)(?![⁻⁺⁄])", _power),
        rule(rf"{ALONE}({NUMBER}){_SPACE}[x×·]{_SPACE}{_TEN}", _times),
        rule(_WITH_UNIT, unit),
        rule(rf"{ALONE}({_DECIMAL})[\"″”] ?[x×] ?({_DECIMAL})[\"″”]", _inches),
        rule(rf"{ALONE}({_DECIMAL})([′″])", _primes),
        rule(rf"(?<![\d{_SUPERSCRIPTS}])(\d*)([{_SUPERSCRIPTS}]{{1,9}}+)⁄([{_SUBSCRIPTS}]{{1,9}})", _set_fraction),
        rule(rf"(?<![{_SUPERSCRIPTS}])[{_SUPERSCRIPTS}]++[⁻⁺]", _charge),
        rule(rf"{ALONE}{_DECIMAL}(?:{_SPACE}[x×✕✖]{_SPACE}{_DECIMAL})+(?P<s>s?)(?!\w)", _by),
        rule(rf"{ALONE}({NUMBER})[x×](?!\w)", _times),
        rule(r"\^([-−]?\d+)(?!\w)", _caret),
        rule(rf"[⁻⁺]?[{_SUPERSCRIPTS}]++", _superscript),
        rule(rf"{ALONE}{_MIXED}", _mixed_fraction),
        rule(r"(?<![\w./])(?P<n>\d{1,4})[/⁄](?P<d>\d{1,4})(?P<th>(?:th|rd|nd)s?)?(?![\w/]|[.]\d)", _simple_fraction),
        rule(rf"(?:(?<![\w)])[-−+])?(?<!\d)(\d* ?)([{_VULGAR}])", _vulgar),
    )
