"""A small process that holds the port of the local Prefect server, and starts the server again when it dies.

While the port is held, no other user can listen there in the server's place: whoever did would get the user's password,
and could hand flow runs of their own to whoever serves. Run as `python -m pipeline.night.prefect_keeper PORT RECORD`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

_BRIEF_S = 10.0  # a server that ends by itself sooner cannot start
_PAUSE_S = 0.5
_STOPPED = (0, -signal.SIGTERM, -signal.SIGINT)


def keep(port: int, record: Path) -> None:
    """Run the server on a port of loopback until it is stopped or cannot start; its process is noted in `record`.

    `prefect server stop` goes by that record. Raises `OSError` where somebody else has the port.
    """
    with socket.create_server(("127.0.0.1", port), backlog=2048) as listening:
        command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
        command += ["--fd", str(listening.fileno()), "--timeout-keep-alive", "5"]  # as Prefect starts it
        while True:
            began = time.monotonic()
            server = subprocess.Popen(
                command,
                env=os.environ | {"PREFECT__SERVER_FINAL": "1"},
                pass_fds=[listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            record.touch(mode=0o600)
            record.write_text(str(server.pid))
            code = server.wait()
            if code in _STOPPED or (code > 0 and time.monotonic() - began < _BRIEF_S):
                return
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    keep(int(sys.argv[1]), Path(sys.argv[2]))
