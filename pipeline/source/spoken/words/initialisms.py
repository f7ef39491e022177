"""Initialisms: how capitals that stand for words are said, as letters or as a word.

In: capitals such as "FBI". Out: the same where voices read them as letters, which espeak-ng (and Kokoro, which speaks
its phonemes) does with two or three capitals; "ACL U" where it would read a word, "Nasa" where a word is meant. Single
letters with spaces between are not used: the "A" of "C I A said" would be the article.
"""

from __future__ import annotations

import re
from functools import lru_cache


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Four letters and more that espeak-ng spells, or says, as it should.
_AS_WRITTEN = _set(
    "ADHD ASAP CCTV ESPN HDMI IEEE IETF IPCC ISBN JPEG JSON LGBTQ MPEG NAACP NCIS OECD RSPCA RSVP UCLA UNHCR USAF"
    " USDA"
    " USSR WYSIWYG"
)
# It would say these as words.
_SPELT = _set(
    "AAAS AARP ACLU ASMR EEOC EPDM FDIC IAEA ICBM IMDB IMHO IUCN LMAO NCAA UAAP UNDP UNODC USGA USMC USPS USTA"
    " YMCA YWCA"
)
_SAID = {
    "AIDS": "Aids",
    "AKA": "also known as",
    "ETA": "E TA",
    "ID": "ID",
    "IV": "I V",
    "NSAID": "EN said",
    "ROM": "Rom",
    "SIM": "Sim",
    "USAID": "US Aid",
    "WWI": "World War One",
    "WWII": "World War Two",
}
_VOWEL = re.compile(r"[AEIOUYÀ-ÆÈ-ÏÒ-ÖØ-Ý]")
_THREE_CONSONANTS = re.compile(r"[^AEIOUYÀ-Ý]{3}")
_FIRST_TWO = _set("BL BR CH CL CR CZ DR FL FR GL GR KN KR PH PL PR PS QU RH SC SH SK SL SM SN SP ST SW TH TR TW WH WR")
_LAST_TWO = _set(
    "CH CK CT FF FT GH LD LF LK LL LM LP LS LT MP NC ND NG NK NS NT PS PT RC RD RK RL RM RN RP RS RT RB SH SK SP"
    " SS ST"
    " TH TS TT TZ WN WS XT CS DS GS KS MS BS"
)


def as_word(letters: str) -> str:
    """A word in capitals with the first alone kept: "Kafka"."""
    return letters[0] + letters[1:].lower()


@lru_cache(maxsize=4096)
def said_initialism(letters: str) -> str:
    """How capitals are said that are no word of the language: "FBI", "ACL U", "Nasa"."""
    if letters in _SAID:
        return _SAID[letters]
    if len(letters) < 4 or letters in _AS_WRITTEN or not _VOWEL.search(letters):
        return letters
    return _in_groups(letters) if letters in _SPELT or not _is_pronounceable(letters) else as_word(letters)


def _is_pronounceable(letters: str) -> bool:
    if len(letters) > 5:
        return True
    if _THREE_CONSONANTS.search(letters):
        return False
    first, last = letters[:2], letters[-2:]
    return (bool(_VOWEL.search(first)) or first in _FIRST_TWO) and (bool(_VOWEL.search(last)) or last in _LAST_TWO)


def _in_groups(letters: str) -> str:
    """Two or three letters in each group, and no "A" alone, which would be the article."""
    if len(letters) == 4:
        cut = 1 if letters[-1] == "A" else 3
        return f"{letters[:cut]} {letters[cut:]}"
    return f"{letters[:2]} {letters[2:]}" if len(letters) == 5 else f"{letters[:3]} {_in_groups(letters[3:])}"
