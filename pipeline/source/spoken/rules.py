"""Rules: which words of a text are said otherwise than they are written, such as "$15 million" or "Act I".

In: display text of a turn. Out: `Replacement`s that do not overlap. A family of rules looks at a text only where its
trigger is there, so that plain prose costs one search for each family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Replacement(NamedTuple):
    """What is said for the characters `start` to `end` of a text; "" says nothing for them."""

    start: int
    end: int
    spoken: str


@dataclass(frozen=True)
class Rule:
    """A form and what is said for it. `say` returns None where this match is not such a thing after all.

    `needs` is a short form, quick to compile and to look for, that stands in every text in which the form fits.
    """

    form: str  # a regular expression
    say: Callable[[re.Match[str]], str | None]
    flags: int = 0
    needs: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The form, compiled at the first text that has the family's trigger: most texts have few of them."""
        return re.compile(self.form, self.flags)

    def may_fit(self, text: str) -> bool:
        """Whether it is worth the compiling and the search."""
        return not self.needs or self._needed.search(text) is not None

    @cached_property
    def _needed(self) -> re.Pattern[str]:
        return re.compile(self.needs)


class Family(NamedTuple):
    """Rules of one kind, in the order in which they are tried; the first that fits a place has it.

    Each text is searched for the `trigger`, which is quick where it begins with a character or one of a set.
    `reach`: no rule looks further than so many characters from a place of the trigger; None where one may.
    """

    trigger: re.Pattern[str]
    rules: tuple[Rule, ...]
    reach: int | None = None


def replacements_of(text: str, families: Iterable[Family], taken: Iterable[Replacement] = ()) -> list[Replacement]:
    """What is said otherwise, in the order of the text. What is `taken` already, by a lexicon, stays as it is."""
    replacements = sorted(taken)
    for family in families:
        if family.trigger.search(text):
            windows = _windows(family, text)
            for rule in family.rules:
                if rule.may_fit(text) and (new := _matches(rule, text, windows)):
                    replacements = sorted([*replacements, *_free(new, replacements)])
    return replacements


def _windows(family: Family, text: str) -> list[tuple[int, int]]:
    """The parts of a text that a family's rules look at."""
    if family.reach is None:
        return [(0, len(text))]
    windows: list[tuple[int, int]] = []
    for match in family.trigger.finditer(text):
        start, end = max(0, match.start() - family.reach), min(len(text), match.end() + family.reach)
        if windows and start <= windows[-1][1]:
            start = windows.pop()[0]
        windows.append((start, end))
    return windows


def _matches(rule: Rule, text: str, windows: Iterable[tuple[int, int]]) -> list[Replacement]:
    return [
        Replacement(match.start(), match.end(), spoken)
        for start, end in windows
        for match in rule.pattern.finditer(text, start, end)
        if (spoken := rule.say(match)) is not None
    ]


def _free(new: Iterable[Replacement], taken: Sequence[Replacement]) -> Iterator[Replacement]:
    """Those of `new` that touch nothing that is taken; both in the order of the text."""
    index = 0
    for replacement in new:
        while index < len(taken) and taken[index].end <= replacement.start:
            index += 1
        if index == len(taken) or replacement.end <= taken[index].start:
            yield replacement
