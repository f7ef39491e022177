"""The workers that a command starts end with it, however it ends."""

from __future__ import annotations

import gc
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline.engines.cluster import local_cluster
from pipeline.engines.crew import connect
from pipeline.engines.devices import share_cores
from pipeline.files import read_record
from pipeline.takes.store import TakeStore
from tests.support.commands import PODCAST, MakeJob
from tests.support.faults import take_records
from tests.support.processes import WAIT_S, until

LONG = "# One\n\n" + "\n\n---\n\n".join(f"Scene {number} is long enough to last." for number in range(4000)) + "\n"


@contextmanager
def _command(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`podcast`, which is killed in the end."""
    command = [str(PODCAST), *arguments, "--engine", "tone"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.fixture
def under_way(make_job: MakeJob, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A render on two workers that has made some takes and is far from its end, and its workers."""
    make_job(LONG)
    job = tmp_path / "output" / "job"
    with _command(tmp_path, "render", "job.yaml", "--device", "cpu:2x1") as process:
        until(lambda: process.poll() is not None or len(take_records(job)) > 5)
        assert process.poll() is None, process.stderr and process.stderr.read()
        workers = _workers_of(process)
        assert sum("spawn_main" in " ".join(worker.cmdline()) for worker in workers) == 2
        yield process, workers


@pytest.mark.slow
def test_killing_the_command_leaves_no_worker(
    under_way: tuple[subprocess.Popen[str], list[psutil.Process]], tmp_path: Path
) -> None:
    """Nor a damaged take: all that are there are whole."""
    process, workers = under_way
    process.send_signal(signal.SIGKILL)
    process.wait(WAIT_S)
    _gone, alive = psutil.wait_procs(workers, timeout=WAIT_S)
    assert not alive
    store = TakeStore(tmp_path / "output" / "job" / "takes")
    keys = store.keys()
    assert len(keys) > 5
    assert all(read_record(store.folder / f"{key}.json", dict) and store.find(key) for key in keys)


@pytest.mark.slow
def test_ctrl_c_ends_it_all(under_way: tuple[subprocess.Popen[str], list[psutil.Process]]) -> None:
    """With a word on how to go on, and no traceback."""
    process, workers = under_way
    process.send_signal(signal.SIGINT)
    _out, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "Run the same command to go on." in said
    assert "Traceback" not in said
    _gone, alive = psutil.wait_procs(workers, timeout=WAIT_S)
    assert not alive


def test_a_client_whose_loop_has_ended_is_forgotten_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a Ctrl-C half way: nothing answers any more, and what waits in vain is told nobody at the end."""
    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    with local_cluster(share_cores(1, threads=1)) as address:
        client = connect(address, timeout_s=0.2)
        client._loop_runner.stop()
        del client
        gc.collect()
    assert unraisable == []
