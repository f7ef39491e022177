"""FLAC on disk."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio import flac
from pipeline.audio.codecs import decode, probe
from pipeline.errors import StorageError

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


def test_a_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    """What was cut short or damaged since it was written is an error of the disk."""
    path = tmp_path / "a.flac"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 200_000).astype(np.float32)
    path.write_bytes(flac.encode(flac.quantize(noise), RATE))
    assert np.abs(flac.read(path) - noise).max() <= 2**-23
    data = path.read_bytes()
    for damaged in (data[:-100], data[: len(data) // 2], data[:50], b""):
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"a\.flac: the disk reports an input/output error"):
            flac.read(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_the_systems_error_is_told(tmp_path: Path) -> None:
    """The first page of a process's memory cannot be read: the kernel answers EIO, and libsndfile keeps that."""
    path = tmp_path / "a.flac"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(StorageError, match="the disk reports an input/output error"):
        flac.read(path)
    for read in (probe, lambda path: list(decode(path))):
        with pytest.raises(OSError, match="Input/output error"):
            read(path)
