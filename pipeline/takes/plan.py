"""Plan: the key of each take, the request that renders it, and why it would be rendered.

A take's key hashes everything that can change its samples, never its place in the book. In: chunks, voices, and an
engine that need not be loaded. Out: `PlannedTake`s. Renders nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.engines import Engine, Line, Request, Traits
from pipeline.files import content_key
from pipeline.source.script import Script
from pipeline.source.voices import Casting, Library
from pipeline.takes.chunks import Chunk
from pipeline.takes.store import TakeStore

BYTES_PER_S = 15.0  # of English narration at 155 words a minute


@dataclass(frozen=True)
class PlannedTake:
    """A chunk that is to be rendered, under a key that hashes `parts`."""

    key: str
    parts: dict[str, Any]  # everything that can change the samples
    chunk: Chunk
    request: Request
    where: str  # of its first turn, for messages

    @property
    def text(self) -> str:
        """What it says, as displayed."""
        return self.chunk.text

    @property
    def is_short(self) -> bool:
        """Whether it is less than its engine speaks well, and is therefore cut off where its words should be over."""
        return self.request.max_s is not None

    @property
    def estimated_s(self) -> float:
        """Seconds of audio to expect."""
        return self.chunk.spoken_bytes / BYTES_PER_S


def plan_takes(
    script: Script,
    chunks: Sequence[Chunk],
    casting: Casting,
    library: Library,
    engine: Engine,
    *,
    traits: Traits,
    language: str,
    seed: int,
) -> list[PlannedTake]:
    """Give every chunk its key and its request, in the order of the book."""
    occurrences: Counter[tuple[tuple[str, str], ...]] = Counter()
    identities: dict[str, Any] = {}  # by a hash of their own, as two voices may sound the same
    identity_of: dict[str, str] = {}
    planned = []
    fingerprint = engine.fingerprint
    for chunk in chunks:
        lines = []
        for piece in chunk.pieces:
            voice = library[piece.voice].voice if piece.voice else casting.roles[piece.speaker].voice
            lines.append(Line(voice, piece.spoken))
            if voice.name not in identity_of:
                identity = dict(engine.identity(voice))
                identity_of[voice.name] = content_key(identity)
                identities[identity_of[voice.name]] = identity
        speech = tuple((identity_of[line.voice.name], line.text) for line in lines)
        speakers = list(dict.fromkeys(who for who, _text in speech))
        parts: dict[str, Any] = {
            "lines": [[speakers.index(who), text] for who, text in speech],
            "voices": [identities[who] for who in speakers],
            "language": language,
            "seed": seed,
            "attempt": 0,
            "engine": fingerprint,
            "occurrence": occurrences[speech],  # a line said twice is two performances
        }
        occurrences[speech] += 1
        max_s = traits.longest_s(chunk.spoken_bytes)
        if max_s is not None:
            parts["max_s"] = max_s
        key = content_key(parts)
        request = Request(key, tuple(lines), language, attempt_seed(key, 0), max_s)
        where = script.chapters[chunk.chapter].turns[chunk.pieces[0].turn].where
        planned.append(PlannedTake(key, parts, chunk, request, where))
    return planned


def attempt_seed(key: str, attempt: int) -> int:
    """The seed of an attempt at a take (0: the first), 64 bits."""
    return int((content_key({"take": key, "attempt": attempt}) if attempt else key)[:16], 16)


def explain(planned: Sequence[PlannedTake], store: TakeStore) -> list[tuple[PlannedTake, str, str]]:
    """For every take its action, "render" or "reuse", and the reason for it. Loads no engine.

    The reason of a render names what differs from the nearest take in the store: "text" where nobody has said this yet,
    "spoken text" where a take shows the same words and says them otherwise (by a lexicon, or by a newer library), else
    "voice", "seed", "engine" or several of them; "new" where the job has no takes at all. That of a reuse is
    "finished".
    """
    finished = store.keys()
    unused = finished - {plan.key for plan in planned}
    by_text: dict[str, list[dict[str, Any]]] = {}
    displayed: set[str] = set()
    if any(plan.key not in finished for plan in planned):
        for parts, text in filter(None, map(store.parts, unused)):
            by_text.setdefault(_words(parts), []).append(parts)
            displayed.add(text)
    actions = []
    for plan in planned:
        if plan.key in finished:
            actions.append((plan, "reuse", "finished"))
            continue
        differences = [_difference(plan.parts, other) for other in by_text.get(_words(plan.parts), [])]
        text = "spoken text" if plan.text in displayed else "text" if finished else "new"
        reason = min(differences, key=len) if differences else [text]
        actions.append((plan, "render", ", ".join(reason)))
    return actions


def _words(parts: dict[str, Any]) -> str:
    return "\n".join(text for _slot, text in parts.get("lines", []))


def _difference(parts: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what two takes of one text differ in."""
    named = {
        "voice": ("voices", "lines", "language"),
        "seed": ("seed", "attempt"),
        "engine": ("engine",),
        "another of the same": ("occurrence",),
    }
    different = [name for name, keys in named.items() if any(parts.get(key) != other.get(key) for key in keys)]
    if "engine" in different and "voice" in different:
        different.remove("voice")  # what a voice is to one engine says nothing to another
    return [name for name in different if name != "another of the same"] or different
