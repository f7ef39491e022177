"""What the gate says of takes that are plainly wrong, and which of several it likes best."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio import Pcm
from pipeline.audio.loudness import rms_db
from pipeline.checks.gate import UNUSABLE, faults, score
from pipeline.engines import TRAITS

RATE_HZ = 8000
LIMITS = (0.04, 0.12)


def _tone(seconds: float, level: float = 0.3) -> Pcm:
    return (level * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def _with(pcm: Pcm, count: int, value: float) -> Pcm:
    changed = pcm.copy()
    changed[:count] = value
    return changed


@pytest.mark.parametrize(
    ("pcm", "spoken_bytes", "found"),
    [
        (_tone(8), 100, []),
        (_tone(0), 100, ["empty"]),
        (_tone(8) * 0, 100, ["silent"]),
        (_tone(8, 0.0013), 100, ["silent"]),  # -60.7 dB RMS
        (_tone(8, 0.0015), 100, []),  # -59.5
        (_with(_tone(8), 64, 1.0), 100, []),  # 0.1 % of 64,000 samples
        (_with(_tone(8), 65, 0.9991), 100, ["clipped"]),
        (_with(_tone(8), 65, -1.5), 100, ["clipped"]),
        (_with(_tone(8), 1, np.nan), 100, ["broken"]),
        (_with(_tone(8), 1, -np.inf), 100, ["broken"]),
        (_tone(3.9), 100, ["too short for its text"]),
        (_tone(4.1), 100, []),
        (_tone(12.9), 100, []),
        (_tone(13.1), 100, ["too long for its text"]),
        (_tone(13.1, 9.0).clip(-1, 1), 100, ["clipped", "too long for its text"]),
        (_tone(1) * 0, 100, ["silent", "too short for its text"]),
        (_tone(1.1), 0, ["too long for its text"]),
    ],
)
def test_each_fault_has_its_name(pcm: Pcm, spoken_bytes: int, found: list[str]) -> None:
    """On both sides of each bound."""
    assert faults(pcm, RATE_HZ, spoken_bytes, LIMITS) == found


def test_without_limits_any_length_will_do() -> None:
    """As for engines that cannot run away."""
    assert faults(_tone(0.1), RATE_HZ, 300, None) == []
    assert faults(_tone(8), RATE_HZ, 1, None) == []
    assert TRAITS["draft"].seconds_per_byte is None


def test_dia_speaks_eight_to_twenty_five_bytes_a_second() -> None:
    """3.5 to 11 frames a byte, at 86.13 frames a second."""
    limits = TRAITS["dia"].seconds_per_byte
    assert limits is not None
    assert [round(1 / bound, 1) for bound in limits] == [24.6, 7.8]


def test_the_best_is_usable_then_has_fewer_faults_then_is_nearest_the_middle() -> None:
    """From best to worst."""
    worse_and_worse = [
        _tone(8),
        _tone(8.5),
        _tone(7),
        _with(_tone(8), 100, 1.0),
        _tone(3),
        _tone(13.1),
        _tone(14),
        _with(_tone(13.1), 200, 1.0),
        _tone(8) * 0,
        _tone(1) * 0,
    ]
    scores = [score(pcm, RATE_HZ, 100, LIMITS) for pcm in worse_and_worse]
    assert all(better < worse for better, worse in pairwise(scores))
    assert score(_tone(1), RATE_HZ, 100, None) == score(_tone(8), RATE_HZ, 100, None)


@given(
    st.lists(st.floats(-2, 2, width=32), max_size=200),
    st.integers(0, 40),
    st.one_of(st.none(), st.tuples(st.floats(0.001, 0.1), st.floats(0.1, 1))),
)
def test_faults_and_score_agree(samples: list[float], spoken_bytes: int, limits: tuple[float, float] | None) -> None:
    """Whatever the samples: a take is unusable where there is nothing to hear, and only there."""
    pcm = np.array(samples, np.float32)
    found = faults(pcm, 1000, spoken_bytes, limits)
    assert len(set(found)) == len(found)
    unusable, count, off = score(pcm, 1000, spoken_bytes, limits)
    assert unusable == bool(UNUSABLE & set(found)) == (rms_db(pcm) < -60)
    assert count == len(found)
    assert off >= 0
