"""Levels against the standard's own signals, and against pyloudnorm."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import lfilter

from pipeline.audio import Pcm
from pipeline.audio.loudness import _FIR, REACH, SILENCE_DB, amplitude, measure, measure_channels, peaks_above
from tests.support.ebur128 import ebur128


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


def _random_file(seed: int) -> tuple[NDArray[np.float32], int]:
    """A few seconds of noise with the fall and the pauses of speech, in one or two channels, which ends in silence."""
    random = np.random.default_rng(seed)
    rate = int(random.choice([22_050, 24_000, 32_000, 44_100, 48_000]))
    frames = round(rate * random.uniform(1, 5))
    pole = np.exp(-2 * np.pi * random.uniform(0.02, 0.12))
    soft = lfilter([1], [1, -2 * pole, pole**2], random.standard_normal((int(random.choice([1, 2])), frames)))
    soft *= np.abs(np.sin(np.arange(frames) / rate * random.uniform(1, 8))) ** random.uniform(0, 4)
    soft[:, -rate // 10 :] = 0  # FFmpeg's oversampling is late, and does not see the last samples
    return (soft / np.abs(soft).max() * random.uniform(0.05, 1)).astype(np.float32), rate


@pytest.mark.parametrize("seed", range(50))
def test_levels_agree_with_ffmpeg(seed: int) -> None:
    """Its filter `ebur128`, an implementation that shares nothing with this one: within 0.1 LU and 0.1 dB."""
    channels, rate = _random_file(seed)
    levels = measure_channels(np.split(channels, [rate // 3, rate // 2], axis=1), rate)
    loudness, peak = ebur128(channels, rate)
    assert levels.lufs == pytest.approx(loudness, abs=0.1)
    assert levels.true_peak_dbtp == pytest.approx(peak, abs=0.1)


# EBU Tech 3341 (2016), table 1, what is made of sines and answered by integrated loudness: for each case the levels
# and lengths of 1 kHz in dBFS and seconds, in both channels.
_EBU_LEVELS: dict[int, tuple[list[tuple[float, float]], float]] = {
    1: ([(-23, 20)], -23),
    2: ([(-33, 20)], -33),
    3: ([(-36, 10), (-23, 60), (-36, 10)], -23),
    4: ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
    5: ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
}


@pytest.mark.parametrize("case", _EBU_LEVELS)
def test_the_ebu_cases_of_loudness(case: int) -> None:
    parts, wanted = _EBU_LEVELS[case]
    blocks = [np.tile(_sine(1000, db, seconds=seconds), (2, 1)) for db, seconds in parts]
    assert measure_channels(blocks, 48_000).lufs == pytest.approx(wanted, abs=0.1)


def test_the_ebu_case_of_five_channels() -> None:
    """Case 6: left and right at -28, centre at -24, surround at -30 dBFS; mono is 3 LU below the same in both."""
    five = np.stack([_sine(1000, db, seconds=20) for db in (-28, -28, -24, -30, -30)])
    assert measure_channels([five], 48_000).lufs == pytest.approx(-23, abs=0.1)
    assert ebur128(five, 48_000)[0] == pytest.approx(-23, abs=0.1)
    assert measure_channels([five[:1]], 48_000).lufs == pytest.approx(-31.01, abs=0.1)


# The rest of table 1 that is made of sines: cases 15 to 19 of true peak, as parts of the rate, phase and level in dBFS.
_EBU_PEAKS = {15: (4, 0, -6), 16: (4, 45, -6), 17: (6, 60, -6), 18: (8, 67.5, -6), 19: (4, 45, 3)}


@pytest.mark.parametrize("case", _EBU_PEAKS)
def test_the_ebu_cases_of_true_peak(case: int) -> None:
    """The standard allows +0.2 and -0.4 dB. They are faded in and out: a sine that is cut has other peaks."""
    part, phase, peak = _EBU_PEAKS[case]
    sine = _sine(48_000 / part, peak, phase=np.radians(phase))
    ramp = np.linspace(0, 1, 480, dtype=np.float32)
    sine[:480] *= ramp
    sine[-480:] *= ramp[::-1]
    pcm = np.tile(sine, (2, 1))
    assert -0.4 <= measure_channels([pcm], 48_000).true_peak_dbtp - peak <= 0.2


def test_levels_of_two_channels_are_of_both() -> None:
    """One that is silent takes 3 dB off the RMS and nothing off the peak; head and tail are of whichever sounds."""
    tone = _sine(1000, -20, seconds=1)
    quiet = np.zeros(48_000, np.float32)
    left, right = np.concatenate([quiet, tone, quiet, quiet]), np.concatenate([quiet, quiet, tone, quiet])
    both = measure_channels([np.stack([left, right])], 48_000)
    one = measure_channels([np.stack([left, np.zeros_like(left)])], 48_000)
    assert one.rms_db == pytest.approx(measure([left], 48_000).rms_db - 3.01, abs=0.01)
    assert one.true_peak_dbtp == pytest.approx(-20, abs=0.1)
    assert (both.head_s, both.tail_s) == pytest.approx((1, 1), abs=0.01)
    assert measure_channels([left[None]], 48_000) == measure([left], 48_000)
