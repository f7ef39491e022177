from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.scripts import drop_unspeakable, unspeakable
from tests.support.spoken_words import DISPLAY


@pytest.mark.parametrize(
    ("said", "language", "found"),
    [
        ("hello naïve", "en", ""),
        ("say привет мир", "en", "привет"),
        ("say abcмир", "en", "мир"),
        ("привет мир", "ru-RU", ""),
        ("привет 世界", "ru", "世界"),
        ("東京タワーへ々", "ja", ""),
        ("서울", "ko_KR", ""),
        ("5 µm ª x²", "en", ""),
        ("नमस्ते", "hi", ""),
        ("नमस्ते", "en", "नमस्ते"),
        ("α", "xx", "α"),
    ],
)
def test_letters_of_other_scripts_are_found(said: str, language: str, found: str) -> None:
    assert unspeakable(said, language) == found


@given(DISPLAY, st.sampled_from(["en", "ru", "ja", "zh-CN"]))
def test_nothing_unspeakable_is_left(display: str, language: str) -> None:
    assert unspeakable(drop_unspeakable(display, language), language) == ""
    if not unspeakable(display, language):
        assert drop_unspeakable(display, language) == display
