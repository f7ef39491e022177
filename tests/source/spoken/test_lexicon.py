"""Lexicons: which words of a text they say, and that all others stay as they are."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.documents import read_yaml
from pipeline.source.spoken.entries import LexiconEntry, read_entries
from pipeline.source.spoken.lexicon import Lexicon
from pipeline.source.spoken.pairs import Normalizer, said

YAML = """\
Nguyen: {say: win, ipa: wɪn}
US: you ess
us: {say: uz, case: exact}
C++: see plus plus
Jones: joans
groß: gross
café: caffay
Catch-22: catch twenty two
New York: noo yawk
York: yoork
gif: jif
Artagnan: artanyan
quark: {say: kwork, ipa: kwɔːk, match: stem}
hush: ""
"7": seven
.NET: dot net
laughs: laffs
Marx: {ipa: mɑːks}
von Trapp: fon trup
Nice: {say: neece, case: exact}
"""


def lexicon_of(text: str, nearness: int = 1) -> Lexicon:
    entries, problems = read_entries(read_yaml(text, "lexicon.yaml"), (), nearness)
    assert problems == []
    return Lexicon(entries)


def spoken_by(lexicon: Lexicon, text: str, *, ipa: bool = False, language: str = "en") -> str:
    usable = lexicon.for_engine(language, lambda signs: "" if ipa else signs)
    return said(Normalizer(language, lexicon=usable).pairs(text))


@pytest.mark.parametrize(
    ("text", "respelled"),
    [
        ("Nguyen, NGUYEN nguyen", "win, win nguyen"),
        ("Nguyen’s Nguyens Nguyens’ Nguyen'll Nguyen-Smith", "win's wins wins' win'll win-Smith"),
        ("Nguyenesque", "Nguyenesque"),
        ("Give us the US now. Us?", "Give uz the you ess now. Us?"),
        ("C++ or C", "see plus plus or C"),
        ("Joneses, Jones's, Jones’", "joanses, joans's, joans'"),
        ("GROSS groß Große", "gross gross Große"),
        ("cafe\u0301 café CAFÉS", "caffay caffay caffays"),
        ("“Catch‑22” (New York) New Yorker York", '"catch twenty two" (noo yawk) New Yorker yoork'),
        ("GIF gifs gift", "jif jifs gift"),
        ("d’Artagnan", "d'artanyan"),
        ("quarks Quarkonium", "kworks kworkonium"),
        ("Oh, hush, now", "Oh, now"),
        ("7 17 7.5 1,007 7, 7:30", "seven 17 7.5 1,007 seven, 7:30"),
        (".NET NET", "dot net NET"),
        ("Von Trapp", "fon trup"),
        ("Nice, nice, NICE", "neece, nice, NICE"),
        ("He (laughs) laughs.", "He laffs."),
    ],
)
def test_words_are_said_as_the_lexicon_has_it(text: str, respelled: str) -> None:
    """Whole words with their endings, in the case they are written in, and no parts of other words."""
    assert spoken_by(lexicon_of(YAML), text) == respelled


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Nguyen, Nguyen’s Nguyens’", "/wɪn/, /wɪnz/ /wɪnz/'"),
        ("Nguyen'll quarks Marxes", "/wɪnəl/ /kwɔːks/ /mɑːksɪz/"),
        ("quarky", "kworky"),
    ],
)
def test_ipa_has_the_endings_of_english(text: str, phonemes: str) -> None:
    """A stem in the midst of a word is spelled."""
    assert spoken_by(lexicon_of(YAML), text, ipa=True) == phonemes


def test_without_ipa_and_respelling_a_word_stays_as_it_is() -> None:
    assert spoken_by(lexicon_of("Marx: /mɑːks/"), "Marx") == "Marx"
    assert spoken_by(lexicon_of("Marx: Маркс"), "Marx") == "Marx"
    assert spoken_by(lexicon_of("Marx: Маркс"), "Marx", language="ru") == "Маркс"


def test_scripts_without_spaces_have_no_ends_of_words() -> None:
    assert spoken_by(lexicon_of("東京: とうきょう"), "東京タワー", language="ja") == "とうきょうタワー"


def test_the_longest_goes_first_then_the_nearest_scope_then_the_nearest_file() -> None:
    text = """\
Bo: [one, {say: two, job: x}, {say: three, chapter: "2"}, {say: four, speaker: ANN}]
Bo Peep: five
"""
    far, near = lexicon_of(text, 3), lexicon_of("Bo: six", 0)
    lexicon = Lexicon((*far.entries, *near.entries))
    normalizer = Normalizer("en", lexicon=lexicon)
    pairs = [
        normalizer.pairs("Bo", speaker="Bob", chapter=(2, "Sheep")),
        normalizer.pairs("Bo", speaker="Ann", chapter=(2, "Sheep")),
        normalizer.pairs("Bo", speaker=None, chapter=(1, "2")),
        normalizer.pairs("Bo Peep", speaker="Ann", chapter=(2, "Sheep")),
        Normalizer("en", lexicon=Lexicon(one for one in lexicon.entries if not one.jobs)).pairs("Bo"),
    ]
    assert list(map(said, pairs)) == ["three", "four", "three", "five", "six"]


Form = Literal["NFC", "NFD"]
FORMS: st.SearchStrategy[Form] = st.sampled_from(["NFC", "NFD"])
LETTERS = "aAbsSßéİ'’-. 1(ǰ한"
WORDS = st.text(st.sampled_from(LETTERS) | st.characters(), min_size=1, max_size=5)
TEXTS = st.lists(WORDS, max_size=8).map(lambda words: " ".join(" ".join(words).split()))


@st.composite
def lexicons(draw: st.DrawFn) -> list[LexiconEntry]:
    """Of any words: regex characters, marks, right-to-left ones, parts of one another."""
    words = draw(st.lists(WORDS, max_size=6, unique=True))
    located = read_yaml("{}", "x")
    for word in words:
        located.data[word] = {
            "say": draw(st.sampled_from(["", "win", "o la la"])),
            "match": draw(st.sampled_from(["word", "stem"])),
            "case": draw(st.sampled_from([None, "any", "exact"])),
        }
    return read_entries(located, (), draw(st.integers(0, 3)))[0]


@given(lexicons(), TEXTS)
def test_a_lexicon_loses_and_doubles_nothing(entries: list[LexiconEntry], text: str) -> None:
    """Pairs cover the text whatever its words; matches do not overlap, and lie within it."""
    normalizer = Normalizer("en", lexicon=Lexicon(entries))
    pairs = normalizer.pairs(text)
    assert "".join(text[pair.start : pair.end] for pair in pairs).replace(" ", "") == text.replace(" ", "")
    at = 0
    for match in Lexicon(entries).matches(text, None, (1, "")):
        assert at <= match.start < match.end <= len(text)
        at = match.end


@given(lexicons(), TEXTS)
def test_an_entry_that_is_used_nowhere_changes_nothing(entries: list[LexiconEntry], text: str) -> None:
    lexicon = Lexicon(entries)
    used = {match.entry for match in lexicon.matches(text, None, (1, ""))}
    few = Lexicon(entry for entry in entries if entry in used)
    assert Normalizer("en", lexicon=few).pairs(text) == Normalizer("en", lexicon=lexicon).pairs(text)
    if not used:
        assert Normalizer("en").pairs(text) == Normalizer("en", lexicon=lexicon).pairs(text)


@given(lexicons(), TEXTS)
def test_the_order_of_entries_means_nothing(entries: list[LexiconEntry], text: str) -> None:
    shuffled = sorted(entries, key=lambda entry: entry.word[::-1])
    assert Normalizer("en", lexicon=Lexicon(shuffled)).pairs(text) == Normalizer("en", lexicon=Lexicon(entries)).pairs(
        text
    )


@given(lexicons(), TEXTS)
def test_no_longer_entry_fits_where_one_is_used(entries: list[LexiconEntry], text: str) -> None:
    lexicon = Lexicon(entries)
    for match in lexicon.matches(text, None, (1, "")):
        for entry in entries:
            alone = Lexicon([entry]).matches(text, None, (1, ""))
            starts = {other.start for other in alone}
            assert match.start not in starts or len(entry.word.casefold()) <= len(match.entry.word.casefold())


@given(WORDS.filter(str.isalpha), FORMS, FORMS)
def test_accents_are_the_same_however_they_are_written(word: str, form: Form, other: Form) -> None:
    word = "x" + word
    located = read_yaml("{}", "x")
    located.data[unicodedata.normalize(form, word)] = {"say": "win", "case": "any"}
    lexicon = Lexicon(read_entries(located, (), 1)[0])
    assert said(Normalizer("en", lexicon=lexicon).pairs(unicodedata.normalize(other, word))) == "win"
