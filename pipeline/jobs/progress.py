"""What long work says of itself, on stderr: bars with an ETA in a terminal, else a line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.jobs.stages import Bars, OnProgress
from pipeline.threads import every
from pipeline.words import clock

_SILENT_S = 2.0  # nobody wonders yet
_AGAIN_S = 60.0
_LOOK_S = 0.25


@contextmanager
def telling(words: str) -> Iterator[None]:
    """Say what is being done, where it is not over at once, and that it still is, every minute."""
    begun_s = time.monotonic()
    told_s: float | None = None

    def look() -> None:
        nonlocal told_s
        seconds = time.monotonic() - begun_s
        if told_s is None and seconds >= _SILENT_S:
            told_s = seconds
            _say(f"{words} …")
        elif told_s is not None and seconds - told_s >= _AGAIN_S:
            told_s = seconds
            _say(f"{words} … ({clock(seconds)})")

    with every(_LOOK_S, look):
        yield


@contextmanager
def progress_bars(*, keep: bool) -> Iterator[Bars]:
    """Gives a function from a title to its bars: one for each stage, as they come, and one until the first has come.

    `keep` leaves the bars of what is over on the screen.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        with _lines() as line:
            yield line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:

        @contextmanager
        def bars_of(title: str) -> Iterator[OnProgress]:
            bars = {"": progress.add_task(f"{title}: beginning", total=None)}
            making = threading.Lock()  # two threads that come first would make two

            def on_progress(stage: str, done: float, total: float) -> None:
                with making:
                    if "" in bars:
                        progress.remove_task(bars.pop(""))
                    if stage not in bars:
                        bars[stage] = progress.add_task(f"{title}: {stage}", total=total)
                    progress.update(bars[stage], completed=done, total=total)

            try:
                yield on_progress
            finally:
                with making:
                    for stage in list(bars):
                        if stage == "" or not keep:
                            progress.remove_task(bars.pop(stage))

        yield bars_of


@dataclass
class _Line:
    """How far the work of a title is, and what was last said of it."""

    begun_s: float
    text: str = "beginning"
    last: str = ""
    last_s: float = 0.0


@contextmanager
def _lines() -> Iterator[Bars]:
    """`progress_bars` where nobody sees a bar move: a line for what takes its time, and another every minute."""
    lines: dict[str, _Line] = {}

    @contextmanager
    def line_of(title: str) -> Iterator[OnProgress]:
        lines[title] = own = _Line(time.monotonic())

        def on_progress(stage: str, done: float, total: float) -> None:
            own.text = f"{stage} {100 * done / total if total else 100:.0f} %"

        try:
            yield on_progress
        finally:
            del lines[title]

    def look() -> None:
        now_s = time.monotonic()
        for title, own in list(lines.items()):
            is_same = own.last.split(" ")[0] == own.text.split(" ")[0]  # the stage
            wait_s = _AGAIN_S if is_same else _SILENT_S
            if own.text == own.last:  # nothing moves: less and less often
                wait_s = max(wait_s, own.last_s - own.begun_s)
            if now_s - max(own.begun_s, own.last_s) >= wait_s:
                own.last, own.last_s = own.text, now_s
                _say(f"{title}: {own.text} ({clock(now_s - own.begun_s)})")

    with every(_LOOK_S, look):
        yield line_of


@contextmanager
def progress_bar(title: str) -> Iterator[OnProgress]:
    """The progress callback of one job: a bar for each of its stages."""
    with progress_bars(keep=True) as bars_of, bars_of(title) as on_progress:
        yield on_progress


def _say(words: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()
