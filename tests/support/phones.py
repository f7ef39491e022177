"""Two recognisers of phones that listen to what engines say: which phones should be heard, and which neither hears.

hama learnt to write each word as its own G2P writes it, and hears "one" as "o n e" ever since. So ordinary words are
compared with what that G2P makes of them. Names stand in what is spoken as IPA, and are compared with that. Of a name
hama likes to make a word that it knows ("walking" of "Joaquin"). pocketsphinx knows no words here, is wrong more often,
and elsewhere. So a phone counts as misheard where neither of them hears it.

All sides are folded to what American English tells apart: without length and stress, weak vowels as one, the vowels of
"cot" and "caught" as one, a vowel with an r behind it by the r. `_SAME` is that table, `_ARPABET` pocketsphinx's signs.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from tests.support.listening import RATE_HZ, misheard, phrases

_PAUSE_S = 0.12
_AROUND_S = 0.3  # without silence around it, the beginning of a phrase is guessed ("he" as "you")
NAME = re.compile(r"/([^/]+)/")
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)*")
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
    "a": "ə",  # the last of "Goethe" for hama
}
_ARPABET = dict(
    pair.split(":")
    for pair in (
        "AA:ɑ AE:æ AH:ə AO:ɔ AW:aʊ AY:aɪ B:b CH:tʃ D:d DH:ð EH:ɛ ER:ɚ EY:eɪ F:f G:g HH:h IH:ɪ IY:i JH:dʒ K:k L:l M:m "
        "N:n NG:ŋ OW:oʊ OY:ɔɪ P:p R:r S:s SH:ʃ T:t TH:θ UH:ʊ UW:u V:v W:w Y:j Z:z ZH:ʒ"
    ).split()
)


def phones(ipa: str) -> list[str]:
    """The phones of some IPA, as they are compared."""
    plain = "".join(sign for sign in unicodedata.normalize("NFD", ipa) if sign.isalpha() and sign not in "ˈˌːʲʰ")
    for sign, other in _SAME.items():
        plain = plain.replace(sign, other)
    return _PHONE.findall(plain)


def misheard_phones(folder: Path, expected: Sequence[str], sound: NDArray[np.float32], rate_hz: int) -> list[int]:
    """Where in `expected` phones lie that neither hama in `folder` nor pocketsphinx hears in `sound`, mono `[T]`.

    Both listen phrase by phrase, as hama may lose itself in a long text.
    """
    around = round(_AROUND_S * RATE_HZ)
    padded = [np.pad(phrase, around) for phrase in phrases(soxr.resample(sound, rate_hz, RATE_HZ), _PAUSE_S)]
    by_words = phones("".join("".join(_hama(folder)(phrase, RATE_HZ).phonemes) for phrase in padded))
    by_phones = phones("".join(map(_heard_by_pocketsphinx, padded)))
    return sorted(set(misheard(expected, by_words)) & set(misheard(expected, by_phones)))


def expected_phones(folder: Path, spoken: str) -> Iterator[tuple[str, bool]]:
    """Each phone that hama in `folder` should hear in what an engine was given, and whether it is one of a name."""
    for index, part in enumerate(NAME.split(spoken)):
        for ipa in [part] if index % 2 else (_written(folder, word) for word in _WORD.findall(part)):
            yield from ((phone, index % 2 == 1) for phone in phones(ipa))


@functools.cache
def _written(folder: Path, word: str) -> str:
    return str(_g2p(folder)(word.lower()).ipa)


def _heard_by_pocketsphinx(phrase: NDArray[np.float32]) -> str:
    decoder = _pocketsphinx()
    decoder.start_utt()
    decoder.process_raw((phrase * 25_000).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    return "".join(_ARPABET.get(segment.word, "") for segment in decoder.seg())


@functools.cache
def _pocketsphinx() -> Any:
    from pocketsphinx import Decoder, get_model_path

    phones_alone = {"lm": None, "dict": None, "allphone": get_model_path("en-us/en-us-phone.lm.bin"), "lw": 2.0}
    return Decoder(
        hmm=get_model_path("en-us/en-us"),
        beam=1e-20,
        pbeam=1e-20,
        dither=True,
        seed=1,
        loglevel="FATAL",
        **phones_alone,
    )


@functools.cache
def _hama(folder: Path) -> Any:
    return _package(folder).ASRModel()


@functools.cache
def _g2p(folder: Path) -> Any:
    return _package(folder).G2PModel()


@functools.cache
def _package(folder: Path) -> Any:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("hama")
    finally:
        sys.path.remove(str(folder))
