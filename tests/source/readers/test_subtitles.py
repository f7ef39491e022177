"""Subtitles: sentences over cues, times that nobody says, and files that are broken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deliver.transcript import Cue, to_srt, to_vtt
from pipeline.source.readers.subtitles import subtitles_rendition
from pipeline.source.rendition import read_rendition
from pipeline.source.script import Kind, Reading, Script
from tests.support.odd_sources import lost_words
from tests.support.readings import notes, said


def read_subtitles(text: str, name: str = "s.srt", kind: Kind = "podcast", **options: Any) -> Script:
    reading = Reading(kind, **options)
    return read_rendition(subtitles_rendition(text, name, reading), title="Job", reading=reading)


SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>Hello there, this is a
sentence that goes</i>

2
00:00:02,600 --> 00:00:04,000
on and on. (SIGHS)

3
00:00:05,900 --> 00:00:07,000
It goes on.

4
00:00:09,000 --> 00:00:10,000  X1:20 X2:30
{\\an8}AT&amp;T is a <fire ward>, emo-
tional.
[door slams]

5
00:00:10,100 --> 00:00:11,000
<font color="#fff">One,
Two,
Three.</font>

6
00:00:14,000 --> 00:00:15,000
♪ And the wheels go round ♪

7
00:00:16,000 --> 00:00:17,000
♪ (theme music) ♪

8
00:00:17,000 --> 00:00:18,000
(a door
slams)

9
00:00:18,000 --> 00:00:19,000
DOOR SLAMS
"""


def test_a_sentence_goes_over_cues() -> None:
    """Word for word: a paragraph ends where a sentence and two seconds of silence do; no line end is one of verse."""
    script = read_subtitles(SRT)
    assert said(script) == [
        (None, "Hello there, this is a sentence that goes on and on. (sighs) It goes on."),
        (None, "AT&T is a <fire ward>, emotional. One, Two, Three."),
        (None, "And the wheels go round"),
    ]
    assert [turn.where for turn in script.chapters[0].turns] == ["s.srt:3", "s.srt:16", "s.srt:28"]
    assert lost_words(script, SRT) == ""
    (ledger,) = script.ledgers
    passages = [(one.reason, one.text) for one in ledger.passages()]
    assert ("cue", "[door slams]") in passages
    assert ("cue", "(a door slams)") in passages
    assert ("cue", "DOOR SLAMS") in passages
    assert ("time stamp", "2 00:00:02,600 --> 00:00:04,000") in [(r, t) for r, t in passages if t.startswith("2 ")]


VTT = """\
WEBVTT - a title
Kind: captions

STYLE
::cue(v) { color: red }

NOTE
of two
lines

the first
00:01.000 --> 00:02.000 align:start position:0%
<v Ann>Hello,

2
00:02.000 --> 00:03.000
<v Ann>you <00:02.500><c.yellow>there</c>.</v>

00:03.000 --> 00:04.000 line:90%
<v.loud Bob Lee>Hi &lt;b&gt; <ruby>base<rt>bis</rt></ruby>. <v Ann>Yes

00:05.000 --> 00:06.000
<v Ann>I am. &lrm;&nbsp;

NOTE nobody says this

REGION
id:fred

00:08.500 --> 00:09.000
<v Ann>A new one.

00:09.000 --> 00:10.000
<v Narrator>They left.
"""


def test_voices_are_speakers() -> None:
    script = read_subtitles(VTT, "s.vtt")
    turns = [(turn.speaker, turn.text, turn.border) for turn in script.chapters[0].turns]
    assert turns == [
        ("Ann", "Hello, you there.", "chapter"),
        ("Bob Lee", "Hi <b> base.", "turn"),
        ("Ann", "Yes I am.", "turn"),
        ("Ann", "A new one.", "paragraph"),
        (None, "They left.", "turn"),
    ]
    assert lost_words(script, VTT) == ""
    reasons = {one.reason for one in script.ledgers[0].passages()}
    assert reasons == {"front matter", "code", "comment", "time stamp", "label", "markup", "entity", "footnote"}


def test_voices_have_the_names_of_the_manifest() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v ANN>Hi.\n\n00:02.000 --> 00:03.000\n<v CW>Yes."
    turns = [("Ann", "Hi."), ("Cay", "Yes.")]
    assert said(read_subtitles(text, "s.vtt", cast=("Ann",), aliases={"cw": "Cay"})) == turns


ROLLING = """\
WEBVTT

00:00:00.160 --> 00:00:02.389 align:start position:0%
 \x20
hello<00:00:00.400><c> and</c><00:00:00.520><c> welcome</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello and welcome
 \x20

00:00:02.399 --> 00:00:04.000 align:start position:0%
hello and welcome
to<00:00:02.600><c> the</c><00:00:02.700><c> show</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
to the show
 \x20

00:00:06.010 --> 00:00:08.000 align:start position:0%
to the show
no<00:00:02.600><c> no</c><00:00:02.700><c> no</c>
"""


def test_captions_that_roll_are_said_once() -> None:
    """And hardly any of them end sentences, so that silences are the ends of paragraphs."""
    script = read_subtitles(ROLLING, "s.vtt")
    assert said(script) == [(None, "hello and welcome to the show"), (None, "no no no")]
    assert lost_words(script, ROLLING) == ""
    assert [one.reason for one in script.ledgers[0].passages()].count("cue") == 4
    growing = "".join(f"00:0{i} --> 00:0{i + 1}\n{' '.join('so it goes on'.split()[: i + 1])}\n\n" for i in range(4))
    assert said(read_subtitles(growing)) == [(None, "so it goes on")]


def test_who_says_the_same_twice_is_heard_twice() -> None:
    text = "".join(
        f"00:0{i}:00 --> 00:0{i}:03\n{line}\n\n" for i, line in enumerate(("No.", "No.", "Yes.", "So.", "I."))
    )
    assert said(read_subtitles(text)) == [(None, line) for line in ("No.", "No.", "Yes.", "So.", "I.")]
    assert said(read_subtitles("00:01 --> 00:02\nNo.\n\n00:01 --> 00:02\nNo.\n")) == [(None, "No.")]
    chant = "".join(f"00:{i}0 --> 00:{i}1\nGo!\n\n" for i in range(5))
    assert said(read_subtitles(chant)) == [(None, "Go!")] * 5


ODD: dict[str, tuple[str, list[tuple[str | None, str]]]] = {
    "no empty lines between cues": ("1\n00:01,0 --> 00:02,0\na\n2\n00:02,0 --> 00:03,0\nb", [(None, "a b")]),
    "a number that is said": ("1\n00:01,0 --> 00:02,0\na\n7\n00:02,0 --> 00:03,0\nb", [(None, "a 7 b")]),
    "empty lines within a cue": ("1\n00:01,0 --> 00:02,0\na\n\nb\n\n2\n00:02,0 --> 00:03,0\nc", [(None, "a b c")]),
    "no numbers": ("00:01,0 --> 00:02,0\na\n\n00:02,0 --> 00:03,0\nb", [(None, "a b")]),
    "dots": ("1\n00:00:01.000 --> 00:00:02.000\na", [(None, "a")]),
    "spaces and one dash": ("1\n0:0:1 , 5 -> 0:0:2\na", [(None, "1 0:0:1 , 5 -> 0:0:2 a")]),
    "times on the line of the number": ("1 00:01 --> 00:02\na", [(None, "a")]),
    "no times": ("just words", [(None, "just words")]),
    "words before the first": ("Hi.\n\n1\n00:01 --> 00:02\na", [(None, "Hi. a")]),
    "out of order": ("00:05 --> 00:06\na.\n\n00:01 --> 00:02\nb.", [(None, "a. b.")]),
    "overlapping": ("00:01 --> 00:06\na.\n\n00:03 --> 00:08\nb.", [(None, "a. b.")]),
    "an empty cue": ("1\n00:01 --> 00:02\n\n2\n00:02 --> 00:03\nb", [(None, "b")]),
    "a note in SRT": ("1\n00:01 --> 00:02\na\n\nNOTE b", [(None, "a NOTE b")]),
    "a cue's name with words below": (
        "WEBVTT\n\n00:01.0 --> 00:02.0\na\n\nand so\n00:03.0 --> 00:04.0\nb",
        [(None, "a and so b")],
    ),
    "names": (
        "1\n00:01 --> 00:02\nANN: Hi.\n\n2\n00:02 --> 00:03\nBOB: Yes\n\n3\n00:03 --> 00:04\nso.\nANN: Bye.",
        [("ANN", "Hi."), ("BOB", "Yes so."), ("ANN", "Bye.")],
    ),
    "arrows with names": (
        "00:01 --> 00:02\n>> ANN: Hi.\n\n00:02 --> 00:03\n>> BOB: Yes.\n\n00:03 --> 00:04\n>> ANN: Bye.",
        [("ANN", "Hi."), ("BOB", "Yes."), ("ANN", "Bye.")],
    ),
    "arrows": ("00:01 --> 00:02\n>> Hi.\n\n00:02 --> 00:03\n>>> Yes.", [(None, "Hi."), (None, "Yes.")]),
    "dashes": ("00:01 --> 00:02\n- Hi.\n-Yes.\n\n00:02 --> 00:03\n-- so", [(None, "Hi."), (None, "Yes. -- so")]),
    "a dash before a name": (
        "00:01 --> 00:02\n-MAN: Hi.\n\n00:02 --> 00:03\n- ANN: Yes.\n\n00:03 --> 00:04\n-MAN: Bye.",
        [("MAN", "Hi."), ("ANN", "Yes."), ("MAN", "Bye.")],
    ),
    "music": ("00:01 --> 00:02\n♪ dramatic music ♪\n\n00:02 --> 00:03\n♪ (slow song plays) ♪ la ♪", [(None, "la")]),
    "a voice without a name": (
        "00:01 --> 00:02\n<v ->Hi.</v>\n\n00:02 --> 00:03\n<v Ann>Yes.",
        [(None, "Hi."), ("Ann", "Yes.")],
    ),
    "one dash": ("00:01 --> 00:02\n-5 degrees", [(None, "-5 degrees")]),
    "shouts": (
        "00:01 --> 00:02\nSTOP\n\n00:02 --> 00:03\n(NASA) is big. (LAUGHS)",
        [(None, "STOP (NASA) is big. (laughs)")],
    ),
    "a thought in brackets": ("00:01 --> 00:02\n(I never said that.)", [(None, "(I never said that.)")]),
    "a pause": ("00:01 --> 00:02\nA. [pause 1s] B.", [(None, "A."), (None, "B.")]),
    "a tag of nothing": ("00:01 --> 00:02\n<unknown>x</unknown> a<b", [(None, "<unknown>x</unknown> a<b")]),
    "line breaks of others": ("00:01 --> 00:02\na\\Nb<br/>c", [(None, "a b c")]),
    "signs of Markdown": ("00:01 --> 00:02\n# a\n> b\n1. c | d", [(None, "# a > b 1. c | d")]),
    "a byte order mark": ("\ufeffWEBVTT\n\n00:01.0 --> 00:02.0\na", [(None, "a")]),
    "times without a head": ("WEBVTT\n00:01.0 --> 00:02.0\na", [(None, "a")]),
    "empty": ("", []),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_subtitles(case: str) -> None:
    text, turns = ODD[case]
    script = read_subtitles(text)
    assert said(script) == turns
    assert lost_words(script, text) == ""


def test_speakers_without_names_are_told_of() -> None:
    assert any('2: "-" stands 2 times' in note for note in notes(read_subtitles(ODD["dashes"][0])))
    assert any(
        '">>" stands 1' in note or '">>" stands 2' in note
        for note in notes(read_subtitles("00:01 --> 00:02\n>> Hi.\n\n00:02 --> 00:03\n>> Yes."))
    )
    assert not any(">>" in note for note in notes(read_subtitles(ODD["arrows with names"][0])))
    assert any("begin before the one above" in note for note in notes(read_subtitles(ODD["out of order"][0])))
    assert any("has no time" in note for note in notes(read_subtitles(ODD["words before the first"][0])))


def test_our_own_subtitles_are_read_again() -> None:
    """As they were said, two lines of 32 characters or not."""
    words = "It was a long night, and nobody in the whole depot had slept for more than an hour of it, not even you."
    cues = [Cue(0, 6, "Ann", words), Cue(6.3, 8, "Bob Lee", "Hm. Tom & Jerry?"), Cue(8.3, 9, "Ann", "Yes.")]
    turns = [("Ann", words), ("Bob Lee", "Hm. Tom & Jerry?"), ("Ann", "Yes.")]
    assert said(read_subtitles(to_vtt(cues), "s.vtt")) == turns
    assert said(read_subtitles(to_srt(cues))) == turns


PIECES = st.sampled_from(
    "WEBVTT~\n~\n\n~1\n~2\n~00:01 --> 00:02\n~00:00:03,500 --> 00:00:09,000\n~NOTE ~STYLE\n~<v Ann>~</v>~<i>~</i>~<c.x>"
    "~<00:01.000>~&amp;~&lrm;~&#0;~&#xfffffff;~{\\an8}~♪~(SIGHS)~[door slams]~- ~>> ~ANN: ~Hi.\n~word ~emo-\ntional~-->"
    "~<rt>x</rt>~\\N~\r~\ufeff~\x07~你好。~<v >~(beat)~DOOR SLAMS\n~**~[S1] ".split("~")
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)), st.sampled_from(("s.srt", "s.vtt")))
def test_any_subtitles_are_accounted_for(text: str, name: str) -> None:
    script = read_subtitles(text, name)
    assert lost_words(script, text) == ""
