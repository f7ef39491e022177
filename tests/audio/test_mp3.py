"""The header frame of MP3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio.codecs import probe
from pipeline.audio.mp3 import crc16
from tests.support.sounds import impulse, load, save

RATES = [22050, 24000, 32000, 44100, 48000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kbps", [32, 64, 128, 192, 320])
def test_mp3_header_frame(tmp_path: Path, rate: int, kbps: int) -> None:
    """Two decoders, FFmpeg's and mpg123, take length, rate and delay from the header frame."""
    pcm = impulse(rate + 99, rate // 2)
    path = save(tmp_path / "sound.mp3", "mp3", pcm, rate=rate, kbps=kbps)
    other, _ = soundfile.read(path, dtype="float32")
    assert other.size == load(path).size == pcm.size
    assert abs(int(np.argmax(np.abs(other))) - rate // 2) <= 1
    wanted = kbps if rate >= 32000 else min(kbps, 160)  # MPEG-2 ends at 160
    assert probe(path).bitrate_kbps == wanted
    data = path.read_bytes()
    start = data.index(b"Info")
    assert int.from_bytes(data[start + 12 : start + 16], "big") == len(data)
    assert crc16(data[: start + 154]) == int.from_bytes(data[start + 154 : start + 156], "big")


@pytest.mark.parametrize("samples", [2, 576, 1152 * 20 - 1105, 1152 * 20 - 576, 1152 * 20, 1152 * 20 + 1])
def test_mp3_lengths_around_a_frame(tmp_path: Path, samples: int) -> None:
    """A length just under or over whole frames is kept."""
    assert load(save(tmp_path / "sound.mp3", "mp3", impulse(samples, 1))).size == samples


def test_crc16_is_that_of_lame(tmp_path: Path) -> None:
    """LAME itself, by way of libsndfile, writes the sum that `crc16` computes."""
    path = tmp_path / "lame.mp3"
    soundfile.write(path, np.zeros(9000, np.float32), 44100, format="MP3", subtype="MPEG_LAYER_III")
    data = path.read_bytes()
    tag = data.index(b"LAME") - 120
    assert data[tag : tag + 4] in (b"Info", b"Xing")
    assert crc16(data[tag - 21 : tag + 154]) == int.from_bytes(data[tag + 154 : tag + 156], "big")
