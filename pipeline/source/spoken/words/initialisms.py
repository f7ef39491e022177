"""Initialisms: how capitals that stand for words are said, as letters or as a word.

In: capitals such as "FBI". Out: the same where voices read them as letters, which espeak-ng (and Kokoro, which speaks
its phonemes) does with two or three capitals; "A-C L U" where it would read a word, "Nasa" where a word is meant. Where
letters stand apart an "A" is joined to the next by a hyphen, or a last one to the one before: alone it is the article.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.source.wordlists import word_counts


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Four letters and more that espeak-ng spells, or says, as it should.
_AS_WRITTEN = _set(
    "ADHD ASAP CCTV ESPN HDMI HSBC IETF IPCC ISBN JPEG JSON LGBTQ MPEG NAACP NCIS OECD RSPCA RSVP UCLA UNHCR USAF"
    " USDA USSR WYSIWYG"
)
# It would say these as words.
_SPELT = _set(
    "AAAS AAPI AARP ACLU ASMR BYOB EEOC EPDM FDIC IAEA ICBM IMDB IMHO IUCN LMAO MMORPG NCAA NYSE RIAA UAAP UNDP"
    " UNFCCC UNODC USGA USMC USPS USTA YMCA YWCA"
)
_SAID = {
    "AIDS": "Aids",
    "AKA": "also known as",
    "CISC": "Sisk",
    "CMOS": "C moss",
    "ETA": "E TA",
    "FICA": "Fyca",
    "FTSE": "Footsie",
    "GAAP": "Gap",
    "GMAT": "G mat",
    "HUD": "Hud",
    "IARPA": "I arpa",
    "ICANN": "Eye-can",
    "ID": "ID",
    "IEEE": "I triple E",
    "IELTS": "I elts",
    "IMAX": "Eye-max",
    "ISIL": "Eye-sill",
    "IUPAC": "I U pack",
    "IV": "I V",
    "LAN": "Lan",
    "LSAT": "L sat",
    "MADD": "Mad",
    "MCAT": "M cat",
    "MIRV": "Merv",
    "NSAID": "EN said",
    "NVIDIA": "Envidia",
    "RISC": "Risk",
    "ROFL": "Roffle",
    "ROM": "Rom",
    "SAAS": "Sass",
    "SCSI": "Scuzzy",
    "SIM": "Sim",
    "SRAM": "S Ram",
    "TEFL": "Teffel",
    "TOEFL": "Toefel",
    "UEFA": "You aifa",
    "USAID": "US Aid",
    "VTOL": "V tol",
    "WAN": "Wan",
    "WWI": "World War One",
    "WWII": "World War Two",
    "YAML": "Yaml",
}
# Two capitals that espeak-ng says as a word, or as a Roman numeral.
_LIKE_WORDS = _set(
    "AM AN AS AT AU BE BY DI DO EH EL FI GO HE II IN IS IT IV IX LE ME MR MY NO OF ON OR RE SI SO TO UL UP US WE XI XV"
    " XX YA YE"
)
_COMMON = 3000  # a word of three letters that stands less often in the list is none
_VOWEL = re.compile(r"[AEIOUYÀ-ÆÈ-ÏÒ-ÖØ-Ý]")
_THREE_CONSONANTS = re.compile(r"[^AEIOUYÀ-Ý]{3}")
_SAYABLE_THREE = re.compile(r"[LMNR][BCDFGKPST][HLRST]|S[CPT][LR]|[TS]CH|GHT")
_FIRST_TWO = _set("BL BR CH CL CR CZ DR FL FR GL GR KN KR PH PL PR PS QU RH SC SH SK SL SM SN SP ST SW TH TR TW WH WR")
_LAST_TWO = _set(
    "CH CK CT FF FT GH LD LF LK LL LM LP LS LT MP NC ND NG NK NS NT PS PT RC RD RK RL RM RN RP RS RT RB SH SK SP SS"
    " ST TH TS TT TZ WN WS XT CS DS GS KS MS BS LG LZ RG RF WG"
)


KNOWN = _AS_WRITTEN | _SPELT | {letters for letters in _SAID if len(letters) > 3}
"""Initialisms of four letters and more that are no words, also where a list of words has them."""


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
    return spelt(letters) if letters in _SPELT or not _is_pronounceable(letters) else as_word(letters)


def _is_pronounceable(letters: str) -> bool:
    if len(letters) > 5:
        return True
    if _THREE_CONSONANTS.search(letters) and not _SAYABLE_THREE.search(letters):
        return False
    first, last = letters[:2], letters[-2:]
    return (bool(_VOWEL.search(first)) or first in _FIRST_TWO) and (bool(_VOWEL.search(last)) or last in _LAST_TWO)


def spelt(letters: str) -> str:
    """The letters apart, as voices read them: "V S C O", "A-C L U", "Y M CA"."""
    parts = re.findall(r"[^A]A+$|A{2,}|.", letters)
    return re.sub(r"\bA (?=.)", "A-", " ".join(parts))


def said_initials(letters: str) -> str:
    """How the initials of a name are said: "JRR", but "W E" where together they are a word."""
    is_word = letters in _LIKE_WORDS or (len(letters) == 3 and word_counts("en").get(letters.lower(), 0) >= _COMMON)
    return spelt(letters) if is_word or len(letters) > 3 else letters
