"""Splits: a chunk whose takes come out wrong is cut in two, where its turns, sentences, clauses or words end.

In: a chunk, its chapter, and about where to cut. Out: two chunks, which say together what it said. A cut within an
atom is remembered by the atom's words, so that the next plan finds the same border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from pipeline.engines import Budget
from pipeline.source.script import Chapter
from pipeline.source.spoken.pairs import Normalizer, cut_at
from pipeline.source.spoken.sentences import clause_ends
from pipeline.source.spoken.text import has_speech
from pipeline.takes.chunks import Atom, Chunk, SplitTexts, Unit, chunks_between, units_of
from pipeline.takes.plan import PlannedTake, Planner

LEAST_BYTES = 20  # of a half: a word or two alone come out worse than what they were cut from
_FIRST, _LAST = 0.2, 0.8  # of the chunk, between which it is cut
_OFF_CENTRE = {"turn": 0.0, "sentence": 0.05, "clause": 0.2, "word": 0.35}  # what a cut there may be nearer by


@dataclass(frozen=True)
class Halves:
    """A chunk in two, and the atom that had to be cut for it, as spoken, in two; None where none had."""

    chunks: tuple[Chunk, Chunk]
    cut_atom: tuple[str, tuple[str, str]] | None


def split_chunk(
    chunk: Chunk, chapter: Chapter, share: float, budget: Budget, normalizer: Normalizer, split_texts: SplitTexts
) -> Halves | None:
    """`chunk` cut near `share` (0 to 1) of what it says; None where no cut leaves enough on both sides."""
    units = units_of(chapter, chunk.chapter, budget, normalizer, split_texts)
    first, atoms = _atoms_of(chunk, units)
    if " ".join(atom.spoken for atom in atoms) != " ".join(piece.spoken for piece in chunk.pieces):
        return None  # it goes on within a pair that is longer than a chunk
    share = min(max(share, _FIRST), _LAST)
    cuts = [*_between_atoms(atoms), *_within_atoms(atoms, units)]
    size = chunk.spoken_bytes
    sound = [cut for cut in cuts if min(cut.at, size - cut.at) >= LEAST_BYTES]
    if not sound:
        return None
    best = min(sound, key=lambda cut: (abs(cut.at / size - share) + _OFF_CENTRE[cut.kind], cut.at))
    cut_atom = None
    if best.halves is not None:
        cut_atom = (atoms[best.atom].spoken, best.halves)
        units = units_of(chapter, chunk.chapter, budget, normalizer, {**split_texts, cut_atom[0]: cut_atom[1]})
        first, atoms = _atoms_of(chunk, units)
        ends = list(accumulate(atom.size + 1 for atom in atoms))
        if best.at + 1 not in ends:  # its words are said in another way once they are cut
            return None
        middle = ends.index(best.at + 1) + 1
    else:
        middle = best.atom
    left, right = chunks_between(units, [first, first + middle, first + len(atoms)], chunk.chapter)
    return Halves((replace(left, after_break=chunk.after_break), replace(right, after_break=False)), cut_atom)


class Splitter:
    """Cuts the takes of a job in two, and keeps where: `keep` gets all its chunks then, and the atoms that were cut.

    `takes` are all planned takes, in the order of the book.
    """

    def __init__(
        self,
        planner: Planner,
        normalizer: Normalizer,
        takes: Iterable[PlannedTake],
        split_texts: SplitTexts,
        keep: Callable[[Sequence[Chunk], SplitTexts], None],
    ) -> None:
        self._planner, self._normalizer, self._keep = planner, normalizer, keep
        self._takes = {take.key: [take] for take in takes}  # a take, or what it was cut into
        self._split_texts = dict(split_texts)

    def split(self, plan: PlannedTake, share: float, retakes: int) -> Sequence[PlannedTake]:
        """The two halves of a take that is cut near `share`, after so many retakes; none where it cannot be cut."""
        chapter = self._planner.script.chapters[plan.chunk.chapter]
        budget = self._planner.traits.budget
        halves = split_chunk(plan.chunk, chapter, share, budget, self._normalizer, self._split_texts)
        if halves is None:
            return ()
        if halves.cut_atom is not None:
            self._split_texts[halves.cut_atom[0]] = halves.cut_atom[1]
        planned = self._planner.halves(plan, halves.chunks, retakes)
        for takes in self._takes.values():
            keys = [take.key for take in takes]  # not the takes: their voices may have got prompts since
            if plan.key in keys:
                takes[keys.index(plan.key) : keys.index(plan.key) + 1] = planned
        self._keep([take.chunk for takes in self._takes.values() for take in takes], self._split_texts)
        return planned


@dataclass(frozen=True)
class _Cut:
    """A place to cut: `at` bytes, before an atom of this index, or within it where it leaves `halves`."""

    at: int
    kind: str
    atom: int
    halves: tuple[str, str] | None = None


def _atoms_of(chunk: Chunk, units: Sequence[Unit]) -> tuple[int, list[Atom]]:
    """The index of a chunk's first atom among those of its chapter, and its atoms."""
    atoms = [atom for unit in units for atom in unit.atoms]
    begin = (chunk.pieces[0].turn, chunk.pieces[0].pairs[0].start)
    end = (chunk.pieces[-1].turn, chunk.pieces[-1].pairs[-1].end)
    inside = [
        index
        for index, atom in enumerate(atoms)
        if begin <= (atom.turn, atom.pairs[0].start) and (atom.turn, atom.pairs[-1].end) <= end
    ]
    return (inside or [0])[0], [atoms[index] for index in inside]


def _between_atoms(atoms: Sequence[Atom]) -> Iterator[_Cut]:
    at = 0
    for index in range(1, len(atoms)):
        at += atoms[index - 1].size + 1
        kind = "turn" if atoms[index].turn != atoms[index - 1].turn else "sentence"
        yield _Cut(at - 1, kind, index)


def _within_atoms(atoms: Sequence[Atom], units: Sequence[Unit]) -> Iterator[_Cut]:
    texts = {unit.turn: unit.text for unit in units}
    begin = 0
    for index, atom in enumerate(atoms):
        text, start = texts[atom.turn], atom.pairs[0].start
        clauses = {start + end for end in clause_ends(text[start : atom.pairs[-1].end])}
        spaces = [at for at in range(start, atom.pairs[-1].end) if text[at] == " "]
        words = [word for pair in atom.pairs for word in cut_at(text, pair, spaces)]
        spoken_so_far = ""
        for number, word in enumerate(words[:-1], 1):
            spoken_so_far = f"{spoken_so_far} {word.spoken}".strip() if word.spoken else spoken_so_far
            rest = atom.spoken[len(spoken_so_far) :]
            is_sound = has_speech(spoken_so_far) and has_speech(rest) and rest.startswith(" ")
            if is_sound and words[number].spoken and atom.spoken.startswith(spoken_so_far):
                kind = "clause" if word.end in clauses else "word"
                yield _Cut(begin + len(spoken_so_far.encode()), kind, index, (spoken_so_far, rest[1:]))
        begin += atom.size + 1
