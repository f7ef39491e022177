"""Millions and milliards in languages other than English, spelled out or short: "5 millones", "3 Mrd.", "3 M€".

In: a language. Out: what they look like there, and the words of so many of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

# What is written, and its power of ten. A single capital and "mi" are such only beside a sign of money.
_SHORT = {
    "de": {"Mio": 6, "Mill": 6, "Mrd": 9, "Md": 9},
    "fr": {"Mio": 6, "Mrd": 9, "Md": 9, "Mds": 9},
    "es": {"mill": 6, "mln": 6},
    "it": {"mln": 6, "mld": 9, "mrd": 9},
    "pt": {"mn": 6},
    "nl": {"mln": 6, "mld": 9, "mrd": 9},
}
_BY_SIGNS = {"de": {"M": 6}, "fr": {"M": 6}, "es": {"M": 6}, "it": {"M": 6}, "pt": {"M": 6, "mi": 6, "bi": 9}}
_OPENERS = {  # German writes every noun with a capital
    "de": "Aber|Allein|Als|Am|Auch|Auf|Bei|Da|Damit|Dann|Das|Davon|Dazu|Dem|Den|Der|Die|Dies\\w*|Doch|Ein\\w*|Er|Es|Für"
    "|Heute|Hinzu|Ich|Im|In|Jetzt|Man|Mit|Nach|Nun|Sie|So|Und|Von|Wenn|Wer|Wir|Zu[mr]?|Zwar"
}


class Millions:
    """The millions of one language. `say` has the words of a whole number."""

    def __init__(self, language: str, say: Callable[[int], str | None]) -> None:
        self._say = say
        self._powers: dict[str, int] = {}
        for power in (6, 9):
            for many in (1, 2, 5):
                word = (say(many * 10**power) or "").split(" ")[-1]
                if word.isalpha():
                    self._powers.setdefault(word, power)
        short, by_signs = _SHORT.get(language, {}), _BY_SIGNS.get(language, {})
        letters = rf"(?!(?:{_OPENERS[language]})\b)\w" if language in _OPENERS else "[a-z]"
        self._stop = rf"(?:\.(?=[ \u00a0]?(?:[€$£]|{letters})))?"
        self.short = rf"(?:[ \u00a0]?(?:{_any(short)})(?!\w){self._stop})"
        words = rf"[ \u00a0](?:{_any(self._powers)})\b"
        self.any = rf"(?:{words}|[ \u00a0]?(?:{_any(short | by_signs)})(?!\w){self._stop})"
        self._powers |= short | by_signs

    def words(self, words: str, value: Decimal, scale: str) -> str | None:
        """`words` for `value` with their millions: "drei Millionen", "eine Million", "trois virgule cinq milliards"."""
        power = self._powers[scale.strip(" \u00a0.")]
        if value == value.to_integral() and value < 1000:
            return self._say(int(value) * 10**power)
        _, _, many = (self._say(3 * 10**power) or "").partition(" ")
        return f"{words} {many}" if many else None


def _any(names: dict[str, int]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
