"""Faults put into sound: what a network does to a take on a bad day, at will and by the number.

In: the sound of a good take, a kind of fault and a seed. Out: the sound with that fault in it. Tests, the faulty engine
and `podcast bench checks` use it. Knows no texts and no checks.

Numbers that sines, filters and resampling make are rounded to steps of 16 bits, and what is searched for is searched in
integers, so that processors whose arithmetic differs in its last bits make the same sound.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.audio import Pcm

_STEP = 32768.0  # of 16 bits
_EDGE_S = 0.01  # a cross-fade where a planted sound meets another, so that no click gives it away
_ACTIVE_SHARE = 0.1  # of the loudest 10 ms (amplitude): what lies above is speech
_FRAME_S = 0.01


@dataclass(frozen=True)
class _Original:
    """The take that a fault is put into, and the dice that say where and how much."""

    pcm: Pcm
    rate_hz: int
    dice: np.random.Generator

    def between(self, least: float, most: float) -> float:
        return float(self.dice.uniform(least, most))

    def samples(self, seconds: float) -> int:
        return max(round(seconds * self.rate_hz), 1)

    def level(self) -> float:
        """The RMS amplitude of what is speech; 0.05 where there is none."""
        loud = self.pcm[np.abs(self.pcm) > _ACTIVE_SHARE * float(np.abs(self.pcm).max(initial=0))]
        return math.sqrt(float(np.mean(np.square(loud, dtype=np.float64)))) if len(loud) else 0.05


def plant(kind: str, pcm: Pcm, sample_rate_hz: int, seed: int) -> Pcm:
    """A copy of `pcm` `[T]` with the fault `kind` in it; of another length where the fault is one of length.

    The same for the same seed. `pcm` is speech, of a second or more; shorter sound has the fault as far as it fits.
    Raises `ValueError` for a kind that is not one of `KINDS`.
    """
    if kind not in _PLANTS:
        raise ValueError(f'no fault "{kind}"; there are {", ".join(KINDS)}')
    dice = np.random.default_rng([zlib.crc32(kind.encode()), seed])
    return _PLANTS[kind](_Original(pcm.astype(np.float32), sample_rate_hz, dice)).astype(np.float32)


def _empty(sound: _Original) -> Pcm:
    return sound.pcm[:0]


def _broken(sound: _Original) -> Pcm:
    pcm: Pcm = sound.pcm.copy()
    start = int(sound.dice.integers(0, max(len(pcm), 1)))
    pcm[start : start + int(sound.dice.integers(1, 2000))] = sound.dice.choice([np.nan, np.inf, -np.inf])
    return pcm


def _silent(sound: _Original) -> Pcm:
    """So soft that only a meter hears it, or nothing but the hiss of the lowest bits."""
    if sound.dice.integers(2):
        return _hiss(sound, len(sound.pcm), sound.between(0, 2e-4))
    return _steps(sound.pcm * (sound.between(1e-4, 5e-4) / max(float(np.abs(sound.pcm).max(initial=0)), 1e-9)), 2**20)


def _clipped(sound: _Original) -> Pcm:
    """Turned up until one in fifty to one in six of the samples of speech is at full scale."""
    loud = np.sort(np.abs(sound.pcm[np.abs(sound.pcm) > 0.01 * float(np.abs(sound.pcm).max(initial=0))]))
    if not len(loud):
        return sound.pcm
    top = float(loud[int(len(loud) * sound.between(0.84, 0.98))])
    return _steps(np.clip(sound.pcm / max(top, 1e-6), -1, 1))


def _dc(sound: _Original) -> Pcm:
    offset = sound.between(0.03, 0.2) * (1 if sound.dice.integers(2) else -1)
    return _steps(np.clip(sound.pcm + offset, -1, 1))


def _too_short(sound: _Original) -> Pcm:
    """Most of the words are missing: what is left ends softly."""
    return _faded(sound.pcm[: sound.samples(len(sound.pcm) / sound.rate_hz * sound.between(0.1, 0.3))], sound)


def _too_long(sound: _Original) -> Pcm:
    """Other words after the last: what was said, in other order and backwards, for one and a half times as long."""
    return _joined(sound, sound.pcm, _babble(sound, len(sound.pcm) * sound.between(1.5, 2.5) / sound.rate_hz + 1.5))


def _runaway(sound: _Original) -> Pcm:
    """It goes on and on: babble, noise or music, long after the text must be over."""
    seconds = len(sound.pcm) / sound.rate_hz * sound.between(2, 3) + sound.between(5, 8)
    more = (_babble, _noisy, _melody)[int(sound.dice.integers(3))]
    return _joined(sound, sound.pcm, more(sound, seconds))


def _leading_silence(sound: _Original) -> Pcm:
    return np.concatenate([_room(sound, sound.between(1.8, 5)), sound.pcm])


def _trailing_silence(sound: _Original) -> Pcm:
    return np.concatenate([sound.pcm, _room(sound, sound.between(1.8, 5))])


def _inner_silence(sound: _Original) -> Pcm:
    cut = len(sound.pcm) if len(sound.pcm) < 2 else _quiet_place(sound, 0.25, 0.75)
    return np.concatenate([sound.pcm[:cut], _room(sound, sound.between(1.7, 4)), sound.pcm[cut:]])


def _cut_end(sound: _Original) -> Pcm:
    """Over in the middle of a loud vowel, in the last third of the take."""
    levels = _levels(sound)
    start = len(levels) * 2 // 3
    loud = np.flatnonzero(levels[start:] >= np.quantile(levels[start:], 0.75)) if len(levels) else levels
    if not len(loud):
        return sound.pcm
    frame = start + int(loud[int(sound.dice.integers(len(loud)))])
    return sound.pcm[: round((frame + 0.5) * sound.samples(_FRAME_S))]


def _loop(sound: _Original) -> Pcm:
    """A word or two again and again, three to six times in all, and then the rest."""
    length = min(sound.samples(sound.between(0.3, 1.2)), len(sound.pcm))
    times = max(int(sound.dice.integers(2, 6)), math.ceil(sound.samples(1.2) / max(length, 1)))
    start = min(_loud_place(sound, 0.1, 0.8), len(sound.pcm) - length)
    word = sound.pcm[start : start + length]
    return _joined(sound, sound.pcm[: start + length], *[word] * times, sound.pcm[start + length :])


def _noise(sound: _Original) -> Pcm:
    return _in_place_of_speech(sound, _noisy)


def _drone(sound: _Original) -> Pcm:
    return _in_place_of_speech(sound, _hum)


def _music(sound: _Original) -> Pcm:
    return _in_place_of_speech(sound, _melody)


def _jump(sound: _Original) -> Pcm:
    """From somewhere in the middle on much softer, or so before it."""
    at = _quiet_place(sound, 0.35, 0.65)
    soft = np.float32(10 ** (-sound.between(15, 24) / 20))
    first = bool(sound.dice.integers(2))
    gains = np.where((np.arange(len(sound.pcm)) < at) == first, soft, np.float32(1))
    return _steps(sound.pcm * gains)


def _level(sound: _Original) -> Pcm:
    """All of it much softer or louder than the voice is, without clipping."""
    peak = max(float(np.abs(sound.pcm).max(initial=0)), 1e-6)
    louder = 10 ** (sound.between(9, 15) / 20)
    if louder * peak < 0.98 and sound.dice.integers(2):
        return _steps(sound.pcm * louder)
    return _steps(sound.pcm * 10 ** (-sound.between(12, 20) / 20))


def _fast(sound: _Original) -> Pcm:
    return _steps(_stretched(sound.pcm, 1 / sound.between(1.6, 2.1), sound.rate_hz))


def _slow(sound: _Original) -> Pcm:
    return _steps(_stretched(sound.pcm, sound.between(1.7, 2.2), sound.rate_hz))


def _wrong_voice(sound: _Original) -> Pcm:
    """Somebody else: pitch and formants a third to a half lower or higher, at the same pace."""
    ratio = sound.between(0.58, 0.68) if sound.dice.integers(2) else sound.between(1.5, 1.75)
    places = np.arange(0, max(len(sound.pcm) - 1, 0), ratio)
    other = _steps(np.interp(places, np.arange(len(sound.pcm)), sound.pcm)) if len(places) else sound.pcm
    return _steps(_stretched(other, ratio, sound.rate_hz))


# Each bears the name of the check that is there for it, but for three: fast and slow are the check "rate", and
# wrong_voice is "pitch".
_PLANTS: Mapping[str, Callable[[_Original], Pcm]] = {
    "empty": _empty,
    "broken": _broken,
    "silent": _silent,
    "clipped": _clipped,
    "dc": _dc,
    "too_short": _too_short,
    "too_long": _too_long,
    "leading_silence": _leading_silence,
    "trailing_silence": _trailing_silence,
    "inner_silence": _inner_silence,
    "cut_end": _cut_end,
    "loop": _loop,
    "noise": _noise,
    "drone": _drone,
    "music": _music,
    "runaway": _runaway,
    "jump": _jump,
    "level": _level,
    "fast": _fast,
    "slow": _slow,
    "wrong_voice": _wrong_voice,
}
KINDS: tuple[str, ...] = tuple(_PLANTS)


def _steps(samples: NDArray[np.floating], steps: float = _STEP) -> Pcm:
    """`samples` on a grid: differences of a last bit between processors go."""
    rounded: Pcm = (np.round(np.asarray(samples, np.float64) * steps) / steps).astype(np.float32)
    return rounded


def _faded(pcm: Pcm, sound: _Original) -> Pcm:
    """With a soft end."""
    frames = min(sound.samples(5 * _EDGE_S), len(pcm))
    faded = pcm.copy()
    if frames:
        faded[-frames:] *= np.linspace(1, 0, frames, dtype=np.float32)
    return _steps(faded)


def _joined(sound: _Original, *parts: Pcm) -> Pcm:
    """One after another, each meeting the next in a cross-fade."""
    whole = parts[0]
    for part in parts[1:]:
        frames = min(sound.samples(_EDGE_S), len(whole), len(part))
        ramp = np.linspace(0, 1, frames, dtype=np.float32)
        middle = _steps(whole[len(whole) - frames :] * (1 - ramp) + part[:frames] * ramp)
        whole = np.concatenate([whole[: len(whole) - frames], middle, part[frames:]])
    return whole


def _levels(sound: _Original) -> NDArray[np.int64]:
    """The largest magnitude of each 10 ms `[F]`, in steps of 16 bits."""
    frame = sound.samples(_FRAME_S)
    whole = sound.pcm[: len(sound.pcm) // frame * frame].reshape(-1, frame)
    levels: NDArray[np.int64] = np.round(np.abs(whole).max(axis=1, initial=0) * _STEP).astype(np.int64)
    return levels


def _quiet_place(sound: _Original, first: float, last: float) -> int:
    """The quietest sample-and-around between two shares of the take: a pause where there is one."""
    levels = _levels(sound)
    start, end = int(first * len(levels)), max(int(last * len(levels)), int(first * len(levels)) + 1)
    part = levels[start:end]
    frame = start + int(part.argmin()) if len(part) else 0
    return min(round((frame + 0.5) * sound.samples(_FRAME_S)), len(sound.pcm))


def _loud_place(sound: _Original, first: float, last: float) -> int:
    """Somewhere in speech between two shares of the take."""
    levels = _levels(sound)
    start = int(first * len(levels))
    part = levels[start : int(last * len(levels))]
    loud = np.flatnonzero(part > _ACTIVE_SHARE * part.max(initial=0))
    frame = start + (int(loud[int(sound.dice.integers(len(loud)))]) if len(loud) else 0)
    return frame * sound.samples(_FRAME_S)


def _in_place_of_speech(sound: _Original, other: Callable[[_Original, float], Pcm]) -> Pcm:
    """One and a half to four seconds of another sound, over speech that is gone, or behind it."""
    seconds = sound.between(1.5, 4)
    if sound.dice.integers(3) == 0:
        return _joined(sound, sound.pcm, other(sound, seconds))
    length = min(sound.samples(seconds), len(sound.pcm))
    start = min(_loud_place(sound, 0, 0.9), len(sound.pcm) - length)
    return _joined(sound, sound.pcm[:start], other(sound, seconds), sound.pcm[start + length :])


def _room(sound: _Original, seconds: float) -> Pcm:
    """Silence as engines have it: none at all, or with noise in its lowest bits."""
    length = sound.samples(seconds)
    return np.zeros(length, np.float32) if sound.dice.integers(2) else _hiss(sound, length, sound.between(5e-5, 5e-4))


def _hiss(sound: _Original, length: int, amplitude: float) -> Pcm:
    return _steps(sound.dice.uniform(-amplitude, amplitude, length), 2**20)


def _babble(sound: _Original, seconds: float) -> Pcm:
    """Speech that is none: pieces of the take, backwards, in an order of their own."""
    length = sound.samples(seconds)
    if not len(sound.pcm):
        return np.zeros(length, np.float32)
    pieces: list[Pcm] = []
    while sum(map(len, pieces)) < length + sound.rate_hz:
        start = int(sound.dice.integers(0, len(sound.pcm)))
        pieces.append(sound.pcm[start : start + sound.samples(sound.between(0.4, 1.5))][::-1])
    return _faded(_joined(sound, *pieces)[:length], sound)


def _noisy(sound: _Original, seconds: float) -> Pcm:
    """Steady noise, white to dull, nearly as loud as the speech."""
    length = sound.samples(seconds)
    width = int(sound.dice.integers(1, 24))
    white = sound.dice.uniform(-1, 1, length + width)
    sums = np.cumsum(np.concatenate([[0.0], white]))
    dull = sums[width:] - sums[:-width]
    return _at_level(dull[:length], sound)


def _hum(sound: _Original, seconds: float) -> Pcm:
    """One note with a few harmonics, which may beat a little."""
    times = np.arange(sound.samples(seconds)) / sound.rate_hz
    pitch_hz = sound.between(50, 500)
    hum = sum(
        sound.between(0.2, 1) / number * np.sin(2 * np.pi * number * pitch_hz * times + sound.between(0, 6))
        for number in range(1, int(sound.dice.integers(2, 8)))
    )
    beat = 1 + sound.between(0, 0.3) * np.sin(2 * np.pi * sound.between(0.2, 2) * times)
    return _at_level(np.asarray(hum * beat), sound)


def _melody(sound: _Original, seconds: float) -> Pcm:
    """Chords of decaying notes, in time, as an introduction has them."""
    total, beat = sound.samples(seconds), sound.samples(sound.between(0.25, 0.7))
    times = np.arange(beat * 2) / sound.rate_hz
    root_hz, decay = sound.between(130, 300), sound.between(0.5, 3)
    music = np.zeros(total + 3 * beat)
    for start in range(0, total, beat):
        for step in sound.dice.choice([0, 2, 4, 5, 7, 9, 11, 12, 16], int(sound.dice.integers(2, 5)), replace=False):
            note_hz = root_hz * 2 ** (int(step) / 12)
            note = sum(np.sin(2 * np.pi * number * note_hz * times) / number**1.5 for number in range(1, 6))
            music[start : start + len(times)] += note * np.exp(-decay * times)
    return _at_level(music[:total], sound)


def _at_level(samples: NDArray[np.float64], sound: _Original) -> Pcm:
    """As loud as the speech, or up to 9 dB softer."""
    wanted = sound.level() * 10 ** (-sound.between(0, 9) / 20)
    rms = math.sqrt(float(np.mean(np.square(samples)))) if len(samples) else 1.0
    return _steps(np.clip(samples * (wanted / max(rms, 1e-9)), -1, 1))


def _stretched(pcm: Pcm, factor: float, rate_hz: int) -> Pcm:
    """`pcm` `[T]`, `factor` times as long at the same pitch.

    WSOLA: Verhelst and Roelands, "An overlap-add technique based on waveform similarity (WSOLA)", ICASSP 1993. Windows
    of 30 ms overlap by half, and each is taken from where, within 8 ms, it goes on best from the one before.
    """
    hop, reach = max(round(0.015 * rate_hz), 1), max(round(0.008 * rate_hz), 1)
    if len(pcm) < 4 * (hop + reach):
        return pcm
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    thin = max(rate_hz // 6000, 1)  # pitch shows at 6 kHz, and the search is quick there
    whole = np.round(np.clip(pcm, -1, 1) * _STEP).astype(np.int64)
    count = int((len(pcm) * factor) // hop) - 1
    stretched = np.zeros((count + 1) * hop, np.float32)
    natural = 0
    for number in range(count):
        wanted = min(round(number * hop / factor), len(pcm) - 2 * hop - 1)
        first, last = max(wanted - reach, 0), min(wanted + reach, len(pcm) - 2 * hop)
        target = whole[natural : natural + 2 * hop : thin]
        windows = sliding_window_view(whole[first : last + 2 * hop], 2 * hop)[:, ::thin][:, : len(target)]
        start = first + int((windows * target[: windows.shape[1]]).sum(axis=1).argmax()) if number else 0
        stretched[number * hop : (number + 2) * hop] += window * pcm[start : start + 2 * hop]
        natural = min(start + hop, len(pcm) - 2 * hop)
    return stretched
