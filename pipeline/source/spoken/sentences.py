"""Sentences: where single-spaced text may be cut.

In: display text with tags such as (laughs). Out: offsets of the ends of its sentences and clauses, spans of its words.
Knows no engines or byte budgets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from pipeline.source.spoken.names import COUNTIES, FIRST_NAMES
from pipeline.source.spoken.text import CLOSERS, TAG_SOURCE, WORD, has_speech


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_PLAIN_WORD = re.compile(r"\S+")
_WIDE_STOPS = "。！？｡，、；："  # after which no space stands
_WIDE_STOP = re.compile(f"[{_WIDE_STOPS}]")
_WIDE_PART = rf"(?:{TAG_SOURCE}|(?<=\d)[，：](?=\d)|[^\s{_WIDE_STOPS}])"
_WIDE_WORD = re.compile(rf"{_WIDE_PART}*+[{_WIDE_STOPS}](?:(?!{TAG_SOURCE})[^\w\s(「『（《〈“‘])*|{_WIDE_PART}+")
_OPENERS = "\"'“‘„‚«‹([{¿¡「『（《〈*"
_OPENERS_ALONE = _OPENERS[2:-1]  # without the signs that also close
_STOPS = frozenset(".!?…。！？｡؟۔।॥")
_LAST_OF_STOPPED = _STOPS | frozenset(CLOSERS)
_CLAUSE_ENDS = frozenset(",;:—–،؛、，；：")

_TITLES = _set(
    "mr mrs ms mx dr prof rev fr gen col capt cmdr lt sgt maj sen rep gov hon pres supt messrs mme mlle st mt adm cpl"
    " pvt det insp amb atty cpt drs ste hr sra srta dra dott sig avv abb kap ft vs e.g i.e a.k.a w.r.t cf viz approx"
    " ca lieut brig pfc wm chas geo jas thos jos robt bp abp rt pt op loc incl excl esp attn"
    " msgr asst hrn inkl exkl bzw evtl ggf vgl geb mmes pr mgr dña sres gral sta profa"
    " dott.ssa prof.ssa sig.ra sig.na ing av dhr mevr bijv bv"
)
_TITLES_ALONE = _set("Mr Mrs Dr")
_CAPITAL_TITLES = _set("MM Fa Dist Gens Profs Reps Revs Sens")  # in lower case they end sentences
_EXAMPLES = frozenset({("p.", "ex"), ("p.", "ej"), ("p.", "es"), ("ad", "es")})  # "for example" in Romance languages
_LETTERED = _set(
    "Vitamin Plan Type Class Group Grade Section Part Exhibit Appendix Figure Table Hepatitis Room Gate Item Side"
    " Team Option Level Point Answer Schedule Block Building Category Division Column Unit Form Generation Planet"
)
_BEFORE_X = _set("Malcolm Mr Mister Mrs Missus Ms Miss Madame Mme Dr Doctor Professor Agent Brand")
_BEFORE_COUNTIES = _set("in of from near to across through throughout around for between at via")
_BEFORE_NUMBERS = _set(
    "no nos nr fig figs vol vols pp p ch chap bk sc art sec eq apt ex exod lev num deut josh judg sam kgs chr chron"
    " neh esth ps pss prov eccl isa jer lam ezek dan hos mic nah hab zeph hag zech mal matt mk lk jn rom cor gal eph"
    " phil thess tim tit philem heb jas pet macc tel ext bd abs pág págs cap pag pagg"
)
_MAYBE_ENDS = _set(
    "etc &c inc ltd co corp jr sr al a.m p.m ave blvd hwy rte rd sq pkwy dept est lb lbs oz cwt doz yds pts mos"
    " inst ult cit usw mwst jh jhs jhd str mio mrd ff ä aprox env ud uds ecc enz ariz conn fla minn okla tenn wis"
)
_SHORT_DATES = _set("Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun")
_GERMAN_MONTHS = _set("Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember")
_AFTER_CLOCKS = _set(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august"
    " september october november december eastern pacific central mountain gmt est edt pst pdt cst cdt utc et pt bst"
)
_STARTERS = _set(
    "a an and as at but by for he her here his how i if in it its my no not now of on once one or our she"
    " so some that the their then there these they this those to we well what when where who why with yes yet"
    " you your"
)
BEFORE_A_NO = _set("is was be been said says say saying answered answer replied whispered means meant but oh thought")
"""Words before "no." that make it the answer, not a number."""

_NUMERAL = re.compile(r"[IVXLC]{2,}(?!\w)")
_NAME = re.compile(r"[A-Z][a-z]+")
_TWO_WORDS = re.compile(r" ([A-Z][a-z]+) (\w)")
_RANKS = _set("Pope King Queen Lord Lady Sir Prince Princess Emperor")
_DOTTED = re.compile(r"\w\.\w+\.")  # "D.C."
_LETTER = re.compile(r"[IVX][.,;:]?")
_QUARTER = re.compile(r"(?:[NS]\.?[EW]?|[B-HJ-Z])[.,;]*|A[.,]+")
_INITIALISM = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")

_COINS = re.compile(r"(?:£|\d+[–-])?\d[\d,]*[¼½¾]?[sdl]|[¼½¾]d|£")

_SPEECH = re.compile(r"[^\W_]")
_JOINT = re.compile(r"[—―]|--|/(?=[A-Z][a-z])|\b[dlDL]['’](?=[A-Z][a-z])")


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each of `words` stands; one that goes on after a stop such as "。" is cut there."""
    return (match.span() for match in _word_pattern(text).finditer(text))


def _word_pattern(text: str) -> re.Pattern[str]:
    if not text.isascii() and _WIDE_STOP.search(text):
        return _WIDE_WORD
    return WORD if "(" in text else _PLAIN_WORD


def sentence_ends(text: str) -> list[int]:
    """The offsets at which the sentences of single-spaced text end, in order; the last is the end of the text.

    A tag, dash or other word without letters that follows a stop stays with the sentence before it.
    """
    parts, ends = _words(text)
    return [ends[after - 1] for after in _sentence_stops(parts)] + [len(text)]


def _words(text: str) -> tuple[list[str], list[int]]:
    """The words of `word_spans`, and where each ends."""
    parts = text.split() if _word_pattern(text) is _PLAIN_WORD else []
    if " ".join(parts) == text:  # as nearly always, and then this is quicker than spans
        return parts, [length + spaces for spaces, length in enumerate(accumulate(map(len, parts)))]
    spans = list(word_spans(text))
    return [text[start:end] for start, end in spans], [end for _start, end in spans]


def _sentence_stops(parts: list[str]) -> list[int]:
    """How many of the words stand before each border of two sentences."""
    stops: list[int] = []
    start = after = 0
    for index in [place for place, part in enumerate(parts) if part[-1] in _LAST_OF_STOPPED]:
        if index < after or not _stopped(parts[index]):
            continue
        stop, after = parts[index], index + 1
        while after < len(parts) and _clings(parts[after]):
            stop = stop if parts[after].strip(".") else "..."  # "Wait . . . what"
            after += 1
        if after < len(parts) and _ends(
            stop, parts[after], first=index == start, before=parts[index - 1] if index > start else ""
        ):
            stops.append(after)
            start = after
    return stops


def ends_sentence(text: str, stop: int) -> bool:
    """Whether the stop right before offset `stop`, that of an abbreviation, ends a sentence of its own accord."""
    word_end = stop
    while word_end < len(text) and not text[word_end].isspace():
        if text[word_end] not in CLOSERS:
            return False  # another sign takes over: "etc.,"
        word_end += 1
    if text.startswith(" & ", word_end):
        return False
    start = text.rfind(" ", 0, stop) + 1
    before = text.rfind(" ", 0, max(start - 1, 0)) + 1
    following = next((word for word in _PLAIN_WORD.findall(text[word_end : word_end + 80]) if not _clings(word)), "")
    begin = _SPEECH.search(following)
    if begin is not None and begin[0].islower():
        return False
    if not following or (_DOTTED.search(text[start:word_end]) and begins_with_name(text, word_end)):
        return True
    return _ends(text[start:word_end], following, first=False, before=text[before : max(start - 1, 0)])


def begins_with_name(text: str, end: int) -> bool:
    """Whether a title, or a first name that does something, follows offset `end`: "Henry V. Bob wept"."""
    words = _TWO_WORDS.match(text, end)
    return words is not None and (words[1] in _RANKS or (words[1] in FIRST_NAMES and words[2].islower()))


def starts(word: str) -> bool:
    """Whether this is a word that often begins a sentence and seldom a name."""
    opening_word = re.match(r"[^\W\d_]{2,}|[^\W\d_](?!\.)", word.lstrip(_OPENERS))
    return opening_word is not None and opening_word[0].lower() in _STARTERS


def lettered(before: str, letter: str) -> bool:
    """Whether a letter behind this word is all of a name ("Plan B", "Malcolm X"), and no initial."""
    return len(letter) == 1 and (before in _LETTERED or (letter == "X" and before.rstrip(".") in _BEFORE_X))


def names_county(before: str, after: str) -> bool:
    """Whether "Co." between these words is a county's: "in Co. Cork", "Naas, Co. Kildare"; not "Smith & Co. Cork"."""
    name = _NAME.match(after)
    if name is None or starts(after):
        return False
    joins = not before or before[-1] in ".,;:(" or before.lower() in ("and", "or")
    return before.lower() in _BEFORE_COUNTIES or (joins and name[0] in COUNTIES)


def _clings(word: str) -> bool:
    return not has_speech(word) and bool(word.strip(_OPENERS_ALONE))


def _stopped(word: str) -> bool:
    core = word.rstrip(CLOSERS)
    return bool(core) and core[-1] in _STOPS


def _ends(word: str, after: str, *, first: bool, before: str) -> bool:
    """Whether the stop at the end of `word` ends a sentence when it stands between `before` and `after`."""
    core = word.rstrip(CLOSERS)
    begin = _SPEECH.search(after)
    goes_on = begin is not None and begin[0].islower()
    if goes_on and (len(core) < len(word) or core.endswith(("...", "…"))):
        return False  # "Stop!" he said; and so ... it went
    if core[-1] != "." or core.endswith(".."):
        return True
    stem = _JOINT.split(core[:-1])[-1].lstrip(_OPENERS)  # "come—Mr. Bingley", "l'Ing. Verdi"
    if len(stem) > 24:
        return True
    if stem.isdigit():
        # "3. The third point" is a numbered point, and "3. Juni" a date.
        return not first and not (len(stem) < 3 and (goes_on or after.strip(CLOSERS + ".,;:") in _GERMAN_MONTHS))
    if _COINS.fullmatch(stem):  # 3s. 6d. for it
        return not goes_on and not (begin is not None and begin[0].isdigit())
    if stem == "St" and before[:1].isupper() and starts(after) and not goes_on:  # "on Main St. She"
        return True
    if lettered(before, stem):
        return not goes_on
    if _belongs(stem, before, after):
        return False
    if stem in _TITLES_ALONE and before.lower() in ("to", "the", "a", "with") and after in ("He", "She", "They", "We"):
        return True  # "I spoke to Mr. He left."
    if stem == "no" and before.lower().strip(CLOSERS + ",") in BEFORE_A_NO:
        return True
    return _ends_after_abbreviation(stem, after, begin[0] if begin else "", goes_on=goes_on)


def _belongs(stem: str, before: str, after: str) -> bool:
    """Whether what stands before an abbreviation or behind it tells that it ends no sentence."""
    if stem in ("Sr", "Jr"):
        return not (before[:1].isupper() and len(before) > 2)  # "a Sr. Analyst", "El Sr. López"
    if stem == "Co":
        return names_county(before, after) or after.startswith(("Ltd", "Inc"))
    if stem == "I":  # "She met I. Newton"
        return before in ("met", "by", "of", "with", "to", "from", "for") and not starts(after)
    return stem in _CAPITAL_TITLES or (before.lstrip(_OPENERS), stem) in _EXAMPLES


def _ends_after_abbreviation(stem: str, after: str, begin: str, *, goes_on: bool) -> bool:
    lowered = stem.lower()
    opens = starts(after)
    if lowered in _TITLES:
        return False
    if lowered in _BEFORE_NUMBERS and stem != "P":  # P. O'Neill
        is_numbered = begin.isdigit() or _NUMERAL.match(after) or (lowered != "no" and _LETTER.fullmatch(after))
        return not is_numbered and (lowered == "no" or not goes_on)
    if goes_on and _NUMERAL.fullmatch(stem):
        return False  # "George V. and Edward VII. were"
    if lowered in ("a.m", "p.m") and after.strip(CLOSERS + ".,;:").lower() in _AFTER_CLOCKS:
        return False
    if lowered in ("ave", "blvd", "co", "rd") and _QUARTER.fullmatch(after):
        return False  # Park Ave. NW, Co. B
    if lowered in _MAYBE_ENDS or stem in _SHORT_DATES:
        return not goes_on and not begin.isdigit()
    if lowered in ("ph.d", "bros", "esq", "assn", "univ"):
        return opens and not goes_on
    if stem == "I":
        return len(after.rstrip(CLOSERS)) != 2 or not after.rstrip(CLOSERS).endswith(".")
    if _INITIALISM.fullmatch(stem):  # U.S., J. R. R.: only a word that seldom is a name begins a sentence
        return opens and not goes_on
    return True


def clause_ends(text: str) -> list[int]:
    """The offsets after commas, semicolons, colons and dashes, in order; the last is the end of the text."""
    parts, ends = _words(text)
    return [ends[after - 1] for after in _clause_stops(parts)] + [len(text)]


def _clause_stops(parts: list[str]) -> list[int]:
    """How many of the words stand before each border of two clauses."""
    stops: list[int] = []
    has_words = False  # a cut before any word would leave a clause of punctuation alone
    for index, word in enumerate(parts[:-1]):
        has_words = has_words or _SPEECH.search(word) is not None
        core = word.rstrip(CLOSERS)
        if has_words and (word == "-" or (core and core[-1] in _CLAUSE_ENDS)):
            stops.append(index + 1)
            has_words = False
    return stops
