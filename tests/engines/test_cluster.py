"""The address of a scheduler, and who is let in there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pipeline.engines.cluster import certificate_environment, check_address, local_cluster, worker_pids
from pipeline.engines.crew import join_crew
from pipeline.engines.devices import share_cores
from pipeline.errors import RequestError
from tests.support.commands import PODCAST
from tests.support.faults import prose
from tests.support.processes import until


@pytest.mark.parametrize("address", ["", "foo", "127.0.0.1:8786", "tcp://127.0.0.1", "http://h:1", "tcp://h:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """With the form of one that is."""
    with pytest.raises(RequestError, match=re.escape(f'the scheduler: "{address}" is not its address. Write one such')):
        check_address(address, "client")


# What another process of this machine makes of the scheduler at an address, with the variables it is given.
CLIENT = """
import sys
from distributed import Client
try:
    with Client(sys.argv[1], timeout=10, set_as_default=False) as client:
        print("let in", client.submit(int, "7").result(10))
except Exception as error:
    print("refused", type(error).__name__)
"""


@pytest.mark.slow
def test_a_cluster_lets_in_only_who_has_its_certificate() -> None:
    """Whoever is let in can run code: no client without the certificate, with another, or without encryption."""

    def visit(address: str, certificate: dict[str, str]) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DASK_")} | certificate
        command = [sys.executable, "-c", CLIENT, address]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    workers = share_cores(1, threads=1)
    with local_cluster(workers):
        another = certificate_environment()
    with local_cluster(workers) as address:
        own = certificate_environment()
        assert address.startswith("tls://127.0.0.1:")
        assert visit(address, own).startswith("let in 7")
        for address_tried, certificate in ((address, {}), (address, another), (address.replace("tls", "tcp"), {})):
            assert visit(address_tried, certificate).startswith("refused")
        for host, port in _listening():
            assert host == "127.0.0.1"
            assert not _answers_in_the_open(port)
        secret = own["DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"].splitlines()[1]
        assert not [process.pid for process in psutil.process_iter() if secret in " ".join(_arguments(process))]


@pytest.mark.slow
def test_nobody_is_let_in_during_a_bulk_render(tmp_path: Path) -> None:
    """By any port of the command and its workers."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.md").write_text(prose(20_000, seed=len(name)))
        (tmp_path / f"{name}.yaml").write_text(f"title: {name}\nscript: {name}.md\ndeliver: [podcast]\n")
    command: list[str | Path] = [PODCAST, "render", "one.yaml", "two.yaml", "--device", "cpu:2x1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as rendering:
        until(lambda: list(tmp_path.glob("output/*/takes/*.json")), rendering.poll)
        places = _listening(rendering.pid)
        assert {host for host, _port in places} == {"127.0.0.1"}
        assert not [port for _host, port in places if _answers_in_the_open(port)]
        visitors = [
            subprocess.Popen([sys.executable, "-c", CLIENT, f"{protocol}://127.0.0.1:{port}"], stdout=subprocess.PIPE)
            for _host, port in places
            for protocol in ("tcp", "tls")
        ]
        for visitor in visitors:
            assert visitor.communicate()[0].startswith(b"refused")
        assert rendering.poll() is None, "the render is not long enough for this test"
        rendering.send_signal(signal.SIGINT)
    assert rendering.returncode == 130


def _listening(pid: int | None = None) -> set[tuple[str, int]]:
    """Where a process, this one, and its children listen."""
    me = psutil.Process(pid)
    family = {me.pid, *(child.pid for child in me.children(recursive=True))}
    found = [c for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in family]
    assert len(found) >= 3  # scheduler, nanny, worker
    return {(connection.laddr.ip, connection.laddr.port) for connection in found if connection.laddr}


def _answers_in_the_open(port: int) -> bytes:
    """The first of what is said to somebody who asks for a page, unencrypted."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        try:
            return connection.recv(1000)
        except (ConnectionError, TimeoutError):  # on a busy machine it may not be hung up on for long
            return b""


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
@pytest.mark.parametrize("moment_s", [0.05, 0.3])
def test_a_worker_that_is_slow_to_start_is_waited_for(moment_s: float) -> None:
    """On a busy machine it may take longer than any patience for connections; as long as it lives it will come."""
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        until(lambda: [child for child in psutil.Process().children() if "spawn_main" in " ".join(_arguments(child))])
        time.sleep(moment_s)
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(_arguments(child)):
                child.suspend()
                frozen.append(child)
        time.sleep(12)
        for child in frozen:
            child.resume()

    with ThreadPoolExecutor(1) as thread:
        freezing = thread.submit(freeze)
        with local_cluster(share_cores(1, threads=1)) as address, join_crew(address) as crew:
            assert crew.capacities().keys() == {"cpu"}
            assert worker_pids().keys() == {"cpu"}
        freezing.result()
    assert frozen
