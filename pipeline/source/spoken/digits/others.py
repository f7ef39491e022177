"""Numbers of languages other than English, as far as num2words and babel have words for them.

Cardinals, decimals, years, days of months, money, units, percentages, times of day, ranges. What has no word in the
language stays as it is written. Words are in their base form: num2words knows no cases (Russian days are an exception).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal

from pipeline.source.spoken.digits.context import DASH, MOST_SPACED, grouped, rule
from pipeline.source.spoken.digits.millions import Millions
from pipeline.source.spoken.digits.money import CODE_OF_SIGN, MONEY_SIGN
from pipeline.source.spoken.digits.ordinals import german_ordinal, ordinals
from pipeline.source.spoken.digits.units import UNIT, UNITS
from pipeline.source.spoken.digits.words import (
    converter,
    currency,
    locale_of,
    measured,
    number_words,
    one_by_one,
    plain,
)
from pipeline.source.spoken.rules import Rule

# Where the word for "to" wants a case that num2words does not know, as in Russian, the dash stays.
_TO = {"de": "bis", "fr": "à", "es": "a", "it": "a", "pt": "a", "nl": "tot", "sv": "till", "da": "til"}
_TO |= {"no": "til", "nb": "til", "nn": "til", "ca": "a", "ro": "la", "id": "sampai"}
_MINUS = {"pl": "minus", "cs": "minus", "sk": "minus"}  # num2words fails there
# Where num2words says "punto" for a comma, or has no word for it.
_POINT = {("es", ","): "coma", ("ca", ","): "coma", ("it", ","): "virgola", ("it", "."): "punto"}
_POINT |= {("ar", "."): "فاصلة", ("cy", "."): "pwynt"}
_OF = {"es": "de ", "pt": "de ", "ca": "de ", "it": "di ", "fr": "de "}  # millions of
_CLOCK = {"de": "Uhr", "fr": "heures", "nl": "uur", "es": "y", "it": "e", "pt": "e", "pl": "", "ru": "", "sv": ""}
_CLOCK_SIGNS = {"ja": ("時", "分"), "ko": ("시", "분")}
_HOURS_ALONE = frozenset("de fr nl".split())  # "fifteen o'clock" is the hour with that word
_IN_HUNDREDS = frozenset("de nl da no nb nn sv".split())  # 1984 as a year is nineteen hundreds
_ORDINAL_DAYS = frozenset("de da no nb nn fi ru".split())
UNSPACED = frozenset("ja zh yue th lo km my".split())


class _Numbers:
    """What the numbers of one language look like, and their words."""

    def __init__(self, language: str) -> None:
        from babel.numbers import get_decimal_symbol, get_group_symbol

        self.language, self.base = language, language.lower().replace("_", "-").partition("-")[0]
        self.locale = locale_of(language)
        point = get_decimal_symbol(self.locale) if self.locale else "."
        group = get_group_symbol(self.locale) if self.locale else ","
        self.point = point if point in (".", ",") else "."
        groups = re.escape(group) + ("  \u00a0\u202f\u2009" if group.isspace() else "")
        self.whole = rf"(?:{grouped(groups, MOST_SPACED if group.isspace() else '')}|\d++)"
        self.number = rf"(?:{self.whole}(?:{re.escape(self.point)}\d++)?)"

    def value(self, written: str) -> Decimal:
        return Decimal(
            re.sub(
                r"[^\d.]", "", plain(written).replace(".", "" if self.point == "," else ".").replace(self.point, ".")
            )
        )

    def words(self, written: str) -> str | None:
        """Cardinal words, digit by digit for what begins with zeros or is very long; None where there are none."""
        whole = plain(written).partition(self.point)[0]
        if (len(whole) > 1 and whole[0] == "0") or len(whole) > 15:
            return one_by_one(whole, self.language) if written.isdecimal() else None
        value = self.value(written)
        if (point := _POINT.get((self.base, self.point))) and self.point in written:
            decimals = one_by_one(plain(written).partition(self.point)[2], self.language)
            return f"{self.say(int(value))} {point} {decimals}"
        return self.say(int(value) if value == value.to_integral() and self.point not in written else value)

    def say(self, number: int | Decimal, to: str = "cardinal") -> str | None:
        return number_words(number, to, self.language)


def others(language: str) -> tuple[Rule, ...]:
    """The rules of a language that num2words has; those it cannot count in have none."""
    if converter(language) is None:
        return ()
    numbers = _Numbers(language)
    dates = _dates(numbers) if numbers.locale else ()
    counted = (*_money(numbers), *_measures(numbers)) if numbers.locale else ()
    return (*dates, *_times(numbers), *_decades(numbers), *ordinals(language), *counted, *_plain(numbers))


def _rule(numbers: _Numbers, pattern: str, say: Callable[[re.Match[str]], str | None], flags: int = 0) -> Rule:
    """A rule; where words are not parted by spaces, nothing is."""
    if numbers.base == "ko":  # particles stand against words
        return Rule(pattern, say, flags)
    if numbers.base not in UNSPACED:
        return rule(pattern, say, flags)

    def unspaced(match: re.Match[str]) -> str | None:
        words = say(match)
        return words and words.replace(" ", "")

    return Rule(pattern, unspaced, flags)


def _dates(numbers: _Numbers) -> tuple[Rule, ...]:
    from babel.dates import format_date, get_month_names

    assert numbers.locale is not None
    names = {name for name in get_month_names("wide", locale=numbers.locale).values() if not re.search(r"\d", name)}

    def day(match: re.Match[str]) -> str | None:
        is_first = match["day"] == "1" and (numbers.base in ("fr", "it") or match["dot"] in ("º", "°", ".º"))
        ordinal = numbers.base in _ORDINAL_DAYS or is_first
        number = int(match["day"])
        words = _ordinal(numbers, number, match) if ordinal else numbers.say(number)
        year = _year(numbers, int(match["year"])) if match["year"] else ""
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
        said = day(in_words) if in_words else None
        return said and " ".join(said.split())

    def named(match: re.Match[str]) -> str | None:
        said = day(match)
        return said and " ".join(said.split())

    iso = r"(?<![\w-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\w-])"
    short = r"(?<![\w./-])(?P<day>\d{1,2})([./-])(?P<month>\d{1,2})\2(?P<year>\d{4})(?![\w]|[./-]\d)"
    return (
        _rule(numbers, rf"(?<![\w.,]){written.pattern}(?!\w)", named, re.IGNORECASE),
        _rule(numbers, iso, numeric),
        _rule(numbers, short, numeric),
    )


def _ordinal(numbers: _Numbers, number: int, match: re.Match[str]) -> str | None:
    if numbers.base == "ru":
        from num2words import num2words

        return str(num2words(number, lang="ru", to="ordinal", case="g", gender="n"))
    if numbers.base == "de":  # dritter Juni, der dritte Juni, am dritten Juni
        return german_ordinal(number, match, "Juni")
    return numbers.say(number, "ordinal")


def _year(numbers: _Numbers, number: int) -> str | None:
    if numbers.base == "sv" and 1100 <= number < 2000:
        return f"{numbers.say(number // 100)}hundra{numbers.say(number % 100) if number % 100 else ''}"
    if numbers.base in _IN_HUNDREDS and 1100 <= number < 2000:
        return numbers.say(number, "year")
    return numbers.say(number)


def _times(numbers: _Numbers) -> tuple[Rule, ...]:
    between = _CLOCK.get(numbers.base, "")

    def time(match: re.Match[str]) -> str | None:
        hours, minutes = (numbers.say(int(part)) for part in (match[1], match[2]))
        if hours is None or int(match[1]) > 24:
            return None
        if numbers.base in _CLOCK_SIGNS:
            hour, minute = _CLOCK_SIGNS[numbers.base]
            return f"{hours}{hour}" + (f" {minutes}{minute}" if int(match[2]) else "")
        if numbers.base == "de" and int(match[1]) == 1:
            hours = "ein"
        if not int(match[2]):
            return f"{hours} {between}" if numbers.base in _HOURS_ALONE else hours
        return " ".join(f"{hours} {between} {minutes}".split())

    suffix = rf"(?: ?(?:{between}|h))?" if numbers.base in _HOURS_ALONE else ""
    letter = r"\d" if numbers.base in _CLOCK_SIGNS else r"\w"  # no spaces part words there
    rules = [_rule(numbers, rf"(?<![{letter}.:,])(\d{{1,2}}):([0-5]\d)(?![{letter}:]){suffix}(?!{letter})", time)]
    if numbers.base in _HOURS_ALONE:
        rules.append(_rule(numbers, rf"(?<![\w.:,])(\d{{1,2}})[.](0\d|[1-5]\d) (?:{between})\b", time))
        rules.append(_rule(numbers, r"(?<![\w.:,])(\d{1,2}) ?h ?([0-5]\d)(?!\w)", time))
    return tuple(rules)


def _money(numbers: _Numbers) -> tuple[Rule, ...]:
    millions = Millions(numbers.base, numbers.say)

    def amount(match: re.Match[str]) -> str | None:
        written = match["amount"]
        whole, _, cents = written.partition(numbers.point)
        code = CODE_OF_SIGN.get(match["sign"], match["sign"]).replace("$", "USD")
        value = numbers.value(written) * (1_000_000 if match["scale"] else 1)
        name = currency(code, value, numbers.language)
        exact = len(cents) == 2 and not match["scale"]
        words = numbers.words(whole if exact else written)
        if words is None or name is None:
            return None
        if numbers.base == "de" and words == "eins":
            words = "ein"
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
        since = f"{numbers.words(match['since'])} {_TO.get(numbers.base, '')} " if match["since"] else ""
        return words and f"{since}{words}{match['counted'] or ''}"

    scaled = rf"(?P<scale>{millions.any}(?:[ \u00a0]d[ei](?= ?{MONEY_SIGN})|[ \u00a0]d['’](?={MONEY_SIGN}))?)?"
    counted = r"(?P<counted>(?<=\.)[ \u00a0][^\W\d_]+)?"
    since = rf"(?:(?P<since>{numbers.number})(?:{DASH}))?" if numbers.base in _TO else "(?P<since>(?!))?"
    return (
        _rule(numbers, rf"(?<!\w)(?P<sign>{MONEY_SIGN})[ \u00a0]?(?P<amount>{numbers.number}){scaled}", amount),
        _rule(
            numbers, rf"(?<![\w.,])(?P<amount>{numbers.number}){scaled}[ \u00a0]?(?P<sign>{MONEY_SIGN})(?!\w)", amount
        ),
        _rule(numbers, rf"(?<![\w.,]){since}(?P<amount>{numbers.number})(?P<scale>{millions.short}){counted}", many),
    )


def _measures(numbers: _Numbers) -> tuple[Rule, ...]:
    def unit(match: re.Match[str]) -> str | None:
        words, name = numbers.words(match["amount"]), UNITS[match["unit"]]
        if words is None or name[0] == "=":
            return None
        if match["since"]:
            words = f"{numbers.words(match['since'])} {_TO[numbers.base]} {words}"
        return measured(words, numbers.value(match["amount"]), name, numbers.language)

    since = rf"(?:(?P<since>{numbers.number}) ?{DASH} ?)?" if numbers.base in _TO else "(?P<since>(?!))?"
    pattern = rf"(?<![\w.,]){since}(?P<amount>{numbers.number})[ \u00a0]?(?P<unit>{UNIT})(?![\w/^²³])"
    return (_rule(numbers, pattern, unit),)


def _decades(numbers: _Numbers) -> tuple[Rule, ...]:
    """die 1920er Jahre, anni '90."""

    def german(match: re.Match[str]) -> str | None:
        words = _year(numbers, int(match[1]))
        return words and f"{words}er{match[2] or ''}"

    def swedish(match: re.Match[str]) -> str | None:
        words = _year(numbers, int(match[1]))
        return words and f"{words}tal{match[2]}"

    def short(match: re.Match[str]) -> str | None:
        return numbers.say(int(match[1]))

    rules = [_rule(numbers, r"(?<!\w)['’](\d\d)(?![\w'’]|[.,]\d)", short)]
    if numbers.base == "de":
        rules.append(_rule(numbers, r"(?<![\w.,])['’]?(\d{1,4})er(n|s)?(?!\w)", german))
    if numbers.base == "sv":
        rules.append(_rule(numbers, r"(?<![\w.,])(\d{1,4})-?tal(\w{0,4})(?!\w)", swedish))
    return tuple(rules)


def _plain(numbers: _Numbers) -> tuple[Rule, ...]:
    def number(match: re.Match[str]) -> str | None:
        written = match[0].lstrip("-−")
        words = numbers.words(written)
        if words is None or written == match[0]:
            return words
        minus = (numbers.say(-5) or _MINUS.get(numbers.base, "")).removesuffix(numbers.say(5) or "").strip()
        return f"{minus} {words}" if minus else None

    def span(match: re.Match[str]) -> str | None:
        are_years = numbers.base in _IN_HUNDREDS and all(re.fullmatch(r"1[1-9]\d\d", one) for one in match.groups())
        first, last = (_year(numbers, int(one)) if are_years else numbers.words(one) for one in match.groups())
        return f"{first} {_TO[numbers.base]} {last}" if first and last else None

    def bare_year(match: re.Match[str]) -> str | None:
        return _year(numbers, int(match[0]))

    rules: list[Rule] = []
    if numbers.base in _TO:
        rules.append(_rule(numbers, rf"(?<![\w.,])({numbers.number}){DASH}({numbers.number})(?![\w])", span))
    if numbers.base in _IN_HUNDREDS:
        rules.append(_rule(numbers, r"(?<![\w.,:/-])1[1-9]\d\d(?!\w|[.,:/-]\d)", bare_year))
    return (
        *rules,
        _rule(numbers, rf"(?:(?<![\w)\]])[-−])?(?<![\d.,]){numbers.number}", number),
        _rule(numbers, r"\d+", number),
        _rule(numbers, r"\d", number),
    )
