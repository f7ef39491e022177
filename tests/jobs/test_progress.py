"""Progress bars, as a terminal shows them."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from pathlib import Path

import pyte
import pytest

from pipeline.jobs import progress
from tests.support.commands import PODCAST, MakeJob
from tests.support.processes import WAIT_S, until


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
    assert shown[-1] == "All 2 jobs done; the last 24 hours: output/digest.html"
    first, second = shown.index("First: done"), shown.index("Second: done")
    assert first < second
    assert not [line for line in shown[first:] if "%" in line]


def test_bars_of_a_drop_folder_go_with_their_jobs(make_job: MakeJob, tmp_path: Path) -> None:
    """Else the hundredth job of a week would stand below three hundred full bars."""
    inbox = tmp_path / "night/inbox"
    inbox.mkdir(parents=True)
    for name in ("one", "two"):
        for file in (make_job(name=name), tmp_path / f"{name}.md"):
            file.rename(inbox / file.name)
    shown = screen_after(tmp_path, "watch", "night", "--once")
    for name in ("one", "two"):
        at = next(number for number, line in enumerate(shown) if line.startswith(f'{name}: done ("A test", 0:'))
        assert all((tmp_path / line.strip()).is_file() for line in shown[at + 1 : at + 3])
    assert not [line for line in shown if "%" in line]


def test_what_takes_its_time_is_told_where_no_bar_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From its beginning, before anything is done, and again where something has changed or a minute has passed."""
    monkeypatch.setattr(progress, "_SILENT_S", 0.05)
    monkeypatch.setattr(progress, "_AGAIN_S", 0.1)
    monkeypatch.setattr(progress, "_LOOK_S", 0.01)
    said = ""

    def until_said(words: str) -> None:
        nonlocal said

        def is_said() -> bool:
            nonlocal said
            said += capsys.readouterr().err
            return words in said

        until(is_said)

    with progress.progress_bar("show") as on_progress:
        until_said("show: beginning (0:00)\n")
        on_progress("takes", 1, 4)
        until_said("show: takes 25 % (0:00)\n")
        time.sleep(0.3)
        on_progress("chapters", 0, 0)
        until_said("show: chapters 100 % (0:00)\n")
    assert said.count("beginning") == 1
    assert said.count("takes") <= 3  # less and less often where nothing moves
    with progress.telling("thinking"):
        until_said("thinking … (0:00)\n")
    assert said.count("thinking …\n") == 1


def test_what_is_over_at_once_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar("show") as on_progress, progress.telling("thinking"):
        on_progress("takes", 1, 4)
    assert capsys.readouterr().err == ""
