"""Lines: what the end of a line means within a paragraph.

In: the `Stretch` of a paragraph. Out: nothing; words that a hyphen cuts at the end of a line are marked to be joined,
and the line ends of verse to be short pauses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

from pipeline.source.ledger import Stretch
from pipeline.source.wordlists import word_counts

_CUT_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]+)([-\u00ad\u2010])[ \t]*\n[ \t]*([^\W\d_]+)")
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_HARD_BREAK = re.compile(r"(?:[ \t]{2,}|\\|<br\s*/?>)[ \t]*$", re.IGNORECASE)
_CAPITAL = re.compile(r"[ \t]*[\"“‘'_*]*[A-ZÀ-ÖØ-Þ]")
_VERSE = 60  # characters in a line of verse at most
_NARROW = 32  # nobody wraps prose so
_SHORT_VERSE = 50  # where no line but the first has to begin with a capital


class Vocabulary:
    """The words that are known when a text is read: its own, and those of a list; looked at where a word is cut."""

    def __init__(self, text: str, language: str) -> None:
        self._text = text
        self._language = language.partition("-")[0].lower()

    @property
    def is_english(self) -> bool:
        """Whether two words with a hyphen are as good as one."""
        return self._language == "en"

    def __contains__(self, word: str) -> bool:
        return word.lower() in self._words or word.lower() in word_counts(self._language)

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(word.lower() for word in _WORD.findall(_CUT_WORD.sub(" ", self._text)))


def mark_line_ends(
    span: Stretch, vocabulary: Vocabulary, tell: Callable[[str, str], None], *, verse: bool = True
) -> None:
    """Join words that are cut at the end of a line, and make pauses of the line ends of `verse`, if it may be some."""
    if "\n" not in span.text:
        return
    for match in _CUT_WORD.finditer(span.text):
        before, hyphen, after = match.groups()
        joined = before + after
        if hyphen == "\u00ad" or (joined in vocabulary and f"{before}-{after}" not in vocabulary):
            if not span.replace(*match.span(), joined, "hyphen"):  # the sign of a quotation stands in it
                span.leave_out(match.start(2), match.start(3), "markup")
            continue
        span.leave_out(match.end(2), match.start(3), "markup")
        is_compound = vocabulary.is_english and before in vocabulary and after in vocabulary  # "well-known"
        if f"{before}-{after}" not in vocabulary and not is_compound:
            what = f'"{before}-{after}" is cut at the end of a line, and read with its hyphen.'
            tell(what, "Write it on one line.")
    if verse:
        _mark_verse(span)


def _is_short_of_its_width(lines: Sequence[str]) -> bool:
    """Whether lines end where the next word would have fitted, as those of wrapped prose do not."""
    widest = max(map(len, lines))
    room = [len(line) + 1 + len(after.split()[0]) <= widest for line, after in pairwise(lines) if after.split()]
    several = all(" " in line.strip() for line in lines)
    if len(lines) < 4 or not several or widest > _SHORT_VERSE:
        return False
    return widest <= _NARROW or sum(room) >= 0.6 * len(room)


def _mark_verse(span: Stretch) -> None:
    lines = span.text.rstrip().split("\n")
    ends = lines[:-1]
    if not ends or max(map(len, lines)) > _VERSE:
        return
    in_capitals = len(lines) > 2 and all(map(_CAPITAL.match, lines))
    if not (all(map(_HARD_BREAK.search, ends)) or in_capitals or _is_short_of_its_width(lines)):
        return
    at = 0
    for line in ends:
        stop = len(_HARD_BREAK.sub("", line).rstrip())
        if stop and line[stop - 1].isalnum():
            span.replace(at + stop, at + len(line) + 1, ", ", "line of verse")
        at += len(line) + 1
