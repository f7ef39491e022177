from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.text import NONVERBAL_TAGS, has_speech, nearest_tag, spoken, words
from tests.support.spoken_words import DISPLAY


def test_there_are_21_tags() -> None:
    assert len(NONVERBAL_TAGS) == 21


@pytest.mark.parametrize(
    ("display", "said"),
    [
        ("“Well”—‘yes’…", "\"Well\" - 'yes'..."),
        ("1990–1995 a\u00a0b\u200bc\u2009d", "1990-1995 a bc d"),
        ("hi 😀 there ❤\ufe0f 👩\u200d🚀!", "hi there !"),
        ("a\x07b \ue000 20° 5€ ½", "ab 20° 5€ ½"),
        ("cafe\u0301", "café"),
        ("Привет, 世界。 שלום", "Привет, 世界。 שלום"),
        ("So (LAUGHS) yes (Clears Throat).", "So (laughs) yes (clears throat)."),
        ("so (he said)", "so (he said)"),
    ],
)
def test_display_text_becomes_plain(display: str, said: str) -> None:
    assert spoken(display, tags=True) == said


@pytest.mark.parametrize(
    ("display", "said"),
    [
        ("So (laughs) yes.", "So yes."),
        ("Well (clears throat), yes.", "Well yes."),
        ("no(laughs)yes", "no yes"),
        ("(laughs)", ""),
        ("(he laughs)", "(he laughs)"),
        ("a (laughſ) b", "a b"),
    ],
)
def test_tags_can_be_left_out(display: str, said: str) -> None:
    assert spoken(display, tags=False) == said


@given(DISPLAY, st.booleans(), st.data())
def test_text_is_spoken_piece_by_piece(display: str, tags: bool, data: st.DataObject) -> None:
    parts = words(display)
    cut = data.draw(st.integers(0, len(parts)))
    pieces = (spoken(" ".join(part), tags=tags) for part in (parts[:cut], parts[cut:]))
    assert spoken(display, tags=tags) == " ".join(piece for piece in pieces if piece)


@given(st.text())
def test_spoken_text_is_clean_and_stays_as_it_is(display: str) -> None:
    said = spoken(display, tags=True)
    assert said == " ".join(said.split())
    assert spoken(said, tags=True) == said


@pytest.mark.parametrize(
    ("said", "speech"),
    [("(laughs)", False), ("(laughs) oh", True), ("—!", False), ("7", True), ("__", False)],
)
def test_speech_is_a_letter_or_digit_outside_tags(said: str, speech: bool) -> None:
    assert has_speech(said) is speech


def test_a_tag_of_two_words_is_one_word() -> None:
    assert words("so (clears throat) (a b), (Clears Throat).") == [
        "so",
        "(clears throat)",
        "(a",
        "b),",
        "(Clears Throat).",
    ]


@pytest.mark.parametrize(
    ("note", "tag"),
    [
        ("laughter", "(laughs)"),
        ("both laugh", "(laughs)"),
        ("laughs nervously", "(laughs)"),
        ("clearing throat", "(clears throat)"),
        ("chuckles", "(chuckle)"),
        ("sigh", "(sighs)"),
        ("the company", ""),
        ("", ""),
        ("we all laugh about it", ""),
    ],
)
def test_notes_stand_for_tags(note: str, tag: str) -> None:
    assert nearest_tag(note) == tag
