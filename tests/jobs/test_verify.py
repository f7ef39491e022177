"""Verify: what is the same when it is rendered again, and what is told of the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio import Pcm
from pipeline.engines import Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.errors import InvalidValueError, RequestError
from pipeline.files import content_key
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.stages import Conditions, render_job
from pipeline.jobs.verify import SampleSize, Verification, sample_takes, verify_takes
from pipeline.settings import Settings
from pipeline.takes.attempts import Variation, attempt_at, request_of
from pipeline.takes.choices import Choice, JudgedAttempt, write_choice
from pipeline.takes.store import TakeStore
from tests.support.commands import MakeJob

ALL = SampleSize.parse("100%")
RATE_HZ = ToneEngine.sample_rate_hz


@pytest.fixture
def job(make_job: MakeJob, settings: Settings) -> Job:
    """A job of four takes, all of them rendered."""
    job = open_job(make_job(deliver=["flac"]), settings, engine="tone")
    render_job(job, Conditions(jobs=1))
    return job


def verified(job: Job) -> Verification:
    return verify_takes(job, sample_takes(job, ALL), job.engine)


def contents(folder: Path) -> dict[Path, str]:
    """Every file in a folder, with its hash."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def save(job: Job, index: int, change: Callable[[Pcm], Pcm]) -> None:
    """Put another sound in a take's place, with all that belongs to it."""
    plan = job.takes[index]
    (rendered,) = job.engine.render([plan.request])
    assert isinstance(rendered, Rendered)
    rendered = replace(rendered, pcm=change(rendered.pcm))
    job.store.save(plan.key, plan.parts, plan.text, rendered, RATE_HZ)


def test_finished_takes_come_out_the_same(job: Job, settings: Settings) -> None:
    """All of them, in the order of the book, with nothing changed on disk, and progress to the end."""
    before = contents(settings.output)
    steps: list[tuple[float, float]] = []
    verification = verify_takes(
        job, sample_takes(job, ALL), job.engine, lambda _stage, done, total: steps.append((done, total))
    )
    assert verification.is_good
    assert [take.verdict for take in verification.takes] == ["equal"] * 4
    assert [(take.where, take.take) for take in verification.takes] == [
        (plan.where, f"takes/{plan.key}.flac") for plan in job.takes
    ]
    assert steps[-1][0] == pytest.approx(steps[-1][1])
    assert contents(settings.output) == before


def test_what_differs_is_told_with_where_and_how_much(job: Job, settings: Settings) -> None:
    """Later, longer, one missing, one damaged; nothing is set aside."""

    def later(pcm: Pcm) -> Pcm:
        return np.where(np.arange(len(pcm)) < 2205, pcm, pcm + np.float32(0.5)).astype(np.float32)

    save(job, 0, later)
    save(job, 1, lambda pcm: np.concatenate([pcm, np.zeros(2205, np.float32)]))
    (job.store.folder / f"{job.takes[2].key}.json").unlink()
    (job.store.folder / f"{job.takes[2].key}.flac").unlink()
    (job.store.folder / f"{job.takes[3].key}.flac").write_bytes(b"damage")
    before = contents(settings.output)
    verification = verified(job)
    first, second, third, fourth = verification.takes
    assert (first.verdict, second.verdict) == ("different", "different")
    assert first.difference
    assert second.difference
    assert (first.difference.first_s, first.difference.largest_db) == (0.1, -6.0)
    assert first.difference.stored_s == first.difference.rendered_s
    told = f"{job.takes[0].where}: {first.take} differs from 0.100 s on, by -6.0 dB at most."
    assert str(first.problem).startswith(told)
    assert (second.difference.first_s, second.difference.largest_db) == (second.difference.rendered_s, None)
    assert second.difference.stored_s == pytest.approx(second.difference.rendered_s + 0.1)
    assert (third.verdict, third.why) == ("missing", "is not there.")
    assert (fourth.verdict, fourth.why) == ("missing", "is damaged.")
    assert not verification.is_good
    assert contents(settings.output) == before
    counts = ("of", "sample", "equal", "different", "missing", "not_comparable", "ok")
    assert [verification.as_dict()[key] for key in counts] == [4, 4, 0, 2, 2, 0, False]


def test_a_later_attempt_is_rendered_with_its_own_seed(job: Job) -> None:
    """And with all else that it changed."""
    plan = job.takes[0]
    second = attempt_at(plan, 2, Variation("temperature", 0.8))
    assert request_of(plan, plan.parts, job.store.folder) == plan.request
    again = request_of(plan, second.parts, job.store.folder)
    assert again == replace(second.request, key=plan.key)
    assert again.seed != plan.request.seed
    (rendered,) = job.engine.render([again])
    assert isinstance(rendered, Rendered)
    take = job.store.save(second.key, second.parts, plan.text, rendered, job.engine.sample_rate_hz)
    stands = JudgedAttempt(2, "temperature", take.key, take.pcm_sha256)
    write_choice(job.store.folder, Choice(plan.key, (stands,), take.key, settled=True))
    verification = verified(job)
    assert verification.is_good
    assert f"takes/{take.key}.flac" in {one.take for one in verification.takes}


def test_takes_of_another_engine_are_not_comparable(job: Job) -> None:
    """They are told of, and spoil nothing; where all are so, nothing was verified."""
    for index, plan in enumerate(job.takes):
        json, sound = (job.store.folder / f"{plan.key}.{ending}" for ending in ("json", "flac"))
        json.unlink()
        sound.unlink()
        old = replace(plan, parts=plan.parts | {"engine": "tone/0"}, key=content_key(plan.parts | {"engine": "tone/0"}))
        (rendered,) = job.engine.render([plan.request])
        assert isinstance(rendered, Rendered)
        job.store.save(old.key, old.parts, old.text, rendered, RATE_HZ)
        verification = verified(job)
        assert [take.verdict for take in verification.takes] == ["not comparable"] * (index + 1) + ["equal"] * (
            3 - index
        )
        assert verification.is_good == (index < 3)


class PromptedTones(ToneEngine):
    """Tones that sound after the prompt of their voice, and refused without one."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for request in requests:
            (line, *_others) = request.lines
            prompt = line.voice.prompt
            if prompt is None and request.max_s is None:
                yield Failed(request, "it has no prompt.")
                continue
            for result in super().render([request]):
                assert isinstance(result, Rendered)
                gain = 1.0 if prompt is None else 0.5 + int(line.voice.prompt_sha256[:4], 16) / (1 << 17)
                yield replace(result, pcm=(result.pcm * np.float32(gain)).astype(np.float32))


def test_voices_have_the_prompts_that_they_had(make_job: MakeJob, settings: Settings) -> None:
    """Those of their auditions, of which none is made again; a take whose audition is gone cannot be made."""
    job = open_job(make_job(deliver=["flac"]), settings, engine="tone")
    job = replace(job, engine=PromptedTones(), traits=replace(job.traits, audition="Good evening to you all."))
    render_job(job, Conditions(jobs=1))
    assert verified(job).is_good
    for path in job.auditions.folder.iterdir():
        path.unlink()
    verification = verified(job)
    assert verification.count("missing") == 4
    assert verification.takes[0].why == "cannot be made again: an audition of its voices is gone."
    assert list(job.auditions.folder.iterdir()) == []
    without = replace(job, traits=replace(job.traits, audition=""))
    assert [take.why for take in verified(without).takes] == ["could not be rendered again: it has no prompt."] * 4


def test_a_job_without_takes_is_refused(make_job: MakeJob, settings: Settings) -> None:
    job = open_job(make_job(), settings, engine="tone")
    with pytest.raises(RequestError, match="nothing of this job is rendered yet"):
        verified(job)
    assert TakeStore(job.workspace.takes).keys() == set()
    assert not settings.output.exists()


@given(st.integers(1, 5000), st.floats(0.001, 100))
def test_a_share_is_rounded_up(total: int, percent: float) -> None:
    """So that it is one take at least, and never more than there are."""
    size = SampleSize.parse(f"{percent:.6f}%").of(total)
    assert 1 <= size <= total
    assert abs(size - total * percent / 100) <= 1


def test_what_a_sample_may_be(job: Job) -> None:
    """A share or a count; the same takes for the same seed, and others for another."""
    sizes = {"5%": 4, "5 %": 4, "100%": 64, "0.1%": 1, "1": 1, "20": 20, "999": 64}
    assert {text: SampleSize.parse(text).of(64) for text in sizes} == sizes
    for text in ("", "0", "0%", "101%", "-1", "5.5", "x%", "١%x", "1e3"):
        with pytest.raises(InvalidValueError):
            SampleSize.parse(text)
    two = SampleSize.parse("2")
    assert sample_takes(job, two) == sample_takes(job, two)
    assert len({tuple(plan.key for plan in sample_takes(job, two, seed)) for seed in range(20)}) > 1
    assert sample_takes(job, ALL) == list(job.takes)
