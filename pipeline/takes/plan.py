"""Takes: what is to be rendered for each chunk, and the loop that renders it.

A take's key hashes everything that can change its samples, never its place in the book. In: chunks, an engine, and the
store of what is finished. Out: `TakesDone`. Knows no chapters, devices or clocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.engines import Engine, Line, Request
from pipeline.files import content_key
from pipeline.source.script import Script
from pipeline.source.voices import Casting, Library
from pipeline.takes.chunks import Chunk
from pipeline.takes.store import TakeStore

BYTES_PER_S = 15.0  # of English narration at 155 words a minute


@dataclass(frozen=True)
class PlannedTake:
    """A chunk with its key and all that went into the key."""

    key: str
    parts: dict[str, Any]
    chunk: Chunk
    request: Request
    where: str  # of its first turn, for messages

    @property
    def text(self) -> str:
        """As displayed."""
        return " ".join(piece.text for piece in self.chunk.pieces)

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
    language: str,
    seed: int,
) -> list[PlannedTake]:
    """Give every chunk its key and its request, in the order of the book."""
    seen: Counter[tuple[tuple[str, str], ...]] = Counter()
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
        same = tuple((identity_of[line.voice.name], line.text) for line in lines)
        order = list(dict.fromkeys(who for who, _text in same))
        parts: dict[str, Any] = {
            "lines": [[order.index(who), text] for who, text in same],
            "voices": [identities[who] for who in order],
            "language": language,
            "seed": seed,
            "attempt": 0,
            "engine": fingerprint,
            "occurrence": seen[same],
        }
        seen[same] += 1
        key = content_key(parts)
        request = Request(key, tuple(lines), language, attempt_seed(key, 0))
        where = script.chapters[chunk.chapter].turns[chunk.pieces[0].turn].where
        planned.append(PlannedTake(key, parts, chunk, request, where))
    return planned


def attempt_seed(key: str, attempt: int) -> int:
    """The seed of a take's attempt (0: the first), 64 bits."""
    return int((content_key({"take": key, "attempt": attempt}) if attempt else key)[:16], 16)


def explain(planned: Sequence[PlannedTake], store: TakeStore) -> list[tuple[PlannedTake, str, str]]:
    """For every take whether it would be rendered or reused, and why, without loading an engine.

    The reason of a render names what differs from the nearest take that is there: "text" where nobody has said this
    yet, else "voice", "seed", "engine" or several of them; "new" where the job has no takes at all.
    """
    there = store.keys()
    unused = there - {plan.key for plan in planned}
    by_text: dict[str, list[dict[str, Any]]] = {}
    if any(plan.key not in there for plan in planned):
        for key in unused:
            parts = store.parts(key)
            if parts is not None:
                by_text.setdefault(_words(parts), []).append(parts)
    answer = []
    for plan in planned:
        if plan.key in there:
            answer.append((plan, "reuse", "finished"))
            continue
        differences = [_difference(plan.parts, other) for other in by_text.get(_words(plan.parts), [])]
        reason = min(differences, key=len) if differences else ["text" if there else "new"]
        answer.append((plan, "render", ", ".join(reason)))
    return answer


def _words(parts: dict[str, Any]) -> str:
    return "\n".join(text for _slot, text in parts.get("lines", []))


def _difference(parts: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What two takes of one text differ in."""
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
