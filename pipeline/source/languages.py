"""Codes of languages: ISO 639-1 and 639-2, of the languages that books are most read in."""

from __future__ import annotations

_CODES = """
ar:ara bg:bul ca:cat cs:ces cy:cym da:dan de:deu el:ell en:eng es:spa et:est eu:eus fa:fas fi:fin fr:fra
ga:gle he:heb hi:hin hr:hrv hu:hun id:ind is:isl it:ita ja:jpn ko:kor la:lat lt:lit lv:lav nb:nob nl:nld
nn:nno no:nor pl:pol pt:por ro:ron ru:rus sk:slk sl:slv sr:srp sv:swe th:tha tr:tur uk:ukr vi:vie zh:zho
"""
_BIBLIOGRAPHIC = "cs:cze cy:wel de:ger el:gre eu:baq fa:per fr:fre is:ice nl:dut ro:rum sk:slo zh:chi"  # 639-2/B
LANGUAGES = dict(pair.split(":") for pair in _CODES.split())
"""The code of three letters (639-2/T) by that of two."""
_SHORT = {three: two for two, three in (pair.split(":") for pair in (*_CODES.split(), *_BIBLIOGRAPHIC.split()))}


def short_code(code: str) -> str:
    """A code as manifests write it: "de" for "deu" and "ger", "en-GB" for "eng_GB"."""
    language, *rest = code.strip().replace("_", "-").split("-")
    return "-".join((_SHORT.get(language.lower(), language), *rest))
