"""Mono samples in, a constant-bit-rate MP3 file out whose every sample position is exact.

LAME is used through lameenc: at the same quality it is about three times as fast as the LAME in PyAV's
wheels. lameenc hands out audio frames only, without the header frame that tells a decoder how many samples
the encoder put before and after the sound; such a file plays 25 ms late and reports a wrong length. That
frame is written here.

This module does not know of tags: see `pipeline.deliver.tags`.
"""

from __future__ import annotations

import io
import struct
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import lameenc
import numpy as np
import soundfile

from pipeline.audio import Pcm

# 0 is best and slow, 9 is fast. At 128 kbps mono, twice what speech needs, 7 gains half the speed over 5.
LAME_QUALITY = 7
ENCODER_DELAY = 576  # samples LAME puts before the sound, at every rate (`ENCDELAY` in its encoder.h)

# ISO/IEC 11172-3 and 13818-3, layer III, by bit rate index 1..14; MPEG-2 serves the rates under 32 kHz.
MPEG1_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG2_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG1_FRAME, MPEG2_FRAME = 1152, 576  # samples in one frame
MPEG1_MONO_SIDE_INFO, MPEG2_MONO_SIDE_INFO = 17, 9  # bytes between the frame's header and its data
TAG_BYTES = 156  # the Xing part (120) and the LAME part (36)


class Mp3Writer:
    """Writes one mono CBR MP3 to exactly `path`. A context manager; the file is complete after a clean exit.

    `sample_rate_hz` is one of 22050, 24000, 32000, 44100, 48000. LAME takes the nearest `bitrate_kbps` the
    format has: 32..320 from 32 kHz up, 8..160 below. `OSError` leaves as it comes; `ValueError` when the file
    ends without a sample.
    """

    def __init__(self, path: Path, sample_rate_hz: int, bitrate_kbps: int) -> None:
        self._path = path
        self._rate_hz = sample_rate_hz
        self._samples = 0  # written by the caller
        self._head = b""  # the first audio frame's 4 header bytes
        self._info_bytes = 0  # size of the header frame, whose room stands first in the file
        self._encoder = _encoder(sample_rate_hz, bitrate_kbps)
        self._full_scale = np.float32(32768 / lame_scale(sample_rate_hz, bitrate_kbps))

    def __enter__(self) -> Mp3Writer:
        self._file: BinaryIO = self._path.open("wb")
        return self

    def write(self, pcm: Pcm) -> None:
        """Encode `pcm` [T], full scale 1.0; what lies beyond is clipped."""
        # 16 bits without dither: the step lies at -98 dBFS, below any room tone and the coder's own noise.
        scaled = np.clip(np.rint(pcm * self._full_scale), -32768, 32767).astype("<i2")
        self._samples += scaled.size
        self._put(bytes(self._encoder.encode(scaled.tobytes())))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._finish()

    def _put(self, encoded: bytes) -> None:
        if encoded and not self._head:
            self._head = encoded[:4]
            self._info_bytes = len(info_frame(self._head, self._rate_hz, 0, 0))
            self._file.write(bytes(self._info_bytes))
        self._file.write(encoded)

    def _finish(self) -> None:
        if not self._samples:
            raise ValueError(f"{self._path}: no audio was written")
        self._put(bytes(self._encoder.flush()))
        audio_bytes = self._file.tell() - self._info_bytes
        self._file.seek(0)
        self._file.write(info_frame(self._head, self._rate_hz, audio_bytes, self._samples))


def _encoder(sample_rate_hz: int, bitrate_kbps: int) -> lameenc.Encoder:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(sample_rate_hz)
    encoder.set_out_sample_rate(sample_rate_hz)
    encoder.set_bit_rate(bitrate_kbps)
    encoder.set_quality(LAME_QUALITY)
    return encoder


@cache
def lame_scale(sample_rate_hz: int, bitrate_kbps: int) -> float:
    """What LAME multiplies its input by: 0.95 up to 160 kbps and less above it, its guard against clipping.

    lameenc cannot turn that off, and a file would be 0.45 dB too quiet, so it is measured on half a second of tone (to
    two digits, as LAME's table has them) and undone.
    """
    tone = np.sin(2 * np.pi * 1000 / sample_rate_hz * np.arange(sample_rate_hz // 2)) / 2
    encoder = _encoder(sample_rate_hz, bitrate_kbps)
    encoded = bytes(encoder.encode((tone * 32767).astype("<i2").tobytes()) + encoder.flush())
    decoded, _rate = soundfile.read(io.BytesIO(encoded))
    middle = decoded[sample_rate_hz // 8 : 3 * sample_rate_hz // 8]
    return round(float(np.sqrt(2 * np.mean(middle**2)) * 2), 2)


def info_frame(head: bytes, sample_rate_hz: int, audio_bytes: int, samples: int) -> bytes:
    """The header frame ("Info" for CBR) of a stream of mono frames that begin with the 4 bytes `head`.

    `audio_bytes` is the size of all audio frames and `samples` the count a decoder shall give back. Laid out
    after "Mp3 Info Tag rev 1 specifications" (G. Bouvigne), which extends Xing's VBR header. Fields that only
    describe how LAME was set (lowpass, ATH, gains) are left 0, "unknown", since lameenc does not tell; so is
    the CRC of the music, which nothing checks.
    """
    mpeg1 = sample_rate_hz >= 32000
    rates_kbps = MPEG1_KBPS if mpeg1 else MPEG2_KBPS
    frame_samples = MPEG1_FRAME if mpeg1 else MPEG2_FRAME
    side_info = MPEG1_MONO_SIDE_INFO if mpeg1 else MPEG2_MONO_SIDE_INFO
    index = head[2] >> 4
    kbps = rates_kbps[index - 1]
    # Padding bytes keep the rate constant, so the frames' mean size is exact and their number needs no walk.
    frames = round(audio_bytes * 8 * sample_rate_hz / (frame_samples * kbps * 1000))
    # Low rates have frames too small for the tag: take the first rate that has room.
    size = 0
    while size < 4 + side_info + TAG_BYTES:
        size = frame_samples // 8 * rates_kbps[index - 1] * 1000 // sample_rate_hz
        index += 1
    start = bytes([head[0], head[1], (index - 1) << 4 | (head[2] & 0b1101), head[3]]) + bytes(side_info)
    padding = max(frames * frame_samples - ENCODER_DELAY - samples, 0)
    quality = 100 - 10 * 4 - LAME_QUALITY  # LAME's sum of two settings; 4 is its VBR setting, unused here
    source_rate = 0 if sample_rate_hz <= 32000 else 1 if sample_rate_hz == 44100 else 2
    toc = bytes(256 * percent // 100 for percent in range(100))  # linear, as bytes grow evenly with time
    tag = struct.pack(">4sLLL100sL", b"Info", 0b1111, frames, size + audio_bytes, toc, quality)
    tag += struct.pack(
        ">9sBBLHHBB3sBBHLH",
        b"LAME3.100",  # decoders take the delay only from a name they know; lameenc tells no version
        0 << 4 | 1,  # tag revision 0, method CBR
        0,  # lowpass
        0, 0, 0,  # peak and two replay gains
        0,  # flags and ATH type
        min(kbps, 255),
        (ENCODER_DELAY << 12 | padding).to_bytes(3, "big"),
        source_rate << 6,
        0,  # mp3gain
        0,  # surround and preset
        size + audio_bytes,
        0,  # CRC of the music
    )  # fmt: skip
    checked = start + tag
    # LAME sums up all that stands before the sum: 190 bytes in stereo, less in mono with its small side info.
    return (checked + crc16(checked).to_bytes(2, "big")).ljust(size, b"\0")


def crc16(data: bytes) -> int:
    """CRC-16 with the reflected polynomial 0x8005 and start value 0, as the LAME tag uses it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
