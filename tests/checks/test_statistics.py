"""How a voice usually sounds, and what does not sound like it."""

from __future__ import annotations

import json
import random
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.limits import LEAST_TAKES
from pipeline.checks.signal import Measured, measure
from pipeline.checks.statistics import VoiceStatistics, compare, statistics
from pipeline.engines.plants import plant
from tests.support.speech import MAN, RATE_HZ, SENTENCE, WOMAN, speech

SENTENCES = (
    SENTENCE,
    "Nobody had opened the shutters of the upper floor for eleven years.",
    "Mix two cups of flour with half a teaspoon of salt, and add the butter in small pieces.",
    "She drew one finger through the dust, and wrote her name.",
    "The road to the quarry climbed between two walls of loose stone.",
    "What is the oldest human voice that you can still listen to?",
    "Sleep now. The wind has turned, and the boats are in.",
    "A question before we begin, said the judge, and waited for the room to fall silent.",
)
USUAL = VoiceStatistics(40, -4.0, 0.1, -20.0, 1.5, 7.5, 0.1)


def _take(voice: str, text: str) -> Measured:
    return measure(speech(({"ann": WOMAN, "bob": MAN}[voice], text)), RATE_HZ, len(text))


def _rows() -> list[tuple[str, Measured]]:
    return [(voice, _take(voice, text)) for voice in ("ann", "bob") for text in SENTENCES]


def test_each_voice_has_its_own() -> None:
    """A woman's is higher; and they survive JSON."""
    by_voice = statistics(_rows())
    assert list(by_voice) == ["ann", "bob"]
    ann, bob = by_voice["ann"], by_voice["bob"]
    assert ann.takes == bob.takes == len(SENTENCES)
    assert ann.pitch and bob.pitch and ann.pitch > bob.pitch + 0.5
    assert VoiceStatistics(**json.loads(json.dumps(asdict(ann)))) == ann


def test_takes_of_a_voice_are_like_it() -> None:
    """Nothing is said against them, nor where a voice has too few."""
    by_voice = statistics(_rows())
    for voice, measured in _rows():
        findings = compare(measured, by_voice[voice])
        assert [(each.check, each.verdict) for each in findings] == [(x, "good") for x in ("rate", "level", "pitch")]
    few = statistics(_rows()[: LEAST_TAKES - 1])["ann"]
    assert few == VoiceStatistics(LEAST_TAKES - 1)
    assert compare(_take("bob", SENTENCE), few) == ()


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        ("fast", "rate", "far too fast"),
        ("slow", "rate", "far too slow"),
        ("level", "level", "dB too"),
        ("wrong_voice", "pitch", "voice"),
    ],
)
@pytest.mark.parametrize("text", SENTENCES[:3])
def test_a_take_unlike_its_voice_is_found(kind: str, check: str, words: str, text: str) -> None:
    """By the one check that is there for it."""
    own = statistics(_rows())["ann"]
    faulty = measure(plant(kind, speech((WOMAN, text)), RATE_HZ, 7), RATE_HZ, len(text))
    (bad,) = (each for each in compare(faulty, own) if each.verdict != "good")
    assert (bad.check, bad.verdict) == (check, "bad")
    assert words in bad.what


def test_another_voice_is_found_and_two_speakers_are_not() -> None:
    """A man in a woman's place; but not a take in which both speak."""
    own = statistics(_rows())["ann"]
    assert {each.check: each.verdict for each in compare(_take("bob", SENTENCE), own)}["pitch"] == "bad"
    for one, other in ((WOMAN, MAN), (MAN, WOMAN)):
        both = measure(speech((one, SENTENCES[1]), (other, SENTENCES[2])), RATE_HZ, 150)
        assert {each.check: each.verdict for each in compare(both, own)}["pitch"] != "bad"


def test_little_text_and_little_voice_are_not_compared() -> None:
    """Their pace and pitch are chance."""
    take = _take("ann", SENTENCE)
    assert [each.check for each in compare(take, USUAL)] == ["rate", "level", "pitch"]
    assert [each.check for each in compare({**take, "spoken_bytes": 12.0}, USUAL)] == ["level", "pitch"]
    assert [each.check for each in compare({**take, "voiced_s": 0.1}, USUAL)] == ["rate", "level"]
    assert [each.check for each in compare(measure(np.zeros(9, np.float32), RATE_HZ, 80), USUAL)] == ["level"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**6)), max_size=40), st.randoms())
def test_the_order_of_rows_does_not_matter(seeds: list[tuple[str, int]], dice: random.Random) -> None:
    """To the last bit."""
    rows = [(voice, _invented(seed)) for voice, seed in seeds]
    shuffled = dice.sample(rows, len(rows))
    assert statistics(rows) == statistics(shuffled)
    assert list(statistics(rows)) == list(statistics(shuffled))


def _invented(seed: int) -> Measured:
    dice = random.Random(seed)
    low, middle, high = sorted(dice.uniform(60, 400) for _ in range(3))
    pitch = {"pitch_low_hz": low, "pitch_hz": middle, "pitch_high_hz": high, "voiced_s": dice.uniform(0, 5)}
    return pitch | {
        "spoken_bytes": dice.uniform(0, 300),
        "speech_s": dice.uniform(0, 20),
        "level_db": dice.uniform(-60, 0),
    }


@given(st.floats(0, 30), st.floats(0, 30), st.sampled_from([-1, 1]))
def test_farther_from_the_usual_level_is_never_better(first: float, second: float, way: int) -> None:
    """Softer or louder."""
    take = {**_take("ann", SENTENCE)}
    values = [
        {each.check: each.value for each in compare({**take, "level_db": -20 + way * distance}, USUAL)}["level"]
        for distance in sorted((first, second))
    ]
    assert values == sorted(values)
