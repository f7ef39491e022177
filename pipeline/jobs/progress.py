"""Progress bars with an ETA, on stderr; nothing where stderr is no terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.jobs.stages import OnProgress


@contextmanager
def progress_bars() -> Iterator[Callable[[str], OnProgress]]:
    """Gives a function from a title to its bars: one for each stage, as they come."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def bar(title: str) -> OnProgress:
            bars: dict[str, TaskID] = {}
            making = threading.Lock()  # two threads that come first would make two

            def on_progress(stage: str, done: float, total: float) -> None:
                with making:
                    if stage not in bars:
                        bars[stage] = progress.add_task(f"{title}: {stage}", total=total)
                progress.update(bars[stage], completed=done, total=total)

            return on_progress

        yield bar


@contextmanager
def progress_bar(title: str) -> Iterator[OnProgress]:
    """The progress callback of one job: a bar for each of its stages."""
    with progress_bars() as bar:
        yield bar(title)
