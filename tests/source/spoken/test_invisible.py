from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.families import families
from pipeline.source.spoken.invisible import Visible
from pipeline.source.spoken.pairs import Normalizer, said
from tests.support.spoken_words import ENGLISH

SHY, SPACE, JOINER, NON_JOINER, RIGHT_TO_LEFT = "\u00ad", "\u200b", "\u200d", "\u200c", "\u200f"
PARTS = [SHY, SPACE, JOINER, NON_JOINER, RIGHT_TO_LEFT, "\ufeff", "\u2066", "1984", "5 km", "Henry IV", "a", "👩", " "]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map(lambda parts: " ".join("".join(parts).split()))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (f"1{SHY}984", "nineteen eighty-four"),
        (f"Hen{SHY}ry IV", "Henry the fourth"),
        (f"the U.{SHY}S. Army", "the US Army"),
        (f"5 k{SHY}m", "five kilometers"),
        (f"1{SPACE},000", "one thousand"),
        (f"{RIGHT_TO_LEFT}$5{RIGHT_TO_LEFT} million", "five million dollars"),
        (f"So (lau{SHY}ghs) yes", "So (laughs) yes"),
        (f"a {SPACE} b{SHY}", "a b"),
        (f"👩{JOINER}💻 typed 5", "typed five"),
        (SPACE, ""),
    ],
)
def test_what_is_invisible_changes_no_word(text: str, spoken: str) -> None:
    assert said(ENGLISH.pairs(text)) == spoken


def test_pairs_are_in_characters_of_what_is_displayed() -> None:
    text = f"In 1{SHY}984 it{SPACE} rained"
    assert [(text[pair.start : pair.end], pair.spoken) for pair in ENGLISH.pairs(text)] == [
        ("In", "In"),
        (f"1{SHY}984", "nineteen eighty-four"),
        (f"it{SPACE}", "it"),
        ("rained", "rained"),
    ]


def test_a_joiner_stays_where_it_shapes_letters() -> None:
    assert Visible(f"می{NON_JOINER}خواهم").text == f"می{NON_JOINER}خواهم"
    assert Visible(f"क्{JOINER}ष 5{JOINER}5").text == f"क्{JOINER}ष 55"


@given(TEXTS, st.sampled_from(["en", "de", "fa"]))
def test_pairs_cover_what_is_invisible_too(text: str, language: str) -> None:
    pairs = Normalizer(language, families=families(language)).pairs(text)
    assert "".join(text[pair.start : pair.end] for pair in pairs).replace(" ", "") == text.replace(" ", "")
    assert all(before.end <= after.start <= before.end + 1 for before, after in pairwise(pairs))
