"""What runs and what waits is told as it is, and nothing is told of the dead."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs.status import Board, JobStatus, ProcessStatus, State, read_status, share_done, status_table
from pipeline.night.watch import showing
from pipeline.words import clock
from tests.support.commands import PODCAST, MakeJob, run_podcast
from tests.support.faults import take_records
from tests.support.processes import until


def _waits(name: str, priority: int = 0, audio_s: float = 100.0) -> JobStatus:
    return JobStatus(name, name.title(), "waits", audio_s, priority)


class _Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> _Time:
    moved = _Time()
    monkeypatch.setattr("pipeline.jobs.status.time", moved)
    return moved


def test_a_job_begins_at_nothing_and_ends_at_everything() -> None:
    """Stage follows stage without a step back."""
    stages = ("takes", "chapters", "deliverables")
    shares = [share_done(stage, done, 10) for stage in stages for done in range(11)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert share_done("chapters", 0, 0) == share_done("chapters", 1, 1)  # a stage with nothing to do is done


def test_an_eta_follows_from_what_is_done(tmp_path: Path, at: _Time) -> None:
    """Half of the takes, which are 0.3 of all, in a minute: the other 0.7 take 140 seconds more."""
    board = Board(tmp_path)
    board.add(_waits("book"))
    board.progress("book", "takes", 0, 10)
    assert board.jobs()[0].eta_s is None  # there is nothing to go by yet
    at.now += 60
    board.progress("book", "takes", 5, 10)
    (status,) = board.jobs()
    assert (status.state, status.stage) == ("runs", "takes")
    assert status.done == pytest.approx(0.3)
    assert status.eta_s == pytest.approx(140)


def test_takes_that_were_there_say_nothing_about_speed(tmp_path: Path, at: _Time) -> None:
    """The ETA goes by what was made since."""
    board = Board(tmp_path)
    board.add(_waits("book"))
    board.progress("book", "takes", 90, 100)
    at.now += 100
    board.progress("book", "takes", 91, 100)
    (status,) = board.jobs()
    assert status.eta_s == pytest.approx(100 / 0.006 * (1 - 0.546), abs=0.1)


def test_those_that_wait_come_by_priority_one_after_another(tmp_path: Path, at: _Time) -> None:
    """Each ETA later than the one before it, the inbox last."""
    board = Board(tmp_path)
    for name, priority in (("first", 0), ("later", 1), ("sooner", 5), ("last", 0)):
        board.add(_waits(name, priority))
    board.lies_in_inbox([_waits("dropped", audio_s=0.0)])
    assert {status.eta_s for status in board.jobs()} == {None}
    board.progress("first", "takes", 0, 10)
    at.now += 30
    board.progress("first", "takes", 5, 10)
    told = board.jobs()
    assert [status.job for status in told] == ["first", "sooner", "later", "last", "dropped"]
    etas = [status.eta_s or 0 for status in told]
    assert etas == sorted(etas)
    assert etas[1] == pytest.approx(etas[0] + 100, rel=0.01)  # at a second for each second of audio


_jobs = st.tuples(st.floats(1, 1e5), st.floats(0.001, 1), st.integers(-9, 9), st.booleans())


@given(st.lists(_jobs, min_size=1, max_size=8), st.floats(0.1, 1e5))
def test_etas_are_never_absurd(jobs: list[tuple[float, float, int, bool]], passed_s: float) -> None:
    """Not negative, and none that waits is ready before the one before it."""
    moved = _Time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.jobs.status.time", moved)
        board = Board(Path("nowhere"))
        for number, (audio_s, _done, priority, runs) in enumerate(jobs):
            board.add(_waits(str(number), priority, audio_s))
            if runs:
                board.progress(str(number), "takes", 0, 1)
        moved.now += passed_s
        for number, (_audio_s, done, _priority, runs) in enumerate(jobs):
            if runs:
                board.progress(str(number), "takes", done, 1)
        told = board.jobs()
    assert sorted(status.job for status in told) == sorted(map(str, range(len(jobs))))
    waiting = [status for status in told if status.state == "waits"]
    assert all(status.eta_s is None or status.eta_s >= 0 for status in told)
    assert [status.priority for status in waiting] == sorted((s.priority for s in waiting), reverse=True)
    if any(runs for *_rest, runs in jobs):
        etas = [status.eta_s for status in waiting]
        assert None not in etas
        assert etas == sorted(etas, key=lambda eta: eta or 0)


def test_a_job_outside_its_window_sleeps(tmp_path: Path, at: _Time) -> None:
    """It is told until when, and that it runs again once it does."""
    board = Board(tmp_path)
    board.add(_waits("book"))
    board.progress("book", "takes", 1, 10)
    board.sleeps("book", "until 23:00 (window 23:00-06:30)")
    (status,) = board.jobs()
    assert (status.state, status.eta_s, status.note) == ("sleeps", None, "until 23:00 (window 23:00-06:30)")
    at.now += 3600
    board.progress("book", "takes", 2, 10)
    (status,) = board.jobs()
    assert (status.state, status.note) == ("runs", "")
    assert status.eta_s is None  # the hour it slept is no measure
    board.remove("book")
    board.remove("book")
    board.progress("book", "takes", 3, 10)
    assert board.jobs() == []


def test_a_board_is_read_while_it_is_open(tmp_path: Path) -> None:
    """And nothing is left of it afterwards."""
    board = Board(tmp_path)
    board.add(_waits("Buch über Flüsse"))
    with board.open():
        (process,) = read_status(tmp_path)
        assert [job.job for job in process.jobs] == ["Buch über Flüsse"]
        (again,) = read_status(tmp_path)  # reading does not end it
        assert again == process
    assert read_status(tmp_path) == []
    assert list((tmp_path / ".status").iterdir()) == []


def test_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    """It was killed and could not tidy up."""
    code = (
        "import sys, os, pathlib; from pipeline.jobs.status import Board, JobStatus\n"
        "board = Board(pathlib.Path(sys.argv[1])); board.add(JobStatus('a', 'A', 'waits', 1.0))\n"
        "with board.open(): os._exit(9)"  # no chance to tidy up, as after a kill
    )
    dead = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert dead.returncode == 9
    assert list((tmp_path / ".status").glob("*.json"))
    with Board(tmp_path).open():
        (mine,) = read_status(tmp_path)
        assert mine.jobs == ()
        assert len(list((tmp_path / ".status").glob("*.json"))) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"jobs": 3}', "\0\0"])
def test_a_damaged_board_is_passed_over(tmp_path: Path, content: str) -> None:
    """It is written anew a second later."""
    board = Board(tmp_path)
    with board.open():
        next((tmp_path / ".status").glob("*.json")).write_text(content)
        assert all(process.jobs == () for process in read_status(tmp_path))


def test_a_folder_that_takes_no_board_does_no_harm(tmp_path: Path) -> None:
    """The work goes on unseen."""
    (tmp_path / "output").write_text("a file where a folder should be")
    board = Board(tmp_path / "output")
    board.add(_waits("book"))
    with board.open():
        assert [status.job for status in board.jobs()] == ["book"]
        assert read_status(tmp_path / "output") == []


def test_the_table_is_for_people() -> None:
    """A line for each job, another for each process; a sentence where there is nothing."""
    assert status_table([]) == "Nothing runs and nothing waits."
    running = JobStatus("a", "A", "runs", 10, stage="takes", done=0.256, eta_s=3700.0)
    waiting = JobStatus("longer name", "L", "waits", 0, note="in the inbox")
    processes = [ProcessStatus("here", 7, (running,), {"cpu:0": 8, "cpu:1": 9}), ProcessStatus("there", 10, (waiting,))]
    header, first, second, *last = status_table(processes).splitlines()
    assert header.split() == ["job", "state", "done", "ETA"]
    assert first.split() == ["a", "runs", "26", "%", clock(3700.0), "takes"]
    assert second.split() == ["longer", "name", "waits", "0", "%", "-", "in", "the", "inbox"]
    assert first.index("runs") == second.index("waits") == header.index("state")
    assert last == ["process 7 on here, workers cpu:0 (8), cpu:1 (9)", "process 10 on there"]


@pytest.mark.parametrize("others", [("waits",), ("claimed", "waits"), ("sleeps", "claimed", "waits")])
def test_a_job_has_one_line(others: tuple[State, ...]) -> None:
    """Also while a flow run renders what a watcher has claimed, or a second run waits for it."""
    processes = [ProcessStatus("here", 1, (JobStatus("a", "A", state, 0),)) for state in (*others, "runs")]
    assert [line.split()[1] for line in status_table(processes).splitlines()[1:] if line.startswith("a ")] == ["runs"]


def test_what_a_watcher_has_taken_is_told_of_until_it_runs(tmp_path: Path) -> None:
    """Beside what still waits in the inbox, in a folder there too."""
    for path in ("inbox/late.yaml", "inbox/folder/own.yaml", "running/taken/taken.yaml", "running/busy/busy.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("title: A")
    board = Board(tmp_path)
    board.add(_waits("busy"))
    board.progress("busy", "takes", 1, 2)
    with showing(board, tmp_path, "until 23:00"):
        told = [(status.job, status.state, status.note) for status in board.jobs()]
    assert told == [
        ("busy", "runs", ""),
        ("taken", "claimed", "begins soon"),
        ("late", "waits", "until 23:00"),
        ("own", "waits", "until 23:00"),
    ]


@pytest.mark.slow
def test_the_command_tells_of_a_render_that_runs(make_job: MakeJob, tmp_path: Path) -> None:
    """As one JSON object, while it lasts; for people in a table."""
    make_job("# One\n\n" + "\n\n---\n\n".join(f"Scene {number} is about rivers." for number in range(3000)) + "\n")
    with subprocess.Popen(
        [PODCAST, "render", "job.yaml", "--engine", "tone", "--device", "cpu:2x1"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    ) as render:
        try:
            until(lambda: len(take_records(tmp_path / "output" / "job")) > 5)
            until(lambda: any(job.eta_s for process in read_status(tmp_path / "output") for job in process.jobs))
            children = {child.pid for child in psutil.Process(render.pid).children(recursive=True)}
            render.send_signal(signal.SIGSTOP)  # else it may be over when the commands have come so far
            told = run_podcast("status", "--json", cwd=tmp_path)
            table = run_podcast("status", cwd=tmp_path)
        finally:
            render.kill()
    assert told.returncode == table.returncode == 0
    (process,) = json.loads(told.stdout)["processes"]
    (job,) = process["jobs"]
    assert process["pid"] == render.pid
    assert process["workers"].keys() == {"cpu:0", "cpu:1"}
    assert set(process["workers"].values()) <= children
    assert (job["job"], job["state"], job["stage"]) == ("job", "runs", "takes")
    assert 0 < job["done"] < 0.6
    assert job["eta_s"] > 0
    assert "job" in table.stdout
    assert "runs" in table.stdout
    after = run_podcast("status", "--json", cwd=tmp_path)
    assert json.loads(after.stdout) == {"processes": []}
