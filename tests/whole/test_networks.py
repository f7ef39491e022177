"""Machines with a network between them: namespaces that share no folder, and cables that are pulled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import PODCAST
from tests.support.hosts import (
    SOON,
    Host,
    Hosts,
    Network,
    Running,
    made_here,
    network,
    report,
    sounds,
    takes_of,
    write_dia_job,
    write_job,
)
from tests.support.processes import WAIT_S
from tests.support.tiny_weights import write_weights

pytestmark = pytest.mark.slow
PORT = 8786  # of the scheduler, in a network of its own


class Lan:
    """A scheduler and the command on `main`, and workers on `one` and `two`, which do not see its folder."""

    def __init__(self, hosts: Hosts, wires: Network) -> None:
        self.hosts, self.wires = hosts, wires
        self.main = hosts.host("main", SOON, address=wires.address("main"), inside=wires.inside("main"))
        self.scheduler, self.address = hosts.scheduler(self.main, PORT)

    def host(self, name: str) -> Host:
        inside = self.wires.inside(name, without=self.main.folder)
        return self.hosts.host(name, SOON, address=self.wires.address(name), inside=inside)

    def worker(self, name: str, *options: str | Path) -> Running:
        return self.hosts.worker(self.host(name), self.address, *options)

    def render(self) -> Running:
        return self.hosts.start(self.main, PODCAST, "render", "job.yaml", "--cluster", self.address)


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    hosts = Hosts(tmp_path)
    with network("main", "one", "two") as wires:
        try:
            yield Lan(hosts, wires)
        finally:
            hosts.close()


def _listening(inside: tuple[str, ...], hosts: Hosts) -> set[str]:
    """Addresses that are listened on in a network."""
    told = hosts.host(f"look-{inside[3]}", inside=inside[:4]).run("ss", "-ltnH").stdout
    return {line.split()[3].rsplit(":", 1)[0] for line in told.splitlines()}


def test_a_pulled_cable_costs_nothing(lan: Lan) -> None:
    """The other worker goes on, the lost one comes back, and while both are away the job waits."""
    write_job(lan.main, 400)
    workers = [lan.worker(name) for name in ("one", "two")]
    for worker in workers:
        worker.wait_for("has joined")
    render = lan.render()
    render.see(lambda: takes_of(lan.main) > 10, "10 takes")
    lan.wires.plug("one", in_=False)
    before = takes_of(lan.main)
    render.see(lambda: takes_of(lan.main) > before + 10, "10 more takes")
    lan.wires.plug("two", in_=False)
    lan.scheduler.wait_for("Lost all workers")
    assert render.process.poll() is None
    for name in ("main", "one", "two"):
        assert _listening(lan.wires.inside(name), lan.hosts) == {lan.wires.address(name)}
    lan.wires.plug("one", in_=True)
    lan.scheduler.wait_for("name: one", times=3)
    assert render.process.wait(WAIT_S) == 0, render.said
    lan.wires.plug("two", in_=True)
    lan.scheduler.wait_for("name: two", times=3)
    assert report(lan.main)["takes"]["failed"] == 0
    assert sounds(lan.main.folder / "output/job") == made_here(lan.main)
    assert "Traceback" not in render.said + "".join(worker.said for worker in workers)
    for worker in workers:
        worker.end()


def test_dia_speaks_elsewhere_with_a_voice_that_is_only_here(lan: Lan, tmp_path: Path) -> None:
    """Prompts travel, weights do not, and a worker with other weights is left out."""
    weights = write_dia_job(lan.main)
    good, other = shutil.copytree(weights, tmp_path / "good"), write_weights(tmp_path / "other", seed=1, eos_bias=1.0)
    one, two = lan.worker("one", "--weights", good), lan.worker("two", "--weights", other)
    for worker in (one, two):
        worker.wait_for("has joined")
    result = lan.main.run(PODCAST, "render", "job.yaml", "--cluster", lan.address, "--weights", "weights")
    assert result.returncode == 0, result.stderr
    assert set(report(lan.main)["devices"]) == {"one"}
    assert sounds(lan.main.folder / "output/job") == made_here(lan.main, "--weights", "weights", "--device", "cpu")
    assert one.end() == 0
    assert not list((tmp_path / "one").rglob("prompt.flac")) + list((tmp_path / "one").rglob("clips/*"))
