"""FLAC on disk."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio import flac

RATE = 22_050


@given(st.lists(st.floats(-1.5, 1.5, width=32), min_size=1, max_size=50))
def test_flac_gives_back_what_was_quantized(samples: list[float]) -> None:
    """24 bits, clipped at full scale, the same hash from the file as before it."""
    pcm = np.array(samples, np.float32)
    quantized = flac.quantize(pcm)
    assert np.all(np.abs(quantized / 2**31 - np.clip(pcm, -1, 1)) <= 2**-23)
    read, rate = soundfile.read(io.BytesIO(flac.encode(quantized, RATE)), dtype="int32")
    assert rate == RATE
    assert flac.pcm_hash(read) == flac.pcm_hash(quantized)
