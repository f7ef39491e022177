"""Speech: where somebody begins to speak, which no rule for what is left out may swallow.

In: how to find the places. Out: whether one lies within a stretch; they are looked for when first asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property


class Speech:
    """The places in a source at which labels of names begin that come back, as its raw lines tell."""

    def __init__(self, find: Callable[[], Sequence[int]] = tuple) -> None:
        self._find = find

    @cached_property
    def places(self) -> Sequence[int]:
        """In order."""
        return self._find()

    def begins_within(self, start: int, end: int) -> bool:
        """Whether somebody begins to speak after `start` and before `end`."""
        index = bisect_right(self.places, start)
        return index < len(self.places) and self.places[index] < end

    def begins_at(self, start: int, end: int) -> bool:
        """The same with `start` itself."""
        return self.begins_within(start - 1, end)

    def before(self, start: int, end: int) -> int:
        """Where the first of them stands after `start`, or `end`."""
        index = bisect_right(self.places, start)
        return min(self.places[index], end) if index < len(self.places) else end
