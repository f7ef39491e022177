"""A real `podcast serve` with its own Prefect home, and what is asked of it from another terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.commands import SCRIPT
from tests.support.processes import WAIT_S, free_port, until

PREFECT = Path(sys.executable).with_name("prefect")
# `podcast` as on a machine where Prefect was never set up, but for the port of the server that it starts.
FIRST_TIME = """
import sys
from pipeline.night import prefect_server
from pipeline.cli.main import main

prefect_server.LOCAL_API = sys.argv.pop(1)
main()
"""
OTHER_PROFILE = '[profiles.other]\nPREFECT_API_URL = "http://other.example/api"\n'


@dataclass(frozen=True)
class Served:
    """A running `podcast serve`."""

    folder: Path
    env: Mapping[str, str]
    said: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """As with Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(WAIT_S)

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `prefect` command as in another terminal."""
        return self.run(PREFECT, *arguments)

    def run(self, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same with another program."""
        return subprocess.run(
            [program, *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )


def write_show(folder: Path, name: str, script: str = SCRIPT) -> Path:
    """A manifest with its script, the script first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(script)
    manifest = folder / f"{name}.yaml"
    manifest.write_text(f"title: {name}\nscript: {name}.md\ndeliver: [podcast]\n")
    return manifest


@contextmanager
def serving(folder: Path, *options: str, more: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A `podcast serve` for as long as the block lasts, the first on its machine; it leaves its server, as it says."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    (temporary / "runner_storage").touch()  # as good as another user's folder of that name
    env |= {"PREFECT_HOME": str(folder / "prefect"), "TMPDIR": str(temporary)}
    if not (folder / "prefect").exists():  # a second profile, which is none of our business
        (folder / "prefect").mkdir()
        (folder / "prefect/profiles.toml").write_text(f"[profiles.ephemeral]\n\n{OTHER_PROFILE}")
    env |= more or {}
    command = [sys.executable, "-c", FIRST_TIME, f"http://127.0.0.1:{free_port()}/api", "serve", *options]
    said = folder / "said"
    with said.open("w") as stderr:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=stderr, stderr=stderr)
    try:
        until(lambda: "serving podcast/render" in said.read_text() or process.poll() is not None, said.read_text)
        assert process.poll() is None, said.read_text()
        served = Served(folder, env, said, process)
        yield served
        if process.poll() is not None:  # the test saw to that
            return
        served.stop()
        until(lambda: len(family(served)) == 2, lambda: family(served))  # the server, its keeper; others find out
    finally:
        process.kill()
        process.wait(WAIT_S)
        subprocess.run([PREFECT, "server", "stop"], cwd=folder, env=env, capture_output=True, check=False)


def family(served: Served) -> set[int]:
    """`podcast serve`, its children, and the server it started, by their Prefect home."""
    mine = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT_HOME") == served.env["PREFECT_HOME"]:
                mine.add(process.pid)
        except (psutil.Error, OSError):
            continue
    return mine
