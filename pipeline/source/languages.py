"""Codes of languages: ISO 639-1 and 639-2, of the languages that books are most read in, and the form of a tag."""

from __future__ import annotations

import re

from pipeline.errors import InvalidValueError

# RFC 5646, 2.1: language, script, region, variants, extensions, private use. Of languages it has no name of more than
# three letters.
_TAG = re.compile(
    r"[a-z]{2,3}(-[a-z]{3}){0,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
    r"(-[0-9a-wyz](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?",
    re.IGNORECASE,
)

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


def is_language_tag(tag: str) -> bool:
    """Whether it has the form of BCP 47, as "en", "en-GB" and "zh-Hant-TW" do; nobody need have rules for it."""
    return _TAG.fullmatch(tag) is not None


def language_tag(tag: str) -> str:
    """`tag` as it is. Raises `InvalidValueError` for what is none, with the tag that may be meant."""
    if is_language_tag(tag):
        return tag
    meant = _code_of_name(tag) or short_code(tag)
    hint = f'Did you mean "{meant}"?' if is_language_tag(meant) else "Write one such as en, en-GB or de."
    raise InvalidValueError(f'"{tag[:40]}" is no language code.', hint)


def _code_of_name(name: str) -> str:
    """ "de" for "German" and "Deutsch"; "" for what is no name of a language."""
    from babel import Locale  # noqa: PLC0415 - it takes a while to load, and is for mistakes alone

    names: dict[str, str] = {english.casefold(): code for code, english in Locale("en").languages.items()}
    own = {(Locale(code).get_language_name() or "").casefold(): code for code in LANGUAGES}
    return (names | own).get(name.strip().casefold(), "")
