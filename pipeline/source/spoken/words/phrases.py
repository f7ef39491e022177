"""Phrases: abbreviations of German, French, Spanish, Italian, Portuguese and Dutch, each of which stands for"
" the same words everywhere.

In: a language. Out: one rule for its table. What depends on gender or number is left as it is.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.sentences import ends_sentence

_TABLES = {
    "de": (
        "z. B.=zum Beispiel, z.B.=zum Beispiel, d. h.=das heißt, d.h.=das heißt, u. a.=unter anderem, u.a.=unter"
        " anderem, usw.=und so weiter, u. s. w.=und so weiter, bzw.=beziehungsweise, ca.=circa, evtl.=eventuell,"
        " ggf.=gegebenenfalls, inkl.=inklusive, vgl.=vergleiche, Dr.=Doktor, Prof.=Professor, Hr.=Herr, Fr.=Frau,"
        " St.=Sankt, Str.=Straße, Jh.=Jahrhundert, Abb.=Abbildung, Bd.=Band, Kap.=Kapitel, Mio.=Millionen,"
        " Mrd.=Milliarden, i. d. R.=in der Regel, o. ä.=oder ähnlich, s. o.=siehe oben, s. u.=siehe unten,"
        " Hrn.=Herrn, h. c.=honoris causa, ff.=folgende, Nr.=Nummer, Abs.=Absatz, Jhs.=Jahrhunderts,"
        " Jhd.=Jahrhundert, Mwst.=Mehrwertsteuer, MwSt.=Mehrwertsteuer, exkl.=exklusive,"
        " v. Chr.=vor Christus, n. Chr.=nach Christus, v. a.=vor allem, z. T.=zum Teil, etc.=et cetera, geb.=geboren,"
        " Fa.=Firma"
    ),
    "fr": (
        "M.=Monsieur, MM.=Messieurs, Mme=Madame, Mmes=Mesdames, Mlle=Mademoiselle, Mme.=Madame, Mlle.=Mademoiselle,"
        " Dr=Docteur, Dr.=Docteur, Pr=Professeur, Pr.=Professeur, p. ex.=par exemple, c.-à-d.=c'est-à-dire,"
        " etc.=et cetera, cf.=confer, av. J.-C.=avant Jésus-Christ, apr. J.-C.=après Jésus-Christ,"
        " ap. J.-C.=après Jésus-Christ, env.=environ,"
        " Mgr=Monseigneur, Mgr.=Monseigneur, St-=Saint-, Ste-=Sainte-, chap.=chapitre, vol.=volume"
    ),
    "es": (
        "Sr.=señor, Sra.=señora, Srta.=señorita, Dr.=doctor, Dra.=doctora, Ud.=usted, Uds.=ustedes, D.ª=doña,"
        " Dña.=doña, p. ej.=por ejemplo, etc.=etcétera, EE. UU.=Estados Unidos, EE.UU.=Estados Unidos, a. C.=antes de"
        " Cristo, d. C.=después de Cristo, pág.=página, págs.=páginas, aprox.=aproximadamente, cap.=capítulo,"
        " Prof.=profesor, Sres.=señores, Gral.=general, Sta.=santa"
    ),
    "it": (
        "Sig.=Signor, Sig.ra=Signora, Sig.na=Signorina, Dott.=Dottor, Dott.ssa=Dottoressa, Prof.=Professor"
        ", Prof.ssa=Professoressa, Ing.=Ingegner, Avv.=Avvocato, ecc.=eccetera, p. es.=per esempio, ad es.=ad esempio"
        ", a.C.=avanti Cristo, a. C.=avanti Cristo, d.C.=dopo Cristo, d. C.=dopo Cristo, pag.=pagina, pagg.=pagine"
        ", ca.=circa, cap.=capitolo, vol.=volume"
    ),
    "pt": (
        "Sr.=senhor, Sra.=senhora, Srta.=senhorita, Dr.=doutor, Dra.=doutora, Prof.=professor, Profa.=professora"
        ", p. ex.=por exemplo, etc.=et cetera, a.C.=antes de Cristo, a. C.=antes de Cristo, d.C.=depois de Cristo"
        ", d. C.=depois de Cristo, EUA=Estados Unidos, aprox.=aproximadamente, Av.=avenida, cap.=capítulo,"
        " vol.=volume"
    ),
    "nl": (
        "dhr.=de heer, Dhr.=De heer, mevr.=mevrouw, Mevr.=Mevrouw, dr.=doctor, Dr.=Doctor, prof.=professor,"
        " Prof.=Professor, bijv.=bijvoorbeeld, bv.=bijvoorbeeld, d.w.z.=dat wil zeggen, enz.=enzovoort, etc.=et"
        " cetera, o.a.=onder andere, i.p.v.=in plaats van, m.a.w.=met andere woorden, v.Chr.=voor Christus, n.Chr.=na"
        " Christus, ca.=circa, St.=Sint, t/m=tot en met"
    ),
}

_NUMBERED = {  # before a number alone
    "de": "S.=Seite, Art.=Artikel, Ziff.=Ziffer",
    "fr": "p.=page, pp.=pages, art.=article, t.=tome, ch.=chapitre",
    "es": "p.=página, pp.=páginas, art.=artículo, núm.=número, vol.=volumen",
    "it": "p.=pagina, pp.=pagine, art.=articolo",
    "pt": "p.=página, pp.=páginas, pág.=página, art.=artigo",
    "nl": "p.=pagina, blz.=bladzijde, nr.=nummer, art.=artikel",
}

_TITLES = frozenset(("M.", "MM.", "Sr."))  # a name follows; `sentences` knows those that are so in all languages


def phrases(language: str) -> tuple[Family, ...]:
    """The family of a language's abbreviations; () where it has no table."""
    table = _TABLES.get(language)
    return () if table is None else (_family(table, _NUMBERED[language]),)


def _words(table: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in table.split(", "))


def _one_of(words: dict[str, str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def _family(table: str, numbered: str) -> Family:
    words = _words(numbered) | _words(table)
    form = rf"(?<![\w.])(?:(?:{_one_of(_words(table))})(?!(?<=\w)\w|\.\w)|(?:{_one_of(_words(numbered))})(?= ?\d))"

    def say(match: re.Match[str]) -> str:
        is_title = match[0] in _TITLES or match.string[match.end() : match.end() + 2].strip().isdigit()
        ends = match[0].endswith(".") and not is_title and ends_sentence(match.string, match.end())
        return words[match[0]] + "." * ends

    return Family(re.compile(form), (Rule(form, say),))
