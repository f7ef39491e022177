"""The command in processes that are forked from one that has loaded what `podcast render` loads.

Loading takes longer than most of what tests ask of the command. Each run is a process of its own all the same, with its
own environment, folder and streams, and ends as any other.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_LOADED = ("pipeline.cli.main", "pipeline.jobs.bulk", "pyloudnorm", "scipy.ndimage", "scipy.signal")
_MOST_BYTES = 1 << 20  # of a request


class Loaded:
    """The process that has loaded, and how runs are asked of it."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self.started_with = dict(os.environ)
        self._door, theirs = socket.socketpair()
        with theirs:
            subprocess.Popen(  # it ends when this process does, which closes the door
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                env=self.started_with,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, one at a time. After a TimeoutError nothing more can be asked."""
        command = [str(self._program), *arguments]
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            request = json.dumps({"command": command, "cwd": str(cwd), "env": dict(env)}) + "\n"
            self._door.settimeout(timeout_s)
            socket.send_fds(self._door, [request.encode()], [out.fileno(), err.fileno()])
            code = int(self._door.recv(64))
            return subprocess.CompletedProcess(command, code, _whole(out), _whole(err))


def _whole(stream: IO[str]) -> str:
    stream.seek(0)
    return stream.read()


def _serve(door: socket.socket) -> None:
    """Fork for each request; comes back in the child, which is to become what was asked for."""
    while True:
        request, streams, _flags, _address = socket.recv_fds(door, _MOST_BYTES, 2)
        while request and not request.endswith(b"\n"):
            request += door.recv(_MOST_BYTES)
        if not request:
            sys.exit()
        child = os.fork()
        if child == 0:
            door.close()
            _become(json.loads(request), streams)
            return
        for stream in streams:
            os.close(stream)
        _pid, status = os.waitpid(child, 0)
        door.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: Mapping[str, object], streams: Sequence[int]) -> None:
    command, env = request["command"], request["env"]
    assert isinstance(command, list)
    assert isinstance(env, dict)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(env)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = command


if __name__ == "__main__":
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(sys.modules["pipeline.cli.main"].main())
