from __future__ import annotations

import pytest

from pipeline.source.spoken.pairs import Normalizer, said
from pipeline.source.spoken.words.abbreviations import abbreviations


@pytest.mark.parametrize(
    ("language", "display", "spoken"),
    [
        (
            "de",
            "Dr. Weiß kam z. B. mit Hr. Braun usw. an.",
            "Doktor Weiß kam zum Beispiel mit Herr Braun und so weiter an.",
        ),
        ("de-AT", "Brot, Milch etc.", "Brot, Milch et cetera."),
        ("de", "im Jahr 5 v. Chr. in Rom", "im Jahr 5 vor Christus in Rom"),
        ("fr", "M. Dupont et Mme Roy, p. ex. hier", "Monsieur Dupont et Madame Roy, par exemple hier"),
        ("fr", "St-Denis, etc.", "Saint-Denis, et cetera."),
        (
            "es",
            "El Sr. Paz y la Dra. Sol, p. ej. en EE. UU. hoy",
            "El señor Paz y la doctora Sol, por ejemplo en Estados Unidos hoy",
        ),
        ("it", "Il Dott. Rossi e la Sig.ra Bianchi ecc.", "Il Dottor Rossi e la Signora Bianchi eccetera."),
        ("pl", "Dr. Nowak itd.", "Dr. Nowak itd."),
    ],
)
def test_abbreviations_of_other_languages(language: str, display: str, spoken: str) -> None:
    normalizer = Normalizer(language, families=abbreviations(language))
    assert said(normalizer.pairs(display)) == spoken
    assert said(normalizer.pairs(spoken)) == spoken
