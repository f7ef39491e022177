"""The real command as a user would run it, and a small script for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

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


def run_podcast(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the installed `podcast` command as a user would."""
    return subprocess.run(
        [PODCAST, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
