"""Subtitles and JSON, read back by parsers that forgive nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.audio import ChapterMark
from pipeline.deliver.transcript import Cue, chapters_json, to_json, to_srt, to_vtt
from tests.support.subtitles import letters, parse, parse_srt, parse_vtt

NASTY = st.one_of(
    st.text(max_size=120),
    st.lists(
        st.sampled_from(
            [
                "-->", "<b>", "</v>", "&amp;", "&", "1", "00:00:01,000 --> 00:00:02,000", "\n\n", "\r",
                "WEBVTT", "NOTE", "שלום", "مرحبا،", "👩\u200d👩\u200d👧", "漢字仮名交じり文" * 9,
                "e\u0301", "Bonjour\xa0!", "\xa0",
                "\u2028", "\x00", "\x85", "“Stop.”", "Dr. No,", "x" * 200, "don’t", "word", "another;",
            ]
        ),
        max_size=40,
    ).map(" ".join),
)  # fmt: skip
# The first draw of Unicode text builds Hypothesis's tables, which takes longer than its patience.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.one_of(st.sampled_from(["", "Ann", "Bob Smith", "R&D <x>", "--> -->", "A\nB"]), st.text(max_size=40))


@st.composite
def cue_lists(draw: st.DrawFn) -> list[Cue]:
    cues = []
    clock_s = 0.0
    for _ in range(draw(st.integers(0, 6))):
        start_s = clock_s + draw(st.floats(0, 5))
        clock_s = start_s + draw(st.floats(0.2, 30))
        cues.append(Cue(start_s, clock_s, draw(NAMES), draw(NASTY)))
    return cues


@UNHURRIED
@given(cue_lists())
def test_vtt_reads_back(cues: list[Cue]) -> None:
    """Every word and speaker comes back from WebVTT, whatever the text holds."""
    found = parse_vtt(to_vtt(cues))
    assert letters("".join(text for _, text in found)) == letters("".join(c.text for c in cues))
    speakers = {letters(c.speaker) for c in cues if letters(c.text)}
    assert {letters(speaker) for speaker, _ in found} == speakers


@UNHURRIED
@given(cue_lists())
def test_srt_reads_back(cues: list[Cue]) -> None:
    """Every word comes back from SRT, with a name where the speaker changes and nowhere else."""
    expected = ""
    before = ""
    for cue in cues:
        if letters(cue.text):
            name = letters(cue.speaker.replace("-->", "→"))
            expected += f"{name}:" if name and cue.speaker != before else ""
            expected += letters(cue.text.replace("-->", "→"))
            before = cue.speaker
    assert letters("".join(parse_srt(to_srt(cues)))) == expected


@UNHURRIED
@given(cue_lists())
def test_json_reads_back(cues: list[Cue]) -> None:
    """The JSON transcript has one segment for each cue, with its text as it stands."""
    read = json.loads(to_json(cues))
    assert read["version"] == "1.0.0"
    assert [(s["speaker"], s["body"]) for s in read["segments"]] == [(c.speaker, c.text) for c in cues]
    assert all(s["startTime"] <= s["endTime"] for s in read["segments"])


@pytest.mark.parametrize(
    "parts",
    [
        ["A sentence that nearly fills its own line.", "Another one that does about the same."],
        ["A long beginning, and then a little more,", "after which it goes on without any stop to be cut at"],
        ["So, a comma that stands far to the front is not worth a cut at", "it, as the whole is longer than two lines"],
        ["It has cost 3.50 in this town since anybody can remember and", "is cheap"],
        ["He said that “everyone should go now.”", "She went far away and was not seen again."],
        ["short"],
        [],
    ],
)
def test_where_cues_are_cut(parts: list[str]) -> None:
    """A cue is cut after a sentence, else a clause, in the second half of its room, else after a word."""
    found = parse_srt(to_srt([Cue(0, 8, "", " \n ".join(parts))]))
    assert [text.replace("\n", " ") for text in found] == parts


def test_time_is_shared_by_characters() -> None:
    """A part with a third of the characters gets a third of the time, and the parts cover the cue's."""
    text = f"{'a' * 15} {'b' * 16}. {'c' * 32} {'d' * 32}"  # 32 characters, then 64
    times = [line for line in to_srt([Cue(10, 16, "", text)]).splitlines() if " --> " in line]
    assert times == ["00:00:10,000 --> 00:00:12,000", "00:00:12,000 --> 00:00:16,000"]


def test_the_look_of_vtt() -> None:
    """A WebVTT file looks as the standard has it."""
    cues = [Cue(0, 1.5, "Ann", "Q&A: is 1 < 2?"), Cue(3661.0004, 3662, "", "Yes.")]
    assert to_vtt(cues) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n<v Ann>Q&amp;A: is 1 &lt; 2?\n\n01:01:01.000 --> 01:01:02.000\nYes.\n"
    )


def test_the_look_of_srt() -> None:
    """SRT names a speaker once, until another one speaks."""
    hello = "Hello there, all of you good people."
    cues = [Cue(0, 1, "Ann", hello), Cue(1, 2, "Ann", "Hm."), Cue(2, 3, "Bo", "Yes.")]
    assert to_srt(cues) == (
        "1\n00:00:00,000 --> 00:00:01,000\nAnn: Hello there, all of you\ngood people.\n"
        "\n2\n00:00:01,000 --> 00:00:02,000\nHm.\n"
        "\n3\n00:00:02,000 --> 00:00:03,000\nBo: Yes.\n"
    )


def test_a_cue_without_length_still_has_one() -> None:
    """Cues shorter than a millisecond come out one millisecond long and do not overlap."""
    cues = [Cue(1, 1, "", "a"), Cue(1.0001, 1.0002, "", "b"), Cue(1.0002, 2, "", "c")]
    assert [times[:2] for times in parse(to_vtt(cues).removeprefix("WEBVTT\n\n"), ".")] == [
        (1, 1.001),
        (1.001, 1.002),
        (1.002, 2),
    ]


def test_chapters_json() -> None:
    """JSON chapters carry each mark's start and title."""
    read = json.loads(chapters_json([ChapterMark("Eins", 0, 1.23456), ChapterMark("Zwei ü", 1.23456, 3)]))
    assert read == {
        "version": "1.2.0",
        "chapters": [{"startTime": 0, "title": "Eins"}, {"startTime": 1.235, "title": "Zwei ü"}],
    }
