"""Statistics: how a voice usually sounds, and which takes do not sound like it.

In: what `signal` measured of the takes of each voice. Out: medians and robust spreads, and findings of a take that lies
far from them. Takes of two voices have a name of their own, such as "ada+ben". Knows no sound.
"""

from __future__ import annotations

import math
import statistics as averages
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.checks.limits import LEAST_BYTES, LEAST_SPREADS, LEAST_TAKES, LEAST_VOICED_S, TWO_SPEAKERS_OCTAVES
from pipeline.checks.signal import Measured
from pipeline.checks.verdicts import Finding, finding

_DEVIATION = 1.4826  # the standard deviation of a normal distribution, in median absolute deviations


@dataclass(frozen=True)
class VoiceStatistics:
    """How a voice usually sounds: medians over its takes, and spreads that stand for standard deviations.

    `rate` is the logarithm (to 2, so that spreads are octaves) of seconds of speech for a byte, `level` is in dBFS,
    `pitch` the logarithm of Hz. None: too few takes tell it.
    """

    takes: int
    rate: float | None = None
    rate_spread: float = 0.0
    level: float | None = None
    level_spread: float = 0.0
    pitch: float | None = None
    pitch_spread: float = 0.0

    def completed(self, other: VoiceStatistics) -> VoiceStatistics:
        """The same, with what only `other` knows, which is of as many takes then."""
        rate, level, pitch = (other if getattr(self, name) is None else self for name in ("rate", "level", "pitch"))
        takes = self.takes if rate is level is pitch is self else other.takes
        return VoiceStatistics(
            takes,
            *(rate.rate, rate.rate_spread),
            *(level.level, level.level_spread),
            *(pitch.pitch, pitch.pitch_spread),
        )


def statistics(rows: Iterable[tuple[str, Measured]]) -> Mapping[str, VoiceStatistics]:
    """How each voice usually sounds, by its name; the same in whatever order the rows come."""
    by_voice: dict[str, list[Measured]] = defaultdict(list)
    for voice, measured in rows:
        by_voice[voice].append(measured)
    return {voice: _of_voice(by_voice[voice]) for voice in sorted(by_voice)}


def compare(measured: Measured, own: VoiceStatistics) -> tuple[Finding, ...]:
    """What sets a take apart from the others of its voice, in robust standard deviations; good findings too.

    Nothing is said where too few takes are known, and of too little text (rate) or voice (pitch). Nor is a take of two
    speakers a wrong voice, as its median may lie anywhere between theirs: see `_pitch_distance`.
    """
    findings = []
    if own.rate is not None and (rate := _rate(measured)) is not None:
        z = (rate - own.rate) / own.rate_spread
        findings.append(finding("rate", abs(z), "is far too slow" if z > 0 else "is far too fast"))
    if own.level is not None:
        z = (measured["level_db"] - own.level) / own.level_spread
        findings.append(finding("level", abs(z), f"is {abs(z) * own.level_spread:.0f} dB too {_loud(z)}"))
    if own.pitch is not None and (pitch := _pitch(measured)) is not None:
        z = _pitch_distance(measured, pitch, own.pitch) / own.pitch_spread
        findings.append(finding("pitch", abs(z), f"is spoken by a {'higher' if z > 0 else 'lower'} voice"))
    return tuple(findings)


def _pitch_distance(measured: Measured, pitch: float, own: float) -> float:
    """Octaves from a voice's own pitch to that of a take; 0 where the take's middle half is wide and has it within."""
    low, high = (math.log2(measured[name]) for name in ("pitch_low_hz", "pitch_high_hz"))
    return 0.0 if high - low > TWO_SPEAKERS_OCTAVES and low <= own <= high else pitch - own


def _loud(z: float) -> str:
    return "loud" if z > 0 else "soft"


def _of_voice(rows: list[Measured]) -> VoiceStatistics:
    rate = _usual("rate", [value for row in rows if (value := _rate(row)) is not None])
    level = _usual("level", [row["level_db"] for row in rows if row["speech_s"] > 0])
    pitch = _usual("pitch", [value for row in rows if (value := _pitch(row)) is not None])
    return VoiceStatistics(len(rows), *rate, *level, *pitch)


def _usual(name: str, values: list[float]) -> tuple[float | None, float]:
    """The median, and the spread; None where there are too few."""
    if len(values) < LEAST_TAKES:
        return None, 0.0
    median = averages.median(values)
    spread = _DEVIATION * averages.median(abs(value - median) for value in values)
    return median, max(spread, LEAST_SPREADS[name])


def _rate(measured: Measured) -> float | None:
    if measured["spoken_bytes"] < LEAST_BYTES or measured["speech_s"] <= 0:
        return None
    return math.log2(measured["speech_s"] / measured["spoken_bytes"])


def _pitch(measured: Measured) -> float | None:
    if measured["voiced_s"] < LEAST_VOICED_S or measured["pitch_low_hz"] <= 0:
        return None
    return math.log2(measured["pitch_hz"])
