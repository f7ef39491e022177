from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.families import digits, families
from pipeline.source.spoken.pairs import Normalizer, said

CASES = [
    line.split("\t")
    for line in (Path(__file__).parents[1] / "cases" / "languages.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
LANGUAGES = [
    "ar",
    "cs",
    "de",
    "fa",
    "fr",
    "he",
    "hu",
    "id",
    "is",
    "ja",
    "ko",
    "pl",
    "ro",
    "ru",
    "sv",
    "te",
    "th",
    "vi",
]


@pytest.mark.parametrize(("language", "text", "spoken"), CASES)
def test_numbers_of_other_languages(language: str, text: str, spoken: str) -> None:
    assert said(Normalizer(language, families=families(language)).pairs(text)) == spoken


@given(st.sampled_from(LANGUAGES), st.text(st.sampled_from("0123456789.,:/-–€%$° kmxé٣½"), max_size=12))
def test_no_text_is_lost_in_any_language(language: str, text: str) -> None:
    text = " ".join(text.split())
    pairs = Normalizer(language, families=(digits(language),)).pairs(text)
    assert "".join(text[pair.start : pair.end] for pair in pairs).replace(" ", "") == text.replace(" ", "")
