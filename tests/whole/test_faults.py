"""Faults: interruption and kill -9 cost only what was not finished, and change no byte."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.support.commands import PODCAST, MakeJob, run_podcast
from tests.support.faults import (
    ALL,
    finished_takes,
    made,
    prose,
    render,
    render_here,
    scenes,
    take_records,
    takes_of,
    temporaries,
)
from tests.support.processes import WAIT_S, until

pytestmark = pytest.mark.slow

STOPS = 5 if ALL else 1  # of each kind
KILLS = 50 if ALL else 8
STOPPED = re.compile(r"job: stopped; (\d+) of (\d+) takes are finished and kept\. Run the same command to go on\.")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Begin a render in a session of its own, in which Ctrl-C means what it means in a terminal."""
    return subprocess.Popen(
        [PODCAST, "render", "job.yaml", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until `what` is true, and fail if the process ends or nothing comes."""

    def lives() -> None:
        assert process.poll() is None, f"it ended too early: {process.communicate()[1]}"

    until(what, lives, look_s=0.002)


def more_takes(job: Path, there: int) -> bool:
    return len(take_records(job)) > there


def wait_for_a_take(process: subprocess.Popen[str], job: Path, there: int) -> None:
    """Wait until one more take is finished, or the process has ended."""
    until(lambda: process.poll() is not None or more_takes(job, there), look_s=0.002)


def end(process: subprocess.Popen[str]) -> None:
    """Kill what may be left of a process."""
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_job_is_rendered_by_one_process_at_a_time(tmp_path: Path, make_job: MakeJob) -> None:
    """A second render of a running job names the process that has it and waits, until that has ended in any way."""
    make_job(prose(400))
    job = tmp_path / "output" / "job"
    first = start(tmp_path)
    try:
        wait_for((job / ".lock.json").exists, first)
        first.send_signal(signal.SIGSTOP)  # or it might have ended before the others look

        second = start(tmp_path)
        assert second.stderr is not None
        told = second.stderr.readline()

        assert first.poll() is None, "the first run is not long enough for this test"
        assert f"process {first.pid} on {socket.gethostname()} is rendering this job. It is waited for." in told
        elsewhere = run_podcast("plan", "job.yaml", cwd=tmp_path)
        assert elsewhere.returncode == 0  # a plan needs no lock
        assert second.poll() is None
    finally:
        first.kill()
        first.communicate()
    second.communicate()
    assert second.returncode == 0
    assert takes_of(job)["failed"] == 0
    assert temporaries(job) == []


@pytest.mark.parametrize(
    ("engine", "number", "send"),
    [
        ("draft", signal.SIGINT, os.kill),
        ("draft", signal.SIGTERM, os.kill),
        ("draft", signal.SIGTERM, os.killpg),
        ("tone", signal.SIGINT, os.killpg),
    ],
)
def test_a_stop_while_takes_are_made(
    engine: str, number: signal.Signals, send: Callable[[int, int], None], tmp_path: Path, make_job: MakeJob
) -> None:
    """Ctrl-C or SIGTERM, whenever it comes, ends with 130 and tells how many takes are kept; then it goes on.

    To the command, as from a program, or to its workers too, as from a terminal, `timeout` or systemd.
    """
    make_job(scenes(120), deliver=["flac"], pauses={"scene_s": 0})
    reference = made(render_here(tmp_path, "reference", engine))
    total = takes_of(tmp_path / "reference" / "job")["total"]
    job = tmp_path / "output" / "job"
    draw = random.Random(3)
    for stop in range(STOPS):
        process = start(tmp_path, "--engine", engine)
        try:
            there = len(finished_takes(job))
            wait_for(partial(more_takes, job, there), process)
            time.sleep(draw.uniform(0, 0.03))  # anywhere in a take
            send(process.pid, number)
            _out, told = process.communicate(timeout=WAIT_S)
        finally:
            end(process)
        assert process.returncode == 130, f"stop {stop} was not heeded: {told}"
        assert STOPPED.search(told.rstrip().splitlines()[-1]), told
        assert not any(word in told for word in ("Traceback", "Error", "does not answer")), told
        found = STOPPED.search(told)
        assert found, told
        assert int(found[1]) == len(finished_takes(job))
        assert int(found[2]) == total
        assert temporaries(job) == []

    kept = finished_takes(job)
    render(tmp_path, "output", engine)
    assert takes_of(job)["reused"] == len(kept) >= STOPS
    assert {key: value for key, value in finished_takes(job).items() if key in kept} == kept
    assert made(job) == reference
    assert temporaries(job) == []


@pytest.mark.parametrize(
    ("preset", "number"),
    [("podcast", signal.SIGINT), ("podcast", signal.SIGTERM), ("m4b", signal.SIGINT), ("flac", signal.SIGINT)],
)
def test_a_stop_while_files_are_encoded(preset: str, number: signal.Signals, tmp_path: Path, make_job: MakeJob) -> None:
    """Ctrl-C or SIGTERM in the middle of encoding ends with 130, leaves no part of a file, and loses no take."""
    make_job(prose(250), deliver=[preset])
    reference = made(render_here(tmp_path, "reference"))
    job = tmp_path / "output" / "job"
    process = start(tmp_path, "--engine", "tone")
    try:
        wait_for(lambda: list(job.glob(f"{preset}/*/*/.*.tmp.{'mp3' if preset == 'podcast' else preset}")), process)
        process.send_signal(number)
        _out, told = process.communicate(timeout=WAIT_S)
    finally:
        end(process)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    found = STOPPED.search(told)
    assert found, told
    assert found[1] == found[2]
    assert temporaries(job) == []

    render_here(tmp_path)
    assert takes_of(job)["rendered"] == 0
    assert made(job) == reference


def test_a_stop_before_anything_has_begun(tmp_path: Path, make_job: MakeJob) -> None:
    """Ctrl-C while the command is still reading and checking ends with 130 and without a traceback."""
    make_job(prose(20_000, chapters=20), deliver=["wav"])
    for delay_s in (0.4, 0.7, 1.0, 1.3) if ALL else (0.4, 1.0):
        process = start(tmp_path, "--engine", "tone")
        try:
            time.sleep(delay_s)
            process.send_signal(signal.SIGINT)
            _out, told = process.communicate(timeout=WAIT_S)
        finally:
            end(process)
        assert process.returncode == 130, told
        assert "Traceback" not in told


# kill -9


def processes_of(session: int) -> list[psutil.Process]:
    """Live processes of a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path, make_job: MakeJob) -> None:
    """Killed at many random moments, a job renders no finished take again and ends in the same bytes as undisturbed."""
    make_job(prose(160, chapters=4), deliver=["podcast", "m4b"])
    job = tmp_path / "output" / "job"
    begun = time.monotonic()
    reference = made(render(tmp_path, "reference", "draft"))
    whole_s = time.monotonic() - begun
    begun = time.monotonic()
    render(tmp_path, "reference", "draft")
    idle_s = time.monotonic() - begun  # what a run takes that has nothing to do
    draw = random.Random(9)
    kills = completed = 0
    stages: set[str] = set()
    while kills < KILLS or completed < 2:
        kept = finished_takes(job)
        process = start(tmp_path)
        try:
            # Most of a run's first part is imports: there is little to break, so most kills come after it.
            early = draw.random() < 0.05
            delay_s = draw.uniform(0, idle_s) if early else draw.uniform(idle_s * 0.3, whole_s)
            if kills % 5 == 0:  # the takes of the draft voice are soon done: a clock alone may never meet them
                wait_for_a_take(process, job, len(kept))
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(delay_s)
            if process.poll() is None:
                process.kill()
                kills += 1
            told = process.communicate(timeout=WAIT_S)[1]
        finally:
            end(process)
        assert processes_of(process.pid) == []
        after = finished_takes(job)
        assert {key: after[key] for key in kept} == kept, "a finished take was touched"
        if process.returncode == -signal.SIGKILL:
            stages.add("takes" if len(after) < len(reference_takes(reference)) else "after takes")
            continue
        assert process.returncode == 0, told
        completed += 1
        takes = takes_of(job)
        assert takes["reused"] >= len(kept)
        assert made(job) == reference
        assert temporaries(job) == []
        shutil.rmtree(job)
    assert stages == {"takes", "after takes"}


def reference_takes(reference: dict[str, str]) -> list[str]:
    return [name for name in reference if name.startswith("takes/")]
