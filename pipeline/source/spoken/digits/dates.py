"""Dates, years and decades in English."""

from __future__ import annotations

import re

from pipeline.source.spoken.digits.context import DASH, MONTH, MONTHS, counts, ends_too, rule, word_before
from pipeline.source.spoken.digits.times import clock
from pipeline.source.spoken.digits.words import cardinal, ordinal, plain, plural, year
from pipeline.source.spoken.rules import Rule

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


def _date(day: int, month: int, written_year: str | None = None) -> str:
    """American order; it needs no "the"."""
    return f"{_NAMES[month - 1]} {ordinal(day)}" + (f", {_years(written_year)}" if written_year else "")


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


def _iso(match: re.Match[str]) -> str | None:
    """2021-03-04, 2021/03/04, 2021-03-04T10:15:00Z"""
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    words = _date(day, month, match[1])
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
    return _date(day, month, match[4]) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _month_and_day(match: re.Match[str], *, american: bool) -> str | None:
    """12/25 is a date after words such as "on", or where it can be no fraction that people use, and so is 03/04."""
    month, day = int(match[1]), int(match[2])
    if (month, day) == (9, 11):
        return None
    used = day <= 12 or day in (16, 20, 24)
    if not american and day <= 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    filled = len(match[1]) == len(match[2]) == 2 and "0" in (match[1][0], match[2][0])
    return _date(day, month) if word_before(match) in _ON_DATES or filled or not used else None


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


def dates(*, american: bool) -> tuple[Rule, ...]:
    """`american`: 3/4 is the fourth of March."""

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
            _iso,
        ),
        rule(r"(?<![\w./-])(\d{1,2})(?P<by>[./-])(\d{1,2})(?P=by)(\d{4}|\d\d)(?![\w]|[./-]\d)", numeric),
        rule(
            rf"(?<![\w.,:/-])(?P<day>{_DAY}){_ORDINAL}?{to}(?: of |[ -])(?P<month>{MONTH})\b\.?{of_year}(?!['’]s)",
            _day_first,
        ),
        rule(rf"\b(?P<month>{MONTH})\.? (?P<day>{_DAY}){_ORDINAL}?(?![\w]|[.,:/]\d){to}{of_year}", _month_first),
        rule(rf"\b(?P<month>{MONTH})\.? (?P<year>{_YEAR})(?!-\d)", _month_of_year),
        rule(r"(?<![\w./-])(\d{1,2})/(\d{1,2})(?![\w]|[./-]\d)", month_and_day),
        rule(
            rf"(?<![\w.,$£€/-])(1[0-9]\d\d|20\d\d)(?:{DASH}|/| {DASH} (?=\d{{4}}(?!\w)))['’]?(\d{{4}}|\d\d?)"
            rf"(?P<further>(?:{DASH}['’]\d\d)*)(?![\w]|[.,:/-]\d|{DASH}\d)",
            _span,
        ),
        rule(r"(?<![\w.,$£€-])(1[0-9])(\d?)(?:[—–]{1,3}|-{2,4}|_{2,4})(?![\w$£€'’])", _blank),
        rule(r"(?<!\w)['’]00s(?!\w)", lambda match: "two thousands"),
        rule(r"(?:(?<![\w])['’])?(?<![\w.,$£€])(?P<decade>1\d\d0|20\d0|[1-9]0)['’]?s(?!\w)", _decade),
        rule(r"(?:(?<=[\s(—–-])|^)['’](\d\d)(?![\w]|['’]|[.,:/]\d)", _short),
        rule(r"(?<![\w.,:/])(\d{1,4})(?= ?(?:B\.?C\.?(?:E\.?)?|C\.?E\.?|A\.?D\.?)(?!\w))", _era),
        rule(r"(?<=\bAD )(\d{1,4})(?![\w]|[.,:/]\d)", _era),
    )


YEARS: tuple[Rule, ...] = (rule(rf"(?<![\w.,:/$£€+−-])(?<!\d[–‑‐]){_YEAR}(?! ?[%°$€£¥]|{DASH}\d)", _bare),)
