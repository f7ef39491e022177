"""Outcome: what a run made of planned takes, and what a person should look at.

In: nothing but what `render` hands on. Out: `TakesDone`, which the stages, the report and the chapters go by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.errors import Problem
from pipeline.takes.choices import JudgedAttempt
from pipeline.takes.plan import PlannedTake
from pipeline.takes.store import Take
from pipeline.words import clock

HERE = "here"  # the device of an engine that renders in this process


@dataclass(frozen=True)
class DeviceWork:
    """What one device has done in a run."""

    takes: int = 0  # that were kept
    audio_s: float = 0.0  # of those
    work_s: float = 0.0  # with the attempts that were not kept

    def __add__(self, other: DeviceWork) -> DeviceWork:
        return DeviceWork(self.takes + other.takes, self.audio_s + other.audio_s, self.work_s + other.work_s)

    @property
    def speed_x(self) -> float:
        """Seconds of audio per second of work; 0 where there was no work."""
        return round(self.audio_s / self.work_s, 1) if self.work_s > 0 else 0.0


@dataclass(frozen=True)
class MissingTake:
    """A take that is missing from its chapter, and why."""

    problem: Problem
    why: str  # it is missing, without its place: "it came out silent."


@dataclass(frozen=True)
class Ear:
    """A take for a person to listen to: even its best attempt has faults. It is delivered, or left out for them."""

    take: str  # its file, relative to the job's folder
    where: str = ""  # in the script
    text: str = ""
    faults: tuple[str, ...] = ()  # as it stands behind "it": "ends within a word"
    at_s: float | None = None  # of the first of them in the take
    score: float = 0.0  # of the take; 100: nothing was found
    tried: tuple[str, ...] = ()  # the remedies, in their order
    chapter: int = 0  # its number
    chapter_at_s: float | None = None  # of the first fault in the chapter; None: it was not joined

    @property
    def heard_at(self) -> str:
        """Where its first fault is in the chapter, for people; "" where that is not known."""
        return "" if self.chapter_at_s is None else f"in chapter {self.chapter} at {clock(self.chapter_at_s)}"

    @property
    def problem(self) -> Problem:
        """What is to be done about it where it is delivered."""
        at = f", {self.heard_at}," if self.heard_at else ""
        tried = f" (tried: {', '.join(self.tried)})" if self.tried else ""
        return Problem(
            self.where,
            f'the best take of "{self.text[:60]}"{at} {" and ".join(self.faults)}{tried}.',
            f"Listen to {self.take}; if it is no good: podcast retake, or change the text.",
        )


@dataclass(frozen=True)
class TakesDone:
    """What the render loop leaves behind. Mappings are by the keys of planned takes."""

    takes: Mapping[str, Take]  # that stand
    reused: int  # of them, those that were finished before
    missing: Mapping[str, MissingTake] = field(default_factory=dict)  # those that failed in the order of the book
    ears: Mapping[str, Ear] = field(default_factory=dict)
    devices: Mapping[str, DeviceWork] = field(default_factory=dict)  # by name
    unshared: Problem | None = None  # what kept takes from the shared store
    planned: tuple[PlannedTake, ...] = ()  # in the order of the book, the halves of those that were cut in their place
    retaken: int = 0  # attempts after a first one, in this run
    notes: tuple[Problem, ...] = ()  # on records that were not as they should be
    failed_auditions: tuple[Problem, ...] = ()
    poor_auditions: tuple[Problem, ...] = ()  # of voices that speak all the same

    @property
    def rendered(self) -> int:
        """How many takes this run rendered."""
        return len(self.takes) - self.reused

    @property
    def rendered_s(self) -> float:
        """Seconds of audio that are new."""
        return sum(work.audio_s for work in self.devices.values())

    @property
    def failed(self) -> tuple[Problem, ...]:
        """Auditions and takes that came to nothing; what was left out for its faults has a take, and did not fail."""
        without_take = (missing.problem for key, missing in self.missing.items() if key not in self.takes)
        return (*self.failed_auditions, *without_take)

    @property
    def flagged(self) -> tuple[Problem, ...]:
        """The problems of takes that are delivered with faults, the riskiest first."""
        ears = (ear for key, ear in self.ears.items() if key not in self.missing)
        return tuple(ear.problem for ear in sorted(ears, key=lambda ear: ear.score))

    @property
    def delivered(self) -> Mapping[str, Take]:
        """The takes that chapters are made of."""
        return {key: take for key, take in self.takes.items() if key not in self.missing}


def ear_of(plan: PlannedTake, best: JudgedAttempt, tried: tuple[str, ...]) -> Ear:
    """What a person should listen for in the `best` take of a `plan`, which has faults."""
    at_s = next((finding.at_s for finding in best.bad if finding.at_s is not None), None)
    faults = tuple(finding.what for finding in best.bad)
    return Ear(f"takes/{best.take}.flac", plan.where, plan.text, faults, at_s, best.score, tried)


def not_rendered(plan: PlannedTake, why: str, advice: str) -> MissingTake:
    """The `MissingTake` for a `plan` that was not rendered."""
    return MissingTake(Problem(plan.where, f'"{plan.text[:60]}" was not rendered: {why}', advice), why)


def leave_out_faulty(done: TakesDone) -> TakesDone:
    """`done` with its faulty takes missing instead of delivered."""
    advice = "Change the text or the seed, or have it as it is with on_failure: best."
    missing = dict(done.missing)
    for key, ear in done.ears.items():
        why = f"its best take {' and '.join(ear.faults)}."
        missing[key] = MissingTake(Problem(ear.where, f'"{ear.text[:60]}" was left out: {why}', advice), why)
    return replace(done, missing=missing)
