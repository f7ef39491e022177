"""What tests of several processes and threads share."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

WAIT_S = 900.0  # for another process or thread to come to a point, on a machine that has much else to do


def until(there: Callable[[], object], told: Callable[[], object] = lambda: "", *, look_s: float = 0.02) -> None:
    """Wait until `there` is true. `told`, asked at every look, may fail sooner, and says what to know in the end."""
    deadline = time.monotonic() + WAIT_S
    while not there():
        more = told()
        assert time.monotonic() < deadline, f"it did not come so far: {more}"
        time.sleep(look_s)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
