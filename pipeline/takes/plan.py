"""Plan: the key of each take, the request that renders it, and why it would be rendered.

A take's key hashes everything that can change its samples, never its place in the book. In: chunks, voices, and an
engine that need not be loaded. Out: `PlannedTake`s. Renders nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from pipeline.engines import Engine, Line, Request, Traits, Voice
from pipeline.files import content_key
from pipeline.source.decision_places import Matches
from pipeline.source.script import Script
from pipeline.source.voices import Casting, Library
from pipeline.takes.choices import read_choice
from pipeline.takes.chunks import Chunk, SplitOff
from pipeline.takes.store import TakeStore

NOTHING_DECIDED = Matches()
BYTES_PER_S = 15.0  # of English narration at 155 words a minute


@dataclass(frozen=True)
class PlannedTake:
    """A chunk that is to be rendered, under a key that hashes `parts`."""

    key: str
    parts: dict[str, Any]  # everything that can change the samples
    chunk: Chunk
    request: Request
    where: str  # of its first turn, for messages
    alternatives: int = 1  # so many attempts are made in any case
    approved: str = ""  # the key of the take that a person decided for

    @property
    def text(self) -> str:
        """What it says, as displayed."""
        return self.chunk.text

    @property
    def spoken(self) -> str:
        """What it says, as the engine gets it."""
        return " ".join(piece.spoken for piece in self.chunk.pieces)

    @property
    def is_short(self) -> bool:
        """Whether it is less than its engine speaks well, and is therefore cut off where its words should be over."""
        return self.request.max_s is not None

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it begins: its chapter, turn, and character in that."""
        first = self.chunk.pieces[0]
        return self.chunk.chapter, first.turn, first.pairs[0].start if first.pairs else 0

    @property
    def estimated_s(self) -> float:
        """Seconds of audio to expect."""
        return self.chunk.spoken_bytes / BYTES_PER_S


@dataclass(frozen=True)
class Planner:
    """What gives a job's chunks their keys and requests, also to those that come up while it is rendered."""

    script: Script
    casting: Casting
    library: Library
    engine: Engine
    traits: Traits
    language: str
    seed: int
    alternatives: int = 1  # attempts at every take, in any case

    def plan(self, chunks: Sequence[Chunk], decided: Matches = NOTHING_DECIDED) -> list[PlannedTake]:
        """Give every chunk its key and its request, in the order of the book.

        A line that is said twice is two performances, with numbers in the order of the book; but one that somebody
        approved keeps its number, and no other gets it.
        """
        identities = _Identities(self.engine)
        speeches = list(self._speeches(chunks, identities))
        performances = _Performances(speeches, decided)
        planned = []
        for index, (chunk, speech) in enumerate(zip(chunks, speeches, strict=True)):
            lines, seed, place = self._lines(chunk), self.seed, _split_parts(chunk.split) if chunk.split else {}
            if chunk.split is None:
                place = {"occurrence": performances.number(index, speech)}
            elif chunk.split.root:
                performances.skip(chunk.split.root)
            spoken = decided.retakes.get(index) or decided.approved.get(index)
            if spoken is not None and (spoken.retake or spoken.voice):
                place["retake"] = spoken.retake  # 0: an approved one, whose voice is not the script's
                seed = self.seed if spoken.seed is None else spoken.seed
                lines = self._with_voice(lines, spoken.voice)
            take = self._take(chunk, lines, identities, place, seed)
            alternatives = decided.alternatives.get(index)
            planned.append(replace(take, alternatives=self._possible(alternatives.takes)) if alternatives else take)
        return planned

    def _speeches(self, chunks: Sequence[Chunk], identities: _Identities) -> Iterator[Hashable]:
        """What each chunk says, and who: by a hash where some are halves, which know what they were cut from so."""
        is_split = any(chunk.split for chunk in chunks)
        for chunk in chunks:
            speech = tuple((identities.of(line.voice), line.text) for line in self._lines(chunk))
            yield content_key(speech) if is_split else speech

    def _with_voice(self, lines: tuple[Line, ...], name: str | None) -> tuple[Line, ...]:
        """Lines of one speaker with another voice."""
        if name is None or name not in self.library or len({line.voice.name for line in lines}) > 1:
            return lines
        return tuple(replace(line, voice=self.library[name].voice) for line in lines)

    def voices(self, chunk: Chunk) -> tuple[str, ...]:
        """The names of those who speak in a chunk, in the order in which they begin."""
        return tuple(dict.fromkeys(line.voice.name for line in self._lines(chunk)))

    def halves(self, parent: PlannedTake, chunks: Sequence[Chunk], retakes: int) -> list[PlannedTake]:
        """The two chunks that a take was cut into, after so many retakes of it."""
        identities = _Identities(self.engine)
        split = parent.chunk.split
        speech = tuple((identities.of(line.voice), line.text) for line in self._lines(parent.chunk))
        root = content_key(speech)
        roots = (root if split is None else split.root, "")
        planned = []
        for half, chunk in enumerate(chunks):
            off = SplitOff(parent.key, half, retakes, roots[half])
            lines = self._lines(chunk)
            planned.append(self._take(replace(chunk, split=off), lines, identities, _split_parts(off), self.seed))
        return planned

    def _lines(self, chunk: Chunk) -> tuple[Line, ...]:
        return tuple(
            Line(
                self.library[piece.voice].voice if piece.voice else self.casting.roles[piece.speaker].voice,
                piece.spoken,
            )
            for piece in chunk.pieces
        )

    def _take(
        self, chunk: Chunk, lines: Sequence[Line], identities: _Identities, place: Mapping[str, Any], seed: int
    ) -> PlannedTake:
        """The take of a chunk; `place` tells it from others that say the same."""
        slots = [identities.of(line.voice) for line in lines]
        speakers = list(dict.fromkeys(slots))
        parts: dict[str, Any] = {
            "lines": [[speakers.index(slot), line.text] for slot, line in zip(slots, lines, strict=True)],
            "voices": [identities.parts[speaker] for speaker in speakers],
            "language": self.language,
            "seed": seed,
            "attempt": 0,
            "engine": identities.fingerprint,
            **place,
        }
        max_s = self.traits.longest_s(chunk.spoken_bytes)
        if max_s is not None:
            parts["max_s"] = max_s
        key = content_key(parts)
        request = Request(key, tuple(lines), self.language, attempt_seed(key, 0), max_s)
        where = self.script.chapters[chunk.chapter].turns[chunk.pieces[0].turn].where
        turns = self.script.chapters[chunk.chapter].turns
        wanted = max(turns[piece.turn].takes for piece in chunk.pieces) or self.alternatives
        return PlannedTake(key, parts, chunk, request, where, self._possible(wanted))

    def _possible(self, alternatives: int) -> int:
        """So many, or one of an engine that always says the same."""
        return alternatives if "seed" in self.traits.remedies else 1


class _Performances:
    """Numbers those that say the same, in the order of the book, around the numbers that approved ones have."""

    def __init__(self, speeches: Sequence[Hashable], decided: Matches) -> None:
        self._next: Counter[Hashable] = Counter()
        self._own = {index: one.performance for index, one in decided.approved.items() if one.performance is not None}
        self._taken = {(speeches[index], number) for index, number in self._own.items()}

    def number(self, index: int, speech: Hashable) -> int:
        """The number of the chunk of this index."""
        if index in self._own:
            return self._own[index]
        while (speech, self._next[speech]) in self._taken:
            self._next[speech] += 1
        self._next[speech] += 1
        return self._next[speech] - 1

    def skip(self, speech: Hashable) -> None:
        """Count one that was cut in two."""
        self._next[speech] += 1


class _Identities:
    """What voices are to an engine, by a hash of their own, as two may sound the same."""

    def __init__(self, engine: Engine) -> None:
        self.fingerprint = engine.fingerprint
        self.parts: dict[str, Any] = {}
        self._engine = engine
        self._by_name: dict[str, str] = {}

    def of(self, voice: Voice) -> str:
        """The hash of a voice."""
        if voice.name not in self._by_name:
            identity = dict(self._engine.identity(voice))
            self._by_name[voice.name] = content_key(identity)
            self.parts[self._by_name[voice.name]] = identity
        return self._by_name[voice.name]


def _split_parts(split: SplitOff) -> dict[str, Any]:
    return {"split": [split.parent, split.half]}


def attempt_seed(key: str, attempt: int) -> int:
    """The seed of an attempt at a take (0: the first), 64 bits."""
    return int((content_key({"take": key, "attempt": attempt}) if attempt else key)[:16], 16)


def explain(planned: Sequence[PlannedTake], store: TakeStore) -> list[tuple[PlannedTake, str, str]]:
    """For every take its action, "render" or "reuse", and the reason for it. Loads no engine.

    The reason of a render names what differs from the nearest take in the store: "text" where nobody has said this yet,
    "spoken text" where a take shows the same words and says them otherwise (by a lexicon, or by a newer library), else
    "voice", "seed", "retake", "split", "engine" or several of them; "new" where the job has no takes at all; "takes"
    where there are some to choose from, and more are wanted. That of a reuse is "finished".
    """
    there = store.keys()
    missing = {plan.key: missing_attempts(plan, there, store) for plan in planned}
    unused = there - {plan.key for plan in planned}
    by_text: dict[str, list[dict[str, Any]]] = {}
    displayed: set[str] = set()
    if any(missing.values()):
        for parts, text in filter(None, map(store.parts, unused)):
            by_text.setdefault(_words(parts), []).append(parts)
            displayed.add(text)
    actions = []
    for plan in planned:
        if not missing[plan.key]:
            actions.append((plan, "reuse", "finished"))
            continue
        if missing[plan.key] < plan.alternatives:
            actions.append((plan, "render", "takes"))
            continue
        differences = [_difference(plan.parts, other) for other in by_text.get(_words(plan.parts), [])]
        text = "spoken text" if plan.text in displayed else "text" if there else "new"
        reason = min(differences, key=len) if differences else [text]
        actions.append((plan, "render", ", ".join(reason)))
    return actions


def missing_attempts(plan: PlannedTake, there: Set[str], store: TakeStore) -> int:
    """How many attempts are to be made at a take at least; 0 where it is finished.

    Going by the names of files, and where alternatives are wanted by what is on record.
    """
    if plan.approved in there or (plan.key in there and plan.alternatives == 1):
        return 0
    choice = read_choice(store.folder, plan.key) if there else None
    if choice is None or not there & {plan.key, choice.stands}:
        return plan.alternatives - (plan.key in there)
    return 0 if choice.attempts[-1].final else max(plan.alternatives - len(choice.attempts), 0)


def _words(parts: dict[str, Any]) -> str:
    return "\n".join(text for _slot, text in parts.get("lines", []))


def _difference(parts: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what two takes of one text differ in."""
    named = {
        "voice": ("voices", "lines", "language"),
        "seed": ("seed", "attempt"),
        "retake": ("retake",),
        "split": ("split",),
        "engine": ("engine",),
        "another of the same": ("occurrence",),
    }
    different = [name for name, keys in named.items() if any(parts.get(key) != other.get(key) for key in keys)]
    if "engine" in different and "voice" in different:
        different.remove("voice")  # what a voice is to one engine says nothing to another
    return [name for name in different if name != "another of the same"] or different
