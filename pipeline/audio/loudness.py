"""Levels of PCM, mono or of several channels, measured in one pass over blocks of any size, in bounded memory.

Loudness after ITU-R BS.1770-4 (K-weighting, blocks of 400 ms overlapping by 75 %, gates at -70 LUFS and -10 LU);
true peak after its Annex 2 (four times oversampling); plain RMS and noise floor as ACX measures them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.audio import Pcm

SILENCE_DB = -120.0  # stands for "nothing": JSON has no minus infinity

_HOP_S = 0.1  # a quarter of BS.1770's gating block
_FLOOR_HOPS = 5  # noise floor: the quietest half second
# BS.1770 table 3, by number of channels: those at the sides count for more, and that of the bass for nothing.
_WEIGHTS = {5: (1, 1, 1, 1.41, 1.41), 6: (1, 1, 1, 0, 1.41, 1.41)}
_OVERSAMPLING = 4
REACH = 10  # input samples on either side that an interpolated one depends on
# The interpolation filter of scipy.signal.resample_poly (Kaiser window, here not normalised), one row for each point
# between two samples: point p of sample t is `_FIR[p] @ pcm[t - REACH + 1 : t + REACH + 1]`.
_FIR = np.stack(
    [
        (np.kaiser(2 * REACH * _OVERSAMPLING + 1, 5.0) * np.sinc(np.arange(-REACH, REACH + 0.1, 1 / _OVERSAMPLING)))[
            point : 2 * REACH * _OVERSAMPLING : _OVERSAMPLING
        ][::-1]
        for point in range(1, _OVERSAMPLING)
    ],
).astype(np.float32)
# No interpolated point exceeds the largest sample within REACH times this.
_FIR_GAIN = float(np.abs(_FIR).sum(axis=1).max())
_PART = 32  # samples that are oversampled together, or skipped together
# Of a float32 sum of 20 products, against the largest sample: 20 * 2^-24 * _FIR_GAIN, and some to spare.
_SCREEN_ERROR = 1e-5
# `_FIR` for a whole part: `pcm[t - REACH : t + _PART + REACH] @ _FIR_OF_PART` are all points between its samples.
_FIR_OF_PART = np.concatenate(
    [np.stack([np.pad(fir, (at + 1, _PART - 1 - at)) for at in range(_PART)], axis=1) for fir in _FIR], axis=1
)


@dataclass(frozen=True)
class Levels:
    """What was measured of a whole file."""

    duration_s: float
    lufs: float
    rms_db: float
    true_peak_dbtp: float
    noise_floor_db: float
    head_s: float  # before the first sound above room tone
    tail_s: float  # after the last


def decibels(ratio: float) -> float:
    """20 log10, with `SILENCE_DB` for nothing."""
    return max(20 * math.log10(ratio), SILENCE_DB) if ratio > 0 else SILENCE_DB


def amplitude(decibel: float) -> float:
    """The inverse of `decibels`."""
    return float(10 ** (decibel / 20))


def peaks_above(pcm: Pcm, floor: float) -> Pcm:
    """For each sample the peak from it up to the next, four times oversampled; 0 where that is not above `floor`.

    `pcm` `[T + 2 * REACH]` has `REACH` more samples on either side; the answer is `[T]`. Most of speech is too quiet to
    matter, and leaving it out makes this ten times as fast. What is left out changes no bit of the rest.
    """
    frames = len(pcm) - 2 * REACH
    count = -(-frames // _PART)
    padded = np.zeros((count + 1) * _PART, np.float32)
    padded[: len(pcm)] = pcm
    # Without their sign, floats compare as their bits do, and numpy finds the largest integer twice as fast.
    tops = np.maximum.reduceat(np.abs(padded).view(np.int32), np.arange(0, len(padded), _PART)).view(np.float32)
    tops = np.maximum(tops[:-1], tops[1:])  # a part's neighbours lie in itself and the next
    hot = np.flatnonzero(tops * _FIR_GAIN > floor)
    peaks = np.zeros(count * _PART, np.float32)
    if not len(hot):
        return peaks[:frames]
    parts = sliding_window_view(padded, _PART + 2 * REACH)[::_PART][hot]
    least = np.maximum(np.abs(parts[:, REACH:-REACH]), floor)  # what a point must exceed to matter
    peaks.reshape(count, _PART)[hot] = np.where(least > floor, least, 0)
    # BLAS is the fastest way to see which points matter, and no more than that: the last bits of a row of its products
    # depend on how many rows there are and which one it is (with OpenBLAS's Haswell kernels in 268 of 399 cases).
    screened = parts @ _FIR_OF_PART
    np.abs(screened, out=screened)
    screened = screened.reshape(len(hot), _OVERSAMPLING - 1, _PART)
    error = _SCREEN_ERROR * tops[hot, None]
    least = np.maximum(least, screened.max(axis=1) - error) - error  # the largest of a sample's points is among them
    part, point, at = np.unravel_index(np.flatnonzero(screened > least[:, None]), screened.shape)
    at += hot[part] * _PART
    between = _between(padded, at, point)
    matter = between > floor
    np.maximum.at(peaks, at[matter], between[matter])
    return peaks[:frames]


def _between(pcm: Pcm, at: NDArray[np.intp], point: NDArray[np.intp]) -> Pcm:
    """The magnitude at `point` `[N]` after sample `REACH + at` `[N]` of `pcm`, `[N]`.

    The sum is made product by product in one order: the same bits on every processor, whatever N is.
    """
    around = sliding_window_view(pcm, 2 * REACH)[at + 1]
    return np.abs(np.cumsum(around * _FIR[point], axis=1)[:, -1])


class Meter:
    """Takes blocks, then tells the levels of all of them together."""

    def __init__(self, sample_rate_hz: int, room_tone_db: float = -60.0) -> None:
        self.rate = sample_rate_hz
        self._hop = round(_HOP_S * sample_rate_hz)
        from scipy.signal import lfilter

        self._filter = lfilter
        self._b, self._a = _k_weighting(sample_rate_hz)
        self._state = np.zeros(len(self._a) - 1)
        self._pending = np.empty(0, np.float32)  # less than a hop
        self._edge = np.zeros(2 * REACH, np.float32)  # the last samples, for the peaks between them and the next
        self._weighted: list[NDArray[np.float64]] = []  # mean square of each hop, K-weighted
        self._plain: list[NDArray[np.float64]] = []  # mean square of each hop
        self.frames = 0
        self.peak = 0.0
        self._loud = amplitude(room_tone_db + 16)  # above the peaks of room tone itself
        self.first_loud: int | None = None
        self.last_loud = 0

    def add(self, block: Pcm) -> None:
        """Measure the next samples."""
        pcm = np.concatenate([self._pending, block])
        whole = len(pcm) - len(pcm) % self._hop
        self._pending = pcm[whole:]
        if whole:
            self._look(pcm[:whole])
            hops = pcm[:whole].astype(np.float64)
            self._plain.append(_mean_squares(hops, self._hop))
            weighted, self._state = self._filter(self._b, self._a, hops, zi=self._state)
            self._weighted.append(_mean_squares(weighted, self._hop))

    def levels(self) -> Levels:
        """The levels of everything added; nothing can be added after."""
        return _levels([self])

    def finish(self) -> float:
        """Look at what is less than a hop; the sum of the squares of everything added. Nothing can be added after."""
        rest = self._pending.astype(np.float64)
        self._look(self._pending)
        self._find_peak(np.zeros(2 * REACH, np.float32))
        return float(self.plain.sum() * self._hop + np.sum(rest**2))

    @property
    def plain(self) -> NDArray[np.float64]:
        """The mean square of each hop."""
        return np.concatenate([np.empty(0), *self._plain])

    @property
    def weighted(self) -> NDArray[np.float64]:
        """The same, K-weighted."""
        return np.concatenate([np.empty(0), *self._weighted])

    def _look(self, pcm: Pcm) -> None:
        """Find the peak, and the first and the last sound above room tone."""
        self._find_peak(pcm)
        loud = (np.abs(pcm) > self._loud).tobytes()  # bytes are searched from the end without a copy, arrays are not
        if 1 in loud:
            if self.first_loud is None:
                self.first_loud = self.frames + loud.find(1)
            self.last_loud = self.frames + loud.rfind(1) + 1
        self.frames += len(pcm)

    def _find_peak(self, pcm: Pcm) -> None:
        """Raise the peak where `pcm` does."""
        joined = np.concatenate([self._edge, pcm])
        self._edge = joined[-2 * REACH :]
        if len(joined) > 2 * REACH:
            self.peak = max(self.peak, float(peaks_above(joined, self.peak).max()))


def measure(blocks: Iterable[Pcm], sample_rate_hz: int, room_tone_db: float = -60.0) -> Levels:
    """The levels of a stream of blocks."""
    meter = Meter(sample_rate_hz, room_tone_db)
    for block in blocks:
        meter.add(block)
    return meter.levels()


def measure_channels(blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int) -> Levels:
    """The levels of a stream of blocks `[channels, T]`, with as many channels each, together.

    Loudness sums the channels, as BS.1770 does; RMS and noise floor are of their mean power, the peak is the highest,
    and head and tail are those before the first sound of any and after the last.
    """
    meters: list[Meter] = []
    for block in blocks:
        meters = meters or [Meter(sample_rate_hz) for _channel in block]
        for meter, channel in zip(meters, block, strict=True):
            meter.add(channel)
    return _levels(meters or [Meter(sample_rate_hz)])


def _levels(meters: Sequence[Meter]) -> Levels:
    """The levels of all channels together."""
    power = sum(meter.finish() for meter in meters) / len(meters)
    frames, rate = meters[0].frames, meters[0].rate
    duration_s = frames / rate
    plain = np.mean([meter.plain for meter in meters], axis=0)
    weights = _WEIGHTS.get(len(meters), (1,) * len(meters))
    weighted = np.sum([weight * meter.weighted for weight, meter in zip(weights, meters, strict=True)], axis=0)
    floor = _sliding_mean(plain, _FLOOR_HOPS)
    sounding = [meter for meter in meters if meter.first_loud is not None]
    return Levels(
        duration_s=duration_s,
        lufs=_integrated(weighted),
        rms_db=decibels(math.sqrt(power / frames)) if frames else SILENCE_DB,
        true_peak_dbtp=decibels(max(meter.peak for meter in meters)),
        noise_floor_db=decibels(math.sqrt(floor.min())) if len(floor) else SILENCE_DB,
        head_s=min(meter.first_loud or 0 for meter in sounding) / rate if sounding else duration_s,
        tail_s=(frames - max(meter.last_loud for meter in sounding)) / rate if sounding else duration_s,
    )


def _k_weighting(sample_rate_hz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """BS.1770's two filters as one: a single pass of order four is five times as fast as two of order two.

    Parameters: De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145 (2018), which
    meets the standard's coefficients at 48 kHz and carries them to other rates.
    """
    from pyloudnorm.iirfilter import IIRfilter

    shelf = IIRfilter(3.99984385397, 0.7071752369554193, 1681.9744509555319, sample_rate_hz, "high_shelf_DeMan")
    high_pass = IIRfilter(0.0, 0.5003270373253953, 38.13547087613982, sample_rate_hz, "high_pass_DeMan")
    return np.polymul(shelf.b, high_pass.b), np.polymul(shelf.a, high_pass.a)


def _mean_squares(values: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    by_hop = values.reshape(-1, hop)
    squares: NDArray[np.float64] = np.einsum("ht,ht->h", by_hop, by_hop) / hop
    return squares


def _sliding_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    if len(values) < width:
        return values[:0]
    means: NDArray[np.float64] = sliding_window_view(values, width).mean(axis=1)
    return means


def _integrated(hops: NDArray[np.float64]) -> float:
    """BS.1770-4 equations 3 to 7: mean of the gated blocks, in LUFS."""
    blocks = _sliding_mean(hops, 4)
    blocks = blocks[blocks > 10 ** ((-70 + 0.691) / 10)]
    if not len(blocks):
        return SILENCE_DB
    blocks = blocks[blocks > blocks.mean() / 10]
    return -0.691 + 10 * math.log10(blocks.mean())


FULL_SCALE = 0.999  # a sample from here on counts as clipped


def rms_db(pcm: Pcm) -> float:
    """The level of `pcm` `[T]` in dBFS RMS, `SILENCE_DB` where there is nothing."""
    return decibels(math.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) if len(pcm) else decibels(0)
