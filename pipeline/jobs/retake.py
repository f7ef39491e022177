"""Retake: what a person wants to be made again, or to stand, as decisions beside the manifest.

In: a job, and lines or takes by name. Out: decisions on the takes that say them. Renders nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Problem, did_you_mean, raise_if_any
from pipeline.files import read_bytes
from pipeline.jobs.job import Job
from pipeline.source.decision_places import Matches, PlacedWords, context, match_decisions
from pipeline.source.decision_writing import add_decisions
from pipeline.source.decisions import Decision, decisions_file, fold
from pipeline.takes.choices import attempt_keys, standing_key
from pipeline.takes.decided import speech_of
from pipeline.takes.plan import PlannedTake

_TAKE = re.compile(r"(?:.*/)?([0-9a-f]{32})(?:\.flac|\.json)?")
_LINE = re.compile(r"(?:(?P<file>.+):)?(?P<line>\d{1,9})")


@dataclass(frozen=True)
class NamedTake:
    """A planned take that somebody named, and which of its attempts, where that was named."""

    index: int  # in the book
    plan: PlannedTake
    attempt: str = ""  # its key

    def __str__(self) -> str:
        """As people are told of it."""
        return f'{self.plan.where}: "{self.plan.text[:70]}"'


def named_takes(job: Job, names: Sequence[str]) -> list[NamedTake]:
    """The takes that speak these lines (`14`, `script.md:14`), or are these files, in the order of the book.

    A line is that of a turn, or one within it. Raises `RequestError` for all names that are none.
    """
    problems: list[Problem] = []
    named: dict[int, NamedTake] = {}
    for name in names:
        takes = _of_take(job, match[1]) if (match := _TAKE.fullmatch(name)) else _of_line(job, name)
        if not takes:
            problems.append(_unknown(job, name))
        named |= {take.index: take for take in takes}
    raise_if_any(problems)
    return [named[index] for index in sorted(named)]


def _of_take(job: Job, key: str) -> list[NamedTake]:
    folder = job.workspace.takes
    for index, plan in enumerate(job.takes):
        if key in {plan.key, plan.approved} or key in attempt_keys(folder, plan.key):
            return [NamedTake(index, plan, key)]
    return []


def _of_line(job: Job, name: str) -> list[NamedTake]:
    turns = {
        (chapter_index, turn_index): turn.where
        for chapter_index, chapter in enumerate(job.script.chapters)
        for turn_index, turn in enumerate(chapter.turns)
    }
    meant = {place for place, where in turns.items() if where == name}
    if not meant and (match := _LINE.fullmatch(name)):
        lines = {place: at for place, where in turns.items() if (at := _line_of(where, match["file"])) is not None}
        files = {place: Path(turns[place].rpartition(":")[0]) for place in lines}
        wanted = int(match["line"])
        nearest = max((at for at in lines.values() if at <= wanted), default=None)
        meant = {place for place, at in lines.items() if at == nearest and wanted <= _length(files[place])}
    return [
        NamedTake(index, plan)
        for index, plan in enumerate(job.takes)
        if any((plan.chunk.chapter, piece.turn) in meant for piece in plan.chunk.pieces)
    ]


def _line_of(where: str, file: str | None) -> int | None:
    """The line of a place, where that is in a file of this name, or no name was given."""
    path, _, line = where.rpartition(":")
    if not line.isdecimal() or (file is not None and not f"/{path}".endswith(f"/{file}")):
        return None
    return int(line)


def _length(file: Path) -> int:
    """The lines of a file; of one that cannot be counted, as many as there may be."""
    try:
        return read_bytes(file).count(b"\n") + 1
    except OSError:
        return sys.maxsize


def _unknown(job: Job, name: str) -> Problem:
    if _TAKE.fullmatch(name):
        return Problem(name, "it is no take of this job.", "podcast qa and podcast plan name its takes.")
    if _LINE.fullmatch(name):
        return Problem(name, "nothing is spoken there.", "podcast plan names the lines.")
    places = [Path(plan.where).name for plan in job.takes]
    return Problem(name, "this is neither a line nor a take.", did_you_mean(name, places))


def retake(
    job: Job,
    takes: Sequence[NamedTake],
    *,
    seed: int | None = None,
    voice: str | None = None,
    alternatives: int | None = None,
    by: str = "",
    note: str = "",
) -> None:
    """Decide that takes are to be made again, with another seed or voice where that is given, or so many at once.

    Raises `RequestError` where somebody approved one of them, one is spoken by two and gets a voice, or the engine
    would only say the same again.
    """
    before = _decided(job)
    problems: list[Problem] = []
    decisions = []
    if voice is None and "seed" not in job.traits.remedies:
        what = f"the engine {job.traits.name} says the same words the same way every time."
        problems.append(Problem("podcast retake", what, "Give --voice, or change the words or their lexicon."))
    for take in takes:
        if (approved := before.approved.get(take.index)) is not None:
            who = f" by {approved.by}" if approved.by else ""
            hint = "Withdraw that first: podcast approve --withdraw."
            problems.append(Problem(take.plan.where, f'"{take.plan.text}" was approved{who}.', hint))
        if voice is not None and len(job.planner.voices(take.plan.chunk)) > 1:
            hint = "Give the voice in the script, or in cast:."
            problems.append(Problem(take.plan.where, f'"{take.plan.text}" has two speakers.', hint))
        if alternatives is not None:
            decisions.append(_decision(job, take, takes=alternatives, by=by, note=note))
            continue
        last = before.retakes.get(take.index)
        times = (last.retake if last else 0) + 1
        decisions.append(_decision(job, take, retake=times, seed=seed, voice=voice, by=by, note=note))
    raise_if_any(problems)
    replaced = before.retakes if alternatives is None else before.alternatives
    _write(job, takes, decisions, replaced)


def approve(job: Job, takes: Sequence[NamedTake], *, by: str = "", note: str = "") -> None:
    """Decide that takes stand: the attempt that was named, else the one that stands now.

    Raises `RequestError` where one of them is not rendered yet.
    """
    before = _decided(job)
    problems: list[Problem] = []
    decisions = []
    for take in takes:
        key = take.attempt or take.plan.approved or standing_key(job.workspace.takes, take.plan.key)
        if job.store.find(key) is None:
            problems.append(Problem(take.plan.where, f'"{take.plan.text}" is not rendered yet.', "Run: podcast render"))
        spoken = before.retakes.get(take.index) or before.approved.get(take.index)
        values = {
            "voice": spoken.voice if spoken else None,
            "speech": speech_of(take.plan),
            "performance": take.plan.parts.get("occurrence"),
            "by": by,
            "note": note,
        }
        decisions.append(_decision(job, take, approve=f"{key}.flac", **values))
    raise_if_any(problems)
    _write(job, takes, decisions, before.approved, before.retakes)


def withdraw(job: Job, takes: Sequence[NamedTake]) -> int:
    """Take out what was decided of takes; returns how many decisions that were."""
    before = _decided(job)
    return _write(job, takes, (), before.approved, before.retakes, before.alternatives)


def _decided(job: Job) -> Matches:
    words = [PlacedWords(plan.text, job.planner.voices(plan.chunk)) for plan in job.takes]
    return match_decisions(job.decisions, words)


def _write(
    job: Job, takes: Sequence[NamedTake], decisions: Sequence[Decision], *replaced: Mapping[int, Decision]
) -> int:
    old = [decided[take.index] for take in takes for decided in replaced if take.index in decided]
    add_decisions(decisions_file(job.manifest.path), decisions, instead=old)
    return len(old)


_AROUND = 12  # chunks on either side, each of a word at least


def _decision(job: Job, take: NamedTake, **decided: Any) -> Decision:
    first = max(take.index - _AROUND, 0)
    near = job.takes[first : take.index + _AROUND + 1]
    placed = [PlacedWords(plan.text, job.planner.voices(plan.chunk)) for plan in near]
    before, after = context(placed, take.index - first)
    values = {name: value for name, value in decided.items() if value is not None}
    return Decision(0, "", fold(take.plan.text), placed[take.index - first].voices, before, after, **values)
