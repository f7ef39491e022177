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
_FRAME = RATE_HZ // 100
_QUIET, _SHORTEST_S = 0.02, 1.0  # of the loudest sample
_PAUSE_S, _LONGEST_S = 0.3, 25.0  # whisper listens to 30 s at a time, and a word at the border is lost
_NORMALIZER = Normalizer("en", families=families("en"))
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")


@functools.cache
def _recogniser(folder: Path) -> WhisperModel:
    from faster_whisper import WhisperModel

    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)


def transcribe(folder: Path, sound: NDArray[np.float32], rate_hz: int) -> str:
    """What whisper in `folder` hears in `sound`, mono `[T]`: greedy, in English, without a guess from before.

    A long sound is cut in its pauses.
    """
    parts: list[list[NDArray[np.float32]]] = [[]]
    for phrase in phrases(sound if rate_hz == RATE_HZ else soxr.resample(sound, rate_hz, RATE_HZ), _PAUSE_S):
        if sum(map(len, parts[-1])) + len(phrase) > _LONGEST_S * RATE_HZ:
            parts.append([])
        parts[-1].append(phrase)
    return " ".join(_transcribe_part(folder, np.concatenate(part)) for part in parts if part)


def _transcribe_part(folder: Path, sound: NDArray[np.float32]) -> str:
    segments, _info = _recogniser(folder).transcribe(
        sound.astype(np.float32), language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False
    )
    return " ".join(segment.text.strip() for segment in segments)


def phrases(sound: NDArray[np.float32], pause_s: float) -> Iterator[NDArray[np.float32]]:
    """The sound, 16 kHz mono `[T]`, cut in the midst of pauses of this length and more; none is shorter than 1 s."""
    frames = np.abs(sound[: len(sound) // _FRAME * _FRAME]).reshape(-1, _FRAME).max(axis=1)
    is_quiet = frames < _QUIET * frames.max()
    start = pause = 0
    for index, quiet in enumerate([*is_quiet, False]):
        if quiet:
            pause += 1
            continue
        middle = (index - pause // 2) * _FRAME
        if pause * _FRAME >= pause_s * RATE_HZ and middle - start > _SHORTEST_S * RATE_HZ:
            yield sound[start:middle]
            start = middle
        pause = 0
    yield sound[start:]


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
