"""espeak-ng forgets between two uses, and two threads do not disturb one another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.engines.espeak import espeak_phonemes, espeak_with_voice
from pipeline.errors import EngineError

SENTENCES = ("The lamp is lit.", "Read what you have read; live where lives are lived.", "Is it 3.5?", "Déjà vu!")


def _phonemes(sentence: str, voice: str = "en-us") -> str:
    with espeak_with_voice(voice) as library:
        return espeak_phonemes(library, sentence)


def test_phonemes_do_not_depend_on_what_was_said_before() -> None:
    """In any order, in both accents, in one thread or four."""
    alone = {sentence: _phonemes(sentence) for sentence in SENTENCES}
    for sentence in SENTENCES[::-1] * 3:
        _phonemes(sentence, "en")
        assert _phonemes(sentence) == alone[sentence]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(_phonemes, SENTENCES * 5)) == [alone[sentence] for sentence in SENTENCES * 5]


def test_all_clauses_come_back() -> None:
    """One after another, without punctuation."""
    assert _phonemes("The lamp is lit. Is it?") == "ðə lˈæmp ɪz lˈɪt ɪz ɪt"
    assert _phonemes("") == ""


def test_a_voice_that_is_not_there_is_told() -> None:
    """And the library can be used again."""
    with pytest.raises(EngineError, match='espeak-ng has no voice "mars"'), espeak_with_voice("mars"):
        pass
    assert _phonemes("So.") == "sˈoʊ"
