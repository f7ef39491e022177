"""Attempts: a take made again, and what is changed for it.

In: a planned take, and how it varies. Out: the key of the attempt, which hashes its number and what is changed, and the
request that renders it. Every attempt that was rendered is a take of its own in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.engines import Request, Voice
from pipeline.files import content_key
from pipeline.takes.plan import PlannedTake, attempt_seed

VARIED = ("remedy", "temperature", "prompts")  # parts of a key that attempts after the first may have
FIRST, SEED, TEMPERATURE, PROMPT, SPLIT = "first", "seed", "temperature", "prompt", "split"


@dataclass(frozen=True)
class Variation:
    """What an attempt changes beside its seed, which is another for each."""

    name: str = SEED
    temperature: float | None = None
    voices: tuple[Voice, ...] = ()  # with other prompts, in place of those of the same names


@dataclass(frozen=True)
class PlannedAttempt:
    """One rendering of a planned take, under a key that hashes `parts`."""

    plan: PlannedTake
    number: int  # 0: the first
    remedy: str
    key: str
    parts: dict[str, Any]
    request: Request


def first_attempt(plan: PlannedTake) -> PlannedAttempt:
    """The attempt that a plan begins with: its key is the plan's."""
    return PlannedAttempt(plan, 0, FIRST, plan.key, plan.parts, plan.request)


def attempt_at(plan: PlannedTake, number: int, variation: Variation) -> PlannedAttempt:
    """A further attempt (`number` from 1): the parts of its key are the plan's and what it changes."""
    changed: dict[str, Any] = {"attempt": number, "remedy": variation.name}
    if variation.temperature is not None:
        changed["temperature"] = variation.temperature
    if variation.voices:
        changed["prompts"] = {voice.name: [voice.prompt_sha256, voice.transcript] for voice in variation.voices}
    parts = plan.parts | changed
    key = content_key(parts)
    voices = {voice.name: voice for voice in variation.voices}
    request = replace(
        plan.request,
        key=key,
        lines=tuple(replace(line, voice=voices.get(line.voice.name, line.voice)) for line in plan.request.lines),
        seed=attempt_seed(plan.key, number),
        temperature=variation.temperature,
    )
    return PlannedAttempt(plan, number, variation.name, key, parts, request)


def seed_of(parts: Mapping[str, Any]) -> int:
    """The seed of a take whose key hashes `parts`: of the key its first attempt has, and its own number."""
    first = {name: value for name, value in parts.items() if name not in VARIED} | {"attempt": 0}
    return attempt_seed(content_key(first), parts["attempt"])


def request_of(plan: PlannedTake, parts: Mapping[str, Any], prompts: Path) -> Request:
    """The request that rendered a take of `plan` whose key hashes `parts`; `prompts` has longer prompts."""
    voices = {line.voice.name: line.voice for line in plan.request.lines}
    for name, (digest, transcript) in parts.get("prompts", {}).items():
        if name in voices:
            longer = replace(
                voices[name], prompt=prompt_path(prompts, digest), prompt_sha256=digest, transcript=transcript
            )
            voices[name] = longer
    return replace(
        plan.request,
        lines=tuple(replace(line, voice=voices[line.voice.name]) for line in plan.request.lines),
        seed=seed_of(parts),
        temperature=parts.get("temperature"),
    )


def prompt_path(folder: Path, digest: str) -> Path:
    """Where a prompt that was made for attempts lies, by the hash of its samples."""
    return folder.absolute() / f"{content_key({'prompt': digest})}.flac"
