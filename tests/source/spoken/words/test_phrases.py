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
        (
            "de",
            "Das kostet 5 Euro inkl. MwSt. und ca. Mitte Mai.",
            "Das kostet 5 Euro inklusive Mehrwertsteuer und circa Mitte Mai.",
        ),
        (
            "de",
            "Rot bzw. Blau, vgl. Kant, d. h. Brot usw. Dann geht er zum Dr.",
            "Rot beziehungsweise Blau, vergleiche Kant, das heißt Brot und so weiter. Dann geht er zum Doktor.",
        ),
        (
            "fr",
            "Le Pr. Martin, MM. Roy et Mme. Curie, p. ex. Paris",
            "Le Professeur Martin, Messieurs Roy et Madame Curie, par exemple Paris",
        ),
        ("es", "Dña. María, p. ej. Madrid", "doña María, por ejemplo Madrid"),
        ("es", "El Sr. López y la Srta. Paz", "El señor López y la señorita Paz"),
        (
            "it",
            "La Sig.na Bianchi e l'Ing. Verdi, ad es. Roma",
            "La Signorina Bianchi e l'Ingegner Verdi, ad esempio Roma",
        ),
        ("pt", "A Profa. Lima, Av. Paulista", "A professora Lima, avenida Paulista"),
        (
            "nl",
            "Mevr. Jansen kocht bijv. Brood, o.a. Bruin",
            "Mevrouw Jansen kocht bijvoorbeeld Brood, onder andere Bruin",
        ),
        ("es", "Los Sres. Paz, el Gral. Prim y Sta. Ana", "Los señores Paz, el general Prim y santa Ana"),
        ("fr", "Mgr. Roy et Mgr Hugo", "Monseigneur Roy et Monseigneur Hugo"),
        ("de", "Die Fa. Braun", "Die Firma Braun"),
        ("pl", "Dr. Nowak itd.", "Dr. Nowak itd."),
    ],
)
def test_abbreviations_of_other_languages(language: str, display: str, spoken: str) -> None:
    normalizer = Normalizer(language, families=abbreviations(language))
    assert said(normalizer.pairs(display)) == spoken
    assert said(normalizer.pairs(spoken)) == spoken
