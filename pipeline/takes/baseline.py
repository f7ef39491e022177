"""Baseline: how the voices of a job speak, from its first takes, kept so that later takes are judged by the same.

In: what was measured of the takes that stood when all first ones were there, in the order of the book. Out: statistics
by voice, and for each voice the take that a prompt may be lengthened by. An edit changes neither: what is there stays,
and only voices that were not there before are added.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.checks.statistics import VoiceStatistics, statistics
from pipeline.errors import Problem
from pipeline.files import read_record, set_aside, write_record
from pipeline.takes.choices import JudgedAttempt
from pipeline.takes.plan import PlannedTake

_PROMPT_S = (4.0, 12.0)  # of a take that may follow a prompt: the two together leave Dia room for the text


@dataclass(frozen=True)
class VoiceBaseline:
    """How one voice, or several in one take, speak; and the key of the best take of one, "" where there is none."""

    statistics: VoiceStatistics
    best: str = ""

    def completed(self, other: VoiceBaseline) -> VoiceBaseline:
        """The same, with what is known by the other one alone."""
        return VoiceBaseline(self.statistics.completed(other.statistics), self.best or other.best)


@dataclass(frozen=True)
class _BaselineRecord:
    """What `checks.json` holds: baselines by the name of the plan, and by voice."""

    plans: dict[str, dict[str, VoiceBaseline]] = field(default_factory=dict)
    chunks: dict[str, int] = field(default_factory=dict)  # that the plan had when a voice could be added or completed


def voices_of(plan: PlannedTake) -> str:
    """Who speaks in a take, as one name: a take of two voices is compared with others of these two."""
    return " + ".join(sorted({line.voice.name for line in plan.request.lines}))


class Baseline:
    """The baselines of a job, in `path`, for the plan called `name` (the engine, the language, the budget)."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        record = read_record(path, _BaselineRecord)
        self.notes: list[Problem] = []
        self._is_damaged = record is None and os.path.lexists(path)
        if self._is_damaged:
            what = "it is damaged, and set aside: from now on voices are compared with the takes that stand now."
            self.notes.append(Problem(path.name, what))
        self._plans = {} if record is None else record.plans
        self._chunks = {} if record is None else record.chunks
        self._voices: Mapping[str, VoiceBaseline] = self._plans.get(name, {})

    def of(self, voices: str) -> VoiceBaseline | None:
        """The baseline of these voices."""
        return self._voices.get(voices)

    def add(self, standing: Sequence[tuple[PlannedTake, JudgedAttempt]], planned: Sequence[PlannedTake]) -> None:
        """Add the voices that have none yet, and write it down. Raises `StorageError`.

        Of a voice that had too few takes, what was not known is added once more is `planned`; not while the same is,
        or a run that was killed would come to other statistics than one that was not.
        """
        chunks = sum(plan.chunk.split is None or bool(plan.chunk.split.root) for plan in planned)  # before any was cut
        is_more = chunks > self._chunks.get(self._name, 0)
        voices = dict(self._voices)
        for name, one in baselines(standing).items():
            if name not in voices:
                voices[name] = one
            elif is_more:
                voices[name] = voices[name].completed(one)
        if voices and (is_more or voices != self._voices):
            self._voices = voices
            self._plans = {**self._plans, self._name: voices}
            self._chunks = {**self._chunks, self._name: chunks}
            if self._is_damaged:
                set_aside(self._path)
                self._is_damaged = False
            write_record(self._path, asdict(_BaselineRecord(self._plans, self._chunks)))

    def replace(self, standing: Sequence[tuple[PlannedTake, JudgedAttempt]], planned: Sequence[PlannedTake]) -> None:
        """Make all of them anew, and write them down. Raises `StorageError`."""
        self._voices = {}
        self.add(standing, planned)


def _rank(attempt: JudgedAttempt) -> tuple[float, float]:
    """The better, then the shorter: a prompt takes its time from what is said behind it."""
    return attempt.score, -attempt.audio_s


def baselines(standing: Iterable[tuple[PlannedTake, JudgedAttempt]]) -> dict[str, VoiceBaseline]:
    """How voices speak in the takes that stand, those without faults, by voice."""
    sound = [(voices_of(plan), plan, attempt) for plan, attempt in standing if attempt.measured and not attempt.bad]
    best: dict[str, JudgedAttempt] = {}
    for voices, plan, attempt in sound:
        is_one = len({line.voice.name for line in plan.request.lines}) == 1
        fits = _PROMPT_S[0] <= attempt.audio_s <= _PROMPT_S[1]
        if is_one and fits and (voices not in best or _rank(attempt) > _rank(best[voices])):
            best[voices] = attempt
    by_voice = statistics((voices, attempt.measured) for voices, _plan, attempt in sound)
    return {name: VoiceBaseline(one, best[name].take if name in best else "") for name, one in by_voice.items()}
