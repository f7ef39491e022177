"""Chunks: turns packed and split to the window an engine speaks well.

In: the turns of a chapter. Out: chunks of at most two speakers and of a bounded number of bytes, cut at turn ends,
else at sentence ends, else at clause ends, never in a word. Knows no voices, engines or files; the same turns always
give the same chunks.

Editing a book must not move the chunks far from the edit, or half the book would be rendered again. So the chapter is
first cut into segments at borders that are chosen by nothing but the text around them, and each segment is packed on
its own. A border between two turns is such an *anchor* when

- it is hard: a chapter, a scene, or a pause written in the script;
- or both neighbours fill a chunk and do not fit into one together;
- or its hash, taken of the two turns beside it, is the smallest of all borders within half a chunk (content-defined
  chunking by local minima, as in Bjørner, Blass and Gurevich, "Content-dependent chunking for differential
  compression", 2010).
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, pairwise

from pipeline.engines import Budget
from pipeline.source.script import Chapter, Turn
from pipeline.source.spoken.pairs import Normalizer, Pair, cut_at, said
from pipeline.source.spoken.sentences import clause_ends, sentence_ends
from pipeline.source.spoken.text import has_speech

MAX_SPEAKERS = 2  # Dia knows [S1] and [S2]

# What a cut costs, against the square of how far a chunk's size is off (1.0: empty, or twice the ideal).
_CUT_TURN, _CUT_SENTENCE, _CUT_CLAUSE, _CUT_WORD = 0.0, 0.15, 0.6, 1.5
TOO_SHORT = 10.0


@dataclass(frozen=True)
class ChunkPiece:
    """What one turn contributes to a chunk."""

    turn: int  # index in the chapter
    speaker: str | None
    voice: str | None  # the turn's own, if the script names one
    text: str  # as displayed; "" where it goes on within a pair that is longer than a chunk
    spoken: str  # as the engine gets it
    pairs: tuple[Pair, ...] = ()  # in characters of the turn


@dataclass(frozen=True)
class SplitOff:
    """Whose half a chunk is that was cut because its takes had faults."""

    parent: str  # the key of its take
    half: int  # 0: the first
    retakes: int  # that the parent had, the split among them
    root: str = ""  # of the first half: the speech that was cut first of all, by a hash, which still counts


@dataclass(frozen=True)
class Chunk:
    """A part of a chapter's text, sized for the model: one take speaks it."""

    chapter: int  # index in the script
    pieces: tuple[ChunkPiece, ...]
    after_break: bool = False  # a hard border lies before it
    split: SplitOff | None = None

    @property
    def spoken_bytes(self) -> int:
        """Bytes of UTF-8, pieces joined by single spaces."""
        return sum(len(piece.spoken.encode()) for piece in self.pieces) + len(self.pieces) - 1

    @property
    def text(self) -> str:
        """What it says, as displayed; of what goes on within a pair that is longer than a chunk, its words."""
        return " ".join(piece.text for piece in self.pieces if piece.text) or self.pieces[0].spoken


@dataclass(frozen=True)
class Atom:
    """The smallest part that may stand alone in a chunk: a sentence, or a part of a long one."""

    turn: int
    pairs: tuple[Pair, ...]
    spoken: str
    size: int
    cut_cost: float  # of a cut after it


SplitTexts = Mapping[str, tuple[str, str]]  # an atom that was cut for its faults, and its two parts, as spoken
NOTHING_SPLIT: SplitTexts = {}


@dataclass(frozen=True)
class Unit:
    """A turn that has something to say, in atoms."""

    turn: int
    text: str  # as displayed
    who: tuple[str | None, str | None]
    atoms: tuple[Atom, ...]
    size: int
    hash: int
    hard: bool  # a hard border lies before it


def pack(chapter: Chapter, index: int, budget: Budget, normalizer: Normalizer) -> list[Chunk]:
    """The chunks of the chapter with this index.

    Words are never cut, but for a pair that is longer than `budget.max_bytes`: its text goes with its first words.
    """
    units = units_of(chapter, index, budget, normalizer)
    return list(chunks_between(units, fresh_cuts(units, budget), index))


def units_of(
    chapter: Chapter, index: int, budget: Budget, normalizer: Normalizer, split_texts: SplitTexts = NOTHING_SPLIT
) -> list[Unit]:
    """The turns of the chapter with this index that have something to say."""
    name = (index + 1, chapter.title)
    pairs = (normalizer.pairs(turn.text, speaker=turn.speaker, chapter=name) for turn in chapter.turns)
    units = (
        _unit(number, turn, pairs_of_turn, budget, split_texts, tags=normalizer.tags)
        for number, (turn, pairs_of_turn) in enumerate(zip(chapter.turns, pairs, strict=True))
    )
    return [unit for unit in units if unit]


def fresh_cuts(units: Sequence[Unit], budget: Budget) -> list[int]:
    """Where to cut a chapter that was never cut before: the index of each chunk's first atom, and the end."""
    cuts = [0]
    for segment in _segments(units, budget):
        atoms = [atom for unit in segment for atom in unit.atoms]
        who = {unit.turn: unit.who for unit in segment}
        first = cuts[-1]
        cuts += [first + cut for cut in _cuts(atoms, who, budget)[1:]]
    return cuts


def chunks_between(units: Sequence[Unit], cuts: Sequence[int], chapter: int) -> Iterator[Chunk]:
    """The chunks of a chapter that is cut before these atoms."""
    atoms = [atom for unit in units for atom in unit.atoms]
    units_by_turn = {unit.turn: unit for unit in units}
    for start, end in pairwise(cuts):
        turn = atoms[start].turn
        after_break = start == 0 or (units_by_turn[turn].hard and atoms[start - 1].turn != turn)
        yield Chunk(chapter, tuple(_pieces(atoms[start:end], units_by_turn)), after_break)


def _unit(
    index: int, turn: Turn, pairs: Sequence[Pair], budget: Budget, split_texts: SplitTexts, *, tags: bool
) -> Unit | None:
    whole = _atoms(index, _parts(turn.text, pairs, budget), tags=tags)
    if not whole:
        return None
    atoms = tuple(part for atom in whole for part in split_atom(atom, turn.text, split_texts))
    who = (turn.speaker, turn.voice)
    text = "\0".join([str(who), *(atom.spoken for atom in whole)])  # what is split moves no other border
    return Unit(
        turn=index,
        text=turn.text,
        who=who,
        atoms=atoms,
        size=sum(atom.size for atom in atoms) + len(atoms) - 1,
        hash=zlib.crc32(text.encode()),
        hard=turn.border in ("chapter", "scene") or turn.pause_s is not None,
    )


def _parts(text: str, pairs: Sequence[Pair], budget: Budget) -> Iterator[tuple[list[Pair], str, float]]:
    """The sentences of a turn, what is said for each, and what a cut after it costs; what is too long for a chunk comes
    in clauses, else in groups of words.
    """
    for sentence in _between(text, pairs, sentence_ends(text)):
        speech = said(sentence)
        if len(speech.encode()) <= budget.max_bytes:
            yield sentence, speech, _CUT_SENTENCE
            continue
        start = sentence[0].start
        ends = [start + end for end in clause_ends(text[start : sentence[-1].end])]
        groups = [
            (group, said(group), _CUT_WORD if more else _CUT_CLAUSE)
            for clause in _between(text, sentence, ends)
            for group, more in _word_groups(text, clause, budget)
        ]
        yield from groups[:-1]
        yield *groups[-1][:2], _CUT_SENTENCE


def _between(text: str, pairs: Iterable[Pair], ends: Sequence[int]) -> Iterator[list[Pair]]:
    """The pairs between these offsets; one within a pair that may not be cut cuts nothing."""
    offsets = set(ends)
    group: list[Pair] = []
    for whole in pairs:
        for pair in cut_at(text, whole, ends[bisect_right(ends, whole.start) : bisect_left(ends, whole.end)]):
            group.append(pair)
            if pair.end in offsets:
                yield group
                group = []
    if group:
        yield group


def _word_groups(text: str, clause: list[Pair], budget: Budget) -> Iterator[tuple[list[Pair], bool]]:
    """A clause in groups of pairs that a chunk can hold; with each, whether more follow."""
    if len(said(clause).encode()) <= budget.max_bytes:
        yield clause, False
        return
    group: list[Pair] = []
    size = 0
    words = (word for pair in clause for word in cut_at(text, pair, _spaces(text, pair)))
    for pair in (part for word in words for part in _cut(word, budget.max_bytes)):
        more = len(pair.spoken.encode()) + 1
        if group and size + more > budget.max_bytes:
            yield group, True
            group, size = [], 0
        group.append(pair)
        size += more
    yield group, False


def _spaces(text: str, pair: Pair) -> list[int]:
    return [match.start() for match in re.compile(" ").finditer(text, pair.start, pair.end)]


def _cut(pair: Pair, most: int) -> Iterator[Pair]:
    """A pair, or what is said for one that is longer than a chunk: its text goes with the first part."""
    if len(pair.spoken.encode()) <= most:
        yield pair
        return
    start, group = pair.start, ""
    for word in (part for whole in pair.spoken.split() for part in _cut_word(whole, most)):
        if group and len(f"{group} {word}".encode()) > most:
            yield Pair(start, pair.end, group)
            start, group = pair.end, ""
        group = f"{group} {word}".strip()
    yield Pair(start, pair.end, group)


def _cut_word(word: str, most: int) -> Iterator[str]:
    """Parts of at most so many bytes of a word, which may be a page of a language without spaces."""
    room = most // max(len(char.encode()) for char in word)
    for start in range(0, len(word), room):
        yield word[start : start + room]


def _atoms(turn: int, parts: Iterable[tuple[Sequence[Pair], str, float]], *, tags: bool) -> list[Atom]:
    """Parts of a turn that say something; text without goes along with what follows, or else with what came before."""
    atoms: list[Atom] = []
    mute: tuple[Pair, ...] = ()
    for part, speech, cut_cost in parts:
        if has_speech(speech) or (tags and "(" in speech):
            atoms.append(Atom(turn, (*mute, *part), speech, len(speech.encode()), cut_cost))
            mute = ()
        else:
            mute += tuple(pair._replace(spoken="") for pair in part)
    if atoms:
        last = atoms[-1]
        atoms[-1] = Atom(turn, (*last.pairs, *mute), last.spoken, last.size, _CUT_TURN)
    return atoms


def split_atom(atom: Atom, text: str, split_texts: SplitTexts) -> Iterator[Atom]:
    """The parts of an atom of a turn with this text that was cut for its faults, each cut again where it was, too."""
    if atom.spoken not in split_texts:
        yield atom
        return
    first, _second = split_texts[atom.spoken]
    words = [word for pair in atom.pairs for word in cut_at(text, pair, _spaces(text, pair))]
    at = next((at for at in range(1, len(words)) if said(words[:at]) == first), None)
    if at is None:  # other words are said the same
        yield atom
        return
    halves = (words[:at], words[at:])
    for number, half in enumerate(halves):
        spoken = said(half)
        cost = (_CUT_CLAUSE, atom.cut_cost)[number]
        part = Atom(atom.turn, tuple(half), spoken, len(spoken.encode()), cost)
        yield from split_atom(part, text, split_texts)


def _segments(units: Sequence[Unit], budget: Budget) -> Iterator[Sequence[Unit]]:
    """The units between the anchors."""
    if not units:
        return
    reach = budget.max_bytes // 2
    positions: list[int] = []  # of the border before each unit, in bytes
    hashes: list[int] = []  # -1: an anchor whatever lies around it
    position = 0
    for before, after in pairwise(units):
        position += before.size
        positions.append(position)
        fill_one_each = min(before.size, after.size) >= budget.min_bytes
        sure = after.hard or (fill_one_each and before.size + after.size >= budget.max_bytes)
        hashes.append(-1 if sure else zlib.crc32(before.hash.to_bytes(4) + after.hash.to_bytes(4)))
    inner = range(reach, position + units[-1].size - reach)  # the ends of the text are anchors themselves
    start = 0
    for border, hash_ in enumerate(hashes):
        if hash_ < 0 or (positions[border] in inner and _is_minimum(border, positions, hashes, reach)):
            yield units[start : border + 1]
            start = border + 1
    yield units[start:]


def _is_minimum(border: int, positions: Sequence[int], hashes: Sequence[int], reach: int) -> bool:
    """Whether no border within `reach` bytes has a smaller hash; the first of equal ones wins."""
    position, hash_ = positions[border], hashes[border]
    index = border - 1
    while index >= 0 and position - positions[index] < reach:
        if hashes[index] <= hash_:
            return False
        index -= 1
    index = border + 1
    while index < len(hashes) and positions[index] - position < reach:
        if hashes[index] < hash_:
            return False
        index += 1
    return True


def _cuts(atoms: Sequence[Atom], who: dict[int, tuple[str | None, str | None]], budget: Budget) -> list[int]:
    """Where to cut a segment: the cheapest way to reach its end (dynamic programming over atoms)."""
    ideal = (budget.min_bytes + budget.max_bytes) / 2
    cost = [0.0] + [float("inf")] * len(atoms)
    came_from = [0] * (len(atoms) + 1)
    for end in range(1, len(atoms) + 1):
        size = -1
        speakers: set[tuple[str | None, str | None]] = set()
        cut_cost = atoms[end - 1].cut_cost
        for start in range(end - 1, -1, -1):
            size += atoms[start].size + 1
            speakers.add(who[atoms[start].turn])
            alone = start == end - 1
            if not alone and (size > budget.max_bytes or len(speakers) > MAX_SPEAKERS):
                break
            off = size / ideal - 1
            total = cost[start] + off * off + cut_cost + (TOO_SHORT if size < budget.min_bytes else 0.0)
            if total < cost[end]:
                cost[end], came_from[end] = total, start
    cuts = [len(atoms)]
    while cuts[-1] > 0:
        cuts.append(came_from[cuts[-1]])
    return cuts[::-1]


def _pieces(atoms: Sequence[Atom], units_by_turn: Mapping[int, Unit]) -> Iterator[ChunkPiece]:
    """Join the atoms of one turn."""
    for turn, group in groupby(atoms, key=lambda atom: atom.turn):
        run = list(group)
        unit = units_by_turn[turn]
        pairs = run[0].pairs if len(run) == 1 else tuple(chain.from_iterable(atom.pairs for atom in run))
        speech = " ".join(atom.spoken for atom in run)
        yield ChunkPiece(turn, *unit.who, unit.text[pairs[0].start : pairs[-1].end].strip(), speech, pairs)
