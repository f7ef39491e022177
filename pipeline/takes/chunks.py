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

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.engines import Budget
from pipeline.errors import Problem
from pipeline.source.script import Turn
from pipeline.source.spoken.text import clauses, drop_unspeakable, has_speech, sentences, spoken, words

Say = Callable[[str], str]  # display text -> what an engine is given; "" where there is nothing to say

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
    text: str  # as displayed
    spoken: str  # as the engine gets it


@dataclass(frozen=True)
class Chunk:
    """A part of a chapter's text, sized for the model: one take speaks it."""

    chapter: int  # index in the script
    pieces: tuple[ChunkPiece, ...]
    after_break: bool = False  # a hard border lies before it

    @property
    def spoken_bytes(self) -> int:
        """Bytes of UTF-8, pieces joined by single spaces."""
        return sum(len(piece.spoken.encode()) for piece in self.pieces) + len(self.pieces) - 1


@dataclass(frozen=True)
class Atom:
    """The smallest part that may stand alone in a chunk: a sentence, or a part of a long one."""

    turn: int
    text: str
    spoken: str
    size: int
    cut_cost: float  # of a cut after it


@dataclass(frozen=True)
class Unit:
    """A turn that has something to say, in atoms."""

    turn: int
    who: tuple[str | None, str | None]
    atoms: tuple[Atom, ...]
    size: int
    hash: int
    hard: bool  # a hard border lies before it


def sayer(language: str, *, tags: bool) -> Say:
    """A function from display text to what an engine is given: without letters that its language cannot speak.

    `tags`: the engine speaks non-verbal tags such as (laughs); others lose them.
    """

    def say(text: str) -> str:
        speech = drop_unspeakable(spoken(text, tags=tags), language)
        return speech if has_speech(speech) or (tags and "(" in speech) else ""

    return say


def pack(turns: Sequence[Turn], chapter: int, budget: Budget, say: Say) -> list[Chunk]:
    """The chunks of one chapter, whose index is `chapter`.

    A word that is longer than `budget.max_bytes` makes a chunk of its own: `too_long` finds such words.
    """
    units = units_of(turns, budget, say)
    return list(chunks_between(units, fresh_cuts(units, budget), chapter))


def units_of(turns: Sequence[Turn], budget: Budget, say: Say) -> list[Unit]:
    """The turns of a chapter that have something to say."""
    return [unit for index, turn in enumerate(turns) if (unit := _unit(index, turn, budget, say))]


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
    who = {unit.turn: unit.who for unit in units}
    hard = {unit.turn for unit in units if unit.hard}
    for start, end in pairwise(cuts):
        turn = atoms[start].turn
        after_break = start == 0 or (turn in hard and atoms[start - 1].turn != turn)
        yield Chunk(chapter, tuple(_pieces(atoms[start:end], who)), after_break)


def too_long(turns: Sequence[Turn], budget: Budget, say: Say) -> list[Problem]:
    """A problem for each word that is longer than a chunk may be."""
    return [
        Problem(
            turn.where,
            f'the word "{word[:20]}…" is {len(word.encode())} bytes long, and a chunk holds {budget.max_bytes}.',
            "Split it with spaces, or take it out.",
        )
        for turn in turns
        if len(turn.text) * 4 > budget.max_bytes
        for word in words(turn.text)
        if len(word) * 4 > budget.max_bytes and _size(word, say) > budget.max_bytes  # a character is at most 4 bytes
    ]


def _unit(index: int, turn: Turn, budget: Budget, say: Say) -> Unit | None:
    atoms = tuple(_atoms(index, turn.text, budget, say))
    if not atoms:
        return None
    who = (turn.speaker, turn.voice)
    text = "\0".join([str(who), *(atom.spoken for atom in atoms)])
    return Unit(
        turn=index,
        who=who,
        atoms=atoms,
        size=sum(atom.size for atom in atoms) + len(atoms) - 1,
        hash=zlib.crc32(text.encode()),
        hard=turn.border in ("chapter", "scene") or turn.pause_s is not None,
    )


def _atoms(turn: int, text: str, budget: Budget, say: Say) -> list[Atom]:
    """The sentences of a turn; what is too long for a chunk comes in clauses, else in groups of words."""
    parts: list[tuple[str, float]] = []
    for sentence in sentences(text):
        if len(sentence) * 4 <= budget.max_bytes or _size(sentence, say) <= budget.max_bytes:
            parts.append((sentence, _CUT_SENTENCE))
            continue
        for clause in clauses(sentence):
            parts += [(group, _CUT_WORD) for group in _word_groups(clause, budget, say)]
            parts[-1] = (parts[-1][0], _CUT_CLAUSE)
        parts[-1] = (parts[-1][0], _CUT_SENTENCE)
    atoms: list[Atom] = []
    mute = ""  # display text with nothing to speak goes along with what follows it, or with what came before
    for part, cut_cost in parts:
        speech = say(part)
        shown = f"{mute} {part}".strip()
        if not speech:
            mute = shown
            continue
        atoms.append(Atom(turn, shown, speech, len(speech.encode()), cut_cost))
        mute = ""
    if atoms:
        last = atoms[-1]
        atoms[-1] = Atom(turn, f"{last.text} {mute}".strip(), last.spoken, last.size, _CUT_TURN)
    return atoms


def _word_groups(clause: str, budget: Budget, say: Say) -> Iterator[str]:
    if _size(clause, say) <= budget.max_bytes:
        yield clause
        return
    group: list[str] = []
    size = 0
    for word in words(clause):
        more = _size(word, say) + 1
        if group and size + more > budget.max_bytes:
            yield " ".join(group)
            group, size = [], 0
        group.append(word)
        size += more
    yield " ".join(group)


def _size(text: str, say: Say) -> int:
    return len(say(text).encode())


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


def _pieces(atoms: Sequence[Atom], who: dict[int, tuple[str | None, str | None]]) -> Iterator[ChunkPiece]:
    """Join the atoms of one turn."""
    start = 0
    for index in range(1, len(atoms) + 1):
        if index == len(atoms) or atoms[index].turn != atoms[start].turn:
            run = atoms[start:index]
            speaker, voice = who[run[0].turn]
            text, speech = " ".join(atom.text for atom in run), " ".join(atom.spoken for atom in run)
            yield ChunkPiece(run[0].turn, speaker, voice, text, speech)
            start = index
