"""Context: what stands around a match, by which rules tell Saint from Street and a shout from an initialism."""

from __future__ import annotations

import re
from collections.abc import Iterable

_REACH = 48  # characters; a longer word is no clue
_LAST_WORD = re.compile(r"([^\W_](?:\S*[^\W_])?)[^\w.!?…]*$")
_FIRST_WORD = re.compile(r"[\s\"'“‘(,;-]{1,3}([^\W_]+(?:['’.&][^\W_]+)*)")
_STOPS_BEFORE = re.compile(r"(?:^|[.!?…:][\"'”’)\]]*\s)[\s\"'“‘(\[¿¡—–*-]*$")


def word_before(text: str, start: int) -> str:
    """The word before offset `start` in the same sentence, after its last hyphen; "" where none is."""
    match = _LAST_WORD.search(text[max(0, start - _REACH) : start])
    return match[1].rsplit("-")[-1] if match else ""


def word_after(text: str, end: int) -> str:
    """The word that follows offset `end` in the same sentence; "" where none does."""
    match = _FIRST_WORD.match(text[end : end + _REACH])
    return match[1] if match else ""


def starts_sentence(text: str, start: int) -> bool:
    """Whether nothing but opening quotes and brackets stands between `start` and the stop before it."""
    return _STOPS_BEFORE.search(text[max(0, start - _REACH) : start]) is not None and (
        start <= _REACH or bool(re.search(r"[.!?…:]", text[start - _REACH : start]))
    )


def is_name(word: str) -> bool:
    """Whether the word begins with a capital and goes on in lower case."""
    return word[:1].isupper() and word[1:2].islower()


def behind(sign: str, words: Iterable[str], sign_behind: str) -> str:
    """A form that finds the sign where one of the words stands before it.

    The sign comes first, as looking for it is quick where trying a hundred words at each place is not; behind it words
    of one length are tried together. `sign_behind` is the sign as it stands there, of one length.
    """
    by_length: dict[int, set[str]] = {}
    for word in words:
        by_length.setdefault(len(word), set()).add(re.escape(word))
    tails = (rf"(?<=\b(?:{'|'.join(sorted(group))}){sign_behind})" for group in by_length.values())
    return f"{sign}(?:{'|'.join(tails)})"
