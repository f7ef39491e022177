"""Verdicts: what the numbers of a take say against the limits, and one score of it all.

In: what `signal` measured. Out: a `Finding` for each check, which is good, bad, or unsure where a person should listen.
Knows no sound: limits can change without a take being measured again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.checks.limits import ANY_SECONDS_PER_BYTE, LIMITS, SPARE_S
from pipeline.checks.signal import Measured

Verdict = Literal["good", "bad", "unsure"]

UNUSABLE = frozenset({"empty", "broken", "silent"})  # with one of these there is nothing to deliver

_WITH_PAUSES = 1.5  # "No! No! No!" takes so many times as long as its letters
_UNSURE = 0.3  # of a fault's cost
_AT_LIMIT = 0.7  # of a fault's cost; the rest comes with how far beyond the limit it is


@dataclass(frozen=True)
class Finding:
    """What one check says of a take: a `value` above `limit` is bad.

    `at_s` is where it is, and `what` says it to a person, as it stands after "it ": "ends within a word".
    """

    check: str
    value: float
    limit: float
    verdict: Verdict
    at_s: float | None = None
    what: str = ""


def judge(measured: Measured, seconds_per_byte: tuple[float, float] | None) -> tuple[Finding, ...]:
    """A finding of each check that looks at the take alone, good ones too.

    `seconds_per_byte` is how long text may last on its engine, the least and the most; None where that is not known.
    """
    least, most = seconds_per_byte or ANY_SECONDS_PER_BYTE
    spoken, sound_s = measured["spoken_bytes"], measured["sound_s"]
    missing = 1 - sound_s / (least * spoken) if spoken else 0.0
    over_s = sound_s - most * spoken - SPARE_S
    repeats = measured["repeated_bytes"]
    loop_s = max(measured["loop_s"] - _WITH_PAUSES * most * repeats, 0.0)

    def stretch(check: str, what: str) -> Finding:
        return finding(check, measured[f"{check}_s"], what.format(measured[f"{check}_s"]), measured[f"{check}_at_s"])

    return (
        finding("empty", float(not measured["samples"]), "has no sound"),
        finding("broken", measured["broken_samples"], "has samples that are no numbers"),
        finding("silent", -measured["rms_db"], "is silent"),
        finding("clipped", measured["clipped_share"], "clips"),
        finding("dc", abs(measured["dc"]), "has an offset"),
        finding("too_short", missing, f"lacks {100 * missing:.0f} % of the time its text takes"),
        finding("too_long", over_s, f"is {max(over_s, 0):.1f} s too long for its text"),
        finding("runaway", over_s, f"goes on for {max(over_s, 0):.1f} s after its text", _end_of_text(measured, most)),
        finding("leading_silence", measured["leading_silence_s"], _silence(measured, "leading", "begins"), 0.0),
        finding(
            "trailing_silence", measured["trailing_silence_s"], _silence(measured, "trailing", "ends"), _end(measured)
        ),
        stretch("inner_silence", "has {:.1f} s of silence"),
        finding("cut_end", measured["end_db"], "ends within a word", _end(measured)),
        finding("loop", loop_s, f"repeats itself for {loop_s:.1f} s", measured["loop_at_s"]),
        stretch("noise", "has {:.1f} s of noise"),
        stretch("drone", "has a drone for {:.1f} s"),
        stretch("music", "has {:.1f} s of music"),
        finding("jump", measured["jump_db"], f"jumps by {measured['jump_db']:.0f} dB", measured["jump_at_s"]),
    )


def score(findings: Iterable[Finding]) -> float:
    """What a take is worth, 0 (nothing to deliver) to 100 (no fault): the best of several attempts has the highest.

    Each finding leaves a share of what is left: all but its cost (see `limits`), of which a doubt takes 0.3, a fault at
    its limit 0.7, one twice as far 0.85, and more the farther it is. So two faults are worse than either of them, and a
    long noise than a short one.
    """
    worth = 100.0
    for each in findings:
        if each.verdict == "bad" and each.check in UNUSABLE:
            return 0.0
        if each.verdict == "bad":
            beyond = (each.value - each.limit) / (abs(each.limit) or 1.0)
            worth *= 1 - LIMITS[each.check].cost * (_AT_LIMIT + (1 - _AT_LIMIT) * beyond / (1 + beyond))
        elif each.verdict == "unsure":
            worth *= 1 - LIMITS[each.check].cost * _UNSURE
    return worth


def finding(check: str, value: float, what: str, at_s: float | None = None) -> Finding:
    """The verdict of `check` on `value`; what is good has nothing to say. Places are told to 10 ms."""
    limit = LIMITS[check]
    verdict: Verdict = "bad" if value > limit.bad else "unsure" if value > limit.unsure else "good"
    if verdict == "good":
        return Finding(check, value, limit.bad, verdict)
    return Finding(check, value, limit.bad, verdict, None if at_s is None else round(at_s, 2), what)


def _silence(measured: Measured, which: str, does: str) -> str:
    return f"{does} with {measured[f'{which}_silence_s']:.1f} s of silence"


def _end(measured: Measured) -> float:
    """Where the take ends, or its silence at the end begins."""
    return measured["duration_s"] - measured["trailing_silence_s"]


def _end_of_text(measured: Measured, most: float) -> float:
    """Where the slowest reading would be over."""
    return math.fsum((measured["leading_silence_s"], most * measured["spoken_bytes"], SPARE_S))
