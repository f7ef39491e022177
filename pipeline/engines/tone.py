"""A deterministic engine for tests: each word is a short tone, each voice has a pitch of its own.

Real code behind the same door as the others: lengths follow the text, the seed moves the phase, identical requests give
identical samples.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from pipeline.audio import Pcm
from pipeline.engines import Engine, Failed, Line, Rendered, Request, Span, Voice

SAMPLE_RATE_HZ = 22_050
_S_PER_BYTE = 1 / 15  # English narration: 155 words a minute is about 15 bytes a second
_GAP_S = 0.1


class ToneEngine:
    """Tones in place of words."""

    sample_rate_hz = SAMPLE_RATE_HZ
    fingerprint = "tone/1"
    slots = 1

    def identity(self, voice: Voice) -> Mapping[str, str]:
        """Pitch follows the name."""
        return {"name": voice.name}

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """Tones suit every language."""
        return []

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Sound each request in turn."""
        for request in requests:
            started = time.perf_counter()
            gap = np.zeros(round(_GAP_S * SAMPLE_RATE_HZ), np.float32)
            parts: list[Pcm] = []
            spans: list[Span] = []
            frames = 0
            for line in request.lines:
                sound = np.concatenate([_word(line, word, request.seed) for word in line.text.split()])
                spans.append(Span(frames / SAMPLE_RATE_HZ, (frames + len(sound)) / SAMPLE_RATE_HZ))
                parts += [sound, gap]
                frames += len(sound) + len(gap)
            yield Rendered(request, np.concatenate(parts), tuple(spans), time.perf_counter() - started)


def _word(line: Line, word: str, seed: int) -> Pcm:
    """A faded tone as long as the word takes to say, and the space after it."""
    pitch_hz = 120 + zlib.crc32(line.voice.name.encode()) % 180
    frames = round(len(word.encode()) * _S_PER_BYTE * SAMPLE_RATE_HZ)
    space = round(_S_PER_BYTE * SAMPLE_RATE_HZ)
    phase = 2 * np.pi * (seed % 1000) / 1000
    time_s = np.arange(frames) / SAMPLE_RATE_HZ
    wave = 0.25 * np.sin(2 * np.pi * pitch_hz * time_s + phase) * np.hanning(frames)
    return np.concatenate([wave, np.zeros(space)]).astype(np.float32)


def open_engine() -> Engine:
    """The tone engine; it has nothing to load."""
    return ToneEngine()
