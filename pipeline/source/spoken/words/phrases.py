"""Phrases: abbreviations of German, French, Spanish and Italian, each of which stands for the same words everywhere.

In: a language. Out: one rule for its table. What depends on gender or number is left as it is.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.sentences import ends_sentence

_TABLES = {
    "de": (
        "z. B.=zum Beispiel, z.B.=zum Beispiel, d. h.=das heißt, d.h.=das heißt, u. a.=unter anderem, u.a.=unter"
        " anderem"
        ", usw.=und so weiter, u. s. w.=und so weiter, bzw.=beziehungsweise, ca.=circa, evtl.=eventuell"
        ", ggf.=gegebenenfalls, inkl.=inklusive, vgl.=vergleiche, Dr.=Doktor, Prof.=Professor, Hr.=Herr, Fr.=Frau"
        ", St.=Sankt, Str.=Straße, Jh.=Jahrhundert, Abb.=Abbildung, Bd.=Band, Kap.=Kapitel, Mio.=Millionen"
        ", Mrd.=Milliarden, i. d. R.=in der Regel, o. ä.=oder ähnlich, s. o.=siehe oben, s. u.=siehe unten"
        ", v. Chr.=vor Christus, n. Chr.=nach Christus, v. a.=vor allem, z. T.=zum Teil, etc.=et cetera, geb.=geboren"
    ),
    "fr": (
        "M.=Monsieur, MM.=Messieurs, Mme=Madame, Mmes=Mesdames, Mlle=Mademoiselle, Dr=Docteur, Dr.=Docteur"
        ", Pr=Professeur"
        ", p. ex.=par exemple, c.-à-d.=c'est-à-dire, etc.=et cetera, cf.=confer, av. J.-C.=avant Jésus-Christ"
        ", apr. J.-C.=après Jésus-Christ, env.=environ, St-=Saint-, Ste-=Sainte-, chap.=chapitre, vol.=volume"
    ),
    "es": (
        "Sr.=señor, Sra.=señora, Srta.=señorita, Dr.=doctor, Dra.=doctora, Ud.=usted, Uds.=ustedes, D.ª=doña"
        ", Dña.=doña"
        ", p. ej.=por ejemplo, etc.=etcétera, EE. UU.=Estados Unidos, EE.UU.=Estados Unidos, a. C.=antes de Cristo"
        ", d. C.=después de Cristo, pág.=página, págs.=páginas, aprox.=aproximadamente, cap.=capítulo, Prof.=profesor"
    ),
    "it": (
        "Sig.=Signor, Sig.ra=Signora, Sig.na=Signorina, Dott.=Dottor, Dott.ssa=Dottoressa, Prof.=Professor"
        ", Prof.ssa=Professoressa, Ing.=Ingegner, Avv.=Avvocato, ecc.=eccetera, p. es.=per esempio, ad es.=ad esempio"
        ", a.C.=avanti Cristo, a. C.=avanti Cristo, d.C.=dopo Cristo, d. C.=dopo Cristo, pag.=pagina, pagg.=pagine"
        ", ca.=circa, cap.=capitolo, vol.=volume"
    ),
}

_TITLES = frozenset("Dr. Dra. Prof. Hr. Fr. St. M. MM. Sr. Sra. Srta. Sig. Dott. Ing. Avv.".split())  # a name follows


def phrases(language: str) -> tuple[Family, ...]:
    """The family of a language's abbreviations; () where it has no table."""
    table = _TABLES.get(language)
    return () if table is None else (_family(table),)


def _family(table: str) -> Family:
    words = dict(pair.split("=") for pair in table.split(", "))
    longest_first = sorted(words, key=len, reverse=True)
    form = rf"(?<![\w.])(?:{'|'.join(map(re.escape, longest_first))})(?!(?<=\w)\w|\.\w)"

    def say(match: re.Match[str]) -> str:
        ends = match[0].endswith(".") and match[0] not in _TITLES and ends_sentence(match.string, match.end())
        return words[match[0]] + "." * ends

    return Family(re.compile(form), (Rule(form, say),))
