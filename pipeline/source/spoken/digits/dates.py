"""Dates, years and decades in English."""

from __future__ import annotations

import re

from pipeline.source.spoken.digits.context import DASH, MONTH, MONTHS, counts, ends_too, rule, word_before
from pipeline.source.spoken.digits.times import clock
from pipeline.source.spoken.digits.words import cardinal, ordinal, plain, plural, year
from pipeline.source.spoken.rules import Family, Rule

_NAMES = [name for name in MONTHS if len(name) > 4 or name in ("May", "June", "July")]
_ORDINAL = r"(?:st|nd|rd|th|(?<=[23])d)"
_DAY = r"(3[01]|[12]\d|0?[1-9])"
_YEAR = r"(1[0-9]\d\d|20\d\d)(?![\w]|[.,:/]\d)"
_IN_YEARS = frozenset(
    "in since until till by year circa c ca around before after during from between late early mid spring summer autumn"
    " fall winter to".split()
) | {name.lower() for name in MONTHS}
_SURELY_YEARS = _IN_YEARS - frozenset("by around before after from between to may".split())
_COUNTED = frozenset("than nearly almost exactly only least most some roughly over under approximately".split())
_HIDDEN = _IN_YEARS - frozenset("between from to after before around about".split()) | frozenset(["year", "anno"])
_CLOSED = frozenset(".,;:)”")
_CLOSES = re.compile(r"['’](?!\w)")
_ON_DATES = frozenset("on by since until till before after from dated date due".split())


def _month(name: str) -> str:
    return _NAMES[MONTHS[name] - 1]


def _years(written: str) -> str:
    """Words for a year of four digits, or of two behind an apostrophe or a slash."""
    written = plain(written)
    if len(written) > 2:
        return year(int(written))
    return f"oh {cardinal(written[1])}".replace("zero", "oh") if written[0] == "0" else cardinal(written)


def _date(match: re.Match[str], day: int, month: int, written_year: str | None = None, *, american: bool) -> str:
    """March fourth, twenty twenty-one; elsewhere the fourth of March twenty twenty-one."""
    if american:
        return f"{_NAMES[month - 1]} {ordinal(day)}" + (f", {_years(written_year)}" if written_year else "")
    the = "" if word_before(match) == "the" else "the "
    return f"{the}{ordinal(day)} of {_NAMES[month - 1]}" + (f" {_years(written_year)}" if written_year else "")


def _day_first(match: re.Match[str]) -> str:
    the = "" if word_before(match) == "the" else "the "
    words = f"{the}{ordinal(int(match['day']))} of {_month(match['month'])}"
    if match["to"]:
        words = f"{the}{ordinal(int(match['day']))} to {the}{ordinal(int(match['to']))} of {_month(match['month'])}"
    return f"{words} {_years(match['year'])}" if match["year"] else f"{words}{'.' * ends_too(match)}"


def _month_first(match: re.Match[str]) -> str:
    words = f"{_month(match['month'])} {ordinal(int(match['day']))}"
    if match["to"]:
        words += f" to {ordinal(int(match['to']))}"
    return f"{words}, {_years(match['year'])}" if match["year"] else words


def _month_of_year(match: re.Match[str]) -> str:
    return f"{_month(match['month'])} {_years(match['year'])}"


def _iso(match: re.Match[str], *, american: bool) -> str | None:
    """2021-03-04, 2021/03/04, 2021-03-04T10:15:00Z"""
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    words = _date(match, day, month, match[1], american=american)
    if match["hours"] is None:
        return words
    seconds = f" and {cardinal(str(int(match['seconds'])))} seconds" if int(match["seconds"] or 0) else ""
    return f"{words}, {clock(int(match['hours']), match['minutes'])}{seconds}{' UTC' * bool(match['zone'])}"


def _numeric(match: re.Match[str], *, american: bool) -> str | None:
    """3/4/2021: the month first in America, unless it cannot be one."""
    first, second = int(match[1]), int(match[3])
    month, day = (first, second) if american and "/" in match[0] else (second, first)
    if month > 12:
        month, day = day, month
    return _date(match, day, month, match[4], american=american) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _month_and_day(match: re.Match[str], *, american: bool) -> str | None:
    """12/25 is a date after words such as "on", or where it can be no fraction that people use, and so is 03/04."""
    first, second = int(match[1]), int(match[2])
    month, day = (first, second) if american or second > 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31) or (first, second) == (9, 11):
        return None
    used = second <= 12 or second in (16, 20, 24)
    filled = len(match[1]) == len(match[2]) == 2 and "0" in (match[1][0], match[2][0])
    is_date = filled or not used or word_before(match) in _ON_DATES
    return _date(match, day, month, american=american) if is_date else None


def _decade(match: re.Match[str]) -> str:
    written = plain(match["decade"])
    return plural(cardinal(written) if len(written) == 2 else year(int(written)))


def _span(match: re.Match[str]) -> str | None:
    """1990-95, 1939-1945, 2021/22, 1861–2, 1863–'64–'65."""
    first, last = plain(match[1]), plain(match[2])
    whole = first[: -len(last)] + last
    if not first < whole or int(whole) > 2199:
        return None
    if counts(match) and len(last) == 4:
        return f"{cardinal(first)} to {cardinal(last)}"
    tens_are_said = len(last) < 4 and first[:3] != "200"  # else "two thousand and one to oh three"
    further = "".join(f" to {_years(digits)}" for digits in re.findall(r"\d\d", match["further"]))
    return f"{_years(first)} to {_years(whole[2:] if tens_are_said else whole)}{further}"


def _bare(match: re.Match[str]) -> str | None:
    """A number from 1100 to 2099 is a year unless something is counted; one from 1000 on after "in" and the like."""
    before, value = word_before(match), int(match[1])
    if value < 1100 and not (value == 1066 and not before) and before not in _IN_YEARS:
        return None
    if (counts(match) and before not in _SURELY_YEARS) or before in _COUNTED:
        return None
    return year(value)


def _era(match: re.Match[str]) -> str:
    return year(int(match[1]))


def _eras(match: re.Match[str]) -> str:
    """100–44 BC, 27 BC–AD 14, AD 14–37: the years go up or down."""
    era = re.sub("[ .]", "", match["era"] or "")
    before = "AD " if match["ad"] else ""
    return f"{year(int(match['first']))}{f' {era}' if era else ''} to {before}{year(int(match['last']))}"


def _of_two_eras(match: re.Match[str]) -> str | None:
    return _eras(match) if match["era"] and match["ad"] else None


def _short(match: re.Match[str]) -> str | None:
    """'99, where the apostrophe opens no quotation: a word before it, or no other that would close one."""
    if counts(match):
        return None
    text, end = match.string, match.end()
    closes = match[0][0] != "’" and _CLOSES.search(text, end, end + 200) is not None
    return _years(match[1]) if word_before(match) or not closes else None


def _blank(match: re.Match[str]) -> str | None:
    """17—, as novels hide a year; "He was 18— I think" is an age."""
    behind = match.string[match.end() : match.end() + 1]
    if word_before(match) not in _HIDDEN and (behind not in _CLOSED or len(match[0].rstrip("—–-_")) > 3):
        return None
    decade = match[2]
    if not decade:
        return f"{cardinal(match[1])} hundred and something"
    return f"{cardinal(match[1])} {'oh' if decade == '0' else cardinal(f'{decade}0')} something"


def _day_of_date(match: re.Match[str]) -> str:
    return _day(match[1])


def _days(match: re.Match[str]) -> str:
    stop = "." * (ends_too(match) and not re.match(r" \d", match.string[match.end() :][:2]))
    return f"{_day(match[1])} to {_day(match[2])}{stop}"


def _months(match: re.Match[str]) -> str | None:
    """Jan–Feb, June–July; "a May-December romance" stays."""
    if "-" in match[0] and max(len(match[1]), len(match[2])) > 4:
        return None
    return f"{_month(match[1])} to {_month(match[2])}{'.' * ends_too(match)}"


def _day(written: str) -> str:
    """Tues: Tuesday"""
    return next(name for name in _WEEK if name.startswith(written[:3]))


def _to_month(match: re.Match[str]) -> str | None:
    """30 June–2 July, 1939–May 1945: the dash alone, as the dates have rules of their own."""
    start = match.start()
    before, is_apart = match.string[max(0, start - 18) : start], match.string[start - 1] == " "
    if not (_ENDS_IN_DAY if is_apart else _ENDS_IN_DATE).search(before):
        return None
    return "to" if match["day"] or (match[0] == "–" and not is_apart) else None


_WEEK = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_WEEKDAY = r"(Mon|Tues?|Wed(?:nes)?|Thu(?:rs?)?|Fri|Sat(?:ur)?|Sun)(?:day)?"
_DAY_OF_MONTH = rf"(?:{_DAY}{_ORDINAL}? {MONTH}\.?|{MONTH}\.? {_DAY}{_ORDINAL}?)(?:,? \d{{4}})?"
_ENDS_IN_DAY = re.compile(rf"\b{_DAY_OF_MONTH} $")
_ENDS_IN_DATE = re.compile(rf"\b(?:{_DAY_OF_MONTH}|{MONTH}\.?|\d{{4}})$")
_ERA = r"(?:B\.?C\.?(?:E\.?)?|C\.?E\.?|A\.?D\.?)"
_ERAS = rf"(?<![\w.,:/])(?P<first>\d{{1,4}})(?: ?(?P<era>{_ERA}))? ?{DASH} ?(?P<ad>A\.?D\.? )?(?P<last>\d{{1,4}})"


def dates(*, american: bool) -> tuple[Rule, ...]:
    """`american`: 3/4 is the fourth of March, and said "March fourth"."""

    def iso(match: re.Match[str]) -> str | None:
        return _iso(match, american=american)

    def numeric(match: re.Match[str]) -> str | None:
        return _numeric(match, american=american)

    def month_and_day(match: re.Match[str]) -> str | None:
        return _month_and_day(match, american=american)

    of_year = rf"(?:(?:,? |-)(?P<year>{_YEAR}))?"
    to = rf"(?: ?(?:{DASH}|to) ?(?P<to>{_DAY})(?!\d){_ORDINAL}?)?"
    return (
        rule(
            r"(?<![\w./-])(\d{4})(?P<by>[./-])(?P<month>\d\d)(?P=by)(?P<day>\d\d)(?!\d|[./-]\d)"
            r"(?:T(?P<hours>[01]\d|2[0-4]):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d)(?:\.\d+)?)?(?P<zone>Z)?(?!\w))?",
            iso,
        ),
        rule(r"(?<![\w./-])(\d{1,2})(?P<by>[./-])(\d{1,2})(?P=by)(\d{4}|\d\d)(?![\w]|[./-]\d)", numeric),
        rule(rf"(?<![\w-]){_WEEKDAY}(?= \d{{1,2}}{_ORDINAL}? {MONTH}\b| {MONTH}\.? \d)", _day_of_date),
        rule(
            rf"(?<![\w.,:/-])(?P<day>{_DAY}){_ORDINAL}?{to}(?: of |[ -])(?P<month>{MONTH})\b\.?{of_year}(?!['’]s)",
            _day_first,
        ),
        rule(rf"\b(?P<month>{MONTH})\.? (?P<day>{_DAY}){_ORDINAL}?(?![\w]|[.,:/]\d){to}{of_year}", _month_first),
        rule(rf"\b(?P<month>{MONTH})\.? (?P<year>{_YEAR})(?!-\d)", _month_of_year),
        rule(r"(?<![\w./-])(\d{1,2})/(\d{1,2})(?![\w]|[./-]\d)", month_and_day),
        rule(rf"{_ERAS}(?= ?{_ERA}(?!\w))", _eras),
        rule(rf"(?:(?<=\bAD )|(?<=\bA\.D\. )){_ERAS}(?![\w%]|[.,:/]\d)", _eras),
        rule(rf"{_ERAS}(?![\w%]|[.,:/]\d)", _of_two_eras),
        rule(
            rf"(?<![\w.,$£€/-])(1[0-9]\d\d|20\d\d)(?:{DASH}|/| {DASH} (?=\d{{4}}(?!\w)))['’]?(\d{{4}}|\d\d?)"
            rf"(?P<further>(?:{DASH}['’]\d\d)*)(?![\w]|[.,:/-]\d|{DASH}\d)",
            _span,
        ),
        rule(r"(?<![\w.,$£€-])(1[0-9])(\d?)(?:[—–]{1,3}|-{2,4}|_{2,4})(?![\w$£€'’])", _blank),
        rule(r"(?<!\w)['’]00s(?!\w)", lambda match: "two thousands"),
        rule(r"(?:(?<![\w])['’])?(?<![\w.,$£€])(?P<decade>1\d\d0|20\d0|[1-9]0)['’]?s(?!\w)", _decade),
        rule(r"(?:(?<=[\s(—–-])|^)['’](\d\d)(?![\w]|['’]|[.,:/]\d)", _short),
        rule(rf"(?<![\w.,:/])(\d{{1,4}})(?= ?{_ERA}(?!\w))", _era),
        rule(r"(?:(?<=\bAD )|(?<=\bA\.D\. ))(\d{1,4})(?![\w]|[.,:/]\d)", _era),
    )


SPANS = Family(
    re.compile(rf"[-–](?= ?(?:\d{{1,2}} )?(?:{MONTH}|{_WEEKDAY}))"),
    (
        rule(rf"(?<![\w./-]){_WEEKDAY}\.?[-–]{_WEEKDAY}\.?(?![\w/-])", _days),
        rule(rf"(?<![\w./-])(?<!\d )({MONTH})\.?[-–]({MONTH})\b\.?(?! \d{{1,2}}(?!\d)|-)", _months),
        rule(rf"(?<=[\w. ])[-–](?= ?(?P<day>{_DAY} )?(?P<month>{MONTH})\b)", _to_month),
    ),
    reach=24,
)
"""From day to day and from month to month: also without digits."""

YEARS: tuple[Rule, ...] = (rule(rf"(?<![\w.,:/$£€+−-])(?<!\d[–‑‐]){_YEAR}(?! ?[%°$€£¥]|{DASH}\d)", _bare),)
