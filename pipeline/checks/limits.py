"""Every limit of the checks, with its reason: the one place to change them. Nothing has to be measured again for that.

"Clean takes" are those that the limits were chosen on: 306 of the draft voice (all twelve, at 120 to 230 words a
minute) and 93 of Kokoro, of 6 to 300 bytes. `podcast bench checks` judges others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.engines import BREATH_S


@dataclass(frozen=True)
class Limit:
    """A value above `bad` is a fault, and one above `unsure` may be one.

    `cost` (0 to 1) is how much of a take's worth the fault takes away.
    """

    bad: float
    unsure: float
    cost: float
    reason: str


LIMITS: Mapping[str, Limit] = {
    "empty": Limit(0, 0, 1, "There is no sample."),
    "broken": Limit(0, 0, 1, "One sample that is no number breaks every filter behind it."),
    "silent": Limit(
        60, 57, 1, "dB below full scale (RMS). ACX wants -23 to -18 dB; at -60 it is noise that is raised."
    ),
    "clipped": Limit(0.001, 0.0003, 0.5, "Share of samples at full scale. Clean takes have none."),
    "dc": Limit(
        0.02, 0.012, 0.2, "Against full scale. Clean takes have at most 0.005, five recordings of a person 0.01."
    ),
    "too_short": Limit(
        0.1, 0, 0.8, "Share of the quickest reading that is missing: words are. Reading a tenth quicker is a doubt."
    ),
    "too_long": Limit(0.5, 0, 0.6, "Seconds more than the slowest reading and a breath: words were added."),
    "runaway": Limit(3, 3, 0.7, "Seconds more than that. What goes on for so long is no slow reading."),
    "leading_silence": Limit(
        1.5, 1.0, 0.2, "Seconds. Clean takes have at most 0.1; chapters have pauses of their own."
    ),
    "trailing_silence": Limit(1.5, 1.0, 0.2, "Seconds. Clean takes have at most 0.4."),
    "inner_silence": Limit(1.5, 1.2, 0.4, "Seconds. Clean takes have at most 0.9, and listeners take more for an end."),
    "cut_end": Limit(-13, -18, 0.5, "dB of the last 12 ms against the speech. Clean takes are below -21."),
    "loop": Limit(0.9, 0.5, 0.8, "Seconds said again at once, but for what the text repeats. Clean takes have none."),
    "noise": Limit(1.0, 0.75, 0.7, "Seconds. Clean takes have none; a sigh or an s is shorter."),
    "drone": Limit(0.9, 0.7, 0.7, "Seconds of one note. Clean takes have none; a held vowel is shorter."),
    "music": Limit(0.8, 0.6, 0.7, "Seconds of notes that hold their pitch. Clean takes have none."),
    "jump": Limit(13, 10.5, 0.3, "dB. Clean takes have at most 10.3: a sentence that trails off, or two voices."),
    "rate": Limit(4, 3.2, 0.4, "Robust standard deviations from what the voice usually takes for a byte."),
    "level": Limit(5, 4, 0.3, "Robust standard deviations from the level the voice usually has."),
    "pitch": Limit(4.5, 3.5, 0.6, "Robust standard deviations from the pitch the voice usually has."),
}

# Where nothing is known of an engine: from 450 words a minute, or Hindi in a hurry, to Chinese read to a child.
ANY_SECONDS_PER_BYTE = (0.015, 0.35)
SPARE_S = BREATH_S  # of a take may pass beside its words

# A median of fewer is moved by two bad takes among them, and its spread says nothing.
LEAST_TAKES = 8
# Less text has a pace, and less voice a pitch, that chance decides.
LEAST_BYTES, LEAST_VOICED_S = 30, 0.4
# Between the quartiles of a take's pitch: a woman and a man are an octave apart, one reader's voice ranges over a half.
TWO_SPEAKERS_OCTAVES = 0.7
# A voice that hardly varies would have every other take called an outlier. In octaves, dB and octaves.
LEAST_SPREADS: Mapping[str, float] = {"rate": 0.1, "level": 1.5, "pitch": 0.08}
