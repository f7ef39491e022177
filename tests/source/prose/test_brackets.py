"""What stands in brackets: pauses, cues, directions, tags, notes, and words."""

from __future__ import annotations

import pytest

from pipeline.source.script import Turn
from tests.support.readings import notes, parse_markdown, read, said


def turns(text: str) -> list[Turn]:
    return [turn for chapter in parse_markdown(text, "s.md", title="Job").chapters for turn in chapter.turns]


def heard(text: str) -> list[str]:
    return [turn.text for turn in turns(text)]


@pytest.mark.parametrize(
    ("bracket", "pause_s"),
    [
        ("[pause:500]", 0.5),
        ("[pause 1.5s]", 1.5),
        ("[break 1s]", 1.0),
        ("[silence 2s]", 2.0),
        ("[wait for 250 ms]", 0.25),
        ("[beat]", 0.5),
        ("(beat)", 0.5),
        ("(pause)", 0.5),
        ("[Pause.]", 0.5),
        ("[long pause]", 1.5),
        ('<break time="700ms"/>', 0.7),
    ],
)
def test_a_pause_has_its_length(bracket: str, pause_s: float) -> None:
    before, after = turns(f"Hello. {bracket} Bye.")
    assert (before.text, after.text, after.pause_s) == ("Hello.", "Bye.", pause_s)


@pytest.mark.parametrize(
    "bracket",
    [
        *(
            "[sound of rain]",
            "[angry]",
            "[music: x.mp3]",
            "[INTRO - bells fade]",
            "[door song 00:00:40]",
            "[inaudible]",
        ),
        *("[00:12]", "[00:01.0 --> 00:02.0]", "[_Opening the door._]", "[smiling at him]", "[?]", "[SFX: a door]"),
    ],
)
def test_what_nobody_says_is_left_out(bracket: str) -> None:
    assert [turn.text for turn in turns(f"Hello. {bracket} Bye.")] == ["Hello. Bye."]
    assert [turn.text for turn in turns(f"Hello.\n\n{bracket}\n\nBye.")] == ["Hello.", "Bye."]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Then [he] said so.", "Then he said so."),
        ("[Ann] left the room.", "Ann left the room."),
        ("It was wor[n] out.", "It was worn out."),
        ("It fell in 1789.[3] Then Ulm[2] fell.", "It fell in 1789. Then Ulm fell."),
        ("(Perhaps) so (maybe).", "(Perhaps) so (maybe)."),
        ("At (12:30) he came.", "At (12:30) he came."),
        ("*sighs* I know. *Laughs.* No.", "(sighs) I know. Laughs. No."),
        ("He *laughs* at that.", "He laughs at that."),
        ("the ship (_Endeavour_) sailed", "the ship (Endeavour) sailed"),
    ],
)
def test_words_in_brackets_stay(source: str, text: str) -> None:
    assert [turn.text for turn in turns(source)] == [text]


def test_somebody_else_laughs() -> None:
    """And it is not put into the mouth of who speaks."""
    text = (
        "**Erik:** No. \\[Brian laughs\\] Yes. [laughs]\n\n**Brian:** Ha.\n\n**Erik:** Oh.\n\n**Brian:** [Brian laughs]"
    )
    assert [turn.text for turn in turns(text)] == ["No. Yes. (laughs)", "Ha.", "Oh.", "(laughs)"]


def test_brackets_that_may_be_cues_are_told_of_together() -> None:
    script = parse_markdown("a.\n\n[at the harbour]\n\nb.\n\n[in the cabin]\n\nc.", "s.md", title="Job")
    assert [str(note) for note in script.warnings] == [
        "s.md:3: 2 brackets between sentences, taken for cues and not read: [at the harbour], [in the cabin]. "
        "Write without brackets what is to be read."
    ]


@pytest.mark.parametrize("note", ["[3,4]", "[5–7]", "[12]", "[a]", "¹", "¹²"])
def test_marks_of_notes_are_left_out(note: str) -> None:
    assert heard(f"It was in Ulm.{note} Then{note} we went.") == ["It was in Ulm. Then we went."]


def test_powers_and_letters_in_words_are_no_notes() -> None:
    text = "Ten m², 10² and friend[s] and x² here."
    assert heard(text) == ["Ten m², 10² and friends and x² here."]


def test_manners_and_sounds_in_round_brackets_are_not_read_where_somebody_speaks() -> None:
    text = "Ann: (whispering) Hi. (door slams) Yes.\n\nBob: [sfx_rain] Yo. *(music plays)* Hm (not a cue) x."
    text += "\n\nAnn: (cont'd) Bye."
    assert heard(text) == ["Hi. Yes.", "Yo. Hm (not a cue) x.", "Bye."]
    assert heard("It was late. (the door slams) He left.") == ["It was late. (the door slams) He left."]


@pytest.mark.parametrize(
    "text",
    [
        "He chose [5] apples and [3] pears.",
        "I said [DO NOT] go.",
        "[Phone] is ringing.",
        "[Rain] today?",
        "Ten square metres² of land.",
        "See page {12} and {4}.",
    ],
)
def test_words_and_numbers_in_brackets_stay(text: str) -> None:
    assert heard(text) == [text.replace("[", "").replace("]", "")]


@pytest.mark.parametrize(
    "words", ["background checks are what I do", "sounds good to me", "happy new year!", "reads Plato daily"]
)
def test_remarks_in_round_brackets_are_read(words: str) -> None:
    assert heard(f"Ann: Hi. ({words}) Yes.\n\nBob: x\n\nAnn: y") == [f"Hi. ({words}) Yes.", "x", "y"]


def test_page_numbers_in_braces_go_where_they_count_up() -> None:
    assert heard("One {11} two {12} three {13} four.") == ["One two three four."]


def test_directions_after_names_and_on_their_own_are_not_read() -> None:
    text = (
        "**Maya:** *(to camera)* Bye!\n\n**Tom:** (without looking up) So. (rising) Yes.\n\n(They leave together.)\n\n"
        "**Maya:** (I know.) Hm. [unclear] and [door slams] there. [SFX: train whistle]\n\n**Tom:** (Maya laughs) Well."
    )
    assert heard(text) == ["Bye!", "So. (rising) Yes.", "(I know.) Hm. and there.", "Well."]


def test_what_is_struck_out_is_not_read_and_what_is_marked_is() -> None:
    assert heard("He ~~never~~ came ==at once== today.") == ["He came at once today."]


def test_a_beat_of_its_own_is_a_pause() -> None:
    script = parse_markdown("**Ann:** Hello.\n\n*(beat)*\n\n**Bob:** Yes.\n\n**Ann:** So.", "s.md", title="Job")
    assert script.chapters[0].turns[1].pause_s == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "[Theme parks] are fun.",
        "What is x[0]?",
        "Pick [1], [2] or [3].",
        "(re)design it is.",
        "(almost) all of it.",
        "(I mean it.)",
    ],
)
def test_brackets_that_somebody_says_are_read(text: str) -> None:
    heard_text = heard(f"**Ann:** {text}\n\n**Bob:** So.\n\n**Ann:** Yes.")[0]
    assert heard_text == text.replace("[", "").replace("]", "")


AUTHORS = 'He bowed. [Applausive titter.] "Tom!" [No response.] [He nods.] It was [illegible] there. [Three four.] Yes.'


def test_words_in_brackets_are_the_author_s_in_a_book_in_which_nobody_speaks() -> None:
    """But for sounds, marks of notes and letters alone; where somebody is named they are cues."""
    expected = 'He bowed. Applausive titter. "Tom!" No response. He nods. It was illegible there. Three four. Yes.'
    assert [text for _who, text in said(read(AUTHORS, "audiobook"))] == [expected]
    assert [text for _who, text in said(read("He bowed.[3] So. [door slams] Yes.\n\n[K.]", "audiobook"))] == [
        "He bowed. So. Yes."
    ]
    assert [text for _who, text in said(read(AUTHORS, "podcast"))] == ['He bowed. "Tom!" It was illegible there. Yes.']
    play = f"**Ann:** {AUTHORS}\n\n**Bob:** So.\n\n**Ann:** Yes.\n\n**Bob:** No."
    assert said(read(play, "audiobook"))[0] == ("Ann", 'He bowed. "Tom!" It was illegible there. Yes.')


def test_music_in_a_book_is_a_word_but_for_a_sound_alone() -> None:
    """What an editor has put in is read, a sound between sentences is told of, `[sic]` is neither."""
    text = "To Steiner [music publisher in Vienna] I wrote. [Music Director at Graz.] So.\n\n[Music Director]\n\n"
    text += "Then [music] began at [about 10:30 a.m.], they sayed [sic]. [excited] [door slams] So.\n\n[music]\n\nOn."
    script = read(text, "audiobook")
    assert [line for _who, line in said(script)] == [
        "To Steiner music publisher in Vienna I wrote. Music Director at Graz. So.",
        "Music Director",
        "Then music began at about 10:30 a.m., they sayed. excited So.",
        "On.",
    ]
    (note,) = notes(script)
    assert "2 brackets between sentences, taken for cues and not read: [door slams], [music]." in note
