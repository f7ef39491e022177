"""No character of Unicode that is no letter, mark, digit or plain punctuation reaches a voice of another language."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from pipeline.source.spoken.clearing import clear
from pipeline.source.spoken.families import families
from pipeline.source.spoken.folding import fold
from pipeline.source.spoken.pairs import Normalizer, said

PLAIN = set(".,;:!?'\"()- ")
LANGUAGES = {  # scripts beside Latin, punctuation of its own, and whether digits stay
    "de": ("", "", False),
    "fr": ("", "", False),
    "ru": ("CYRILLIC", "", False),
    "ja": ("CJK HIRAGANA KATAKANA", "。、，．！？；：「」『』（）《》〈〉", False),
    "zh": ("CJK BOPOMOFO", "。、，．！？；：「」『』（）《》〈〉", True),
    "hi": ("DEVANAGARI", "।॥", True),
}
CHARS = [  # all of the first plane, but of 57,000 letters without case and private characters one in seven
    char
    for code in (*range(0x10000), *range(0x10000, 0x20000, 37), *range(0x20000, sys.maxunicode, 997))
    if not (char := chr(code)).isspace() and (unicodedata.category(char) not in ("Lo", "Co") or code % 7 == 0)
]
SCRIPTS = {"IDEOGRAPHIC": "CJK", "VERTICAL": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}


def _is_allowed(char: str, scripts: set[str], own: str, digits: bool) -> bool:
    kind = unicodedata.category(char)
    names = unicodedata.name(char, "").split() or [""]
    if char in PLAIN or char in own:
        return True
    if kind[0] == "L":
        return SCRIPTS.get(names[0], names[0]) in scripts
    if kind[0] == "M":
        return names[0] in scripts or "\u0300" <= char <= "\u036f"
    return (digits and kind == "Nd") or (char == "〇" and "CJK" in scripts)


def _unsayable(language: str, texts: list[str]) -> set[str]:
    """What of the texts a voice is given and cannot say."""
    scripts, own, digits = LANGUAGES[language]
    known = {"LATIN", *scripts.split()}
    normalizer = Normalizer(language, families=families(language))
    given: set[str] = set()
    for begin in range(0, len(texts), 64):
        given |= set(said(normalizer.pairs(" ; ".join(texts[begin : begin + 64]))))
    return {char for char in given if not _is_allowed(char, known, own, digits)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sign_of_unicode_reaches_a_voice(language: str) -> None:
    assert not _unsayable(language, [f"a{char}b" for char in CHARS])
    between = [char for char in CHARS if unicodedata.category(char)[0] in "SPN"]
    assert not _unsayable(language, [f"5 {char} 7" for char in between])


@pytest.mark.parametrize(
    ("text", "language", "scripts", "cleared"),
    [
        ("a#b # *c* d_e", "de", {"LATIN"}, "a b c d e"),
        ("à l·l ¿que? 。", "ca", {"LATIN"}, "à l·l que? ."),
        ("¿Qué? a^b", "es", {"LATIN"}, "¿Qué? a b"),
        ("क। ख~ ५", "hi", {"LATIN", "DEVANAGARI"}, "क। ख ५"),
        ("ㄅ。〇 ★ ５", "zh", {"LATIN", "CJK", "BOPOMOFO"}, "ㄅ。〇 5"),
        ("ｶﾞｷﾟ", "ja", {"LATIN", "KATAKANA"}, "ガキ"),
        ("Hawaiʻi ˈa x̃", "fr", {"LATIN"}, "Hawai'i a x̃"),
    ],
)
def test_signs_are_left_out(text: str, language: str, scripts: set[str], cleared: str) -> None:
    assert clear(fold(text), language, frozenset(scripts)) == cleared
    assert clear(cleared, language, frozenset(scripts)) == cleared
