"""What can be measured of a take without knowing words: numbers, which `verdicts` judges.

In: its samples, how many bytes of text they speak, and how many of these repeat the words before. Out: finite numbers
with a unit in their names; one in `_at_s` says where what the name before it measures begins. Knows no limits, engines
or files.

The take is cut into frames of 40 ms, one every 20 ms, and one Fourier transform of these serves all that looks at
spectra. F frames, K bins, N bands, L lags.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.audio import Pcm
from pipeline.audio.loudness import FULL_SCALE, SILENCE_DB, decibels

VERSION = 1  # raised when what is measured changes
Measured = Mapping[str, float]

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

_LOUDEST = 1e3  # what is louder is no sound, and its squares leave what float32 holds
_HOP_S = 0.02
_HOP_UNIT = 32  # samples; a hop is a multiple, whose transform is quick at every rate
_BELOW_SPEECH_DB = 35.0  # what is softer than this against the level of speech is a pause
_ABOVE_FLOOR_DB = 6.0  # ... and so is what is hardly louder than the take's own noise floor,
_FLOOR_BELOW_DB = 20.0  # which counts as one where it is this far below the speech
_PEAK_RANGE_DB = 30.0  # frames within this of the loudest make up the level of speech
_CLICK_FRAMES = 2  # shorter sound does not end a pause
_END_S = 0.012  # a period of a low voice
_FADED_S, _FADED_DB = 0.002, -40.0  # what is so soft at the very end has faded, however quickly

_PITCH_HZ = (55.0, 450.0)
_PITCH_STEP = 1.02
_PITCH_BAND_HZ = (50.0, 1500.0)
_OCTAVE_COST = 0.12  # of correlation for each octave down: a period's multiples correlate as well as itself
_VOICED = 0.6  # normalised autocorrelation from here on is a voice's, or a note's

_BANDS = 20
_BANDS_HZ = (100.0, 7000.0)
_LOOP_S = (0.24, 2.6)  # of one round
_LOOP_SMOOTH = 7  # frames
_VARIED_LAG = 4  # frames
_VARIED = 0.25  # share of a loop's frames of sound that are unlike those just after: a note or a pause is no loop
_ALIKE = 0.65  # correlation of two frames' bands (the take's mean is taken off) that say the same

_TONE_HZ = (80.0, 3000.0)
_TONE_LAG = 5  # frames: 0.1 s, in which the harmonics of a voice have moved
_TONE = 0.85  # correlation of fine spectra so far apart that is a note's
_STILL_LAG = 25  # frames: 0.5 s, in which a melody has moved
_STILL = 0.94  # correlation of fine spectra so far apart that is a drone's
_TONE_WINDOW = 50  # frames that are looked at together
_STEADY_WINDOW = 25
_STEADY_DB = 2.5  # standard deviation of levels over a window


@dataclass(frozen=True)
class _Frames:
    """The take in frames: `levels` `[F]` in dBFS, `power` `[F, K]`, which of them are `active` `[F]`: no pause."""

    rate_hz: int
    hop: int
    levels: Floats
    power: Floats
    active: Flags
    level_db: float

    def seconds(self, frames: float) -> float:
        return float(frames) * self.hop / self.rate_hz


def measure(pcm: Pcm, sample_rate_hz: int, spoken_bytes: int, repeated_bytes: int = 0) -> dict[str, float]:
    """The numbers of a take `pcm` `[T]`, which may be empty or hold what is no number; all that comes out is finite.

    It speaks text of `spoken_bytes`, of which `repeated_bytes` are said again at once, see `repeats`. Levels are in
    dBFS, of `SILENCE_DB` where there is nothing. Raises `ValueError` for a rate below 1 Hz.
    """
    if sample_rate_hz < 1:
        raise ValueError(f"a sample rate of {sample_rate_hz} Hz")
    samples = np.asarray(pcm).reshape(-1)
    broken = len(samples) - int(np.count_nonzero(np.isfinite(samples)))
    if broken:
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    sound = np.clip(samples, -_LOUDEST, _LOUDEST).astype(np.float32)
    clipped = int(np.count_nonzero(np.abs(sound) >= FULL_SCALE))
    dc = float(sound.mean(dtype=np.float64)) if len(sound) else 0.0
    sound -= np.float32(dc)
    frames = _frames(sound, sample_rate_hz)
    return {
        "duration_s": len(samples) / sample_rate_hz,
        "spoken_bytes": float(spoken_bytes),
        "repeated_bytes": float(repeated_bytes),
        "samples": float(len(samples)),
        "broken_samples": float(broken),
        "clipped_share": clipped / max(len(samples), 1),
        "dc": dc,
        "rms_db": _rms_db(sound),
        "level_db": frames.level_db,
        "end_db": _end_db(sound, frames),
        **_silences(frames),
        **_jump(frames),
        **_spectral(frames),
    }


def _rms_db(samples: Pcm) -> float:
    return decibels(math.sqrt(float(np.vdot(samples, samples)) / len(samples))) if len(samples) else SILENCE_DB


def _end_db(sound: Pcm, frames: _Frames) -> float:
    """The level of the end of the take, against its speech."""
    last, end = (sound[-max(round(seconds * frames.rate_hz), 1) :] for seconds in (_FADED_S, _END_S))
    faded_db = _rms_db(last - last.mean()) - frames.level_db if len(last) else SILENCE_DB
    return faded_db if faded_db < _FADED_DB else _rms_db(end) - frames.level_db


def _frames(sound: Pcm, rate_hz: int) -> _Frames:
    hop = max(round(_HOP_S * rate_hz / _HOP_UNIT), 1) * _HOP_UNIT
    count = -(-len(sound) // hop)
    padded = np.zeros((max(count, 1) + 1) * hop, np.float32)
    padded[: len(sound)] = sound
    levels = 10 * np.log10(np.einsum("fh,fh->f", *[padded[: count * hop].reshape(count, hop)] * 2) / hop + 1e-12)
    windows = sliding_window_view(padded, 2 * hop)[::hop][:count] * _window(hop)
    spectrum = np.fft.rfft(windows, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    if not count:
        return _Frames(rate_hz, hop, levels, power, np.zeros(0, bool), SILENCE_DB)
    loud = levels[levels >= levels.max() - _PEAK_RANGE_DB]
    level_db = float(10 * np.log10(np.mean(10 ** (loud / 10))))
    floor = min(float(np.quantile(levels, 0.05)) + _ABOVE_FLOOR_DB, level_db - _FLOOR_BELOW_DB)
    active = levels > max(level_db - _BELOW_SPEECH_DB, floor, SILENCE_DB + 20)
    return _Frames(rate_hz, hop, levels, power, active, level_db)


@functools.lru_cache(maxsize=8)
def _window(hop: int) -> Pcm:
    """Hann's, over two hops."""
    window: Pcm = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2 * hop) / (2 * hop))).astype(np.float32)
    return window


def _runs(flags: Flags) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where `flags` `[F]` are set: the first of each run, and the one after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return edges[::2], edges[1::2]


def _longest(flags: Flags) -> tuple[int, int]:
    """How many frames the longest run has, and where it starts; the first of several. Zeros where there is none."""
    starts, ends = _runs(flags)
    if not len(starts):
        return 0, 0
    run = int((ends - starts).argmax())
    return int(ends[run] - starts[run]), int(starts[run])


def _silences(frames: _Frames) -> dict[str, float]:
    """Pauses at the ends and within, how much is sound, and where it ends."""
    starts, ends = _runs(frames.active)
    kept = ends - starts > _CLICK_FRAMES
    if not kept.any():
        kept[:] = True
    starts, ends = starts[kept], ends[kept]
    total = len(frames.active)
    first, last = (int(starts[0]), int(ends[-1])) if len(starts) else (total, total)
    gaps = starts[1:] - ends[:-1]
    widest = int(gaps.argmax()) if len(gaps) else None
    return {
        "leading_silence_s": frames.seconds(first),
        "trailing_silence_s": frames.seconds(total - last),
        "inner_silence_s": 0.0 if widest is None else frames.seconds(int(gaps[widest])),
        "inner_silence_at_s": 0.0 if widest is None else frames.seconds(int(ends[widest])),
        "sound_s": frames.seconds(last - first),
        "sound_end_s": frames.seconds(last if len(starts) else 0),
        "speech_s": frames.seconds(int(np.count_nonzero(frames.active))),
    }


def _jump(frames: _Frames) -> dict[str, float]:
    """The most by which the level of what comes before a place differs from what comes after; 0.8 s of sound each."""
    places = np.flatnonzero(frames.active)
    least = max(round(0.8 * frames.rate_hz / frames.hop), 1)
    if len(places) < 2 * least:
        return {"jump_db": 0.0, "jump_at_s": 0.0}
    sums = np.cumsum(10 ** (frames.levels[places].astype(np.float64) / 10))
    counts = np.arange(1, len(places) + 1)
    before = sums[:-1] / counts[:-1]
    after = (sums[-1] - sums[:-1]) / counts[:-1][::-1]
    steps = np.abs(10 * np.log10(np.maximum(before, 1e-12) / np.maximum(after, 1e-12)))[least - 1 : len(places) - least]
    at = int(steps.argmax())
    return {"jump_db": float(steps[at]), "jump_at_s": frames.seconds(int(places[at + least]))}


def _spectral(frames: _Frames) -> dict[str, float]:
    """All that looks at spectra."""
    pitch_hz, voicing = _pitch(frames)
    voiced = frames.active & (voicing >= _VOICED)
    quartiles = np.quantile(pitch_hz[voiced], (0.25, 0.5, 0.75)) if voiced.any() else np.zeros(3)
    return {
        "voiced_s": frames.seconds(int(np.count_nonzero(voiced))),
        "pitch_low_hz": float(quartiles[0]),
        "pitch_hz": float(quartiles[1]),
        "pitch_high_hz": float(quartiles[2]),
        **_loop(frames),
        **_not_speech(frames, voicing),
    }


@functools.lru_cache(maxsize=8)
def _pitch_tables(hop: int, rate_hz: int) -> tuple[slice, NDArray[np.float32], NDArray[np.float64]]:
    """The bins that pitch is sought in, their cosines `[K, L]` for each lag, and the pitch of each lag `[L]` in Hz.

    The autocorrelation is the Fourier transform of the power spectrum (Wiener and Khinchin); it is divided by the
    window's own, after Boersma, "Accurate short-term analysis of the fundamental frequency", IFA 17 (1993), eq. 9.
    """
    size = 2 * hop
    low, high = (round(edge * size / rate_hz) for edge in _PITCH_BAND_HZ)
    bins = slice(max(low, 1), max(min(high, hop) + 1, 2))
    count = math.ceil(math.log(_PITCH_HZ[1] / _PITCH_HZ[0]) / math.log(_PITCH_STEP))
    pitch_hz = _PITCH_HZ[1] * _PITCH_STEP ** -np.arange(count + 1.0)
    share = rate_hz / pitch_hz / size  # of the window
    own = (1 - share) * (2 / 3 + np.cos(2 * np.pi * share) / 3) + np.sin(2 * np.pi * share) / (2 * np.pi)
    angles = 2 * np.pi * np.outer(np.arange(size // 2 + 1)[bins], share)
    return bins, (np.cos(angles) / np.maximum(own, 0.1)).astype(np.float32), pitch_hz


def _pitch(frames: _Frames) -> tuple[NDArray[np.float64], Floats]:
    """The pitch `[F]` in Hz of each frame, and how periodic it is `[F]`: 1 a steady note, below 0.5 noise."""
    bins, cosines, pitch_hz = _pitch_tables(frames.hop, frames.rate_hz)
    low = frames.power[:, bins]
    correlation = (low @ cosines) / (low.sum(axis=1, keepdims=True) + np.float32(1e-9))
    cost = _OCTAVE_COST * np.log2(pitch_hz[0] / pitch_hz).astype(np.float32)
    best = (correlation - cost).argmax(axis=1)
    return pitch_hz[best], correlation[np.arange(len(best)), best]


@functools.lru_cache(maxsize=8)
def _band_table(hop: int, rate_hz: int) -> NDArray[np.float32]:
    """Which bins `[K, N]` make a band: evenly spaced in mel (O'Shaughnessy's formula), each at least one bin wide."""
    lowest, highest = (2595 * math.log10(1 + edge / 700) for edge in _BANDS_HZ)
    mels = np.linspace(lowest, highest, _BANDS + 1)
    edges = np.round(700 * (10 ** (mels / 2595) - 1) * 2 * hop / rate_hz).astype(int)
    bins = np.arange(hop + 1)[:, None]
    table: NDArray[np.float32] = ((bins >= edges[:-1]) & (bins < np.maximum(edges[1:], edges[:-1] + 1))).astype(
        np.float32
    )
    return table


def _unit(rows: Floats) -> Floats:
    """`rows` `[F, N]` at a length of 1."""
    unit: Floats = rows / (np.sqrt(np.einsum("fn,fn->f", rows, rows))[:, None] + np.float32(1e-6))
    return unit


def _loop(frames: _Frames) -> dict[str, float]:
    """How long something goes on that was said just before, and where it begins; at least one round of it."""
    bands = np.log(frames.power @ _band_table(frames.hop, frames.rate_hz) + np.float32(1e-6))
    bands -= bands.mean(axis=1, keepdims=True)
    active = frames.active
    if active.any():
        bands -= bands[active].mean(axis=0)
    bands[~active] = 0
    unit = _unit(bands)
    pause = (~active).astype(np.float32)
    kernel = np.ones(_LOOP_SMOOTH, np.float32) / _LOOP_SMOOTH
    shortest, longest = (round(edge * frames.rate_hz / frames.hop) for edge in _LOOP_S)
    varied = active & (_moving(unit, _VARIED_LAG) < _ALIKE)
    best, best_at = 0, 0
    for lag in range(max(shortest, 1), min(longest, len(unit) - 1) + 1):
        alike = np.einsum("fn,fn->f", unit[:-lag], unit[lag:]) + pause[:-lag] * pause[lag:]
        length, at = _longest(np.convolve(alike, kernel, "same") > _ALIKE)
        if length > best and length >= lag:
            loop = slice(at, at + length)
            if np.count_nonzero(varied[loop]) > _VARIED * np.count_nonzero(active[loop]):
                best, best_at = length, at
    return {"loop_s": frames.seconds(best), "loop_at_s": frames.seconds(best_at)}


def _moving(unit: Floats, lag: int) -> Floats:
    """How much each frame is like the one `lag` later `[F]`; the last as those before them."""
    alike = np.zeros(len(unit), np.float32)
    if len(unit) > lag:
        alike[:-lag] = np.einsum("fn,fn->f", unit[:-lag], unit[lag:])
        alike[-lag:] = alike[-lag - 1]
    return alike


def _share(flags: Flags, width: int) -> Floats:
    """The share of set flags in the window of `width` frames around each `[F]`, or in all where there are fewer."""
    width = min(width, len(flags))
    if not width:
        return np.zeros(0)
    sums = np.cumsum(np.concatenate([[0], flags.astype(np.int64)]))
    shares = (sums[width:] - sums[:-width]) / width
    left = width // 2
    return np.pad(shares, (left, len(flags) - len(shares) - left), mode="edge")


def _not_speech(frames: _Frames, voicing: Floats) -> dict[str, float]:
    """For how long there is noise, a drone or music, and where."""
    size = 2 * frames.hop
    low, high = (min(round(edge * size / frames.rate_hz), frames.hop) for edge in _TONE_HZ)
    fine = np.log(frames.power[:, low : high + 1] + np.float32(1e-6))
    fine -= fine.mean(axis=1, keepdims=True)
    unit = _unit(fine)
    tone = frames.active & (_moving(unit, _TONE_LAG) > _TONE)
    still = tone & (_moving(unit, _STILL_LAG) > _STILL)
    steady = frames.active & (_deviation(frames.levels, _STEADY_WINDOW) < _STEADY_DB)
    noise = steady & (_share(frames.active & (voicing < _VOICED), _STEADY_WINDOW) > 0.8)
    drone = _share(still, _STEADY_WINDOW) > 0.8
    music = (_share(tone, _TONE_WINDOW) > 0.5) & ~drone
    # A window that must be full of it, or nearly so, lies wholly within: the sound is longer than the run of windows.
    stretches = {
        "noise": (noise, _STEADY_WINDOW),
        "drone": (drone, round(0.6 * _STEADY_WINDOW)),
        "music": (music, 0),
    }
    measured = {}
    for name, (flags, rest) in stretches.items():
        length, at = _longest(flags)
        more = min(rest, len(flags) - length) if length else 0
        measured[f"{name}_s"] = frames.seconds(length + more)
        measured[f"{name}_at_s"] = frames.seconds(max(at - more // 2, 0))
    return measured


def _deviation(levels: Floats, width: int) -> Floats:
    """The standard deviation of `levels` `[F]` in the window around each, or in all where there are fewer."""
    width = min(width, len(levels))
    if not width:
        return np.zeros(0)
    values = np.maximum(levels, -100.0).astype(np.float64)
    sums, squares = (np.cumsum(np.concatenate([[0.0], part])) for part in (values, values**2))
    means = (sums[width:] - sums[:-width]) / width
    variances = (squares[width:] - squares[:-width]) / width - means**2
    deviations = np.sqrt(np.maximum(variances, 0))
    left = width // 2
    return np.pad(deviations, (left, len(levels) - len(deviations) - left), mode="edge")
