"""Gate: the first check of a rendered take, by numbers alone.

In: its samples and how many bytes of text they speak. Out: the names of its faults, and a score that finds the least
bad of several attempts. Whether the words are the right ones it cannot tell. Knows no engines and no files.
"""

from __future__ import annotations

import numpy as np

from pipeline.audio import Pcm
from pipeline.audio.loudness import FULL_SCALE, rms_db
from pipeline.engines import BREATH_S

Limits = tuple[float, float]  # the least and the most seconds of sound for a byte of spoken text

UNUSABLE = frozenset({"empty", "broken", "silent"})  # with one of these there is nothing to deliver

_SILENT_DB = -60.0  # RMS
_CLIPPED_SHARE = 0.001  # of the samples


def faults(pcm: Pcm, sample_rate_hz: int, spoken_bytes: int, limits: Limits | None) -> list[str]:
    """The names of what is wrong with `pcm` `[T]`.

    "empty" has no samples, "broken" has some that are no numbers, "silent" is below -60 dBFS RMS, "clipped" has more
    than 0.1 % of its samples at full scale; "too short for its text" and "too long for its text" are outside `limits`,
    where a second more is allowed for breath.
    """
    if not len(pcm):
        return ["empty"]
    if not np.isfinite(pcm).all():
        return ["broken"]
    names = []
    if rms_db(pcm) < _SILENT_DB:
        names.append("silent")
    if np.count_nonzero(np.abs(pcm) >= FULL_SCALE) > _CLIPPED_SHARE * len(pcm):
        names.append("clipped")
    if limits is not None:
        if len(pcm) / sample_rate_hz < limits[0] * spoken_bytes:
            names.append("too short for its text")
        elif len(pcm) / sample_rate_hz > limits[1] * spoken_bytes + BREATH_S:
            names.append("too long for its text")
    return names


def score(pcm: Pcm, sample_rate_hz: int, spoken_bytes: int, limits: Limits | None) -> tuple[bool, int, float]:
    """A key that sorts attempts at one text: usable first, then fewest faults, then nearest the middle of `limits`."""
    names = faults(pcm, sample_rate_hz, spoken_bytes, limits)
    distance = 0.0 if limits is None else abs(_pace(pcm, sample_rate_hz, spoken_bytes) - sum(limits) / 2)
    return not UNUSABLE.isdisjoint(names), len(names), distance


def _pace(pcm: Pcm, sample_rate_hz: int, spoken_bytes: int) -> float:
    """Seconds of sound for each byte of spoken text."""
    return len(pcm) / sample_rate_hz / max(spoken_bytes, 1)
