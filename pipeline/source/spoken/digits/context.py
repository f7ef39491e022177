"""What stands around a number, and rules whose words keep their distance from it."""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.source.spoken.rules import Rule
from pipeline.source.spoken.sentences import ends_sentence


def grouped(signs: str, most: str = "") -> str:
    """A pattern of a number whose thousands one of the signs parts, with at most so many of these.

    It begins with the first group and gives none back, so that a long row of groups is not read again at each of them.
    """
    group = rf"[{signs}]\d{{3}}(?!\d)"
    return rf"(?<!(?<!\d)\d{{3}}[{signs}])\d{{1,3}}(?:{group}){{1,{most}}}+(?!{group})"


MOST_SPACED = "5"  # groups behind spaces; more of them are a table
_BY_LAKHS = r"(?<!(?<!\d)\d\d,)\d{1,2}(?:,\d\d(?!\d))++,\d{3}(?!,?\d)"
_BY_SPACES = grouped("\u00a0\u2009\u202f '’", MOST_SPACED)
WHOLE = rf"(?:{grouped(',')}|{_BY_LAKHS}|{_BY_SPACES}|\d++)"
NUMBER = rf"(?:{WHOLE}(?:\.\d++)?|\.\d++)"
ALONE = r"(?<![\w.])"  # before a number that may begin with a point
DECIMAL = r"\d+(?:\.\d+)?"
SPACE = r"[ \u00a0]?"
BEYOND_ASCII = r"[^\x00-\x7f]"
DASH = r"(?:--|[-‐‑‒–—−])"
PLUS_OR_MINUS = r"\+/[-−–] ?"
DASH_AS_MINUS = r"(?<!\S)(?<!\d )–(?! )"  # "–5 °C", as it is often set; a dash between words has a space behind it
SIGN = rf"(?:(?<![\w)\]%-])(?:{PLUS_OR_MINUS}|[-+−±]))?{ALONE}"

MONTHS = {
    short: index
    for index, names in enumerate(
        (
            "January Jan",
            "February Feb",
            "March Mar",
            "April Apr",
            "May",
            "June Jun",
            "July Jul",
            "August Aug",
            "September Sep Sept",
            "October Oct",
            "November Nov",
            "December Dec",
        ),
        1,
    )
    for short in names.split()
}
MONTH = rf"(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})"

_CLINGS_AFTER = frozenset("-‐‑‒–—'\"“‘„«‹([{¿¡")
_CLINGS_BEFORE = frozenset("-‐‑‒–—'\"”’»›)]}.,;:!?…")
_SIGNS = {"-": "minus ", "−": "minus ", "–": "minus ", "+": "plus ", "±": "plus or minus "}
_WORD_BEFORE = re.compile(r"([^\W\d_]+)\.?['’]?[ \u00a0(\"“‘]*$")
_WORD_AFTER = re.compile(r"[ \u00a0]([^\W\d_]+)")
_NO_PLURALS = frozenset("was is has as this us plus thus its does various previous yes perhaps always across".split())
_PLURALS = frozenset("people men women children feet teeth mice sheep fish deer lives folk percent dozen".split())


def rule(pattern: str, say: Callable[[re.Match[str]], str | None], flags: int = 0, needs: str = "") -> Rule:
    """A rule whose words are parted from letters and signs that stand against the match."""

    def parted(match: re.Match[str]) -> str | None:
        words = say(match)
        if not words:
            return words
        text, start, end = match.string, match.start(), match.end()
        before = start and not text[start - 1].isspace() and text[start - 1] not in _CLINGS_AFTER
        after = end < len(text) and not text[end].isspace() and text[end] not in _CLINGS_BEFORE
        return f"{' ' * bool(before)}{words}{' ' * after}"

    return Rule(pattern, parted, flags, needs)


def sign(text: str) -> str:
    """The words for a sign before a number: "-" is "minus "."""
    return _SIGNS["±"] if text.startswith("+/") else _SIGNS.get(text[:1], "")


def word_before(match: re.Match[str]) -> str:
    """The word right before, in lower case, or ""."""
    word = _WORD_BEFORE.search(match.string, max(0, match.start() - 24), match.start())
    return word[1].lower() if word else ""


def word_after(match: re.Match[str]) -> str:
    """The word right after a space, as it is written, or ""."""
    word = _WORD_AFTER.match(match.string, match.end())
    return word[1] if word else ""


def counts(match: re.Match[str]) -> bool:
    """Whether the word after is one of several things: "people", "houses"."""
    word = word_after(match)
    if not word.islower():
        return False
    return word in _PLURALS or (len(word) > 3 and word.endswith("s") and word not in _NO_PLURALS and word[-2] != "s")


_ON_DASH = re.compile(r"[-–—]+ ?[\"“‘']?[A-Z]")


def ends_too(match: re.Match[str]) -> bool:
    """Whether the stop at the end of a match, that of an abbreviation, ends a sentence too: "May 4, 9 p.m. Then"."""
    if not match[0].endswith("."):
        return False
    end = match.end()
    return ends_sentence(match.string, end) or _ON_DASH.match(match.string, end) is not None
