"""Misreadings: words of a script that a voice is likely to say wrong, for somebody to listen to.

In: a script, its lexicon and the language. Out: each such word once, with how often it stands there and where first.
What an entry of the lexicon covers is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from pipeline.source.lexicons import turns_of
from pipeline.source.script import Script
from pipeline.source.spoken.families import families
from pipeline.source.spoken.lexicon import Lexicon
from pipeline.source.spoken.rules import Family, replacements_of
from pipeline.source.spoken.sentences import sentence_ends
from pipeline.source.spoken.text import tag_spans
from pipeline.source.wordlists import word_counts

Doubt = Literal["name", "unknown word", "all caps", "odd number"]
DOUBTS: tuple[Doubt, ...] = ("name", "unknown word", "all caps", "odd number")

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ENDING = re.compile(r"['’](?:s|ll|d|ve|re|m)?$")
_BRITISH = (
    (re.compile("our"), "or"),
    (re.compile("is(?=(?:e[drs]?|ing|ations?)$)"), "iz"),
    (re.compile("tre$"), "ter"),
)
_SHORT_CAPS = 3  # letters: US, IT and WHO are words, too
_COMMON_NAME = 300  # times in the list's corpus: John, London and Bob are said right, Goethe (50) is not
_LONG_NUMBER = 5  # digits without a comma: a year has four
_NUMBER_AND_LETTERS = re.compile(r"\d+(?:st|nd|rd|th|s|[ap]m|k|m|x|h|kg|km|cm|mm|gb|mb)", re.IGNORECASE)


class Misreading(NamedTuple):
    """A word as it stands in the script first, why it is doubted, how often it is there, and where first."""

    doubt: Doubt
    word: str
    count_in_script: int
    where: str


class _Occurrence(NamedTuple):
    word: str
    begins_sentence: bool
    is_shouted: bool  # a neighbour is in capitals, too
    is_normalized: bool  # a rule says it otherwise
    where: str


def is_listed(language: str) -> bool:
    """Whether there is a list of words, without which no name and no unknown word is told from others."""
    return bool(_list_of(language))


def misreadings(script: Script, lexicon: Lexicon, language: str) -> list[Misreading]:
    """The words in doubt, by kind, the most frequent first."""
    known = _list_of(language)
    occurrences: dict[str, list[_Occurrence]] = {}
    for one in _occurrences(script, lexicon, families(language)):
        occurrences.setdefault(one.word, []).append(one)
    counts = Counter({word: len(all_of) for word, all_of in occurrences.items()})
    doubted = [
        Misreading(doubt, word, counts[word], all_of[0].where)
        for word, all_of in occurrences.items()
        if (doubt := _doubt(word, all_of, known, counts)) is not None
    ]
    return sorted(doubted, key=lambda one: (DOUBTS.index(one.doubt), -one.count_in_script))


def _list_of(language: str) -> Mapping[str, int]:
    return word_counts(language.partition("-")[0].lower())


def _occurrences(script: Script, lexicon: Lexicon, rules: Sequence[Family]) -> Iterator[_Occurrence]:
    """Every word that no entry covers, without what is contracted to it."""
    for chapter, turn in turns_of(script):
        text = turn.text
        covered = [(match.start, match.end) for match in lexicon.matches(text, turn.speaker, chapter)]
        covered += tag_spans(text)
        said_otherwise = [(one.start, one.end) for one in replacements_of(text, rules)]
        starts = _sentence_starts(text)
        begins = True  # the first word after a start begins the sentence
        words = list(_WORD.finditer(text))
        shouted = [match[0].isupper() and len(match[0]) > 1 for match in words]
        for index, match in enumerate(words):
            while starts and starts[0] <= match.start():
                starts.pop(0)
                begins = True
            if not any(start < match.end() and match.start() < end for start, end in covered):
                near = any(shouted[max(index - 1, 0) : index] + shouted[index + 1 : index + 2])
                by_rule = any(start < match.end() and match.start() < end for start, end in said_otherwise)
                yield _Occurrence(_ENDING.sub("", match[0]), begins, near, by_rule, turn.where)
            begins = False


def _sentence_starts(text: str) -> list[int]:
    return [0, *sentence_ends(text)[:-1]]


def _doubt(word: str, all_of: list[_Occurrence], known: Mapping[str, int], counts: Counter[str]) -> Doubt | None:
    lowered = word.lower().replace("’", "'")
    if any(map(str.isdigit, word)):
        return "odd number" if _is_odd(word) else None
    if len(word) > 1 and word.isupper():
        is_short = len(word) <= _SHORT_CAPS and not all(one.is_shouted for one in all_of)
        return "all caps" if is_short or (lowered not in known and not counts[word.capitalize()]) else None
    if not known or len(word) == 1 or all(one.is_normalized for one in all_of):
        return None
    is_name = word[0].isupper() and not counts[lowered] and not all(one.begins_sentence for one in all_of)
    if is_name:
        return "name" if known.get(lowered, 0) < _COMMON_NAME else None
    spellings = (lowered, *(pattern.sub(american, lowered) for pattern, american in _BRITISH))  # the list is American
    return "unknown word" if not any(spelling in known for spelling in spellings) else None


def _is_odd(word: str) -> bool:
    if word.isdigit():
        return len(word) >= _LONG_NUMBER or (word[0] == "0" and len(word) > 1)
    return not _NUMBER_AND_LETTERS.fullmatch(word)
