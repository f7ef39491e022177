"""The door between orchestration and inference: text and voices go in, audio comes out.

An engine knows no manifests, files, jobs or Prefect. It pulls the next request only when it has room for it and yields
in the order things finish, so that the caller can save each take the moment it exists.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Pcm
from pipeline.engines.devices import Worker, first_device
from pipeline.errors import EngineError, Problem, did_you_mean

if TYPE_CHECKING:
    from pipeline.settings import Settings  # pydantic: `tests/gpu/check.py` does without


@dataclass(frozen=True)
class DraftVoice:
    """How the draft engine speaks as a voice: espeak-ng's own parameters."""

    variant: str = "f2"
    accent: str = "en-us"  # used where the job's language is the accent's
    rate_wpm: int = 165
    pitch: int = 50


# Of Kokoro's 54 voices those that speak English: American and British (a, b) women and men (f, m).
KokoroName = Literal[
    "af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova",
    "af_river", "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam",
    "am_michael", "am_onyx", "am_puck", "am_santa", "bf_alice", "bf_emma", "bf_isabella", "bf_lily",
    "bm_daniel", "bm_fable", "bm_george", "bm_lewis",
]  # fmt: skip
KOKORO_VOICES: tuple[KokoroName, ...] = get_args(KokoroName)


@dataclass(frozen=True)
class KokoroVoice:
    """How Kokoro speaks as a voice: one of its own, and how much faster than it was made."""

    voice: KokoroName = "af_heart"
    speed: float = 1.0


@dataclass(frozen=True)
class Voice:
    """A speaker as engines see one; each uses the part it understands."""

    name: str
    draft: DraftVoice
    prompt: Path | None = None
    prompt_sha256: str = ""
    transcript: str = ""
    seed: int = 0  # of its audition, 63 bits
    kokoro: KokoroVoice = KokoroVoice()


@dataclass(frozen=True)
class Line:
    """Words of one speaker."""

    voice: Voice
    text: str


@dataclass(frozen=True)
class Request:
    """One chunk to speak. `seed` (64 bits) is all the randomness there is.

    `temperature` is Dia's for this chunk alone, whatever else is rendered with it; None: the engine's own.
    """

    key: str
    lines: tuple[Line, ...]
    language: str
    seed: int
    max_s: float | None = None  # where it is cut off
    temperature: float | None = None


@dataclass(frozen=True)
class Span:
    """Where a line lies in a take, in seconds from its start."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Rendered:
    """A finished chunk: mono PCM `[T]`, full scale 1.0, and a span for each line where the engine knows them.

    `codes` `[frames, codebooks]` are what the sound was decoded from, where there is such a thing. `device` names
    which of several rendered it.
    """

    request: Request
    pcm: Pcm
    spans: tuple[Span, ...] | None
    work_s: float
    codes: NDArray[np.int16] | None = None
    device: str = ""


@dataclass(frozen=True)
class Failed:
    """A request that could not be rendered; the others go on.

    Where its text is not to blame, `reason` names what is, and `next` says what to do about that.
    """

    request: Request
    reason: str
    final: bool = True  # False: another seed may do better
    next: str = ""


@dataclass(frozen=True)
class DiaSound:
    """How Dia speaks: part of a take's key, and the same on every machine. What is None is left to the network.

    `cfg_frames` leaves guidance out after so many frames; `max_seconds` cuts every take off.
    """

    cfg_scale: float = 3.0
    temperature: float | None = None
    top_p: float = 0.95
    top_k: int | None = None
    cfg_frames: int | None = None
    max_seconds: float | None = None
    precision: str | None = None

    def __str__(self) -> str:
        """As it stands in the fingerprint of the engine."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ",".join(f"{name}={value}" for name, value in values if value is not None)


@dataclass(frozen=True)
class Machine:
    """Where networks run, and on which files; every machine has its own. None: found out on the machine.

    A folder or a hub id each: `weights` and `codec` are Dia's, and `kokoro` is all that Kokoro has of its own. The rest
    is Dia's: `slots` takes are generated at once, and `kernels` holds the CPU's kernels to no more than it names:
    "amx", "vnni", "plain" or "torch".
    """

    weights: str | None = None
    codec: str | None = None
    device: str | None = None
    codec_device: str | None = None
    slots: int | None = None
    kernels: str | None = None
    kokoro: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Machine:
        """As the settings of this machine have it; of several devices the first."""
        values = {field.name: getattr(settings, field.name) for field in fields(cls)}
        return cls(**values | {"device": first_device(settings.device)})


BREATH_S = 1.0  # of a take may pass beside its words, however few these are

DEFAULT_SOUND, THIS_MACHINE = DiaSound(), Machine()


@dataclass(frozen=True)
class Budget:
    """The range of lengths, in bytes of UTF-8, at which an engine speaks a chunk well."""

    min_bytes: int = 80
    max_bytes: int = 300

    def __post_init__(self) -> None:
        if not 0 < self.min_bytes <= self.max_bytes // 2:
            raise ValueError("min_bytes must be positive and at most half of max_bytes")


class Engine(Protocol):
    """What every engine offers."""

    sample_rate_hz: int

    @property
    def fingerprint(self) -> str:
        """Names everything but the request that can change a sample: weights, precision, versions."""

    def identity(self, voice: Voice) -> Mapping[str, Any]:
        """The part of `voice` that can change a sample of this engine."""

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """What stands in the way of speaking, in plain words; empty when nothing does."""

    @property
    def slots(self) -> int:
        """How many takes it renders at once; a guess until it has rendered."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak every request exactly once, in any order.

        An iterator that had nothing more is asked again for as long as others are being spoken: what comes late still
        finds a free slot.
        """


# What may help a take that came out bad: another seed, a lower temperature, another prompt for its voice, less text.
Remedy = Literal["seed", "temperature", "prompt", "split"]
REMEDIES: frozenset[Remedy] = frozenset(get_args(Remedy))


@dataclass(frozen=True)
class Traits:
    """What can be known of an engine without loading it.

    `module` has `open_engine`, `engine_workers` where not any workers will do, and `unknown_ipa` where it `speaks_ipa`.
    """

    name: str
    module: str
    needs_workers: bool = False  # it loads a model, and is not for the process that joins and encodes
    speaks_tags: bool = False  # (laughs) and its like
    speaks_ipa: bool = False  # IPA between slashes within spoken text
    audition: str = ""  # what a voice without a prompt is made to say once, to have one
    languages: frozenset[str] = frozenset()  # those it was made for; none: `Engine.check` knows
    refuses_others: bool = False  # languages that it was not made for
    budget: Budget = Budget()
    seconds_per_byte: tuple[float, float] | None = None  # how long its words may last; None: unknown
    remedies: frozenset[Remedy] = frozenset({"split"})  # those that change how it speaks, and not just a few bits
    window_s: float | None = None  # of sound, a voice's prompt included; None: without end
    unlike_speech: frozenset[str] = frozenset()  # checks that its sound does not pass, as it is none of speech

    def longest_s(self, spoken_bytes: int) -> float | None:
        """Where a text that is shorter than this engine speaks well is cut off; None for any other.

        Dia goes on inventing after a few words.
        """
        if self.seconds_per_byte is None or spoken_bytes >= self.budget.min_bytes:
            return None
        return round(BREATH_S + spoken_bytes * self.seconds_per_byte[1], 2)

    def is_made_for(self, language: str) -> bool:
        """Whether `language` is one of its own; True where it has no list of them."""
        return not self.languages or language.lower().split("-")[0] in self.languages

    def refusal(self, language: str) -> str:
        """Why this engine speaks no text in `language`, in plain words; "" where nothing is known against it."""
        if not self.refuses_others or self.is_made_for(language):
            return ""
        return f'the engine {self.name} speaks only "{", ".join(sorted(self.languages))}", not "{language}"'

    def unknown_ipa(self, ipa: str) -> str:
        """The signs of it for which this engine has no sound: all where it takes no IPA, and often none."""
        return cast(str, importlib.import_module(self.module).unknown_ipa(ipa)) if self.speaks_ipa else ipa

    def unheard(self, voices: Iterable[Voice], where: str) -> Iterator[Problem]:
        """What to say of voices with a recording where this engine makes nothing of it."""
        if self.audition:  # it clones
            return
        for name in sorted({voice.name for voice in voices if voice.prompt is not None}):
            what = f'"{name}" is spoken by a synthetic voice: the engine {self.name} clones no recording.'
            yield Problem(where, what, "The engine dia does.")


# Plain, about six seconds, and different enough in its sounds to show a voice.
AUDITION = "The evening was calm, and a light wind moved over the fields while we talked about the day behind us."
# Dia makes 86.13 frames a second, and speech takes it roughly 3.5 to 11 of them for a character.
_DIA_SECONDS_PER_BYTE = (3.5 / 86.13, 11 / 86.13)
_DIA_WINDOW_S = 3072 / 86.13
# espeak-ng and Kokoro take 0.051 to 0.075 s for a byte of 80 and more, and espeak-ng up to 2.7 s for 16 bytes.
_FAULTY_SECONDS_PER_BYTE = (0.04, 0.11)

TRAITS: Mapping[str, Traits] = {
    traits.name: traits
    for traits in (
        Traits("draft", "pipeline.engines.draft"),
        Traits(
            "dia",
            "pipeline.engines.dia.engine",
            needs_workers=True,
            speaks_tags=True,
            audition=AUDITION,
            languages=frozenset({"en"}),
            seconds_per_byte=_DIA_SECONDS_PER_BYTE,
            remedies=REMEDIES,
            window_s=_DIA_WINDOW_S,
        ),
        Traits(
            "kokoro",
            "pipeline.engines.kokoro.engine",
            needs_workers=True,
            speaks_ipa=True,
            languages=frozenset({"en"}),
            refuses_others=True,
        ),
        Traits(
            "tone",
            "pipeline.engines.tone",
            remedies=frozenset({"seed", "split"}),
            unlike_speech=frozenset({"music", "drone", "loop", "noise", "jump"}),
        ),
        Traits("faulty", "pipeline.engines.faulty", seconds_per_byte=_FAULTY_SECONDS_PER_BYTE, remedies=REMEDIES),
        Traits(
            "faulty-kokoro",
            "pipeline.engines.faulty",
            needs_workers=True,
            languages=frozenset({"en"}),
            refuses_others=True,
            seconds_per_byte=_FAULTY_SECONDS_PER_BYTE,
            remedies=REMEDIES,
        ),
    )
}


def engine_workers(name: str, machine: Machine) -> tuple[Worker, ...]:
    """The workers that suit the engine called `name` on `machine`; empty where any will do, or it cannot run."""
    traits = TRAITS[name]
    if not traits.needs_workers:
        return ()
    suited = getattr(importlib.import_module(traits.module), "engine_workers", None)
    return cast(tuple[Worker, ...], suited(machine)) if suited is not None else ()


def open_engine(name: str, sound: DiaSound = DEFAULT_SOUND, machine: Machine = THIS_MACHINE) -> Engine:
    """The engine called `name`; its weights or libraries load when it first renders.

    `sound` is Dia's, and `machine` names the weights of each. Raises `EngineError` for an engine there is not, and
    where weights or libraries are missing.
    """
    traits = TRAITS.get(name)
    if traits is None:
        raise EngineError(Problem("engine", f'no engine "{name}".', did_you_mean(name, TRAITS)))
    module = importlib.import_module(traits.module)
    arguments = {
        "dia": (sound, machine),
        "kokoro": (machine.kokoro,),
        "faulty": ("draft", machine),
        "faulty-kokoro": ("kokoro", machine),
    }
    return cast(Engine, module.open_engine(*arguments.get(name, ())))
