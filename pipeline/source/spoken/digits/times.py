"""Times of day, verses and proportions in English: what has a colon."""

from __future__ import annotations

import re

from pipeline.source.spoken.digits.context import DASH, MONTH, ends_too, rule, word_before
from pipeline.source.spoken.digits.words import cardinal
from pipeline.source.spoken.rules import Rule

_HALF = r"(?: ?(?P<half>[aApP])(?:\.[mM]\.|[mM]\b))"
_SINCE = (
    rf"(?:(?P<since>\d{{1,2}})(?:[:.](?P<since_m>[0-5]\d))?(?: ?(?P<since_half>[aApP])\.?[mM]\.?)? ?(?:{DASH}|to) ?)?"
)
_GOES_ON = re.compile(rf" (?:\(|(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|{MONTH}|[A-Z]{{2,4}})\b)")
_BOOKS = frozenset(
    "genesis exodus leviticus numbers deuteronomy joshua judges ruth samuel kings chronicles ezra nehemiah esther job"
    " psalm psalms proverbs ecclesiastes isaiah jeremiah lamentations ezekiel daniel hosea joel amos obadiah jonah"
    " micah nahum habakkuk zephaniah haggai zechariah malachi matthew mark luke john acts romans corinthians galatians"
    " ephesians philippians colossians thessalonians timothy titus philemon hebrews james peter jude revelation quran"
    " surah".split()
)


def _clock(hours: int, minutes: str, *, half: str = "") -> str:
    if not int(minutes):
        if half:
            return cardinal(str(hours))
        if hours in (0, 24):
            return "midnight"
        return f"{cardinal(str(hours))} o'clock" if hours <= 12 else f"{cardinal(str(hours))} hundred"
    oh = "oh " if minutes[0] in "0٠０" and len(minutes) > 1 else ""
    return f"{cardinal(str(hours))} {oh}{cardinal(str(int(minutes)))}"


def _of_day(match: re.Match[str], half: str) -> str:
    """ "AM" or "PM"; a stop that ends the sentence too stays."""
    if not half:
        return ""
    ends = ends_too(match) and not _GOES_ON.match(match.string, match.end())
    return f" {half.upper()}M{'.' * ends}"


def _time(match: re.Match[str]) -> str | None:
    hours, minutes, seconds, half = int(match["h"]), match["m"], match["s"], match["half"] or ""
    if hours > 24 or int(minutes) > 59 or word_before(match) in _BOOKS:
        return None
    words = _clock(hours, minutes, half=half)
    if seconds:
        words = f"{cardinal(str(hours))} {cardinal(str(int(minutes)))} and {cardinal(str(int(seconds)))} seconds"
    return words + _of_day(match, half)


def _hour(match: re.Match[str]) -> str | None:
    """3 p.m., 9-5 pm, 3.15pm"""
    hours, half = int(match["h"]), match["half"]
    if hours > 24:
        return None
    words = _clock(hours, match["m"] or "00", half=half)
    if match["since"]:
        since_half = match["since_half"]
        since = _clock(int(match["since"]), match["since_m"] or "00", half=half)
        words = f"{since}{f' {since_half.upper()}M' if since_half else ''} to {words}"
    return words + _of_day(match, half)


def _verse(match: re.Match[str]) -> str | None:
    if word_before(match) not in _BOOKS:
        return None
    words = f"{cardinal(match[1])} {cardinal(match[2])}"
    return f"{words} to {cardinal(match[3])}" if match[3] else words


def _proportion(match: re.Match[str]) -> str:
    return " to ".join(cardinal(part) for part in match[0].split(":"))


def _hours_and(match: re.Match[str]) -> str | None:
    """15h30"""
    return _clock(int(match[1]), match[2]) if int(match[1]) < 25 and int(match[2]) < 60 else None


def _military(match: re.Match[str]) -> str:
    """1600 hours"""
    hours = f"zero {cardinal(match[1][1])}" if match[1][0] == "0" else cardinal(match[1])
    return f"{hours} {'hundred' if match[2] == '00' else cardinal(match[2])}"


def _from_to(match: re.Match[str]) -> str | None:
    parts = [part for part in match.groups() if part]
    hours = [int(parts[0]), int(parts[2])]
    if max(hours) > 24 or max(int(parts[1]), int(parts[3])) > 59:
        return None
    return f"{_clock(hours[0], parts[1])} to {_clock(hours[1], parts[3])}"


TIMES: tuple[Rule, ...] = (
    rule(rf"(?<![\w.:])(\d{{1,3}}):(\d{{1,3}})(?:{DASH}(\d{{1,3}}))?(?![\w:])", _verse),
    rule(rf"(?<![\w.,:/]){_SINCE}(?P<h>\d{{1,2}})(?:[:.](?P<m>[0-5]\d))?{_HALF}", _hour),
    rule(rf"(?<![\w.:])(\d{{1,2}}):([0-5]\d) ?{DASH} ?(\d{{1,2}}):([0-5]\d)(?![\w:])", _from_to),
    rule(r"(?<![\w.:])(?P<h>\d{1,2}):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?P<half>(?!))?(?![\w:])", _time),
    rule(r"(?<![\w.,:-])([01][0-9]|2[0-4])([0-5][0-9])(?= hours?\b)", _military),
    rule(r"(?<![\w.:])(\d{1,2})[hH]([0-5]\d)(?!\w)", _hours_and),
    rule(r"(?<![\w.])\d+(?:\.\d+)?(?::\d+(?:\.\d+)?)+(?!\w)", _proportion),
)
