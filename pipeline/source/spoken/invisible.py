"""Invisible characters: soft hyphens, zero-width spaces, signs of direction. No word or number is another for them.

In: display text. Out: the text that rules look at, and where its words stand in what is displayed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_RUN = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
_JOINERS = "\u200c\u200d"  # which shape the letters of some scripts, from Arabic to Khmer


class Visible:
    """A display text without what is invisible. What stands alone between spaces stays, as spaces are never doubled."""

    def __init__(self, display: str) -> None:
        self.text = display
        self._places: list[int] | None = None  # in `display`, of each character of `text` and its end
        if not display.isascii() and _RUN.search(display):
            self._places = [place for start, end in _kept(display) for place in range(start, end)]
            self.text = "".join([display[place] for place in self._places])
            self._places.append(len(display))

    def displayed(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters `start` to `end` of `text` are displayed, with the invisible ones at their ends."""
        if self._places is None:
            return start, end
        after_space = start == 0 or self.text[start - 1].isspace()
        first = self._places[start - 1] + 1 if start and after_space else 0 if after_space else self._places[start]
        return first, self._places[end]


def _kept(display: str) -> Iterator[tuple[int, int]]:
    at = 0
    for run in _RUN.finditer(display):
        start, end = run.span()
        before, after = display[start - 1 : start] if start else "", display[end : end + 1]
        if (not before.strip() and not after.strip()) or (run[0] in _JOINERS and "\u0590" < before < "\u2000"):
            continue
        yield at, start
        at = end
    yield at, len(display)
