"""Which attempt stands is on record, and a record that is not as it should be counts as none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.limits import LIMITS
from pipeline.checks.verdicts import UNUSABLE, Finding, finding
from pipeline.takes.choices import (
    Choice,
    JudgedAttempt,
    attempt_keys,
    best_of,
    choice_path,
    read_choice,
    standing_key,
    write_choice,
)

KEY = "0" * 32
FIRST = JudgedAttempt(0, "first", KEY, "hash 0", 2.5, {"rms_db": -20.5}).judged([finding("clipped", 0.5, "clips", 1.2)])
SECOND = JudgedAttempt(1, "seed", "1" * 32, "hash 1", 2.25, {"rms_db": -21.0}).judged([])
FAILED = JudgedAttempt(2, "seed", "2" * 32, failure="it failed.", advice="Change the text.", final=True)
CHOICE = Choice(KEY, (FIRST, SECOND, FAILED), SECOND.take, settled=True)

findings = st.builds(finding, st.sampled_from(sorted(LIMITS)), st.floats(-100, 100), st.just("is bad"), st.none())


@st.composite
def attempts(draw: st.DrawFn) -> list[JudgedAttempt]:
    """One to five attempts with any findings, some of which came to nothing."""
    judged = []
    for number in range(draw(st.integers(1, 5))):
        digest = draw(st.sampled_from(["", "hash"]))
        attempt = JudgedAttempt(number, "seed" if number else "first", f"{number:032x}", digest)
        judged.append(attempt.judged(draw(st.lists(findings, max_size=3))))
    return judged


@given(attempts(), st.booleans(), st.booleans())
def test_a_choice_is_read_as_it_was_written(tried: list[JudgedAttempt], settled: bool, split: bool) -> None:
    """Whatever was measured of its attempts."""
    best = best_of(tried)
    choice = Choice(KEY, tuple(tried), best.take if best else "", settled, split)
    with TemporaryDirectory() as folder:
        write_choice(Path(folder), choice)
        assert read_choice(Path(folder), KEY) == choice


def test_a_choice_that_stands_already_is_not_written_again(tmp_path: Path) -> None:
    """A run that changes nothing leaves the files alone; another choice takes its place."""
    write_choice(tmp_path, CHOICE)
    path = choice_path(tmp_path, KEY)
    before = path.stat().st_ino, path.stat().st_mtime_ns
    write_choice(tmp_path, CHOICE)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    write_choice(tmp_path, replace(CHOICE, stands=KEY))
    assert read_choice(tmp_path, KEY) == replace(CHOICE, stands=KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"plan": 5}',
        json.dumps({"plan": KEY}),
        json.dumps({"plan": KEY, "attempts": [{"number": "x"}]}),
        json.dumps({"plan": "1" * 32, "attempts": []}),
        json.dumps({"plan": KEY, "attempts": [], "stands": "1" * 32}),
        "\udcff",
    ],
)
def test_a_record_that_is_damaged_or_another_takes_counts_as_none(tmp_path: Path, text: str) -> None:
    """Then the first attempt is what is there, and what stands; the next choice is written over it."""
    choice_path(tmp_path, KEY).write_bytes(text.encode(errors="surrogateescape"))
    assert read_choice(tmp_path, KEY) is None
    assert (attempt_keys(tmp_path, KEY), standing_key(tmp_path, KEY)) == ({KEY}, KEY)
    write_choice(tmp_path, CHOICE)
    assert read_choice(tmp_path, KEY) == CHOICE


def test_a_choice_of_another_take_is_none_of_this_one(tmp_path: Path) -> None:
    """As when somebody copied the file."""
    write_choice(tmp_path, CHOICE)
    other = "3" * 32
    choice_path(tmp_path, other).write_bytes(choice_path(tmp_path, KEY).read_bytes())
    assert read_choice(tmp_path, other) is None


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (CHOICE, {SECOND.take}),
        (replace(CHOICE, settled=False), {KEY, SECOND.take, FAILED.take}),
        (replace(CHOICE, stands=""), {KEY, SECOND.take, FAILED.take}),
        (replace(CHOICE, stands="", split=True, settled=False), set()),
    ],
)
def test_rejected_are_those_that_somebody_decided_against(tmp_path: Path, choice: Choice, kept: set[str]) -> None:
    """Not before a take is settled, and not where none stands; of a chunk that was cut in two, all."""
    write_choice(tmp_path, choice)
    assert attempt_keys(tmp_path, KEY) == {KEY, SECOND.take, FAILED.take}
    assert attempt_keys(tmp_path, KEY, rejected=False) == kept
    assert standing_key(tmp_path, KEY) == (choice.stands or KEY)


def test_of_equal_attempts_the_first_stands() -> None:
    """In whatever order they are given."""
    equal = [replace(SECOND, number=number, take=f"{number:032x}") for number in range(3)]
    assert best_of(equal) == best_of(equal[::-1]) == equal[0]
    assert best_of([FIRST, *equal[1:]]) == equal[1]
    assert best_of([]) is None
    assert best_of([FAILED]) is None


@given(attempts())
def test_the_best_is_the_highest_of_those_that_can_be_delivered(tried: list[JudgedAttempt]) -> None:
    """What is silent, empty or failed never stands."""
    best = best_of(tried)
    sound = [one for one in tried if one.pcm_sha256 and not {each.check for each in one.bad} & UNUSABLE]
    assert (best is None) == (not sound)
    if best is not None:
        assert best in sound
        assert best.score == max(one.score for one in sound)


@given(st.lists(findings, max_size=5))
def test_what_is_good_is_not_kept(every: list[Finding]) -> None:
    """It says nothing; doubts stay, and are no faults."""
    judged = SECOND.judged(every)
    assert list(judged.findings) == [one for one in every if one.verdict != "good"]
    assert list(judged.bad) == [one for one in every if one.verdict == "bad"]
