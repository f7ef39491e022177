"""Scripts: the letters in which languages are written.

In: text for an engine and its language. Out: the words that its letters cannot be read in.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from pipeline.source.spoken.clearing import clear
from pipeline.source.spoken.folding import narrow
from pipeline.source.spoken.text import CLOSERS, spoken, words


def base_language(language: str) -> str:
    """ "en" of "en-GB" and "en_US"."""
    return language.replace("_", "-").partition("-")[0].lower()


def _languages() -> Iterator[tuple[str, frozenset[str]]]:
    table = (
        ("ru uk be bg sr mk kk ky mn tg tt", "CYRILLIC"),
        ("el", "GREEK"),
        ("zh yue cmn wuu", "CJK BOPOMOFO"),
        ("ja", "CJK HIRAGANA KATAKANA"),
        ("ko", "HANGUL CJK"),
        ("ar arz fa ur ps sd ug ckb", "ARABIC"),
        ("he yi", "HEBREW"),
        ("hi mr ne sa", "DEVANAGARI"),
        ("bn as", "BENGALI"),
        ("ta", "TAMIL"),
        ("te", "TELUGU"),
        ("kn", "KANNADA"),
        ("ml", "MALAYALAM"),
        ("gu", "GUJARATI"),
        ("pa", "GURMUKHI ARABIC"),
        ("or", "ORIYA"),
        ("si", "SINHALA"),
        ("th", "THAI"),
        ("lo", "LAO"),
        ("km", "KHMER"),
        ("my", "MYANMAR"),
        ("bo", "TIBETAN"),
        ("ka", "GEORGIAN"),
        ("hy", "ARMENIAN"),
        ("am ti", "ETHIOPIC"),
    )
    for languages, scripts in table:
        for language in languages.split():
            yield language, frozenset(scripts.split())


SCRIPT_OF_LANGUAGE: dict[str, frozenset[str]] = dict(_languages())
"""The scripts, beside Latin, in which a language is written; one that is not listed is written in Latin."""

# Letters to Unicode, but of no script of their own: the micro sign, superscripts, mathematical letters.
_SCRIPTLESS = frozenset(
    (
        "MODIFIER FEMININE MASCULINE MICRO KELVIN ANGSTROM OHM SCRIPT DOUBLE-STRUCK BLACK-LETTER MATHEMATICAL"
        " SUPERSCRIPT SUBSCRIPT INFORMATION TURNED ROTATED ALEF BET GIMEL DALET PLANCK EULER ESTIMATED"
    ).split()
)
_SCRIPT_ALIASES = {"KATAKANA-HIRAGANA": "KATAKANA", "IDEOGRAPHIC": "CJK", "VERTICAL": "CJK"}


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    """The script of a letter by its Unicode name; "LATIN" for non-letters and for signs without a script."""
    if not char.isalpha():
        return "LATIN"
    names = unicodedata.name(char, "UNNAMED").split()
    first = names[1] if names[0] in ("FULLWIDTH", "HALFWIDTH") and len(names) > 1 else names[0]
    return "LATIN" if first in _SCRIPTLESS else _SCRIPT_ALIASES.get(first, first)


def _scripts(language: str) -> frozenset[str]:
    return SCRIPT_OF_LANGUAGE.get(base_language(language), frozenset()) | {"LATIN"}


def unspeakable(text: str, language: str) -> str:
    """The first run of letters in a script the language is not written in, or ""."""
    if text.isascii():
        return ""
    known = _scripts(language)
    if {_script(char) for char in set(text)} <= known:
        return ""
    for word in text.split():
        bad = [_script(char) not in known for char in word]
        if True in bad:
            begin = bad.index(True)
            fine = (at for at in range(begin, len(word)) if not bad[at] and word[at].isalnum())
            return word[begin : next(fine, len(word))].rstrip(CLOSERS + ".,;:!?。！？、，；：")
    return ""


def drop_unspeakable(text: str, language: str) -> str:
    """The text without the words that hold a letter the language is not written in."""
    if not unspeakable(text, language):
        return text
    known = _scripts(language)
    return " ".join(word for word in words(text) if {_script(char) for char in word} <= known)


@lru_cache(maxsize=1 << 16)
def plain(display: str, language: str, tags: bool) -> str:
    """What an engine is given for text that no rule has a word for: `spoken`, of letters that the language has."""
    text = drop_unspeakable(spoken(display, tags=tags), language)
    base = base_language(language)
    return narrow(text) if base == "en" else clear(text, base, _scripts(language))
