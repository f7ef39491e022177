"""Progress bars, as a terminal shows them."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pyte

from tests.support.commands import PODCAST, MakeJob
from tests.support.processes import WAIT_S


def screen_after(folder: Path, *arguments: str) -> list[str]:
    """What a terminal of 60 lines shows once the command has ended, without empty lines."""
    screen = pyte.Screen(160, 60)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 160, 0, 0))
    env = os.environ | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        [PODCAST, *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=env, close_fds=True
    )
    os.close(theirs)
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        stream.feed(data)
    os.close(ours)
    assert process.wait(WAIT_S) == 0
    return [line.rstrip() for line in screen.display if line.strip()]


def test_the_last_lines_of_a_render_are_its_files(make_job: MakeJob, tmp_path: Path) -> None:
    """Below the bars, each of which is there once and full."""
    make_job(name="show")
    shown = screen_after(tmp_path, "render", "show.yaml")
    begins = shown.index("A test: done")
    bars = shown[:begins]
    assert [bar.split("  ")[0].split(" ━")[0].strip() for bar in bars] == [
        "show: takes", "show: chapters", "show: deliverables",
    ]  # fmt: skip
    assert all("100 %" in bar for bar in bars)
    assert shown[-3] == "report: output/show/report.md"
    assert all((tmp_path / file).is_file() for file in shown[-2:])


def test_several_end_with_the_digest(make_job: MakeJob, tmp_path: Path) -> None:
    """One closing summary of all of them, after the bars of all."""
    make_job(name="one", title="First")
    make_job(name="two", title="Second")
    shown = screen_after(tmp_path, "render", "one.yaml", "two.yaml", "--engine", "tone")
    assert shown[-1] == "All 2 jobs done: output/digest.html"
    first, second = shown.index("First: done"), shown.index("Second: done")
    assert first < second
    assert not [line for line in shown[first:] if "%" in line]
