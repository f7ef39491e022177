"""A full disk: it is told of wherever it fills up, no take is lost, and with more room the rest is made."""

from __future__ import annotations

import errno
import os
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.audio import ChapterMark, Format
from pipeline.audio.codecs import open_writer
from pipeline.errors import StorageError
from pipeline.jobs.job import open_job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import load_settings
from tests.support.commands import run_podcast
from tests.support.faults import ALL, Disk, finished_takes, made, prose, render, render_here, takes_of, temporaries
from tests.support.wrong_requests import Answer, Podcast

pytestmark = pytest.mark.slow
SIZES = 40 if ALL else 12  # of a disk, spread over all that is written


def make_job_with_cover(folder: Path, preset: str) -> None:
    """A job whose cover is a good part of its deliverable, so that tagging needs room of its own."""
    picture = BytesIO()
    Image.effect_noise((500, 500), 100).save(picture, format="PNG")
    (folder / "cover.png").write_bytes(picture.getvalue())
    (folder / "job.md").write_text(prose(50, chapters=2))
    (folder / "job.yaml").write_text(
        f"title: A test\nscript: job.md\ncover: cover.png\ndeliver: [{{preset: {preset}, files: one}}]\n"
    )


def assert_told_that_the_disk_is_full(ended: Answer) -> None:
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err, ended.err
    line = ended.err.splitlines()[-1]  # behind its progress, on a slow machine
    assert "the disk is full." in line
    assert "Make room or choose another folder with --out, then run the same command again" in line
    assert ended.out == ""


def fill_then_make_room(folder: Path, podcast: Podcast, disk: Disk, limit: str, reference: dict[str, str]) -> int:
    """Run into the limit, twice; then make room, finish, and see that nothing was lost. Returns the takes kept."""
    job = folder / "disk" / "job"
    shutil.rmtree(job)
    disk(limit)
    ended = podcast("render", "job.yaml", "--engine", "tone", "--out", "disk", "--json", "--no-disk-check")
    assert_told_that_the_disk_is_full(ended)
    assert [path for path in temporaries(job) if path.suffix in (".flac", ".mp3", ".m4b", ".wav")] == []
    kept = finished_takes(job)

    disk("size=200m,nr_inodes=1000")
    render_here(folder, "disk")

    assert takes_of(job)["reused"] == len(kept), limit
    assert {key: value for key, value in finished_takes(job).items() if key in kept} == kept
    assert made(job) == reference, limit
    assert temporaries(job) == []
    return len(kept)


def test_the_disk_is_full_before_the_deliverables(tmp_path: Path, disk: Disk, podcast: Podcast) -> None:
    """Where the disk fills up with takes or chapters, the message says so, and with more room the rest is made."""
    make_job_with_cover(tmp_path, "podcast")
    disk("size=200m,nr_inodes=1000")
    job = render_here(tmp_path, "disk")
    reference, total = made(job), takes_of(job)["total"]
    page = os.sysconf("SC_PAGE_SIZE")
    board = 3 * page  # of `podcast status`, while the command runs
    takes, chapters = used_by(job / "takes") + board, used_by(job / "chapters")

    kept = [
        fill_then_make_room(tmp_path, podcast, disk, f"size={size}", reference)
        for size in (
            page,
            page * 4,
            takes - board - page,
            takes + page * 2,
            takes + chapters // 2,
            takes + chapters - page,
        )
    ]

    assert kept[0] == 0
    assert 0 < kept[2] < total
    assert kept[3:] == [total] * 3


@pytest.mark.parametrize("preset", ["podcast", "m4b", "acx", "wav", "flac"])
def test_many_sizes_of_a_full_disk_are_told_and_cost_nothing(preset: str, tmp_path: Path, disk: Disk) -> None:
    """For each preset, spread over all that it writes; then the same files are made."""
    (tmp_path / "job.md").write_text(prose(30, chapters=2))
    (tmp_path / "job.yaml").write_text(f"title: A test\nscript: job.md\ndeliver: [{preset}]\n")
    place = disk("size=200m")
    settings = load_settings(output=place)

    def render_in_place() -> Report:
        return render_job(open_job(tmp_path / "job.yaml", settings, engine="tone"), Conditions(jobs=2))

    def remove_deliverables() -> None:
        shutil.rmtree(place / "job" / preset)
        (place / "job/deliverables.json").unlink()

    render_in_place()
    reference, used = made(place / "job"), shutil.disk_usage(place).used
    remove_deliverables()
    before = shutil.disk_usage(place).used
    page = os.sysconf("SC_PAGE_SIZE")
    for part in range(SIZES):
        disk(f"size={before + max(page, round((used - before) * part / SIZES) // page * page)}")
        with pytest.raises(StorageError, match=r"the disk is full\."):
            render_in_place()
        disk("size=200m")
        (place / "job" / preset).mkdir(exist_ok=True)
        (place / "job/deliverables.json").touch()
        remove_deliverables()
    assert render_in_place().takes.rendered == 0
    assert made(place / "job") == reference


@pytest.mark.parametrize("preset", ["podcast", "m4b", "wav", "flac"])
def test_the_disk_is_full_among_the_deliverables(preset: str, tmp_path: Path, disk: Disk, podcast: Podcast) -> None:
    """Where the disk fills up while a file is encoded or tagged, the message says so, and no take is lost."""
    make_job_with_cover(tmp_path, preset)
    place = disk("size=200m,nr_inodes=1000")
    job = render_here(tmp_path, "disk")
    reference, total = made(job), takes_of(job)["total"]
    (sound,) = (path for path in job.glob("*/*/*/A test.*") if path.suffix in (".mp3", ".m4b", ".wav", ".flac"))
    before = shutil.disk_usage(place).used - sound.stat().st_size
    for part in (0.02, 0.3, 0.5, 0.7, 0.9, 0.98):
        limit = before + round(sound.stat().st_size * part)
        assert fill_then_make_room(tmp_path, podcast, disk, f"size={limit}", reference) == total


@pytest.mark.parametrize("format", ["mp3", "m4b", "wav", "flac"])
def test_many_sizes_of_a_full_disk_end_no_encoder_in_a_crash(format: Format, tmp_path: Path, disk: Disk) -> None:
    """Blocks keep coming after the first write that fails, as those do that wait for an encoder."""
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 44_100 * 20).astype(np.float32)
    blocks = np.array_split(noise, 16)
    place = disk("size=200m")
    marks = [ChapterMark("One", 0, 10), ChapterMark("Two", 10, 20)]

    def write() -> int:
        """Bytes written, or minus the number of the error that the caller gets."""
        failure: OSError | None = None
        path = place / f"sound.{format}"
        try:
            with open_writer(path, format, 44_100, 96, chapters=marks) as writer:
                for block in blocks:
                    try:
                        writer.write(block)
                    except OSError as error:
                        failure = failure or error
                if failure is not None:
                    raise failure
        except OSError as error:
            return -(error.errno or 0)
        return path.stat().st_size

    whole = write()
    pages = -(-whole // os.sysconf("SC_PAGE_SIZE"))
    for part in range(SIZES):
        (place / f"sound.{format}").unlink()
        disk(f"size={max(pages * part // SIZES, 1) * os.sysconf('SC_PAGE_SIZE')}")
        assert write() == -errno.ENOSPC
    disk("size=200m")
    assert write() == whole


def used_by(folder: Path) -> int:
    """Bytes of a folder's files as a file system counts them."""
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir())


def test_a_disk_that_takes_no_more_files(tmp_path: Path, disk: Disk, podcast: Podcast) -> None:
    """A file system that has run out of inodes is told of as a full disk, wherever that happens."""
    make_job_with_cover(tmp_path, "podcast")
    disk("size=200m,nr_inodes=1000")
    job = render_here(tmp_path, "disk")
    reference = made(job)
    files = sum(1 for _path in (tmp_path / "disk").rglob("*"))
    for inodes in range(5, files - 2, 2):
        fill_then_make_room(tmp_path, podcast, disk, f"size=200m,nr_inodes={inodes}", reference)


def test_a_disk_that_becomes_read_only(tmp_path: Path, disk: Disk) -> None:
    """A file system that is read-only is told of, with code 1, for a new job as for one with work left."""
    make_job_with_cover(tmp_path, "podcast")
    disk("size=200m")
    job = render(tmp_path, "disk")
    kept = finished_takes(job)
    with (tmp_path / "job.md").open("a") as script:
        script.write(prose(70, seed=2).replace("Chapter 1", "Chapter 3"))
    for name in ("job", "other"):
        (tmp_path / f"{name}.yaml").write_text((tmp_path / "job.yaml").read_text())
        disk("size=200m,ro")
        ended = run_podcast("render", f"{name}.yaml", "--engine", "tone", "--out", "disk", cwd=tmp_path)
        assert ended.returncode == 1, ended.stderr
        assert "Traceback" not in ended.stderr
        assert "the file system is read-only." in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    disk("size=200m,rw")
    render(tmp_path, "disk")
    assert {key: value for key, value in finished_takes(job).items() if key in kept} == kept
