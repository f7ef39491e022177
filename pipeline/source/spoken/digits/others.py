"""Numbers of languages other than English, as far as num2words and babel have words for them.

Cardinals, decimals, years, days of months, money, units, percentages, times of day, ranges. What has no word in the
language stays as it is written. Words are in their base form: num2words knows no cases (Russian days are an exception).
"""

from __future__ import annotations

import datetime
import re

from pipeline.source.spoken.digits.context import DASH
from pipeline.source.spoken.digits.counted import IN_HUNDREDS, TO, CountedLanguage
from pipeline.source.spoken.digits.hours import hours
from pipeline.source.spoken.digits.marks import marks
from pipeline.source.spoken.digits.millions import Millions
from pipeline.source.spoken.digits.money import CODE_OF_SIGN, MONEY_SIGN
from pipeline.source.spoken.digits.ordinals import german_ordinal, ordinals
from pipeline.source.spoken.digits.units import UNIT, UNITS
from pipeline.source.spoken.digits.words import converter, currency, measured
from pipeline.source.spoken.rules import Rule

_MINUS = {"pl": "minus", "cs": "minus", "sk": "minus"}  # num2words fails there
_OF = {"es": "de ", "pt": "de ", "ca": "de ", "it": "di ", "fr": "de "}  # millions of
_ORDINAL_DAYS = frozenset("de da no nb nn fi ru".split())


def others(language: str) -> tuple[Rule, ...]:
    """The rules of a language that num2words has; those it cannot count in have none."""
    if converter(language) is None:
        return ()
    numbers = CountedLanguage(language)
    dates = _dates(numbers) if numbers.locale else ()
    counted = (*_money(numbers), *_measures(numbers)) if numbers.locale else ()
    return (
        *dates,
        *hours(numbers),
        *_decades(numbers),
        *ordinals(language),
        *marks(numbers),
        *counted,
        *_plain(numbers),
    )


def _dates(numbers: CountedLanguage) -> tuple[Rule, ...]:
    from babel.dates import format_date, get_month_names

    assert numbers.locale is not None
    names = {name for name in get_month_names("wide", locale=numbers.locale).values() if not re.search(r"\d", name)}

    def day(match: re.Match[str], place: re.Match[str]) -> str | None:
        is_first = match["day"] == "1" and (numbers.base in ("fr", "it") or match["dot"] in ("º", "°", ".º"))
        ordinal = numbers.base in _ORDINAL_DAYS or is_first
        number = int(match["day"])
        words = _ordinal(numbers, number, place) if ordinal else numbers.say(number)
        year = numbers.year(int(match["year"])) if match["year"] else ""
        of = match["of"] or ""
        return None if words is None or year is None else f"{words} {match['month']}{of} {year}".strip()

    written = re.compile(
        rf"(?P<day>\d{{1,2}})(?P<dot>\.?[º°]|\.|er)?(?P<month>(?: d[ei])? (?:{'|'.join(sorted(names)) or '(?!)'}))"
        rf"(?:(?P<of> del?)? (?P<year>[12]\d{{3}})(?!\w))?",
        re.IGNORECASE,
    )

    def numeric(match: re.Match[str]) -> str | None:
        parts = {key: int(number) for key, number in match.groupdict().items()}
        try:
            date = datetime.date(parts["year"], parts["month"], parts["day"])
        except ValueError:
            return None
        written_out = format_date(date, "long", locale=numbers.locale)
        in_words = written.search(written_out)
        said = day(in_words, match) if in_words else None
        return said and " ".join(said.split())

    def named(match: re.Match[str]) -> str | None:
        said = day(match, match)
        return said and " ".join(said.split())

    iso = r"(?<![\w-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\w-])"
    short = r"(?<![\w./-])(?P<day>\d{1,2})([./-])(?P<month>\d{1,2})\2(?P<year>\d{4})(?![\w]|[./-]\d)"
    return (
        numbers.rule(rf"(?<![\w.,]){written.pattern}(?!\w)", named, re.IGNORECASE),
        numbers.rule(iso, numeric),
        numbers.rule(short, numeric),
    )


def _ordinal(numbers: CountedLanguage, number: int, place: re.Match[str]) -> str | None:
    """Of a day, with the ending that what stands before the place in the text asks for."""
    if numbers.base == "ru":
        from num2words import num2words

        return str(num2words(number, lang="ru", to="ordinal", case="g", gender="n"))
    if numbers.base == "de":  # dritter Juni, der dritte Juni, am dritten Juni
        return german_ordinal(number, place, "Juni")
    return numbers.say(number, "ordinal")


def _money(numbers: CountedLanguage) -> tuple[Rule, ...]:
    millions = Millions(numbers.base, numbers.say)

    def amount(match: re.Match[str]) -> str | None:
        written = match["amount"]
        whole, _, cents = written.partition(numbers.point)
        code = CODE_OF_SIGN.get(match["sign"], match["sign"]).replace("$", "USD")
        exact = len(cents) == 2 and not match["scale"]
        value = numbers.value(whole if exact else written) * (1_000_000 if match["scale"] else 1)
        name = currency(code, value, numbers.language)  # of the whole ones, where cents follow
        words = numbers.words(whole if exact else written)
        if words is None or name is None:
            return None
        if numbers.base == "de" and words == "eins":
            words = "ein"
        if numbers.base in ("es", "it"):
            words = re.sub(r"\buno$", "un", words).replace("veintiuno", "veintiún")
        if match["scale"]:
            words = millions.words(
                words, numbers.value(written), re.sub(r"[ \u00a0]d(?:[ei]|['’])$", "", match["scale"])
            )
        minutiae = f" {numbers.say(int(cents))}" if exact and int(cents) else ""
        of = _OF.get(numbers.base, "") if match["scale"] else ""
        if numbers.base == "fr" and of and name[0].lower() in "aeiouhéè":
            of = "d'"
        return f"{words} {of}{name}{minutiae}"

    def many(match: re.Match[str]) -> str | None:
        """3 Mrd. Euro, with what is counted, as no sentence ends before it."""
        words = millions.words(numbers.words(match["amount"]) or "", numbers.value(match["amount"]), match["scale"])
        since = f"{numbers.words(match['since'])} {TO.get(numbers.base, '')} " if match["since"] else ""
        return words and f"{since}{words}{match['counted'] or ''}"

    scaled = rf"(?P<scale>{millions.any}(?:[ \u00a0]d[ei](?= ?{MONEY_SIGN})|[ \u00a0]d['’](?={MONEY_SIGN}))?)?"
    counted = r"(?P<counted>(?<=\.)[ \u00a0][^\W\d_]+)?"
    since = rf"(?:(?P<since>{numbers.number})(?:{DASH}))?" if numbers.base in TO else "(?P<since>(?!))?"
    return (
        numbers.rule(rf"(?<!\w)(?P<sign>{MONEY_SIGN})[ \u00a0]?(?P<amount>{numbers.number}){scaled}", amount),
        numbers.rule(rf"(?<![\w.,])(?P<amount>{numbers.number}){scaled}[ \u00a0]?(?P<sign>{MONEY_SIGN})(?!\w)", amount),
        numbers.rule(rf"(?<![\w.,]){since}(?P<amount>{numbers.number})(?P<scale>{millions.short}){counted}", many),
    )


def _measures(numbers: CountedLanguage) -> tuple[Rule, ...]:
    def unit(match: re.Match[str]) -> str | None:
        words, name = numbers.words(match["amount"]), UNITS.get(match["unit"], "concentr-percent")
        minus = _minus(numbers) if match["minus"] else ""
        if words is None or minus is None or name[0] == "=":
            return None
        if match["since"]:
            words = f"{numbers.words(match['since'])} {TO[numbers.base]} {words}"
        said = measured(words, numbers.value(match["amount"]), name, numbers.language)
        return said and f"{minus} {said}".strip()

    since = rf"(?:(?P<since>{numbers.number}) ?{DASH} ?)?" if numbers.base in TO else "(?P<since>(?!))?"
    pattern = (
        rf"(?:(?<![\w)\].,])(?P<minus>[-−])|(?<![\w.,])){since}(?P<amount>{numbers.number})[ \u00a0]?"
        rf"(?P<unit>{UNIT}|%)(?!{numbers.letter}|[/^²³])"
    )
    return (numbers.rule(pattern, unit),)


def _decades(numbers: CountedLanguage) -> tuple[Rule, ...]:
    """die 1920er Jahre, anni '90."""

    def german(match: re.Match[str]) -> str | None:
        words = numbers.year(int(match[1]))
        return words and f"{words}er{match[2] or ''}"

    def swedish(match: re.Match[str]) -> str | None:
        words = numbers.year(int(match[1]))
        return words and f"{words}tal{match[2]}"

    def short(match: re.Match[str]) -> str | None:
        return numbers.say(int(match[1]))

    rules = [numbers.rule(r"(?<!\w)['’](\d\d)(?![\w'’]|[.,]\d)", short)]
    if numbers.base == "de":
        rules.append(numbers.rule(r"(?<![\w.,])['’]?(\d{1,4})er(n|s)?(?!\w)", german))
    if numbers.base == "sv":
        rules.append(numbers.rule(r"(?<![\w.,])(\d{1,4})-?tal(\w{0,4})(?!\w)", swedish))
    return tuple(rules)


def _are_years(first: str, last: str) -> bool:
    """1914–1918, 1914–18"""
    if len(last) == 2:
        last = first[:2] + last
    return all(re.fullmatch(r"(?:1[1-9]|20)\d\d", one) for one in (first, last)) and first < last


def _minus(numbers: CountedLanguage) -> str | None:
    """The word before a number below zero."""
    return (numbers.say(-5) or _MINUS.get(numbers.base, "")).removesuffix(numbers.say(5) or "").strip() or None


def _plain(numbers: CountedLanguage) -> tuple[Rule, ...]:
    def number(match: re.Match[str]) -> str | None:
        written = match[0].lstrip("-−")
        words = numbers.words(written)
        if words is None or written == match[0]:
            return words
        minus = _minus(numbers)
        return minus and f"{minus} {words}"

    def span(match: re.Match[str]) -> str | None:
        are_years = numbers.base in IN_HUNDREDS and _are_years(*match.groups())
        first, last = (numbers.year(int(one)) if are_years else numbers.words(one) for one in match.groups())
        return f"{first} {TO[numbers.base]} {last}" if first and last else None

    def bare_year(match: re.Match[str]) -> str | None:
        return numbers.year(int(match[0]))

    rules: list[Rule] = []
    if numbers.base in TO:
        rules.append(numbers.rule(rf"(?<![\w.,])({numbers.number}){DASH}({numbers.number})(?![\w])", span))
    if numbers.base in IN_HUNDREDS:
        rules.append(numbers.rule(r"(?<![\w.,:/-])1[1-9]\d\d(?!\w|[.,:-]\d|/\d(?!\d(?!\d)))", bare_year))  # 1914/18
    return (
        *rules,
        numbers.rule(rf"(?:(?<![\w)\]])[-−])?(?<![\d.,]){numbers.number}", number),
        numbers.rule(r"\d+", number),
        numbers.rule(r"\d", number),
    )
