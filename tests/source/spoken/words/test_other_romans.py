from __future__ import annotations

import pytest

from pipeline.source.spoken.pairs import Normalizer, said
from pipeline.source.spoken.words.other_romans import has_romans, other_romans


@pytest.mark.parametrize(
    ("language", "display", "spoken"),
    [
        ("de-AT", "Franz Joseph I. und Sisi", "Franz Joseph der Erste und Sisi"),
        ("de", "die Frau Heinrichs VIII. floh", "die Frau Heinrichs des Achten floh"),
        ("fr", "sous Louis XIV.", "sous Louis quatorze."),
        ("es", "los siglos XVI-XVII", "los siglos dieciséis a diecisiete"),
        ("it", "Carlo I ragazzi vide", "Carlo I ragazzi vide"),
        ("pt", "Pedro V. Gomes", "Pedro V. Gomes"),
        ("nl", "CD, DVD en XL", "CD, DVD en XL"),
    ],
)
def test_numerals_and_what_is_none(language: str, display: str, spoken: str) -> None:
    assert said(Normalizer(language, families=other_romans(language)).pairs(display)) == spoken


def test_other_languages_have_none() -> None:
    assert has_romans("pt-BR")
    assert not has_romans("ru")
    assert other_romans("ru") == ()
