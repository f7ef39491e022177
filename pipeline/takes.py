"""Takes: the finished renderings of chunks, which are the job's checkpoint.

A take's key hashes everything that can change its samples, never its place in the book. It is finished if and only if
its sound and, written last, its JSON are there; there is no other state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.audio import Pcm, flac
from pipeline.chunks import Chunk
from pipeline.engines import Engine, Failed, Line, Rendered, Request, Span
from pipeline.errors import Problem
from pipeline.gate import UNUSABLE, Limits, faults, score
from pipeline.script import Script
from pipeline.voices import Casting, Library
from pipeline.workspace import atomic_write, clear_way, content_key, file_hash, read_record, set_aside, write_record

BYTES_PER_S = 15.0  # of English narration at 155 words a minute
ATTEMPTS = 3  # more after a take with faults


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


@dataclass(frozen=True)
class Take:
    """A finished take on disk."""

    key: str
    path: Path
    pcm_sha256: str
    sample_rate_hz: int
    frames: int
    spans: tuple[Span, ...] | None
    attempt: int = 0  # which of its attempts was kept
    faults: tuple[str, ...] = ()  # what the gate says is wrong with it all the same

    def read(self) -> Pcm:
        """Its samples `[T]`."""
        return flac.read(self.path)


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


@dataclass(frozen=True)
class Attempt:
    """One rendering of a take, and what the gate says of it."""

    number: int  # 0: the first
    rendered: Rendered
    faults: tuple[str, ...]
    score: tuple[bool, int, float]


class TakeStore:
    """The folder of takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> set[str]:
        """Keys of the takes that are there, going by their names alone."""
        if not self.folder.is_dir():
            return set()
        names = {path.name for path in self.folder.iterdir()}
        return {name[:-5] for name in names if name.endswith(".json") and f"{name[:-5]}.flac" in names}

    def parts(self, key: str) -> dict[str, Any] | None:
        """What went into the key of a take that is there."""
        record = read_record(self._json(key))
        return None if record is None else record.get("parts")

    def find(self, key: str) -> Take | None:
        """The take called `key`, if it is there and undamaged. A damaged one is set aside."""
        written, sound = self._json(key), self._sound(key)
        if not written.exists():
            return None
        record = read_record(written)
        if record is not None and file_hash(sound) == record["file_sha256"]:
            spans = record["spans"]
            return Take(
                key=key,
                path=sound,
                pcm_sha256=record["pcm_sha256"],
                sample_rate_hz=record["sample_rate_hz"],
                frames=record["frames"],
                spans=None if spans is None else tuple(Span(*span) for span in spans),
                attempt=record.get("attempt", 0),  # older takes have neither
                faults=tuple(record.get("faults", ())),
            )
        for damaged in (written, sound):
            if damaged.exists():
                set_aside(damaged)
        return None

    def save(self, planned: PlannedTake, attempt: Attempt, sample_rate_hz: int) -> Take:
        """Put a take on disk: its sound first, its JSON last. Raises `StorageError` where that fails."""
        rendered = attempt.rendered
        samples = flac.quantize(rendered.pcm)
        encoded = flac.encode(samples, sample_rate_hz)
        sound = self._sound(planned.key)
        take = Take(
            key=planned.key,
            path=sound,
            pcm_sha256=flac.pcm_hash(samples),
            sample_rate_hz=sample_rate_hz,
            frames=len(samples),
            spans=rendered.spans,
            attempt=attempt.number,
            faults=attempt.faults,
        )
        clear_way(sound)
        atomic_write(sound, encoded)
        write_record(
            self._json(planned.key),
            {
                "parts": planned.parts,
                "text": planned.text,
                "sample_rate_hz": sample_rate_hz,
                "frames": take.frames,
                "duration_s": round(take.frames / sample_rate_hz, 3),
                "attempt": take.attempt,
                "faults": list(take.faults),
                "spans": None if take.spans is None else [[span.start_s, span.end_s] for span in take.spans],
                "pcm_sha256": take.pcm_sha256,
                "file_sha256": file_hash(sound),
                "work_s": round(rendered.work_s, 3),
            },
        )
        return take

    def _sound(self, key: str) -> Path:
        return self.folder / f"{key}.flac"

    def _json(self, key: str) -> Path:
        return self.folder / f"{key}.json"


@dataclass(frozen=True)
class TakesDone:
    """What the render loop leaves behind."""

    takes: dict[str, Take]
    rendered: int
    reused: int
    failed: tuple[Problem, ...]
    rendered_s: float  # seconds of audio
    work_s: float  # seconds the engine spent on it, with the attempts that were not kept
    flagged: tuple[Problem, ...] = ()  # takes that are delivered with faults


class _Trial:
    """A take on its way: which attempt the engine has, and the best of those before."""

    def __init__(self, plan: PlannedTake) -> None:
        self.plan = plan
        self.attempt = 0
        self.best: Attempt | None = None
        self._reason = ""  # an attempt came to nothing

    def judge(self, result: Rendered | Failed, sample_rate_hz: int, limits: Limits | None) -> bool:
        """Remember `result` if it is the best so far; tell whether another seed could do better."""
        if isinstance(result, Failed):
            self._reason = result.reason
            return not result.final
        look = (result.pcm, sample_rate_hz, self.plan.chunk.spoken_bytes, limits)
        attempt = Attempt(self.attempt, result, tuple(faults(*look)), score(*look))
        if self.best is None or attempt.score < self.best.score:
            self.best = attempt
        return bool(attempt.faults)

    def again(self) -> Request:
        """The request of the next attempt."""
        self.attempt += 1
        return replace(self.plan.request, seed=attempt_seed(self.plan.key, self.attempt))

    def failure(self) -> Problem | None:
        """Why there is nothing to deliver, if that is so."""
        if self.best is not None and UNUSABLE.isdisjoint(self.best.faults):
            return None
        why = self._reason if self.best is None else f"it came out {' and '.join(self.best.faults)}."
        return Problem(self.plan.where, f'"{self.plan.text[:60]}" was not rendered: {why}', "Change the text.")


def render_takes(
    planned: Sequence[PlannedTake],
    engine: Engine,
    store: TakeStore,
    on_take: Callable[[PlannedTake], None] = lambda _take: None,
    *,
    limits: Limits | None = None,
    attempts: int = ATTEMPTS,
) -> TakesDone:
    """Skip what is finished, render the rest, save each take the moment it exists.

    A take with faults (`limits`: the seconds a byte may last) is tried again with other seeds, up to `attempts` times,
    while the others go on; then the best is kept and flagged. A chunk that fails is reported and the others go on.
    Whatever ends this early, the takes saved so far are kept.
    """
    takes: dict[str, Take] = {}
    for plan in planned:
        if found := store.find(plan.key):
            takes[plan.key] = found
            on_take(plan)
    reused = len(takes)
    trials = {plan.key: _Trial(plan) for plan in planned if plan.key not in takes}
    queue = deque(trial.plan.request for trial in trials.values())
    failed: dict[str, Problem] = {}
    rendered_s = work_s = 0.0

    def keep(plan: PlannedTake, attempt: Attempt) -> None:
        takes[plan.key] = store.save(plan, attempt, engine.sample_rate_hz)
        on_take(plan)

    # One take is written while the next is rendered; never more, so that a crash loses no more.
    with ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        while queue:  # an engine that had pulled everything before a take came out faulty is asked once more
            for result in engine.render(_pull(queue)):
                trial = trials[result.request.key]
                work_s += result.work_s if isinstance(result, Rendered) else 0
                if writing is not None:
                    writing.result()
                if trial.judge(result, engine.sample_rate_hz, limits) and trial.attempt < attempts:
                    queue.appendleft(trial.again())  # next: until it is done, its best attempt fills memory
                    continue
                plan = trials.pop(result.request.key).plan  # and with it the sound of its attempts
                if (problem := trial.failure()) is not None:
                    failed[plan.key] = problem
                    on_take(plan)
                    continue
                assert trial.best is not None
                rendered_s += len(trial.best.rendered.pcm) / engine.sample_rate_hz
                writing = writer.submit(keep, plan, trial.best)
        if writing is not None:
            writing.result()
    in_order = tuple(failed[plan.key] for plan in planned if plan.key in failed)
    return TakesDone(takes, len(takes) - reused, reused, in_order, rendered_s, work_s, _flags(planned, takes))


def _pull(queue: deque[Request]) -> Iterator[Request]:
    """What is queued, and what is put there while an engine still asks for more."""
    while queue:
        yield queue.popleft()


def _flags(planned: Sequence[PlannedTake], takes: Mapping[str, Take]) -> tuple[Problem, ...]:
    """A problem for each take that has faults, in the order of the book."""
    return tuple(
        Problem(
            plan.where,
            f'the best take of "{plan.text[:60]}" is {" and ".join(takes[plan.key].faults)}.',
            f"Listen to takes/{plan.key}.flac, and change the text or the seed if it is no good.",
        )
        for plan in planned
        if plan.key in takes and takes[plan.key].faults
    )


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
