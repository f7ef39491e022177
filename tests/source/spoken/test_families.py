"""The families together: a table of cases, and what holds for any text."""

from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.families import digits, families, says_romans, unsaid_signs, unsupported
from pipeline.source.spoken.pairs import Normalizer, said

CASES = [
    line.split("\t")
    for line in (Path(__file__).parent / "cases" / "numbers.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("# ")
]
ENGLISH = Normalizer("en", families=families("en"))
DIGITS = Normalizer("en", families=(digits("en"),))
PIECES = [text for text, _spoken in CASES]
NUMERIC = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "N"]
TEXT = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.text(st.sampled_from("0123456789.,:;/-–'\"$€%°×x^½²₂①٣ abcmpkNM()+#"), max_size=8),
        st.text(st.sampled_from(NUMERIC), max_size=3),
        st.text(max_size=3),
    ),
    max_size=6,
).map(lambda parts: " ".join(" ".join(parts).split()))


def _words(text: str) -> str:
    return said(ENGLISH.pairs(text))


@pytest.mark.parametrize(("text", "spoken"), CASES)
def test_numbers_are_said(text: str, spoken: str) -> None:
    assert _words(text) == spoken


@given(TEXT)
def test_a_rule_fits_nothing_without_what_it_needs(text: str) -> None:
    for rule in digits("en").rules:
        assert rule.may_fit(text) or not any(map(rule.say, rule.pattern.finditer(text))), rule.form


def test_the_table_has_what_rules_need() -> None:
    rules = [rule for rule in digits("en").rules if rule.needs]
    assert len(rules) > 10
    for text in PIECES:
        assert all(rule.may_fit(text) or not rule.pattern.search(text) for rule in rules), text


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 400
    assert len({text for text, _spoken in CASES}) == len(CASES)


def test_every_sign_for_a_number_is_said() -> None:
    """All of Unicode: alone, behind a letter, between digits."""
    assert len(NUMERIC) > 1500
    for char in NUMERIC:
        for text in (char, f"x{char}, 1{char}2, say {char}{char} now"):
            assert not set(_words(text)) & set(NUMERIC), (text, hex(ord(char)))


@given(TEXT)
def test_no_digit_is_left_in_english(text: str) -> None:
    assert not [char for char in _words(text) if unicodedata.category(char)[0] == "N"]


@given(TEXT)
def test_numbers_are_said_once(text: str) -> None:
    """What is said for them has nothing to be said otherwise."""
    words = said(DIGITS.pairs(text))
    assert said(DIGITS.pairs(words)) == words


@given(TEXT)
def test_pairs_cover_the_text(text: str) -> None:
    pairs = ENGLISH.pairs(text)
    assert "".join(text[pair.start : pair.end] for pair in pairs).replace(" ", "") == text.replace(" ", "")
    assert all(before.end <= after.start <= before.end + 1 for before, after in pairwise(pairs))


@given(
    st.one_of(
        st.integers(-(10**18), 10**18).map(str),
        st.integers(0, 10**9).map(lambda number: f"{number:,}"),
        st.decimals(0, 10**6, places=2).map(str),
        st.integers(0, 10**6).map(lambda number: f"${number} million"),
        st.integers(0, 10**4).map(lambda number: f"{number} km"),
        st.integers(0, 100).map(lambda number: f"{number}%"),
        st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda time: f"{time[0]}:{time[1]:02d}"),
    ),
    st.integers(0, 60),
)
def test_a_number_is_said_alone_as_in_any_place(number: str, words_before: int) -> None:
    before = "so " * words_before
    assert _words(f"{before}well, {number}, then") == f"{before}well, {_words(number)}, then"


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("of $15 million, he", "$15 million,"),
        ("is 6 ft 2 and", "6 ft 2"),
        ("at 3:15 p.m. on", "3:15 p.m."),
        ("about 5 km away", "5 km"),
        ("on March 3rd, 2021, she", "March 3rd, 2021,"),
        ("see No. 5 there", "No. 5"),
        ("call +1 (212) 555-0123 now", "+1 (212) 555-0123"),
    ],
)
def test_what_belongs_together_is_one_pair(text: str, together: str) -> None:
    assert together in [text[pair.start : pair.end] for pair in ENGLISH.pairs(text)]


_ROWS = [
    ("en", form)
    for form in (
        *("1", "1-", "1,", "1 ", "1:", "1/", "1a", "½", "²", "$1", "1 1/2 ", "1x", "-1"),
        *("111 ", "111,", "1,1", "1,11,", "1'111", "007 ", "555 555 ", "1 000 ", "1.111.", "1984 ", "1984", "2021-"),
        *("2×", "2×4", "2 x ", "8' x 10' ", "a 5' ", '1" ', "10^", "1e-", "1 ½ ", "1/1/", "1°1′", "1 ft ", "x²"),
        *(
            "£1-1-1 ",
            "£1-1-1",
            "£1 ",
            "1s. ",
            "3/-",
            "$1-",
            "$1k–2k ",
            "+1 ",
            "1-1-",
            "1 – 1 ",
            "1.1-",
            "12:",
            "3:16, ",
        ),
        *(
            "1(a)(1)",
            "'68 ",
            "H₂",
            "555-",
            "pages 1-",
            "I",
            "IV-",
            "http://",
            "www.a.",
            "a@",
            "/a/b",
            "A.B.",
            "(laughs)",
        ),
    )
]
_ROWS += [
    (language, form)
    for language in ("de", "fr")
    for form in ("I", "IVX", "IV-", "Henri IV ", "111 ", "1.1", "1, ", "1", "1-", "1:", "-1", "$1")
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("language", "form"), _ROWS)
def test_no_row_of_one_form_takes_for_ever(language: str, form: str) -> None:
    """A pattern that read the rest of the row at each place of it would take minutes."""
    text = " ".join((form * (20_000 // len(form))).split())
    pairs = Normalizer(language, families=families(language)).pairs(text)
    assert (pairs[0].start, pairs[-1].end) == (0, len(text))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("3/4/2021, 5 km", "the third of April twenty twenty-one, five kilometres"),
        ("on 3/4 it", "on the third of April it"),
        ("by 12/25", "by the twenty-fifth of December"),
        ("2021-03-04", "the fourth of March twenty twenty-one"),
        ("the 3/4/2021 issue", "the third of April twenty twenty-one issue"),
        ("3/4 of it on 9/11", "three quarters of it on nine eleven"),
    ],
)
def test_day_and_month_stand_as_where_the_language_is_spoken(text: str, spoken: str) -> None:
    assert said(Normalizer("en-GB", families=families("en-GB")).pairs(text)) == spoken


@pytest.mark.parametrize("language", ["en", "en-US", "de", "fr", "es", "pt-BR", "it", "nl", "ru", "ja"])
def test_languages_whose_numbers_are_said(language: str) -> None:
    assert unsupported(language) is None


@pytest.mark.parametrize(("language", "what"), [("zh", "digits stay"), ("xx", "digits stay"), ("cs", "ordinals")])
def test_what_is_not_said_is_told(language: str, what: str) -> None:
    assert what in (unsupported(language) or "")


@pytest.mark.parametrize(("language", "says"), [("en-GB", True), ("de", True), ("pt-BR", True), ("ru", False)])
def test_languages_whose_roman_numerals_are_said(language: str, says: bool) -> None:
    assert says_romans(language) is says


@pytest.mark.parametrize(
    ("language", "texts", "unsaid"),
    [
        ("ru", ["а & б + в", "5 % и & *"], {"&": 2, "+": 1}),
        ("zh", ["好 5% 的", "好"], {"%": 1}),
        ("de", ["a & b"], {}),
        ("en-GB", ["a & b"], {}),
    ],
)
def test_signs_that_are_left_out_are_counted(language: str, texts: list[str], unsaid: dict[str, int]) -> None:
    assert unsaid_signs(language, texts) == unsaid
