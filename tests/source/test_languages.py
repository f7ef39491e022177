"""Codes of languages as books have them, and as manifests do."""

from __future__ import annotations

import pytest

from pipeline.source.languages import LANGUAGES, short_code


@pytest.mark.parametrize(
    ("code", "short"),
    [("deu", "de"), ("ger", "de"), ("ENG", "en"), ("en_GB", "en-GB"), ("fre-CA", "fr-CA")],
)
def test_three_letters_become_two(code: str, short: str) -> None:
    assert short_code(code) == short


def test_every_language_has_both() -> None:
    assert all(short_code(three) == two for two, three in LANGUAGES.items())
