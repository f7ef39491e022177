"""The real command as a user would run it, and a small script for it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.loaded import Loaded
from tests.support.processes import WAIT_S

REPOSITORY = Path(__file__).parents[2]
PODCAST = Path(sys.executable).with_name("podcast")
SCRIPT = """\
# One

**Ann:** Hello there, and welcome to a show that is made for nobody but the machine that tests it every day.

**Bob:** It is good to be here. I have been waiting for this moment since the last time that somebody changed a line.

Nobody asked me to go on, but here I am, going on.

---

**Ann:** After the break there is still something to say, and [pause 1.5s] we say it slowly.

# Two

**Bob:** The second chapter is shorter than the first one, and it ends with a question. Does it not?
"""
MakeJob = Callable[..., Path]


# What may differ from one run to the next in a process that has loaded: all else may have been read by then.
_READ_LATE = ("HOME", "PODCAST_", "PREFECT_", "PYTEST_CURRENT_TEST", "XDG_")
_loaded = functools.cache(lambda: Loaded(PODCAST))
_one_at_a_time = threading.Lock()


def run_podcast(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the installed `podcast` command as a user would, to its end."""
    words, whole_env = [*map(str, arguments)], os.environ | dict(env or {})
    if _one_at_a_time.acquire(blocking=False):
        try:
            loaded = _loaded()
            differs = {name for name, _value in whole_env.items() ^ loaded.started_with.items()}
            if all(name.startswith(_READ_LATE) for name in differs):
                return loaded.run(words, cwd=cwd, env=whole_env, timeout_s=WAIT_S)
        finally:
            _one_at_a_time.release()
    return subprocess.run(
        [PODCAST, *words], cwd=cwd, env=whole_env, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
