"""Clearing: from folded text to what voices of languages other than English take.

In: folded text, a language and its scripts. Out: letters and marks of these scripts, digits, spaces, plain punctuation
and that of the language's own script. Knows no words: "&" has been "und" before, where a rule says so.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pipeline.source.spoken.folding import Table

PLAIN = frozenset(".,;:!?'\"()- ")
_OWN = {  # punctuation of scripts and languages
    "CJK": "。、，．！？；：「」『』（）《》〈〉",
    "ARABIC": "،؛؟۔",
    "HEBREW": "־׳״",
    "ARMENIAN": "՚՛՜՝՞։֊",
    "ETHIOPIC": "።፣፤፥፦፧",
    "MYANMAR": "၊။",
    "KHMER": "។៕",
    "TIBETAN": "་།",
    "el": "·",
    "ca": "·",
    "es": "¿¡",
    "gl": "¿¡",
    "ast": "¿¡",
}
_DANDA = frozenset("DEVANAGARI BENGALI GURMUKHI GUJARATI ORIYA TAMIL TELUGU KANNADA MALAYALAM".split())
_FOR_OTHERS = {
    **dict.fromkeys("。｡।॥۔։።။།．", "."),
    **dict.fromkeys("、،，၊፣՝､", ","),
    **dict.fromkeys("؟？՞፧", "?"),
    **dict.fromkeys("؛；፤", ";"),
    **dict.fromkeys("！՜", "!"),
    **dict.fromkeys("：፥", ":"),
    **dict.fromkeys("（", "("),
    **dict.fromkeys("）", ")"),
    **dict.fromkeys("־֊〜～", "-"),
    **dict.fromkeys("ʻ՚׳", "'"),
    **dict.fromkeys("״「」『』《》〈〉", '"'),
}
_ASCII_SIGN = re.compile(r"[#-&*+/<-@\[-`{-~]")
_DASHES = re.compile(r"-{2,}")
_BETWEEN_WORDS = re.compile(r"(?<=[^\s\0])\0+(?=\w)|(?<=\w)\0+(?=[^\s\0])")


def punctuation(base: str, scripts: frozenset[str]) -> frozenset[str]:
    """What parts sentences and their parts in a language, plain or of its own script."""
    own = "".join(_OWN.get(key, "") for key in (base, *scripts)) + "।॥" * bool(scripts & _DANDA)
    return PLAIN | frozenset(own)


def clear(text: str, base: str, scripts: frozenset[str]) -> str:
    """Folded text without signs: each is a space between two words and else nothing."""
    if _ASCII_SIGN.search(text) is None and text.isascii():
        return text
    cleared = text.translate(_clearing(base, scripts))
    return " ".join(_DASHES.sub(" - ", _BETWEEN_WORDS.sub(" ", cleared).replace("\0", "")).split())


@lru_cache(maxsize=16)
def _clearing(base: str, scripts: frozenset[str]) -> Table:
    kept = punctuation(base, scripts)
    return Table(lambda char: char if char in kept else _cleared(char, scripts))


def _cleared(char: str, scripts: frozenset[str]) -> str:
    if char in _FOR_OTHERS:
        return _FOR_OTHERS[char]
    kind = unicodedata.category(char)
    if char == "〇" and "CJK" in scripts:
        return char
    if kind == "Nd":
        normal = unicodedata.normalize("NFKC", char)
        return normal if normal.isascii() else char
    if kind[0] == "N":
        normal = unicodedata.normalize("NFKC", char).replace("⁄", " ")
        return normal if normal.replace(" ", "").isalnum() and normal.isascii() else "\0"
    script = unicodedata.name(char, "").partition(" ")[0]
    if kind[0] == "L":  # those of other scripts were dropped with their words
        return "\0" if script in ("MODIFIER", "TURNED", "ROTATED") else char
    if kind[0] == "M":
        of_all = "\u0300" <= char <= "\u036f" and char != "\u034f"
        return char if of_all or script in scripts else ""
    return "\0"
