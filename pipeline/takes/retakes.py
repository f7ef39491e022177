"""Retakes: what is done about a take with faults, by their kind and by what was tried.

In: the attempts at one take as they were judged. Out: the next step, or none. A step follows from these attempts alone,
and so from neither the order in which takes end nor the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.checks.verdicts import Finding
from pipeline.takes.attempts import PROMPT, SEED, SPLIT, TEMPERATURE
from pipeline.takes.choices import JudgedAttempt

RETAKES = 3  # where a manifest names no other number
TEMPERATURE_OF_DIA = 1.2  # where neither a manifest nor the network has another

# What helps against each kind of fault before another seed is tried. Dia speeds up where it has too much to say, and
# sings, hums or goes on where its draws are too free; a voice that drifts wants to be heard again.
_REMEDIES = {
    "too_short": SPLIT,
    "too_long": SPLIT,
    "rate": SPLIT,
    "music": TEMPERATURE,
    "noise": TEMPERATURE,
    "drone": TEMPERATURE,
    "runaway": TEMPERATURE,
    "pitch": PROMPT,
    "level": SEED,
}
_PACE = {"too_short", "too_long", "rate"}  # which may only follow from another fault
_RANK = (TEMPERATURE, PROMPT, SPLIT, SEED)  # of remedies, where a take has faults of several kinds
_COOLER = 0.8  # of the temperature before: 1.2, 0.96, 0.77
_SAME_PLACE = 0.12  # of a take's length: two faults nearer to each other are one and the same


@dataclass(frozen=True)
class Policy:
    """What may be tried: so many retakes, by the remedies that the engine answers to."""

    retakes: int = RETAKES
    remedies: frozenset[str] = frozenset({SEED})
    temperature: float = TEMPERATURE_OF_DIA  # the engine's own


@dataclass(frozen=True)
class Again:
    """Another attempt, by this remedy."""

    remedy: str
    temperature: float | None = None


@dataclass(frozen=True)
class Split:
    """The chunk is cut in two, about at this share of it (0 to 1)."""

    share: float


Step = Again | Split


def next_step(
    attempts: Sequence[JudgedAttempt],
    policy: Policy,
    *,
    alternatives: int = 1,
    retakes: int = 0,
    may_split: bool = True,
    has_prompt: bool = False,
) -> Step | None:
    """What follows after `attempts`, of which there is one at least; None: the best of them stands.

    So many `alternatives` are made whatever is heard in them. `retakes` were spent on the chunk that this one was cut
    from. `may_split` and `has_prompt` say whether a chunk can be cut, and whether its voices have a take to follow.
    """
    last = attempts[-1]
    seeds = SEED in policy.remedies
    if last.final:
        return None
    if len(attempts) < alternatives and seeds:
        return Again(SEED)
    if any(attempt.is_usable and not attempt.bad for attempt in attempts):
        return None
    if retakes + max(len(attempts) - max(alternatives, 1), 0) >= policy.retakes:
        return None
    wishes = _wishes(attempts) if last.bad else [SEED]
    allowed = policy.remedies - (set() if may_split else {SPLIT}) - (set() if has_prompt else {PROMPT})
    remedy = next((wish for wish in wishes if wish in allowed), None)
    if remedy is None:
        return None
    if remedy == SPLIT:
        return Split(_share(last))
    return Again(remedy, _cooler(attempts, policy) if remedy == TEMPERATURE else None)


def _wishes(attempts: Sequence[JudgedAttempt]) -> list[str]:
    """The remedies that may help, the likeliest first."""
    last = attempts[-1]
    tried = [attempt.remedy for attempt in attempts]
    causes = [finding for finding in last.bad if finding.check not in _PACE] or last.bad  # what repeats lasts longer
    own = sorted({_REMEDIES.get(finding.check, SEED) for finding in causes}, key=_RANK.index)
    if len(attempts) > 1 and _in_same_place(attempts[-2], last) and own[0] in tried:
        return [SPLIT, *own, SEED]
    wishes = [remedy for remedy in own if remedy in (TEMPERATURE, SPLIT) or remedy not in tried]
    return [*wishes, SEED, SPLIT]


def _in_same_place(one: JudgedAttempt, other: JudgedAttempt) -> bool:
    """Whether a fault of the one is one of the other, too, in the same part of the text."""
    return any(
        first.check == second.check and abs(at - other_at) <= _SAME_PLACE
        for first, at in _placed(one)
        for second, other_at in _placed(other)
    )


def _placed(attempt: JudgedAttempt) -> Iterator[tuple[Finding, float]]:
    """The faults of an attempt that have a place in it, from 0 to 1."""
    for finding in attempt.bad:
        if finding.at_s is not None and attempt.audio_s > 0:
            yield finding, min(max(finding.at_s / attempt.audio_s, 0.0), 1.0)


def _share(attempt: JudgedAttempt) -> float:
    """Where to cut: at the first fault that has a place, else in the middle."""
    return next((place for _finding, place in _placed(attempt)), 0.5)


def _cooler(attempts: Sequence[JudgedAttempt], policy: Policy) -> float:
    before = sum(attempt.remedy == TEMPERATURE for attempt in attempts)
    return float(f"{policy.temperature * _COOLER ** (before + 1):.2f}")
