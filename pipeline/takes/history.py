"""History: all attempts at a take, from those at what it was cut from on, and which of them were made for a fault.

In: choices on record. Out: their attempts, the oldest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.takes.attempts import SPLIT
from pipeline.takes.choices import Choice, JudgedAttempt, read_choice
from pipeline.takes.plan import PlannedTake


def history(folder: Path, choice: Choice) -> tuple[JudgedAttempt, ...]:
    """The attempts of a choice, those at what its take was cut from first; a half's own first one is a split."""
    attempts: list[JudgedAttempt] = []
    seen: set[str] = set()
    last: Choice | None = choice
    while last is not None and last.plan not in seen:
        first, *others = last.attempts
        attempts[:0] = [replace(first, remedy=SPLIT) if last.cut_from else first, *others]
        seen.add(last.plan)
        last = read_choice(folder, last.cut_from) if last.cut_from else None
    return tuple(attempts)


def retakes_in(attempts: Sequence[JudgedAttempt], plan: PlannedTake) -> tuple[JudgedAttempt, ...]:
    """Those of a take's history that were made for a fault: neither the first nor alternatives that were asked for."""
    return tuple(one for one in attempts[1:] if one.remedy == SPLIT or one.number >= plan.alternatives)


def tried_remedies(folder: Path, plan: PlannedTake) -> tuple[str, ...]:
    """What was tried of a take's faults, in its order."""
    choice = read_choice(folder, plan.key)
    return () if choice is None else tuple(one.remedy for one in retakes_in(history(folder, choice), plan))
