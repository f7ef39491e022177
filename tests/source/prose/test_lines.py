"""Words that are cut at the end of a line, and verse."""

from __future__ import annotations

import pytest

from pipeline.source.script import Reading
from tests.support.readings import parse_markdown


def heard(text: str) -> list[str]:
    return [turn.text for chapter in parse_markdown(text, "s.md", title="Job").chapters for turn in chapter.turns]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("an emo-\ntional thing", "an emotional thing"),
        ("soft\u00ad\nly in mid\u00adword", "softly in midword"),
        ("a well-\nknown man", "a well-known man"),
        ("> an emo-\n> tional thing", "an emotional thing"),
        ("a grumblix, a grum-\nblix", "a grumblix, a grumblix"),
        ("a jury-box, a jury-\nbox", "a jury-box, a jury-box"),
        ("one -\ntwo", "one - two"),
    ],
)
def test_cut_words_are_joined(source: str, text: str) -> None:
    script = parse_markdown(source, "s.md", title="Job")
    assert [turn.text for turn in script.chapters[0].turns] == [text]
    assert script.warnings == ()


def test_a_word_that_nobody_knows_keeps_its_hyphen_and_is_told_of() -> None:
    script = parse_markdown("a grum-\nblix", "s.md", title="Job")
    assert script.chapters[0].turns[0].text == "a grum-blix"
    assert [note.what for note in script.warnings] == [
        '"grum-blix" is cut at the end of a line, and read with its hyphen.'
    ]


def test_the_list_is_of_the_language_of_the_job() -> None:
    script = parse_markdown("ein Schmetter-\nling", "s.md", title="Job", reading=Reading(language="de"))
    assert script.chapters[0].turns[0].text == "ein Schmetterling"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Roses are red\\\nViolets are blue", "Roses are red, Violets are blue"),
        ("Roses are red,  \nviolets are blue", "Roses are red, violets are blue"),
        ("The sea\nThe land\nAnd air", "The sea, The land, And air"),
        ("It was late and\nnobody came to\nthe door", "It was late and nobody came to the door"),
    ],
)
def test_lines_of_verse_end_in_a_short_pause(source: str, text: str) -> None:
    assert parse_markdown(source, "s.md", title="Job").chapters[0].turns[0].text == text


def test_short_lines_that_end_before_their_width_are_verse() -> None:
    text = "the sea is calm tonight\nthe tide is full\nthe moon lies fair\nupon the straits"
    assert heard(text) == ["the sea is calm tonight, the tide is full, the moon lies fair, upon the straits"]
    wrapped = "the sea is calm here tonight and the tide is\nfull and the moon lies fair upon the straits\n"
    wrapped += "where on the coast of France the light gleams\nand is gone, and the cliffs of England stand"
    assert heard(wrapped) == [" ".join(wrapped.split())]


def test_a_line_block_is_verse() -> None:
    assert heard("| The sea is calm\n| the tide is full.\n| so it is") == [
        "The sea is calm, the tide is full. so it is"
    ]
