"""Decided: what people decided of takes, as the planner goes by it.

In: decisions that were matched with chunks, and the takes planned of these. Out: the same takes with what was decided
of them, and what is to be told of decisions that count no longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.errors import Problem
from pipeline.files import content_key
from pipeline.source.decision_places import Matches
from pipeline.source.decisions import Decision
from pipeline.takes.plan import PlannedTake

# Parts of a key that are not what is said, by whom and with which engine.
_OF_ONE_PLAN = ("seed", "attempt", "occurrence", "split", "retake")


def speech_of(plan: PlannedTake) -> str:
    """A hash of all that can change the samples of a take but its seed and which performance it is."""
    return content_key({name: value for name, value in plan.parts.items() if name not in _OF_ONE_PLAN})


def with_approvals(
    planned: Sequence[PlannedTake], decided: Matches
) -> tuple[list[PlannedTake], list[tuple[Decision, PlannedTake]]]:
    """`planned` with the takes that stand by approval; and the approvals of what is said otherwise by now."""
    takes = list(planned)
    changed = []
    for index, decision in decided.approved.items():
        assert decision.approve is not None
        if decision.speech in ("", speech_of(takes[index])):
            takes[index] = replace(takes[index], approved=decision.approve.removesuffix(".flac"))
        else:
            changed.append((decision, takes[index]))
    return takes, changed


def told_of_decisions(matches: Matches, changed: Sequence[tuple[Decision, PlannedTake]]) -> Iterator[Problem]:
    """What is to be told of decisions that count no longer; `changed` are approvals of what is said otherwise now."""
    lost = [decision for decision, _problem in matches.lost if decision.kind == "approve"]
    count = len(lost) + len(changed)
    if count:
        where = min((*lost, *(decision for decision, _plan in changed)), key=lambda one: one.number).where
        lost_takes, them = ("1 approved take is", "it") if count == 1 else (f"{count} approved takes are", "them")
        yield Problem(where, f"{lost_takes} lost by this edit.", f"Undo the edit to keep {them}.")
    yield from (problem for _decision, problem in matches.lost)
    yield from matches.problems
    for decision, plan in changed:
        what = f'"{decision.words}" was approved, and its voice or engine is another now ({plan.where}).'
        yield Problem(decision.where, what, "Approve the new take, or take the decision out.")
