"""A recogniser that listens to what engines say, and how many words it got wrong."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from pipeline.source.spoken.families import families
from pipeline.source.spoken.pairs import Normalizer, said

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

RATE_HZ = 16_000
_NORMALIZER = Normalizer("en", families=families("en"))
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")


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
    """The words of a text as it is said, without case, accents and punctuation: "9th" and "ninth" are one word."""
    said_text = said(_NORMALIZER.pairs(" ".join(text.split()))).lower()
    plain = (char for char in unicodedata.normalize("NFD", said_text) if not unicodedata.combining(char))
    return _WORD.findall("".join(plain))


def word_errors(expected: Sequence[str], recognized: Sequence[str]) -> int:
    """The fewest words to replace, take out and put in (Levenshtein's distance); "tin foil" is "tinfoil"."""
    return len(misheard(expected, recognized))


def misheard(expected: Sequence[str], recognized: Sequence[str]) -> list[int]:
    """Where in `expected` each of these errors lies; what was put in counts where the word before it stands."""
    rows = [list(range(len(recognized) + 1))]
    for index in range(1, len(expected) + 1):
        rows.append([index])
        for place in range(1, len(recognized) + 1):
            rows[-1].append(min(cost for _step, cost in _steps(rows, expected, recognized, index, place)))
    places: list[int] = []
    index, place = len(expected), len(recognized)
    while index or place:
        (back, aside), cost = min(_steps(rows, expected, recognized, index, place), key=lambda step: step[1])
        if cost > rows[index - back][place - aside]:
            places.append(max(index - 1, 0))
        index, place = index - back, place - aside
    return places


def _steps(
    rows: Sequence[Sequence[int]], expected: Sequence[str], recognized: Sequence[str], index: int, place: int
) -> Iterator[tuple[tuple[int, int], int]]:
    """How far back each way to get to these numbers of words begins, and what it costs: the likeliest way first."""
    if index and place:
        word, other = expected[index - 1], recognized[place - 1]
        yield (1, 1), rows[index - 1][place - 1] + (word != other)
        if place > 1 and word == recognized[place - 2] + other:
            yield (1, 2), rows[index - 1][place - 2]
        if index > 1 and expected[index - 2] + word == other:
            yield (2, 1), rows[index - 2][place - 1]
    if index:
        yield (1, 0), rows[index - 1][place] + 1
    if place:
        yield (0, 1), rows[index][place - 1] + 1
