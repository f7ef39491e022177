"""What is measured of sound that is known, and that anything at all can be measured."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.audio import Pcm
from pipeline.audio.loudness import SILENCE_DB
from pipeline.checks.signal import measure
from pipeline.engines.plants import plant
from tests.support.speech import MAN, RATE_HZ, SENTENCE, WOMAN, speech

BYTES = len(SENTENCE)


def _silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def _tone(seconds: float, pitch_hz: float, rate_hz: int = RATE_HZ) -> Pcm:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    tone: Pcm = np.sum([0.1 / n * np.sin(2 * np.pi * n * pitch_hz * times) for n in (1, 2, 3)], axis=0).astype(
        np.float32
    )
    return tone


def test_speech_is_measured_as_it_is() -> None:
    """Its length, its level, its pitch, and nothing that is not there."""
    pcm = speech((WOMAN, SENTENCE))
    measured = measure(pcm, RATE_HZ, BYTES)
    assert measured["duration_s"] == len(pcm) / RATE_HZ
    assert measured["samples"] == len(pcm)
    assert measured["spoken_bytes"] == BYTES
    assert 0.7 * measured["duration_s"] < measured["speech_s"] <= measured["sound_s"] <= measured["duration_s"]
    assert -30 < measured["level_db"] < -10
    assert 150 < measured["pitch_low_hz"] <= measured["pitch_hz"] <= measured["pitch_high_hz"] < 280
    nothing = ("broken_samples", "clipped_share", "loop_s", "noise_s", "drone_s", "music_s")
    assert [measured[name] for name in nothing] == [0] * len(nothing)


def test_silences_are_where_they_are() -> None:
    """To a frame, at the ends and within."""
    pcm = speech((WOMAN, SENTENCE))
    measured = measure(np.concatenate([_silence(2), pcm, _silence(3), pcm, _silence(1)]), RATE_HZ, 2 * BYTES)
    assert measured["leading_silence_s"] == pytest.approx(2, abs=0.1)
    assert measured["inner_silence_s"] == pytest.approx(3, abs=0.2)
    assert measured["inner_silence_at_s"] == pytest.approx(2 + len(pcm) / RATE_HZ, abs=0.2)
    assert measured["trailing_silence_s"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("pitch_hz", [80, 130, 210, 330])
def test_pitch_is_that_of_a_note_at_any_rate(pitch_hz: float, rate_hz: int) -> None:
    """Within a fortieth of an octave."""
    measured = measure(_tone(1.5, pitch_hz, rate_hz), rate_hz, 20)
    assert math.log2(measured["pitch_hz"] / pitch_hz) == pytest.approx(0, abs=0.025)
    assert measured["voiced_s"] == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("kind", ["noise", "drone", "music", "loop", "inner_silence"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_planted_is_measured_under_its_name(kind: str, seed: int) -> None:
    """And placed within the take; of noise, a drone and music only the one that it is."""
    pcm = np.concatenate([speech((WOMAN, SENTENCE)), speech((MAN, SENTENCE))])
    measured = measure(plant(kind, pcm, RATE_HZ, seed), RATE_HZ, 2 * BYTES)
    assert measured[f"{kind}_s"] > 0.8
    assert 0 <= measured[f"{kind}_at_s"] < measured["duration_s"]
    for other in {"noise", "drone", "music"} - {kind}:
        assert measured[f"{other}_s"] < 0.8


def test_noise_in_the_lowest_bits_changes_little() -> None:
    """Pauses stay pauses, and a take without digital silence is no noise."""
    pcm = plant("inner_silence", speech((WOMAN, SENTENCE)), RATE_HZ, 1)
    hiss = np.random.default_rng(1).uniform(-1e-3, 1e-3, len(pcm)).astype(np.float32)
    plain, noisy = measure(pcm, RATE_HZ, BYTES), measure(pcm + hiss, RATE_HZ, BYTES)
    assert noisy["noise_s"] == 0
    for name in ("inner_silence_s", "sound_s", "level_db", "duration_s", "speech_s"):
        assert noisy[name] == pytest.approx(plain[name], abs=0.3), name


def test_a_jump_of_level_is_measured_in_db() -> None:
    """With its place."""
    pcm = speech((WOMAN, SENTENCE))
    measured = measure(np.concatenate([pcm, pcm * np.float32(0.1)]), RATE_HZ, 2 * BYTES)
    assert measured["jump_db"] == pytest.approx(20, abs=1.5)
    assert measured["jump_at_s"] == pytest.approx(len(pcm) / RATE_HZ, abs=0.3)
    assert measure(pcm, RATE_HZ, BYTES)["jump_db"] < 6


def test_measuring_leaves_the_sound_as_it_was() -> None:
    """Also where it has samples that are no numbers."""
    pcm = plant("broken", speech((WOMAN, SENTENCE)), RATE_HZ, 1)
    before = pcm.tobytes()
    measure(pcm, RATE_HZ, BYTES)
    assert pcm.tobytes() == before


def test_a_rate_that_is_none_is_refused() -> None:
    """With the number."""
    with pytest.raises(ValueError, match="a sample rate of 0 Hz"):
        measure(_silence(1), 0, 1)


_ODD = st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 3e38, 1e-40])
_ANY_SOUND = st.one_of(
    arrays.arrays(np.float32, st.integers(0, 4000), elements=st.floats(width=32)),
    arrays.arrays(np.float32, st.integers(0, 4000), elements=_ODD),
    arrays.arrays(np.int16, st.integers(0, 4000)),
    arrays.arrays(np.float64, st.integers(0, 4000), elements=st.floats()),
    st.builds(lambda value, count: np.full(count, value, np.float32), _ODD, st.integers(0, 60_000)),
)


@settings(max_examples=150)
@given(_ANY_SOUND, st.sampled_from([1, 100, 1000, 8000, 22_050, 44_100, 192_000]), st.integers(0, 10**6))
def test_anything_can_be_measured(pcm: Pcm, rate_hz: int, spoken_bytes: int) -> None:
    """Empty, constant, huge, no numbers at all: every number that comes out is finite, and JSON."""
    measured = measure(pcm, rate_hz, spoken_bytes, spoken_bytes // 2)
    assert all(type(value) is float and math.isfinite(value) for value in measured.values())
    assert json.loads(json.dumps(measured)) == measured
    assert measured.keys() == measure(_silence(1), RATE_HZ, 1).keys()
    assert measured["rms_db"] >= SILENCE_DB
