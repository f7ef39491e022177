"""Matches: which chunks of the last plan a script still has, and where.

In: a script in places, which are atoms with their surroundings, and the chunks of the last plan as texts. Out: those
that are still there, in the order of the script, none over another. Knows no files and decides no border.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from pipeline.engines import Budget
from pipeline.takes.chunks import MAX_SPEAKERS, Atom, SplitOff, Unit

_NEARBY = 8  # chunks that begin alike are tried this far on either side


@dataclass(frozen=True)
class KeptChunk:
    """A chunk of the last plan: what each turn says in it, with the number of its speaker among those of the chunk."""

    lines: tuple[tuple[int, str], ...]
    after_break: bool  # a hard border lay before it
    split: SplitOff | None = None


class Place(NamedTuple):
    """An atom of the script, and what it must know of its surroundings."""

    atom: Atom
    who: tuple[str | None, str | None]
    first: bool  # of its turn
    hard: bool  # a hard border lies before it


class Match(NamedTuple):
    """A chunk of the last plan that the script still has, in places."""

    start: int
    end: int
    number: int  # in the last plan


def places_of(chapters: Sequence[Sequence[Unit]]) -> Iterator[Place]:
    """The atoms of a script, chapter after chapter."""
    for units in chapters:
        for number, unit in enumerate(units):
            yield Place(unit.atoms[0], unit.who, True, unit.hard or number == 0)
            for atom in unit.atoms[1:]:
                yield Place(atom, unit.who, False, False)


def texts_of(units: Sequence[Unit]) -> Iterator[str]:
    """What each place of a chapter displays."""
    for unit in units:
        for atom in unit.atoms:
            yield unit.text[atom.pairs[0].start : atom.pairs[-1].end].strip()


def matches_of(places: Sequence[Place], kept: Sequence[KeptChunk], budget: Budget) -> list[Match]:
    """The chunks of the last plan that are still there: from the front, from the back, then those between."""
    head: list[Match] = []
    at = 0
    while len(head) < len(kept) and (end := _end(places, at, kept[len(head)], budget)) is not None:
        head.append(Match(at, end, len(head)))
        at = end
    tail: list[Match] = []
    end, last = len(places), len(kept)
    while last > len(head):
        start = _start(places, end, kept[last - 1])
        if start is None or start < at or _end(places, start, kept[last - 1], budget) != end:
            break
        last -= 1
        tail.append(Match(start, end, last))
        end = start
    between = _matches_between(places, range(at, end), kept, range(len(head), last), budget)
    return [*head, *between, *reversed(tail)]


def _matches_between(
    places: Sequence[Place], gap: range, kept: Sequence[KeptChunk], indexes: range, budget: Budget
) -> Iterator[Match]:
    """The chunks with these indexes that are in `gap`: first those beside another one, then single ones between them.

    A chunk alone proves little: in a dialogue "Yes." may stand anywhere.
    """
    runs = list(_in_turn(places, gap, kept, indexes, budget, alone=False))
    ends = [Match(gap.start, gap.start, indexes.start - 1), *runs, Match(gap.stop, gap.stop, indexes.stop)]
    for before, after in pairwise(ends):
        between, lost = range(before.end, after.start), range(before.number + 1, after.number)
        yield from _in_turn(places, between, kept, lost, budget, alone=True)
        if after.end > after.start:
            yield after


def _in_turn(
    places: Sequence[Place], gap: range, kept: Sequence[KeptChunk], indexes: range, budget: Budget, *, alone: bool
) -> Iterator[Match]:
    """Chunks that are in `gap`, each where it first fits after the one before it; without `alone` only neighbours."""
    by_beginning: dict[str, list[int]] = {}
    for index in indexes:
        by_beginning.setdefault(kept[index].lines[0][1], []).append(index)

    def end_of(start: int, index: int) -> int | None:
        end = _end(places, start, kept[index], budget) if index in indexes else None
        return end if end is not None and end <= gap.stop else None

    at, expected, end = gap.start, indexes.start, None
    while at < gap.stop and by_beginning:
        for index in _alike(places, at, gap.stop, by_beginning, expected, budget):
            is_next = index == expected and at == end
            stop = end_of(at, index)
            if stop is not None and (alone or is_next or end_of(stop, index + 1) is not None):
                yield Match(at, stop, index)
                at, expected, end = stop, index + 1, stop
                break
        else:
            at += 1


def _alike(
    places: Sequence[Place], at: int, stop: int, by_beginning: dict[str, list[int]], expected: int, budget: Budget
) -> Iterator[int]:
    """The chunks that may begin at a place, the one that is expected there and those near it first."""
    yield expected
    for beginning in _beginnings(places, at, stop, budget):
        alike = by_beginning.get(beginning, [])
        middle = bisect_left(alike, expected)
        yield from alike[middle : middle + _NEARBY]
        yield from alike[max(middle - _NEARBY, 0) : middle][::-1]


def _beginnings(places: Sequence[Place], at: int, stop: int, budget: Budget) -> Iterator[str]:
    """What the first line of a chunk that begins at a place may say."""
    text = places[at].atom.spoken
    yield text
    while (at := at + 1) < stop and not places[at].first and len(text) < budget.max_bytes:
        text = f"{text} {places[at].atom.spoken}"
        yield text


def _end(places: Sequence[Place], start: int, chunk: KeptChunk, budget: Budget) -> int | None:
    """Where a chunk ends that begins at a place; None where it does not, or is more than a chunk may be."""
    at, size = start, -1
    speakers: list[tuple[str | None, str | None]] = []
    for slot, text in chunk.lines:
        position = 0
        while position <= len(text):
            if at == len(places):
                return None
            atom, who, first, hard = places[at]
            goes_on = first == (position == 0) or at == start  # a line is one turn, as far as the chunk has it
            if not goes_on or (hard and at > start) or not text.startswith(atom.spoken, position):
                return None
            position += len(atom.spoken)
            if position < len(text) and text[position] != " ":
                return None
            position += 1
            size += atom.size + 1
            at += 1
        if who not in speakers:
            speakers.append(who)
        if speakers.index(who) != slot:
            return None
    fits = (size <= budget.max_bytes or at == start + 1) and len(speakers) <= MAX_SPEAKERS
    return at if fits else None


def _start(places: Sequence[Place], end: int, chunk: KeptChunk) -> int | None:
    """Where a chunk that ends at a place would begin, going by its length."""
    length = sum(len(text) + 1 for _slot, text in chunk.lines)
    while length > 0 and end > 0:
        end -= 1
        length -= len(places[end].atom.spoken) + 1
    return end if length == 0 else None
