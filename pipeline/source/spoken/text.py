"""Text: from what is displayed to what is spoken, and where it may be cut.

In: display text with single spaces and tags such as (laughs). Out: plain text for an engine, sentences,
clauses, words. Pure functions; knows no speakers, engines or byte budgets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Each tag an engine may know, and the notes that transcripts write for it.
_NOTES_OF_TAG = {
    "(laughs)": "laugh laughs laughed laughing laughter giggle giggles giggling",
    "(clears throat)": "ahem",
    "(sighs)": "sigh sighs sighed sighing",
    "(gasps)": "gasp gasps gasped gasping",
    "(coughs)": "cough coughs coughed coughing",
    "(singing)": "singing",
    "(sings)": "sing sings sang",
    "(mumbles)": "mumble mumbles mumbled mumbling mutters muttering",
    "(beep)": "beep beeps beeping",
    "(groans)": "groan groans groaned groaning",
    "(sniffs)": "sniff sniffs sniffed sniffing sniffles sniffling",
    "(claps)": "clap claps clapped clapping",
    "(screams)": "scream screams screamed screaming",
    "(inhales)": "inhale inhales inhaled inhaling",
    "(exhales)": "exhale exhales exhaled exhaling",
    "(applause)": "applause applauds applauding",
    "(burps)": "burp burps burped burping",
    "(humming)": "hum hums hummed humming",
    "(sneezes)": "sneeze sneezes sneezed sneezing",
    "(chuckle)": "chuckle chuckles chuckled chuckling",
    "(whistles)": "whistle whistles whistled whistling",
}
NONVERBAL_TAGS = frozenset(_NOTES_OF_TAG)
_TAG_OF_NOTE = {note: tag for tag, notes in _NOTES_OF_TAG.items() for note in notes.split()}

# ASCII case folding only: otherwise the long s of "(laughſ)" would match and not lower to a known tag.
_TAG_SOURCE = "(?ai:" + "|".join(re.escape(tag) for tag in sorted(NONVERBAL_TAGS)) + ")"
_TAG = re.compile(_TAG_SOURCE)
_WORD = re.compile(rf"(?:{_TAG_SOURCE}|\S)+")
_PLAIN_WORD = re.compile(r"\S+")
_SPEECH = re.compile(r"[^\W_]")
_LIKE_A_TAG = re.compile(r"\((?:[a-z]+ )?[a-z]+(?:s|ing)\)")  # (whispers), (quietly crying); not (maybe)

_OPENERS = "\"'“‘„‚«‹([{¿¡「『（《〈*"
_OPENERS_ALONE = _OPENERS[2:-1]  # without the signs that also close
_CLOSERS = "\"'”’»›)]}」』）》〉*"
_STOPS = frozenset(".!?…。！？｡؟۔।॥")
_LAST_OF_STOPPED = _STOPS | frozenset(_CLOSERS)
_CLAUSE_ENDS = frozenset(",;:—–،؛、，；：")

_TITLES = _set(
    "mr mrs ms mx dr prof rev fr gen col capt cmdr lt sgt maj sen rep gov hon pres supt messrs mme mlle st mt"
    " ft vs e.g i.e cf viz approx ca"
)
_BEFORE_NUMBERS = _set("no nos nr fig figs vol pp p ch art sec op eq")
_MAYBE_ENDS = _set("etc inc ltd co corp jr sr al a.m p.m ave blvd dept est")
_STARTERS = _set(
    "a an and as at but by for he her here his how i if in it its my no not now of on once one or our she"
    " so some that the their then there these they this those to we well what when where who why with yes yet"
    " you your"
)
_INITIALISM = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")

_FOLDED = {
    **dict.fromkeys("“”„‟«»″❝❞＂", '"'),
    **dict.fromkeys("‘’‚‛‹›′❛❜＇ʼ", "'"),
    **dict.fromkeys("‐‑‒–−﹣－", "-"),
    **dict.fromkeys("—―", " - "),
    "…": "...",
    "⋯": "...",
}
_UNSAID_BLOCKS = (  # arrows, technical, boxes, dingbats, braille, more arrows, selectors, pictographs
    (0x2190, 0x21FF),
    (0x2300, 0x245F),
    (0x2500, 0x27BF),
    (0x2800, 0x297F),
    (0x2B00, 0x2BFF),
    (0xFE00, 0xFE0F),
    (0x1F000, 0x1FAFF),
    (0xE0000, 0xE0FFF),
)


class _Folding(dict[int, str]):
    """A `str.translate` table that works each character out once."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = replacement = _FOLDED.get(char, char)
        if char.isspace():
            self[code] = replacement = " "
        elif (
            unicodedata.category(char)[0] == "C"  # control, zero-width, surrogate, private, unassigned
            or char == "\u20e3"
            or any(low <= code <= high for low, high in _UNSAID_BLOCKS)
        ):
            self[code] = replacement = ""
        return replacement


_FOLDING = _Folding()


def spoken(display: str, *, tags: bool) -> str:
    """The text for an engine: plain punctuation, no pictographs, tags in lower case or (tags=False) dropped.

    Word by word: cutting the display text at any space outside a tag and joining the spoken pieces gives what
    the whole gives, so chunks can be cut before or after. That is why punctuation that stood against a
    dropped tag goes with it instead of moving to the word before.
    """
    if display.isascii() and display.isprintable() and "(" not in display and "  " not in display:
        return display.strip(" ")
    if "(" in display and _TAG.search(display):
        if tags:
            display = _TAG.sub(lambda match: match[0].lower(), display)
        else:
            display = " ".join(part for word in words(display) for part in _without_tags(word))
    return " ".join(unicodedata.normalize("NFC", display.translate(_FOLDING)).split())


def _without_tags(word: str) -> list[str]:
    parts = _TAG.split(word)
    return [part for part in parts if _SPEECH.search(part)] if len(parts) > 1 else parts


def has_tag(text: str) -> bool:
    """Whether one of the non-verbal tags stands in the text."""
    return "(" in text and _TAG.search(text) is not None


def unknown_tags(text: str) -> list[str]:
    """What looks like a non-verbal tag and is none: one word or two in brackets that say what somebody does."""
    return [tag for tag in _LIKE_A_TAG.findall(text) if not _TAG.fullmatch(tag)] if "(" in text else []


def nearest_tag(note: str) -> str:
    """The tag that a note of at most three words stands for ("both laugh", "clearing throat"), or ""."""
    parts = note.lower().split()
    if not 0 < len(parts) <= 3:
        return ""
    if len(parts) > 1 and "throat" in parts:
        return "(clears throat)"
    return _TAG_OF_NOTE.get(parts[0]) or _TAG_OF_NOTE.get(parts[-1]) or ""


def has_speech(spoken: str) -> bool:
    """Whether there is a letter or digit outside the tags."""
    return _SPEECH.search(_TAG.sub("", spoken) if "(" in spoken else spoken) is not None


def words(text: str) -> list[str]:
    """The words, split at white space; a tag such as "(clears throat)" stays one word."""
    return _WORD.findall(text) if "(" in text else text.split()


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each of `words` stands."""
    return (match.span() for match in (_WORD if "(" in text else _PLAIN_WORD).finditer(text))


def sentences(display: str) -> list[str]:
    """The sentences of single-spaced text; joining them with single spaces gives the text back.

    A tag, dash or other word without letters that follows a stop stays with the sentence before it.
    """
    parts = words(display)
    sentences_of_text: list[str] = []
    start = after = 0
    for index in [place for place, part in enumerate(parts) if part[-1] in _LAST_OF_STOPPED]:
        if index < after or not _stopped(parts[index]):
            continue
        stop, after = parts[index], index + 1
        while after < len(parts) and _clings(parts[after]):
            stop = stop if parts[after].strip(".") else "..."  # "Wait . . . what"
            after += 1
        if after < len(parts) and _ends(stop, parts[after], first=index == start):
            sentences_of_text.append(" ".join(parts[start:after]))
            start = after
    if parts:
        sentences_of_text.append(" ".join(parts[start:]))
    return sentences_of_text


def sentence_ends(text: str) -> list[int]:
    """Where the sentences of single-spaced text end: offsets in it, the last its length."""
    return _ends_of(sentences(text))


def clause_ends(sentence: str) -> list[int]:
    """Where the clauses of a sentence end: offsets in it, the last its length."""
    return _ends_of(clauses(sentence))


def _ends_of(parts: list[str]) -> list[int]:
    return [end - 1 for end in accumulate(len(part) + 1 for part in parts)]


def _clings(word: str) -> bool:
    return not has_speech(word) and bool(word.strip(_OPENERS_ALONE))


def _stopped(word: str) -> bool:
    core = word.rstrip(_CLOSERS)
    return bool(core) and core[-1] in _STOPS


def _ends(word: str, after: str, *, first: bool) -> bool:
    """Whether the stop at the end of `word` ends a sentence when the word `after` follows."""
    core = word.rstrip(_CLOSERS)
    begin = _SPEECH.search(after)
    goes_on = begin is not None and begin[0].islower()
    if goes_on and (len(core) < len(word) or core.endswith(("...", "…"))):
        return False  # "Stop!" he said; and so ... it went
    if core[-1] != "." or core.endswith(".."):
        return True
    stem = core[:-1].lstrip(_OPENERS)
    if len(stem) > 24:
        return True
    if stem.isdigit():
        return not first  # "3. The third point" is a numbered point
    return _ends_after_abbreviation(stem, after, begin[0] if begin else "", goes_on=goes_on)


def _ends_after_abbreviation(stem: str, after: str, begin: str, *, goes_on: bool) -> bool:
    lowered = stem.lower()
    opening_word = re.match(r"[^\W\d_]+", after.lstrip(_OPENERS))
    starts = opening_word is not None and opening_word[0].lower() in _STARTERS
    if lowered in _TITLES:
        return False
    if lowered in _BEFORE_NUMBERS:
        return not begin.isdigit()
    if lowered in _MAYBE_ENDS:
        return not goes_on and not begin.isdigit()
    if stem == "I":
        return len(after.rstrip(_CLOSERS)) != 2 or not after.rstrip(_CLOSERS).endswith(".")
    if _INITIALISM.fullmatch(stem):  # U.S., J. R. R.: only a word that seldom is a name begins a sentence
        return starts and not goes_on
    return True


def clauses(sentence: str) -> list[str]:
    """The sentence cut after commas, semicolons, colons and dashes; joining with spaces gives it back."""
    clauses_of_sentence: list[str] = []
    current: list[str] = []
    has_words = False  # a cut before any word would leave a clause of punctuation alone
    for word in words(sentence):
        current.append(word)
        has_words = has_words or _SPEECH.search(word) is not None
        core = word.rstrip(_CLOSERS)
        if has_words and (word == "-" or (core and core[-1] in _CLAUSE_ENDS)):
            clauses_of_sentence.append(" ".join(current))
            current, has_words = [], False
    if current:
        clauses_of_sentence.append(" ".join(current))
    return clauses_of_sentence


def _languages() -> Iterator[tuple[str, frozenset[str]]]:
    table = (
        ("ru uk be bg sr mk kk ky mn tg tt", "CYRILLIC"),
        ("el", "GREEK"),
        ("zh yue cmn wuu", "CJK BOPOMOFO"),
        ("ja", "CJK HIRAGANA KATAKANA"),
        ("ko", "HANGUL CJK"),
        ("ar arz fa ur ps sd ug ckb", "ARABIC"),
        ("he yi", "HEBREW"),
        ("hi mr ne sa", "DEVANAGARI"),
        ("bn as", "BENGALI"),
        ("ta", "TAMIL"),
        ("te", "TELUGU"),
        ("kn", "KANNADA"),
        ("ml", "MALAYALAM"),
        ("gu", "GUJARATI"),
        ("pa", "GURMUKHI ARABIC"),
        ("or", "ORIYA"),
        ("si", "SINHALA"),
        ("th", "THAI"),
        ("lo", "LAO"),
        ("km", "KHMER"),
        ("my", "MYANMAR"),
        ("bo", "TIBETAN"),
        ("ka", "GEORGIAN"),
        ("hy", "ARMENIAN"),
        ("am ti", "ETHIOPIC"),
    )
    for languages, scripts in table:
        for language in languages.split():
            yield language, frozenset(scripts.split())


SCRIPT_OF_LANGUAGE: dict[str, frozenset[str]] = dict(_languages())
"""The scripts, beside Latin, in which a language is written; one that is not listed is written in Latin."""

# Letters to Unicode, but of no script of their own: the micro sign, superscripts, mathematical letters.
_SCRIPTLESS = _set(
    "MODIFIER FEMININE MASCULINE MICRO KELVIN ANGSTROM OHM SCRIPT DOUBLE-STRUCK BLACK-LETTER MATHEMATICAL"
    " SUPERSCRIPT SUBSCRIPT INFORMATION TURNED ROTATED ALEF BET GIMEL DALET PLANCK EULER ESTIMATED"
)
_SCRIPT_ALIASES = {"KATAKANA-HIRAGANA": "KATAKANA", "IDEOGRAPHIC": "CJK", "VERTICAL": "CJK"}


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    """The script of a letter by its Unicode name; "LATIN" for non-letters and for signs without a script."""
    if not char.isalpha():
        return "LATIN"
    names = unicodedata.name(char, "UNNAMED").split()
    first = names[1] if names[0] in ("FULLWIDTH", "HALFWIDTH") and len(names) > 1 else names[0]
    return "LATIN" if first in _SCRIPTLESS else _SCRIPT_ALIASES.get(first, first)


def _scripts(language: str) -> frozenset[str]:
    base = language.replace("_", "-").partition("-")[0].lower()
    return SCRIPT_OF_LANGUAGE.get(base, frozenset()) | {"LATIN"}


def unspeakable(spoken: str, language: str) -> str:
    """The first run of letters in a script the language is not written in, or ""."""
    if spoken.isascii():
        return ""
    known = _scripts(language)
    if {_script(char) for char in set(spoken)} <= known:
        return ""
    for word in spoken.split():
        bad = [_script(char) not in known for char in word]
        if True in bad:
            begin = bad.index(True)
            fine = (at for at in range(begin, len(word)) if not bad[at] and word[at].isalnum())
            return word[begin : next(fine, len(word))].rstrip(_CLOSERS + ".,;:!?。！？、，；：")
    return ""


def drop_unspeakable(spoken: str, language: str) -> str:
    """The text without the words that hold a letter the language is not written in."""
    if not unspeakable(spoken, language):
        return spoken
    known = _scripts(language)
    return " ".join(word for word in words(spoken) if {_script(char) for char in word} <= known)
