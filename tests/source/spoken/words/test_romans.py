from __future__ import annotations

import pytest

from pipeline.source.spoken.pairs import said
from tests.support.spoken_words import ENGLISH, cases


@pytest.mark.parametrize(("display", "spoken"), cases("romans"))
def test_romans(display: str, spoken: str) -> None:
    assert said(ENGLISH.pairs(display)) == spoken
    assert said(ENGLISH.pairs(spoken)) == spoken
