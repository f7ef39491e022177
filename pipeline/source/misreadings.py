"""Misreadings: words of a script that a voice is likely to say wrong, for somebody to listen to.

In: a script, its lexicon and the language. Out: each such word once, with how often it stands there and where first.
What an entry of the lexicon covers is left out, and so are numbers and numerals that a rule says in words.
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
from pipeline.source.spoken.rules import Family, Replacement, replacements_of
from pipeline.source.spoken.scripts import base_language
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
_BY_TURNS = re.compile(r"[^\W\d_]+\d+(?!s$)[^\W\d_]|\d+[^\W\d_]+\d")  # as in R2D2, and not in MP3s
_NUMERAL = re.compile(r"[IVXLCDM]+")
_CAPITALIZES_NOUNS = frozenset({"de"})  # a capital tells nothing of a name there
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
    is_part: bool  # of a number with signs in it: "000" of "1,000,000"
    where: str


def is_listed(language: str) -> bool:
    """Whether there is a list of words, without which no name and no unknown word is told from others."""
    return bool(_list_of(language))


def misreadings(script: Script, lexicon: Lexicon, language: str) -> list[Misreading]:
    """The words in doubt, by kind, the most frequent first."""
    known = _list_of(language)
    common = 1 if base_language(language) in _CAPITALIZES_NOUNS else _COMMON_NAME
    occurrences: dict[str, list[_Occurrence]] = {}
    for one in _occurrences(script, lexicon, families(language)):
        occurrences.setdefault(one.word, []).append(one)
    counts = Counter({word: len(all_of) for word, all_of in occurrences.items()})
    doubted = [
        Misreading(doubt, word, counts[word], all_of[0].where)
        for word, all_of in occurrences.items()
        if (doubt := _doubt(word, all_of, known, counts, common)) is not None
    ]
    return sorted(doubted, key=lambda one: (DOUBTS.index(one.doubt), -one.count_in_script))


def _list_of(language: str) -> Mapping[str, int]:
    return word_counts(base_language(language))


def _occurrences(script: Script, lexicon: Lexicon, rules: Sequence[Family]) -> Iterator[_Occurrence]:
    """Every word that no entry covers, without what is contracted to it."""
    for chapter, turn in turns_of(script):
        text = turn.text
        covered = [(match.start, match.end) for match in lexicon.matches(text, turn.speaker, chapter)]
        covered += tag_spans(text)
        replaced = replacements_of(text, rules)
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
                word, rule = _ENDING.sub("", match[0]), _replacing(match, replaced)
                written = text[rule.start : rule.end] if rule else ""
                normalized = rule is not None and not _stays(word, written, rule.spoken)
                is_part = len(re.findall(r"\d+", written)) > 1
                yield _Occurrence(word, begins, near, normalized, is_part, turn.where)
            begins = False


def _replacing(word: re.Match[str], replaced: Sequence[Replacement]) -> Replacement | None:
    return next((one for one in replaced if one.start < word.end() and word.start() < one.end), None)


def _stays(word: str, written: str, spoken: str) -> bool:
    """Whether a word stays in what a rule says for several, as "Henry" of "Henry IV"."""
    return len(_WORD.findall(written)) > 1 and word in _WORD.findall(spoken)


def _sentence_starts(text: str) -> list[int]:
    return [0, *sentence_ends(text)[:-1]]


def _doubt(
    word: str, all_of: list[_Occurrence], known: Mapping[str, int], counts: Counter[str], common: int
) -> Doubt | None:
    """Why a word is doubted; a name is not where the list has it `common` times."""
    lowered = word.lower().replace("’", "'")
    if any(map(str.isdigit, word)):
        return "odd number" if any(_is_odd(word, one) for one in all_of) else None
    if len(word) > 1 and word.isupper():
        if _NUMERAL.fullmatch(word) and all(one.is_normalized for one in all_of):
            return None
        is_short = len(word) <= _SHORT_CAPS and not all(one.is_shouted for one in all_of)
        return "all caps" if is_short or (lowered not in known and not counts[word.capitalize()]) else None
    if not known or len(word) == 1 or all(one.is_normalized for one in all_of):
        return None
    is_name = word[0].isupper() and not counts[lowered] and not all(one.begins_sentence for one in all_of)
    if is_name:
        return "name" if known.get(lowered, 0) < common else None
    spellings = (lowered, *(pattern.sub(american, lowered) for pattern, american in _BRITISH))  # the list is American
    return "unknown word" if not any(spelling in known for spelling in spellings) else None


def _is_odd(word: str, one: _Occurrence) -> bool:
    """Whether a number may be said otherwise than somebody meant: as one, or digit by digit, or as letters."""
    if word.isdigit():
        return len(word) >= _LONG_NUMBER or (word[0] == "0" and len(word) > 1 and not one.is_part)
    if not one.is_normalized:
        return not _NUMBER_AND_LETTERS.fullmatch(word)
    return _BY_TURNS.search(word) is not None
