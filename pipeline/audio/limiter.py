"""A look-ahead true-peak limiter: keeps the peaks between samples under a ceiling, and leaves the rest untouched.

The gain falls before a peak and rises after it within `_REACH_S`, as the minimum of what each sample needs, smoothed by
a window as wide as the minimum was taken over; so the smoothed gain never exceeds what any sample needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Pcm
from pipeline.audio.loudness import REACH, amplitude, peaks_above

_REACH_S = 0.008  # long enough not to distort a low voice, short enough not to pump
_UNIT = 1 << 24  # gains are whole numbers of 1 / _UNIT while they are summed: such sums are the same in any order


def limit(blocks: Iterable[Pcm], sample_rate_hz: int, ceiling_dbtp: float) -> Iterator[Pcm]:
    """The stream `blocks` with no true peak above the ceiling. Its length and timing stay as they are.

    What comes out is the same, bit for bit, however the stream was cut into blocks.
    """
    from scipy.ndimage import minimum_filter1d

    ceiling = np.float32(amplitude(ceiling_dbtp))
    reach = round(_REACH_S * sample_rate_hz / 2) * 2  # even, so that the smoothing below is centred
    margin = 2 * reach + REACH + 1  # what a sample's gain depends on, on either side
    held = np.zeros(margin, np.float32)  # starts with silence in front of the first sample

    def limited(pcm: Pcm) -> Pcm:
        """All of `pcm` but a margin on either side."""
        inner = pcm[margin : len(pcm) - margin]
        peaks = peaks_above(pcm, float(ceiling))  # [i]: from sample REACH + i up to the next
        around = np.maximum(peaks[1:], peaks[:-1])  # [i]: on both sides of sample REACH + 1 + i
        hot = np.flatnonzero(around > ceiling)
        if not len(hot):
            return inner
        gain = np.ones_like(around)
        stretches = _near(hot, 2 * reach, len(around))
        # Side by side they are one: each begins and ends with what needs no limiting, as far as the sums reach.
        highest = np.maximum(np.concatenate([around[stretch] for stretch in stretches]), ceiling)
        needed = np.floor(ceiling / highest * _UNIT).astype(np.int64)
        lowest = minimum_filter1d(needed, 2 * reach + 1, mode="nearest")
        gains = _sums(_sums(lowest, reach + 1), reach + 1) / ((reach + 1) ** 2 * _UNIT)
        at = 0
        for stretch in stretches:
            length = stretch.stop - stretch.start
            gain[stretch] = gains[at : at + length]
            at += length
        first = margin - REACH - 1
        return inner * gain[first : first + len(inner)]

    for block in blocks:
        held = np.concatenate([held, block])
        if len(held) > 2 * margin:
            yield limited(held)
            held = held[-2 * margin :]
    held = np.concatenate([held, np.zeros(margin, np.float32)])
    if len(held) > 2 * margin:
        yield limited(held)


def _near(hot: NDArray[np.intp], distance: int, length: int) -> list[slice]:
    """What lies no further than `distance` from one of `hot`, as slices of `length`."""
    ends = np.flatnonzero(np.diff(hot) > 2 * distance)
    first = np.maximum(hot[np.append(0, ends + 1)] - distance, 0)
    after = np.minimum(hot[np.append(ends, -1)] + distance + 1, length)
    return [slice(*pair) for pair in zip(first.tolist(), after.tolist(), strict=True)]


def _sums(values: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The sum of the `width` (odd) values around each of `values` `[T]`, which go on at both ends as they end."""
    half = width // 2
    padded = np.empty(len(values) + width, np.int64)  # np.pad takes longer than all the rest
    padded[0], padded[1 : half + 1], padded[half + 1 : -half], padded[-half:] = 0, values[0], values, values[-1]
    total = padded.cumsum()
    sums: NDArray[np.int64] = total[width:] - total[:-width]
    return sums
