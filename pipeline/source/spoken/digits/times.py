"""Times of day, verses and proportions in English: what has a colon."""

from __future__ import annotations

import re

from pipeline.source.spoken.digits.context import DASH, MONTH, WHOLE, ends_too, rule, word_after, word_before
from pipeline.source.spoken.digits.words import cardinal, one_by_one, paired
from pipeline.source.spoken.rules import Family, Rule

_HALF = r"(?: ?(?P<half>[aApP])(?:\.[mM]\.|[mM]\b|(?<=:\d\d[ap])(?!\w)))"
_SINCE = (
    rf"(?:(?P<since>\d{{1,2}})(?:[:.](?P<since_m>[0-5]\d))?(?: ?(?P<since_half>[aApP])\.?[mM]\.?)? ?(?:{DASH}|to) ?)?"
)
_GOES_ON = re.compile(rf" (?:\(|(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|{MONTH}|[A-Z]{{2,4}})\b)")
_BOOKS = frozenset(
    "genesis exodus leviticus numbers deuteronomy joshua judges ruth samuel kings chronicles ezra nehemiah esther job"
    " psalm psalms proverbs ecclesiastes songs solomon isaiah jeremiah lamentations ezekiel daniel hosea joel amos"
    " obadiah jonah micah nahum habakkuk zephaniah haggai zechariah malachi matthew mark luke john acts romans"
    " corinthians galatians ephesians philippians colossians thessalonians timothy titus philemon hebrews james peter"
    " jude revelation maccabees tobit sirach quran koran surah sura".split()
)
_SHORT_BOOKS = dict(
    pair.split("=")
    for pair in (
        "Gen=Genesis Ex=Exodus Exod=Exodus Lev=Leviticus Num=Numbers Deut=Deuteronomy Josh=Joshua Judg=Judges"
        " Sam=Samuel Kgs=Kings Chr=Chronicles Chron=Chronicles Neh=Nehemiah Esth=Esther Ps=Psalm Pss=Psalms"
        " Prov=Proverbs Eccl=Ecclesiastes Isa=Isaiah Jer=Jeremiah Lam=Lamentations Ezek=Ezekiel Dan=Daniel Hos=Hosea"
        " Mic=Micah Nah=Nahum Hab=Habakkuk Zeph=Zephaniah Hag=Haggai Zech=Zechariah Mal=Malachi Matt=Matthew Mt=Matthew"
        " Mk=Mark Lk=Luke Jn=John Rom=Romans Cor=Corinthians Gal=Galatians Eph=Ephesians Phil=Philippians"
        " Col=Colossians Thess=Thessalonians Tim=Timothy Tit=Titus Philem=Philemon Heb=Hebrews Jas=James Pet=Peter"
        " Rev=Revelation Macc=Maccabees"
    ).split()
)
_LIKE_NAMES = frozenset(
    "Sam Dan Hag Josh Mal Matt Phil Col Tim Rev".split()
)  # "Tim 5:30" has a stop where it is a book
_SECOND_BOOKS = frozenset(
    "Samuel Kings Chronicles Corinthians Thessalonians Timothy Peter John Maccabees Esdras".split()
)
_NAME_BEFORE = re.compile(r"[A-Z][\w'’]* $")
_WORD = re.compile("[A-Za-z]+")
_WHICH = {"1": "First", "2": "Second", "3": "Third", "I": "First", "II": "Second", "III": "Third"}
_BY_DAYTIME = re.compile(
    r" (?:o['’]?clock|in the (?:morning|afternoon|evening)|at night|(?:this|that|tomorrow|yesterday|next|every) "
    r"(?:morning|afternoon|evening|night)|tonight|tomorrow|sharp"
    r"|(?:\w+ )?(?:train|bus|coach|ferry|boat|express|flight))\b"
)
_BEFORE_TIMES = re.compile(
    r"(?<!\w)(?!(?:clos|pric|valu|rat|trad|stand|st[oa]y|remain|averag|open|sold|bought|set|put|end|stood|estimat)\w* )"
    r"\w+ at (?:about |around |exactly |precisely )?$",
)
_BY_TIMES = re.compile(
    r"(?:^|[.!?;,:\"“‘(—–] ?|(?<!\w)(?!(?:ris|rose|f[ae]ll|gr[oe]w|increas|decreas|drop|declin|up|down|beat|won|win"
    r"|lost|cut|reduc|multipl|divid|gain|high|low|exceed|chang|rais|shr[aiu]nk|mov|shift|slip|climb|jump)\w* )\w+ )"
    r"(?:[Bb]y|[Uu]ntil|[Tt]ill|[Bb]efore|[Aa]fter) $"
)
_SOMEBODY = re.compile(r",? (?:he|she|they|we|I|it|the|everyone|nobody|all)\b")
_GOES_ON_AS_TIME = re.compile(r"[\"'”’)]*(?:[.,;!?](?!\d)|$| (?:and|on|to|but|the|he|she|they|we|I|for|from|sharp)\b)")


def clock(hours: int, minutes: str, *, half: str = "") -> str:
    """A time of day in words; `half` ("a" or "p") leaves "o'clock" out."""
    if not int(minutes):
        if half:
            return cardinal(str(hours))
        if hours in (0, 24):
            return "midnight"
        return f"{cardinal(str(hours))} o'clock" if hours <= 12 else f"{cardinal(str(hours))} hundred"
    oh = "oh " if minutes[0] in "0٠０" and len(minutes) > 1 else ""
    return f"{cardinal(str(hours))} {oh}{cardinal(str(int(minutes)))}"


def _duration(match: re.Match[str]) -> str | None:
    """1h 30m, 3m 20s, 2 h 15 min: from the long to the short."""
    parts = re.findall(r"([\d.]+) ?([dhms])", match[0])
    order = ["dhms".index(unit) for _, unit in parts]
    if order != sorted(set(order)):
        return None
    names = (("day", "hour", "minute", "second")[place] for place in order)
    return " ".join(
        f"{cardinal(number)} {name}{'' if number == '1' else 's'}"
        for (number, _), name in zip(parts, names, strict=True)
    )


def _of_day(match: re.Match[str], half: str) -> str:
    """ "AM" or "PM"; a stop that ends the sentence too stays."""
    if not half:
        return ""
    ends = ends_too(match) and not _GOES_ON.match(match.string, match.end())
    return f" {half.upper()}M{'.' * ends}"


def _time(match: re.Match[str]) -> str | None:
    hours, minutes, seconds, half = int(match["h"]), match["m"], match["s"], match["half"] or ""
    if hours > 24 or int(minutes) > 59 or word_before(match) in _BOOKS:
        return None
    if seconds and int(seconds) and not half and _is_of_race(match):
        return _lasted(hours, int(minutes), f"{int(seconds)}{match['fraction'] or ''}")
    if int(minutes) == 0 and not seconds and word_after(match) in ("mile", "marathon"):
        return f"{cardinal(match['h'])} minute" if word_after(match) == "mile" else f"{cardinal(match['h'])} hour"
    words = clock(hours, minutes, half=half)
    if (fraction := match["fraction"]) and seconds is None:  # 2:03.45
        return f"{words} point {one_by_one(fraction)}"
    if seconds and int(seconds):
        words = f"{words} and {cardinal(f'{int(seconds)}.{fraction}' if fraction else str(int(seconds)))} seconds"
    return words + _of_day(match, half)


def _is_of_race(match: re.Match[str]) -> bool:
    """ran 2:01:09, won the race in 2:01:09"""
    around = match.string[max(0, match.start() - 40) : match.end() + 30]
    before = word_before(match)
    return before in _BEFORE_LASTING or (before != "at" and _OF_RACES.search(around) is not None)


def _lasted(hours: int, minutes: int, seconds: str) -> str:
    """two hours one minute and nine seconds"""
    parts = [(str(hours), "hour"), (str(minutes), "minute"), (seconds, "second")]
    words = [f"{cardinal(count)} {name}{'s' * (count != '1')}" for count, name in parts if count != "0"]
    return " and ".join(filter(None, [" ".join(words[:-1]), words[-1]]))


_BEFORE_LASTING = frozenset("in ran clocked lasted lasts took".split())
_OF_RACES = re.compile(r"\b(?:marathon|race|ran|finish|won|runtime|running time|record|personal best)")


def _hour(match: re.Match[str]) -> str | None:
    """3 p.m., 9-5 pm, 3.15pm"""
    hours, half = int(match["h"]), match["half"]
    if hours > 24:
        return None
    words = clock(hours, match["m"] or "00", half=half)
    if match["since"]:
        since_half = match["since_half"]
        since = clock(int(match["since"]), match["since_m"] or "00", half=half)
        words = f"{since}{f' {since_half.upper()}M' if since_half else ''} to {words}"
    return words + _of_day(match, half)


def _dotted_time(match: re.Match[str]) -> str | None:
    """7.30 in the morning, the 5.15 train; "They met at 9.15." has minutes of five and nothing that could be dear."""
    text, start, end = match.string, match.start(), match.end()
    hours, minutes = int(match[1]), match[2]
    if not 0 < hours < 25:
        return None
    if not _BY_DAYTIME.match(text, end):
        before = text[max(0, start - 32) : start]
        at = _BEFORE_TIMES.search(before) and _GOES_ON_AS_TIME.match(text, end)
        by = _BY_TIMES.search(before) and _SOMEBODY.match(text, end)
        if minutes[1] not in "05" or not (at or by):
            return None
    return clock(hours, minutes, half="")


def _book(match: re.Match[str]) -> str | None:
    """The name of a book of the Bible as it is said: "First Corinthians"; None where it is none."""
    written, which = match["book"], match["which"]
    name = written if written.lower() in _BOOKS else _SHORT_BOOKS.get(written)
    if name is None or (written in _LIKE_NAMES and not match["stop"] and not which):
        return None
    if not which:
        return name
    return f"{_WHICH[which] if name in _SECOND_BOOKS else cardinal(which) if which.isdigit() else which} {name}"


def _verses(match: re.Match[str]) -> str | None:
    """1 Cor. 13:4–7, Psalms 17:1, 19:1"""
    book = _book(match)
    if book is None or ("." in match["places"] and not match["stop"]):  # "John 3.5 kg"
        return None
    return f"{book} {_places(match['places'])}"


def _places(written: str) -> str:
    return ", ".join(
        " to ".join(" ".join(paired(number) for number in re.findall(r"\d+", end)) for end in re.split(DASH, place))
        for place in re.split("[,;]", written)
    )


def _chapter(match: re.Match[str]) -> str | None:
    """1 Cor. 13, Ps. 23: only where it can be nothing else."""
    name = _SHORT_BOOKS.get(match["book"], match["book"])
    if match["which"] and name not in _SECOND_BOOKS:
        return None
    book = _book(match)
    return book and f"{book} {cardinal(match['places'])}"


def _numbered_book(match: re.Match[str]) -> str | None:
    """II Kings; but not where a name stands before the number: "Charles II Samuel liked"."""
    word = _WORD.match(match.string, match.end())
    name = _SHORT_BOOKS.get(word[0], word[0]) if word else ""
    sure = name in ("Corinthians", "Thessalonians", "Chronicles", "Maccabees")
    named = _NAME_BEFORE.search(match.string, max(0, match.start() - 24), match.start())
    return f"{_WHICH[match[1]]} " if sure or (name in ("Samuel", "Kings", "Timothy") and not named) else None


def _proportion(match: re.Match[str]) -> str:
    return " to ".join(cardinal(part) for part in match[0].split(":"))


def _hours_and(match: re.Match[str]) -> str | None:
    """15h30"""
    return clock(int(match[1]), match[2]) if int(match[1]) < 25 and int(match[2]) < 60 else None


def _military(match: re.Match[str]) -> str:
    """1600 hours"""
    hours = f"zero {cardinal(match[1][1])}" if match[1][0] == "0" else cardinal(match[1])
    minutes = f"oh {cardinal(match[2][1])}" if match[2][0] == "0" else cardinal(match[2])
    return f"{hours} {'hundred' if match[2] == '00' else minutes}{' hours' * match[0].endswith('s')}"


def _from_to(match: re.Match[str]) -> str | None:
    parts = [part for part in match.groups() if part]
    hours = [int(parts[0]), int(parts[2])]
    if max(hours) > 24 or max(int(parts[1]), int(parts[3])) > 59:
        return None
    return f"{clock(hours[0], parts[1])} to {clock(hours[1], parts[3])}"


_PLACE = rf"\d{{1,3}}[:.]\d{{1,3}}(?:{DASH}(?:\d{{1,3}}:)?\d{{1,3}})?"
_WHICH_BOOK = r"(?<!\w)(?:(?P<which>[123]|I{1,3}) )?"
_WHOLE = r"(?![\w:]|[.,]\d)"

DURATIONS: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.,:/-])\d+ ?(?:d|h|hrs?|m|mins?)(?:\.?,? ?\d+(?:\.\d+)? ?(?:h|hrs?|m|mins?|s|secs?))+(?![\w/²³^])",
        _duration,
    ),
)
"""How long something takes; before the decades, which have an "s", too."""

BOOKS = Family(
    re.compile("I (?=Cor|Thess|Chron|Kings|Sam|Tim|Pet|Macc)"),
    (
        Rule(
            r"(?<!\w)(III?|I(?= Cor| Thess| Chron| Macc)) (?=[A-Z][a-z]+)",
            _numbered_book,
        ),
    ),
)
"""Books of the Bible whose Roman number says which; "I Peter" may be a speaker."""

TIMES: tuple[Rule, ...] = (
    rule(
        rf"{_WHICH_BOOK}(?P<book>[A-Za-z]{{2,14}})(?P<stop>\.?) (?P<places>{_PLACE}(?:[,;] ?{_PLACE})*){_WHOLE}",
        _verses,
    ),
    rule(
        rf"(?<!\w)(?P<which>[123]|I{{1,3}}) (?P<book>[A-Z][a-z]{{2,12}})(?P<stop>\.?) (?P<places>\d{{1,3}}){_WHOLE}",
        _chapter,
    ),
    rule(rf"(?<!\w)(?P<which>(?!))?(?P<book>Pss?|Isa|Deut)(?P<stop>\.) (?P<places>\d{{1,3}}){_WHOLE}", _chapter),
    rule(rf"(?<![\w.,:/]){_SINCE}(?P<h>\d{{1,2}})(?:[:.](?P<m>[0-5]\d))?{_HALF}", _hour),
    rule(rf"(?<![\w.:])(\d{{1,2}}):([0-5]\d) ?{DASH} ?(\d{{1,2}}):([0-5]\d)(?![\w:])", _from_to),
    rule(r"(?<![\w.,:-])([01][0-9]|2[0-4]):?([0-5][0-9])(?:(?= hours?\b)| hrs?(?!\w))", _military),
    rule(
        r"(?<![\w.:])(?P<h>\d{1,2}):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?"
        r"(?P<fraction>\.\d{1,3})?(?P<half>(?!))?(?![\w:]|,\d{3})",
        _time,
    ),
    rule(r"(?<![\w.,:/$£€+-])(\d{1,2})\.([0-5]\d)(?![\w%]|[.,:/-]\d)", _dotted_time),
    rule(r"(?:(?<=\bat )|(?<=\bby )|(?<=\bthe ))(0[0-9])([0-5][0-9])(?!\w|[.,:/-]\d)", _military),
    rule(r"(?<![\w.:])(\d{1,2})(?:h|(?<!\b[12])H)([0-5]\d)(?!\w)", _hours_and),
    rule(rf"(?<![\w.])\d+(?:\.\d+)?(?::{WHOLE}(?:\.\d+)?)+(?!\w)", _proportion),
)
