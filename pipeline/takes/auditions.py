"""Auditions: a voice without a recording says one fixed text, and that take becomes its prompt for the whole job.

In: voices and an engine. Out: the same voices, each with a prompt. An audition is a take like any other: made from the
voice's own seed, checked, kept beside the job, and found again by its key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.audio import flac
from pipeline.engines import Engine, Failed, Line, Request, Traits, Voice
from pipeline.errors import EngineError, Problem
from pipeline.files import atomic_write, content_key, safe_name, storage_errors
from pipeline.source.prompts import LONGEST_S, check_prompt
from pipeline.takes.chunks import Chunk, Piece
from pipeline.takes.plan import PlannedTake
from pipeline.takes.render import Missing, not_rendered, render_takes
from pipeline.takes.store import Take, TakeStore
from pipeline.window import ALWAYS, Admission


def plan_audition(voice: Voice, engine: Engine, traits: Traits, language: str, number: int = 0) -> PlannedTake:
    """The take in which `voice` introduces itself; each `number` is another performance."""
    parts = {
        "audition": dict(engine.identity(voice)),
        "language": language,
        "engine": engine.fingerprint,
        "number": number,
    }
    key = content_key(parts)
    chunk = Chunk(0, (Piece(0, None, voice.name, traits.audition, traits.audition),))
    seed = int(content_key({"voice": voice.seed, "number": number})[:16], 16) if number else voice.seed
    request = Request(key, (Line(voice, traits.audition),), language, seed, max_s=LONGEST_S)
    return PlannedTake(key, parts, chunk, request, f'audition of the voice "{voice.name}"')


@dataclass(frozen=True)
class Prompted:
    """Planned takes whose voices all have prompts; the others are `missing`, by key.

    `failed` tells of those and of auditions that came to nothing, `doubtful` of auditions that are poor.
    """

    takes: tuple[PlannedTake, ...]
    failed: tuple[Problem, ...] = ()
    missing: Mapping[str, Missing] = field(default_factory=dict)
    doubtful: tuple[Problem, ...] = ()


def give_prompts(
    planned: Sequence[PlannedTake],
    there: Set[str],
    engine: Engine,
    traits: Traits,
    store: TakeStore,
    language: str,
    *,
    admission: Admission = ALWAYS,
) -> Prompted:
    """Give every voice a prompt that needs one for a take that is not `there` yet."""
    missing = [line.voice for plan in planned if plan.key not in there for line in plan.request.lines]
    bare = {voice.name: voice for voice in missing if voice.prompt is None}
    if not traits.audition or not bare:
        return Prompted(tuple(planned))
    auditions = {name: plan_audition(voice, engine, traits, language) for name, voice in bare.items()}
    limits = traits.seconds_per_byte
    done = render_takes(list(auditions.values()), engine, store, limits=limits, admission=admission)
    heard = {name: done.takes[plan.key] for name, plan in auditions.items() if plan.key in done.takes}
    voices = {name: _prompted(bare[name], take, traits) for name, take in heard.items()}
    takes: list[PlannedTake] = []
    without: dict[str, Missing] = {}
    for plan in planned:
        if plan.key not in there and any(line.voice.name in bare.keys() - voices.keys() for line in plan.request.lines):
            why = "the audition of its voice came to nothing."
            without[plan.key] = not_rendered(plan, why, "Give the voice another seed, or a recording.")
        else:
            lines = tuple(replace(line, voice=voices.get(line.voice.name, line.voice)) for line in plan.request.lines)
            takes.append(replace(plan, request=replace(plan.request, lines=lines)))
    doubtful = [
        Problem(auditions[name].where, what, "Choose another with: podcast voices audition, or record a prompt.")
        for name, take in heard.items()
        for what in check_prompt(take.read(), take.sample_rate_hz, traits.audition)
    ]
    failed = (*done.failed, *(gone.problem for gone in without.values()))
    return Prompted(tuple(takes), failed, without, tuple(doubtful))


def _prompted(voice: Voice, take: Take, traits: Traits) -> Voice:
    return replace(voice, prompt=take.path.absolute(), prompt_sha256=take.pcm_sha256, transcript=traits.audition)


@dataclass(frozen=True)
class Audition:
    """One performance to choose from, and what speaks against it."""

    number: int  # 0 is the one that jobs try first
    path: Path
    audio_s: float
    doubts: tuple[str, ...]


def audition(voice: Voice, engine: Engine, traits: Traits, folder: Path, takes: int) -> list[Audition]:
    """Let `voice` introduce itself `takes` times, each in a file of its own in `folder`.

    Raises `EngineError` where none of them came to anything.
    """
    bare = replace(voice, prompt=None, prompt_sha256="", transcript="")
    planned = [plan_audition(bare, engine, traits, "en", number) for number in range(takes)]
    numbers = {plan.key: number for number, plan in enumerate(planned)}
    made, reasons = [], []
    for result in engine.render(plan.request for plan in planned):
        if isinstance(result, Failed) or not len(result.pcm):
            reasons.append(result.reason if isinstance(result, Failed) else "it came out empty.")
            continue
        number = numbers[result.request.key]
        path = folder / f"{safe_name(voice.name)}-{number}.flac"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        atomic_write(path, flac.encode(flac.quantize(result.pcm), engine.sample_rate_hz))
        doubts = check_prompt(result.pcm, engine.sample_rate_hz, traits.audition)
        made.append(Audition(number, path, len(result.pcm) / engine.sample_rate_hz, tuple(doubts)))
    if not made:
        raise EngineError(Problem(f'audition of the voice "{voice.name}"', " ".join(reasons), "Try other weights."))
    return sorted(made, key=lambda one: one.number)
