"""The room a job will need is told before it starts: never too little, and not much too much."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.jobs.disk import DiskEstimate, disk_problem, estimate
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings
from pipeline.takes.plan import PlannedTake
from pipeline.words import size_text
from tests.support.commands import REPOSITORY, MakeJob


def used(job: Job) -> int:
    """Bytes on the disk, counted in whole blocks."""
    blocks = (path.stat().st_size + 4095 & ~4095 for path in job.workspace.root.rglob("*") if path.is_file())
    return sum(blocks)


@pytest.mark.parametrize("name", ["quickstart", pytest.param("alice", marks=pytest.mark.slow)])
def test_the_examples_need_what_is_said(settings: Settings, name: str) -> None:
    """At least what they use, and less than twice as much; nothing once they are finished."""
    manifest = REPOSITORY / f"manifests/{name}.yaml"
    job = open_job(manifest, settings, engine="draft")
    room = estimate(job)
    assert not job.workspace.root.exists()
    render_job(job, Conditions(jobs=2))
    assert used(job) <= room.total <= 2 * used(job)
    assert estimate(job).total == 0


@pytest.mark.parametrize("engine", ["draft", "tone"])
def test_every_kind_of_file_is_counted(make_job: MakeJob, settings: Settings, engine: str) -> None:
    """Each part by itself is enough for what goes there."""
    job = open_job(make_job(deliver=["acx", "m4b", "wav", "flac"]), settings, engine=engine)
    room = estimate(job)
    render_job(job, Conditions(jobs=2))
    sizes = {path: path.stat().st_size for path in job.workspace.root.rglob("*") if path.is_file()}
    takes = sum(size for path, size in sizes.items() if path.parent == job.workspace.takes)
    chapters = sum(size for path, size in sizes.items() if path.parent == job.workspace.chapters)
    assert takes <= room.takes
    assert chapters <= room.chapters
    assert sum(sizes.values()) - takes - chapters <= room.deliverables


def test_what_is_finished_needs_no_room(make_job: MakeJob, settings: Settings) -> None:
    """Of an edited job only the change does, and the file that is written beside the one it replaces."""
    line = "**Ann:** This is said in the first chapter, which stays as it was."
    other = "**Bob:** And this is said in the second, which is about to change."
    job = open_job(make_job(f"# A\n\n{line}\n\n# B\n\n{other}\n", deliver=["acx"]), settings, engine="tone")
    whole = estimate(job)
    render_job(job, Conditions(jobs=2))
    edited = open_job(make_job(f"# A\n\n{line}\n\n# B\n\n{other} At last.\n", deliver=["acx"]), settings, engine="tone")
    room = estimate(edited)
    assert 0 < room.takes < whole.takes
    assert room.chapters < whole.chapters / 2
    assert room.deliverables < whole.deliverables / 2
    assert 0 < room.temporary < whole.deliverables
    (job.workspace.chapters / "01 - A.flac").unlink()
    again = estimate(job)
    assert again.takes == 0
    assert 0 < again.chapters < whole.chapters


def test_pauses_count(make_job: MakeJob, settings: Settings) -> None:
    """Silence is small in a take, and large in a WAV file."""
    short = estimate(open_job(make_job("Ann.\n\nBob.\n", deliver=["wav"]), settings, engine="tone"))
    long = estimate(open_job(make_job("Ann.\n\n[pause 60s]\n\nBob.\n", deliver=["wav"]), settings, engine="tone"))
    assert long.takes < 2 * short.takes
    assert long.deliverables - short.deliverables >= 59 * 44_100 * 3


def test_the_estimate_looks_at_each_take_a_few_times(
    make_job: MakeJob, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many chapters there are: a book of 800 has 64,000 takes."""
    script = "\n\n".join(f"# {number}\n\n**Ann:** One.\n\n**Bob:** Two." for number in range(60))
    job = open_job(make_job(script, kind="audiobook"), settings, engine="tone")
    looks = itertools.count()
    monkeypatch.setattr(PlannedTake, "estimated_s", property(lambda _plan: float(next(looks) >= 0)))
    estimate(job)
    assert len(job.takes) >= 60
    assert next(looks) <= 3 * len(job.takes)


def test_too_little_room_is_told_with_what_to_do(make_job: MakeJob, settings: Settings) -> None:
    """Against the nearest folder that is there already; a job that needs nothing may have none."""
    job = open_job(make_job(), settings.model_copy(update={"output": settings.output / "not/yet"}), engine="tone")
    free = shutil.disk_usage(settings.output.parent).free
    assert disk_problem(job, estimate(job)) is None
    problem = disk_problem(job, DiskEstimate(takes=2 * free, chapters=0, deliverables=0, temporary=0))
    assert problem is not None
    assert str(problem).startswith(f"{job.workspace.root}: about {size_text(round(2.1 * free))} are needed and ")
    assert str(problem).endswith(
        " are free. Make room, choose another folder with --out, or try all the same with --no-disk-check."
    )
    assert disk_problem(job, DiskEstimate(0, 0, 0, 0)) is None
    assert not settings.output.exists()


def test_a_margin_is_left(make_job: MakeJob, settings: Settings) -> None:
    """A disk that would be full to the last byte is too small."""
    job = open_job(make_job(), settings, engine="tone")
    free = shutil.disk_usage(settings.output.parent).free
    assert disk_problem(job, DiskEstimate(free - 10_000_000, 0, 0, 0)) is not None


def test_an_output_below_a_file_is_told(make_job: MakeJob, settings: Settings, tmp_path: Path) -> None:
    """Not as a traceback: the nearest thing that is there is asked, or the disk's own reason is given."""
    (tmp_path / "file").touch()
    job = open_job(make_job(), settings.model_copy(update={"output": tmp_path / "file/output"}), engine="tone")
    try:
        assert disk_problem(job, estimate(job)) is None
    except StorageError as error:
        assert "file" in str(error)
