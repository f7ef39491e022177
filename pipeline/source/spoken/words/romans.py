"""Romans: Roman numerals of rulers, of parts of works, of headings, and of years.

In: display text. Out: rules for "Henry IV" (Henry the fourth), "Act I" (Act one), "XVII. The End" (seventeen), "World
War II", "MCMXCIX" (nineteen ninety-nine). "I" the pronoun, "George V. Higgins", "Vitamin C", "MIX" are none. English.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.sentences import begins_with_name, starts
from pipeline.source.spoken.words.context import behind, is_name, starts_sentence, word_before
from pipeline.source.spoken.words.numerals import number_words, roman_value

_NAMES = (
    "Abbas Abdul Abdullah Adrian Afonso Ahmed Albert Alexander Alexios Alexis Alfonso Amadeus Amenhotep Anastasius"
    " Andrew Anne Antiochus Artaxerxes Augustus Baldwin Basil Benedict Bernard Bohemond Boniface Boris Callixtus Carl"
    " Carol Carlos Casimir Catherine Celestine Charles Christian Clement Cleopatra Clovis Cnut Conrad Constans"
    " Constantine Cyrus Darius David Edmund Edward Elizabeth Emanuel Emmanuel Eric Erik Eugene Felipe Ferdinand"
    " Francis Francois Frederick Frederik Friedrich Fuad George Gregory Gustaf Gustav Gustavus Haakon Hadrian Harald"
    " Harold Hassan Henri Henry Hussein Innocent Isaac Isabella Ivan James Joachim Joan Joanna John Joseph Juan"
    " Julian Julius Justin Justinian Kamehameha Karl Kenneth Konstantin Ladislaus Leo Leopold Louis Ludwig Lucius"
    " Magnus Mahmud Malcolm Manuel Margaret Margrethe Maria Martin Mary Matthias Maximilian Mehmed Menelik Michael"
    " Mohammed Muhammad Murad Mustafa Napoleon Nicholas Nicephorus Olaf Olav Oscar Osman Otto Paul Pedro Peter Philip"
    " Pius Ptolemy Rama Rameses Ramesses Ramses Raymond Richard Robert Roger Romanos Rudolf Rudolph Sancho Sargon"
    " Seleucus Selim Seti Shapur Sigismund Silvester Simeon Sixtus Stanislaus Stephen Suleiman Sylvester Theodore"
    " Theodosius Thomas Thutmose Tiberius Umberto Urban Valdemar Victor Victoria Vladimir Vladislav Wenceslaus"
    " Wilhelm Wilhelmina Willem William Xerxes Zog"
    " Akbar Baudouin Canute Carlos Emanuele Faisal Farouk Idris Mithridates Napoléon"
).split()
_SHORT_NOUNS = {
    "vol": "volume", "vols": "volumes", "ch": "chapter", "chap": "chapter", "sc": "scene", "fig": "figure",
    "bk": "book", "pt": "part", "art": "article", "sec": "section", "no": "number", "p": "page", "pp": "pages",
    "vv": "verses",
}  # fmt: skip
_NOUNS = (
    "act appendix annex apollo article book canto chapter class division elegy episode factor figure grade group"
    " lesson letter level mark number ode olympiad part phase plate psalm round saturn scene schedule season section"
    " series sonnet stage stanza step table title tome type unit verse volume war"
).split()
_ROMAN = r"(?:[IVXLC]+|[ivxlc]+)"
_RULERS = frozenset([*_NAMES, *(name.upper() for name in _NAMES)])
_A_NAME = r"[A-Z][^\W\d_]+"  # that it is a ruler's is looked up: two hundred names in a pattern are slow to load
_ANY_NOUN = "|".join([*(f"{noun}s?" for noun in _NOUNS), *_SHORT_NOUNS])

_UNFINISHED = r"(?:\.(?=[,;:]| [a-z]))?"  # the stop of a numeral where the sentence goes on
_PART = (
    rf"\b((?i:{_ANY_NOUN}))(\.?) ({_ROMAN})((?:, {_ROMAN}(?!\w))*,? (?:and|or|to|&|through) {_ROMAN}|[-–]{_ROMAN})?"
    r"(?![\w]|[-–]\w|\.\w)" + _UNFINISHED
)
_RULER = (
    rf"\b({_A_NAME}) ([Tt]he )?([IVXL]+)(?: (?:and|&) ([VXL]|[IVXL]{{2,}}|(?<=James VI and )I))?(?![\w]|-\w|\.\w)"
    + _UNFINISHED
)
_ORDINAL = r"(?<!\w)([IVXL]+)(?:st|nd|rd|th)(?!\w)"
_AFTER_NAME = r"(?<=\w )([IVX]{2,6}|L[IVX]{1,5}|V)(?![\w]|[-–]\w|\.\w)"
_ITS_NAME = re.compile(r"\b([A-Z][^\W\d_]+['’]?s?) $")
_FIRST_NAME = re.compile(rf"\b({_A_NAME}) (?:[A-Z]\.? |[A-Z][a-z]+ )?$")
# Of two letters only those that are seldom initials; "XXX", "LIV" and "XL" are words or sizes in prose, and three
# letters from C on are initials more often than numerals ("the CLI").
_BARE = (
    r"(?<![\w.'’-])(?<!\w&)(?:(?!XXX\b|LIV\b|C..\b)[IVXLC]{3,9}|II|IX|X[IV])(?![\w]|[-–&]\w|\.\w|['’]\w)" + _UNFINISHED
)
_HEADING = r"(?<![^\s—*_])(?!C[CLVI]\b|CLI\b)(?:[IVX]|[IVXLC]{2,9})(?=(\.?)(?=[ :—–*_]|$))"
_NAME_BEHIND = re.compile(r"\.? ([A-Z][^\W\d_]*\.?)")
_INITIAL = re.compile(r"\b[A-Z]\. $")
_CAPITALS = re.compile(r"[\s\"'“‘—–:*_-]*[A-Z]{2}")
_SHOUTED = re.compile(r" (?!(?:THE|AN?|OF) )\w")  # "I AM", not "I THE PERIOD"
_SMALL_WORDS = frozenset("of the and in to a an at on for with by from or".split())
_LISTED = r"(?<!\w)\((i{1,3}|iv|vi{0,3}|ix|xi{0,3}|xiv|xv)\)(?!\w)|(?<![\w(])(ii|iii|iv|vi{1,3}|ix|xi{1,2})\)"
_NUMBERED = "Corps|Legion|Dynasty|Amendment|Congress|Olympiad|Olympics|Army|Division|Republic|Century|century"
_HOW_MANIETH = rf"(?<![\w.])(I(?= Corps)|[IVX]{{2,}}|[VX])(?= (?:[A-Z][a-z]+ )?(?:{_NUMBERED})\b)"
_YEAR = r"(?<![\w.])(M[CDMLXVI]{3,})(?![\w]|\.\w)"
# After "Henry I" and "chapter I" these make "I" the pronoun.
_VERBS = (
    "am do don't did didn't have haven't think thought know knew believe believed suppose guess mean meant say said"
    " saw see want wanted wish hope hoped love loved like liked hate hated need needed met read wrote write will"
    " would can could shall should must may might just really never always once ever play played remember feel felt"
    " find got get went ask asked told tell took take gave give made make"
).replace("'", "['’]")
_PRONOUN = re.compile(rf" (?:{'|'.join(_VERBS.split())})\b|['’](?:m|d|ll|ve)\b")
_BEFORE_SINGLE = [*_NOUNS, *(f"{noun}s" for noun in _NOUNS), *(f"{short}." for short in _SHORT_NOUNS)]
_SINGLE = r" [IVXivx](?!\w)"
_NAMED_SINGLE = behind(
    _SINGLE,
    [*_RULERS, *(case(noun) for noun in _BEFORE_SINGLE for case in (str.lower, str.title, str.upper))],
    " [IVXivx]",
)
_NO_VERB = re.compile(r"[.,;:)!?]|$| of\b")
_TITLED = re.compile(
    r"\b(?:King|Queen|Pope|Emperor|Empress|[TC]s?z?ar|Kaiser|Sultan|Shah|Duke|Prince|under|against|by|(?:reign|time|days"
    r"|son|daughter|court|death) of) $",
    re.IGNORECASE,
)
_NO_PRONOUN = re.compile(  # what follows "Henry I" and does not follow the pronoun
    r"[.,;:)!?(—–-]|['’]s\b|$| (?:[(“—–]|(?:of|and|or|in|at|to|by|for|from|with|on|as|who|whose|until|against|during"
    r"|while|whilst|into|upon|(?!alway|perhap|wa)[a-z]+[^\Ws]s|[a-z]+ing|reigned|ruled|died|became|succeeded|himself|herself)(?!\w))"
)
_THIRD_PERSON = re.compile(
    r" (was|had|[a-z]+ed|became|began|bought|broke|brought|built|came|chose|drove|fell|fled|forbade|fought|gave|grew"
    r"|held|kept|laid|lay|led|left|lost|made|overthrew|paid|put|ran|rebuilt|rode|rose|sent|set|slew|sold|sought|spent"
    r"|spoke|stood|struck|swore|taught|threw|took|went|withdrew|won|wore)(?!\w)"
)
# What comes before a subject: "In 1066, William I", "when William I".
_BEFORE_SUBJECT = re.compile(
    r"(?:(?:^|[.!?] |[\"“])(?:In|At|On|By|After|Before|During|Under|Upon|Despite|Until|Since|From)\b[^.!?;:]{1,80}, "
    r"|\b[Ii]n \d{3,4} |\b(?:[Ww]hen|[Bb]ecause|[Ww]hile|[Aa]lthough|[Tt]hough|[Hh]ow|[Ww]hy) )$"
)
_NO_RULERS = frozenset({("MALCOLM", "X")})
_WORKS = frozenset("APOLLO SATURN WAR".split())


def romans() -> tuple[Family, ...]:
    """The families of English Roman numerals."""
    return (
        Family(re.compile(_NUMBERED), (Rule(_HOW_MANIETH, _how_manieth),)),
        Family(
            re.compile("[IVXLCM][IVXLCM]"),
            (
                Rule(_RULER, _ruler),
                Rule(_PART, _part),
                Rule(_ORDINAL, lambda match: _value_words(match[1], "ordinal")),
                Rule(_HEADING, _heading),
                Rule(_AFTER_NAME, _after_name),
                Rule(_YEAR, _year),
                Rule(_BARE, lambda match: _value_words(match[0].rstrip("."))),
            ),
        ),
        Family(re.compile(r" [ivxlc]{2,7}(?!\w)"), (Rule(_PART, _part),)),
        Family(re.compile(_SINGLE), (Rule(_RULER, _ruler, 0, _NAMED_SINGLE), Rule(_PART, _part, 0, _NAMED_SINGLE))),
        Family(re.compile(r"[IVX](?=[.:]|$)(?<![^\s—*_][IVX])"), (Rule(_HEADING, _heading),)),
        Family(re.compile(r"\)(?<=[ivx]\))"), (Rule(_LISTED, _listed),)),
    )


def _value_words(numeral: str, kind: str = "cardinal") -> str | None:
    value = roman_value(numeral)
    return number_words(value, kind) if value else None


def _is_pronoun(match: re.Match[str], numeral: str) -> bool:
    return numeral == "I" and _PRONOUN.match(match.string, match.end()) is not None


def _ruler(match: re.Match[str]) -> str | None:
    name, the, numeral, second = match.groups()
    value = roman_value(numeral)
    if name not in _RULERS or not 0 < value < 60 or (name.upper(), numeral) in _NO_RULERS:
        return None
    if len(numeral) == 1 and not the and not second and not _is_ruler(match):
        return None
    also = f" and {_value_words(second, 'ordinal') or second}" if second else ""
    return f"{name.title()} the {number_words(value, 'ordinal')}{also}"


def _how_manieth(match: re.Match[str]) -> str | None:
    before = word_before(match.string, match.start())
    return _value_words(match[1], "ordinal") if starts(before) or not is_name(before) else None  # "World War II Army"


def _is_ruler(match: re.Match[str]) -> bool:
    """Whether the letter behind a name is a numeral, no pronoun ("With Henry I had") and no initial."""
    text, end = match.string, match.end()
    is_titled = _TITLED.search(text, max(0, match.start() - 14), match.start()) is not None
    name = _NAME_BEHIND.match(text, end)
    if name is not None and not is_titled and not starts(name[1]) and not begins_with_name(text, end + 1):
        return False  # "George V. Higgins", "Joseph I. C. Clarke"
    if match[3] != "I" or match[0].endswith("."):
        return True
    if is_titled:
        return not _is_pronoun(match, "I")
    return _acts(match) or _NO_PRONOUN.match(text, end) is not None


def _acts(match: re.Match[str]) -> bool:
    """Whether "William I" is a subject at whose place nobody would say "I": "In 1066, William I defeated"."""
    text, start = match.string, match.start()
    deed = _THIRD_PERSON.match(text, match.end())
    if deed is None or (deed[1].endswith("ed") and _is_pronoun(match, "I")):  # "Richard I loved"
        return False
    return starts_sentence(text, start) or _BEFORE_SUBJECT.search(text[max(0, start - 90) : start]) is not None


def _heading(match: re.Match[str]) -> str | None:
    """A numeral that is all there is of a text, or comes before the title of a chapter."""
    text, numeral = match.string, match[0]
    value, begins = roman_value(numeral), starts_sentence(text, match.start())
    title = text[match.end(1) :].lstrip(" :—–*_")
    if not value or not begins or _INITIAL.search(text, max(0, match.start() - 4), match.start()):
        return None
    if title:
        is_first = not text[: match.start()].strip(" —*_")
        is_capitals = _CAPITALS.match(title) is not None and title[:2] not in ("I ", "I'", "I’")
        is_capitals = is_capitals and (len(numeral) > 1 or _SHOUTED.match(text, match.end()) is None)
        is_title = is_capitals or (
            match[1] and (title[0].isupper() if len(numeral) > 1 else is_first and _is_title(title))
        )
        if not is_title or not (is_first or match[1]):
            return None
    elif text[: match.start()].strip(" —*_") and len(numeral) < 3:
        return None
    return number_words(value)


def _is_title(text: str) -> bool:
    """Whether the words begin with capitals, but for small ones; one that opens with an initial is a name."""
    words = re.findall(r"[^\W\d_]+(?:['’.][^\W\d_]+)*\.?", text[:80])
    if not words or re.fullmatch(r"I|[A-Z]\.", words[0]):
        return False
    return starts(words[0]) or all(word[0].isupper() or word in _SMALL_WORDS for word in words)


def _part(match: re.Match[str]) -> str | None:
    noun, dot, first, rest = match.groups()
    short = _SHORT_NOUNS.get(noun.lower())
    if _is_pronoun(match, first) or bool(dot) != bool(short) or (noun.lower() == "no" and len(first) == 1):
        return None  # "No. I cannot"
    if noun.lower() == "series" and first == "X":
        return None
    lower = noun[0].islower()
    if lower and first == "I" and not rest and not _NO_VERB.match(match.string, match.end()):
        return None  # "the part I liked"
    if (first.islower() and len(first) == 1 and first not in "ivx") or first.upper() in ("C", "L", "CC", "CL"):
        return None
    said = f"{_noun(noun, short)} {_numerals(first)}{_rest(rest)}" if roman_value(first) else None
    return None if said is None or "0" in said else said


def _noun(noun: str, short: str | None) -> str:
    if short:
        return short.title() if noun[0].isupper() else short
    return noun.capitalize() if noun.isupper() else noun


def _numerals(text: str) -> str:
    return re.sub(_ROMAN, lambda match: _value_words(match[0]) or "0", text)


def _rest(rest: str | None) -> str:
    if not rest:
        return ""
    if rest[0] in "-–":
        return f" to {_numerals(rest[1:])}"
    return re.sub(
        rf"(and|or|to|&|through) ({_ROMAN})$|{_ROMAN}",
        lambda match: f"{match[1].replace('&', 'and')} {_numerals(match[2])}" if match[1] else _numerals(match[0]),
        rest,
    )


def _after_name(match: re.Match[str]) -> str | None:
    """Rocky II is two, and the second and third of a family are told by a first name: "John Rockefeller III"."""
    behind_name = _ITS_NAME.search(match.string, max(0, match.start() - 40), match.start())
    if behind_name is None:
        return None
    name, numeral = behind_name[1], match[1]
    value = roman_value(numeral)
    before = _FIRST_NAME.search(match.string[max(0, behind_name.start() - 40) : behind_name.start()])
    first_name = before is not None and before[1] in _RULERS
    if not value or starts(name) or numeral in ("XX", "XXX") or (numeral == "V" and not first_name):
        return None
    if first_name and name.upper() not in _WORKS and 1 < value < 7:
        return f"the {number_words(value, 'ordinal')}"
    return number_words(value)


def _listed(match: re.Match[str]) -> str | None:
    words = _value_words(match[1] or match[2])
    return f"({words})" if match[1] else f"{words})"


def _year(match: re.Match[str]) -> str | None:
    value = roman_value(match[1])
    return number_words(value, "year") if 1000 < value < 2101 else None
