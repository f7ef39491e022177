from __future__ import annotations

import pytest

from pipeline.source.spoken.digits.ordinals import opens_german, ordinal_words


@pytest.mark.parametrize(
    ("number", "language", "gender", "words"),
    [
        (1, "fr", "f", "première"),
        (21, "fr", "f", "vingt et unième"),
        (3, "es", "short", "tercer"),
        (23, "es", "f", "vigésima tercera"),
        (2, "it", "f", "seconda"),
        (5, "cs", "m", None),
    ],
)
def test_ordinals_have_a_gender(number: int, language: str, gender: str, words: str | None) -> None:
    assert ordinal_words(number, language, gender) == words


def test_words_that_open_german_sentences() -> None:
    assert opens_german("Dann")
    assert not opens_german("Mann")
