"""Misreadings: which words of a script are doubted, and why."""

from __future__ import annotations

import pytest

from pipeline.source.lexicons import lexicon_of_word
from pipeline.source.misreadings import is_listed, misreadings
from pipeline.source.script import Chapter, Script, Turn
from pipeline.source.spoken.lexicon import Lexicon

NOTHING = Lexicon(())


def script_of(*texts: str) -> Script:
    turns = tuple(Turn(None, text, "paragraph", f"s.md:{line}") for line, text in enumerate(texts, start=1))
    return Script((Chapter("One", turns, "s.md:1"),))


@pytest.mark.parametrize(
    ("text", "doubts"),
    [
        ("So Nguyen’s friend met John in London.", {"Nguyen": "name"}),
        ("Whatsappy people. “Blockchainish!”", {"Whatsappy": "unknown word", "Blockchainish": "unknown word"}),
        ("He likes whatsappy, well-known people.", {"whatsappy": "unknown word"}),
        ("The WHO and NASA. STOP! THE END.", {"WHO": "all caps", "NASA": "all caps"}),
        (
            "8675309, 007 and R2D2 in 1984, on the 21st, by 1990s, 10km.",
            dict.fromkeys(("8675309", "007", "R2D2"), "odd number"),
        ),
        ("It's o’clock (laughs) I", {}),
        ("So Mr. Jones, Messrs. Smith and Capt. Lee", {}),
        ("The neighbours’ theatre realised that slates’ll colour.", {}),
    ],
)
def test_words_are_doubted(text: str, doubts: dict[str, str]) -> None:
    assert {one.word: one.doubt for one in misreadings(script_of(text), NOTHING, "en-GB")} == doubts


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "So Henry IV and Louis XIV in World War II, Act III, Chapters II–IV."),
        ("en", "So 1,000,000 people ran 2:01:09 and 5g, paid $2bn on the M25, and 11½ miles by 2021-03-04, with MP3s."),
        ("de", "Und im Mai fuhr der Zug nach Berlin, wo der Papst und der König drei Liter Milch für Jahre hatten."),
        ("de", "So kamen 1.000.000 Leute unter Karl V. und Ludwig XIV. um 2:30 Uhr."),
    ],
)
def test_what_is_said_right_is_not_doubted(language: str, text: str) -> None:
    assert misreadings(script_of(text), NOTHING, language) == []


@pytest.mark.parametrize(
    ("language", "text", "doubts"),
    [
        ("de", "Und Nguyen traf Wszczebrzyn im Mai.", {"Nguyen": "name", "Wszczebrzyn": "name"}),
        (
            "en",
            "So Psammetichus III met R2D2, agent 007 and 4x4y.",
            {"Psammetichus": "name"} | dict.fromkeys(("R2D2", "007", "4x4y"), "odd number"),
        ),
    ],
)
def test_what_may_be_said_wrong_is(language: str, text: str, doubts: dict[str, str]) -> None:
    assert {one.word: one.doubt for one in misreadings(script_of(text), NOTHING, language)} == doubts


def test_words_are_counted_and_the_frequent_come_first() -> None:
    script = script_of("So Hermione and Siobhan.", "Not Siobhan.", "Siobhan wins.")
    assert [(one.word, one.count_in_script, one.where) for one in misreadings(script, NOTHING, "en")] == [
        ("Siobhan", 3, "s.md:1"),
        ("Hermione", 1, "s.md:1"),
    ]


def test_what_an_entry_covers_is_left_out() -> None:
    script = script_of("So Siobhan and Siobhan's van Rensburg.")
    assert [one.word for one in misreadings(script, lexicon_of_word("Siobhan", "shivawn", "x"), "en")] == ["Rensburg"]
    assert misreadings(script_of("So van Rensburg."), lexicon_of_word("van Rensburg", "fan", "x"), "en") == []


def test_a_language_without_a_list_has_capitals_and_numbers_only() -> None:
    assert is_listed("de-AT")
    assert not is_listed("pl")
    found = misreadings(script_of("Zażółć Gęślą jaźń NATO 123456."), NOTHING, "pl")
    assert {one.word: one.doubt for one in found} == {"NATO": "all caps", "123456": "odd number"}
