"""A recogniser of phones that listens to what engines say: which phones it hears.

Phones are compared as a recogniser of American English can tell them apart: without length and stress, weak vowels as
one, the vowels of "cot" and "caught" as one, a vowel with an r behind it by the r.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from kokoro_onnx.config import DEFAULT_VOCAB
from numpy.typing import NDArray

from pipeline.engines.kokoro.phonemes import phonemes

RATE_HZ = 16_000
_FRAME = RATE_HZ // 100
_QUIET, _PAUSE_FRAMES = 0.02, 12  # of the loudest sample; 10 ms each
_SHORTEST_S = 1.0
NAME = re.compile(r"/([^/]+)/")
_PHONE = re.compile(r"tʃ|dʒ|[^\W\d_]")
_SAME = {  # in this order: what one sign stands for, then what sounds alike
    "ʧ": "tʃ",
    "ʤ": "dʒ",
    "ᵻ": "ɪ",
    "ᵊ": "ə",
    "ɐ": "ə",
    "ʌ": "ə",
    "ɡ": "g",
    "ɹ": "r",
    "ɾ": "t",
    "ɚ": "ər",
    "ɝ": "ər",
    "ɜr": "ər",
    "ɜ": "ər",
    "ɪər": "ɪr",
    "hw": "w",
    "β": "b",
    "oʊ": "o",
    "əʊ": "o",
    "eɪ": "e",
    "ɒ": "ɑ",
    "ɔɪ": "Y",
    "ɔ": "ɑ",
    "aɪ": "I",
    "aʊ": "W",
    "a": "ɑ",
}


def phones(ipa: str) -> list[str]:
    """The phones of some IPA, as they are compared."""
    plain = "".join(sign for sign in unicodedata.normalize("NFD", ipa) if sign.isalpha() and sign not in "ˈˌːʲʰ")
    for sign, other in _SAME.items():
        plain = plain.replace(sign, other)
    return _PHONE.findall(plain)


def recognized_phones(folder: Path, sound: NDArray[np.float32], rate_hz: int) -> list[str]:
    """What hama in `folder` hears in `sound`, mono `[T]`, phrase by phrase: in a long text it may lose itself."""
    at_16_khz = soxr.resample(sound, rate_hz, RATE_HZ)
    results = (_recognizer(folder)(phrase, RATE_HZ) for phrase in _phrases(at_16_khz))
    return [phone for result in results for phone in phones(" ".join(result.phonemes))]


def _phrases(sound: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The sound cut in the midst of its pauses."""
    frames = np.abs(sound[: len(sound) // _FRAME * _FRAME]).reshape(-1, _FRAME).max(axis=1)
    is_quiet = frames < _QUIET * frames.max()
    start = pause = 0
    for index, quiet in enumerate([*is_quiet, False]):
        if quiet:
            pause += 1
            continue
        middle = (index - pause // 2) * _FRAME
        if pause >= _PAUSE_FRAMES and middle - start > _SHORTEST_S * RATE_HZ:
            yield sound[start:middle]
            start = middle
        pause = 0
    yield sound[start:]


@functools.cache
def _recognizer(folder: Path) -> Any:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("hama").ASRModel()
    finally:
        sys.path.remove(str(folder))


def expected_phones(spoken: str, espeak_voice: str) -> Iterator[tuple[str, bool]]:
    """Each phone of what Kokoro was given, and whether it is one of a name, which stands there as IPA."""
    for index, part in enumerate(NAME.split(spoken)):
        if index % 2:
            yield from ((phone, True) for phone in phones(part))
        elif any(map(str.isalnum, part)):
            yield from ((phone, False) for phone in phones(phonemes(part, espeak_voice, DEFAULT_VOCAB)))
