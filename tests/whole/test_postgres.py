"""Prefect's server on PostgreSQL: flow runs are rows there, and the password is written nowhere."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil
import pytest

from tests.support.commands import PODCAST
from tests.support.hosts import Host, Hosts, sounds, takes_of, write_job
from tests.support.processes import WAIT_S, free_port, until

pytestmark = pytest.mark.slow
PREFECT = Path(sys.executable).with_name("prefect")
PASSWORD = "hunter2-pgpass"


@dataclass(frozen=True)
class Postgres:
    """A server of the test's own, on loopback, that asks for a password."""

    port: int

    def url(self, driver: str) -> str:
        return f"{driver}://prefect:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def rows(self, query: str) -> list[tuple[object, ...]]:
        async def ask() -> list[tuple[object, ...]]:
            connection = await asyncpg.connect(self.url("postgresql"))
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(ask())


def _program(name: str) -> Path:
    """Of PostgreSQL, which Debian keeps off the path. Skips the test where there is none."""
    found = (
        [Path(there)] if (there := shutil.which(name)) else sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    )
    if not found:
        pytest.skip(f"PostgreSQL is not installed: there is no {name}")
    return found[-1]


def _as_postgres(folder: Path) -> list[str]:
    """What leads the commands of a server, which owns `folder`: root's own it refuses."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """In a folder outside pytest's, which only root may enter."""
    initdb, server = _program("initdb"), _program("postgres")
    with TemporaryDirectory(prefix="podcast-postgres-", ignore_cleanup_errors=True) as made:
        folder, port = Path(made), free_port()
        try:
            user = _as_postgres(folder)
        except LookupError:
            pytest.skip("this is root, whom PostgreSQL refuses, and there is no user postgres")
        (folder / "secret").write_text(PASSWORD)
        how = ("-U", "prefect", "--auth=scram-sha-256", "--pwfile", "secret", "--no-sync", "-E", "UTF8")
        done = subprocess.run([*user, initdb, "-D", "data", *how], cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        (folder / "secret").unlink()
        where = ("-h", "127.0.0.1", "-p", str(port), "-k", made)
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen([*user, server, "-D", "data", "-F", *where], cwd=folder, stderr=log)
        try:
            ready = "ready to accept connections"
            until(lambda: ready in (folder / "log").read_text(), (folder / "log").read_text)
            yield Postgres(port)
        finally:
            running.send_signal(signal.SIGINT)  # it ends without waiting for those who are connected
            running.wait(WAIT_S)


def _listening(env: str, value: str) -> set[str]:
    """Addresses that processes with this in their environment listen on."""
    pids = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get(env) == value:
                pids.add(process.pid)
        except (psutil.Error, OSError):
            continue
    found = [c.laddr for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in pids]
    return {str(next(iter(address))) for address in found}


def _serving(hosts: Hosts, postgres: Postgres) -> Host:
    """A machine whose Prefect keeps its records in `postgres`."""
    return hosts.host(
        "main",
        {
            "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
            "PREFECT_API_DATABASE_CONNECTION_URL": postgres.url("postgresql+asyncpg"),
        },
    )


def test_a_flow_run_is_a_row_in_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    """`podcast serve` starts a server on it, its takes are the command's, and nobody tells the password."""
    hosts = Hosts(tmp_path)
    main = _serving(hosts, postgres)
    write_job(main, 4)
    try:
        serve = hosts.start(main, PODCAST, "serve", "--device", "cpu:1x1")
        serve.wait_for("serving podcast/render")
        run = main.run(PREFECT, "deployment", "run", "podcast/render", "--param", "manifest=job.yaml", "--watch")
        assert run.returncode == 0, run.stdout + run.stderr + serve.said
        assert takes_of(main) == 4
        assert postgres.rows("SELECT state_type::text FROM flow_run") == [("COMPLETED",)]
        assert len(postgres.rows("SELECT id FROM task_run")) > 0
        assert _listening("PREFECT_HOME", main.env["PREFECT_HOME"]) <= {"127.0.0.1", "::1"}
        here = main.run(PODCAST, "render", "job.yaml", "--out", "here")
        assert here.returncode == 0, here.stderr
        assert sounds(main.folder / "output/job") == sounds(main.folder / "here/job")
        assert serve.end() in (0, 130)
        assert "Traceback" not in serve.said
    finally:
        main.run(PREFECT, "server", "stop")
        hosts.close()
    assert PASSWORD not in run.stdout + run.stderr + here.stderr
    written = [path for path in main.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]
