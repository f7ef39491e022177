"""Units of measure: how they are written, and their names in English and in babel.

`UNIT` finds one of them, `PER` what stands below the line: "/dL", "/day", " s⁻²".
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from pipeline.source.spoken.digits.words import measured

# What is written, and babel's name of the unit; in several words, all of them said as they are in English.
_UNITS = """
km length-kilometer|m length-meter|dm length-decimeter|cm length-centimeter|mm length-millimeter
µm length-micrometer|μm length-micrometer|nm length-nanometer|mi length-mile|yd length-yard|ft length-foot
in. length-inch|inch length-inch|NM length-nautical-mile|nmi length-nautical-mile|km/h speed-kilometer-per-hour
kmh speed-kilometer-per-hour|kph speed-kilometer-per-hour|mph speed-mile-per-hour|m/s speed-meter-per-second
kn speed-knot|kts speed-knot|kg mass-kilogram|g mass-gram|mg mass-milligram|µg mass-microgram|μg mass-microgram
mcg mass-microgram|t mass-tonne|lb mass-pound|lbs mass-pound|oz mass-ounce|st =stone|l volume-liter|L volume-liter
dl volume-deciliter|dL volume-deciliter|cl volume-centiliter|ml volume-milliliter|mL volume-milliliter
µl =microliters|µL =microliters|μl =microliters|μL =microliters|tsp volume-teaspoon|tbsp volume-tablespoon
m.p.h. speed-mile-per-hour|k.p.h. speed-kilometer-per-hour
gal volume-gallon|qt volume-quart|bbl =barrels|°C temperature-celsius|℃ temperature-celsius|°F temperature-fahrenheit
℉ temperature-fahrenheit
ºC temperature-celsius|ºF temperature-fahrenheit
° angle-degree|º angle-degree|Hz frequency-hertz|kHz frequency-kilohertz
MHz frequency-megahertz|GHz frequency-gigahertz|THz =terahertz|kB digital-kilobyte|KB digital-kilobyte
MB digital-megabyte|GB digital-gigabyte|TB digital-terabyte|PB digital-petabyte|Mb digital-megabit|Gb digital-gigabit
W power-watt|mW power-milliwatt|kW power-kilowatt|MW power-megawatt|GW power-gigawatt|TW =terawatts|hp power-horsepower
bhp =brake horsepower|Wh =watt hours|kWh energy-kilowatt-hour|kcal energy-kilocalorie|cal energy-calorie|J energy-joule
kJ energy-kilojoule|MJ =megajoules|GJ =gigajoules|eV =electron volts|keV =kilo electron volts
MeV =mega electron volts|GeV =giga electron volts|TeV =tera electron volts|N force-newton|kN =kilonewtons
Nm =newton meters|N·m =newton meters|lb-ft =pound feet|ft-lb =foot pounds|V electric-volt|mV =millivolts|kV =kilovolts
mA electric-milliampere|Ω electric-ohm|kΩ =kilohms|MΩ =megohms|µF =microfarads|μF =microfarads
Pa pressure-pascal|hPa pressure-hectopascal|kPa pressure-kilopascal|MPa pressure-megapascal|GPa =gigapascals
psi pressure-pound-force-per-square-inch|mbar pressure-millibar|mmHg =millimeters of mercury
mm Hg =millimeters of mercury
inHg =inches of mercury|ha area-hectare|km² area-square-kilometer|km2 area-square-kilometer|m² area-square-meter
m2 area-square-meter|cm² area-square-centimeter|cm2 area-square-centimeter|ft² area-square-foot|ft2 area-square-foot
m³ volume-cubic-meter|m3 volume-cubic-meter|cm³ volume-cubic-centimeter|cm3 volume-cubic-centimeter
mm³ =cubic millimeters
km³ volume-cubic-kilometer|dm³ =cubic decimeters|in² =square inches|ft³ volume-cubic-foot|yr duration-year
yrs duration-year|wk duration-week|wks duration-week|mos duration-month|h duration-hour|hr duration-hour
hrs duration-hour|min duration-minute|mins duration-minute|s duration-second|sec duration-second|secs duration-second
ms duration-millisecond|µs duration-microsecond|μs duration-microsecond|ns duration-nanosecond|px graphics-pixel
MP graphics-megapixel|ppm concentr-part-per-1e6|ppb =parts per billion|% concentr-percent|‰ concentr-permille
％ concentr-percent|٪ concentr-percent|mol =moles|mmol =millimoles|µmol =micromoles|μmol =micromoles|nmol =nanomoles
mM =millimolar|µM =micromolar|μM =micromolar|nM =nanomolar|kDa =kilodaltons|mpg =miles per gallon
fps =frames per second|rpm =revolutions per minute|dB =decibels|bpm =beats per minute|dpi =dots per inch
ppi =pixels per inch|kbps =kilobits per second|kbit/s =kilobits per second|Mbps =megabits per second
Mbit/s =megabits per second|Gbps =gigabits per second|Gbit/s =gigabits per second|MB/s =megabytes per second
GB/s =gigabytes per second|MWh =megawatt hours|GWh =gigawatt hours|TWh =terawatt hours|mAh =milliampere hours
dm² =square decimeters|rad/s² =radians per second squared
cc =cubic centimeters|mm2 =square millimeters|mm² =square millimeters|sq ft =square feet
sq. ft. =square feet|sq. m =square meters|sq. km =square kilometers|sq. mi =square miles|pct concentr-percent
sq in =square inches|sq m =square meters|sq km =square kilometers|sq mi =square miles|cu ft =cubic feet
cu. ft. =cubic feet|fl oz =fluid ounces|fl. oz. =fluid ounces|m/s² =meters per second squared
m/s2 =meters per second squared|lx light-lux|lm light-lumen
"""
BELOW = {"mo": "month", "yr": "year", "hr": "hour", "h": "hour", "wk": "week", "d": "day", "min": "minute"}
BELOW |= {"sec": "second", "s": "second"}
BELOW |= {
    name: name
    for name in (
        "second minute hour day week month year night person serving dose tablet capita head plant cell pixel liter"
        " litre gallon pound ounce kilo barrel mile acre square share ticket copy bottle unit"
    ).split()
}
# In English alone, behind an amount: "8in", "3 Tbsp", "1 c. flour", "32 pts".
_ENGLISH = {
    "in": "length-inch",
    "c.": "volume-cup",
    "pts": "=points",
    "Tsp": "volume-teaspoon",
    "TSP": "volume-teaspoon",
}
_ENGLISH |= dict.fromkeys(("Tbsp", "TBSP", "tbs", "Tbs"), "volume-tablespoon")
_HEADS = {"feet": "foot", "inches": "inch"}


_IN_SIGNS = str.maketrans("23∕", "²³/")


def _units() -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in _UNITS.strip().replace("\n", "|").split("|"):
        written, _, name = entry.rpartition(" =") if " =" in entry else entry.rpartition(" ")
        name = f"={name}" if " =" in entry else name
        table[written] = table[written.replace("²", "^2").replace("³", "^3")] = name
    for sign in map(chr, range(0x3371, 0x33E0)):  # such as "㎢"
        letters = unicodedata.normalize("NFKC", sign).translate(_IN_SIGNS)
        if letters in table:
            table[sign] = table[letters]
    return table


def _any(written: set[str] | dict[str, str]) -> str:
    return "|".join(re.escape(one) for one in sorted(written, key=len, reverse=True))


UNITS = _units()
UNIT = _any(UNITS)
ENGLISH_UNIT = rf"(?:(?<=\d)in(?![-\w])|{_any(_ENGLISH.keys() - {'in'})})"
_PART_BELOW = rf"/(?:100 ?km\b|(?:{_any(UNITS.keys() | BELOW.keys())})(?!\w))"
INVERSE = rf"(?:{UNIT})⁻[¹²³]"
PER = rf"(?:(?:{_PART_BELOW})*(?:[ ·]?{INVERSE})*)"
_BELOW_ONE = rf"/(100 ?km|{_any(UNITS.keys() | BELOW.keys())})|({UNIT})⁻([¹²³])"


def said_unit(words: str, value: Decimal, written: str, language: str) -> str:
    """`words` for `value` with the name of a unit: "five kilometers", "one decibel"."""
    name = UNITS.get(written) or _ENGLISH[written]
    if name[0] != "=":
        return measured(words, value, name, language) or words
    return f"{words} {_one(name[1:]) if value == 1 else name[1:]}"


def _one(names: str) -> str:
    """square feet: square foot; meters per second: meter per second"""
    head, joint, tail = names.partition(next((joint for joint in (" per ", " of ") if joint in names), "\0"))
    before, _, last = head.rpartition(" ")
    return f"{before} {_HEADS.get(last) or last.removesuffix('s')}{joint}{tail}".strip()


def said_per(written: str, language: str) -> str:
    """What is below the line, with a space before it: " per deciliter", " per kilogram per day"."""
    words = ""
    for below, unit, power in re.findall(_BELOW_ONE, written) if written else ():
        if below.startswith("100"):
            words += f" per {said_unit('one hundred', Decimal(100), 'km', language)}"
            continue
        name = BELOW.get(below) or said_unit("", Decimal(1), unit or below, language)
        if power in ("²", "³") and UNITS[unit].startswith("length-"):
            name = f"{'square' if power == '²' else 'cubic'} {name}"
        elif power in ("²", "³"):
            name += " squared" if power == "²" else " cubed"
        words += f" per {name}"
    return words
