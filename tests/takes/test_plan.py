"""A take's key, why it would be rendered or reused, and what an edit costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.engines import TRAITS
from pipeline.jobs.job import Job, open_job
from pipeline.settings import Settings
from pipeline.takes.plan import attempt_seed, explain
from pipeline.takes.render import render_takes
from tests.support.commands import SCRIPT, MakeJob


def test_seeds_of_attempts_differ_and_the_first_is_that_of_the_key(job: Job) -> None:
    """64 bits each."""
    seeds = [attempt_seed(plan.key, attempt) for plan in job.takes for attempt in range(5)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert seeds[::5] == [int(plan.key[:16], 16) for plan in job.takes] == [plan.request.seed for plan in job.takes]


def test_a_line_said_twice_is_two_performances(make_job: MakeJob, settings: Settings) -> None:
    """Identical chunks have keys of their own, and inserting a chapter before them changes none."""
    line = "**Ann:** This line is long enough to stand alone in a chunk of its own, as every chapter border is hard."
    two = open_job(make_job(f"# A\n\n{line}\n\n# B\n\n{line}\n"), settings, engine="tone")
    assert len({plan.key for plan in two.takes}) == 2
    more = open_job(make_job(f"# New\n\nSomething.\n\n# A\n\n{line}\n\n# B\n\n{line}\n"), settings, engine="tone")
    assert {plan.key for plan in two.takes} < {plan.key for plan in more.takes}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "finished"),
        ({"seed": 5}, "seed"),
        ({"cast": {"Ann": "hugo"}}, "voice"),
        ({"seed": 5, "cast": {"Ann": "hugo"}}, "voice, seed"),
        ({"cast": {"Ann": "hugo", "Bob": "ben"}}, "voice"),
        ({"title": "Another title"}, "finished"),
        ({"pauses": {"turn_s": 2}}, "finished"),
    ],
)
def test_the_plan_says_why(make_job: MakeJob, settings: Settings, change: dict[str, object], reason: str) -> None:
    """Nothing but what changes the sound makes a take new."""
    base = {"cast": {"Ann": "ada", "Bob": "ben"}}
    job = open_job(make_job(**base), settings, engine="tone")
    job.workspace.create()
    assert {reason for _plan, _action, reason in explain(job.takes, job.store)} == {"new"}
    render_takes(job.takes, job.engine, job.store)
    changed = open_job(make_job(**(base | change)), settings, engine="tone")
    explained = explain(changed.takes, changed.store)
    with_ann = [why for plan, _action, why in explained if any(p.speaker == "Ann" for p in plan.chunk.pieces)]
    assert set(with_ann) == {reason}


def test_an_edit_renders_only_its_chunk(make_job: MakeJob, settings: Settings) -> None:
    """And the reason is the text; another engine is another reason."""
    job = open_job(make_job(), settings, engine="tone")
    job.workspace.create()
    render_takes(job.takes, job.engine, job.store)
    edited = open_job(make_job(SCRIPT.replace("shorter", "longer")), settings, engine="tone")
    answers = [(action, reason) for _plan, action, reason in explain(edited.takes, edited.store)]
    assert answers.count(("render", "text")) == 1
    assert answers.count(("reuse", "finished")) == len(answers) - 1
    drafted = open_job(make_job(), settings, engine="draft")
    assert {reason for _plan, _action, reason in explain(drafted.takes, drafted.store)} <= {"voice, engine", "engine"}


def test_words_that_are_said_otherwise_are_a_reason_of_their_own(make_job: MakeJob, settings: Settings) -> None:
    """As a newer library may have it, or a lexicon: the same text is displayed."""
    job = open_job(make_job(), settings, engine="tone")
    job.workspace.create()
    said_before = [
        replace(plan, key=f"0{plan.key}", parts=plan.parts | {"lines": [[0, f"{plan.text} indeed"]]})
        for plan in job.takes
    ]
    requests = [replace(plan, request=replace(plan.request, key=plan.key)) for plan in said_before]
    render_takes(requests, job.engine, job.store)
    assert {why for _plan, _action, why in explain(job.takes, job.store)} == {"spoken text"}


def test_what_is_too_short_for_dia_is_cut_off_after_its_words(make_job: MakeJob, settings: Settings) -> None:
    """A second more than the slowest speech; an engine that cannot run away takes its time."""
    job = open_job(make_job(f"**Ann:** Yes.\n\n---\n\n**Ann:** {'So it goes on. ' * 8}\n"), settings, engine="tone")
    assert not any(plan.is_short for plan in job.takes)
    chunks = [plan.chunk for plan in job.takes]
    takes = replace(job.planner, traits=TRAITS["dia"]).plan(chunks)
    assert [take.request.max_s for take in takes] == [round(1 + 4 * 11 / 86.13, 2), None]
    assert [take.key == plan.key for take, plan in zip(takes, job.takes, strict=True)] == [False, True]
