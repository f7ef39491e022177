"""Forty planted faults and what the checks say of each: the same on every machine, as no value is near its limit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.audio import Pcm
from pipeline.checks.signal import Measured, measure
from pipeline.checks.statistics import VoiceStatistics, compare, statistics
from pipeline.checks.verdicts import Finding, judge
from pipeline.engines import TRAITS, Line, Machine, Rendered, Request, open_engine
from pipeline.engines.plants import KINDS, plant
from tests.checks.test_statistics import SENTENCES
from tests.support.speech import MAN, RATE_HZ, WOMAN, speech

TAKES = [(voice, text) for text in SENTENCES for voice in (WOMAN, MAN)]
PACE = TRAITS["dia"].seconds_per_byte  # that of English
KOKORO_TEXT = "She drew one finger through the dust, and wrote her name. Nobody ever read it."

DRAFT_CASES = [  # kind, seed, the checks that are bad
    ("empty", 0, "empty silent too_short level"),
    ("broken", 1, "broken"),
    ("silent", 0, "silent cut_end noise level"),
    ("clipped", 0, "clipped level"),
    ("dc", 1, "dc"),
    ("too_short", 0, "too_short rate"),
    ("too_long", 0, "too_long runaway loop rate"),
    ("too_long", 1, "too_long rate"),
    ("leading_silence", 0, "leading_silence"),
    ("trailing_silence", 1, "trailing_silence"),
    ("inner_silence", 0, "inner_silence"),
    ("inner_silence", 2, "inner_silence"),
    ("cut_end", 0, "cut_end"),
    ("cut_end", 1, "cut_end"),
    ("loop", 0, "loop rate"),
    ("loop", 2, "loop rate"),
    ("noise", 1, "cut_end noise"),
    ("noise", 3, "noise"),
    ("drone", 1, "drone pitch"),
    ("drone", 3, "cut_end drone rate pitch"),
    ("music", 0, "cut_end music"),
    ("music", 1, "music"),
    ("runaway", 1, "too_long runaway cut_end noise rate"),
    ("jump", 0, "jump"),
    ("level", 0, "level"),
    ("fast", 0, "too_short rate"),
    ("slow", 0, "rate"),
    ("wrong_voice", 0, "pitch"),
]
KOKORO_CASES = [
    ("clipped", 0),
    ("too_short", 1),
    ("leading_silence", 0),
    ("trailing_silence", 0),
    ("inner_silence", 0),
    ("cut_end", 0),
    ("loop", 0),
    ("noise", 0),
    ("drone", 5),
    ("music", 0),
    ("runaway", 0),
    ("jump", 0),
]


def _with(findings: tuple[Finding, ...], *verdicts: str) -> str:
    return " ".join(finding.check for finding in findings if finding.verdict in verdicts)


def _take(number: int, kind: str | None = None, seed: int = 0) -> tuple[str, Measured]:
    """The voice of the draft engine's take of that number, and what is measured of it, or of it with a fault."""
    voice, text = TAKES[number % len(TAKES)]
    pcm = speech((voice, text))
    return voice.name, measure(plant(kind, pcm, RATE_HZ, seed) if kind else pcm, RATE_HZ, len(text))


@pytest.fixture(scope="module")
def usual() -> Mapping[str, VoiceStatistics]:
    """How both voices of the draft engine sound."""
    return statistics(_take(number) for number in range(len(TAKES)))


@pytest.fixture(scope="module")
def kokoro(kokoro_weights: Path) -> tuple[Pcm, int]:
    """A take of Kokoro's, and its sample rate."""
    engine = open_engine("kokoro", machine=Machine(kokoro=str(kokoro_weights)))
    (rendered,) = engine.render([Request("k", (Line(WOMAN, KOKORO_TEXT),), "en", 1)])
    assert isinstance(rendered, Rendered)
    return rendered.pcm, engine.sample_rate_hz


def test_there_are_forty_cases_of_every_kind() -> None:
    """None of them twice."""
    assert len(set(DRAFT_CASES)) + len(set(KOKORO_CASES)) == 40
    assert {kind for kind, _seed, _bad in DRAFT_CASES} == set(KINDS)


@pytest.mark.parametrize("number", range(len(TAKES)))
def test_nothing_is_said_of_clean_takes(number: int, usual: Mapping[str, VoiceStatistics]) -> None:
    """No fault, and no doubt."""
    voice, measured = _take(number)
    assert _with((*judge(measured, PACE), *compare(measured, usual[voice])), "bad", "unsure") == ""


@pytest.mark.parametrize(("kind", "seed", "bad"), DRAFT_CASES)
def test_of_the_draft_voice(kind: str, seed: int, bad: str, usual: Mapping[str, VoiceStatistics]) -> None:
    """Its sound is the same everywhere, and so are all verdicts."""
    voice, measured = _take(5 * seed + KINDS.index(kind), kind, seed)
    assert _with((*judge(measured, PACE), *compare(measured, usual[voice])), "bad") == bad


@pytest.mark.parametrize(("kind", "seed"), KOKORO_CASES)
def test_of_kokoro(kind: str, seed: int, kokoro: tuple[Pcm, int]) -> None:
    """Its sound may differ in a last bit, and so may where a fault lies: it is found all the same."""
    pcm, rate_hz = kokoro
    clean, faulty = (
        judge(measure(each, rate_hz, len(KOKORO_TEXT)), PACE) for each in (pcm, plant(kind, pcm, rate_hz, seed))
    )
    assert _with(clean, "bad", "unsure") == ""
    assert kind in _with(faulty, "bad").split()
