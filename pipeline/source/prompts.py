"""Prompts: the recording of a voice and the exact words spoken in it, from which an engine clones the voice.

In: a clip in any sound format, its transcript, and a note that whoever speaks agreed. Out: a voice's folder with
`voice.yaml` and `prompt.flac`, or plain words for all that is wrong with the clip. Knows no engines.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
import yaml

from pipeline.audio import Pcm, flac
from pipeline.audio.codecs import decode, probe
from pipeline.audio.edit import trim
from pipeline.audio.loudness import FULL_SCALE, amplitude, decibels, rms_db
from pipeline.engines import Voice
from pipeline.errors import Problem, RequestError, StorageError, raise_if_any
from pipeline.files import atomic_path, safe_name, storage_errors
from pipeline.source.names import Gender

SAMPLE_RATE_HZ = 44_100
SHORTEST_S, LONGEST_S = 3, 10

_BYTES_PER_S = (4, 30)  # of transcript; English narration has 15
_SILENT_DB = -60.0  # RMS
_QUIET_DB = -40.0  # RMS; what has to be raised further brings its noise along
_CLIPPED_SAMPLES = 8  # a take that was normalised has one or two at full scale
_NOISE_DB = 15.0  # the quietest moments of clean speech lie at least so far below all of it
_MOMENT_S = 0.02
_LEVEL_DB, _PEAK_DB = -20.0, -3.0  # of what is stored: RMS, unless a sample would pass the peak
_READ_S = 120  # a clip in longer silence than this is not looked for


@dataclass(frozen=True)
class AddedVoice:
    """A voice that was written, and what to think of though nothing is wrong."""

    folder: Path
    audio_s: float
    warnings: tuple[Problem, ...]


def check_prompt(pcm: Pcm, sample_rate_hz: int, transcript: str) -> list[str]:
    """What makes `pcm` `[T]` (finite samples, full scale 1.0) unfit as a prompt that says `transcript`, in plain words.

    A prompt has 3 to 10 s, sounds, is neither clipped nor too quiet, and its transcript has 4 to 30 bytes a second.
    """
    return [f"{what} {fix}" for what, fix in _faults(pcm, sample_rate_hz, transcript)]


def prompt_problems(voice: Voice, where: str) -> list[Problem]:
    """What `check_prompt` has against the voice's prompt on disk, or that it cannot be read, as problems of `where`.

    A voice without a prompt has no problems. Reads the sound, which is slow for a whole library.
    """
    if voice.prompt is None:
        return []
    try:
        faults = _faults(*_read(voice.prompt), voice.transcript)
    except RequestError as error:
        faults = [(problem.what, problem.next) for problem in error.problems]
    return [Problem(where, f'the prompt of the voice "{voice.name}": {what}', fix) for what, fix in faults]


def add_voice(
    name: str,
    clip: Path,
    *,
    transcript: str,
    consent: str,
    description: str = "Made from a recording",
    gender: Gender | None = None,
    accent: str = "",
    voices: Path = Path("voices"),
    force: bool = False,
) -> AddedVoice:
    """Make the folder `voices`/`name` from a recording; with `force`, over a voice that is there.

    The clip is averaged to mono, trimmed of silence at both ends, resampled to 44,100 Hz, and brought to -20 dB RMS as
    far as its peaks stay below -3 dBFS. Raises `RequestError` with all that is wrong with the clip and the words, and
    `StorageError` where the folder cannot be written.
    """
    folder = voices / name
    transcript, consent, description, accent = (
        " ".join(text.split()) for text in (transcript, consent, description, accent)
    )
    problems = _name_problems(name, folder, force=force)
    texts = {"--transcript": transcript, "--consent": consent, "--description": description, "--accent": accent}
    problems += [
        Problem(where, "it holds control characters, or bytes that are no UTF-8.", "Type it anew.")
        for where, text in texts.items()
        if any(unicodedata.category(char) in ("Cc", "Cs") for char in text)  # Cs: half of a surrogate pair
    ]
    if not consent:
        example = "Recorded by Ada Example, who agreed to this use on 2026-01-31."
        problems.append(Problem("--consent", "it is empty.", f'Say who speaks and agreed, and when: "{example}"'))
    try:
        whole, rate_hz = _read(clip)
    except RequestError as error:
        raise RequestError(*problems, *error.problems) from None
    start, end = trim(whole, rate_hz)
    pcm = whole[start:end]
    problems += [Problem(str(clip), what, fix) for what, fix in _faults(pcm, rate_hz, transcript)]
    raise_if_any(problems)
    stored = _leveled(np.asarray(soxr.resample(pcm, rate_hz, SAMPLE_RATE_HZ, "HQ"), np.float32))
    # Once more, as jobs will: beside a loud click, the words are too quiet now.
    raise_if_any([Problem(str(clip), what, fix) for what, fix in _faults(stored, SAMPLE_RATE_HZ, transcript)])
    about = {"gender": gender, "accent": accent}
    body = {"description": description, "consent": consent} | {key: text for key, text in about.items() if text}
    body |= {"prompt": "prompt.flac", "transcript": transcript}
    _write(folder, yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=110), stored)
    return AddedVoice(folder, len(stored) / SAMPLE_RATE_HZ, tuple(_noise(pcm, rate_hz, str(clip))))


def _faults(pcm: Pcm, sample_rate_hz: int, transcript: str) -> list[tuple[str, str]]:
    """What is wrong, and what to do about it."""
    level_db = rms_db(pcm)
    if level_db < _SILENT_DB:
        return [("there is no sound in it.", "Give a clip of somebody speaking.")]
    faults = []
    seconds = round(len(pcm) / sample_rate_hz, 1)  # as it stands in messages, so that both agree
    length = f"it has {seconds:.1f} s of sound, and a prompt needs {SHORTEST_S} to {LONGEST_S} s."
    if seconds < SHORTEST_S:
        faults.append((length, "Record more."))
    if seconds > LONGEST_S:
        faults.append((length, "Cut the clip, and its transcript to the same words."))
    clipped = np.count_nonzero(np.abs(pcm) >= FULL_SCALE)
    if clipped > _CLIPPED_SAMPLES:
        faults.append((f"it is clipped: {clipped} samples are at full scale.", "Record it again, at a lower level."))
    if level_db < _QUIET_DB:
        quiet = f"it is too quiet: {level_db:.0f} dB RMS, where {_QUIET_DB:.0f} is the least."
        faults.append((quiet, "Record it again, closer or at a higher level."))
    size = len(" ".join(transcript.split()).encode(errors="replace"))
    least, most = _BYTES_PER_S
    if not size:
        faults.append(("it has no transcript.", "Give the exact words of the clip."))
    elif not least * seconds <= size <= most * seconds:
        mismatch = f"its transcript of {size} bytes cannot be the exact words of {seconds:.1f} s:"
        faults.append((f"{mismatch} speech has {least} to {most} bytes a second.", "Give the exact words of the clip."))
    return faults


def _noise(pcm: Pcm, sample_rate_hz: int, where: str) -> list[Problem]:
    """A warning where even the quietest moments are loud: room noise is cloned along with the voice."""
    moment = round(_MOMENT_S * sample_rate_hz)
    moments = pcm[: len(pcm) - len(pcm) % moment].reshape(-1, moment)
    squares = np.mean(np.square(moments, dtype=np.float64), axis=1)
    below_db = rms_db(pcm) - decibels(math.sqrt(np.percentile(squares, 5)))
    if below_db >= _NOISE_DB:
        return []
    what = f"its quietest moments are only {below_db:.0f} dB below the speech, and noise is cloned with a voice."
    return [Problem(where, what, "Record it in a quieter room if the voice turns out noisy.")]


def _leveled(pcm: Pcm) -> Pcm:
    """`pcm` at the level prompts are stored at."""
    peak = float(np.abs(pcm).max())
    return pcm * np.float32(min(amplitude(_LEVEL_DB - rms_db(pcm)), amplitude(_PEAK_DB) / peak))


def _read(clip: Path) -> tuple[Pcm, int]:
    """A sound file's samples `[T]`, channels averaged, and their rate. Raises `RequestError`."""
    try:
        rate_hz = probe(clip).sample_rate_hz
        blocks, frames = [np.zeros(0, np.float32)], 0
        for block in decode(clip):
            blocks.append(block)
            frames += len(block)
            if frames > _READ_S * rate_hz:
                what = f"it is longer than {_READ_S} s, and a prompt needs {SHORTEST_S} to {LONGEST_S} s."
                problem = Problem(str(clip), what, "Cut the clip, and its transcript to the same words.")
                raise RequestError(problem)
        pcm = np.concatenate(blocks)
        if np.isfinite(pcm).all():
            return pcm, rate_hz
        problem = Problem(str(clip), "it holds samples that are no numbers.", "Export the clip again.")
    except OSError as error:
        problem = Problem(str(clip), f"it cannot be read ({error.strerror or error}).", "Check the path.")
    except ValueError:
        problem = Problem(str(clip), "it is no sound that can be read.", "Give a WAV, FLAC, MP3 or M4A file.")
    raise RequestError(problem)


def _name_problems(name: str, folder: Path, *, force: bool) -> list[Problem]:
    if safe_name(name) != name:
        return [Problem(f'"{name}"', "it cannot be the name of a folder everywhere.", f'Try "{safe_name(name)}".')]
    if (folder / "voice.yaml").exists() and not force:
        return [
            Problem(str(folder), "this voice is there already.", "Choose another name, or replace it with --force.")
        ]
    return []


def _write(folder: Path, described: str, pcm: Pcm) -> None:
    """Put both files in place, `voice.yaml` last: without it there is no voice. Raises `StorageError`."""
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "voice.yaml") as text, atomic_path(folder / "prompt.flac") as sound:
            text.write_bytes(described.encode())
            sound.write_bytes(flac.encode(flac.quantize(pcm), SAMPLE_RATE_HZ))
    except StorageError as error:
        fix = "Make room, or choose another folder with --to."
        raise StorageError(*(replace(problem, next=fix) for problem in error.problems)) from error
