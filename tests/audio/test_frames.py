"""Frames of MP3 files are counted, whoever wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio.frames import read_frames
from tests.support.sounds import impulse, save

NOISE = (0.1 * np.random.default_rng(0).standard_normal((44_100, 2)) * np.linspace(0, 1, 44_100)[:, None]).astype(
    np.float32
)


@pytest.mark.parametrize(("rate", "kbps", "frame"), [(44_100, 192, 1152), (48_000, 128, 1152), (22_050, 64, 576)])
def test_a_constant_bit_rate_is_seen(tmp_path: Path, rate: int, kbps: int, frame: int) -> None:
    """And all frames are there, behind a table that is no sound."""
    path = save(tmp_path / "a.mp3", "mp3", impulse(3 * rate, 5), rate=rate, kbps=kbps)
    frames = read_frames(path)
    assert frames is not None
    assert (frames.kbps, frames.mean_kbps, frames.frame_s) == ((kbps,), kbps, frame / rate)
    assert frames.stated == frames.count
    assert frames.count * frames.frame_s == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_a_file_of_libsndfile(tmp_path: Path, mode: str) -> None:
    """Stereo, with LAME's own table."""
    path = tmp_path / "a.mp3"
    soundfile.write(path, NOISE, 44_100, format="MP3", bitrate_mode=mode, compression_level=0.2)
    frames = read_frames(path)
    assert frames is not None
    assert (len(frames.kbps) == 1) == (mode == "CONSTANT")
    assert frames.stated in (frames.count, None)


def test_what_is_cut_off_is_missed(tmp_path: Path) -> None:
    """At any byte."""
    path = save(tmp_path / "a.mp3", "mp3", impulse(88_200, 5))
    data, whole = path.read_bytes(), read_frames(path)
    assert whole is not None
    for size in (len(data) - 1, len(data) // 2, len(data) // 5):
        path.write_bytes(data[:size])
        frames = read_frames(path)
        assert frames is not None
        assert frames.stated == whole.stated
        assert frames.count < whole.count


def test_tags_and_rubbish_are_passed_over(tmp_path: Path) -> None:
    """ID3 in front, which may hold anything, and bytes of ones between the frames."""
    path = save(tmp_path / "a.mp3", "mp3", impulse(44_100, 5))
    data, whole = path.read_bytes(), read_frames(path)
    id3 = b"ID3\x03\0\0\0\0\x01\x00" + b"\xff\xfb\x90\xc0" * 32
    for around in (id3 + data, b"\xff\xfb" + data, b"\0" * 100_000 + data, data + b"TAG" + b"\xff" * 125):
        path.write_bytes(around)
        assert read_frames(path) == whole


@pytest.mark.parametrize("data", [b"", b"ID3", b"\xff" * 10_000, b"ID3\x03\0\0\x7f\x7f\x7f\x7f", b"\xff\xfb\x90"])
def test_what_has_no_frames_has_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    assert read_frames(path) is None
