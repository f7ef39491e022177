"""Which labels count: those of the form that explains the file, and what is told of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.source.script import Kind
from tests.support.books import read_html
from tests.support.readings import notes, read, said


def test_what_may_be_a_label_is_told_of_in_one_note() -> None:
    text = (
        "**Ann:** Hi.\n\n**Bob:** Yo.\n\nMan in the back: Hurrah!\n\n**Ann** goes on.\n\n[Bob] too.\n\n"
        "**Ann:** So.\n\nthe king: I come.\n\n**Bob** - well.\n\n**Bob:** Bye."
    )
    (note,) = notes(read(text))
    assert note == (
        "5: 5 paragraphs with what may be a label, and read as text: Man in the back: (line 5), **Ann** (line 7), "
        "[Bob] (line 9), the king: (line 13), **Bob** - (line 15)."
    )
    assert notes(read(text, labels="none")) == []


def test_many_labels_of_nobody_are_told_of_in_one_note() -> None:
    text = "**Ann:** a\n\n**Bob:** b\n\n**Ann:** c\n\n**Bob:** d\n\n" + "".join(
        f"**Tip on {n}:** x\n\n" for n in "qrst"
    )
    note, end = notes(read(text))
    assert end == "11: the last 3 paragraphs bear no name, and are spoken by whoever spoke before."
    assert note.startswith('9: 4 labels are read as text, as none is a name that comes back: "Tip on q:" (line 9), ')


def test_a_form_that_is_given_is_the_only_one_and_its_advice_says_so() -> None:
    script = read("**Ann:** a\n\nBob: b\n\n**Ann:** c", labels="plain")
    assert [speaker for speaker, _text in said(script)] == [None, "Bob", "Bob"]
    assert any("speakers:" in note.next for note in script.warnings)
    assert all("take labels: out of it" in note.next for note in script.warnings if "speakers:" in note.next)


def test_a_short_name_of_two_people_is_told_of() -> None:
    script = read("**Ann Lee:** a\n\n**Ann Roe:** b\n\n**Ann:** c\n\n**Ann Lee:** d\n\n**Ann Roe:** e")
    assert '5: "Ann" may be Ann Lee or Ann Roe, and is taken for somebody else.' in notes(script)


@pytest.mark.parametrize(
    "text", ["Moscow. It snowed.", "Love — it was that.", "Psalm 23: The Lord.", "We've done it: we won."]
)
def test_what_comes_back_in_a_third_of_a_book_is_no_dialogue(text: str) -> None:
    prose = "It was late that night.\n\nThe rain went on.\n\nNobody came.\n\n"
    other = text.replace("Moscow", "Paris").replace("Love", "Hate").replace("23", "24")
    assert {speaker for speaker, _text in said(read(f"{prose}{text}\n\n{other}\n\n" * 2, "audiobook"))} == {None}


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


def test_lines_of_metadata_before_the_first_speaker_are_text() -> None:
    text = "**Campaign:** Fens\n\n**Players Present:** two\n\n" + "**Ann:** a\n\n**Bob:** b\n\n" * 2
    assert [speaker for speaker, _text in said(read(text))] == [None, None, "Ann", "Bob", "Ann", "Bob"]


def test_a_list_of_terms_is_no_dialogue() -> None:
    text = "Some words.\n\n- **Docker:** a tool.\n- **Kamal:** another.\n\nThat is all, and it is enough."
    assert {speaker for speaker, _text in said(read(text))} == {None}


@pytest.mark.parametrize(
    "text",
    [
        "<h2>Attendees</h2>\nAda and Ben.\n\n<h2>Closing</h2>\nDone.",
        "2020-04-02: Josh believes it.\n\n2020-04-02: Nothing new.\n\n2020-04-02: We went on.",
        "Proposal 1: use C.\n\nIt is the same.\n\nProposal 3: use an ABI.\n\nProposal 1: no.\n\nProposal 3: yes.",
        "5m: Intro\n\n10m: Talk\n\n5m: Questions\n\n10m: End",
    ],
)
def test_headings_dates_and_items_speak_nothing(text: str) -> None:
    assert {speaker for speaker, _text in said(read(text))} == {None}


def test_persons_of_a_play_and_stage_directions_speak_nothing() -> None:
    text = (
        "DRAMATIS PERSONAE\n\nALONSO, King\nBOATSWAIN\nMARINERS\n\nMIRANDA, Daughter\n\nACT 1\n\nBOATSWAIN.\nHere!\n\n"
        "_Exit ALONSO_\n\nSo.\n\nALONSO.\nHave care.\n\nBOATSWAIN.\nHeigh!\n\nALONSO.\nWhere?"
    )
    turns = [turn for turn in said(read(text, "audiobook")) if turn[0]]
    assert turns == [
        ("BOATSWAIN", "Here!"),
        ("BOATSWAIN", "So."),
        ("ALONSO", "Have care."),
        ("BOATSWAIN", "Heigh!"),
        ("ALONSO", "Where?"),
    ]


def test_a_name_that_stands_in_another_form_alone_is_text() -> None:
    text = "**Esel:** a\n\n**Bileam:** b\n\n> *Type:* aor\n\n**Esel:** c\n\n**Bileam:** d\n\n> *Type:* mayim"
    assert {speaker for speaker, _text in said(read(text))} == {"Esel", "Bileam"}


def test_speakers_by_their_place_alone_are_told_of() -> None:
    text = "Silence. Nothing moved.\n\nDarkness. He waited.\n\n" * 2
    (note,) = notes(read(text, "audiobook"))
    assert note == "1: Silence, Darkness are taken for speakers by where they stand (form: stop)."
    assert notes(read(text, "audiobook", cast=("Silence",))) == notes(read(text, labels="none")) == []


def test_a_name_within_a_line_of_a_book_is_no_label() -> None:
    text = "Marlowe: that was the name. He knew it.\n\nHe read it again. Marlowe: so it was.\n\nThe end came."
    assert {speaker for speaker, _text in said(read(text, "audiobook"))} == {None}


def test_questions_and_answers_of_a_court() -> None:
    talk = "THE COURT: Go on.\n\nMR. FOX: Yes.\n\n"
    text = talk * 3 + "Q.  Where were you?\n\nA.  At home.\n\n" * 3 + talk
    assert {speaker for speaker, _text in said(read(text))} == {"THE COURT", "MR. FOX", "Q", "A"}


def test_names_without_marks_on_lines_of_their_own() -> None:
    text = "Ann\nHi there.\n\nBob\nHow are you?\n\nAnn\nFine, thanks.\n\nBob\nGood to hear."
    assert [speaker for speaker, _text in said(read(text))] == ["Ann", "Bob", "Ann", "Bob"]
    verse = "The River\nflows down the hill\n\nThe Hill\nstands by the river"
    assert {speaker for speaker, _text in said(read(verse))} == {None}


def test_paragraphs_without_a_name_at_the_end_are_told_of() -> None:
    text = "**Ann:** a\n\n**Bob:** b\n\n**Ann:** c\n\nd\n\nThanks.\n\nMusic by x.\n\nBye."
    assert "9: the last 3 paragraphs bear no name, and are spoken by whoever spoke before." in notes(read(text))


def test_the_short_name_of_the_cast_is_meant_by_the_long_one() -> None:
    script = read("Ann Lee: a\n\nBob: b\n\nAnn: c\n\nBob: d", cast=("Ann", "Bob"))
    assert [speaker for speaker, _text in said(script)] == ["Ann", "Bob", "Ann", "Bob"]
    assert '1: "Ann Lee" is taken for Ann.' in notes(script)


def test_who_is_no_speaker_does_not_change_how_others_are_read() -> None:
    text = "Ann 0:01\nHi there.\n\nBob 0:04\nYes.\n\nAnn 0:07\nSo.\n\nBob 0:09\nNo."
    assert ("Bob", "Yes.") in said(read(text, not_speakers=("Ann",)))


@pytest.mark.parametrize("kind", ["podcast", "audiobook"])
def test_a_line_that_goes_on_begins_no_turn(kind: Kind) -> None:
    text = (
        "NICOLA. Be warned in time.\n\nLOUKA. I do despise you.\n\nNICOLA. I should have expected more from you,\n"
        "Louka. But you are young!\n\nLOUKA. Yes."
    )
    assert [speaker for speaker, _text in said(read(text, kind))] == ["NICOLA", "LOUKA", "NICOLA", "LOUKA"]


@pytest.mark.parametrize("kind", ["podcast", "audiobook"])
def test_a_numbered_list_of_terms_is_text(kind: Kind) -> None:
    terms = "1. **Work:** do it early.\n2. **Rest:** do it late.\n3. **Play:** do it always."
    assert {speaker for speaker, _text in said(read(f"He had rules.\n\n{terms}\n\nSo he lived.", kind))} == {None}
    talk = f"**Ann:** Three rules.\n\n{terms}\n\n**Bob:** Ok.\n\n**Ann:** Fine.\n\n**Bob:** Bye."
    assert {speaker for speaker, _text in said(read(talk, kind))} - {None} == {"Ann", "Bob"}


@pytest.mark.parametrize(
    "text",
    [
        "Tom: Hi May.\n\nMay: Hi Tom.\n\nTom: Tea?\n\nMay: Yes.\n\nTom: Milk?",
        "Tom: Order.\n\nChair: Yes.\n\nTom: Next.\n\nChair: Here.",
        "KING. Who?\n\nALL. We!\n\nQUEEN. Ah.\n\nALL. We!\n\nKING. So.\n\nQUEEN. Yes.",
        "First Citizen:\nBefore.\n\nAll:\nSpeak.\n\nFirst Citizen:\nYou.\n\nAll:\nResolved.",
        "**MAYA** *(laut)*\nSo!\n\n**KARL** *(still)*\nOh!\n\n**MAYA** *(lacht)*\nJa.\n\n**KARL** *(geht)*\nGut.",
    ],
)
def test_everybody_speaks_for_themselves(text: str) -> None:
    script = read(text)
    heads = [paragraph.replace("*", "").partition("\n")[0] for paragraph in text.split("\n\n")]
    assert all(head.startswith(str(speaker)) for head, (speaker, _text) in zip(heads, said(script), strict=True))


def test_a_name_right_below_a_name_is_what_is_said() -> None:
    text = "**Bob**\n\n**Never**\n\nI mean it.\n\n**Ann**\n\nSo.\n\n**Bob**\n\n**Ever**"
    assert said(read(text)) == [("Bob", "Never"), ("Bob", "I mean it."), ("Ann", "So."), ("Bob", "Ever")]


def test_dialogue_within_a_book_in_italics_with_stops() -> None:
    prose = "".join(f"This is a plain paragraph, number {index}.\n\n" for index in range(10))
    script = read(prose + "_Pisc_. Sir, I know it.\n\n_Viat_. It may do so.\n\n" * 5, "audiobook")
    assert {speaker for speaker, _text in said(script)} == {None, "Pisc", "Viat"}


def test_names_that_come_back_without_counting_are_told_of() -> None:
    assert any("nikomat: (line 1)" in note for note in notes(read("nikomat: Wait!\n\nYep.\n\nnikomat: Am I?\n\nNo.")))
    assert any('">>" stands 2 times' in note for note in notes(read("You guys. >> Thank you. >> With care.")))


def test_names_in_a_form_that_explains_too_little_are_told_of() -> None:
    prose = "".join(f"This is a plain paragraph, number {index}.\n\n" for index in range(40))
    script = read(prose + "Pisc. Sir, I know it.\n\nViat. It may do so.\n\n" * 4, "audiobook")
    assert {speaker for speaker, _text in said(script)} == {None}
    (note,) = script.warnings
    assert note.what == "Pisc (4 times), Viat (4 times) begin paragraphs as labels do, and are read as text."
    assert {speaker for speaker, _text in said(read(prose + "Pisc. Yes.", "audiobook", labels="stop"))} == {
        None,
        "Pisc",
    }


def test_every_process_elects_the_same() -> None:
    """Where two forms explain as much, their order decides and not that of a set, which differs by process."""
    program = (
        "import sys, yaml\n"
        "from tests.support.readings import notes, read, said\n"
        "for form in yaml.safe_load(open(sys.argv[1], encoding='utf-8')):\n"
        "    for kind in ('podcast', 'audiobook'):\n"
        "        print(ascii((said(read(form['text'], kind)), notes(read(form['text'], kind)))))\n"
    )
    root = Path(__file__).parents[3]
    readings = {
        subprocess.run(
            [sys.executable, "-c", program, str(root / "tests" / "data" / "labels.yaml")],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            cwd=root,
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(readings) == 1
    assert len(readings.pop().splitlines()) > 100


def test_the_reason_is_that_of_the_rule_where_a_name_comes_back(tmp_path: Path) -> None:
    prose = "".join(f"<p>It was the {number}th day, and the sea was calm.</p>" for number in range(40))
    page = read_html(tmp_path, f"<p>Ann: I am here.</p><p>Ann: I am still here.</p>{prose}", "audiobook")
    assert [note.what for note in page.warnings] == ['"Ann:" is read as text, as too few paragraphs begin with a name.']
