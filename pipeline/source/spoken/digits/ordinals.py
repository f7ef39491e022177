"""Ordinals of languages other than English, with the gender and the ending that what stands beside them asks for.

In: a number, and where it stands. Out: words such as "dritten", "seconda", "tercer"; None where num2words has none. The
base form where nothing tells: "drittes Kapitel", but "Er ist 3." stays a number.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.digits.context import rule
from pipeline.source.spoken.digits.words import number_words
from pipeline.source.spoken.rules import Rule
from pipeline.source.spoken.scripts import base_language
from pipeline.source.spoken.sentences import ends_sentence


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_GERMAN_NOUNS = (
    dict.fromkeys(
        "Akt Teil Band Aufzug Auftritt Weltkrieg Satz Gesang Platz Stock Tag Monat Geburtstag Jahrestag Versuch"
        " Spieltag Mann Rang Grad Kreuzzug Kongress Parteitag Senat Advent Sonntag Bezirk Abschnitt Artikel Lauf Sieg"
        " Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
        "m",
    )
    | dict.fromkeys(
        "Szene Klasse Etage Auflage Ausgabe Liga Bundesliga Runde Woche Stufe Strophe Reihe Person Generation Etappe"
        " Sitzung Stunde Minute Sekunde Staffel Folge Symphonie Sinfonie Republik Armee Division Kompanie Hand Ehe"
        " Linie Stelle Dimension Dynastie Internationale Abteilung".split(),
        "f",
    )
    | dict.fromkeys(
        "Kapitel Buch Jahrhundert Jh Jahrtausend Stück Kind Mal Semester Quartal Jahr Lebensjahr Reich Gebot Bild"
        " Konzert Bataillon Regiment Korps Tor Drittel Viertel Obergeschoss Stockwerk".split(),
        "n",
    )
)
_STRONG = {"m": "er", "f": "e", "n": "es"}
_POSSESSIVES = "mein dein sein ihr unser euer ein kein".split()
_WEAK = {
    "e": "die das diese dieses dieser jene jenes jener jede jedes jeder ins ans aufs fürs ums durchs",
    "en": "am vom zum im dem den des beim zur ab bis seit ersten diesem diesen jedem jeden jenem",
}
_ENDINGS = {word: ending for ending, words in _WEAK.items() for word in words.split()} | {
    f"{stem.replace('euer', 'eur')}{end}": "e" if end == "e" else "en"
    for stem in _POSSESSIVES
    for end in ("e", "em", "en", "er", "es")
}
_BEFORE_DATIVES = _set("in mit von aus zu bei nach seit auf an vor hinter neben zwischen über unter während wegen")
_GERMAN_OPENERS = _set(
    "Er Sie Es Der Die Das Den Dem Ein Eine Im In Am An Auf Und Aber Doch Als Da Dann Nach Vor Mit Von Zu Wir Ich Ihr"
    " Man Diese Dieser Dieses So Wie Was Wer Wo Wenn Nun Jetzt Auch Nicht Seine Ihre Bei Bis Damals Heute Hier Dort"
    " Danach"
)
_BEFORE = re.compile(r"(?:(?P<first>[^\W\d_]+) )?(?P<last>[^\W\d_]+) $")
_WITH_ANOTHER = re.compile(r"(?<!\d)(?:\d{1,2}\.)?\d{1,4}\. (?:und|oder|bis|sowie) $")
_NEXT = re.compile(r" ([^\W\d_]+)(?: ([^\W\d_]+))?")
_STOPPED = _set("da no nb nn fi hu tr sl pl")  # languages that write "5." before a noun
_SIGNS = {
    "fr": r"(?P<f>re|ère|res|ères|nde|ndes)|ers?|nds?|i?[eè]mes?|es?",
    "es": r"\.?(?:º|(?P<f>ª)|(?P<short>er))",
    "it": r"º|°(?= [a-z])(?! [CF]\b)|(?P<f>ª)",
    "pt": r"\.?(?:º|(?P<f>ª))",
    "nl": r"e|de|ste",
    "sv": r":a|:e",
}


def ordinal_words(number: int, language: str, gender: str = "m") -> str | None:
    """The words in a gender, "m" or "f", or "short" as Spanish has it before a noun ("tercer")."""
    words = number_words(number, "ordinal", language)
    base = base_language(language)
    if words is None:
        return None
    if gender == "short":
        return re.sub(r"(prime|terce)ro$", r"\1r", words)
    if gender == "f" and base in ("es", "pt", "it"):
        return re.sub(r"o\b", "a", words)
    if gender == "f" and base == "fr":
        return words.replace("premier", "première")
    return words


def german_ordinal(number: int, match: re.Match[str], noun: str = "") -> str | None:
    """With the ending that what stands before the match asks for; None where neither that nor the noun tells."""
    words = number_words(number, "ordinal", "de")
    gender = _GERMAN_NOUNS.get(noun, "")
    ending = _german_ending(match, gender) or _STRONG.get(gender)
    return f"{words.removesuffix('e')}{ending}" if words and ending else None


def german_noun(match: re.Match[str]) -> str:
    """The noun behind a match, with an adjective before it at most, or ""."""
    following = _NEXT.match(match.string, match.end())
    return next((word for word in following.groups() if word and word[0].isupper()), "") if following else ""


def opens_german(word: str) -> bool:
    """Whether a word often begins a German sentence; all nouns have capitals."""
    return word in _GERMAN_OPENERS


def _german_ending(match: re.Match[str], gender: str) -> str:
    text, start = match.string, match.start()
    if another := _WITH_ANOTHER.search(text, max(0, start - 16), start):  # am 3. und 4. Juni
        start = another.start()
    before = _BEFORE.search(text[max(0, start - 48) : start])
    if before is None:
        return ""
    first, last = before["first"] or "", before["last"].lower()
    if last == "der":
        is_noun = first[:1].isupper() and text[: start - 5 - len(first)].rstrip()[-1:].isalpha()
        return "en" if gender != "m" and (first.lower() in _BEFORE_DATIVES or is_noun) else "e"
    if last in _POSSESSIVES:
        return _STRONG.get(gender, "er")
    if last in _BEFORE_DATIVES and gender:
        return "er" if gender == "f" else "em"
    return _ENDINGS.get(last, "")


def ordinals(language: str) -> tuple[Rule, ...]:
    """The rules of a language for numbers with the sign of an ordinal."""
    base = base_language(language)

    def signed(match: re.Match[str]) -> str | None:
        parts = match.groupdict()
        gender = "f" if parts.get("f") else "short" if parts.get("short") else "m"
        words = ordinal_words(int(match[1]), language, gender)
        if words and base == "fr" and match[0][-2:] in ("nd", "de", "ds", "es") and "nd" in match[0]:
            words = "seconde" if gender == "f" else "second"
        return words and words + "s" * (base == "fr" and match[0].endswith("s"))

    def german(match: re.Match[str]) -> str | None:
        """ "3." may also end a sentence."""
        noun = german_noun(match)
        is_next = noun != "" and match.string.startswith(noun, match.end() + 1)
        if is_next and opens_german(noun):
            words = german_ordinal(int(match[1]), match)
            return words and f"{words}."
        return german_ordinal(int(match[1]), match, noun)

    def german_date(match: re.Match[str]) -> str | None:
        """der 31.12.: behind a word that asks for an ending alone."""
        day, month = int(match[1]), int(match[2])
        words = german_ordinal(day, match) if 0 < day < 32 and 0 < month < 13 else None
        if words is None:
            return None
        ending = words[len(number_words(day, "ordinal", "de") or "") - 1 :]
        stop = "." * ends_sentence(match.string, match.end())
        return f"{words} {(number_words(month, 'ordinal', 'de') or '').removesuffix('e')}{ending}{stop}"

    if base == "de":
        return (
            rule(r"(?<![\w.,])(\d{1,2})\.(\d{1,2})\.(?![\w])", german_date),
            rule(r"(?<![\w.,])(\d{1,4})\.(?= [^\W\d])", german),
        )
    if base in _SIGNS:
        return (rule(rf"(?<![\w.,])(\d{{1,9}})(?:{_SIGNS[base]})(?!\w)", signed),)
    if base in _STOPPED:
        return (rule(r"(?<![\w.,])(\d{1,4})\.(?= [^\W\d_A-ZÀ-Þ])", signed),)
    return ()
