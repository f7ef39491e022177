"""Whatever is killed, cut, full or wrong, no finished take is lost or rendered twice.

Every kind of fault strikes at each run of the tests, once or more. With TESTS_FAULTS=all it is more than a
hundred times in all, for the table in docs/reliability.md.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import SUMMARIES
from tests.support.faults import ALL, Disk, assert_same, made, prose, render_here, scenes, take_records, takes_of
from tests.support.overnight_faults import CLOCK, Command, Ledger, Stage, Wire, Work, python
from tests.support.processes import WAIT_S, free_port, until
from tests.support.tiny_weights import write_weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """Of all faults of this file; its table is printed at the end of the session."""
    book = Ledger()
    yield book
    request.config.stash.setdefault(SUMMARIES, []).append(book.table())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    place = Stage(tmp_path)
    yield place
    place.clear()


def write_job(folder: Path, script: str, name: str = "job") -> Path:
    """A manifest with its script; the job's folder will be the one returned."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"{name}.md").write_text(script)
    (folder / f"{name}.yaml").write_text(f"title: A test\nscript: {name}.md\ndeliver: [flac]\n")
    return folder / "output" / name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """What a script comes to where nothing goes wrong: the hash of every file."""
    known: dict[str, dict[str, str]] = {}

    def render(script: str) -> dict[str, str]:
        if script not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            write_job(folder, script)
            known[script] = made(render_here(folder, engine="draft"))
        return known[script]

    return render


def render_in_spite_of(
    work: Work, job: Path, start: Callable[[], Command], strike: Callable[[Command], object], times: int
) -> Iterator[None]:
    """Strike so many times while a job is rendered. Where it is done too soon it is rendered again, from nothing.

    Comes back whenever the job is done, before anything of it is removed.
    """
    while True:
        command = start()
        work.go_on_or_end(command)
        while work.struck < times and not command.is_over():
            strike(command)
            work.go_on_or_end(command)
        work.finish(command.is_over)
        assert command.ended() == 0, command.said.read_text()
        yield
        if work.struck == times:
            return
        shutil.rmtree(job)
        work.start_again()


def kill_a_worker(stage: Stage, work: Work, draw: random.Random, name: str, command: Command) -> None:
    """At a random moment."""
    time.sleep(draw.uniform(0, 0.4))
    until(lambda: stage.workers() or command.is_over())
    if workers := stage.workers():
        work.strike(name, draw.choice(workers).kill)


def test_workers_are_killed(stage: Stage, ledger: Ledger, undisturbed: Callable[..., dict[str, str]]) -> None:
    """The command goes on with the others and a new one, and every chunk is rendered once."""
    script, draw = scenes(300), random.Random(1)
    job = write_job(stage.folder, script)
    work = Work(ledger, job)
    kill = partial(kill_a_worker, stage, work, draw, "kill -9 of a worker")
    start = partial(stage.start, "render", "job.yaml", "--device", "cpu:2x1")
    for _done in render_in_spite_of(work, job, start, kill, 46 if ALL else 4):
        assert takes_of(job) == {"total": 300, "rendered": 300, "reused": 0, "failed": 0}
        assert_same(job, undisturbed(script))
    stage.assert_left_alone()


def test_workers_with_weights_are_killed(stage: Stage, ledger: Ledger) -> None:
    """The same on the Dia engine, whose workers have loaded weights and make many takes at once."""
    job, draw = write_job(stage.folder, scenes(12)), random.Random(2)
    # Random weights speak noise, again and again.
    with (stage.folder / "job.yaml").open("a") as manifest:
        manifest.write("checks: {retakes: 0}\n")
    weights = write_weights(stage.folder / "weights", eos_bias=3.0)
    options = ("--engine", "dia", "--weights", weights, "--device", "cpu:2x1")
    assert stage.start("render", "job.yaml", *options, "--out", "reference").ended() == 0
    reference = made(stage.folder / "reference" / "job")
    work = Work(ledger, job)
    kill = partial(kill_a_worker, stage, work, draw, "kill -9 of a worker with weights")
    for _done in render_in_spite_of(
        work, job, partial(stage.start, "render", "job.yaml", *options), kill, 6 if ALL else 1
    ):
        assert takes_of(job) == {"total": 12, "rendered": 12, "reused": 0, "failed": 0}
        assert_same(job, reference)
    stage.assert_left_alone()


@pytest.mark.parametrize(
    ("number", "times"),
    [(signal.SIGKILL, 10 if ALL else 2), (signal.SIGTERM, 4 if ALL else 1), (signal.SIGINT, 4 if ALL else 1)],
)
def test_the_main_process_is_killed(
    number: signal.Signals, times: int, stage: Stage, ledger: Ledger, undisturbed: Callable[..., dict[str, str]]
) -> None:
    """Among three jobs that share two workers: the workers go too, and the same command goes on."""
    scripts = {name: prose(800, seed=seed) for seed, name in enumerate("abc")}
    jobs = {name: write_job(stage.folder, script, name) for name, script in scripts.items()}
    work, draw = Work(ledger, *jobs.values()), random.Random(number)
    told = f"{number.name} of the main process"
    whole = False
    while work.struck < times or not whole:
        command = stage.start("render", *(f"{name}.yaml" for name in scripts), "--device", "cpu:2x1")
        if work.struck < times and not ended_before(draw, command, work):
            work.strike(told, partial(command.process.send_signal, number))
            whole = False
            code = command.ended()  # 0: it was just ending by itself
            assert code in (0, 130 if number != signal.SIGKILL else -number), command.said.read_text()
            stage.assert_left_alone()
            continue
        work.finish(command.is_over)
        assert command.ended() == 0, command.said.read_text()
        whole = True
        # A take that was made and did not stand, as it was bad, is kept too and counted in no report.
        counts = {job: takes_of(job) for job in jobs.values()}
        unused = sum(len(take_records(job)) - count["total"] for job, count in counts.items())
        assert sum(count["reused"] for count in counts.values()) + unused >= work.kept
        for name, job in jobs.items():
            assert_same(job, undisturbed(scripts[name]))
            shutil.rmtree(job)
        work.start_again()


def ended_before(draw: random.Random, command: Command, work: Work) -> bool:
    """Wait for a random moment, seldom before a take was finished; whether the command has ended by itself by then."""
    if draw.random() < 0.8:
        work.go_on_or_end(command)
    moment_s = time.monotonic() + draw.uniform(0.5, 1.5)
    while time.monotonic() < moment_s and command.process.poll() is None:
        work.goes_on()
        time.sleep(0.01)
    return command.process.poll() is not None


def start_scheduler(stage: Stage, port: int) -> Command:
    command = stage.start(
        "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", program=python("dask")
    )
    until(lambda: answers(port), command.lives)
    return command


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def set_clock(clock: Path, hours: int) -> None:
    """At one stroke: a file that is being written reads as nothing, which would be a jump of its own."""
    new = clock.with_suffix(".new")
    new.write_text(str(hours * 3600))
    new.replace(clock)


def test_the_scheduler_is_killed(stage: Stage, ledger: Ledger, undisturbed: Callable[..., dict[str, str]]) -> None:
    """Workers join the next one by themselves, and the command goes on as if nothing had been."""
    script, port = scenes(300), free_port()
    job, address = write_job(stage.folder, script), f"tcp://127.0.0.1:{port}"
    schedulers = [start_scheduler(stage, port)]
    for name in ("one", "two"):
        stage.start("worker", "--scheduler", address, "--device", "cpu", "--name", name)
    work, draw = Work(ledger, job), random.Random(4)

    def kill_it(_command: Command) -> None:
        time.sleep(draw.uniform(0, 0.4))
        work.strike("kill -9 of the scheduler", schedulers[-1].process.kill)
        schedulers[-1].process.wait()
        schedulers.append(start_scheduler(stage, port))

    start = partial(stage.start, "render", "job.yaml", "--cluster", address)
    for _done in render_in_spite_of(work, job, start, kill_it, 6 if ALL else 1):
        assert takes_of(job) == {"total": 300, "rendered": 300, "reused": 0, "failed": 0}
        assert_same(job, undisturbed(script))


def test_the_network_is_cut(stage: Stage, ledger: Ledger, undisturbed: Callable[..., dict[str, str]]) -> None:
    """Between a worker and its scheduler: the others go on, and the worker joins again when it can."""
    script, port = scenes(300), free_port()
    job = write_job(stage.folder, script)
    start_scheduler(stage, port)
    wire = Wire(port)
    stage.start("worker", "--scheduler", f"tcp://127.0.0.1:{port}", "--device", "cpu", "--name", "near")
    far = stage.start("worker", "--scheduler", f"tcp://127.0.0.1:{wire.port}", "--device", "cpu", "--name", "far")
    until(lambda: far.says("far has joined"), far.lives)
    work, draw = Work(ledger, job), random.Random(5)

    def cut_it(command: Command) -> None:
        time.sleep(draw.uniform(0, 0.4))
        work.strike("network cut between worker and scheduler", wire.cut)
        work.go_on_or_end(command)
        wire.mend()

    start = partial(stage.start, "render", "job.yaml", "--cluster", f"tcp://127.0.0.1:{port}")
    for _done in render_in_spite_of(work, job, start, cut_it, 6 if ALL else 1):
        assert takes_of(job) == {"total": 300, "rendered": 300, "reused": 0, "failed": 0}
        assert_same(job, undisturbed(script))


class Drops:
    """A drop folder, and the jobs of what has been dropped there. There is always something to do."""

    def __init__(self, stage: Stage, ledger: Ledger, script: str, *names: str) -> None:
        self._stage, self._script = stage, script
        self.folder = stage.folder / "drop"
        self.jobs = {name: self._drop(name) for name in names}
        self.work = Work(ledger, *self.jobs.values())

    def _drop(self, name: str) -> Path:
        write_job(self.folder / "inbox", self._script, name)
        return self._stage.folder / "output" / name

    def are_done(self) -> bool:
        return all((self.folder / "done" / name / f"{name}.yaml").exists() for name in self.jobs)

    def keep_busy(self) -> None:
        """Drop one more where all are done."""
        if self.are_done():
            name = f"more-{len(self.jobs)}"
            self.jobs[name] = self._drop(name)
            self.work.add(self.jobs[name])

    def go_on(self) -> bool:
        """Whether a take of what is not done yet has been finished since the last fault."""
        self.keep_busy()
        return self.work.goes_on()


def test_a_watcher_is_killed(stage: Stage, ledger: Ledger, undisturbed: Callable[..., dict[str, str]]) -> None:
    """Of two that share a drop folder the other takes up what it left, and so does the next start."""
    script, draw = scenes(50), random.Random(6)
    drops = Drops(stage, ledger, script, "a", "b", "c", "d")
    watch = ("watch", "drop", "--device", "cpu:1x1", "--at-once", "1")
    watchers = [stage.start(*watch), stage.start(*watch)]
    for _kill in range(6 if ALL else 1):
        until(drops.go_on)
        time.sleep(draw.uniform(0, 1))
        victim = watchers.pop(draw.randrange(2))
        until(partial(victim.says, "watching"), victim.lives)
        drops.work.strike("kill -9 of a watcher", victim.process.kill)
        watchers.append(stage.start(*watch))
    drops.work.finish(drops.are_done)
    for watcher in watchers:
        watcher.process.send_signal(signal.SIGINT)
        assert watcher.ended() == 130
    stage.assert_left_alone()
    assert list(drops.folder.glob("failed/*")) == list(drops.folder.glob("running/*")) == []
    for job in drops.jobs.values():
        takes_of(job)
        assert_same(job, undisturbed(script))


def test_prefect_and_what_it_runs_are_killed(
    stage: Stage, ledger: Ledger, undisturbed: Callable[..., dict[str, str]]
) -> None:
    """A served drop folder outlives its Prefect server, its flow runs, its workers, and itself."""
    script = scenes(200)
    drops = Drops(stage, ledger, script, "a")
    stage.env["PREFECT_API_URL"] = f"http://127.0.0.1:{free_port()}/api"
    faults = [
        ("flow run", ("prefect.engine",)),
        ("Prefect server", ("prefect.server",)),
        ("worker under Prefect", ("spawn_main",)),
        ("podcast serve", ("podcast", "serve")),
        ("Prefect server", ("prefect.server",)),
        ("flow run", ("prefect.engine",)),
    ]
    for name, words in faults if ALL else faults[2:]:
        if not stage.processes("podcast", "serve"):
            serving = stage.start("serve", "--watch", "drop", "--device", "cpu:2x1")
            until(partial(serving.says, "serving podcast"), serving.lives)
        until(drops.go_on, serving.lives)
        while not (victims := stage.processes(*words)):  # a flow run is over with its job
            drops.keep_busy()
            serving.lives()
            time.sleep(0.1)
        drops.work.strike(f"kill -9 of {name}", victims[0].kill)
        if name == "podcast serve":
            serving.process.wait()
    drops.work.finish(drops.are_done)
    for job in drops.jobs.values():
        takes_of(job)
        assert_same(job, undisturbed(script))
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(WAIT_S) in (0, 130)  # it tells of lost connections, tracebacks and all: that is Prefect
    kept = ("prefect.server", "prefect_keeper")  # they stay, as it says
    until(lambda: len(stage.processes()) == sum(len(stage.processes(word)) for word in kept))


def test_the_disk_is_full_or_read_only(
    stage: Stage, ledger: Ledger, undisturbed: Callable[..., dict[str, str]], disk: Disk
) -> None:
    """The command ends with code 1 and says so; with room again it goes on where it was."""
    script = scenes(60)
    write_job(stage.folder, script)
    job = stage.folder / "disk" / "job"
    work = Work(ledger, job)
    command = ("render", "job.yaml", "--device", "cpu:1x1", "--out", "disk", "--no-disk-check")
    for size in ("64k", "1m", "1500k"):
        disk(f"size={size}")
        started = stage.start(*command)
        work.strike("disk full", started.process.wait)
        assert started.ended() == 1, started.said.read_text()
        assert "the disk is full" in started.said.read_text(), size
    for _time in range(2 if ALL else 1):
        disk("size=200m,ro")
        work.strike("folder unwritable", lambda: None)
        started = stage.start(*command)
        assert started.ended() == 1, started.said.read_text()
        assert "the file system is read-only" in started.said.read_text()
    disk("size=200m,rw")
    last = stage.start(*command)
    work.finish(last.is_over)
    assert last.ended() == 0, last.said.read_text()
    assert takes_of(job)["reused"] == work.kept > 0
    assert_same(job, undisturbed(script))
    stage.assert_left_alone()


@pytest.mark.parametrize(("devices", "jumps"), [(("--device", "cpu:2x1"), (1, 26, 48)), ((), (25, -25, 0, -400, 12))])
def test_the_clock_jumps(
    devices: tuple[str, ...],
    jumps: tuple[int, ...],
    stage: Stage,
    ledger: Ledger,
    undisturbed: Callable[..., dict[str, str]],
) -> None:
    """For all processes at once, by hours: nothing waits for another time to come.

    Not back where there are workers: Dask may wait for the time it was.
    """
    script = scenes(300)
    job = write_job(stage.folder, script)
    (stage.folder / "sitecustomize.py").write_text(CLOCK)
    clock = stage.folder / "clock"
    stage.env |= {"PYTHONPATH": str(stage.folder), "PODCAST_TEST_CLOCK": str(clock)}
    work = Work(ledger, job)

    def jump(_command: Command) -> None:
        work.strike("clock jump", partial(set_clock, clock, jumps[work.struck]))

    for _done in render_in_spite_of(work, job, partial(stage.start, "render", "job.yaml", *devices), jump, len(jumps)):
        assert takes_of(job) == {"total": 300, "rendered": 300, "reused": 0, "failed": 0}
        assert_same(job, undisturbed(script))
    stage.assert_left_alone()


def test_every_kind_of_fault_has_struck_and_nothing_is_lost(ledger: Ledger) -> None:
    """Of all that was struck in this file, everything went on, and no finished take was lost or made twice."""
    assert len({fault.name for fault in ledger.faults}) >= 13  # and two of a disk, where one can be mounted
    assert len(ledger.faults) >= (100 if ALL else 15)
    assert [fault for fault in ledger.faults if fault.lost or fault.seconds is None] == []
