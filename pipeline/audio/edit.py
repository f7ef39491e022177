"""Small cuts on mono PCM: trim silence, fade the edges, make silence."""

from __future__ import annotations

import warnings

import numpy as np

from pipeline.audio import Pcm
from pipeline.audio.loudness import decibels

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pydub looks for an ffmpeg program, which PCM does not need
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

_BELOW_PEAK_DB = 40  # quieter than this against the loudest sample, an edge is silence
_QUIETEST_DB = -60.0
_STEP_MS = 10
_KEPT_S = 0.02  # a soft consonant may lie under the threshold
_FADE_S = 0.005


def trim(pcm: Pcm, sample_rate_hz: int) -> tuple[int, int]:
    """The sample where sound begins in `pcm` `[T]`, and the one after its end; `(0, T)` where all of it is silent."""
    peak_db = decibels(float(np.abs(pcm).max(initial=0)))
    threshold_db = max(peak_db - _BELOW_PEAK_DB, _QUIETEST_DB)
    samples = (np.clip(pcm, -1, 1) * np.float64(2**31 - 1)).astype("<i4")
    sound = AudioSegment(samples.tobytes(), sample_width=4, frame_rate=sample_rate_hz, channels=1)
    head_ms = detect_leading_silence(sound, threshold_db, _STEP_MS)
    if head_ms >= len(sound):
        return 0, len(pcm)
    tail_ms = detect_leading_silence(sound.reverse(), threshold_db, _STEP_MS)
    start = max(round((head_ms / 1000 - _KEPT_S) * sample_rate_hz), 0)
    end = min(len(pcm) - round((tail_ms / 1000 - _KEPT_S) * sample_rate_hz), len(pcm))
    return start, end


def fade(pcm: Pcm, sample_rate_hz: int) -> Pcm:
    """`pcm` with short raised-cosine edges, so that it joins silence without a click."""
    frames = min(round(_FADE_S * sample_rate_hz), len(pcm) // 2)
    if not frames:
        return pcm
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(frames) + 0.5) / frames)).astype(np.float32)
    faded = pcm.copy()
    faded[:frames] *= ramp
    faded[-frames:] *= ramp[::-1]
    return faded


def silence(seconds: float, sample_rate_hz: int) -> Pcm:
    """Zeros `[T]`."""
    return np.zeros(round(seconds * sample_rate_hz), np.float32)
