"""Who speaks, in every form in which people write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.source.readers.markdown import parse_markdown
from pipeline.source.script import Kind, Reading, Script

FORMS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[2] / "data" / "labels.yaml").read_text("utf-8"))


def read(text: str, kind: Kind = "podcast", **reading: Any) -> Script:
    return parse_markdown(text, "s.md", title="Job", reading=Reading(kind, **reading))


def said(script: Script) -> list[tuple[str | None, str]]:
    return [(turn.speaker, turn.text) for chapter in script.chapters for turn in chapter.turns]


def notes(script: Script) -> list[str]:
    return [f"{note.where.partition(':')[2]}: {note.what}" for note in script.warnings]


@pytest.mark.parametrize("form", FORMS, ids=[form["text"].splitlines()[0] for form in FORMS])
def test_every_form_is_read(form: dict[str, Any]) -> None:
    """In a podcast, and in an audiobook whose cast has the names."""
    turns = [(speaker, text) for speaker, text in form["turns"]]
    assert said(read(form["text"])) == turns
    names = tuple(dict.fromkeys(speaker for speaker, _text in turns if speaker))
    assert said(read(form["text"], "audiobook", cast=names)) == turns


@pytest.mark.parametrize(
    "text",
    [
        'Said he: "It left."',
        "Dear Ann:",
        "In 1912:",
        "Note: the door is open.",
        "**Tip one:** put socks in them.",
        "**Rome:** a city.",
        "Let me see: four times five.",
        "The duke says: so it is.",
        "He is - as they say - late.",
        "[He] left.",
        "THE END.",
    ],
)
def test_prose_of_an_audiobook_names_nobody(text: str) -> None:
    """Not even where it comes back, but for what looks like a name."""
    prose = f"It was late, and nobody came to the door.\n\n{text}\n\nNobody at all, the whole night long."
    for again in (prose,) if "Rome" in text else (prose, f"{prose}\n\n{text}"):
        assert {speaker for speaker, _text in said(read(again, "audiobook"))} == {None}


def test_a_name_that_stands_once_counts_where_its_form_does() -> None:
    text = "Ann: Any questions?\n\nBob: Over there.\n\nVisitor: How old is it?\n\nAnn: A hundred.\n\nBob: At least."
    script = read(text, "audiobook")
    assert [speaker for speaker, _text in said(script)] == ["Ann", "Bob", "Visitor", "Ann", "Bob"]
    assert notes(script) == ["5: these speak once: Visitor."]
    assert said(read(text, not_speakers=("Visitor",)))[2] == ("Bob", "Visitor: How old is it?")


def test_the_producer_has_the_last_word() -> None:
    text = "**Ann:** Hi.\n\n**Tip one:** socks.\n\n**Ann:** Bye."
    assert said(read(text, cast=("Tip one",)))[1] == ("Tip one", "socks.")
    assert said(read(text, not_speakers=("Ann",)))[0] == (None, "Ann: Hi.")
    assert [speaker for speaker, _text in said(read(text, labels="none"))] == [None, None, None]
    assert said(read("Ann - Hi.\n\nSo it goes.\n\nWell.", labels="dash"))[0] == ("Ann", "Hi.")
    assert said(read("ANN: Hi.\n\nann lee: Bye.", cast=("Ann",), aliases={"ann lee": "Ann"})) == [
        ("Ann", "Hi."),
        ("Ann", "Bye."),
    ]


def test_a_label_that_is_none_is_told_of_with_its_line_and_what_to_write() -> None:
    (note,) = read("**Ann:** Hi.\n\n**Tip one:** socks.\n\n**Ann:** Bye.").warnings
    assert str(note) == (
        's.md:3: "Tip one:" is read as text, as it is no name that comes back. '
        "If it is a speaker, write speakers: [Tip one] in the manifest."
    )


def test_one_person_under_two_names_is_one_speaker() -> None:
    script = read("**Ann Lee:** a\n\n**Ann:** b\n\n**BOB:** c\n\n**Bob:** d", "audiobook")
    assert [speaker for speaker, _text in said(script)] == ["Ann Lee", "Ann Lee", "Bob", "Bob"]
    assert notes(script) == [
        '5: "BOB" and "Bob" are taken for one speaker, Bob.',
        '3: "Ann" is taken for Ann Lee.',
    ]
    two = read("**Ann Lee:** a\n\n**Ann Roe:** b\n\n**Ann:** c\n\n**Ann Lee:** d\n\n**Ann Roe:** e")
    assert [speaker for speaker, _text in said(two)] == ["Ann Lee", "Ann Roe", "Ann", "Ann Lee", "Ann Roe"]


def test_two_at_once_are_told_of() -> None:
    script = read("Ann: a\n\nBob: b\n\nANN AND BOB: c\n\nAnn: d\n\nBob: e")
    assert said(script)[2] == ("ANN AND BOB", "c")
    assert '5: "ANN AND BOB" is spoken by one voice.' in notes(script)


def test_a_time_alone_goes_on_with_the_same_speaker() -> None:
    text = "Ann Lee (00:00:03):\nGood evening.\n\n(00:01:21):\nTonight we look at maps."
    for kind in ("podcast", "audiobook"):
        assert said(read(text, kind)) == [("Ann Lee", "Good evening."), ("Ann Lee", "Tonight we look at maps.")]


def test_a_break_with_nothing_but_times_is_a_cue() -> None:
    text = (
        "**[INTRO - bells fade]**\n\n**Ann:** Hello. \\[door song 00:00:40\\]\n\n**Break:** \\[01:10\\] to \\[02:05\\]"
    )
    assert said(read(text)) == [("Ann", "Hello.")]


def test_a_play_has_speakers_and_no_directions() -> None:
    text = (
        "MARY.\n\n[_Opening the door._] Who is there?\n\nJOHN.\n\nOnly me. (_He laughs._)\n\nMARY.\n\nCome in.\n\nDo."
    )
    turns = [("MARY", "Who is there?"), ("JOHN", "Only me."), ("MARY", "Come in."), ("MARY", "Do.")]
    for kind in ("podcast", "audiobook"):
        assert said(read(text, kind)) == turns


def test_lines_of_metadata_before_the_first_speaker_are_text() -> None:
    text = "**Campaign:** Fens\n\n**Players Present:** two\n\n" + "**Ann:** a\n\n**Bob:** b\n\n" * 2
    assert [speaker for speaker, _text in said(read(text))] == [None, None, "Ann", "Bob", "Ann", "Bob"]


def test_a_list_of_terms_is_no_dialogue() -> None:
    text = "Some words.\n\n- **Docker:** a tool.\n- **Kamal:** another.\n\nThat is all, and it is enough."
    assert {speaker for speaker, _text in said(read(text))} == {None}
