"""Texts for calibration."""

from __future__ import annotations

import re

from pipeline.engines.dia.calibration.texts import FOR_ERRORS, FOR_SCALES
from pipeline.source.spoken.text import NONVERBAL_TAGS


def test_texts_are_what_dia_can_read() -> None:
    """Speakers alternate, the last tag is of who would be next, no tag is unknown, and none is too long."""
    texts = FOR_SCALES + FOR_ERRORS
    assert len(set(texts)) == len(texts) == 12
    assert max(len(text.encode()) for text in texts) > 250
    for text in texts:
        assert len(text.encode()) <= 300
        tags = re.findall(r"\[S\d\]", text)
        assert text.startswith("[S1] ")
        assert text.endswith(tags[-1])
        assert tags == ["[S1]", "[S2]"] * (len(tags) // 2) + ["[S1]"] * (len(tags) % 2)
        assert set(re.findall(r"\([a-z ]+\)", text)) <= NONVERBAL_TAGS
