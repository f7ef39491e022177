"""What the fault suite shares: a stage whose processes can be found and killed, and a ledger of what that cost."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.commands import PODCAST
from tests.support.faults import finished_takes, take_records
from tests.support.processes import WAIT_S, free_port, until

_MARK = "PODCAST_FAULT_SUITE"


@dataclass
class Fault:
    """One fault, and when the work went on after it."""

    name: str
    struck_s: float
    seconds: float | None = None
    lost: int = 0


@dataclass
class Ledger:
    """Every fault of the suite."""

    faults: list[Fault] = field(default_factory=list)

    def table(self) -> str:
        """One line for each kind of fault."""
        names = list(dict.fromkeys(fault.name for fault in self.faults))
        rows = [("fault", "times", "recovered", "lost", "seconds to go on, median", "most")]
        for name in [*names, "all"]:
            of_name = [fault for fault in self.faults if name in (fault.name, "all")]
            waits = [fault.seconds for fault in of_name if fault.seconds is not None]
            median, most = (f"{find(waits):.1f}" if waits else "-" for find in (statistics.median, max))
            lost = sum(fault.lost for fault in of_name)
            rows.append((name, str(len(of_name)), str(len(waits)), str(lost), median, most))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


class Work:
    """Jobs that faults strike. A take that was finished before one must be the same file, untouched, for ever."""

    def __init__(self, ledger: Ledger, *jobs: Path) -> None:
        self._ledger, self._jobs = ledger, list(jobs)
        self._kept: dict[tuple[Path, str], object] = {}
        self._open: list[Fault] = []
        self._count = 0
        self.struck = 0  # faults so far

    def strike(self, name: str, deed: Callable[[], object]) -> None:
        """Let a fault happen, and remember what was finished before it."""
        self.check()
        self._kept = {(job, key): stamp for job in self._jobs for key, stamp in finished_takes(job).items()}
        self._count = self._takes()
        fault = Fault(name, time.monotonic())
        self._ledger.faults.append(fault)
        self._open.append(fault)
        self.struck += 1
        deed()

    def goes_on(self) -> bool:
        """Whether a take has been finished since the last fault."""
        if self._takes() <= self._count:
            return False
        self.went_on()
        return True

    def go_on_or_end(self, command: Command) -> None:
        """Wait until a take has been finished since the last fault, or the command has ended."""
        until(lambda: self.goes_on() or command.is_over())

    def went_on(self) -> None:
        """All faults so far are overcome: the work goes on, or is done."""
        for fault in self._open:
            fault.seconds = time.monotonic() - fault.struck_s
        self._open.clear()

    def finish(self, over: Callable[[], object]) -> None:
        """Wait for the end of the work, and see what it came to."""
        until(lambda: (self.goes_on(), over())[1])
        self.went_on()
        self.check()

    def check(self) -> None:
        """See that every take that was finished at the last fault is there, and that nobody has written it again."""
        if not self._kept:
            return
        now = {(job, key): stamp for job in self._jobs for key, stamp in finished_takes(job).items()}
        lost = [key for key, stamp in self._kept.items() if now.get(key) != stamp]
        self._ledger.faults[-1].lost += len(lost)
        assert lost == []

    def add(self, job: Path) -> None:
        """Another job, where all others are done: what goes on from here is this one."""
        self.went_on()
        self._jobs.append(job)
        self._count = self._takes()

    def start_again(self) -> None:
        """The jobs have been removed."""
        self._kept, self._count = {}, 0

    @property
    def kept(self) -> int:
        """Takes that were finished at the last fault."""
        return len(self._kept)

    def _takes(self) -> int:
        return sum(len(take_records(job)) for job in self._jobs)


class Stage:
    """A folder to run commands in. Whatever they start, and whatever that starts, is known by its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = uuid.uuid4().hex
        machine = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PODCAST_"))}
        self.env = machine | {_MARK: self._mark, "PREFECT_HOME": str(folder / "prefect")}
        self._logs = 0

    def start(self, *arguments: str | Path, program: str | Path = PODCAST) -> Command:
        """Begin a command in a session of its own; what it says is kept in a file."""
        self._logs += 1
        said = self.folder / f"said-{self._logs}"
        with said.open("w") as out:
            process = subprocess.Popen(
                [program, *map(str, arguments)],
                cwd=self.folder,
                env=self.env,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return Command(process, said)

    def processes(self, *words: str) -> list[psutil.Process]:
        """Those that live, and have all `words` in their command lines."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    line = " ".join(process.cmdline())
                    found += [process] * all(word in line for word in words)
        return found

    def workers(self) -> list[psutil.Process]:
        """The processes that speak."""
        return self.processes("spawn_main")

    def assert_left_alone(self) -> None:
        """See that nothing goes on running. A worker finds out by itself that nobody is left, in a moment."""
        until(lambda: not self.processes(), self.processes)

    def clear(self) -> None:
        """Kill what is left."""
        while left := self.processes():
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(left, 1)


@dataclass(frozen=True)
class Command:
    """A command that was started."""

    process: subprocess.Popen[bytes]
    said: Path

    def ended(self) -> int:
        """Wait for its end; its exit code. What it said must be for people."""
        code = self.process.wait(WAIT_S)
        told = self.said.read_text()
        assert "Traceback" not in told, told
        assert "Exception ignored" not in told, told
        return code

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def lives(self) -> None:
        """Fail if it has ended."""
        assert self.process.poll() is None, f"it ended too early ({self.process.returncode}): {self.said.read_text()}"

    def says(self, words: str) -> bool:
        """Whether it has said so by now."""
        return words in self.said.read_text()


def python(name: str) -> Path:
    """A program of this Python."""
    return Path(sys.executable).with_name(name)


class Wire:
    """A way to a port of this machine that can be cut: every connection breaks, none is taken until it is mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = free_port()
        self._door: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self.mend()

    def mend(self) -> None:
        """Take connections."""
        self._door = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._listen, args=(self._door,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and take no more."""
        assert self._door is not None
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for one in self._ends:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._ends.clear()

    def _listen(self, door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _address = door.accept()
                with suppress(OSError):
                    far = socket.create_connection(("127.0.0.1", self._to))
                    self._ends += [near, far]
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=_carry, args=pair, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


# Every process of the stage reads the clock through this: it is right until a file says by how much it is wrong.
CLOCK = """
import datetime, os, time

_place, _real_time, _real = os.environ["PODCAST_TEST_CLOCK"], time.time, datetime.datetime


def _wrong_by():
    try:
        with open(_place) as file:
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0


class Shifted(_real):
    @classmethod
    def now(cls, tz=None):
        return _real.now(tz) + datetime.timedelta(seconds=_wrong_by())


time.time = lambda: _real_time() + _wrong_by()
datetime.datetime = Shifted
"""
