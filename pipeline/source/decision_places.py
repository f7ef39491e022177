"""Decision places: which chunk of a script each decision is about.

In: decisions, and the words and voices of all chunks in the order of the book. Out: for each chunk what was decided of
it, and what is to be told of decisions that are about none, or contradict another.

A decision is about a chunk that says the same words with the same voices. Where several do, it is about the one whose
words before and after it are most like those of the decision, and about none where neither agree. They agree where
those next to the chunk are the same, or half of them are (in the same order). So another chunk may come, go or change
anywhere: a decision keeps its chunk as long as that has some of its neighbourhood, and the words stand nowhere in more
of it.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pipeline.errors import Problem
from pipeline.source.decisions import Decision, fold

CONTEXT_WORDS = 12  # before and after a chunk
_MOST_NEAREST = 5  # of the decisions whose words are gone: for these the nearest words are looked for
_NEARBY_WORDS = 3  # before the first that is another one, when they are told
_MOST_COMPARED = 40  # chunks, when the nearest words are looked for
_MOST_PAIRS = 200_000  # of decisions and places that are compared word by word, for one text that stands so often
_Speech = tuple[str, tuple[str, ...]]  # folded words, and who speaks them
_EDGE = "\0"  # stands for the words before the first chunk of the book, and after the last one


@dataclass(frozen=True)
class PlacedWords:
    """What a chunk says, as displayed, and the names of its voices in the order in which they speak."""

    words: str
    voices: tuple[str, ...]


@dataclass(frozen=True)
class Matches:
    """What was decided of each chunk, by its index: one decision of each kind, and no retake of an approved one.

    `lost` are the decisions that are about no chunk, each with what is to be told of it. `problems` tell of decisions
    that contradict each other: of these the first approval stands, else the first.
    """

    approved: Mapping[int, Decision] = field(default_factory=dict)
    retakes: Mapping[int, Decision] = field(default_factory=dict)
    alternatives: Mapping[int, Decision] = field(default_factory=dict)
    lost: tuple[tuple[Decision, Problem], ...] = ()
    problems: tuple[Problem, ...] = ()


def context(chunks: Sequence[PlacedWords], index: int) -> tuple[str, str]:
    """The last twelve words before a chunk and the first twelve after it, over as many chunks as they take."""
    before: list[str] = []
    after: list[str] = []
    at = index
    while at > 0 and len(before) < CONTEXT_WORDS:
        at -= 1
        before[:0] = fold(chunks[at].words).split()
    at = index + 1
    while at < len(chunks) and len(after) < CONTEXT_WORDS:
        after += fold(chunks[at].words).split()
        at += 1
    return " ".join(before[-CONTEXT_WORDS:]), " ".join(after[:CONTEXT_WORDS])


def match_decisions(decisions: Sequence[Decision], chunks: Sequence[PlacedWords]) -> Matches:
    """Find the chunk that each decision is about. Quick for any number of them: chunks are found by their words."""
    places: dict[_Speech, list[int]] = {}
    for index, chunk in enumerate(chunks):
        places.setdefault((fold(chunk.words), chunk.voices), []).append(index)
    groups: dict[tuple[bool, _Speech], list[Decision]] = {}
    lost: list[tuple[Decision, str]] = []
    for decision in decisions:
        speech = (fold(decision.words), decision.voices)
        if speech in places:
            groups.setdefault((decision.kind == "takes", speech), []).append(decision)
        else:
            lost.append((decision, ""))
    holders: dict[bool, dict[int, Decision]] = {False: {}, True: {}}
    problems: list[tuple[int, Problem]] = []
    for (is_takes, speech), group in groups.items():
        placing = _Placing(group, places[speech], chunks)
        holders[is_takes] |= placing.found
        lost += placing.lost
        problems += placing.problems
    lost.sort(key=lambda pair: pair[0].number)
    return Matches(
        approved={at: one for at, one in holders[False].items() if one.kind == "approve"},
        retakes={at: one for at, one in holders[False].items() if one.kind == "retake"},
        alternatives=holders[True],
        lost=tuple(_reasons(lost, len(decisions), list(places))),
        problems=tuple(problem for _number, problem in sorted(problems, key=lambda pair: pair[0])),
    )


class _Likeness(NamedTuple):
    """How much the words around one thing are those around another; more is more alike."""

    words: int  # that agree, of at most twelve on either side
    next_to: int  # of those, how many without a gap next to the chunk
    is_same: bool  # at least half of all words agree: these are the surroundings of one place


class _Around:
    """The words around something, nearest first, for comparison with others."""

    def __init__(self, before: str, after: str) -> None:
        self.text = fold(before), fold(after)
        self.sides = _with_edge(self.text[0].split()[::-1]), _with_edge(self.text[1].split())
        self._bits = [_bits_of(words) for words in self.sides]

    def like(self, other: _Around) -> _Likeness:
        """How much they have in common; a side counts where the nearest words are the same, or half of all."""
        total = nearest = size = 0
        for own, bits, theirs in zip(self.sides, self._bits, other.sides, strict=True):
            common = _common(bits, len(own), theirs)
            run = next((at for at, pair in enumerate(zip(own, theirs, strict=False)) if pair[0] != pair[1]), None)
            run = min(len(own), len(theirs)) if run is None else run
            longer = max(len(own), len(theirs))
            size += longer
            if run or 2 * common >= longer:
                total += common
                nearest += run
        return _Likeness(total, nearest, 2 * total >= size)


def _with_edge(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(words[:CONTEXT_WORDS]) or (_EDGE,)


def _bits_of(words: Sequence[str]) -> dict[str, int]:
    bits: dict[str, int] = {}
    for at, word in enumerate(words):
        bits[word] = bits.get(word, 0) | 1 << at
    return bits


def _common(bits: Mapping[str, int], size: int, words: Sequence[str]) -> int:
    """The length of the longest common subsequence, a bit for each word (Hyyrö, "Bit-parallel LCS-length", 2004)."""
    row = mask = (1 << size) - 1
    for word in words:
        if hits := bits.get(word, 0) & row:
            row = (row + hits) | (row - hits)
    return size - (row & mask).bit_count()


class _Placing:
    """Gives decisions on the same words with the same voices each a place of its own."""

    def __init__(self, decisions: Sequence[Decision], places: Sequence[int], chunks: Sequence[PlacedWords]) -> None:
        self.found: dict[int, Decision] = {}
        self.lost: list[tuple[Decision, str]] = []
        self.problems: list[tuple[int, Problem]] = []
        self._count = len(places)
        if len(places) == len(decisions) == 1:  # nearly all: nothing has to be compared
            self.found[places[0]] = decisions[0]
            return
        self._places = {place: _Around(*context(chunks, place)) for place in places}
        self._decisions = [(decision, _Around(decision.before, decision.after)) for decision in decisions]
        left = self._contest(self._place_nearest(self._place_exact()))
        self.lost += [(self._decisions[index][0], self._why()) for index in left]

    def _place_exact(self) -> list[int]:
        """Give places to decisions with the very words around them, in their order; returns the other decisions."""
        free: dict[tuple[str, str], list[int]] = {}
        for place in reversed(self._places):
            free.setdefault(self._places[place].text, []).append(place)
        left = []
        for index, (decision, around) in enumerate(self._decisions):
            if of_text := free.get(around.text):
                self.found[of_text.pop()] = decision
            else:
                left.append(index)
        return left

    def _place_nearest(self, left: Sequence[int]) -> list[int]:
        """Give the rest to the places that are most like them; returns those that get none.

        One whose place another decision has gets no other place, unless that is just as likely. Of places that are as
        likely it gets the last: the same words that are put in right before an approved take must not take it over.
        """
        most = max(_MOST_PAIRS // max(len(left), 1), 1)
        pairs = []
        for index in left:
            around = self._decisions[index][1]
            for place in self._places if len(self._places) <= most else self._beside(around, most):
                likeness = around.like(self._places[place])
                if likeness.words or self._count == 1:
                    pairs.append((-likeness.words, -likeness.next_to, index, -place, likeness.is_same))
        given: set[int] = set()
        contested: dict[int, tuple[int, int]] = {}  # by decision: how little its place is like it, and that place
        equals: dict[tuple[int, int], dict[int, int]] = {}  # places by decision, of those with the same likeness
        for unlike, next_to, index, minus_place, is_same in sorted(pairs):
            place = -minus_place
            if index in given or (index in contested and contested[index][0] < unlike):
                continue
            if place not in self.found:
                self.found[place] = self._decisions[index][0]
                given.add(index)
                equals.setdefault((unlike, next_to), {})[index] = place
            elif is_same:
                contested.setdefault(index, (unlike, place))
        likenesses = {(index, -minus_place): (unlike, next_to) for unlike, next_to, index, minus_place, _same in pairs}
        for likeness_of, places in equals.items():
            in_order = dict(zip(sorted(places), sorted(places.values()), strict=True))
            if all(likenesses.get(pair) == likeness_of for pair in in_order.items()):
                self.found |= {place: self._decisions[index][0] for index, place in in_order.items()}
        waiting = [index for index in left if index not in given]
        for index in waiting:
            if index in contested:
                self._settle(contested[index][1], self._decisions[index][0])
        return [index for index in waiting if index not in contested]

    def _beside(self, around: _Around, most: int) -> list[int]:
        """Of very many places some that have the same words next to them on one side."""
        sides = [self._by_neighbours.get((side, words[:3]), []) for side, words in enumerate(around.sides)]
        return sorted({place for places in sides for place in places[:most]})

    @cached_property
    def _by_neighbours(self) -> dict[tuple[int, tuple[str, ...]], list[int]]:
        """The places with these three words on this side."""
        places: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        for place, around in self._places.items():
            for side, words in enumerate(around.sides):
                places.setdefault((side, words[:3]), []).append(place)
        return places

    def _contest(self, left: Sequence[int]) -> list[int]:
        """Settle decisions that were written between the same words as one that has a place; returns the others."""
        text_of = {id(decision): around.text for decision, around in self._decisions}
        held = {text_of[id(decision)]: place for place, decision in reversed(self.found.items())}
        others = []
        for index in left:
            decision, around = self._decisions[index]
            if around.text in held:
                self._settle(held[around.text], decision)
            else:
                others.append(index)
        return others

    def _settle(self, place: int, decision: Decision) -> None:
        """Choose between two decisions on a place, and tell of both where they are not the same."""
        holder = self.found[place]
        first, second = sorted((holder, decision), key=lambda one: (one.kind != "approve", one.number))
        self.found[place] = first
        if _what(first) != _what(second):
            for one, other in ((first, second), (second, first)):
                what = f'{_who(one)} {_what(one)} for "{one.words}", and {_who(other)} {_what(other)} ({other.where}).'
                stands = f"{'This' if one is first else 'That'} one stands; take one of the two out."
                self.problems.append((one.number, Problem(one.where, what, stands)))

    def _why(self) -> str:
        if self._count == 1:
            return "stands in the script once, and another decision is about that."
        return f"stands in the script {self._count} times, but nowhere new between the words that this decision names."


def _who(decision: Decision) -> str:
    return decision.by or "somebody"


def _what(decision: Decision) -> str:
    """What was decided, as it stands after who did."""
    if decision.approve is not None:
        return f"approved {decision.approve}"
    if decision.retake:
        extras = [f"{key} {value}" for key in ("seed", "voice") if (value := getattr(decision, key)) is not None]
        times = "a retake" if decision.retake == 1 else f"{decision.retake} retakes"
        return " with ".join((f"asked for {times}", *filter(None, [" and ".join(extras)])))
    return f"asked for {decision.takes} takes"


def _reasons(
    lost: Sequence[tuple[Decision, str]], of: int, speeches: Sequence[_Speech]
) -> Iterator[tuple[Decision, Problem]]:
    """What is to be said of each decision that is about no chunk; without a reason its words are said by nobody."""
    voices_of = dict(reversed(speeches)) if lost else {}
    is_foreign = len(lost) == of > 1
    looked_up = 0
    for decision, reason in lost:
        words, why = fold(decision.words), reason
        hint = "Take the decision out, or correct it."
        if not why and words in voices_of:
            why = f"is spoken by {' and '.join(voices_of[words])} now, and was by {' and '.join(decision.voices)}."
        elif not why:
            why = "no longer stands in the script as the words of a take."
            if is_foreign:
                hint = f"None of these {of} decisions is about a take of this script: see whether the file is its own."
            elif looked_up < _MOST_NEAREST:
                looked_up += 1
                if near := _nearest(words, voices_of):
                    hint = f'The nearest words are "{_from_change(words, near)}".'
        yield decision, Problem(decision.where, f'"{words}" {why}', hint)


def _from_change(words: str, near: str) -> str:
    """What of `near` is to be shown beside `words`: all, or where it is other than these, as messages are cut short."""
    was, now = words.split(), near.split()
    same = next((at for at, (one, other) in enumerate(zip(was, now, strict=False)) if one != other), len(was))
    return near if same <= _NEARBY_WORDS else " ".join(["…", *now[same - _NEARBY_WORDS :]])


def _nearest(words: str, texts: Iterable[str]) -> str:
    """The text that is most like some words, or ""."""
    wanted = set(words.lower().split())

    def shared(text: str) -> float:
        other = text.lower().split()
        return len(wanted.intersection(other)) / max(len(wanted), len(other), 1)

    return next(iter(difflib.get_close_matches(words, heapq.nlargest(_MOST_COMPARED, texts, key=shared), n=1)), "")
