from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.pairs import Speech, said
from pipeline.source.spoken.rules import Family, Rule

NUMBERS = Family(re.compile(r"\d"), (Rule(re.compile(r"\d+(?: million)?"), lambda match: f"many ({len(match[0])})"),))
SPEECH = Speech("en", families=(NUMBERS,))
DISPLAY = st.lists(
    st.one_of(st.sampled_from(["12", "million", "“3", "million,”", "(laughs)"]), st.text(max_size=5))
).map(lambda parts: " ".join(" ".join(parts).split()))


@given(DISPLAY)
def test_pairs_cover_the_text_from_end_to_end(text: str) -> None:
    pairs = SPEECH.pairs(text)
    assert "".join(text[pair.start : pair.end] for pair in pairs).replace(" ", "") == text.replace(" ", "")
    assert all(before.end <= after.start <= before.end + 1 for before, after in pairwise(pairs))


def test_words_that_one_rule_joins_are_one_pair() -> None:
    text = "He had “12 million,” she said."
    pairs = SPEECH.pairs(text)
    assert [(text[pair.start : pair.end], pair.spoken) for pair in pairs] == [
        ("He", "He"),
        ("had", "had"),
        ("“12 million,”", '"many (10),"'),
        ("she", "she"),
        ("said.", "said."),
    ]
    assert said(pairs) == 'He had "many (10)," she said.'
