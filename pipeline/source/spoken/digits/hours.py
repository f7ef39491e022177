"""Times of day in languages other than English: "15:30 Uhr", "7h30", "a las 7.30 h".

In: a language. Out: rules. With a stop it is a time where a word for hours stands beside it; elsewhere it is a number.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.digits.context import word_before
from pipeline.source.spoken.digits.counted import CountedLanguage
from pipeline.source.spoken.rules import Rule

_BETWEEN = {"de": "Uhr", "fr": "heures", "nl": "uur", "es": "y", "it": "e", "pt": "e", "pl": "", "ru": "", "sv": ""}
_SIGNS = {"ja": ("時", "分"), "ko": ("시", "분")}
_ALWAYS_MARKED = frozenset("de fr nl".split())  # "fifteen o'clock" is the hour with that word
_MARKS = {"de": "Uhr|h", "fr": "heures?|h", "nl": "uur|u|h", "es": "horas?|hs?", "it": "ore|h", "pt": "horas?|hs?"}
_OPENERS = {
    "de": {"um"},
    "fr": {"à", "vers", "dès"},
    "es": {"las", "la"},
    "it": {"alle", "dalle", "ore", "h"},
    "pt": {"às"},
}
_HOURS_ARE_FEMININE = {"es": ("uno", "una"), "fr": ("un", "une"), "it": ("uno", "una"), "pt": ("um", "uma")}


def hours(numbers: CountedLanguage) -> tuple[Rule, ...]:
    """The rules of a language for times of day."""
    base, letter = numbers.base, numbers.letter
    openers = _OPENERS.get(base, set())

    def time(match: re.Match[str]) -> str | None:
        hour, minute = int(match["hour"]), int(match["minute"])
        if hour > 24:
            return None
        return _words(numbers, hour, minute, is_marked=bool(match["mark"]))

    def stopped(match: re.Match[str]) -> str | None:
        return time(match) if match["mark"] or word_before(match) in openers else None

    def alone(match: re.Match[str]) -> str | None:
        """à 21h"""
        is_time = int(match["hour"]) <= 24 and word_before(match) in openers
        return _words(numbers, int(match["hour"]), 0, is_marked=True) if is_time else None

    marks = rf"(?:[ \u00a0]?(?P<mark>{_MARKS.get(base, '(?!)')}))?(?![{letter}:])"
    before = rf"(?<![{letter}.:,])"
    rules = [numbers.rule(rf"{before}(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d){marks}(?![.,]\d)", time)]
    amount = r"(?![.,]\d| ?[€$£%])"
    if base in _MARKS:
        if numbers.point == ",":  # else 3.50 h are three and a half hours
            rules.append(numbers.rule(rf"{before}(?P<hour>\d{{1,2}})\.(?P<minute>[0-5]\d){marks}{amount}", stopped))
        rules.append(numbers.rule(rf"{before}(?P<hour>\d{{1,2}}) ?(?P<mark>h) ?(?P<minute>[0-5]\d)(?!\w)", time))
        rules.append(numbers.rule(rf"{before}(?P<hour>\d{{1,2}}) ?h(?!\w)", alone))
    return tuple(rules)


def _words(numbers: CountedLanguage, hour: int, minute: int, *, is_marked: bool) -> str | None:
    said, minutes = numbers.say(hour), numbers.say(minute) if minute else ""
    if said is None or minutes is None:
        return None
    base, between = numbers.base, _BETWEEN.get(numbers.base, "")
    if base in _SIGNS:
        hour_sign, minute_sign = _SIGNS[base]
        return f"{said}{hour_sign}" + (f" {minutes}{minute_sign}" if minute else "")
    if base == "de" and hour == 1:
        said = "ein"
    if base in _HOURS_ARE_FEMININE:
        masculine, feminine = _HOURS_ARE_FEMININE[base]
        said = re.sub(rf"{masculine}$", feminine, said) if base != "it" or hour == 1 else said
    if base == "pt":
        said = re.sub("dois$", "duas", said)
    if base == "fr" and hour < 2:
        between = "heure"
    if base in ("es", "pt") and is_marked:  # as announced: "siete treinta horas", "sete horas e trinta"
        word = "hora" if hour == 1 and not (base == "es" and minute) else "horas"
        if base == "es":
            return " ".join(f"{said} {minutes} {word}".split())
        return f"{said} {word} e {minutes}" if minute else f"{said} {word}"
    if not minute and base not in _ALWAYS_MARKED:
        return said
    return " ".join(f"{said} {between} {minutes}".split())
