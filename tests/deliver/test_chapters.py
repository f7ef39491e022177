"""Chapters: joined takes, the pauses between them, and the time of everything."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import flac
from pipeline.deliver.chapters import ChapterAudio
from pipeline.jobs.job import open_job
from pipeline.jobs.stages import Conditions, join_all_chapters, render_all_takes
from pipeline.settings import Settings
from pipeline.takes.render import render_takes
from tests.support.commands import MakeJob

Chapters = list[ChapterAudio]


def _join(manifest: Path, settings: Settings, *, engine: str = "tone", spans: bool = True) -> Chapters:
    job = open_job(manifest, settings, engine=engine)
    job.workspace.create()
    done = render_all_takes(job, Conditions(jobs=2))
    if not spans:  # as from an engine that does not know its times
        takes = {key: replace(take, spans=None) for key, take in done.takes.items()}
        done = replace(done, takes=takes)
    return join_all_chapters(job, done, Conditions(jobs=2))


def _sound(chapter: ChapterAudio, start_s: float, end_s: float) -> float:
    pcm = flac.read(chapter.path)
    return float(np.abs(pcm[round(start_s * chapter.sample_rate_hz) : round(end_s * chapter.sample_rate_hz)]).max())


@pytest.mark.parametrize("engine", ["tone", "draft"])
def test_every_turn_is_heard_where_it_is_said_to_be(make_job: MakeJob, settings: Settings, engine: str) -> None:
    """Sound inside each turn's times, none between them."""
    for chapter in _join(make_job(), settings, engine=engine):
        assert chapter.turns[0].start_s == 0
        assert chapter.turns[-1].end_s == pytest.approx(chapter.audio_s, abs=0.001)
        for turn in chapter.turns:
            assert _sound(chapter, turn.start_s, turn.end_s) > 0.05
        for before, after in pairwise(chapter.turns):
            assert _sound(chapter, before.end_s + 0.001, after.start_s - 0.001) == 0


def test_pauses_are_those_of_the_border(make_job: MakeJob, settings: Settings) -> None:
    """Turn, paragraph, scene, and a pause written in the script before all."""
    pauses = {"turn_s": 0.5, "paragraph_s": 0.9, "scene_s": 2.0}
    one, two = _join(make_job(pauses=pauses), settings)
    assert [turn.speaker for turn in one.turns] == ["Ann", "Bob", "Bob", "Ann", "Ann"]
    gaps = [after.start_s - before.end_s for before, after in pairwise(one.turns)]
    assert gaps == pytest.approx([0.5, 0.9, 2.0, 1.5], abs=0.002)
    assert len(two.turns) == 1


def test_a_pause_at_the_end_is_kept(make_job: MakeJob, settings: Settings) -> None:
    """As silence after the last turn."""
    (chapter,) = _join(make_job("**Ann:** That is all.\n\n[pause 3s]\n"), settings)
    assert chapter.audio_s - chapter.turns[-1].end_s == pytest.approx(3, abs=0.001)


def test_no_join_clicks(make_job: MakeJob, settings: Settings) -> None:
    """Every piece sets in and ends softly, whatever the engine gave."""
    for chapter in _join(make_job(), settings, engine="draft"):
        pcm = flac.read(chapter.path)
        for cue in chapter.cues:
            start, end = (round(time_s * chapter.sample_rate_hz) for time_s in (cue.start_s, cue.end_s))
            assert np.abs(pcm[start : start + 3]).max() < 0.003
            assert np.abs(pcm[end - 4 : end]).max() < 0.003
            assert np.abs(pcm[start:end]).max() > 0.05


def test_unknown_times_are_shared_out_by_length(make_job: MakeJob, settings: Settings) -> None:
    """Each turn still has a place, in order and inside the chapter."""
    for chapter in _join(make_job(), settings, spans=False):
        for before, after in pairwise(chapter.turns):
            assert before.start_s < before.end_s <= after.start_s + 1e-6
        assert chapter.turns[-1].end_s <= chapter.audio_s + 0.001


def test_an_unchanged_chapter_is_not_joined_again(make_job: MakeJob, settings: Settings) -> None:
    """Another pause joins it again."""
    first = _join(make_job(), settings)
    times = [chapter.path.stat().st_mtime_ns for chapter in first]
    assert [chapter.path.stat().st_mtime_ns for chapter in _join(make_job(), settings)] == times
    other = _join(make_job(pauses={"scene_s": 5}), settings)
    assert other[0].frames > first[0].frames


def test_a_chapter_without_a_take_is_left_out(make_job: MakeJob, settings: Settings) -> None:
    """The others are joined."""
    job = open_job(make_job(), settings, engine="tone")
    job.workspace.create()
    done = render_takes(job.takes[:-1], job.engine, job.store)
    assert [chapter.title for chapter in join_all_chapters(job, done, Conditions(jobs=1))] == ["One"]
