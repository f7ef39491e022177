"""What a text itself repeats: "No! No! No!" sounds like a loop, and is none.

In: a spoken text. Out: how many of its bytes say again at once what stands before them. Knows no sound.
"""

from __future__ import annotations

import re

_APART = re.compile(r"[\W_]+")
_PHRASE = re.compile(r"((?:\S+ ){1,8}?)\1+")
_LETTERS = re.compile(r"(\S{1,3}?)\1{2,}")  # "hahaha", "Shhhh"; two of a kind are spelling


def repeated_bytes(text: str) -> int:
    """Bytes of UTF-8 of `text` in words, phrases of up to eight words, and letters that repeat those before."""
    words = _APART.sub(" ", text.casefold()).strip() + " "
    count = sum(len(match[0].encode()) - len(match[1].encode()) for match in _PHRASE.finditer(f" {words}", 1))
    return count + sum(
        len(match[0].encode()) - len(match[1].encode()) for match in _LETTERS.finditer(_PHRASE.sub(r"\1", words))
    )
