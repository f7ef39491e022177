"""Lexicon: where in a text the words stand that somebody wants said otherwise.

In: entries, and the display text of a turn with who speaks it where. Out: matches that do not overlap, from left to
right: at each word the longest one, of those the one that is bound nearest, of those the one that was written nearest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from pipeline.source.script import name_key
from pipeline.source.spoken.entries import LexiconEntry, normal
from pipeline.source.spoken.rules import Replacement
from pipeline.source.spoken.scripts import unspeakable
from pipeline.source.spoken.text import tag_spans
from pipeline.source.voices import NARRATOR

# Scripts that write no spaces between words: each of their signs may begin one.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\U0010ffff"
_CONTRACTED = re.compile(r"'(?:s|ll|d|ve|re|m)(?![^\W_])")
_PLURAL = re.compile(r"e?s(?![^\W_])")
_HISSING = ("s", "x", "z", "ch", "sh")  # words that end so have their plural in -es
_SHORTEST_PLURAL = 3  # characters of a word: "a" is not in "as", nor "ha" in "has"
_NUMBER_GOES_ON = re.compile(r"[.,:/]\d")
_NUMBER_GOES_BEFORE = re.compile(r"\d[.,:/]")
_IPA_OF_ENDING = {"'ll": "əl", "'d": "d", "'ve": "əv", "'re": "ər", "'m": "m"}

ChapterName = tuple[int, str]  # number from 1, title
UnknownIpa = Callable[[str], str]  # the signs of some IPA that an engine has no sounds for


class LexiconMatch(NamedTuple):
    """The characters `start` to `end` of a text, which are those of an entry with their ending, and what is said."""

    start: int
    end: int
    entry: LexiconEntry
    spoken: str


class _Key(NamedTuple):
    """An entry as it is looked up: what it is called in folded text, and how far into that its first token lies."""

    folded: str
    at: int
    entry: LexiconEntry


class Lexicon:
    """Entries, indexed by their first tokens, so that a text costs one look for each of its words."""

    def __init__(self, entries: Iterable[LexiconEntry]) -> None:
        self.entries = tuple(entries)
        self._by_token: dict[str, list[_Key]] = {}
        self._stems: dict[int, dict[str, list[_Key]]] = {}  # those of one token, by its length
        for entry in self.entries:
            folded = _folded(entry.word)[0]
            first = _token().search(folded)
            if first is None:  # a letter that folds to none
                continue
            key = _Key(folded, first.start(), entry)
            is_part = entry.match == "stem" and first.end() == len(folded)
            index = self._stems.setdefault(len(first[0]), {}) if is_part else self._by_token
            index.setdefault(first[0], []).append(key)
        self._keys_of: dict[str, Sequence[_Key]] = {}  # by token, as far as tokens were looked up

    def for_engine(self, language: str, unknown_ipa: UnknownIpa) -> Lexicon:
        """What of it can be said in a language, by an engine that does not know some signs of IPA."""
        return Lexicon(filter(None, (_usable(entry, language, unknown_ipa) for entry in self.entries)))

    def unusable(self, language: str, unknown_ipa: UnknownIpa) -> Lexicon:
        """What of it cannot."""
        return Lexicon(entry for entry in self.entries if _usable(entry, language, unknown_ipa) is None)

    def matches(self, text: str, speaker: str | None, chapter: ChapterName) -> Iterator[LexiconMatch]:
        """Where its words stand in a turn; none within a tag such as (laughs)."""
        if not self.entries:
            return
        folded, places = _folded(text)
        tags = tag_spans(text) if "(" in text else ()
        keys_of = self._keys_of
        end = 0
        for token in _token().finditer(folded):
            keys = keys_of.get(token[0])
            if keys is None:
                keys = self._look_up(token[0])
            for key in keys:
                start = token.start() - key.at
                if start < end or not folded.startswith(key.folded, start):
                    continue
                stop = start + len(key.folded)
                ending = _ending(folded, key, stop)
                if ending is None or not _begins(folded, key.folded, start):
                    continue
                first, last = places[start], places[stop + len(ending)]
                if first < 0 or last < 0 or places[stop] < 0 or any(first < b and a < last for a, b in tags):
                    continue
                entry = key.entry
                if entry.fits(text[first : places[stop]]) and _is_in_scope(entry, speaker, chapter):
                    is_part = _goes_on(folded, stop + len(ending))
                    yield LexiconMatch(first, last, entry, _spoken(entry, ending, is_part=is_part))
                    end = stop + len(ending)
                    break

    def replacements(self, text: str, speaker: str | None, chapter: ChapterName) -> list[Replacement]:
        """What is said for its words in a turn."""
        return [Replacement(match.start, match.end, match.spoken) for match in self.matches(text, speaker, chapter)]

    def _look_up(self, token: str) -> Sequence[_Key]:
        """Whatever may begin with a token, the best first."""
        singular = (token[:-1], token[:-2]) if token.endswith("s") else ()
        several = [key for known in (token, *singular) for key in self._by_token.get(known, ())]
        for length, stems in self._stems.items():
            several += stems.get(token[:length], ())
        self._keys_of[token] = keys = sorted(several, key=_rank)
        return keys


def _usable(entry: LexiconEntry, language: str, unknown_ipa: UnknownIpa) -> LexiconEntry | None:
    """An entry with what can be said of it."""
    say = None if entry.say is None or unspeakable(entry.say, language) else entry.say
    ipa = "" if not entry.ipa or unknown_ipa(entry.ipa) else entry.ipa
    return replace(entry, say=say, ipa=ipa) if say is not None or ipa else None


def _rank(key: _Key) -> tuple[object, ...]:
    entry = key.entry
    strictness = 0 if entry.case == "exact" else 1 if entry.case is None and entry.word != entry.word.lower() else 2
    return (-len(key.folded), -entry.scope, entry.nearness, strictness, entry.match == "stem", entry.where)


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """A text as words are looked up in it, and for each of its characters, and its end, where that stands in `text`.

    What is in the midst of what one letter has become, as in the "ss" of "ß", stands nowhere: -1.
    """
    if text.isascii():
        return text.lower(), range(len(text) + 1)
    folded = normal(text).casefold() if " ".join(text.split()) == text else ""
    if len(folded) == len(text) and unicodedata.is_normalized("NFC", text):
        return folded, range(len(text) + 1)
    chars: list[str] = []
    places: list[int] = []
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and _clings(text[end]):
            continue
        chars.append(" " if text[start:end].isspace() else normal(text[start:end]).casefold())
        places += [start] + [-1] * (len(chars[-1]) - 1) if chars[-1] else []
        start = end
    return "".join(chars), [*places, len(text)]


def _clings(char: str) -> bool:
    """Whether a character is part of the one before it: a mark, or a vowel or end of a Korean syllable."""
    return unicodedata.category(char)[0] == "M" or "\u1160" <= char <= "\u11ff"


@cache
def _token() -> re.Pattern[str]:
    return re.compile(rf"[^\W_{_UNSPACED}]+|[^\W_]")


@cache
def _spaced() -> re.Pattern[str]:
    return re.compile(rf"[^{_UNSPACED}]")


def _is_in_word(char: str) -> bool:
    return char.isalnum() or (char != "" and unicodedata.category(char)[0] == "M")


def _are_joined(before: str, after: str) -> bool:
    """Whether neighbours belong to one word; where scripts write no spaces, nobody knows."""
    if not (_is_in_word(before) and _is_in_word(after)):
        return False
    return not after.isalnum() or all(map(_spaced().match, (before, after)))


def _begins(folded: str, word: str, start: int) -> bool:
    before = folded[max(start - 2, 0) : start]
    if not before or not _is_in_word(word[0]):
        return True
    if word[0].isdigit() and _NUMBER_GOES_BEFORE.fullmatch(before):
        return False
    if before[-1] == "'" and before[0].isalnum() and len(word) < _SHORTEST_PLURAL:  # the t of "don't"
        return False
    return not _are_joined(before[-1], word[0])


def _goes_on(folded: str, stop: int) -> bool:
    """Whether a word goes on at `stop`."""
    if stop == 0 or stop == len(folded):
        return False
    last, after = folded[stop - 1], folded[stop : stop + 2]
    if not _is_in_word(last):
        return False
    if last.isdigit() and _NUMBER_GOES_ON.match(after):
        return True
    return _are_joined(last, after[0]) or (after[0] == "'" and len(after) == 2 and after[1].isalnum())


def _ending(folded: str, key: _Key, stop: int) -> str | None:
    """The ending that a word has in a text, often ""; None where this is another word."""
    if _is_in_word(key.folded[-1]) and _spaced().match(key.folded[-1]):
        if contracted := _CONTRACTED.match(folded, stop):
            return contracted[0]
        plural = _PLURAL.match(folded, stop) if len(key.folded) >= _SHORTEST_PLURAL else None
        if plural and (plural[0] == "es") == key.folded.endswith(_HISSING):
            return plural[0]
    return None if key.entry.match == "word" and _goes_on(folded, stop) else ""


def _is_in_scope(entry: LexiconEntry, speaker: str | None, chapter: ChapterName) -> bool:
    if entry.speakers and name_key(speaker or NARRATOR) not in entry.speakers:
        return False
    number, title = chapter
    return not entry.chapters or str(number) in entry.chapters or name_key(title) in entry.chapters


def _spoken(entry: LexiconEntry, ending: str, *, is_part: bool) -> str:
    """What is said for a word with its ending: of silence there is none, and in IPA it is as English says it.

    A stem that goes on is spelled: slashes within a word say nothing.
    """
    if entry.ipa and not (is_part and entry.say):
        return f"/{entry.ipa}{_ipa_ending(entry.ipa, ending)}/"
    return f"{entry.say}{ending}" if entry.say else ""


def _ipa_ending(ipa: str, ending: str) -> str:
    if not ending.endswith("s"):
        return _IPA_OF_ENDING.get(ending, "")
    last = next((char for char in reversed(ipa) if unicodedata.category(char) in ("Ll", "Lo")), "")
    return "ɪz" if last in "szʃʒ" else "s" if last in "ptkfθ" else "z"
