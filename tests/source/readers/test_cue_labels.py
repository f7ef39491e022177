"""Labels of cues: meetings name who speaks in every cue, also in the middle of a sentence."""

from __future__ import annotations

import pytest

from pipeline.source.readers.cue_labels import cue_label, cue_names
from tests.source.readers.test_subtitles import read_subtitles
from tests.support.readings import notes, said


def cues(*lines: str, every_s: int = 2) -> str:
    """A WebVTT file of cues without silence between them."""
    times = [f"00:{at * every_s // 60:02d}:{at * every_s % 60:02d}.000" for at in range(len(lines) + 1)]
    shown = [f"{times[at]} --> {times[at + 1]}\n{line}\n" for at, line in enumerate(lines)]
    return "WEBVTT\n\n" + "\n".join(shown)


MEETING = cues(
    "Ann Lee: So I looked at the build,",
    "Ann Lee: I fixed it yesterday.",
    "Bob: Great, and the tests,",
    "Ann Lee: They pass.",
    "Ann Lee: All of",
    "them.",
    "Mega | Lambda: So we go on, and",
    "Mega | Lambda: Chris: what about you?",
    "chris-b: nothing",
    "Bob: Note: it rains.",
    "chris-b: Good.",
)


def test_a_label_in_every_cue_is_one_within_a_sentence_too() -> None:
    """The same name goes on with the sentence, another takes the word; what stands behind a label is text."""
    script = read_subtitles(MEETING, "m.vtt")
    assert said(script) == [
        ("Ann Lee", "So I looked at the build, I fixed it yesterday."),
        ("Bob", "Great, and the tests,"),
        ("Ann Lee", "They pass. All of them."),
        ("Mega | Lambda", "So we go on, and Chris: what about you?"),
        ("chris-b", "nothing"),
        ("Bob", "Note: it rains."),
        ("chris-b", "Good."),
    ]
    (ledger,) = script.ledgers
    assert [one.text for one in ledger.passages() if one.reason == "label"].count("Ann Lee:") == 4


def test_what_the_producer_says_of_labels_holds() -> None:
    read = read_subtitles(MEETING, "m.vtt", not_speakers=("Mega | Lambda",), aliases={"chris-b": "Chris"})
    assert ("Chris", "nothing") in said(read)
    assert "Mega | Lambda: So we go on, and Mega | Lambda: Chris:" in " ".join(text for _who, text in said(read))
    alone = said(read_subtitles(MEETING, "m.vtt", labels="none"))
    assert {who for who, _text in alone} == {None}
    assert alone[0][1].startswith("Ann Lee: So I looked at the build, Ann Lee: I fixed it yesterday.")


def test_a_name_within_a_cue_keeps_the_next_label() -> None:
    """Who speaks at the end of a cue is told by what stands in it."""
    script = read_subtitles(cues("Ann: Hi. Bob: Hello.", "Ann: So,", "Bob: what?", "Ann: Hi."), "m.vtt")
    assert said(script) == [("Ann", "Hi."), ("Bob", "Hello."), ("Ann", "So,"), ("Bob", "what?"), ("Ann", "Hi.")]


def test_a_name_that_comes_back_is_a_label_where_few_cues_bear_one() -> None:
    talk = cues("Ann: one.", "Two.", "Bob: Three.", "Four,", "Ann: five.", "Six.", "Ann: Seven.", "So.", "Bob: Ten.")
    assert said(read_subtitles(talk, "m.vtt")) == [
        ("Ann", "one. Two."),
        ("Bob", "Three. Four,"),
        ("Ann", "five. Six. Seven. So."),
        ("Bob", "Ten."),
    ]


@pytest.mark.parametrize("word", ["Okay", "Yeah", "Right"])
def test_a_word_and_a_stop_name_nobody_in_captions(word: str) -> None:
    """Where no cue bears a label, one voice reads all of it, and nothing is left out but times."""
    lines = [f"{word}. So we go to place {at}." for at in range(6)]
    times = [f"00:{at}0.000 --> 00:{at}1.000\n{line}\n" for at, line in enumerate(lines)]
    script = read_subtitles("WEBVTT\n\n" + "\n".join(times), "m.vtt")
    assert said(script) == [(None, line) for line in lines]
    assert notes(script) == []


NAMES = ["@pari", "0xTylerHolmes", "+1 555-0101", "3Blue1Brown", "“Doc” Brown", '"Doc" Smith', "Ann Lee / EF"]
NAMES += ["Speaker 1, Host", "tim.beiko", "Mega | Lambda"]


def test_names_of_meetings_begin_as_they_like() -> None:
    """What programs for meetings call people: numbers of telephones, handles, names with quotes and signs."""
    spoken = ["pari", "0xTylerHolmes", "1 555-0101", *NAMES[3:]]
    script = read_subtitles(cues(*(f"{name}: so we look," for name in (*NAMES, *NAMES))), "m.vtt")
    assert said(script) == [(name, "so we look,") for name in (*spoken, *spoken)]


def test_where_half_of_the_cues_bear_names_they_look_as_they_like_too() -> None:
    """The next cue goes on with the sentence; what stands once is read and told of, and so is no name at all."""
    talk = [line for name in NAMES[:5] for line in (f"{name}: here is a thing,", "and so on.") * 2]
    script = read_subtitles(cues(*talk, "0xBob: hello.", "And so on."), "m.vtt")
    spoken = ["pari", "0xTylerHolmes", "1 555-0101", *NAMES[3:5]]
    twice = "here is a thing, and so on. here is a thing, and so on."
    assert said(script) == [*((name, twice) for name in spoken[:4]), (spoken[4], f"{twice} 0xBob: hello. And so on.")]
    (note,) = [one for one in notes(script) if "0xBob" in one]
    assert "stand once before a colon" in note
    named = read_subtitles(cues(*talk, "0xBob: hello.", "And so on."), "m.vtt", cast=("0xBob",))
    assert said(named)[-1] == ("0xBob", "hello. And so on.")


def test_what_is_no_label_of_a_cue() -> None:
    assert cue_label("Ann (laughs): Hi.") == ("Ann", 14)
    assert cue_label("12:30 is fine: so we go.") is None
    assert cue_names(["So we go: there.", "And on: here."], ()).keys == set()
    names = cue_names(["Ann: a", "Ann: b", "But wait, he said: c", "Note: d", "Ann: e", "Ann: f"], ())
    assert (names.keys, names.in_every_cue) == ({"ann"}, True)
