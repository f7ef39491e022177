"""Machines as far as tests need them: each has a folder, an environment, and where asked for a network of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from tests.support.commands import PODCAST
from tests.support.faults import take_records
from tests.support.processes import WAIT_S, until
from tests.support.tiny_weights import write_weights

DASK = Path(sys.executable).with_name("dask")
# How soon a peer that is silent is given up, instead of 30 s: the least that Dask takes.
SOON = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s"}
_FOREIGN = ("DASK_", "PREFECT_", "PODCAST_", "AWS_")


@dataclass(frozen=True)
class Running:
    """A command that runs, and the file it speaks into."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, words: str, times: int = 1) -> None:
        """Wait until it has said that."""
        self.see(lambda: self.said.count(words) >= times, words)

    def see(self, there: Callable[[], object], what: str) -> None:
        """Wait for what must come while it runs."""
        until(lambda: there() or self.process.poll() is not None, lambda: f"{what} is missing: {self.said}")
        assert there(), f"it ended with {self.process.returncode} before {what}: {self.said}"

    def family(self) -> list[psutil.Process]:
        """It and all its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            me = psutil.Process(self.process.pid)
            return [me, *me.children(recursive=True)]
        return []

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """It and its children stand still while the block lasts."""
        family = self.family()
        for process in family:
            process.suspend()
        yield
        for process in family:
            process.resume()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and give the exit code; fails where a child outlives it that is no Prefect server."""
        family = [(process, " ".join(process.cmdline())) for process in self.family()[1:]]
        children = [
            process for process, words in family if "prefect_keeper" not in words and "prefect.server" not in words
        ]
        self.process.send_signal(number)
        code = self.process.wait(WAIT_S)
        _gone, alive = psutil.wait_procs(children, WAIT_S)
        assert not alive
        return code


@dataclass(frozen=True)
class Host:
    """A machine."""

    name: str
    folder: Path
    env: Mapping[str, str]
    address: str = "127.0.0.1"
    inside: tuple[str, ...] = ()  # the command that leads into its network

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*self.inside, *map(str, command)],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=WAIT_S * 2, check=False,
        )  # fmt: skip


@dataclass
class Hosts:
    """The machines of a test. What still runs on them at its end is ended."""

    root: Path
    _running: list[Running] = field(default_factory=list)

    def host(
        self,
        name: str,
        env: Mapping[str, str] | None = None,
        *,
        address: str = "127.0.0.1",
        inside: tuple[str, ...] = (),
    ) -> Host:
        """A machine with an empty folder, and a folder of its own for what is temporary."""
        folder = self.root / name
        (folder / "tmp").mkdir(parents=True)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        clean |= {"TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1", "PREFECT_HOME": str(folder / "prefect")}
        return Host(name, folder, clean | dict(env or {}), address, inside)

    def start(self, host: Host, *command: str | Path) -> Running:
        """Start a command, and go on."""
        log = host.folder / f"said-{len(self._running)}"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [*host.inside, *map(str, command)], cwd=host.folder, env=host.env, stdout=said, stderr=said
            )
        running = Running(process, log)
        self._running.append(running)
        return running

    def scheduler(self, host: Host, port: int, protocol: str = "tcp") -> tuple[Running, str]:
        """Dask's scheduler, as README starts it, and its address."""
        dashboard = ("--no-dashboard", "--dashboard-address", f"{host.address}:0")
        where = ("--host", host.address, "--port", str(port), "--protocol", protocol)
        running = self.start(host, DASK, "scheduler", *where, *dashboard)
        running.wait_for("Scheduler at")
        return running, f"{protocol}://{host.address}:{port}"

    def worker(self, host: Host, scheduler: str, *options: str | Path) -> Running:
        """A worker with one CPU, which need not have joined yet."""
        return self.start(
            host, PODCAST, "worker", "--scheduler", scheduler, "--device", "cpu", "--name", host.name, *options
        )

    def close(self) -> None:
        """End all that runs."""
        left = [process for running in self._running for process in running.family()]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, WAIT_S)
        for running in self._running:
            running.process.wait(WAIT_S)

    def listening(self, *started: Running) -> set[str]:
        """Addresses that the processes of `started` listen on."""
        pids = {process.pid for running in started for process in running.family()}
        found = [c.laddr for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in pids]
        return {str(next(iter(address))) for address in found}


@dataclass(frozen=True)
class Network:
    """A switch with a cable to each of several network namespaces, all of it apart from the machine's own network."""

    prefix: str
    names: tuple[str, ...]

    def address(self, name: str) -> str:
        return f"10.77.0.{self.names.index(name) + 1}"

    def inside(self, name: str, *, without: Path | None = None) -> tuple[str, ...]:
        """The command that runs another in there; it does not see what is in the folder `without`."""
        there = ("ip", "netns", "exec", f"{self.prefix}-{name}")
        hide = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(without))
        return there if without is None else (*there, *hide)

    def plug(self, name: str, *, in_: bool) -> None:
        """Pull the cable of `name`, or plug it in."""
        _ip("-n", f"{self.prefix}-switch", "link", "set", f"to-{name}", "up" if in_ else "down")


@contextlib.contextmanager
def network(*names: str) -> Iterator[Network]:
    """Network namespaces with loopback and one cable each. Skips the test where this machine permits none."""
    prefix = f"podcast-{os.getpid()}"
    switch = f"{prefix}-switch"
    try:
        try:
            _ip("netns", "add", switch)
            _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
            _ip("-n", switch, "link", "set", "bridge", "up")
            for number, name in enumerate(names, 1):
                there, port = f"{prefix}-{name}", f"to-{name}"
                _ip("netns", "add", there)
                _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", there)
                _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
                _ip("-n", there, "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
                _ip("-n", there, "link", "set", "eth0", "up")
                _ip("-n", there, "link", "set", "lo", "up")
                _ip("netns", "exec", there, "true")
        except (OSError, subprocess.CalledProcessError) as error:
            told = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
            pytest.skip(f"network namespaces are not permitted here: {told}")
        yield Network(prefix, names)
    finally:
        with contextlib.suppress(OSError):
            for name in (*names, "switch"):
                subprocess.run(["ip", "netns", "delete", f"{prefix}-{name}"], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)


def write_job(host: Host, takes: int) -> Path:
    """A job of so many takes, all of them short."""
    said = "\n\n---\n\n".join(f"Scene {number} is about rivers." for number in range(takes))
    (host.folder / "job.md").write_text(f"# One\n\n{said}\n")
    manifest = host.folder / "job.yaml"
    manifest.write_text("title: Rivers\nscript: job.md\ndeliver: [flac]\n")
    return manifest


def write_dia_job(host: Host) -> Path:
    """The same for Dia, six takes with a voice of its own; gives the folder of its tiny weights."""
    manifest = write_job(host, 6)
    manifest.write_text(
        manifest.read_text() + "engine: dia\nnarrator: mine\ndia: {max_seconds: 1.5}\nchecks: {retakes: 0}\n"
    )
    voice = host.folder / "voices/mine"
    voice.mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal(4 * 44_100) * 0.1
    soundfile.write(voice / "prompt.flac", np.clip(noise, -1, 1), 44_100, subtype="PCM_24")
    body = {"description": "d", "consent": "made by a generator", "prompt": "prompt.flac"}
    (voice / "voice.yaml").write_text(json.dumps(body | {"transcript": "One two three four five six seven eight."}))
    return write_weights(host.folder / "weights", eos_bias=1.0)


def sounds(job: Path) -> dict[str, str]:
    """Hashes of all takes, chapters and deliverables."""
    found = {
        path.relative_to(job).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in job.rglob("*.flac")
    }
    assert found
    return found


def report(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((host.folder / "output/job/report.json").read_text())
    return found


def made_here(host: Host, *options: str | Path) -> dict[str, str]:
    """What one process makes of the same job."""
    result = host.run(PODCAST, "render", "job.yaml", "--out", "here", *options)
    assert result.returncode == 0, result.stderr
    return sounds(host.folder / "here/job")


def takes_of(host: Host) -> int:
    return len(take_records(host.folder / "output/job"))
