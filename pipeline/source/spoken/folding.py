"""Folding: from all of Unicode to the characters that voices take.

In: display text. Out: for every language plain quotes and dashes, letters without typography, no pictographs and none
of the signs that are reserved ("/" for IPA, brackets for speaker tags); for English nothing but letters, digits and
`. , ; : ! ? ' " - ( )`. Knows no words: "&" has been "and" before, where a rule says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_FOLDED = {
    **dict.fromkeys("“”„‟«»″❝❞＂〝〞", '"'),
    **dict.fromkeys("‘’‚‛‹›′❛❜＇ʼ", "'"),
    **dict.fromkeys("‐‑‒–−﹣－", "-"),
    **dict.fromkeys("—―", " - "),
    **dict.fromkeys("[]{}`´", ""),
    **dict.fromkeys("/\\⁄∕／＼", " "),
    "ﾞ": "\u3099",  # which joins the kana before it
    "ﾟ": "\u309a",
    "…": "...",
    "⋯": "...",
}
_UNSAID_BLOCKS = (  # arrows, technical, boxes, dingbats, braille, more arrows, selectors, pictographs
    (0x2190, 0x21FF),
    (0x2300, 0x245F),
    (0x2500, 0x27BF),
    (0x2800, 0x297F),
    (0x2B00, 0x2BFF),
    (0xFE00, 0xFE0F),
    (0x1F000, 0x1FAFF),
    (0xE0000, 0xE0FFF),
)
_NOT_KEPT = re.compile(r"[^A-Za-z0-9.,;:!?'\"() -]")
_DASHES = re.compile(r"-{2,}")
_ACCENT_FOR_APOSTROPHE = re.compile(r"(?<=[^\W\d_])[`´](?=[^\W\d_])")
_LATIN = re.compile(
    r"LATIN (?:(?P<small>SMALL)|CAPITAL) LETTER ([A-Z])(?: WITH .+)?|LATIN LETTER SMALL CAPITAL ([A-Z])"
)
_SUNDRY = {"ß": "ß", "ẞ": "ss", "ſ": "s", "ĸ": "k", "ŉ": "'n", "Ŀ": "L", "ŀ": "l", "Ŋ": "N", "ŋ": "ng"}
_SUNDRY |= dict.fromkeys("。｡।॥۔", ".") | dict.fromkeys("、،", ",") | {"؟": "?", "؛": ";", "÷": "\0", "×": "\0"}
_BETWEEN_WORDS = re.compile(r"(?<=\w)\0+(?=\w)")


def fold(text: str) -> str:
    """The text in plain quotes, dashes and letters, for any language; what stood between spaces still does."""
    if "`" in text or "´" in text:
        text = _ACCENT_FOR_APOSTROPHE.sub("'", text)
    text = unicodedata.normalize("NFC", text.translate(_FOLDING))
    return " ".join(_DASHES.sub(" - ", text).split())


def narrow(text: str) -> str:
    """Folded text in what English voices take.

    Latin letters keep the accents of the languages of Europe, as voices say "résumé" and "Dvořák" better with them
    than without; others lose theirs, and a sign that is no letter is a space between two words and else nothing.
    """
    if _NOT_KEPT.search(text) is None:
        return text
    text = unicodedata.normalize("NFC", text).translate(_NARROWING)
    return " ".join(_DASHES.sub(" - ", _BETWEEN_WORDS.sub(" ", text).replace("\0", "")).split())


class Table(dict[int, str]):
    """A `str.translate` table that works each character out once."""

    def __init__(self, replacement: Callable[[str], str]) -> None:
        self._replacement = replacement

    def __missing__(self, code: int) -> str:
        self[code] = text = self._replacement(chr(code))
        return text


def _folded(char: str) -> str:
    if char in _FOLDED:
        return _FOLDED[char]
    if char.isspace():
        return " "
    if (
        unicodedata.category(char)[0] == "C"  # control, zero-width, surrogate, private, unassigned
        or char == "\u20e3"
        or any(low <= ord(char) <= high for low, high in _UNSAID_BLOCKS)
    ):
        return ""
    letters = unicodedata.normalize("NFKC", char) if char.isalpha() else ""
    return letters if letters.isalpha() else char


def _narrowed(char: str) -> str:
    if _NOT_KEPT.match(char) is None:
        return char
    if char in _SUNDRY:
        return _SUNDRY[char]
    if "À" <= char <= "ž" or char in "ȘșȚț":
        return char
    first = unicodedata.normalize("NFKD", char)[0]
    if char.isalpha() and (latin := _LATIN.fullmatch(unicodedata.name(first, ""))):
        return latin[2].lower() if latin["small"] else latin[2] or latin[3].lower()
    if unicodedata.category(char)[0] == "M":
        return ""
    digit = unicodedata.digit(char, -1)
    if digit >= 0:
        return str(digit)
    parts = "".join(_FOLDED.get(part, part) for part in unicodedata.normalize("NFKC", char))
    return parts if _NOT_KEPT.search(parts) is None else "\0"


_FOLDING = Table(_folded)
_NARROWING = Table(_narrowed)
