"""Trimming and fading at the edges of takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio.edit import fade, silence, trim

RATE = 22_050


@given(st.floats(0, 0.7), st.floats(0, 0.7), st.floats(0.01, 1))
def test_silence_is_trimmed_and_sound_is_not(head_s: float, tail_s: float, level: float) -> None:
    """What stays holds all of the sound, and no more than 50 ms around it."""
    tone = (level * np.sin(np.arange(RATE // 2) / 10)).astype(np.float32)
    head, tail = silence(head_s, RATE), silence(tail_s, RATE)
    start, end = trim(np.concatenate([head, tone, tail]), RATE)
    assert len(head) - 0.05 * RATE <= start <= len(head)
    assert len(head) + len(tone) <= end + 1
    assert end <= len(head) + len(tone) + 0.05 * RATE


@pytest.mark.parametrize("frames", [0, 1, 5, 1000])
def test_what_is_all_silence_stays(frames: int) -> None:
    """There is nothing to find an edge by."""
    assert trim(np.zeros(frames, np.float32), RATE) == (0, frames)


def test_edges_fade_to_nothing() -> None:
    """A constant starts and ends near zero and is untouched in between."""
    faded = fade(np.ones(RATE, np.float32), RATE)
    assert faded[0] < 0.01
    assert faded[-1] < 0.01
    assert np.all(np.diff(faded[:100]) >= 0)
    assert np.array_equal(faded[200:-200], np.ones(RATE - 400, np.float32))
    assert len(fade(np.ones(1, np.float32), RATE)) == 1
