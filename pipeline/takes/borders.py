"""Borders: chunks stay where the last plan had them, so that an edit of one turn costs its own chunks and a neighbour.

In: the chapters of a script, and the chunks of the last plan as texts. Out: chunks as `pack` makes them; those of the
last plan that the script still has stay. What is planned depends on the script, the budget and the last plan alone,
never on which takes there are, and planning the same script again changes nothing.

What no chunk of the last plan covers is a *gap*. It is cut anew together with the chunks beside it, the cheapest way
that renders little again. Text between hard borders of which nothing was there before is cut as `fresh_cuts` has it.
So a border is given up where the text beside it changed, where its chunk is more than a chunk may be, and where a
chunk beside a gap is too short and a neighbour cures that.

Of the chunks that hold nothing of an edited turn at most one is new. There are two where the turn stands inside a chunk
and can share a chunk neither with what is left before it nor with what is left after it (a third speaker, or too many
bytes): then no plan has fewer, as what is left on either side has to be a chunk or a part of one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate, pairwise

from pipeline.engines import Budget, Traits
from pipeline.files import read_record, write_record
from pipeline.source.decisions import Decision
from pipeline.source.script import Chapter
from pipeline.source.spoken.pairs import Normalizer
from pipeline.takes.chunks import (
    MAX_SPEAKERS,
    NOTHING_SPLIT,
    TOO_SHORT,
    Chunk,
    SplitOff,
    SplitTexts,
    Unit,
    chunks_between,
    fresh_cuts,
    pack,
    units_of,
)
from pipeline.takes.fixed import fixed_spans
from pipeline.takes.matches import KeptChunk, Match, Place, matches_of, places_of, texts_of
from pipeline.workspace import Workspace

# What it costs to render a chunk again whose text was there before: more than a better size, less than a short chunk.
_AGAIN = 3.0
_MOST_AGAIN = 4  # such chunks in one gap: one that has lost more chunks was not an edit of one turn


@dataclass(frozen=True)
class LastPlan:
    """The chunks of the last plan, and the atoms that were cut for their faults."""

    chunks: Sequence[KeptChunk] = ()
    split_texts: SplitTexts = field(default_factory=dict)


@dataclass(frozen=True)
class _PlanRecord:
    """What the file holds, by engine, language and budget.

    `plans` are the chunks between hard borders, a line for each turn; before the lines of a half that was cut off for
    its faults stand `split`, its parent's key, its number, the retakes and the root. `split_texts` are such cuts within
    sentences.
    """

    plans: dict[str, list[list[str]]]
    split_texts: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)


_SPLIT = "split"


def plan_name(traits: Traits, language: str) -> str:
    """What borders are kept by: another engine, language or budget has borders of its own."""
    return f"{traits.name} {language} {traits.budget.min_bytes}-{traits.budget.max_bytes}"


def read_borders(workspace: Workspace, name: str) -> LastPlan:
    """The last plan called `name`; one without chunks where there was none, or its file is damaged.

    A production that was never rendered goes by the others of its folder: a corrected title renders nothing again.
    """
    records = [_read(workspace)]
    if name not in records[0].plans and workspace.home != workspace.root and workspace.production is None:
        root = Workspace(workspace.root.parent, workspace.root.name)
        records = [_read(other) for other in (root, *root.others())]
    return LastPlan(
        [
            replace(_kept(chunk), after_break=number == 0)
            for record in records
            for part in record.plans.get(name, [])
            for number, chunk in enumerate(part)
        ],
        {text: parts for record in records for text, parts in record.split_texts.get(name, {}).items()},
    )


def write_borders(
    workspace: Workspace, name: str, chunks: Iterable[Chunk], split_texts: SplitTexts = NOTHING_SPLIT
) -> None:
    """Keep the chunks of a plan for the next one. Raises `StorageError`."""
    parts: list[list[str]] = []
    for chunk in chunks:
        slots: dict[tuple[str | None, str | None], int] = {}
        lines = [
            f"{slots.setdefault((piece.speaker, piece.voice), len(slots))} {piece.spoken}" for piece in chunk.pieces
        ]
        if (split := chunk.split) is not None:
            lines.insert(0, f"{_SPLIT} {split.parent} {split.half} {split.retakes} {split.root}".rstrip())
        if chunk.after_break or not parts:
            parts.append([])
        parts[-1].append("\n".join(lines))
    record = _read(workspace)
    splits = {**record.split_texts, name: dict(sorted(split_texts.items()))} if split_texts else record.split_texts
    changed = _PlanRecord(record.plans | {name: parts}, splits)
    if changed != record:
        write_record(workspace.chunks, asdict(changed))


def _read(workspace: Workspace) -> _PlanRecord:
    return read_record(workspace.chunks, _PlanRecord) or _PlanRecord({})


def _kept(chunk: str) -> KeptChunk:
    lines = chunk.split("\n")
    split = _split_off(lines[0])
    return KeptChunk(tuple(map(_line, lines[1:] if split else lines)), after_break=False, split=split)


def _split_off(line: str) -> SplitOff | None:
    match line.split(" "):
        case [word, parent, half, retakes, *root] if word == _SPLIT and half.isdecimal() and retakes.isdecimal():
            return SplitOff(parent, int(half), int(retakes), " ".join(root))
    return None


def _line(line: str) -> tuple[int, str]:
    slot, _, text = line.partition(" ")
    return (int(slot) if slot in ("0", "1") else MAX_SPEAKERS), text


def repack(
    chapters: Sequence[Chapter],
    budget: Budget,
    normalizer: Normalizer,
    last: LastPlan,
    decisions: Sequence[Decision] = (),
) -> tuple[list[Chunk], int]:
    """The chunks of a script after the `last` plan, and how many of those a fresh plan would cut otherwise.

    The borders of a take that somebody approved are fixed, whatever is changed beside it.
    """
    kept = last.chunks
    if not kept and not decisions:
        return [chunk for index, one in enumerate(chapters) for chunk in pack(one, index, budget, normalizer)], 0
    units = [units_of(chapter, index, budget, normalizer, last.split_texts) for index, chapter in enumerate(chapters)]
    places = list(places_of(units))
    fixed = fixed_spans(decisions, places, [text for chapter in units for text in texts_of(chapter)])
    places = fixed.harden(places)
    atoms = [sum(len(unit.atoms) for unit in chapter) for chapter in units]
    firsts = [0, *accumulate(atoms)]
    fresh = [
        first + cut for first, chapter in zip(firsts, units, strict=False) for cut in fresh_cuts(chapter, budget)[:-1]
    ]
    fresh = fixed.cuts([*fresh, len(places)])
    matches = matches_of(places, kept, budget)
    cuts = fixed.cuts(_Recut(places, kept, budget, fresh).cuts(matches)) if kept else fresh
    split = {(match.start, match.end): kept[match.number].split for match in matches}
    chunks = [
        replace(chunk, split=split.get(span)) if span in split else chunk
        for index, (first, end) in enumerate(pairwise(firsts))
        for span, chunk in _between(units[index], cuts[bisect_left(cuts, first) : bisect_left(cuts, end) + 1], index)
    ]
    unlike_fresh = set(pairwise(cuts)) - set(pairwise(fresh))
    return chunks, sum((match.start, match.end) in unlike_fresh for match in matches)


def _between(units: Sequence[Unit], cuts: Sequence[int], index: int) -> Iterator[tuple[tuple[int, int], Chunk]]:
    """The chunks of a chapter between these cuts of the script, with their places in it."""
    first = cuts[0] if cuts else 0
    return zip(pairwise(cuts), chunks_between(units, [cut - first for cut in cuts], index), strict=True)


class _Recut:
    """Cuts a script between the chunks that stay. A cut is the index of a chunk's first place."""

    def __init__(
        self, places: Sequence[Place], kept: Sequence[KeptChunk], budget: Budget, fresh: Sequence[int]
    ) -> None:
        self._places, self._kept, self._budget, self._fresh = places, kept, budget, fresh

    def cuts(self, matches: Sequence[Match]) -> list[int]:
        """All cuts, of which most are those of `matches`."""
        size = len(self._places)
        cuts, before = [0], -1
        for match in (*matches, Match(size, size, len(self._kept))):
            gap = range(cuts[-1], match.start)
            if gap or self._is_seam(before, match):
                left = cuts[-2] if len(cuts) > 1 and not self._is_hard(gap.start) else gap.start
                right = match.start if self._is_hard(match.start) else match.end
                del cuts[bisect_left(cuts, left) + 1 :]
                cuts += self._recut(range(left, right), gap, self._kept[before + 1 : match.number])
            if match.end > cuts[-1]:
                cuts.append(match.end)
            before = match.number
        return cuts

    def _is_hard(self, place: int) -> bool:
        """Whether nothing can be joined across the border before a place."""
        return place == len(self._places) or self._places[place].hard

    def _is_seam(self, before: int, match: Match) -> bool:
        """Whether a chunk has another neighbour before it than it had, or is no longer kept apart from it."""
        if match.number != before + 1:
            return True
        return match.start < match.end and self._kept[match.number].after_break and not self._is_hard(match.start)

    def _recut(self, window: range, gap: range, lost: Sequence[KeptChunk]) -> list[int]:
        """The cuts of `window`, but for its start: a gap with the neighbours it may take in.

        `lost` are the chunks that lay in the gap. At most one chunk is rendered again whose whole text was there before
        (one more for each that is lost, where there is no new text), or as few as possible.
        """
        if not window:
            return []
        new = self._new(gap, lost)
        breaks = [place for place in (*new, new.stop) if self._is_hard(place)] if new else []
        if len(breaks) > 1:  # between them nothing was there before
            first, last = breaks[0], breaks[-1]
            fresh = self._fresh[bisect_left(self._fresh, first) + 1 : bisect_left(self._fresh, last) + 1]
            return [
                *self._recut_part(range(window.start, first), gap, range(new.start, first), 1),
                *fresh,
                *self._recut_part(range(last, window.stop), gap, range(last, new.stop), 1),
            ]
        return self._recut_part(window, gap, new, 1 if new else len(lost) + 1)

    def _recut_part(self, window: range, gap: range, new: range, most_again: int) -> list[int]:
        for most in range(most_again, _MOST_AGAIN + 1):
            if cuts := self._cheapest(window, gap, new, most):
                return cuts
        return self._cheapest(window, gap, gap, 0)

    def _new(self, gap: range, lost: Sequence[KeptChunk]) -> range:
        """The part of a gap that its chunks did not have: it is rendered whatever becomes of it."""
        if len(lost) >= _MOST_AGAIN:
            return gap
        text = " ".join(text for chunk in lost for _slot, text in chunk.lines) + " "
        start, stop = gap.start, gap.stop
        while start < stop and text.startswith(said := self._places[start].atom.spoken + " "):
            text = text[len(said) :]
            start += 1
        text = f" {text[:-1]}"
        while start < stop and text.endswith(said := " " + self._places[stop - 1].atom.spoken):
            text = text[: -len(said)]
            stop -= 1
        return range(start, stop)

    def _cheapest(self, window: range, gap: range, new: range, most_again: int) -> list[int]:
        """The cheapest cuts with at most so many chunks of old text that were none before; none where that cannot be.

        Dynamic programming as in `chunks.fresh_cuts`, also over the number of such chunks.
        """
        budget, places = self._budget, self._places
        ideal = (budget.min_bytes + budget.max_bytes) / 2
        left, right = range(window.start, gap.start), range(gap.stop, window.stop)  # the neighbours; empty: none
        infinite = float("inf")
        cost = {window.start: [0.0] + [infinite] * most_again}
        came_from: dict[tuple[int, int], tuple[int, int]] = {}
        for end in range(window.start + 1, window.stop + 1):
            costs = cost[end] = [infinite] * (most_again + 1)
            size = -1
            speakers = set()
            cut_cost = places[end - 1].atom.cut_cost
            for start in range(end - 1, window.start - 1, -1):
                size += places[start].atom.size + 1
                speakers.add(places[start].who)
                if start < end - 1 and (size > budget.max_bytes or len(speakers) > MAX_SPEAKERS):
                    break
                stays = (start == left.start and end == left.stop) or (start == right.start and end == right.stop)
                again = 0 if stays or (new and start < new.stop and end > new.start) else 1
                neighbours = 0 if stays else (bool(left) and start == left.start) + (bool(right) and end == right.stop)
                off = size / ideal - 1
                price = off * off + cut_cost + (TOO_SHORT if size < budget.min_bytes else 0.0)
                price += _AGAIN * (again + neighbours)
                for number in range(most_again + 1 - again):
                    if (total := cost[start][number] + price) < costs[number + again]:
                        costs[number + again] = total
                        came_from[end, number + again] = (start, number)
                if places[start].hard:
                    break
        number = min(range(most_again + 1), key=cost[window.stop].__getitem__)
        if cost[window.stop][number] == infinite:
            return []
        cuts, place = [], window.stop
        while place > window.start:
            cuts.append(place)
            place, number = came_from[place, number]
        return cuts[::-1]
