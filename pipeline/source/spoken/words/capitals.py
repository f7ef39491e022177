"""Capitals: words that are shouted are words, and initialisms are letters or words.

In: display text. Out: rules for "STOP IT NOW" (stop it now), "NASA" (Nasa), "Plan A". "FBI", "CDs" and "OK" stay
as they are: see `initialisms`. English.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.words.context import starts_sentence, word_after, word_before
from pipeline.source.spoken.words.initialisms import KNOWN, as_word, said_initialism
from pipeline.source.wordlists import word_counts


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_UPPER = "A-ZÀ-ÖØ-Þ"
_CAPITALS = (
    rf"(?<![^\W_])(?<![^\W_][.&])(?P<capitals>[{_UPPER}]{{2,}}|[AI])"
    rf"(?:['’](?P<suffix>S|T|RE|LL|VE|D|M|s)|(?P<plural>s))?(?![^\W_])(?![.&][^\W_])"
)
_PARTLY = r"(?<![^\W_])(?:(Mc)([A-Z]{3,})|(i|e|Mac)([A-Z]{3,}))(?![^\W_])"
_SHORT_WORDS = _set("AM AN AS AT BE BY DO GO HE HI IF IN IS IT ME MY NO OF OH ON OR SO TO UP US WE")
_LETTERS_WHEN_ALONE = _set("AM ARM AT ERA HI IT LED OR PA SAT US WHO")
_COMMON = 3000  # a word of three letters that stands less often in the list is no word, or rather an initialism
_TITLES = {"DR": "Doctor", "MR": "Mister", "MRS": "Missus"}

# The letter A where voices would read the article: behind what is told by letters, as a key in music, and before words
# that no article stands before.
_LETTERED = (
    r"\b(?:(?i:appendix|category|class|division|exhibit|figure|grade|group|hepatitis|influenza|level|option|part|plan|point"
    r"|schedule|section|side|team|type|vitamin)s?|Block|Building|Gate|Room|[Ll]etter|[Aa]n) A(?= [^\W_])"
)
_GRADES = r"(?:(?<=\b[Ss]traight )|(?<=\btwo )|(?<=\bthree )|(?<=\bfour )|(?<=\bfive )|(?<=\d ))As(?![\w'’])"
_KEY = r"\b(?:in|the) A(?= (?:flat |sharp )?(?:major|minor)\b)|\bin A(?= (?:flat|sharp)\b)"
_NO_ARTICLE = (
    r"(?<![\w.&'’-])(of )?A(?:(?= (?:and|are|equals|for|in|is|of|or|plus|to|versus|vs|was)(?![\w'’-])| ?[&+=→^<>])"
    r"|/(?=[B-HJ-Z](?!\w)))"
)


def capitals() -> tuple[Family, ...]:
    """The families of English capitals."""
    return (
        Family(
            re.compile(r"A[ &+=/→)](?<!\wA.)"),
            (
                Rule(r"(?<!\S)(\(?)A(?=\) \S)", lambda match: f"{match[1]}A-"),
                Rule(_LETTERED, lambda match: f"{match[0]}-"),
                Rule(_KEY, lambda match: f"{match[0]}-"),
                Rule(_NO_ARTICLE, _letter, re.IGNORECASE),
            ),
        ),
        Family(re.compile(r" As\b"), (Rule(_GRADES, lambda match: "A's"),)),
        Family(
            re.compile(rf"[{_UPPER}](?:[{_UPPER}]|(?<=I)['’][A-Z])"), (Rule(_PARTLY, _in_part), Rule(_CAPITALS, _say))
        ),
    )


def _in_part(match: re.Match[str]) -> str | None:
    """iPHONE, McDONALD; but eBPF"""
    if match[1]:
        return match[1] + as_word(match[2])
    return match[3] + as_word(match[4]) if _is_word(match[4]) else None


def _letter(match: re.Match[str]) -> str | None:
    """ "of A" is said in one by espeak-ng, but for quotes."""
    if "A" not in match[0]:
        return None
    return f'{match[1]}"A-"' if match[1] else "A-"


def _say(match: re.Match[str]) -> str | None:
    letters, suffix, text = match["capitals"], match["suffix"], match.string
    if match["plural"]:
        said = "I D's" if letters == "ID" else _initialism_or_none(letters, "s")
    elif suffix == "s":
        said = _initialism_or_none(letters, "'s")
    elif suffix and (suffix != "S" or letters == "I"):
        said = as_word(letters + "'" + suffix) if letters == "I" or _opens(match) else f"{letters}'{suffix}".lower()
    elif len(letters) == 1:
        said = "a" if letters == "A" and not _opens(match) and _is_shouted(match) else None
    else:
        said = _word(letters, shouted=suffix == "S" or _is_shouted(match), before=word_before(text, match.start()))
        if letters in _TITLES and word_after(text, match.end()).isupper():
            said = _TITLES[letters]
        elif said and said.islower() and _opens(match):
            said = said[0].upper() + said[1:]
        said = f"{said or letters}'s" if suffix else said
    return None if said == match[0].replace("’", "'") else said


def _initialism_or_none(letters: str, ending: str) -> str | None:
    said = said_initialism(letters)
    return None if said == letters else said + ending


def _opens(match: re.Match[str]) -> bool:
    return starts_sentence(match.string, match.start())


def _is_shouted(match: re.Match[str]) -> bool:
    """Whether a word beside it is in capitals, too, and is no initialism."""
    around = (word_before(match.string, match.start()), word_after(match.string, match.end()))
    return any(len(word) > 1 and word.isupper() and _is_surely_word(word) for word in around)


def _is_surely_word(word: str) -> bool:
    stem = re.split(r"['’]", word)[0]
    return (_is_word(stem) and stem not in _LETTERS_WHEN_ALONE) or stem == "I" or "N'T" in word.replace("’", "'")


@lru_cache(maxsize=1 << 14)
def _is_word(letters: str) -> bool:
    if len(letters) == 2:
        return letters in _SHORT_WORDS
    if letters == "AKA" or letters in KNOWN:
        return False
    return word_counts("en").get(letters.lower(), 0) >= (_COMMON if len(letters) == 3 else 1)


def _word(letters: str, *, shouted: bool, before: str) -> str | None:
    if letters == "US" and before.lower() == "the":
        return None
    alone_as_letters = letters in _LETTERS_WHEN_ALONE and not (letters == "AM" and before == "I")
    if before in _TITLES:
        return _TITLES.get(letters) or as_word(letters)
    if _is_word(letters) and (shouted or not alone_as_letters):
        return letters.lower()
    return said_initialism(letters)
