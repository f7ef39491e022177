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
from pipeline.takes.attempts import PROMPT, SPLIT
from pipeline.takes.chunks import Chunk, ChunkPiece
from pipeline.takes.judging import Judging
from pipeline.takes.outcome import MissingTake, not_rendered
from pipeline.takes.plan import PlannedTake
from pipeline.takes.render import render_takes
from pipeline.takes.retakes import RETAKES, Policy
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
    chunk = Chunk(0, (ChunkPiece(0, None, voice.name, traits.audition, traits.audition),))
    seed = int(content_key({"voice": voice.seed, "number": number})[:16], 16) if number else voice.seed
    request = Request(key, (Line(voice, traits.audition),), language, seed, max_s=LONGEST_S)
    return PlannedTake(key, parts, chunk, request, f'audition of the voice "{voice.name}"')


@dataclass(frozen=True)
class PromptedTakes:
    """Planned takes whose voices all have prompts, and those that are `missing` (by key) as a voice has none."""

    takes: tuple[PlannedTake, ...]
    missing: Mapping[str, MissingTake] = field(default_factory=dict)
    failed: tuple[Problem, ...] = ()  # auditions that came to nothing
    poor: tuple[Problem, ...] = ()  # auditions that are used though they make poor prompts
    voices: Mapping[str, Voice] = field(default_factory=dict)  # that got a prompt, by name

    def prompted(self, plan: PlannedTake) -> PlannedTake:
        """`plan` with the prompts that its voices got."""
        return _prompted(plan, self.voices)


def give_prompts(
    planned: Sequence[PlannedTake],
    finished: Set[str],
    engine: Engine,
    traits: Traits,
    store: TakeStore,
    language: str,
    *,
    retakes: int = RETAKES,
    admission: Admission = ALWAYS,
) -> PromptedTakes:
    """Give every voice a prompt that needs one for a take that is not `finished` yet (keys).

    An audition with faults is made again so many times.
    """
    unfinished = [plan for plan in planned if plan.key not in finished]
    bare = {line.voice.name: line.voice for plan in unfinished for line in plan.request.lines if not line.voice.prompt}
    if not traits.audition or not bare:
        return PromptedTakes(tuple(planned))
    auditions = {name: plan_audition(voice, engine, traits, language) for name, voice in bare.items()}
    policy = Policy(retakes, traits.remedies - {SPLIT, PROMPT})
    judging = Judging(traits.seconds_per_byte, traits.unlike_speech, policy)
    done = render_takes(list(auditions.values()), engine, store, judging=judging, admission=admission)
    prompts = {name: done.takes[plan.key] for name, plan in auditions.items() if plan.key in done.takes}
    voices = {name: _with_prompt(bare[name], take, traits) for name, take in prompts.items()}
    mute = bare.keys() - voices.keys()
    missing: dict[str, MissingTake] = {}
    for plan in unfinished:
        if any(line.voice.name in mute for line in plan.request.lines):
            why = "the audition of its voice came to nothing."
            missing[plan.key] = not_rendered(plan, why, "Give the voice another seed, or a recording.")
    cast = PromptedTakes((), voices=voices)
    takes = tuple(cast.prompted(plan) for plan in planned if plan.key not in missing)
    poor = [
        Problem(auditions[name].where, what, "Choose another with: podcast voices audition, or record a prompt.")
        for name, take in prompts.items()
        for what in check_prompt(take.read(), take.sample_rate_hz, traits.audition)
    ]
    return replace(cast, takes=takes, missing=missing, failed=done.failed, poor=tuple(poor))


def with_stored_prompts(
    planned: Sequence[PlannedTake], engine: Engine, traits: Traits, store: TakeStore, language: str
) -> list[PlannedTake]:
    """Those of `planned` whose voices all have a prompt, their own or one that was auditioned before, with that."""
    voices: dict[str, Voice] = {}
    mute: set[str] = set()
    for voice in {line.voice.name: line.voice for plan in planned for line in plan.request.lines}.values():
        if not traits.audition or voice.prompt is not None:
            continue
        if (take := store.look(plan_audition(voice, engine, traits, language).key)) is None:
            mute.add(voice.name)
        else:
            voices[voice.name] = _with_prompt(voice, take, traits)
    return [
        _prompted(plan, voices) for plan in planned if mute.isdisjoint(line.voice.name for line in plan.request.lines)
    ]


def _prompted(plan: PlannedTake, voices: Mapping[str, Voice]) -> PlannedTake:
    """A take spoken by these voices, where it is by voices of their names."""
    lines = tuple(replace(line, voice=voices.get(line.voice.name, line.voice)) for line in plan.request.lines)
    return replace(plan, request=replace(plan.request, lines=lines))


def _with_prompt(voice: Voice, take: Take, traits: Traits) -> Voice:
    return replace(voice, prompt=take.path.absolute(), prompt_sha256=take.pcm_sha256, transcript=traits.audition)


@dataclass(frozen=True)
class Audition:
    """One performance of a voice to choose from."""

    number: int  # 0 is the one that jobs try first
    path: Path
    audio_s: float
    doubts: tuple[str, ...]  # what makes it a poor prompt


def audition(voice: Voice, engine: Engine, traits: Traits, folder: Path, takes: int) -> list[Audition]:
    """Have `voice` introduce itself `takes` times, each in a file of its own in `folder`.

    Raises `EngineError` where all of them fail, and `StorageError`.
    """
    bare = replace(voice, prompt=None, prompt_sha256="", transcript="")
    planned = [plan_audition(bare, engine, traits, "en", number) for number in range(takes)]
    numbers = {plan.key: number for number, plan in enumerate(planned)}
    auditions, reasons, advice = [], [], ""
    for result in engine.render(plan.request for plan in planned):
        if isinstance(result, Failed) or not len(result.pcm):
            reasons.append(result.reason if isinstance(result, Failed) else "it came out empty.")
            advice = advice or (result.next if isinstance(result, Failed) else "")
            continue
        number = numbers[result.request.key]
        path = folder / f"{safe_name(voice.name)}-{number}.flac"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        atomic_write(path, flac.encode(flac.quantize(result.pcm), engine.sample_rate_hz))
        doubts = check_prompt(result.pcm, engine.sample_rate_hz, traits.audition)
        auditions.append(Audition(number, path, len(result.pcm) / engine.sample_rate_hz, tuple(doubts)))
    if not auditions:
        raise EngineError(
            Problem(f'audition of the voice "{voice.name}"', " ".join(reasons), advice or "Try other weights.")
        )
    return sorted(auditions, key=lambda audition: audition.number)
