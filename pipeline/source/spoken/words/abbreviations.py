"""Abbreviations: the words that they stand for.

In: display text. Out: rules for "Dr." (Doctor, or Drive), "e.g." (for example), "U.S." (US), "J. R. R." (JRR). The stop
of an abbreviation stays where it ends a sentence, too. English; the tables of other languages are in `phrases`.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.names import COUNTIES, WOMEN
from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.scripts import base_language
from pipeline.source.spoken.sentences import ends_sentence, lettered, names_county, starts
from pipeline.source.spoken.words.context import behind, is_name, word_after, word_before
from pipeline.source.spoken.words.initialisms import as_word, said_initialism, said_initials
from pipeline.source.spoken.words.phrases import phrases


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _table(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split(", "))


_WORDS = _table(
    "Mr=Mister, Mrs=Missus, Ms=Miz, Messrs=Messrs, Prof=Professor, Rev=Reverend, Fr=Father, Gen=General, Col=Colonel,"
    " Capt=Captain, Cpt=Captain, Cmdr=Commander, Lt=Lieutenant, Sgt=Sergeant, Cpl=Corporal, Pvt=Private, Maj=Major,"
    " Adm=Admiral, Sen=Senator, Rep=Representative, Gov=Governor, Pres=President, Hon=Honorable, Supt=Superintendent,"
    " Insp=Inspector, Det=Detective, Amb=Ambassador, Atty=Attorney, Jr=Junior, Sr=Senior, Esq=Esquire,"
    " Inc=Incorporated, Ltd=Limited, Co=Company, Corp=Corporation, Bros=Brothers, Assn=Association, Univ=University,"
    " Dept=Department, dept=department, Ave=Avenue, Blvd=Boulevard, Rd=Road, Hwy=Highway, Sq=Square, Pkwy=Parkway,"
    " Mt=Mount, Mts=Mountains, approx=approximately, Approx=Approximately, etc=et cetera, vs=versus, Vs=Versus,"
    " cf=compare, Cf=Compare, viz=namely, misc=miscellaneous, ext=extension, tel=telephone, Tel=Telephone, avg=average,"
    " incl=including, excl=excluding, ed=edited, eds=editors, trans=translated, vol=volume, vols=volumes, fig=figure,"
    " figs=figures, max=maximum, min=minimum, govt=government, al=al, Ph=Ph, Messrs=Messrs, resp=respectively,"
    " St=Saint, Dr=Doctor, Drs=Doctors, Mme=Madame, Mlle=Mademoiselle, Ste=Sainte, est=established, Est=Established,"
    " wk=week, mo=month, yr=year, yrs=years, Vol=Volume, Vols=Volumes, Fig=Figure, Figs=Figures, Ch=Chapter,"
    " ch=chapter, Sec=Section, sec=section, p=page, pp=pages, P=Page, Pp=Pages, Art=Article, ca=circa, c=circa,"
    " Ca=Circa, v=versus, Ft=Fort, para=paragraph, Lieut=Lieutenant, Wm=William, Chas=Charles, Geo=George, Jas=James,"
    " Thos=Thomas, Jos=Joseph, Robt=Robert, Bp=Bishop, Abp=Archbishop, Pt=Point, Rt=Right, Apt=Apartment, doz=dozen,"
    " cwt=hundredweight, yds=yards, pts=pints, mos=months, inst=instant, ult=ultimo, Rte=Route, Brig=Brigadier,"
    " Pfc=Private First Class, Attn=Attention, attn=attention, esp=especially, Div=Division, Regt=Regiment, wks=weeks,"
    " Calif=California, Mmes=Mesdames, edn=edition, fol=folio, ll=lines, Eq=Equation, App=Appendix, Cl=Clause,"
    " Msgr=Monsignor, Asst=Assistant, Gens=Generals, Profs=Professors, Revs=Reverends, Sens=Senators,"
    " Reps=Representatives, Dist=District, Bldg=Building, pkg=package"
)
_STATES = _table(
    "Ala=Alabama, Ariz=Arizona, Ark=Arkansas, Colo=Colorado, Conn=Connecticut, Del=Delaware, Fla=Florida, Ga=Georgia,"
    " Ill=Illinois, Ind=Indiana, Kan=Kansas, Ky=Kentucky, La=Louisiana, Mass=Massachusetts, Md=Maryland,"
    " Mich=Michigan, Minn=Minnesota, Miss=Mississippi, Mo=Missouri, Mont=Montana, Neb=Nebraska, Nev=Nevada,"
    " Okla=Oklahoma, Ore=Oregon, Pa=Pennsylvania, Tenn=Tennessee, Tex=Texas, Va=Virginia, Vt=Vermont,"
    " Wash=Washington, Wis=Wisconsin, Wyo=Wyoming"
)
_DATES = _table(
    "Jan=January, Feb=February, Mar=March, Apr=April, Jun=June, Jul=July, Aug=August, Sep=September, Sept=September"
    ", Oct=October, Nov=November, Dec=December, Mon=Monday, Tue=Tuesday, Tues=Tuesday, Wed=Wednesday, Thu=Thursday"
    ", Thur=Thursday, Thurs=Thursday, Fri=Friday, Sat=Saturday, Sun=Sunday"
)
_BEFORE_NUMBERS = _set(
    "Apt vol vols Vol Vols fig figs Fig Figs Ch ch Sec sec p pp P Pp Art ca c Ca ed trans mo wk max min ext tel Tel"
    " para fol ll Eq App Cl Rte"
)
_SHOUTED = _set("MR MRS MS DR PROF REV CAPT SGT LT COL GEN GOV SEN")  # MR. JONES
_BEHIND_NUMBERS = _set("doz cwt yds pts mos inst ult wks edn")
_BEFORE_NAMES = _set(
    "Bp Abp Pt Rt Wm Chas Geo Jas Thos Jos Robt Fr Ft Rep Hon Sen Pres Det Amb Maj Gen Col Ste Mmes Brig Pfc"
    " Gens Profs Revs Sens Reps"
)
_NEED_NO_STOP = _set("Mr Mrs Dr Messrs vs Prof St Mme Mlle Jr Sr Ltd Inc Co")
_ANY_WITHOUT_STOP = "|".join(sorted(_NEED_NO_STOP))
_DOTTED = {
    "e.g": "for example", "i.e": "that is", "a.k.a": "also known as", "n.b": "NB", "q.v": "which see",
    "et.al": "et al",
    "a.m": "AM", "p.m": "PM", "o.k": "OK", "r.i.p": "RIP", "p.s": "PS", "r.s.v.p": "RSVP", "w.r.t": "with respect to",
}  # fmt: skip
_DEGREES = _table(
    "Ph.D=PhD, Ph. D=PhD, LL.B=LLB, LL.M=LLM, LL.D=LLD, D.Phil=DPhil, M.Sc=MSc, B.Sc=BSc, Sc.D=ScD, Ed.D=EdD,"
    " Psy.D=PsyD, Litt.D=LittD, M.Phil=MPhil"
)
_SLASHED = {
    "w/": "with",
    "w/o": "without",
    "c/o": "care of",
    "b/c": "because",
    "b/w": "between",
    "w/e": "whatever",
    "n/a": "not applicable",
    "a/k/a": "also known as",
    "d/b/a": "doing business as",
}
_PARTICLES = _set("von van de der den du la le di da del della ter ten zu al el bin ibn")
_LATIN = _set("id hoc non nihil quid quod qui quae et ut sed in nec si que ita sic")  # "id est"
_TIME_WORDS = _set(
    "in on of by from to since until till every each last next this late early mid for before after and or through"
    " last mon tue wed thu fri sat sun"
)
_YEARLY = re.compile(r"\d$|^(?:per|a|an|each|every|last|next|this|one|two|three|four|five|ten|twenty|of)$")
_LONG_NAME = 40
_A_NAME = "[A-Z](?:['’][A-Z])?[a-z]"  # and "O'Neill"
_HOUSE = re.compile(r"(?<![\w.])\d+[A-Za-z]?,? (?:[NSEW]\.? )?[A-Z][a-z]+ $")  # 10 Downing St.
_NAMED = re.compile(
    r"\b(?:(?:Mr|Mrs|Ms|Dr|Prof|Rev|Hon|Capt|Sir|Lady|Lord|Gen|Col|Lt|Sgt|Cpl|Pvt|Maj|Adm|Sen|Gov|Fr|Sr|Msgr|Judge"
    r"|Justice)\.?|by|met|with|under) $"
)
_OPENING_WORDS = _set(
    "the at in on to from near visit see of by for and with a an our my his her this that when where if but"
)


def abbreviations(language: str) -> tuple[Family, ...]:
    """The families of a language's abbreviations; () where it has no table."""
    if base_language(language) == "en":
        return _ENGLISH
    return phrases(base_language(language))


def _ending(match: re.Match[str], said: str) -> str:
    """With a stop, where that of the abbreviation ends the sentence."""
    return f"{said}." if match[0].endswith(".") and ends_sentence(match.string, match.end()) else said


def _word(match: re.Match[str]) -> str | None:
    short, text = match[1], match.string
    after = word_after(text, match.end())
    if short in _SHOUTED and after.isupper():
        short = as_word(short)
    if short in _DATES:
        return _date(match)
    said = _WORDS.get(short)
    if said is None:
        return None
    before = word_before(text, match.start())
    if short == "v":
        return said if is_name(_token_before(match)) and is_name(after) else None
    if short in _BEFORE_NUMBERS:
        return said if re.match(r"(?:\d|[IVXLC]{2,}\b|[ivxl]+\b)", after) else None
    if short in _BEHIND_NUMBERS and not re.search(r"\d(?:st|nd|rd|th)?$", before):
        return None
    if short in _BEFORE_NAMES and not after[:1].isupper() and (short not in ("Bp", "Abp") or after != "of"):
        return None
    if short in ("yr", "yrs") and not _YEARLY.search(before):  # in old letters
        said = {"yr": "your", "yrs": "yours"}[short] if after.islower() else said
    if short == "est" and not after[:1].isdigit():
        if not after.islower() or before.lower() in _LATIN:
            return None
        said = "estimated"
    return _titled(match, short, after) or _ending(
        match, _saint_or_street(match, said) if short in ("St", "Dr") else said
    )


def _titled(match: re.Match[str], short: str, after: str) -> str | None:
    """Words for "Co. Cork" and "Sr. Agnes", where "Company" and "Senior" do not fit."""
    if short == "Co" and names_county(_token_before(match), after):
        return "County"
    if short == "Sr" and not is_name(word_before(match.string, match.start())):
        return "Sister" if {after, _second_after(match)} & WOMEN else None
    return None


def _second_after(match: re.Match[str]) -> str:
    """The name behind an initial that follows: "Sr. M. Agnes"."""
    name = re.match(r" [A-Z]\. ([A-Z][a-z]+)", match.string[match.end() : match.end() + _LONG_NAME])
    return name[1] if name else ""


def _token_before(match: re.Match[str]) -> str:
    """The word before with its signs; "" where none is."""
    return next(iter(match.string[max(0, match.start() - _LONG_NAME) : match.start()].split()[-1:]), "")


def _saint_or_street(match: re.Match[str], said: str) -> str:
    """ "Wall St." and "Maple Dr." stand right behind a name, and before none unless a sentence begins there."""
    text, start, end = match.string, match.start(), match.end()
    before = word_before(text, start)
    after = "" if text[end : end + 1] in tuple(",;:)") else word_after(text, end)  # "Main St., London"
    if _HOUSE.search(text, max(0, start - 40), start):
        return "Street" if said == "Saint" else "Drive"
    if re.fullmatch(r"\d+(?:st|nd|rd|th)", before):
        return "Street" if said == "Saint" else "Drive"
    touches = text[max(0, start - 2) : start - 1].isalpha()  # no comma: "Serpentine Avenue, St. John's Wood"
    follows = touches and is_name(before) and before.lower() not in _OPENING_WORDS
    opens = follows and text[start:end].endswith(".") and starts(after)
    names = (is_name(after) or after.isupper() or after in _PARTICLES) and not opens
    if said == "Saint":
        return "Saint" if names or (not follows and text[end : end + 1] == "-") else "Street"
    return "Drive" if follows and not names else "Doctor"


def _date(match: re.Match[str]) -> str | None:
    ends = ends_sentence(match.string, match.end())
    joins = match.string[max(0, match.start() - 2) : match.start()]
    is_joined = joins[-1:] in tuple("-–—/") or joins == "& "
    if ends and not is_joined and word_before(match.string, match.start()).lower() not in _TIME_WORDS:
        return None  # "They lay in the sun. Then" and "I met Jan."
    if is_joined and match.string[match.end() : match.end() + 2].strip().isdigit():
        return _DATES[match[1]]  # Mon.–Fri. 9–5
    return _ending(match, _DATES[match[1]])


def _bare(match: re.Match[str]) -> str | None:
    short = match[1]
    if short in ("St", "Dr"):
        return _saint_or_street(match, _WORDS[short])
    if short == "Co":
        before, after = _token_before(match), word_after(match.string, match.end())
        return "Company" if before == "&" else "County" if after in COUNTIES and names_county(before, after) else None
    return _WORDS[short]


def _dotted(match: re.Match[str]) -> str | None:
    letters = match[0].rstrip(".")
    said = _DOTTED.get(letters.lower().replace(" ", ""))
    if letters in ("p.c", "p. c") and word_before(match.string, match.start())[-1:].isdigit():
        said = "percent"
    if said and letters.lower() not in ("e.g", "i.e"):
        return _ending(match, said)
    if said:
        return said.capitalize() if letters[0].isupper() and letters[-1].islower() else said
    if not letters.replace(".", "").isupper():
        return None
    joined = re.sub(r"[. ]", "", letters)
    apart = " " in letters or set(joined) <= set("IVX")  # I.I. Rabi is no second
    return _ending(match, said_initials(joined) if apart else said_initialism(joined))


def _state(match: re.Match[str]) -> str | None:
    """Behind a place or a party: "Tampa, Fla.", "R-Ariz."."""
    is_behind = match.string[match.start() - 1] == "-" or is_name(word_before(match.string, match.start()))
    return _ending(match, _STATES[match[1]]) if is_behind else None


def _two_initials(match: re.Match[str]) -> str:
    """ "The A. & P. store"."""
    first = "A-" if match[1] == "A" else match[1]
    return _ending(match, f"{first} and {match[2]}")


def _cited(match: re.Match[str]) -> str:
    """op. cit., loc. cit."""
    return _ending(match, {"op": "opus citatum", "loc": "loco citato"}[match[1].lower()])


def _initials(match: re.Match[str]) -> str | None:
    said = said_initials(re.sub(r"[. ]", "", match[0]))
    return _ending(match, said) if starts(word_after(match.string, match.end())) else said


def _initial(match: re.Match[str]) -> str | None:
    """The stop of "F. Scott" and "John F. Kennedy" goes; that of "plan B. Then" stays."""
    before = word_before(match.string, match.start())
    text, start, end = match.string, match.start(), match.end()
    begins = start < 3 and not text[:start].strip(" \"'“‘(")
    names = re.match(rf" (?:[A-Z]['’]|{_A_NAME}+ )[A-Z][a-z]", text[end : end + _LONG_NAME])
    is_titled = _NAMED.search(text, max(0, start - 9), start) is not None
    if (
        lettered(before, match[1])
        or (match[1] == "I" and not is_titled)
        or (not begins and not names and not is_titled and not is_name(before))
    ):
        return None
    if match[1] == "A":
        return "A-" if (is_titled or is_name(before)) and not ends_sentence(text, end) else None
    return None if ends_sentence(text, end) else match[1]


def _slashed(match: re.Match[str]) -> str:
    if match[0].lower() == "w/e" and word_after(match.string, match.end())[:1].isdigit():
        return "week ending"
    return _SLASHED[match[0].lower()]


_ENGLISH = (
    Family(
        re.compile(
            behind(
                r"\.",
                [*_WORDS, *_SHOUTED, *_DATES, *_STATES, "cit", *map(chr, range(65, 91)), *map(chr, range(97, 123))],
                r"\.",
            )
        ),
        (
            Rule(
                r"\b(?:Ph\. ?D|LL\.[BDM]|D\.Phil|M\.Sc|B\.Sc|Sc\.D|Ed\.D|Psy\.D|Litt\.D|M\.Phil)\b\.?",
                lambda match: _ending(match, _DEGREES[match[0].rstrip(".")]),
            ),
            Rule(rf"(?<![\w.])[A-Z]\.(?: [A-Z]\.){{1,6}}(?= {_A_NAME})", _initials),
            Rule(
                r"(?:(?<![\w.@/-])|(?<=[a-z]\.[-/]))[A-Za-z]"
                r"(?:\.(?: (?![AI](?!\.)))?[A-Za-z](?![^\W_]|['’][A-Z])){1,8}(?:\.|(?![\w.]))",
                _dotted,
            ),
            Rule(r"(?:(?<![\w.@/-])|(?<=[a-z]\.[-/])|(?<=[a-z]/)(?=[A-Z][a-z]))([A-Za-z]{1,7}+)\.(?!\w)", _word),
            Rule(
                rf"(?:(?<=[a-z], )|(?<=\b[DR]-))({'|'.join(_STATES)})\.(?!\w)",
                _state,
            ),
            Rule(r"(?<=\d[snrt][tdh] )ed\.(?!\w)", lambda match: _ending(match, "edition")),
            Rule(r"(?<!\w)Pa\.(?= Ave\b)", lambda match: "Pennsylvania"),
            Rule(r"(?<![\w.])([A-Z])\. (?:&|and) ([A-Z])\.(?= \w)", _two_initials),
            Rule(r"\b([Oo]p|[Ll]oc)\. cit\.", _cited, re.ASCII),
            Rule(rf"(?<![\w.])([A-HJ-Z])\.(?= {_A_NAME})", _initial),
        ),
    ),
    Family(
        re.compile(rf"(?:{_ANY_WITHOUT_STOP})\b"),
        (Rule(rf"\b({_ANY_WITHOUT_STOP})\b(?!\.)", _bare),),
    ),
    Family(
        re.compile(r"/(?<=[wcbnkd]/)", re.IGNORECASE),
        (
            Rule(
                r"(?<![\w/])(?:w/[oe]|c/o|b/c|b/w|n/a|a/k/a|d/b/a)(?![\w/])|(?<![\w/])w/(?=\s?\w)(?![oe]\b)",
                _slashed,
                re.IGNORECASE,
            ),
        ),
    ),
)
