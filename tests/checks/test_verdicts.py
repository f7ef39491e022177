"""What is said of numbers, at and around each limit, and what a take is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.limits import LIMITS
from pipeline.checks.signal import Measured, measure
from pipeline.checks.verdicts import UNUSABLE, Finding, Verdict, finding, judge, score
from pipeline.engines import TRAITS
from pipeline.engines.plants import KINDS, plant
from tests.support.speech import MAN, RATE_HZ, SENTENCE, WOMAN, speech

RELATIVE = {"rate", "level", "pitch"}
PACE = TRAITS["dia"].seconds_per_byte
ORDER: tuple[Verdict, ...] = ("good", "unsure", "bad")


def _measured(**changed: float) -> Measured:
    return measure(speech((WOMAN, SENTENCE)), RATE_HZ, len(SENTENCE)) | changed


def _verdict(check: str, measured: Measured, pace: tuple[float, float] | None = PACE) -> Finding:
    (one,) = (each for each in judge(measured, pace) if each.check == check)
    return one


def test_every_check_has_one_finding_a_limit_and_a_reason() -> None:
    """Good ones too, which say nothing."""
    findings = judge(_measured(), PACE)
    assert {each.check for each in findings} == LIMITS.keys() - RELATIVE
    assert len(findings) == len(LIMITS) - len(RELATIVE)
    assert {(each.verdict, each.what, each.at_s) for each in findings} == {("good", "", None)}
    assert score(findings) == 100
    for limit in LIMITS.values():
        assert limit.unsure <= limit.bad and 0 < limit.cost <= 1 and limit.reason.endswith(".")


@pytest.mark.parametrize(
    ("changed", "check", "verdict", "what"),
    [
        ({"samples": 0}, "empty", "bad", "has no sound"),
        ({"broken_samples": 1}, "broken", "bad", "has samples that are no numbers"),
        ({"rms_db": -61}, "silent", "bad", "is silent"),
        ({"rms_db": -58}, "silent", "unsure", "is silent"),
        ({"clipped_share": 0.0011}, "clipped", "bad", "clips"),
        ({"clipped_share": 0.0009}, "clipped", "unsure", "clips"),
        ({"dc": -0.021}, "dc", "bad", "has an offset"),
        ({"leading_silence_s": 1.51}, "leading_silence", "bad", "begins with 1.5 s of silence"),
        ({"trailing_silence_s": 2.04}, "trailing_silence", "bad", "ends with 2.0 s of silence"),
        ({"inner_silence_s": 2.1}, "inner_silence", "bad", "has 2.1 s of silence"),
        ({"inner_silence_s": 1.4}, "inner_silence", "unsure", "has 1.4 s of silence"),
        ({"end_db": -3}, "cut_end", "bad", "ends within a word"),
        ({"loop_s": 1.5}, "loop", "bad", "repeats itself for 1.5 s"),
        ({"noise_s": 2}, "noise", "bad", "has 2.0 s of noise"),
        ({"drone_s": 2}, "drone", "bad", "has a drone for 2.0 s"),
        ({"music_s": 0.7}, "music", "unsure", "has 0.7 s of music"),
        ({"jump_db": 20}, "jump", "bad", "jumps by 20 dB"),
        ({"sound_s": 2}, "too_short", "bad", "lacks 53 % of the time its text takes"),
        ({"sound_s": 15.3}, "too_long", "bad", "is 1.0 s too long for its text"),
        ({"sound_s": 14.5}, "too_long", "unsure", "is 0.2 s too long for its text"),
        ({"sound_s": 18}, "runaway", "bad", "goes on for 3.7 s after its text"),
    ],
)
def test_what_is_beyond_a_limit_is_said(changed: Measured, check: str, verdict: Verdict, what: str) -> None:
    """In words that stand after "it "."""
    one = _verdict(check, _measured(**changed))
    assert (one.verdict, one.what) == (verdict, what)


def test_where_nothing_is_known_of_an_engine_any_language_has_time() -> None:
    """What Dia would never need is no fault; ten times as much is."""
    assert _verdict("too_long", _measured(sound_s=20), None).verdict == "good"
    assert _verdict("too_short", _measured(sound_s=2.5), None).verdict == "good"
    assert _verdict("too_long", _measured(sound_s=60), None).verdict == "bad"
    assert _verdict("too_short", _measured(sound_s=0.5), None).verdict == "bad"


def test_a_text_that_repeats_may_sound_as_it_does() -> None:
    """And a text without a byte has no pace."""
    assert _verdict("loop", _measured(loop_s=1.3, repeated_bytes=6)).verdict == "good"
    assert _verdict("loop", _measured(loop_s=4, repeated_bytes=6)).verdict == "bad"
    assert _verdict("too_short", _measured(spoken_bytes=0)).verdict == "good"


@given(st.sampled_from(sorted(LIMITS)), st.floats(0, 100), st.floats(0, 100))
def test_more_is_never_better(check: str, first: float, second: float) -> None:
    """Neither the verdict nor the score."""
    less, more = (finding(check, value, "") for value in sorted((first, second)))
    assert ORDER.index(less.verdict) <= ORDER.index(more.verdict)
    assert 0 <= score([more]) <= score([less]) <= 100


@given(st.lists(st.tuples(st.sampled_from(sorted(LIMITS)), st.floats(0, 1e6)), max_size=6))
def test_every_finding_costs_and_their_order_does_not_matter(values: list[tuple[str, float]]) -> None:
    """Two faults are worse than one; only what cannot be delivered is worth nothing."""
    findings = [finding(check, value, "") for check, value in values]
    worth = score(findings)
    assert score(findings[::-1]) == pytest.approx(worth)
    assert (worth == 0) == any(each.verdict == "bad" and each.check in UNUSABLE for each in findings)
    for at, each in enumerate(findings):
        rest = score(findings[:at] + findings[at + 1 :])
        assert rest >= worth
        assert rest > worth or rest == 0 or each.verdict == "good"


def test_the_longer_of_two_noises_is_worth_less() -> None:
    """However far both are beyond the limit."""
    worth = [score([finding("noise", seconds, "")]) for seconds in (0.5, 0.9, 1.5, 3, 30, 60)]
    assert worth == sorted(worth, reverse=True) and len(set(worth)) == len(worth)
    assert score([replace(finding("noise", 30, ""), verdict="good")]) == 100


@pytest.mark.parametrize("kind", sorted(set(KINDS) & LIMITS.keys() - RELATIVE))
def test_each_planted_fault_has_its_name(kind: str) -> None:
    """In a take of two speakers, which has none of them before; what has a place is placed within the take."""
    pcm = np.concatenate([speech((WOMAN, SENTENCE)), speech((MAN, SENTENCE))])
    faulty = measure(plant(kind, pcm, RATE_HZ, 3), RATE_HZ, 2 * len(SENTENCE))
    bad = {each.check: each for each in judge(faulty, PACE) if each.verdict == "bad"}
    assert kind in bad
    assert 0 <= (bad[kind].at_s or 0) <= faulty["duration_s"]
    assert not [each for each in judge(measure(pcm, RATE_HZ, 2 * len(SENTENCE)), PACE) if each.verdict != "good"]
