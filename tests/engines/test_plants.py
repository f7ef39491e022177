"""Every planted fault is in the sound that comes out, and is the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.audio import Pcm
from pipeline.audio.loudness import FULL_SCALE, rms_db
from pipeline.engines.plants import KINDS, plant
from tests.support.speech import RATE_HZ, SENTENCE, WOMAN, speech

LONGER = {"too_long", "leading_silence", "trailing_silence", "inner_silence", "loop", "runaway", "slow"}
SHORTER = {"empty", "too_short", "cut_end", "fast"}
SEEDS = range(6)


def _speech() -> Pcm:
    return speech((WOMAN, SENTENCE))


def _pitch_hz(pcm: Pcm) -> float:
    """The median of the strongest lag of 50 ms pieces that are loud."""
    pitches = []
    for start in range(0, len(pcm) - 2048, 1024):
        piece = pcm[start : start + 2048]
        if rms_db(piece) > rms_db(pcm):
            lags = np.correlate(piece, piece, "full")[2047:]
            pitches.append(RATE_HZ / (50 + int(lags[50:400].argmax())))
    return float(np.median(pitches))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_the_same_for_the_same_seed_and_another_for_another(kind: str) -> None:
    """Of all kinds but an empty take; and the sound handed in stays as it was."""
    before = _speech().copy()
    first, again, other = (plant(kind, _speech(), RATE_HZ, seed) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.tobytes() == again.tobytes()
    assert (first.tobytes() == other.tobytes()) == (kind == "empty")
    assert first.tobytes() != before.tobytes() == _speech().tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_only_faults_of_length_change_it(kind: str) -> None:
    """In the direction their names say; noise, drone and music may also lie behind the take."""
    for seed in SEEDS:
        ratio = len(plant(kind, _speech(), RATE_HZ, seed)) / len(_speech())
        if kind in LONGER:
            assert ratio > 1.05
        elif kind in SHORTER:
            assert ratio < 0.99
        elif kind not in {"noise", "drone", "music"}:
            assert ratio == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_fault_is_there(seed: int) -> None:
    """By plain measures, which know nothing of the checks."""
    sound = {kind: plant(kind, _speech(), RATE_HZ, seed) for kind in KINDS}
    assert not len(sound["empty"])
    assert not np.isfinite(sound["broken"]).all()
    assert np.isfinite(np.concatenate([sound[kind] for kind in KINDS if kind != "broken"])).all()
    assert rms_db(sound["silent"]) < -60
    assert np.mean(np.abs(sound["clipped"]) >= FULL_SCALE) > 0.01
    assert abs(sound["dc"].mean()) > 0.02
    assert len(sound["too_short"]) < 0.35 * len(_speech())
    assert len(sound["too_long"]) > 2.4 * len(_speech())
    assert rms_db(sound["leading_silence"][: round(1.8 * RATE_HZ)]) < -60
    assert rms_db(sound["trailing_silence"][-round(1.8 * RATE_HZ) :]) < -60
    assert rms_db(sound["cut_end"][-round(0.02 * RATE_HZ) :]) > rms_db(_speech()) - 12
    assert abs(rms_db(sound["level"]) - rms_db(_speech())) > 8
    assert _pitch_hz(sound["fast"]) == pytest.approx(_pitch_hz(_speech()), rel=0.1)
    assert abs(np.log2(_pitch_hz(sound["wrong_voice"]) / _pitch_hz(_speech()))) > 0.35


def test_an_unknown_kind_is_refused() -> None:
    """With the kinds that there are."""
    with pytest.raises(ValueError, match='no fault "hiccup"; there are empty, broken'):
        plant("hiccup", _speech(), RATE_HZ, 1)


@settings(max_examples=60)
@given(st.sampled_from(KINDS), st.integers(0, 3000), st.sampled_from([0.0, 0.3]), st.integers(0, 2**63))
def test_any_sound_can_have_any_fault(kind: str, length: int, level: float, seed: int) -> None:
    """However short, and silence too; no sample leaves full scale."""
    pcm = (level * np.sin(np.arange(length) / 20)).astype(np.float32)
    faulty = plant(kind, pcm, 8000, seed)
    assert faulty.dtype == np.float32 and faulty.ndim == 1
    if kind != "broken":
        assert np.abs(faulty).max(initial=0) <= 1
