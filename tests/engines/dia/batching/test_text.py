"""What Dia reads: the string of a chunk with its speakers' tags, and its bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines import DraftVoice, Line, Voice
from pipeline.engines.dia.batching.text import compose, speakers, tokens

CLIP = Path("prompt.wav")
ADA, BEN, CLEO = (Voice(name, DraftVoice()) for name in ("ada", "ben", "cleo"))

sentences = st.lists(st.text("abcdeé’,.", min_size=1, max_size=8), min_size=1, max_size=4).map(" ".join)
tagged = st.lists(sentences | st.sampled_from(["[S1]", "[S2]", "[S3]"]), max_size=4).map(" ".join)


def prompted(voice: Voice, transcript: str) -> Voice:
    return Voice(voice.name, voice.draft, CLIP, transcript=transcript)


@st.composite
def chunks(draw: st.DrawFn) -> list[Line]:
    """Lines of one or two voices, each with a prompt or without."""
    voices = draw(st.permutations([ADA, BEN]))[: draw(st.integers(1, 2))]
    cast = [prompted(voice, "a " + draw(tagged)) if draw(st.booleans()) else voice for voice in voices]
    return [Line(draw(st.sampled_from(cast)), draw(sentences)) for _ in range(draw(st.integers(1, 6)))]


def turns(text: str) -> list[tuple[str, str]]:
    """Every tag with the words that follow it."""
    parts = re.split(r"(\[S[12]\])", text)
    assert parts[0] == ""
    return [(tag, " ".join(words.split())) for tag, words in zip(parts[1::2], parts[2::2], strict=True)]


def untagged(transcript: str) -> str:
    return " ".join(re.sub(r"\[S\d\]", " ", transcript).split())


@given(chunks())
def test_tags_begin_with_the_first_and_alternate(lines: list[Line]) -> None:
    """Consecutive lines of a voice stand under one tag; the last tag is the other one, with nothing after it."""
    found = turns(compose(lines))
    assert found[0][0] == "[S1]"
    assert all(one != other for (one, _), (other, _) in pairwise(found))
    assert all(words for _, words in found[:-1])
    assert found[-1][1] == ""


@given(chunks())
def test_each_voice_says_its_transcript_and_its_lines(lines: list[Line]) -> None:
    """In order: transcripts first, without the tags they may have, then the lines; nothing is lost or added."""
    voices = {line.voice.name: line.voice for line in lines}
    clips = [voice for voice in speakers(lines) if voice.prompt]
    said = [(voice.name, untagged(voice.transcript)) for voice in clips]
    said += [(line.voice.name, " ".join(line.text.split())) for line in lines]
    tag_of = {voice.name: tag for voice, tag in zip(speakers(lines), ("[S1]", "[S2]"), strict=False)}
    expected: list[tuple[str, str]] = []
    for name, words in said:
        if expected and expected[-1][0] == tag_of[name]:
            expected[-1] = tag_of[name], f"{expected[-1][1]} {words}"
        else:
            expected.append((tag_of[name], words))
    assert turns(compose(lines))[:-1] == expected
    assert {voice.name for voice in speakers(lines)} == voices.keys()


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([(ADA, "Hello.")], "[S1] Hello. [S2]"),
        ([(ADA, "Hello."), (ADA, "Again.")], "[S1] Hello. Again. [S2]"),
        ([(BEN, "Hello."), (ADA, "Hi.")], "[S1] Hello. [S2] Hi. [S1]"),
        ([(ADA, "One."), (BEN, "Two."), (BEN, "Three."), (ADA, "Four.")], "[S1] One. [S2] Two. Three. [S1] Four. [S2]"),
        ([(prompted(ADA, "A clip."), "One.")], "[S1] A clip. One. [S2]"),
        ([(prompted(ADA, "[S1] A clip. [S2]"), "One."), (BEN, "Two.")], "[S1] A clip. One. [S2] Two. [S1]"),
        (
            [(prompted(ADA, "A."), "One."), (prompted(BEN, "[S1] B."), "Two.")],
            "[S1] A. [S2] B. [S1] One. [S2] Two. [S1]",
        ),
        ([(ADA, "One."), (prompted(BEN, "B."), "Two.")], "[S1] B. [S2] One. [S1] Two. [S2]"),
        ([(ADA, "[S2] As it [S1] stands.")], "[S2] As it [S1] stands."),
    ],
)
def test_what_dia_is_given(lines: Sequence[tuple[Voice, str]], text: str) -> None:
    """By example."""
    assert compose([Line(voice, words) for voice, words in lines]) == text


def test_three_voices_are_too_many() -> None:
    """Dia knows two; the message says how many there were."""
    with pytest.raises(ValueError, match="3 voices in one chunk"):
        compose([Line(voice, "Hello.") for voice in (ADA, BEN, CLEO)])


@given(st.text(st.characters(codec="utf-8", exclude_characters="[\0")))
def test_tokens_are_the_bytes_of_the_text(text: str) -> None:
    """UTF-8, as it is: nothing is folded or normalised."""
    found = tokens(text)
    assert found.dtype == np.int64
    assert found.tolist() == list(text.encode())


@given(st.lists(st.sampled_from(["[S1]", "[S2]", "\0", "[S3]", "[s1]", "[S", "é", "a ", "1]", "…"])))
def test_tags_are_one_token_and_nul_is_none(parts: list[str]) -> None:
    """Only tags become 1 and 2, and 0 stands nowhere; put back, they give the text again."""
    text = "".join(parts)
    found = tokens(text)
    assert 0 not in found
    given_back = bytes(found.tolist()).replace(b"\1", b"[S1]").replace(b"\2", b"[S2]").decode()
    assert given_back == text.replace("\0", "")
    assert b"[S1]" not in bytes(found.tolist())
    assert b"[S2]" not in bytes(found.tolist())


def test_tokens_by_example() -> None:
    """A tag is a single token only as it is spelt."""
    assert tokens("[S1] Hé. [S2]").tolist() == [1, 32, 72, 0xC3, 0xA9, 46, 32, 2]
    assert tokens("[s1][S3]").tolist() == list(b"[s1][S3]")
    assert tokens("a\0b").tolist() == [97, 98]
    assert tokens("").shape == (0,)
