"""What texts repeat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.repeats import repeated_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("The lamp is lit.", 0),
        ("No! No! No!", 6),
        ("Row, row, row your boat, gently.", 8),
        ("I know, I know, I know it.", 14),
        ("He said that that was so.", 5),
        ("Hahaha, no.", 4),
        ("Shhhhh!", 4),
        ("A committee of bookkeepers.", 0),
        ("Ёж, ёж!", 5),
        ("no cat not cat", 0),
    ],
)
def test_what_is_said_again_at_once_is_counted(text: str, count: int) -> None:
    """Words, phrases and letters, whatever stands between them."""
    assert repeated_bytes(text) == count


@given(st.text(max_size=300))
def test_no_text_repeats_more_than_it_has(text: str) -> None:
    """Whatever it holds."""
    assert 0 <= repeated_bytes(text) <= len(text.casefold().encode("utf-8", "surrogatepass")) + 1


@given(st.lists(st.sampled_from(["no", "yes", "row your boat"]), max_size=6), st.integers(1, 4))
def test_more_of_the_same_is_more(words: list[str], times: int) -> None:
    """Each time it is said again."""
    text = " ".join(words)
    assert repeated_bytes(" ".join([text] * (times + 1))) >= repeated_bytes(text)
