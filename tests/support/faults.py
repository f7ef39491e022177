"""What tests of faults share: scripts, renders, what a job has made and finished, and a disk that can be full."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.jobs.job import open_job
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings, bundled_voices
from tests.support.commands import run_podcast

WORDS = "The machine speaks slowly about rivers and towns while morning light falls over every house".lower()
# Faults strike once or more at each run of the tests, and with TESTS_FAULTS=all as often as what docs/ says of them.
ALL = os.environ.get("TESTS_FAULTS") == "all"
Disk = Callable[[str], Path]  # mounts it with the options that are given, and returns where


def prose(words: int, chapters: int = 1, seed: int = 1) -> str:
    """A script of about so many words: two speakers and a narrator, the same for the same seed."""
    draw, words_there = random.Random(seed), WORDS.split()
    parts = []
    for chapter in range(chapters):
        parts.append(f"# Chapter {chapter + 1}")
        said = 0
        while said < words / chapters:
            line = [draw.choice(words_there) for _word in range(draw.randint(8, 20))]
            said += len(line)
            parts.append(draw.choice(("**Ann:** ", "**Bob:** ")) + " ".join(line).capitalize() + ".")
    return "\n\n".join(parts) + "\n"


def scenes(count: int) -> str:
    """A script of so many takes, each of them short: nothing is packed together across a scene break."""
    return "# One\n\n" + "\n\n---\n\n".join(f"Scene {number} is about rivers." for number in range(count)) + "\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made(job: Path) -> dict[str, str]:
    """Hashes of everything a render makes that must not depend on how it came about.

    Left out: what tells of the run itself (its times are never the same twice), and what was set aside as damaged.
    """
    aside = ("job.json", "report.json", "report.md", "deliverables.json", ".lock")
    return {
        path.relative_to(job).as_posix(): sha256(path)
        for path in sorted(job.rglob("*"))
        if path.is_file()
        and path.relative_to(job).as_posix() not in aside
        and not (path.parent.name == "takes" and path.suffix != ".flac")
    }


def take_records(job: Path) -> list[Path]:
    """The JSON of every take; a choice among takes is none."""
    return list(job.glob(f"takes/{'[0-9a-f]' * 32}.json"))


def finished_takes(job: Path) -> dict[str, tuple[int, str, int, str]]:
    """Time and bytes of both files of every take that is complete."""
    return {
        record.stem: (record.stat().st_mtime_ns, sha256(record), sound.stat().st_mtime_ns, sha256(sound))
        for record in take_records(job)
        if record.is_file() and (sound := record.with_suffix(".flac")).is_file()
    }


def temporaries(job: Path) -> list[Path]:
    return [path for path in job.rglob("*") if ".tmp" in path.name or path.name == ".lock.json"]


def assert_same(job: Path, expected: dict[str, str]) -> None:
    """Nothing half made lies about, and what was made is as expected; an audition never tells the same time."""

    def comparable(hashes: dict[str, str]) -> dict[str, str]:
        return {name: hash_ for name, hash_ in hashes.items() if not re.fullmatch(r"voices/.*\.json", name)}

    assert temporaries(job) == []
    assert comparable(made(job)) == comparable(expected)


def takes_of(job: Path) -> dict[str, int]:
    """The report's count of takes."""
    report = json.loads((job / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "done", report["problems"]
    found: dict[str, int] = report["takes"]
    return found


def render(folder: Path, out: str = "output", engine: str = "tone", *more: str) -> Path:
    """Render job.yaml to its end and return the job's folder."""
    ended = run_podcast("render", "job.yaml", "--engine", engine, "--out", out, *more, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    return folder / out / "job"


def render_here(folder: Path, out: str = "output", engine: str = "tone") -> Path:
    """Render job.yaml to its end in this process, which has everything loaded, and return the job's folder."""
    settings = Settings(output=folder / out, voices=(bundled_voices(),), jobs=2)
    job = open_job(folder / "job.yaml", settings, engine=engine)
    render_job(job, Conditions(jobs=settings.jobs))
    return job.workspace.root


@contextmanager
def small_disk(place: Path) -> Iterator[Disk]:
    """What mounts a small file system in memory, or changes the limits of the one that is mounted."""
    place.mkdir()

    def limit(options: str) -> Path:
        again = "remount," if place.is_mount() else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{again}{options}", "tmpfs", str(place)]
        if sys.platform != "linux" or shutil.which("mount") is None:
            pytest.skip("there is no tmpfs to mount here")
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"mounting a small disk is not permitted here: {ended.stderr.strip()}")
        return place

    try:
        yield limit
    finally:
        subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)
