from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.families import families
from pipeline.source.spoken.pairs import Normalizer, said


@pytest.mark.parametrize("language", "ar cs de es fi fr hu it ja ko nl pl pt ro ru sv th tr uk vi".split())
@given(numbers=st.lists(st.integers(0, 30_000), min_size=2, max_size=3))
def test_a_colon_between_numbers_is_no_pause(language: str, numbers: list[int]) -> None:
    text = ":".join(map(str, numbers))
    assert ":" not in said(Normalizer(language, families=families(language)).pairs(text))
