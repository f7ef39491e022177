"""Mastering: chapters become one stream at a preset's rate and level.

Gain, then room tone, then a look-ahead true-peak limiter. The gain is solved for the preset's own metric (LUFS or RMS)
before anything is encoded, and corrected by what the encoded file measures. Everything streams: memory does not grow
with the length of a book.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import soxr

from pipeline.audio import Pcm, flac
from pipeline.audio.edit import silence
from pipeline.audio.limiter import limit
from pipeline.audio.loudness import Levels, amplitude, measure
from pipeline.deliver.chapters import ChapterAudio
from pipeline.source.presets import Preset
from pipeline.threads import ahead

TOLERANCE = 0.3  # LU or dB, of the level that is delivered
_CLOSE = 0.1  # where solving stops
_TRIES = 6
_LEAST_SLOPE = 0.25  # dB of level for a dB of gain, deep in the limiter
_LIGHT_DB = 4.0  # of limiting
_DEEPEST_DB = 12.0  # of limiting: more would sound worse than missing the level, which the report then tells
_ROOM_TONE_S = 7.3  # the period of the room tone; nobody hears a loop at -70 dB
_LIMIT_MARGIN_DB = {"mp3": 0.8, "m4b": 0.8, "wav": 0.05, "flac": 0.05}  # what encoding may add to a peak


@dataclass(frozen=True)
class Master:
    """The gain and the true-peak limit that make a file as loud as its preset asks."""

    gain_db: float
    limit_dbtp: float


@dataclass(frozen=True)
class Timeline:
    """Where chapters lie in a file, in seconds."""

    starts_s: tuple[float, ...]
    duration_s: float


def timeline(chapters: Sequence[ChapterAudio], preset: Preset) -> Timeline:
    """Head, chapters with gaps between them, tail, as `master_blocks` lays them out."""
    rate = chapters[0].sample_rate_hz
    frames = round(preset.head_s * rate)
    starts = []
    for index, chapter in enumerate(chapters):
        frames += round(preset.chapter_gap_s * rate) if index else 0
        starts.append(frames / rate)
        frames += chapter.frames
    return Timeline(tuple(starts), (frames + round(preset.tail_s * rate)) / rate)


def master_blocks(chapters: Sequence[ChapterAudio], preset: Preset, master: Master) -> Iterator[Pcm]:
    """The finished stream at the preset's rate."""
    gain = np.float32(amplitude(master.gain_db))
    tone = _room_tone(preset.sample_rate_hz) * np.float32(amplitude(preset.room_tone_db))

    def levelled() -> Iterator[Pcm]:
        position = 0
        twice = np.tile(tone, 2)
        for whole in _resampled(chapters, preset):
            for block in np.split(whole, range(len(tone), len(whole), len(tone))):
                yield block * gain + twice[position : position + len(block)]
                position = (position + len(block)) % len(tone)

    return limit(levelled(), preset.sample_rate_hz, master.limit_dbtp)


def solve(chapters: Sequence[ChapterAudio], preset: Preset) -> Master:
    """Gain and limit that bring the stream to the preset's level, before it is encoded."""
    rate = chapters[0].sample_rate_hz
    limit_dbtp = preset.true_peak_dbtp - _LIMIT_MARGIN_DB[preset.format]
    raw = measure(ahead(_joined(chapters, preset, rate)), rate)
    gain_db = target(preset) - level(raw, preset)
    # Up to the limit, level follows gain exactly, and a few peaks limited lightly change it by less than the tolerance.
    # What heavier limiting takes away has to be given back, and limited again: each step goes by the slope of the last.
    before_db, reached = 0.0, level(raw, preset)
    for _try in range(_TRIES):
        if raw.true_peak_dbtp + gain_db - limit_dbtp <= _LIGHT_DB:
            break
        levels = measure(master_blocks(chapters, preset, Master(gain_db, limit_dbtp)), preset.sample_rate_hz)
        missing = target(preset) - level(levels, preset)
        if abs(missing) <= _CLOSE:
            break
        slope = (level(levels, preset) - reached) / (gain_db - before_db or 1.0)
        before_db, reached = gain_db, level(levels, preset)
        gain_db += missing / min(max(slope, _LEAST_SLOPE), 1.0)
        gain_db = min(gain_db, limit_dbtp - raw.true_peak_dbtp + _DEEPEST_DB)
    return Master(gain_db, limit_dbtp)


def correct(master: Master, levels: Levels, preset: Preset) -> Master | None:
    """A better master after what the deliverable measured; None where it is on target."""
    missing = target(preset) - level(levels, preset)
    over = levels.true_peak_dbtp - preset.true_peak_dbtp
    if abs(missing) <= TOLERANCE * 0.9 and over <= 0:
        return None
    return Master(
        master.gain_db + (missing if abs(missing) > _CLOSE else 0.0),
        master.limit_dbtp - (over + 0.1 if over > 0 else 0.0),
    )


def mastering(preset: Preset) -> Hashable:
    """The fields of a preset that shape the stream before it is encoded; presets equal in them share one master."""
    return (
        preset.sample_rate_hz,
        preset.lufs,
        preset.rms_db,
        preset.true_peak_dbtp - _LIMIT_MARGIN_DB[preset.format],
        preset.room_tone_db,
        preset.head_s,
        preset.tail_s,
        preset.chapter_gap_s,
    )


def target(preset: Preset) -> float:
    """The level asked for, in LUFS or dB RMS."""
    wanted = preset.lufs if preset.lufs is not None else preset.rms_db
    assert wanted is not None
    return wanted


def level(levels: Levels, preset: Preset) -> float:
    """The level measured, in the preset's own metric."""
    return levels.lufs if preset.lufs is not None else levels.rms_db


def _resampled(chapters: Sequence[ChapterAudio], preset: Preset) -> Iterator[Pcm]:
    """Silence, chapters and gaps as one stream at the preset's rate."""
    rate = chapters[0].sample_rate_hz
    if rate == preset.sample_rate_hz:
        yield from _joined(chapters, preset, rate)
        return
    stream = soxr.ResampleStream(rate, preset.sample_rate_hz, 1, dtype="float32", quality="HQ")
    wanted = round(timeline(chapters, preset).duration_s * preset.sample_rate_hz)
    for block in _blocks_then_end(_joined(chapters, preset, rate)):
        resampled = stream.resample_chunk(block, last=not len(block))[:wanted]
        wanted -= len(resampled)
        yield resampled
    yield np.zeros(wanted, np.float32)


def _blocks_then_end(blocks: Iterable[Pcm]) -> Iterator[Pcm]:
    yield from (block for block in blocks if len(block))
    yield np.empty(0, np.float32)


def _joined(chapters: Sequence[ChapterAudio], preset: Preset, rate: int) -> Iterator[Pcm]:
    yield silence(preset.head_s, rate)
    for index, chapter in enumerate(chapters):
        if index:
            yield silence(preset.chapter_gap_s, rate)
        yield from flac.read_blocks(chapter.path)
    yield silence(preset.tail_s, rate)


@cache
def _room_tone(sample_rate_hz: int) -> Pcm:
    """A few seconds of soft noise at 0 dB RMS, the same on every machine, made to repeat without a seam."""
    frames = round(_ROOM_TONE_S * sample_rate_hz)
    from scipy.signal import lfilter

    white = np.random.RandomState(0).standard_normal(frames)
    corner = np.exp(-2 * np.pi * 800 / sample_rate_hz)  # falls by 6 dB an octave from 800 Hz, as a quiet room's does
    soft = lfilter([1 - corner], [1, -corner], np.concatenate([white, white]))[frames:]
    tone: Pcm = (soft / np.sqrt(np.mean(soft**2))).astype(np.float32)
    return tone
