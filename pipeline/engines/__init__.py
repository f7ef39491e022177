"""The door between orchestration and inference: text and voices go in, audio comes out.

An engine knows no manifests, files, jobs or Prefect. It pulls the next request only when it has room for it and yields
in the order things finish, so that the caller can save each take the moment it exists.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from pipeline.audio import Pcm
from pipeline.errors import EngineError, Problem, did_you_mean


@dataclass(frozen=True)
class DraftVoice:
    """How the draft engine speaks as a voice: espeak-ng's own parameters."""

    variant: str = "f2"
    accent: str = "en-us"  # used where the job's language is the accent's
    rate_wpm: int = 165
    pitch: int = 50


@dataclass(frozen=True)
class Voice:
    """A speaker as engines see one; each uses the part it understands."""

    name: str
    draft: DraftVoice
    prompt: Path | None = None
    prompt_sha256: str = ""
    transcript: str = ""


@dataclass(frozen=True)
class Line:
    """Words of one speaker."""

    voice: Voice
    text: str


@dataclass(frozen=True)
class Request:
    """One chunk to speak. `seed` (64 bits) is all the randomness there is."""

    key: str
    lines: tuple[Line, ...]
    language: str
    seed: int


@dataclass(frozen=True)
class Span:
    """Where a line lies in a take, in seconds from its start."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Rendered:
    """A finished chunk: mono PCM `[T]`, full scale 1.0, and a span for each line where the engine knows them."""

    request: Request
    pcm: Pcm
    spans: tuple[Span, ...] | None
    work_s: float


@dataclass(frozen=True)
class Failed:
    """A request that came to nothing; the others go on."""

    request: Request
    reason: str


@dataclass(frozen=True)
class Budget:
    """The text window an engine speaks well, in bytes of UTF-8."""

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

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak every request exactly once, in any order."""


@dataclass(frozen=True)
class Traits:
    """What can be known of an engine without loading it."""

    name: str
    module: str | None  # None: known, but not part of this version
    speaks_tags: bool = False  # (laughs) and its like
    needs_prompt: bool = False  # a voice must bring a recording
    budget: Budget = Budget()


TRAITS: Mapping[str, Traits] = {
    traits.name: traits
    for traits in (
        Traits("draft", "pipeline.engines.draft"),
        Traits("dia", None, speaks_tags=True, needs_prompt=True),
        Traits("tone", "pipeline.engines.tone"),
    )
}


def open_engine(name: str) -> Engine:
    """The engine called `name`; its weights or libraries load when it first renders.

    Raises `EngineError` for an engine this version does not have.
    """
    traits = TRAITS.get(name)
    if traits is None:
        raise EngineError(Problem("engine", f'no engine "{name}".', did_you_mean(name, TRAITS)))
    if traits.module is None:
        raise EngineError(
            Problem("engine", f"{name} is not part of this version.", 'Use "engine: draft" or --engine draft.')
        )
    return cast(Engine, importlib.import_module(traits.module).open_engine())
