from __future__ import annotations

import pytest

from pipeline.engines.espeak import espeak_phonemes, espeak_with_voice
from pipeline.source.spoken.pairs import said
from tests.support.spoken_words import ENGLISH, cases


@pytest.mark.parametrize(("display", "spoken"), cases("capitals"))
def test_capitals(display: str, spoken: str) -> None:
    assert said(ENGLISH.pairs(display)) == spoken
    assert said(ENGLISH.pairs(spoken)) == spoken


@pytest.mark.parametrize("accent", ["en-us", "en"])
@pytest.mark.parametrize(
    "text",
    [
        "Plan A is good.",
        "Vitamins A and D",
        "She got an A in maths.",
        "an A+ student",
        "the grade of A is best",
        "in A minor",
        "in A flat",
        "from A to Z",
        "this A/B test",
        "A for effort",
        "Section A, page 3",
        "It is Plan A.",
        "Q&A time",
    ],
)
def test_espeak_reads_the_letter_a(text: str, accent: str) -> None:
    with espeak_with_voice(accent) as library:
        sounds = espeak_phonemes(library, said(ENGLISH.pairs(text)))
    assert "eɪ" in sounds
    assert "ɐ" not in sounds.split()
    assert "əvə" not in sounds
