"""Levels against the standard's own signals, and against pyloudnorm."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.audio import Pcm
from pipeline.audio.loudness import _FIR, REACH, SILENCE_DB, amplitude, measure, peaks_above


def _sine(hz: float, db: float, rate: int = 48_000, seconds: float = 5, phase: float = 0) -> Pcm:
    time_s = np.arange(round(rate * seconds)) / rate
    sine: Pcm = (amplitude(db) * np.sin(2 * np.pi * hz * time_s + phase)).astype(np.float32)
    return sine


def _speechlike(seed: int, rate: int = 44_100, seconds: float = 6) -> Pcm:
    noise = np.random.default_rng(seed).standard_normal(round(rate * seconds))
    envelope = np.abs(np.sin(np.arange(len(noise)) / rate * 3)) ** 3
    pcm: Pcm = (0.2 * noise * envelope).astype(np.float32)
    return pcm


@pytest.mark.parametrize(("rate", "tolerance"), [(48_000, 0.02), (44_100, 0.02), (22_050, 0.05)])
def test_a_full_scale_sine_reads_minus_3_01_lufs(rate: int, tolerance: float) -> None:
    """BS.1770: 997 Hz at full scale in one channel."""
    assert measure([_sine(997, 0, rate)], rate).lufs == pytest.approx(-3.01, abs=tolerance)


def test_gating_leaves_out_silence_and_what_is_far_below() -> None:
    """EBU Tech 3341 case 3 in one channel: -36, -23, -36 dBFS reads as the middle alone."""
    blocks = [_sine(1000, -36, seconds=10), _sine(1000, -23, seconds=60), _sine(1000, -36, seconds=10)]
    assert measure(blocks, 48_000).lufs == pytest.approx(measure([blocks[1]], 48_000).lufs, abs=0.1)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_loudness_agrees_with_pyloudnorm(rate: int) -> None:
    """An independent implementation of the same standard."""
    pcm = _speechlike(1, rate)
    theirs = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(pcm.astype(np.float64))
    assert measure([pcm], rate).lufs == pytest.approx(theirs, abs=0.05)


def test_a_peak_between_samples_is_found() -> None:
    """EBU Tech 3341 case 16: a quarter of the sample rate, a phase of 45 degrees: 3 dB above its samples."""
    pcm = _sine(12_000, -6, phase=np.pi / 4)
    assert 20 * np.log10(np.abs(pcm).max()) == pytest.approx(-9.0, abs=0.1)
    assert measure([pcm], 48_000).true_peak_dbtp == pytest.approx(-6.0, abs=0.2)


@given(st.integers(0, 1000), st.floats(0, 1.5), st.integers(0, 130), st.integers(0, 130))
def test_skipping_and_cutting_change_no_peak(seed: int, floor: float, head: int, tail: int) -> None:
    """Wherever a peak exceeds the floor it is, bit for bit, what oversampling everything gives; elsewhere it is 0."""
    pcm = np.pad(_speechlike(seed, seconds=0.1), 200)
    everything, part = peaks_above(pcm, 0.0), peaks_above(pcm[head : len(pcm) - tail], floor)
    assert len(everything) == len(pcm) - 2 * REACH
    everything = everything[head : len(everything) - tail]
    assert np.array_equal(np.where(everything > floor, everything, 0), part)


def test_a_peak_is_that_of_the_filter_in_double_precision() -> None:
    """Within what 20 roundings to float32 add up to."""
    pcm = _speechlike(0, seconds=0.5)
    neighbours = sliding_window_view(pcm.astype(np.float64), 2 * REACH)[1:]
    between = np.abs(neighbours @ _FIR.astype(np.float64).T).max(axis=1)
    exact = np.maximum(between, np.abs(pcm[REACH:-REACH]))
    assert np.allclose(peaks_above(pcm, 0.0), exact, rtol=0, atol=2e-6)


@given(st.integers(0, 100), st.lists(st.integers(1, 40_000), max_size=8))
def test_levels_do_not_depend_on_the_blocks(seed: int, cuts: list[int]) -> None:
    """The same stream in other blocks reads the same."""
    pcm = _speechlike(seed, seconds=2)
    whole, parts = measure([pcm], 44_100), measure(np.split(pcm, sorted(c for c in cuts if c < len(pcm))), 44_100)
    assert parts.lufs == pytest.approx(whole.lufs, abs=1e-6)
    assert parts.true_peak_dbtp == pytest.approx(whole.true_peak_dbtp, abs=1e-3)
    assert parts.rms_db == pytest.approx(whole.rms_db, abs=1e-4)
    assert (parts.head_s, parts.tail_s, parts.duration_s) == (whole.head_s, whole.tail_s, whole.duration_s)


def test_head_tail_and_noise_floor_are_those_of_the_room_tone() -> None:
    """A second of noise at -70 dB, a tone, two seconds of noise."""
    noise = (amplitude(-70) * np.random.default_rng(0).standard_normal(44_100)).astype(np.float32)
    levels = measure([noise, _sine(300, -12, 44_100, 1), noise, noise], 44_100, room_tone_db=-70)
    assert levels.head_s == pytest.approx(1, abs=0.01)
    assert levels.tail_s == pytest.approx(2, abs=0.01)
    assert levels.noise_floor_db == pytest.approx(-70, abs=0.3)


def test_silence_and_nothing_have_levels_too() -> None:
    """No logarithm of zero, no crash on less than a block."""
    for blocks in ([], [np.zeros(10, np.float32)], [np.zeros(90_000, np.float32)]):
        levels = measure(blocks, 44_100)
        assert (levels.lufs, levels.rms_db, levels.true_peak_dbtp) == (SILENCE_DB, SILENCE_DB, SILENCE_DB)
