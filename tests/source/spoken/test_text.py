from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.spoken.text import (
    NONVERBAL_TAGS,
    clause_ends,
    clauses,
    drop_unspeakable,
    has_speech,
    nearest_tag,
    sentence_ends,
    sentences,
    spoken,
    unspeakable,
    word_spans,
    words,
)

WORDS = st.one_of(
    st.sampled_from(
        [
            *sorted(NONVERBAL_TAGS),
            "(LAUGHS).",
            "Mr.",
            "J.",
            "U.S.",
            "“Go!”",
            "—",
            "-",
            ".",
            "...",
            "I.",
            "5.",
            "no,",
            "好。吗？",
        ]
    ),
    st.text(min_size=1, max_size=6),
)
DISPLAY = st.lists(WORDS, max_size=12).map(lambda parts: " ".join(" ".join(parts).split()))


def test_there_are_21_tags() -> None:
    assert len(NONVERBAL_TAGS) == 21


@pytest.mark.parametrize(
    ("display", "said"),
    [
        ("“Well”—‘yes’…", "\"Well\" - 'yes'..."),
        ("1990–1995 a\u00a0b\u200bc\u2009d", "1990-1995 a bc d"),
        ("hi 😀 there ❤\ufe0f 👩\u200d🚀!", "hi there !"),
        ("a\x07b \ue000 20° 5€ ½", "ab 20° 5€ ½"),
        ("cafe\u0301", "café"),
        ("Привет, 世界。 שלום", "Привет, 世界。 שלום"),
        ("So (LAUGHS) yes (Clears Throat).", "So (laughs) yes (clears throat)."),
        ("so (he said)", "so (he said)"),
    ],
)
def test_display_text_becomes_plain(display: str, said: str) -> None:
    assert spoken(display, tags=True) == said


@pytest.mark.parametrize(
    ("display", "said"),
    [
        ("So (laughs) yes.", "So yes."),
        ("Well (clears throat), yes.", "Well yes."),
        ("no(laughs)yes", "no yes"),
        ("(laughs)", ""),
        ("(he laughs)", "(he laughs)"),
        ("a (laughſ) b", "a b"),
    ],
)
def test_tags_can_be_left_out(display: str, said: str) -> None:
    assert spoken(display, tags=False) == said


@given(DISPLAY, st.booleans(), st.data())
def test_text_is_spoken_piece_by_piece(display: str, tags: bool, data: st.DataObject) -> None:
    parts = words(display)
    cut = data.draw(st.integers(0, len(parts)))
    pieces = (spoken(" ".join(part), tags=tags) for part in (parts[:cut], parts[cut:]))
    assert spoken(display, tags=tags) == " ".join(piece for piece in pieces if piece)


@given(st.text())
def test_spoken_text_is_clean_and_stays_as_it_is(display: str) -> None:
    said = spoken(display, tags=True)
    assert said == " ".join(said.split())
    assert spoken(said, tags=True) == said


@pytest.mark.parametrize(
    ("said", "speech"),
    [("(laughs)", False), ("(laughs) oh", True), ("—!", False), ("7", True), ("__", False)],
)
def test_speech_is_a_letter_or_digit_outside_tags(said: str, speech: bool) -> None:
    assert has_speech(said) is speech


@pytest.mark.parametrize(
    "parts",
    [
        ["Mr. Smith met Dr. Jones on St. James St. corner.", "They left."],
        ["No. 5 is alive.", "No.", "It is not."],
        ["It cost 3.5 million.", "Really?!", "Yes… maybe."],
        ['"Stop!" he said.', '"Go."', "(He went.)", "Then J. R. R. Tolkien of the U.S. Army spoke."],
        ["He lives in the U.S.", "She does not."],
        ["Use tools, e.g. hammers, i.e. Things etc.", "Then rest at 5 p.m. sharp."],
        ["Hello. (laughs)", "Yes."],
        ["Hello. (clears throat) —", "Yes."],
        ["你好。", "世界！", "好。吗"],
        ["Wait . . . what?", "Oh."],
        ["3. The third point.", "It was 1984.", "Then came 1985."],
        ["So do I.", "Then go."],
        ["« Oui. »", "« Non ! »", "Bon."],
        ["Read vol. 2, p. 7 vs. Plato."],
        ["No stop at all"],
    ],
)
def test_sentences(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("Well, yes; no: maybe — or - not.", ["Well,", "yes;", "no:", "maybe —", "or -", "not."]),
        ("1,000 and 12:30", ["1,000 and 12:30"]),
        ("— dash first, (clears throat) so", ["— dash first,", "(clears throat) so"]),
        ('"Oh," he said', ['"Oh,"', "he said"]),
    ],
)
def test_clauses(sentence: str, parts: list[str]) -> None:
    assert clauses(sentence) == parts


@pytest.mark.parametrize(
    ("text", "sentences_of_text", "clauses_of_text"),
    [
        ("“Yes.” No, (laughs) so.", ["“Yes.”", " No, (laughs) so."], ["“Yes.” No,", " (laughs) so."]),
        (
            "“你好，世界。”他说！好。。。(clears throat)吗？！ 12：30",
            ["“你好，世界。”", "他说！", "好。。。", "(clears throat)吗？！", " 12：30"],
            ["“你好，", "世界。”他说！好。。。(clears throat)吗？！ 12：30"],
        ),
        ("", [""], [""]),
    ],
)
def test_ends_are_offsets(text: str, sentences_of_text: list[str], clauses_of_text: list[str]) -> None:
    assert [text[start:end] for start, end in pairwise([0, *sentence_ends(text)])] == sentences_of_text
    assert [text[start:end] for start, end in pairwise([0, *clause_ends(text)])] == clauses_of_text


@given(DISPLAY)
def test_ends_lie_at_the_ends_of_words(display: str) -> None:
    ends = [end for _, end in word_spans(display)] or [0]
    for offsets in (sentence_ends(display), clause_ends(display)):
        assert offsets == sorted(set(offsets))
        assert set(offsets) <= set(ends)
        assert offsets[-1] == len(display)


@given(DISPLAY)
def test_sentences_and_clauses_join_back(display: str) -> None:
    found = sentences(display)
    assert " ".join(found) == display
    for sentence in found:
        assert " ".join(clauses(sentence)) == sentence
        assert "" not in clauses(sentence)


@given(DISPLAY)
def test_tags_are_never_cut(display: str) -> None:
    pieces = [clause for sentence in sentences(display) for clause in clauses(sentence)]
    assert [word for piece in pieces for word in words(piece)] == words(display)


@pytest.mark.parametrize("unit", [".", '"', "x", ". ", "- ", "(", "(clears throat)", '" ', "« ", "A. ", "a, "])
def test_a_megabyte_of_anything_is_cut_in_linear_time(unit: str) -> None:
    text = (unit * (1_000_000 // len(unit))).strip()
    assert " ".join(sentences(text)) == text
    assert " ".join(clauses(text)) == text
    spoken(text, tags=False)


def test_a_tag_of_two_words_is_one_word() -> None:
    assert words("so (clears throat) (a b), (Clears Throat).") == [
        "so",
        "(clears throat)",
        "(a",
        "b),",
        "(Clears Throat).",
    ]


@pytest.mark.parametrize(
    ("note", "tag"),
    [
        ("laughter", "(laughs)"),
        ("both laugh", "(laughs)"),
        ("laughs nervously", "(laughs)"),
        ("clearing throat", "(clears throat)"),
        ("chuckles", "(chuckle)"),
        ("sigh", "(sighs)"),
        ("the company", ""),
        ("", ""),
        ("we all laugh about it", ""),
    ],
)
def test_notes_stand_for_tags(note: str, tag: str) -> None:
    assert nearest_tag(note) == tag


@pytest.mark.parametrize(
    ("said", "language", "found"),
    [
        ("hello naïve", "en", ""),
        ("say привет мир", "en", "привет"),
        ("say abcмир", "en", "мир"),
        ("привет мир", "ru-RU", ""),
        ("привет 世界", "ru", "世界"),
        ("東京タワーへ々", "ja", ""),
        ("서울", "ko_KR", ""),
        ("5 µm ª x²", "en", ""),
        ("नमस्ते", "hi", ""),
        ("नमस्ते", "en", "नमस्ते"),
        ("α", "xx", "α"),
    ],
)
def test_letters_of_other_scripts_are_found(said: str, language: str, found: str) -> None:
    assert unspeakable(said, language) == found


@given(DISPLAY, st.sampled_from(["en", "ru", "ja", "zh-CN"]))
def test_nothing_unspeakable_is_left(display: str, language: str) -> None:
    assert unspeakable(drop_unspeakable(display, language), language) == ""
    if not unspeakable(display, language):
        assert drop_unspeakable(display, language) == display
