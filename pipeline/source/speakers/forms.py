"""Forms: the ways in which people write who speaks.

In: a block. Out: the `Candidate`s that its lines may begin with, one for each form that fits. Whether they are labels
is decided by `labels`, which looks at the whole file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, NamedTuple, get_args

from pipeline.source.ledger import Stretch
from pipeline.source.prose.blocks import Block
from pipeline.source.prose.brackets import ANY_STAMP, STAMP, is_note
from pipeline.source.prose.inline import ELEMENTS, plain
from pipeline.source.spoken import text as texts
from pipeline.source.spoken.sentences import sentence_ends

Form = Literal[
    "bold",
    "italic",
    "html",
    "bracket",
    "plain",
    "tag",
    "bare-bracket",
    "dash",
    "clock",
    "alone",
    "heading",
    "capitals",
    "stop",
    "row",
    "chat",
]
FORMS: tuple[Form, ...] = get_args(Form)
WITH_COLON: tuple[Form, ...] = ("bold", "italic", "html", "bracket", "plain")
"""Forms that are tried first: a colon says that somebody speaks."""
ABOVE: tuple[Form, ...] = ("clock", "alone", "heading", "capitals")
"""Forms in which the name stands above what is said, which goes on until the next name."""
SURE: tuple[Form, ...] = ("tag", "capitals", "clock", "chat")
"""Forms that nobody writes for anything else, so that names need not come back."""

_NO_STAMP = r"(?!\s*@?\d{1,3}:\d{2})"  # else a stamp could be read in two ways, and many of them in as many as 2**n
_DIRECTION = rf"(?:\({_NO_STAMP}[^()\n]{{1,160}}\)|\\?\[{_NO_STAMP}[^\[\]\n]{{1,60}}?\\?\])"
_BEFORE = rf"(?:{ANY_STAMP}(?:\s+|\s*[-–|]\s*)|{STAMP}\s*)?(?:[^\w\s\[\](){{}}<>*_.,:;!?\"'#@-]+\s*)?"
_AFTER = rf"(?:\s*+(?:{ANY_STAMP}|[*_]?{_DIRECTION}[*_]?))*+"
_SAID = rf"(?:\s*{STAMP}(?!\s+[a-z]))?\s*"  # "(10:30) is fine" is said
_COLON = r"(?::(?=\s|$)|：)"
_CAPITALS = r"[A-Z][A-Z0-9 .,'’&-]{0,38}[A-Z0-9]"

_TITLED = r"(?:(?:Mr|Mrs|Ms|Dr|St)\. )?[A-Z][a-zà-ÿ]+(?: (?:[A-Z][a-zà-ÿ]+|de|la|von|van|of|the)){0,3}"

_LINES: dict[Form, str] = {
    "bold": (
        rf"{_BEFORE}(?P<mark>\*\*\*|\*\*|__)(?P<name>(?:(?!(?P=mark)).){{1,120}}?)"
        rf"(?:\s*[:：]\s*(?P=mark)|(?P=mark){_AFTER}\s*[:：]){_SAID}"
    ),
    "italic": (
        rf"{_BEFORE}(?P<mark>[*_])(?![*_\s])(?P<name>(?:[^*_]|(?<=\w)_(?=\w)){{1,60}}?)"
        rf"(?:\s*[:：]\s*(?P=mark)|(?P=mark){_AFTER}\s*[:：])(?=\s|$){_SAID}"
    ),
    "html": (
        rf"(?:<(?:p|div|li|dd|td)\b[^<>\n]{{0,80}}>\s*)?{_BEFORE}<(?P<mark>b|strong|em|i|u|cite|dt)>(?P<name>[^<>]{{1,60}}?)"
        rf"(?:\s*[:：]\s*</(?P=mark)>|</(?P=mark)>{_AFTER}\s*[:：]){_SAID}"
    ),
    "plain": (
        rf"{_BEFORE}(?P<name>(?:[^:：\n*_<>|\[\]]|(?<=\w)_(?=\w)){{1,60}}?){_AFTER}\s*{_COLON}{_SAID}"
        rf"|(?P<bare>[^\w\s:]{{1,6}})\s*{_COLON}{_SAID}"
    ),
    "bracket": (rf"{_BEFORE}\\?\[(?P<name>[^\[\]\n\\]{{1,40}})\\?\]{_AFTER}\s*{_COLON}{_SAID}"),
    "bare-bracket": (
        rf"(?:{ANY_STAMP}\s*)?\\?\[(?P<name>[^\[\]\n\\]{{1,40}})\\?\](?![(\[:])(?:\s+{ANY_STAMP}(?=\s+[-–—]))?(?:\s+[-–—]+)?\s*(?=\S)"
    ),
    "dash": (
        rf"{_BEFORE}(?:(?P<mark>\*\*|__|\*|_)(?P<name>(?:[^*_\n]|(?<=\w)_(?=\w)){{1,40}}?)(?P=mark)"
        rf"|(?P<bare>[^\W\d_](?:[^:\n*_,!?\"“”()\[\]]|(?<=\w)_(?=\w)){{0,39}}?))(?:\s+{ANY_STAMP})?\s+[-–—]{{1,2}}\s+(?=\S)"
        r"|(?P<sign>\*\*|__)(?P<inside>[^*_\n]{1,60}?)\s*[-–—]\s*(?P=sign)\s*(?=\S)"
    ),
    "clock": (
        rf"(?P<mark>\*\*|__)?(?P<name>[^\W_](?:[^:\n*_]|(?<=\w)_(?=\w)){{0,59}}?)(?(mark)(?P=mark)){_DIRECTION}?\s*+(?:[-–|,]\s*+)?{ANY_STAMP}\s*+:?\s*+$"
        rf"|(?P<sign>\*\*|__)(?P<inside>[^:\n*_]{{1,60}}?)(?P=sign)\s*+{ANY_STAMP}\s++(?:[-–—]\s+)?(?=\S)"
        rf"|{ANY_STAMP}\s+(?P<open>\*\*|__)(?P<named>[^:\n*_]{{1,60}}?)(?P=open)(?:\s+(?=\S)|\s*$)"
        rf"|{ANY_STAMP}\s*[-–|]?\s+(?P<bare>[^\W\d_][^:\n*_]{{0,59}}?)\s*$"
    ),
    "alone": (
        rf"{_BEFORE}(?P<mark>\*\*\*|\*\*|__|\*|_)(?P<name>(?:[^*_\n]|(?<=\w)_(?=\w)){{1,60}}?)(?P=mark){_AFTER}\s*$"
    ),
    "capitals": (rf"(?P<mark>_?)(?P<name>{_CAPITALS})\.?(?P=mark)[.:]?\s*(?:_?{_DIRECTION}_?)?\.?\s*$"),
    "chat": (
        rf"{_BEFORE}(?P<mark>\*\*|__|)\\?<(?P<name>[@+ ]?[^\W\d_][^<>\n]{{0,39}})\\?>(?P=mark)\s+(?=\S)"
        rf"|{ANY_STAMP}\t(?P<bare>[^\t\n:]{{1,40}})\t\s*(?=\S)"
    ),
    "stop": (
        rf"(?P<name>{_CAPITALS}|{_TITLED}|[QA](?=\.))(?:\.|(?=\s*_?{_DIRECTION}))(?:\s*_?{_DIRECTION}_?\.?)?\s+(?=\S)"
        rf"|_(?P<bare>[^_\n]{{1,40}}?)\.?_(?:\s*_?{_DIRECTION}_?)?[.:]?\s+(?=\S)"
        rf"|(?P<sign>\*\*|__)(?P<inside>{_CAPITALS}|{_TITLED})(?:\.(?P=sign)|(?P=sign)\.)(?:\s*[*_]?{_DIRECTION}[*_]?\.?)?\s+(?=\S)"
    ),
}
_BY_PLACE: tuple[Form, ...] = ("stop", "alone", "capitals", "dash", "clock")
_NUMERAL = re.compile(r"(?=[IVXLC]{2})C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_SIGNS: dict[Form, str] = {  # without one of which a line has no label of the form: looking is quicker than matching
    **dict.fromkeys(("bold", "italic", "alone"), "*_"),
    "plain": ":：",
    "clock": ":",
    **dict.fromkeys(("bracket", "bare-bracket"), "["),
    "html": "<",
    "chat": "<\t",
    "dash": "-–—",
    "capitals": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "stop": ".([_*",
}
_IN_MID_LINE: dict[Form, re.Pattern[str]] = {
    "bold": re.compile(r"(?<=\s)(?P<mark>\*\*|__)(?P<name>[^*_\n]{1,60}?)(?::\s*(?P=mark)|(?P=mark)\s*:)\s*"),
    "html": re.compile(r"(?<=[\s>])<(?P<mark>b|strong)>(?P<name>[^<>]{1,60}?)(?::\s*</(?P=mark)>|</(?P=mark)>\s*:)\s*"),
    "plain": re.compile(r"(?<=[.!?…\"”’)\]])\s+(?P<name>[^\W_][^:.!?\n*_]{0,39}?)\s*:\s+(?=\S)"),
}
_LISTED = re.compile(r"\d{1,4}[.)]\s+")
_TAG_NAME = r"[^\W\d_][\w.'’-]{0,39}(?: [\w.'’-]{1,20}){0,3}"
CLOSING_TAG = re.compile(rf"</({_TAG_NAME})>")
_TAG = re.compile(rf"<(/?)(v(?:\.[\w.-]+)? (?P<voice>[^<>\n]{{1,40}})|(?P<name>{_TAG_NAME}))>")
_VOICE_END = re.compile(r"</v>")
_NOT_PEOPLE = frozenset(
    """
    note notes warning tip tips example examples remember important question answer summary ps p.s nb n.b update edit
    source sources reference references disclaimer spoiler result results conclusion introduction intro outro chapter
    part section episode title subtitle author date time location setting scene act music sound sounds sfx break
    today tomorrow yesterday first second third fourth finally also however
    therefore thus ingredients directions step steps total subject re fwd from to cc sent contents index figure table
    photo image video audio link links website email phone address price cost size version fact myth problem solution
    pros cons definition translation quote key objective goal goals topic topics theme themes transcript duration
    published length http https ftp mailto file tldr tl;dr actually otherwise meaning correction footnote caption
    resources news events name contact focus poll agenda action attendees presenter presenters where when agreed
    action-item participants hosts guests sponsors episodes discord twitter github youtube instagram chapters slides
    feedback credits recap preview hint moral reason advantage disadvantage exception illustration plot synopsis
    chap proposal proposals todo done next blocked blockers currently similarly previously additionally furthermore
    moreover
    recently generally specifically unfortunately aim aims background decision decisions discussion context updates
    attendance absent regrets scribe chair subtopic resolution type success failure output input error prompt response
    present apologies quorum minutes motion seconded
    status requirements features motivation dramatis mon tue tues wed thu thurs fri sat sun pro con p0 p1 p2
    """.split()
)
AMONG_OTHERS = frozenset(
    """
    chair presenter author all both another everyone everybody other others you me her him i she he they crowd
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december
    english deutsch german français french español spanish italiano italian português portuguese russian chinese
    japanese korean 中文 日本語 한국어
    """.split()
)
"""Words that are people only among others: May, the Frenchman of a play, all."""
_NOT_FIRST = frozenset(
    """
    in on at by for from with of to as if but and or so because when while where who whom whose what which why how
    then there here this that these those it its he she they we i you his her their our my your dear said says asked
    one two three four five six seven eight nine ten see note here's that's there's it's let's what's who's is was are
    were be do did does don't now yes no not only just all some many most every each any another other such after
    before since until still once maybe perhaps well oh ah remember imagine consider think look listen take make get
    got let lets thus either neither
    """.split()
)
_SPEECH_VERBS = frozenset(
    """
    say says said ask asks asked reply replies replied answer answers answered cry cries cried add adds added continue
    continues continued write writes wrote explain explains explained shout shouts shouted whisper whispered think
    thinks thought murmur murmured exclaim exclaims exclaimed read reads saying went is are was
    """.split()
)
_TITLES = frozenset(
    """
    mr mrs ms miss dr st sir lady lord the a an
    """.split()
)
_NUMBERED = re.compile(
    r"(?:chapter|pages?|line|part|section|episode|act|day|week|month|year|tip|step|rule|law|lesson|exercise|question|answer|figure"
    r"|table|psalm|verse|canto|book|volume|number|no\.|point|fact|myth|example|note|item|option|stage|level|round"
    r"|phase|case|topic|slide|track|appendix|proposal|issue|problem|task|action|scene|priority|version)\s+(?:\d.*|[ivxlc]+|one|two|three|four|five|six|seven|eight|nine|ten)"
)
_MEASURE = re.compile(r"\d+\s*(?:m|min|mins|minutes?|s|sec|seconds?|h|hrs?|hours?|%|k|px|mb|gb)")
_STAGE = re.compile(r"(?:int|ext|i/e|enter|exit|exeunt|re-?enter|manet|flourish|alarums?|curtain)\b")
_TRANSITION = re.compile(r"\b(?:cut|dissolve|fade|smash|match)\b.*\b(?:to|in|out)$|^(?:fade|cut)\b|notes?$|^the end$")
_PARTICLES = frozenset(
    """
    de la le du von van der den of the and & di da del y ter zu bin ibn
    """.split()
)
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_CONTRACTION = re.compile(r"(?:i|we|you|they|he|she|it|that|there|what|who|let|here)['’](?:m|ve|re|ll|d|s)")
_ORDINAL = re.compile(r"\d{1,3}(?:st|nd|rd|th)", re.IGNORECASE)
_IDENTIFIER = re.compile(
    r"[a-z]+[ _-]?\d+|host|guest|narrator|interviewer|interviewee|speaker|moderator|q|a|user|assistant"
)
_MARKS = re.compile(r"[*_\\`<\[]")
STAMPS = re.compile(rf"{STAMP}|(?<!\w)@?\d{{1,3}}:\d{{2}}(?::\d{{2}})?(?:[.,]\d+)?")
_DIRECTIONS = re.compile(rf"_?{_DIRECTION}_?")


@dataclass(frozen=True)
class Label:
    """Where a label stands in the source, and whom it names; None: whoever spoke before goes on; "": the narrator."""

    start: int
    end: int
    number: int  # of its line
    name: str | None


class Candidate(NamedTuple):
    """A line that may begin with a label: the name, and where in the line's text the label ends."""

    form: Form
    name: str
    block: int
    line: int
    start: int
    end: int

    @property
    def key(self) -> str:
        """What names are compared by."""
        return self.name.casefold()


def candidates(index: int, block: Block) -> Iterator[Candidate]:
    """What the lines of a block may begin with."""
    if block.kind in ("heading", "row"):
        fits = block.level > 1 if block.kind == "heading" else len(block.lines) == 2
        if fits and (name := clean_name(block.lines[0].text)):
            form: Form = "heading" if block.kind == "heading" else "row"
            yield Candidate(form, name, index, 0, 0, len(block.lines[0].text))
    elif block.kind == "paragraph":
        text = block.lines[0].text.strip()
        is_short = len(text) <= 40 and text[-1:].isalnum() and ":" not in text and not text.isupper()
        if is_short and looks_like_name(text) and clean_name(text) == text:
            yield Candidate("alone", text, index, 0, 0, len(block.lines[0].text))
        for number, line in enumerate(block.lines):
            yield from _of_line(index, number, line.span)


@cache
def _line(form: Form) -> re.Pattern[str]:
    """The pattern of a form, which takes long to compile: few files have lines that need all of them."""
    return re.compile(_LINES[form])


def _of_line(index: int, number: int, span: Stretch) -> Iterator[Candidate]:
    text = span.text
    signs = set(text)
    listed = _LISTED.match(text)
    for form in _LINES:
        if signs.isdisjoint(_SIGNS[form]):
            continue
        match = _line(form).match(text, listed.end() if listed else 0)
        if match is None or ("bracket" in form and is_note(match["name"])):
            continue
        if form == "chat" and (match["name"] or "").lower().split(" ")[0] in ELEMENTS:
            continue
        name = clean_name(_written(match))
        if name and not (form in _BY_PLACE and _NUMERAL.fullmatch(name)):
            yield Candidate(form, name, index, number, 0, match.end())
    if "<" in text:
        yield from _tags(index, number, span)
    head = _line("plain").match(text) if ":" in text else None
    begin = head.end() if head and looks_like_name(clean_name(_written(head))) else 0  # "Dr. Smith:" is one label
    begin = max(begin, listed.end() + 1 if listed else 0)
    for form, pattern in _IN_MID_LINE.items() if ":" in text else ():
        for match in pattern.finditer(text):
            if match.start() >= begin and (name := clean_name(match["name"])):
                yield Candidate(form, name, index, number, *match.span())


def _written(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return next((groups[key] for key in ("name", "bare", "inside", "named") if groups.get(key)), "")


def _tags(index: int, number: int, span: Stretch) -> Iterator[Candidate]:
    """`<Person1>`, `<v Name>`, anywhere in a line; what closes them has no name."""
    for match in _TAG.finditer(span.text):
        name = (match["voice"] or match["name"]).strip()
        if match["name"] and name.lower() in ELEMENTS:
            continue
        if match["voice"] or any(char.isdigit() for char in name) or match["name"][0].isupper():
            closes = bool(match[1])
            yield Candidate("tag", "" if closes else name, index, number, *match.span())
    for match in _VOICE_END.finditer(span.text):
        yield Candidate("tag", "", index, number, *match.span())


@lru_cache(4096)
def clean_name(written: str) -> str:
    """The name in a label, without times, directions, pictographs and markup; "" when it is none."""
    if "](" in written:
        written = plain(written)
    written = _INVISIBLE.sub("", written)
    if is_pictograph(written):
        return written
    name = _DIRECTIONS.sub("", STAMPS.sub("", written)) if any(sign in written for sign in "[(:<") else written
    if _MARKS.search(name):
        name = plain(name)
    name = name.strip(" \t:[]*_,–—-|@+")
    if not name.endswith(".") or len(name) > 4 or len(name) == 2:  # "Dr." keeps its stop, "A." does not
        name = name.strip(" \t:[]*_.,–—-|")
    while name and unicodedata.category(name[0])[0] in "SCM":
        name = name[1:].lstrip()
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    return name if len(name) <= 60 and texts.has_speech(name) else ""


def is_pictograph(name: str) -> bool:
    """Whether pictographs alone stand for somebody: "🦊: Hello."."""
    return name[:1] > "\u2100" and all(unicodedata.category(char) in ("So", "Mn", "Cf", "Sk") for char in name)


@lru_cache(4096)
def may_be_name(name: str) -> bool:
    """Whether a label that comes back can be a speaker's name."""
    if is_pictograph(name):
        return True
    lowered = name.lower()
    words = lowered.split()
    return (
        (
            name[:1].isupper()
            or name[:1].isdigit()
            or not name[:1].isascii()
            or _IDENTIFIER.fullmatch(lowered) is not None
        )
        and name[:1].isalnum()
        and any(map(str.isalpha, name))
        and not _MEASURE.fullmatch(lowered)
        and len(name) <= 40
        and len(words) <= 5
        and lowered.strip(".") not in _NOT_PEOPLE | AMONG_OTHERS
        and not _NUMBERED.fullmatch(lowered)
        and not _TRANSITION.search(lowered)
        and not _STAGE.match(lowered)
        and words[0] not in _NOT_FIRST
        and not _SPEECH_VERBS & {words[-1], *words[1:3]}
        and (len(words) > 1 or words[0].rstrip(".") not in _TITLES | _SPEECH_VERBS or name == "A")
        and not any(sign in name for sign in '!?;,…"“”*[]/，。；！？、…（')
        and not _CONTRACTION.fullmatch(words[0])
        and ("." not in name or len(sentence_ends(name)) == 1)  # "Dr. Smith" is a name, "It ended. He said" is not
    )


_LONGEST_UNSPACED = 10


def is_listed(text: str) -> bool:
    """Whether a line is an item of a numbered list."""
    return _LISTED.match(text) is not None


def is_heading(name: str) -> bool:
    """Whether it stands before a colon without being anybody: "Note:", "Part 2:"."""
    return name.lower().rstrip("0123456789 .") in _NOT_PEOPLE


@lru_cache(4096)
def looks_like_name(name: str) -> bool:
    """Whether a label that stands once can be a speaker's name: every word is written as names are."""
    words = name.split()
    counts = len(words) > 1 and words[0].lower() in ("first", "second", "third") and not is_heading(words[1])
    if not may_be_name(name) or len(words) > 4 or (words[0].lower() in _NOT_PEOPLE and not counts):
        return False
    if not name.isascii() and len(name) > _LONGEST_UNSPACED and len(words) == 1 and not name[0].isupper():
        return False  # a clause of a script without capitals and spaces
    if _IDENTIFIER.fullmatch(name.lower()):
        return True
    return (_is_written_as_name(words[0]) or _ORDINAL.fullmatch(words[0]) is not None) and all(
        _is_written_as_name(word)
        or word.lstrip("#")[:1].isdigit()
        or not word[:1].isascii()
        or word.lower() in _PARTICLES
        for word in words
    )


def _is_written_as_name(word: str) -> bool:
    """Whether it begins with a capital, or with a letter of a script that has none."""
    return word[:1].isalpha() and not word[:1].islower()
