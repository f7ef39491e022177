"""The limiter holds its ceiling, keeps time, and leaves alone what needs nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio import Pcm
from pipeline.audio.limiter import limit
from pipeline.audio.loudness import measure

RATE = 44_100


def _loud(seed: int, gain: float, frames: int = 60_000) -> Pcm:
    noise = np.random.default_rng(seed).standard_normal(frames)
    loud: Pcm = (gain * noise * np.abs(np.sin(np.arange(frames) / 5000)) ** 4).astype(np.float32)
    return loud


@given(st.integers(0, 1000), st.floats(0.05, 2.0), st.floats(-12, -0.1))
def test_no_true_peak_passes_the_ceiling(seed: int, gain: float, ceiling_dbtp: float) -> None:
    """Measured four times oversampled, to a twentieth of a decibel; the length stays."""
    pcm = _loud(seed, gain)
    limited = list(limit([pcm], RATE, ceiling_dbtp))
    assert sum(map(len, limited)) == len(pcm)
    assert measure(limited, RATE).true_peak_dbtp <= ceiling_dbtp + 0.05


@given(st.integers(0, 1000), st.lists(st.integers(1, 59_999), max_size=12))
def test_the_blocks_do_not_matter(seed: int, cuts: list[int]) -> None:
    """However the stream is cut, the same comes out, bit for bit."""
    pcm = _loud(seed, 1.0)
    whole = np.concatenate(list(limit([pcm], RATE, -3)))
    parts = np.concatenate(list(limit(np.split(pcm, sorted(cuts)), RATE, -3)))
    assert np.array_equal(whole, parts)


def test_what_is_quiet_enough_passes_untouched() -> None:
    """Bit for bit."""
    pcm = _loud(3, 0.02)
    assert np.array_equal(np.concatenate(list(limit([pcm], RATE, -1))), pcm)


def test_far_from_a_peak_nothing_changes() -> None:
    """The gain is back at 1 within 20 ms of a click."""
    pcm = np.full(RATE, 0.1, np.float32)
    pcm[RATE // 2] = 1.0
    limited = np.concatenate(list(limit([pcm], RATE, -6)))
    reach = round(0.02 * RATE)
    assert np.array_equal(limited[: RATE // 2 - reach], pcm[: RATE // 2 - reach])
    assert np.array_equal(limited[RATE // 2 + reach :], pcm[RATE // 2 + reach :])
    assert limited[RATE // 2] < 0.51


def test_nothing_in_nothing_out() -> None:
    """An empty stream stays empty."""
    assert sum(map(len, limit([], RATE, -1))) == 0
