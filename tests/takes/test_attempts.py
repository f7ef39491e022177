"""An attempt's key holds what it changes and nothing else, and its request can be had again from that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.files import content_key
from pipeline.jobs.job import Job
from pipeline.takes.attempts import (
    PROMPT,
    SEED,
    TEMPERATURE,
    PlannedAttempt,
    Variation,
    attempt_at,
    first_attempt,
    prompt_path,
    request_of,
)
from pipeline.takes.plan import PlannedTake

PROMPTS = Path("prompts")
temperatures = st.none() | st.floats(0.1, 2).map(lambda value: round(value, 2))


def varied(plan: PlannedTake, number: int, remedy: str, temperature: float | None, *, longer: bool) -> PlannedAttempt:
    """The attempt, where `longer` with another prompt for each voice."""
    voices = {line.voice.name: line.voice for line in plan.request.lines} if longer else {}
    prompted = [
        replace(voice, prompt=prompt_path(PROMPTS, f"{name}{number}"), prompt_sha256=f"{name}{number}", transcript=name)
        for name, voice in voices.items()
    ]
    return attempt_at(plan, number, Variation(remedy, temperature, tuple(prompted)))


def test_the_first_attempt_is_the_plan(job: Job) -> None:
    """Under its own key."""
    for plan in job.takes:
        attempt = first_attempt(plan)
        assert (attempt.key, attempt.parts, attempt.request) == (plan.key, plan.parts, plan.request)
        assert request_of(plan, attempt.parts, PROMPTS) == plan.request


@pytest.mark.parametrize(
    ("remedy", "temperature", "longer", "names"),
    [
        (SEED, None, False, set()),
        (TEMPERATURE, 0.96, False, {"temperature"}),
        (PROMPT, None, True, {"prompts"}),
        (PROMPT, 0.5, True, {"temperature", "prompts"}),
    ],
)
def test_a_key_holds_only_what_differs(
    job: Job, remedy: str, temperature: float | None, longer: bool, names: set[str]
) -> None:
    """Beside the number and the remedy; all else is the plan's."""
    for plan in job.takes:
        attempt = varied(plan, 2, remedy, temperature, longer=longer)
        assert attempt.parts.keys() - plan.parts.keys() == {"remedy", *names}
        assert {name for name in plan.parts if attempt.parts[name] != plan.parts[name]} == {"attempt"}
        assert attempt.key == attempt.request.key == content_key(attempt.parts)


@given(st.integers(1, 20), st.sampled_from([SEED, TEMPERATURE, PROMPT]), temperatures, st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_request_of_an_attempt_can_be_had_from_its_key(
    job: Job, number: int, remedy: str, temperature: float | None, longer: bool
) -> None:
    """But for the name that it is asked for under; so a finished take can be rendered again."""
    for plan in job.takes:
        attempt = varied(plan, number, remedy, temperature, longer=longer)
        assert replace(request_of(plan, attempt.parts, PROMPTS), key=attempt.key) == attempt.request


def test_no_two_attempts_have_a_key_or_a_seed_in_common(job: Job) -> None:
    """Whatever they change."""
    attempts = [
        varied(plan, number, remedy, temperature, longer=longer)
        for plan in job.takes
        for number in (1, 2)
        for remedy, temperature, longer in (
            (SEED, None, False),
            (TEMPERATURE, 0.96, False),
            (TEMPERATURE, 0.77, False),
            (PROMPT, None, True),
        )
    ]
    assert len({attempt.key for attempt in attempts} | {plan.key for plan in job.takes}) == len(attempts) + len(
        job.takes
    )
    seeds = {attempt.request.seed for attempt in attempts} | {plan.request.seed for plan in job.takes}
    assert len(seeds) == 3 * len(job.takes)


def test_only_the_voices_that_vary_get_another_prompt(job: Job) -> None:
    """The others of the same take speak as they did."""
    plan = next(plan for plan in job.takes if len({line.voice.name for line in plan.request.lines}) > 1)
    first = plan.request.lines[0].voice
    longer = replace(first, prompt=prompt_path(PROMPTS, "x"), prompt_sha256="x", transcript="More.")
    attempt = attempt_at(plan, 1, Variation(PROMPT, voices=(longer,)))
    for line, before in zip(attempt.request.lines, plan.request.lines, strict=True):
        assert line.voice == (longer if before.voice.name == first.name else before.voice)
        assert line.text == before.text
    assert attempt.parts["prompts"] == {first.name: ["x", "More."]}
