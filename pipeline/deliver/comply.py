"""Comply: a file against a profile, limit by limit.

In: anybody's sound files, or what was measured of a deliverable. Out: a `Check` for each thing that can be limited,
with its value, its limit and where that stands. Files are read in blocks, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.codecs import Probe, decode_channels, probe
from pipeline.audio.contents import Contents, codec_of, read_contents
from pipeline.audio.loudness import Levels, measure_channels
from pipeline.deliver.profiles import (
    TAG_NAMES,
    Bounds,
    CodecChoice,
    CoverLimit,
    ModeLimit,
    NumberChoice,
    Profile,
    TagLimit,
)
from pipeline.errors import Problem, reason
from pipeline.source.documents import siblings

MONO_LU = 3.01  # 10 log10 of 2: one channel on two loudspeakers
_LOWEST_HZ, _HIGHEST_HZ = 8_000, 768_000  # rates at which K-weighting has a meaning
_LOUDEST = 1e6  # of a sample, where full scale is 1
_SPARE_S = 0.1  # that may be missing: coders' delay
_EVERY = "every profile"
Value = float | int | str
OnMeasured = Callable[[float], None]  # seconds of sound measured since the last call


@dataclass(frozen=True)
class Check:
    """One row: what was measured, what is allowed, and where that stands. Without a limit everything is allowed."""

    name: str
    value: Value | None
    limit: str | None
    ok: bool
    source: str


@dataclass(frozen=True)
class MeasuredFile:
    """A file as it is heard, and what else is in it; `contents` is None where nobody looked."""

    levels: Levels
    sound: Probe
    contents: Contents | None = None


@dataclass(frozen=True)
class FileChecks:
    """A file against a profile."""

    path: str
    profile: str
    ok: bool
    checks: tuple[Check, ...]


def comply(
    paths: Sequence[Path], profile: Profile, on_measured: OnMeasured = lambda _seconds: None
) -> list[FileChecks]:
    """Check files in which `files_problems` sees none. What breaks off later is a row of its own."""
    measured = [_measure(path, on_measured) for path in paths]
    channels = [one.sound.channels for one in measured if isinstance(one, MeasuredFile)]
    results = []
    for path, one in zip(paths, measured, strict=True):
        if isinstance(one, MeasuredFile):
            rows = list(checks(profile, one))
            if profile.same_channels and len(channels) > 1:
                rows.append(_same_channels(one.sound, channels, profile))
        else:
            rows = [one]
        results.append(FileChecks(str(path), profile.profile, all(row.ok for row in rows), tuple(rows)))
    return results


def checks(profile: Profile, measured: MeasuredFile) -> Iterator[Check]:
    """A row for everything that can be limited, whether `profile` limits it or not."""
    levels, sound = measured.levels, measured.sound
    yield _level(profile, levels, sound)
    yield _within("true_peak", levels.true_peak_dbtp, profile.true_peak_dbtp, "dBTP", profile)
    yield _within("noise_floor", levels.noise_floor_db, profile.noise_floor_db, "dB RMS", profile)
    yield _within("head", levels.head_s, profile.head_s, "s", profile)
    yield _within("tail", levels.tail_s, profile.tail_s, "s", profile)
    yield _one_of("format", codec_of(sound), profile.codec, profile)
    yield _one_of("sample_rate", sound.sample_rate_hz, profile.sample_rate_hz, profile)
    yield _one_of("channels", sound.channels, profile.channels, profile)
    contents = measured.contents
    if contents is not None:
        yield _mode(contents, profile.bit_rate_mode, profile)
    kbps = sound.bitrate_kbps if contents is None else contents.bitrate_kbps
    yield _within("bit_rate", kbps, profile.bitrate_kbps, "kbps", profile)
    yield _within("length", levels.duration_s, profile.duration_s, "s", profile)
    if contents is not None:
        yield _tags(contents, profile.tags, profile)
        yield _cover(contents.cover, profile.cover, profile)
        yield _within("chapters", contents.chapters, profile.chapters, "", profile)
        yield _whole(levels, sound, contents)


def length_s(paths: Sequence[Path]) -> float:
    """How long files last together, as their headers say it; those that cannot be read any more count nothing."""
    seconds = 0.0
    for path in paths:
        with suppress(OSError, ValueError):
            seconds += probe(path).duration_s
    return seconds


def files_problems(paths: Sequence[Path]) -> list[Problem]:
    """Why files hold no sound that can be measured, going by how they begin."""
    return [problem for path in paths if (problem := _problem(path)) is not None]


def _problem(path: Path) -> Problem | None:
    where = str(path)
    try:
        sound = probe(path)
    except FileNotFoundError:
        return Problem(where, "there is no such file.", siblings(path))
    except IsADirectoryError:
        return Problem(where, "this is a folder.", "Name the files in it.")
    except PermissionError:
        return Problem(where, "the file may not be read.", f"Allow it, for example: chmod u+r {path.name}")
    except OSError as error:
        return Problem(where, f"the file cannot be read ({error.strerror or error}).", "Name a sound file.")
    except ValueError:
        if not path.stat().st_size:
            return Problem(where, "the file is empty.", "Make it again.")
        return Problem(where, "this is no sound that can be read.", "Name an MP3, M4A, M4B, WAV, FLAC or Ogg file.")
    if not _LOWEST_HZ <= sound.sample_rate_hz <= _HIGHEST_HZ:
        what = f"its sample rate is {sound.sample_rate_hz:,} Hz, at which no level is defined."
        return Problem(where, what, "Give it a usual one, such as 44,100 Hz.")
    return None


def _measure(path: Path, on_measured: OnMeasured) -> MeasuredFile | Check:
    """What is to be known of a file, or the row that says why it cannot be read to its end."""
    try:
        sound = probe(path)
        levels = measure_channels(_numbers(path, sound, on_measured), sound.sample_rate_hz)
        return MeasuredFile(levels, sound, read_contents(path, sound))
    except (OSError, ValueError) as error:
        return Check("readable", reason(error).removeprefix(f"{path}: "), "to its end", False, _EVERY)


def _numbers(path: Path, sound: Probe, on_measured: OnMeasured) -> Iterator[NDArray[np.float32]]:
    """The blocks of a file. Raises `ValueError` for samples that are no numbers, as a WAV of floats may have."""
    for block in decode_channels(path):
        if not np.abs(block).max(initial=0) < _LOUDEST:  # which is so of NaN, too
            raise ValueError("there are samples in it that are no numbers")
        yield block
        on_measured(block.shape[-1] / sound.sample_rate_hz)


def _level(profile: Profile, levels: Levels, sound: Probe) -> Check:
    """The level in the profile's own metric, and LUFS where it has none."""
    if profile.rms_db is not None:
        return _within("level", levels.rms_db, profile.rms_db, "dB RMS", profile)
    if not (profile.stereo_sum and sound.channels == 1):
        return _within("level", levels.lufs, profile.lufs, "LUFS", profile)
    note = f", where mono counts +3 LU: it measures {levels.lufs:.2f}"
    return _within("level", levels.lufs + MONO_LU, profile.lufs, f"LUFS{note}", profile)


def _within(name: str, measured: float, bounds: Bounds | None, unit: str, profile: Profile) -> Check:
    value = round(measured, 2)  # judged as it is shown
    if bounds is None:
        return Check(name, value, None, True, "")
    low, high = bounds.min, bounds.max
    text = f"{low:g} to {high:g}" if low is not None and high is not None else ""
    if low == high:
        text = f"{low:g}"
    text = text or (f"at least {low:g}" if low is not None else f"at most {high:g}")
    ok = (low is None or value >= round(low, 2)) and (high is None or value <= round(high, 2))
    return Check(name, value, f"{text} {unit}".rstrip(), ok, bounds.source or profile.source)


def _one_of(name: str, value: int | str, choice: NumberChoice | CodecChoice | None, profile: Profile) -> Check:
    if choice is None:
        return Check(name, value, None, True, "")
    limit = " or ".join(map(str, choice.one_of))
    return Check(name, value, limit, value in choice.one_of, choice.source or profile.source)


def _mode(contents: Contents, limit: ModeLimit | None, profile: Profile) -> Check:
    if limit is None:
        return Check("bit_rate_mode", contents.mode, None, True, "")
    return Check(
        "bit_rate_mode", contents.mode, limit.mode, contents.mode == limit.mode, limit.source or profile.source
    )


def _tags(contents: Contents, limit: TagLimit | None, profile: Profile) -> Check:
    """Which tags are there, of those that a profile may ask for, or of those that this one does."""
    names = TAG_NAMES if limit is None else limit.required
    there = [name for name in names if contents.tags.get(name, "").strip()]
    value = ", ".join(there) or "none"
    if limit is None:
        return Check("tags", value, None, True, "")
    return Check("tags", value, ", ".join(names), len(there) == len(names), limit.source or profile.source)


def _cover(size: tuple[int, int] | None, limit: CoverLimit | None, profile: Profile) -> Check:
    value = "none" if size is None else "broken" if size == (0, 0) else f"{size[0]} x {size[1]}"
    if limit is None:
        return Check("cover", value, None, True, "")
    most = "" if limit.max_px is None else f" and at most {limit.max_px}"
    text = f"{'square, ' * limit.square}at least {limit.min_px}{most} pixels a side" + ", or none" * (
        not limit.required
    )
    if size is None:
        ok = not limit.required
    else:
        fits = limit.min_px <= min(size) and (limit.max_px is None or max(size) <= limit.max_px)
        ok = fits and (size[0] == size[1] or not limit.square)
    return Check("cover", value, text, ok, limit.source or profile.source)


def _whole(levels: Levels, sound: Probe, contents: Contents) -> Check:
    """Whether as much can be heard as the file itself says there is: downloads and copies break off."""
    unheard_s = 0.0 if sound.frames is None else sound.duration_s - levels.duration_s
    limit = f"at most {_SPARE_S:g} s of what it says it has"
    missing_s = max(contents.missing_s, unheard_s, 0.0)
    return Check("missing", round(missing_s, 2), limit, missing_s <= _SPARE_S, _EVERY)


def _same_channels(sound: Probe, channels: Sequence[int], profile: Profile) -> Check:
    usual = max(sorted(set(channels)), key=channels.count)
    source = profile.channels.source if profile.channels is not None else ""
    limit = f"{usual}, as most of these {len(channels)} files"
    return Check("same_channels", sound.channels, limit, sound.channels == usual, source or profile.source)
