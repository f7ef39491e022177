"""A recogniser that listens to what engines say, and how many words it got wrong."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

RATE_HZ = 16_000


@functools.cache
def _recogniser(folder: Path) -> WhisperModel:
    from faster_whisper import WhisperModel

    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)


def transcribe(folder: Path, sound: NDArray[np.float32], rate_hz: int) -> str:
    """What whisper in `folder` hears in `sound`, mono `[T]`: greedy, in English, without a guess from before."""
    at_16_khz = sound if rate_hz == RATE_HZ else soxr.resample(sound, rate_hz, RATE_HZ)
    segments, _info = _recogniser(folder).transcribe(
        at_16_khz.astype(np.float32), language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False
    )
    return " ".join(segment.text.strip() for segment in segments)


def transcribe_file(folder: Path, file: Path) -> str:
    """The same of a file that soundfile reads."""
    sound, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    return transcribe(folder, sound.mean(axis=1), rate_hz)


def words(text: str) -> list[str]:
    """Words without case and punctuation, and numbers in digits, as whisper's makers compare them.

    One word and two, tinfoil and tin foil, differ.
    """
    return str(_normalizer()(text)).split()


@functools.cache
def _normalizer() -> EnglishTextNormalizer:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({})  # type: ignore[no-untyped-call]


def word_errors(expected: Sequence[str], recognized: Sequence[str]) -> int:
    """The fewest words to replace, take out and put in (Levenshtein's distance)."""
    row = list(range(len(recognized) + 1))
    for index, word in enumerate(expected, start=1):
        diagonal, row[0] = row[0], index
        for place, other in enumerate(recognized, start=1):
            diagonal, row[place] = row[place], min(diagonal + (word != other), row[place] + 1, row[place - 1] + 1)
    return row[-1]
