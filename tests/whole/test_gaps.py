"""Gaps: a take that comes to nothing leaves its place in the chapter, marked, and the rest is delivered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.audio import flac
from pipeline.deliver.chapters import GAP_S, MISSING, join_chapter
from pipeline.engines import Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.errors import Problem
from pipeline.files import read_record, write_record
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import Report, TakeCounts
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings
from pipeline.takes.render import render_takes
from tests.support.commands import MakeJob

TWICE = Conditions(jobs=2)


class _Partly(ToneEngine):
    """Fails on some requests, and clips others, whatever their seed."""

    def __init__(self, failing: Iterable[str] = (), clipping: Iterable[str] = ()) -> None:
        self.failing = set(failing)
        self.clipping = set(clipping)

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for result in super().render(requests):
            assert isinstance(result, Rendered)
            if result.request.lines[0].text in self.failing:
                yield Failed(result.request, "it killed its worker.")
            elif result.request.lines[0].text in self.clipping:
                yield replace(result, pcm=(result.pcm * 20).clip(-1, 1))
            else:
                yield result


def _open(manifest: Path, settings: Settings, failing: Iterable[int] = (), clipping: Iterable[int] = ()) -> Job:
    job = open_job(manifest, settings, engine="tone")
    texts = [plan.request.lines[0].text for plan in job.takes]  # of every attempt
    return replace(job, engine=_Partly([texts[index] for index in failing], [texts[index] for index in clipping]))


def _cues(job: Job, number: int = 1) -> list[Mapping[str, object]]:
    (path,) = job.workspace.chapters.glob(f"{number:02d}*.json")
    cues: list[Mapping[str, object]] = json.loads(path.read_text())["cues"]
    return cues


def _problems(report: Report, words: str) -> list[Problem]:
    return [problem for problem in report.problems if words in problem.what]


def test_a_take_that_failed_leaves_a_marked_gap(make_job: MakeJob, settings: Settings) -> None:
    """There is silence in its place; report, summary, transcript and record show where, and why."""
    job = _open(make_job(deliver=["wav"]), settings, failing=[1])
    report = render_job(job, TWICE)
    assert report.status == "partial"
    assert report.takes == TakeCounts(4, rendered=3, reused=0, failed=1)
    assert [chapter.number for chapter in report.chapters] == [1, 2]
    (gap,) = report.gaps
    assert (gap.chapter, gap.text, gap.why) == (1, job.takes[1].text, "it killed its worker.")
    (problem,) = report.problems
    minutes, seconds = divmod(round(gap.at_s), 60)
    assert problem.where == f"{job.takes[1].where} (chapter 1 at {minutes}:{seconds:02d})"
    assert "was not rendered: it killed its worker." in problem.what
    marked = [cue for cue in _cues(job) if str(cue["text"]).startswith(MISSING)]
    assert [cue["text"] for cue in marked] == [MISSING + piece.text for piece in job.takes[1].chunk.pieces]
    assert marked[0]["start_s"] == gap.at_s
    assert marked[-1]["end_s"] == pytest.approx(gap.at_s + GAP_S)
    (sound,) = job.workspace.chapters.glob("01*.flac")
    pcm, rate = flac.read(sound), ToneEngine.sample_rate_hz
    start, end = round(gap.at_s * rate), round((gap.at_s + GAP_S) * rate)
    assert not pcm[start:end].any()
    assert np.abs(pcm[end:]).max() > 0.05
    (transcript,) = [path for path in job.workspace.root.rglob("*.vtt") if MISSING in path.read_text()][:1]
    assert transcript.is_file()
    assert f"chapter 1 at {minutes}:{seconds:02d}" in job.workspace.report.with_suffix(".md").read_text()


def test_a_gap_is_filled_once_its_take_is_there(make_job: MakeJob, settings: Settings) -> None:
    """By the next run, and everything is as if it had never failed."""
    manifest = make_job(deliver=["wav"])
    render_job(_open(manifest, settings, failing=[0, 2]), TWICE)
    report = render_job(_open(manifest, settings), TWICE)
    assert (report.status, report.takes.rendered, report.gaps, report.problems) == ("done", 2, (), ())
    other = settings.model_copy(update={"output": settings.output / "other"})
    never = _open(manifest, other)
    render_job(never, TWICE)
    assert _hashes(never) == _hashes(_open(manifest, settings))


def _hashes(job: Job) -> dict[str, bytes]:
    files = [path for path in job.workspace.root.rglob("*") if path.parent.name == "chapters" or path.suffix == ".wav"]
    return {path.relative_to(job.workspace.root).as_posix(): path.read_bytes() for path in files}


def test_a_gap_is_told_again_by_a_run_that_joins_nothing_anew(make_job: MakeJob, settings: Settings) -> None:
    """Its chapter is found as it is."""
    job = _open(make_job(deliver=["wav"]), settings, failing=[1])
    first = render_job(job, TWICE)
    times = {path: path.stat().st_mtime_ns for path in job.workspace.chapters.iterdir()}
    second = render_job(job, TWICE)
    assert (second.gaps, second.problems, second.status) == (first.gaps, first.problems, "partial")
    assert {path: path.stat().st_mtime_ns for path in job.workspace.chapters.iterdir()} == times


def test_a_chapter_with_nothing_to_be_heard_is_withheld(make_job: MakeJob, settings: Settings) -> None:
    """The others are delivered."""
    job = _open(make_job(deliver=["wav"]), settings, failing=[3])
    report = render_job(job, TWICE)
    assert (report.status, report.gaps) == ("partial", ())
    assert [chapter.number for chapter in report.chapters] == [1]
    assert [problem.where for problem in report.problems] == [job.takes[3].where, "job"]
    assert "1 of 2 chapters" in report.problems[1].what


def test_a_job_with_nothing_to_be_heard_fails(make_job: MakeJob, settings: Settings) -> None:
    """No chapter is all silence."""
    report = render_job(_open(make_job(deliver=["wav"]), settings, failing=range(4)), TWICE)
    assert (report.status, report.chapters, report.gaps) == ("failed", (), ())


@pytest.mark.parametrize("on_failure", ["best", "gap"])
def test_the_manifest_chooses_between_a_faulty_take_and_a_gap(
    make_job: MakeJob, settings: Settings, on_failure: str
) -> None:
    """Either way it is listed for people to listen to; nothing is rendered anew for another choice."""
    other = "gap" if on_failure == "best" else "best"
    render_job(_open(make_job(deliver=["wav"], on_failure=other), settings, clipping=[1]), TWICE)
    job = _open(make_job(deliver=["wav"], on_failure=on_failure), settings, clipping=[1])
    report = render_job(job, TWICE)
    assert report.takes == TakeCounts(4, rendered=0, reused=4, failed=0)
    plan = job.takes[1]
    (ear,) = report.ears
    assert (ear.where, ear.text) == (plan.where, plan.text)
    assert "clips" in ear.faults
    assert (job.workspace.root / report.ears[0].take).is_file()
    if on_failure == "best":
        assert (report.status, report.gaps) == ("done", ())
        assert _problems(report, "clips")
    else:
        assert report.status == "partial"
        assert [gap.why for gap in report.gaps] == [f"its best take {' and '.join(ear.faults)}."]
        assert [problem.where.split(" (")[0] for problem in report.problems] == [plan.where]
        assert _problems(report, "was left out: its best take ")


def test_a_record_of_an_older_version_is_read(make_job: MakeJob, settings: Settings) -> None:
    """It knows no gaps, and its chapter is not joined again."""
    job = _open(make_job(deliver=["wav"]), settings)
    first = render_job(job, TWICE)
    sounds = {path: path.stat().st_mtime_ns for path in job.workspace.chapters.glob("*.flac")}
    for path in job.workspace.chapters.glob("*.json"):
        record = read_record(path, dict)
        assert record is not None
        del record["gaps"]
        write_record(path, record)
    assert render_job(job, TWICE).chapters == first.chapters
    assert {path: path.stat().st_mtime_ns for path in sounds} == sounds


def test_the_report_tells_what_each_device_did(make_job: MakeJob, settings: Settings) -> None:
    """Also in the summary; a run that renders nothing has none."""
    job = _open(make_job(deliver=["wav"]), settings)
    report = render_job(job, TWICE)
    (work,) = report.devices.values()
    assert work.takes == 4
    assert work.audio_s > 0
    assert f"| {next(iter(report.devices))} | 4 |" in job.workspace.report.with_suffix(".md").read_text()
    assert render_job(job, TWICE).devices == {}


@given(missing=st.sets(st.integers(0, 2), max_size=2))
@hypothesis_settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_missing_every_word_keeps_its_place(
    make_job: MakeJob, settings: Settings, missing: set[int]
) -> None:
    """In order, without overlap; only what is missing is marked, and the key of the chapter tells them apart."""
    job = _open(make_job(), settings)
    job.workspace.create()
    done = render_takes(job.takes, job.engine, job.store)
    planned = [plan for plan in job.takes if plan.chunk.chapter == 0]
    assert len(planned) == 3
    takes = {plan.key: done.takes[plan.key] for index, plan in enumerate(planned) if index not in missing}
    chapter, pauses = job.script.chapters[0], job.manifest.pauses
    audio = join_chapter(job.workspace.chapter(1, 2, chapter.title), 1, chapter, planned, takes, pauses)
    said = [
        (MISSING if index in missing else "") + piece.text
        for index, plan in enumerate(planned)
        for piece in plan.chunk.pieces
    ]
    assert [cue.text for cue in audio.cues] == said
    assert [gap.take for gap in audio.gaps] == [planned[index].key for index in sorted(missing)]
    assert [turn.text.removeprefix(MISSING) for turn in audio.turns] == [
        turn.text for turn in job.script.chapters[0].turns
    ]
    times = [time_s for cue in audio.cues for time_s in (cue.start_s, cue.end_s)]
    assert times == sorted(times)
    whole = join_chapter(job.workspace.chapter(1, 2, chapter.title), 1, chapter, planned, done.takes, pauses)
    assert (whole.key == audio.key) == (not missing)


class _Speechless(ToneEngine):
    """Fails where one voice introduces itself; remembers who spoke without a prompt."""

    def __init__(self, voice: str, audition: str) -> None:
        self.voice = voice
        self.audition = audition
        self.bare: set[str] = set()

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for result in super().render(requests):
            line = result.request.lines[0]
            if line.text == self.audition:
                yield Failed(result.request, "it has no voice.") if line.voice.name == self.voice else result
                continue
            self.bare.update(line.voice.name for line in result.request.lines if line.voice.prompt is None)
            yield result


def _auditioned(manifest: Path, settings: Settings, silent: str) -> tuple[Job, _Speechless]:
    """A job on an engine that needs prompts, where the voice `silent` comes to none."""
    job = open_job(manifest, settings, engine="tone")
    engine = _Speechless(silent, "The evening was calm, and a light wind moved over the fields.")
    return replace(job, engine=engine, traits=replace(job.traits, audition=engine.audition)), engine


def test_a_voice_that_comes_to_nothing_leaves_gaps(make_job: MakeJob, settings: Settings) -> None:
    """Wherever it speaks; the others are heard."""
    job, engine = _auditioned(make_job(deliver=["wav"], cast={"Ann": "ada", "Bob": "ben"}), settings, "ben")
    report = render_job(job, TWICE)
    mute = [plan for plan in job.takes if any(line.voice.name == "ben" for line in plan.request.lines)]
    assert 0 < len(mute) < 4
    assert report.takes.rendered == 4 - len(mute)
    assert report.status == "partial"
    assert [gap.text for gap in report.gaps] == [plan.text for plan in mute if plan.chunk.chapter == 0]
    assert {gap.why for gap in report.gaps} == {"the audition of its voice came to nothing."}
    assert engine.bare == set()


def test_a_take_that_is_damaged_is_rendered_with_its_prompt(make_job: MakeJob, settings: Settings) -> None:
    """Also where its name alone says that it is there."""
    job, engine = _auditioned(make_job(deliver=["wav"]), settings, "nobody")
    render_job(job, TWICE)
    (job.workspace.takes / f"{job.takes[1].key}.flac").write_bytes(b"damaged")
    report = render_job(job, TWICE)
    assert (report.status, report.takes.rendered) == ("done", 1)
    assert engine.bare == set()
