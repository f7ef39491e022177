"""Transcripts in JSON: ours, those of Podcasting 2.0, and Whisper's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deliver.transcript import Cue, to_json
from pipeline.errors import RequestError
from pipeline.source.readers import load_script, transcripts
from pipeline.source.readers.transcripts import json_rendition, transcript_rendition
from pipeline.source.rendition import read_rendition
from pipeline.source.script import Reading, Script
from tests.support.odd_sources import letters, lost_words
from tests.support.readings import said


def read_transcript(data: Any, **options: Any) -> Script:
    rendition = transcript_rendition(json.loads(json.dumps(data), parse_int=float), "t.json")
    assert rendition is not None
    return read_rendition(rendition, title="Job", reading=Reading(**options))


def podcasting(*segments: tuple[str | None, float, float, str]) -> dict[str, Any]:
    listed = [
        {"startTime": start, "endTime": end, "body": body} | ({} if name is None else {"speaker": name})
        for name, start, end, body in segments
    ]
    return {"version": "1.0.0", "segments": listed}


def test_segments_are_joined_to_paragraphs_of_who_speaks() -> None:
    """A sentence goes over segments; one that has ended, and two seconds of silence, are the end of a paragraph."""
    script = read_transcript(
        podcasting(
            ("Ann", 0, 1.5, "Hello, this is"),
            ("Ann", 1.5, 3, "the show. I am Ann."),
            ("Ann", 5.5, 6, "And you are?"),
            ("Bob Lee", 6, 7, "I am Bob [laughs], and *you* know"),
            (None, 9.5, 10, "all of that."),
            ("", 10, 11, "They laugh."),
            ("Narrator", 11, 12, "So it goes."),
        )
    )
    assert [(turn.speaker, turn.text, turn.border, turn.where) for turn in script.chapters[0].turns] == [
        ("Ann", "Hello, this is the show. I am Ann.", "chapter", "t.json:segment 1"),
        ("Ann", "And you are?", "paragraph", "t.json:segment 3"),
        ("Bob Lee", "I am Bob (laughs), and you know all of that.", "turn", "t.json:segment 4"),
        (None, "They laugh. So it goes.", "turn", "t.json:segment 6"),
    ]


def test_a_segment_for_each_word() -> None:
    """Words and signs are put together as they are written."""
    words = "Hello , world . It 's 5 % ( or so ) . “ Yes ” , she did n't".split()
    script = read_transcript(podcasting(*(("Ann", i / 4, i / 4 + 0.2, word) for i, word in enumerate(words))))
    assert said(script) == [("Ann", "Hello, world. It's 5% (or so). “Yes”, she didn't")]
    words = [" un", "believ", "able", ",", " he", " said", "."]
    assert said(read_transcript(podcasting(*((None, 0, 1, word) for word in words)))) == [
        (None, "unbelievable, he said.")
    ]
    assert said(read_transcript(podcasting(*((None, 0, 1, word) for word in "你好 世界 。".split())))) == [
        (None, "你好世界。")
    ]


WHISPER = {
    "text": " Hello there. How are you?",
    "language": "en",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": " Hello", "tokens": [1, 2], "temperature": 0.0},
        {"id": 1, "start": 1.0, "end": 2.0, "text": " there.", "words": [{"word": "there.", "start": 1, "end": 2}]},
        {"id": 2, "start": 4.0, "end": 5.0, "text": " How are you?"},
    ],
}


def test_whisper() -> None:
    """Its own JSON, WhisperX with speakers, a dump of faster-whisper, and whisper.cpp."""
    turns = [(None, "Hello there."), (None, "How are you?")]
    assert said(read_transcript(WHISPER)) == turns
    assert said(read_transcript(WHISPER["segments"])) == turns
    named = [dict(one, speaker=f"SPEAKER_0{one['id'] // 2}") for one in WHISPER["segments"] if isinstance(one, dict)]
    aliases = {"speaker_00": "Ann"}
    assert said(read_transcript({"segments": named, "word_segments": []}, aliases=aliases)) == [
        ("Ann", "Hello there."),
        ("SPEAKER_01", "How are you?"),
    ]
    cpp = [
        {"timestamps": {}, "offsets": {"from": start, "to": start + 900}, "text": text}
        for start, text in ((0, " Hello"), (1000, " there."), (4000, " How are you?"))
    ]
    assert said(read_transcript({"systeminfo": "", "transcription": cpp})) == turns


def test_our_own_transcript_is_read_again() -> None:
    cues = [Cue(0, 1, "Ann", "Hi."), Cue(1.3, 2, "Narrator", "He left."), Cue(2.3, 3, "Ann", "Bye, (laughs) you.")]
    data = json.loads(to_json(cues))
    assert said(read_transcript(data)) == [("Ann", "Hi."), (None, "He left."), ("Ann", "Bye, (laughs) you.")]


def test_names_in_the_text_count_where_no_segment_has_a_speaker() -> None:
    lines = ["ANN: Hi there.", "BOB: Yes.", "ANN: No."]
    script = read_transcript(podcasting(*((None, 5 * i, 5 * i + 1, line) for i, line in enumerate(lines))))
    assert said(script) == [("ANN", "Hi there."), ("BOB", "Yes."), ("ANN", "No.")]


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        None,
        5.0,
        "x",
        {"turns": [], "segments": []},
        {"chapters": []},
        [{"text": "a"}],
        [["a"]],
        {"segments": "a"},
    ],
)
def test_what_is_no_transcript(data: Any) -> None:
    assert transcript_rendition(data, "t.json") is None


def test_segments_that_cannot_be_read_are_told_at_once() -> None:
    data = {"segments": ["a", {"text": 5.0}, {"text": "a", "speaker": []}, {"text": None}, {"text": "a", "start": "x"}]}
    with pytest.raises(RequestError) as error:
        transcript_rendition(data, "t.json")
    assert [str(problem).split(". ")[0] for problem in error.value.problems] == [
        "t.json:segment 1: this is no segment",
        "t.json:segment 2: the text of the segment is no text",
        "t.json:segment 3: the speaker of the segment is no name",
    ]
    with pytest.raises(RequestError, match="no segments"):
        transcript_rendition({"segments": []}, "t.json")


def test_a_file_is_a_transcript_or_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken JSON is told with its line, and a file that is too large is not opened."""
    files = {
        "a.json": json.dumps(WHISPER),
        "b.json": '[{"Ann": "Hi."}]',
        "c.json": '{"segments": [\n {"text": "a"},\n {"text" "b"}]}',
        "d.json": '{"turns": [{"text": "x"}',
        "e.json": "[" * 100_000,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    paths = [(tmp_path / name, name) for name in files]
    script = load_script(paths, [Reading()] * len(paths), title="Job")
    assert said(script) == [(None, "Hello there."), (None, "How are you?"), ("Ann", "Hi.")]
    assert "c.json:3: this is not valid JSON" in str(script.problems[0])
    assert [problem.where.partition(":")[0] for problem in script.problems] == ["c.json", "d.json", "e.json"]
    monkeypatch.setattr(transcripts, "_LARGEST", 20)
    assert "0 MB" in str(load_script(paths[:1], [Reading()], title="Job").problems[0])


BODIES = st.one_of(
    st.text(max_size=12), st.sampled_from(["Hi.", " there", ",", "(laughs)", "[music]", "**", "ANN: ", "\ud800"])
)


@given(
    st.lists(st.tuples(st.sampled_from(["Ann", "", None, "**B:**\n"]), st.floats(), BODIES), min_size=1, max_size=12)
)
def test_any_transcript_is_accounted_for(segments: list[tuple[str | None, float, str]]) -> None:
    data = podcasting(*((name, start, start, body) for name, start, body in segments))
    script = read_transcript(data)
    (ledger,) = script.ledgers
    assert lost_words(script, ledger.text) == ""
    labels = "".join(ledger.text[e.start : e.end] for e in ledger.entries if e.reason != "label")
    if any(name is not None for name, _start, _body in segments):
        assert letters(labels) == letters("".join(body for _name, _start, body in segments))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["segments", "text", "body", "start", "speaker", "offsets"]), inner, max_size=4
        ),
    ),
)


@given(JSON)
def test_any_json_is_a_transcript_or_none_or_refused(data: Any) -> None:
    try:
        rendition = json_rendition(json.dumps(data), "t.json")
    except RequestError:
        return
    if rendition is not None:
        read_rendition(rendition, title="Job", reading=Reading())
