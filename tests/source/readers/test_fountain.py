"""Screenplays: what is dialogue, what is not, and nothing without an account."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.readers.fountain import fountain_metadata, fountain_rendition
from pipeline.source.rendition import read_rendition
from pipeline.source.script import Kind, Reading, Script
from tests.support.odd_sources import lost_words
from tests.support.readings import notes, said


def read_fountain(text: str, kind: Kind = "podcast", **options: Any) -> Script:
    reading = Reading(kind, **options)
    return read_rendition(fountain_rendition(text, "s.fountain", reading), title="Job", reading=reading)


SCREENPLAY = """\
Title:
    _**NIGHT BUS**_
Credit: Written by
Author: Jo Neill
Draft date: 1/1/2026
Contact:
\tNext Stop Ltd.

FADE IN:

# Act One

= We meet the driver.

INT. BUS DEPOT - NIGHT #1#

Rain on a tin roof. [[How loud?]] A bus waits.

MARA
(to herself)
Late again.  Always late.

The DRIVER looks up.

DRIVER (V.O.)
Every bus has *one* passenger who **never** gets off.
(beat)
_Never_.

MARA (CONT'D)
(shouting over
the engine)
Are you coming?

/* Cut this.

OLD MAN
I am not in it.
*/

@McAvoy ^
Coming!
\x20\x20
And what\\*ever\\* you do, wait.

.SNIPER SCOPE POV

~And the wheels go round,
~all night long.

TWINS
~Round and round.
(laughing)
Again!

> THE END OF THE LINE <

CUT TO:

## A street

EXT. STREET. DAWN

!LOUD BANG
It is nothing.

MARA
Is [[she means the bus
and not him]] it gone?

===

# Act Two

int. bus - day

DRIVER
Gone.

> FADE OUT.

THE END
"""


def test_a_screenplay_is_its_dialogue() -> None:
    """Word for word; headings of scenes are scene breaks, sections are chapters."""
    script = read_fountain(SCREENPLAY)
    assert [(chapter.title, len(chapter.turns)) for chapter in script.chapters] == [("Act One", 9), ("Act Two", 1)]
    assert said(script) == [
        ("MARA", "Late again. Always late."),
        ("DRIVER", "Every bus has one passenger who never gets off."),
        ("DRIVER", "Never."),
        ("MARA", "Are you coming?"),
        ("McAvoy", "Coming!"),
        ("McAvoy", "And whatever you do, wait."),
        ("McAvoy", "And the wheels go round, all night long."),
        ("TWINS", "Round and round. (laughs) Again!"),
        ("MARA", "Is it gone?"),
        ("DRIVER", "Gone."),
    ]
    turns = [turn for chapter in script.chapters for turn in chapter.turns]
    assert [turn.border for turn in turns] == [
        "chapter",
        "turn",
        "paragraph",
        "turn",
        "turn",
        "paragraph",
        "scene",
        "turn",
        "scene",
        "chapter",
    ]
    assert turns[2].pause_s == 0.5
    assert turns[0].where == "s.fountain:19"
    assert lost_words(script, SCREENPLAY) == ""


def test_what_is_left_out_of_a_screenplay_has_its_reason() -> None:
    (ledger,) = read_fountain(SCREENPLAY).ledgers
    passages = [(one.reason, one.text) for one in ledger.passages()]
    assert ("heading", "INT. BUS DEPOT - NIGHT #1#") in passages
    assert ("comment", "= We meet the driver.") in passages
    assert ("comment", "[[she means the bus and not him") in [(reason, text.rstrip("]")) for reason, text in passages]
    assert ("direction", "(V.O.)") in passages
    assert ("direction", "(shouting over the engine)") in passages
    assert ("label", "@McAvoy ^") in passages
    assert ("cue", "> FADE OUT.") in passages
    assert ("heading", "A street") in passages
    assert ("direction", "> THE END OF THE LINE <") in passages
    assert ("front matter", " ".join(SCREENPLAY.partition("\n\n")[0].split())) in passages


def test_the_narrator_reads_what_happens_where_it_is_asked_for() -> None:
    """Its paragraphs are nobody's, also in a podcast; headings of scenes are still no words."""
    assert said(read_fountain(SCREENPLAY, action=True))[:4] == [
        (None, "Rain on a tin roof. A bus waits."),
        ("MARA", "Late again. Always late."),
        (None, "The DRIVER looks up."),
        ("DRIVER", "Every bus has one passenger who never gets off."),
    ]
    spoken = said(read_fountain(SCREENPLAY, "audiobook", action=True))
    assert (None, "LOUD BANG It is nothing.") in spoken
    assert (None, "THE END OF THE LINE") in spoken
    assert spoken[0] == (None, "Act One")


def test_the_title_page_tells_title_and_author() -> None:
    assert fountain_metadata(SCREENPLAY) == ("NIGHT BUS", "Jo Neill")
    assert fountain_metadata("Title: A\nAuthors: B and\n\tC\n\nx") == ("A", "B and C")
    assert fountain_metadata("FADE IN:\n\nINT. X") == ("", "")


ANN = "ANN\nHi.\n\n"
ODD: dict[str, tuple[str, list[tuple[str | None, str]]]] = {
    "no title page": ("FADE IN:\n\n" + ANN, [("ANN", "Hi.")]),
    "a title page alone": ("Title: X", []),
    "a name and nothing below": ("ANN\n\nHi.\n\nBOB\nYes.", [("BOB", "Yes.")]),
    "no empty line above": ("He waits.\nANN\nHi.\n\nBOB\nYes.", [("BOB", "Yes.")]),
    "the last line": (ANN + "BOB", [("ANN", "Hi.")]),
    "a number is no name": ("23\nx\n\nR2D2\nBeep-boop.", [("R2D2", "Beep-boop.")]),
    "a forced name": ("@Ann McKee (on the radio)\nHi.", [("Ann McKee", "Hi.")]),
    "one spelling": (ANN + "@Ann\nYou.", [("Ann", "Hi."), ("Ann", "You.")]),
    "extensions": (ANN + "ANN (cont'd)\nYou.\n\nANN (O.S.\nMe.", [("ANN", "Hi."), ("ANN", "You."), ("ANN", "Me.")]),
    "dual dialogue": (ANN + "BOB ^\nHi.", [("ANN", "Hi."), ("BOB", "Hi.")]),
    "forced action": ("!BANG\nHe falls.\n\n" + ANN, [("ANN", "Hi.")]),
    "two spaces after capitals": ("IT SNOWS  \nand snows.\n\n" + ANN, [("ANN", "Hi.")]),
    "two spaces after a name": (ANN + "ANN  \nYou.", [("ANN", "Hi."), ("ANN", "You.")]),
    "a transition": (ANN + "SMASH CUT TO:\n\nBOB\nHi.", [("ANN", "Hi."), ("BOB", "Hi.")]),
    "the end": (ANN + "THE END\n\n", [("ANN", "Hi.")]),
    "dots are no scene": ("ANN\n...and so\n.5 of it.", [("ANN", "...and so .5 of it.")]),
    "a bracket never closed": ("ANN\n(so what\nis that\n\nBOB\nHi.", [("ANN", "(so what is that"), ("BOB", "Hi.")]),
    "brackets with words": ("ANN\n(I mean) yes (no)\n(a (b))", [("ANN", "(I mean) yes (no) (a (b))")]),
    "a comment never closed": ("ANN\nHi /* you.", [("ANN", "Hi /* you.")]),
    "a note never closed": ("ANN\nHi [[you.\n\nBOB\nx]]", [("ANN", "Hi you."), ("BOB", "x]]")]),
    "a note between": ("ANN\n[[shorter]]\nHi.\n/* a\n\nb */\nYou.", [("ANN", "Hi. You.")]),
    "a comment within words": ("ANN\nHi/* there */ you.", [("ANN", "Hi you.")]),
    "tabs": ("\t\tANN\n\t(low)\n\tHi.\n\n\t\tBOB\n\tYes.", [("ANN", "Hi."), ("BOB", "Yes.")]),
    "a section below a speech": ("INT. X\nANN\nx\n# B\n" + ANN, [("ANN", "x"), ("ANN", "Hi.")]),
    "signs in speech": ("ANN\n#1 in > all = charts\n- a\n1. b", [("ANN", "#1 in > all = charts - a 1. b")]),
    "chapters in speech": (
        "ANN\nChapter One\n\nANN\nChapter Two\n\nANN\nChapter Three",
        [("ANN", "Chapter One"), ("ANN", "Chapter Two"), ("ANN", "Chapter Three")],
    ),
    "a song of nobody": ("~La la\n\n" + ANN, [(None, "La la"), ("ANN", "Hi.")]),
    "escapes": ("ANN\nIt is \\_so\\_ a\\_b.", [("ANN", "It is so a_b.")]),
    "a colon": ("ANN:\nHi.", [("ANN", "Hi.")]),
    "bold": ("**ANN**\nHi.", [("ANN", "Hi.")]),
    "a byte order mark": ("\ufeffTitle: X\n\n" + ANN, [("ANN", "Hi.")]),
    "empty": ("", []),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_screenplays(case: str) -> None:
    text, turns = ODD[case]
    script = read_fountain(text)
    assert said(script) == turns
    assert lost_words(script, text) == ""


def test_names_that_look_like_sounds_are_told_of() -> None:
    """Once, and not where the manifest says who they are."""
    text = "BANG!\nThe door falls in.\n\nANN\nHi.\n\nA VOICE\nWho is it?"
    (note,) = notes(read_fountain(text))
    assert note.startswith('1: "BANG!" stands above a line')
    assert notes(read_fountain(text, cast=("BANG!",))) == []
    assert said(read_fountain(text, not_speakers=("BANG!",)))[0] == ("ANN", "Hi.")
    assert '"ANN AND BOB" is spoken by one' in notes(read_fountain(ANN + "BOB\nx\n\nANN AND BOB\nHi."))[0]
    assert notes(read_fountain("He waits."))[0].startswith("1: nobody speaks in this screenplay")


def test_the_cast_has_the_spelling() -> None:
    assert said(read_fountain("ANN (V.O.)\nHi.\n\nCW\nYou.", cast=("Ann",), aliases={"cw": "Cay"})) == [
        ("Ann", "Hi."),
        ("Cay", "You."),
    ]


PIECES = st.sampled_from(
    "ANN\n~(low)\n~(~)~Hi.\n~\n~  \n~@Bo ^\n~!~.A~..~# ~## x\n~= x\n~===\n~> ~ <\n~~la\n~CUT TO:\n~INT. X\n~[["
    "~]]~/*~*/~\\~*~**~_~Title: x\n~\t~\r~BANG!\n~\x07~你好~THE END\n".split("~")
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)), st.booleans())
def test_any_screenplay_is_accounted_for(text: str, action: bool) -> None:
    script = read_fountain(text, action=action)
    assert lost_words(script, text) == ""
