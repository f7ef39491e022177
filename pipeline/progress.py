"""A progress bar with an ETA, on stderr; nothing where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.job import OnProgress


@contextmanager
def progress_bar(title: str) -> Iterator[OnProgress]:
    """A bar for each stage of a job, as they come."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def on_progress(stage: str, done: float, total: float) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(f"{title}: {stage}", total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield on_progress
