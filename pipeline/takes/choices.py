"""Choices: which attempt at a take stands, and what was measured of each, in a record beside them.

In: attempts as they were judged. Out: `<key>.choice.json`, where `key` is the planned take's. The record spares work
and tells people why; it is no state of its own: where it is damaged or gone, the takes are judged again, and as every
step follows from what was measured, the same one comes to stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pipeline.checks import signal
from pipeline.checks.verdicts import UNUSABLE, Finding, score
from pipeline.files import read_record, write_record

CHOICE_ENDING = ".choice.json"


@dataclass(frozen=True)
class JudgedAttempt:
    """One rendering of a take, and what the checks say of it.

    `take` is its key. One that came to nothing has no `pcm_sha256`, and a `failure` with what to do about it.
    """

    number: int
    remedy: str
    take: str
    pcm_sha256: str = ""
    audio_s: float = 0.0
    measured: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()  # all that is not good
    score: float = 0.0
    failure: str = ""
    advice: str = ""
    final: bool = False  # no other attempt can do better

    @property
    def bad(self) -> tuple[Finding, ...]:
        """What is plainly wrong with it."""
        return tuple(finding for finding in self.findings if finding.verdict == "bad")

    @property
    def is_usable(self) -> bool:
        """Whether there is something to deliver."""
        return bool(self.pcm_sha256) and all(finding.check not in UNUSABLE for finding in self.bad)

    def judged(self, findings: Iterable[Finding]) -> JudgedAttempt:
        """The same with these findings, and the score that they give it."""
        every = tuple(findings)
        return replace(
            self,
            findings=tuple(finding for finding in every if finding.verdict != "good"),
            score=round(score(every), 2),
        )


@dataclass(frozen=True)
class Choice:
    """The attempts at a planned take so far, in their order, and which of them stands."""

    plan: str  # its key
    attempts: tuple[JudgedAttempt, ...]
    stands: str = ""  # the key of its take; "" where none can be delivered
    settled: bool = False  # it was compared with the rest of the job as well
    split: bool = False  # its chunk was cut in two, and none stands
    cut_from: str = ""  # the key of the planned take whose chunk was cut for it
    checks: int = signal.VERSION  # which of them measured


def best_of(attempts: Sequence[JudgedAttempt]) -> JudgedAttempt | None:
    """The one that stands: the highest score of those that can be delivered, and of equal ones the first."""
    usable = [attempt for attempt in attempts if attempt.is_usable]
    return max(usable, key=lambda attempt: (attempt.score, -attempt.number), default=None)


def choice_path(folder: Path, key: str) -> Path:
    """Where the choice of a planned take lies."""
    return folder / f"{key}{CHOICE_ENDING}"


def read_choice(folder: Path, key: str) -> Choice | None:
    """The choice that is on record; None where there is none, or it is damaged or another take's."""
    choice = read_record(choice_path(folder, key), Choice)
    if choice is None or choice.plan != key or not choice.attempts:
        return None
    return choice if choice.stands in {"", *(attempt.take for attempt in choice.attempts)} else None


def write_choice(folder: Path, choice: Choice) -> None:
    """Record a choice, unless it stands there already. Raises `StorageError`."""
    if read_choice(folder, choice.plan) != choice:
        write_record(choice_path(folder, choice.plan), asdict(choice))


def attempt_keys(folder: Path, key: str, *, rejected: bool = True) -> set[str]:
    """The keys of all attempts at a planned take; without those that were `rejected`, where it is settled."""
    choice = read_choice(folder, key)
    if choice is None:
        return {key}
    if not rejected and choice.split:
        return set()
    if not rejected and choice.settled and choice.stands:
        return {choice.stands}
    return {key, *(attempt.take for attempt in choice.attempts)}


def standing_key(folder: Path, key: str) -> str:
    """The key of the take that stands for a planned one by what is on record; whether it is there is not looked at."""
    choice = read_choice(folder, key)
    return (choice.stands if choice else "") or key
