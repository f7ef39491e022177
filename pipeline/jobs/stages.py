"""Rendering: a job's stages in their order, from takes to the report.

In: a checked `Job`. Out: its files and a `Report`, resuming from whatever takes are there. Every way to run a job, the
command, the drop folder and the Prefect flow, comes through here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.deliver.chapters import ChapterAudio, join_chapter
from pipeline.deliver.export import Deliverable, Shelf, deliver
from pipeline.deliver.orders import Order, plan_orders
from pipeline.errors import Problem, RequestError, StoppedError
from pipeline.files import read_json, write_json
from pipeline.jobs.job import Job
from pipeline.jobs.report import Report, make_report, write_report
from pipeline.takes.auditions import give_prompts
from pipeline.takes.plan import PlannedTake
from pipeline.takes.render import TakesDone, find_takes, leave_out_faulty, render_takes
from pipeline.threads import in_parallel
from pipeline.window import Admission, always

T = TypeVar("T")
S = TypeVar("S")
OnProgress = Callable[[str, float, float], None]  # stage, done, total


class RunStage(Protocol):
    """Runs one stage of a job and gives back what it made."""

    def __call__(self, name: str, work: Callable[[], T], /) -> T:
        """Do `work`, under `name`."""


def in_place(_name: str, work: Callable[[], T]) -> T:
    """Run a stage here and now."""
    return work()


@dataclass(frozen=True)
class Conditions:
    """What a job runs under. `jobs` threads join chapters and make files, while it holds `finishing`.

    `stage` runs one stage; the Prefect flow has its own, to make a task of it. `stop` ends the job from another thread.
    """

    jobs: int
    on_progress: OnProgress = lambda _stage, _done, _total: None
    stage: RunStage = in_place
    admission: Admission = always
    finishing: AbstractContextManager[object] = field(default_factory=nullcontext)
    stop: threading.Event = field(default_factory=threading.Event)


def render_job(job: Job, conditions: Conditions) -> Report:
    """Run a job's stages, each once, resuming from whatever takes are there.

    Raises `RequestError` where another process holds the job, `StorageError` where the disk does not take the work, and
    `StoppedError` once `conditions.stop` is set.
    """
    started = time.monotonic()
    stage, sleep = conditions.stage, _Sleep(conditions.stop)
    with job.workspace.lock():
        _claim(job)
        done = stage("takes", lambda: render_all_takes(job, conditions, sleep))
        with conditions.finishing:
            chapters = stage("chapters", lambda: join_all_chapters(job, done, conditions))
            made = stage("deliverables", lambda: deliver_all(job, chapters, conditions))
        report = make_report(
            job=job.name,
            title=job.manifest.title,
            total_chapters=len(job.script.chapters),
            done=done,
            total_takes=len(job.takes),
            casting=job.casting,
            speakers=job.heard(),
            chapters=chapters,
            deliverables=made,
            warnings=job.warnings,
            wall_s=time.monotonic() - started - sleep.total_s,
            finished_at=datetime.now().astimezone(),
        )
        write_report(job.workspace.report, report)
        return report


class _Sleep:
    """Waits for a window to open, unless the job is stopped, and counts the time."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.total_s = 0.0

    def __call__(self, seconds: float) -> None:
        """Wait so long. Raises `StoppedError`."""
        begun = time.monotonic()
        if self._stop.wait(seconds):
            raise StoppedError
        self.total_s += time.monotonic() - begun


def render_all_takes(job: Job, conditions: Conditions, wait: Callable[[float], None]) -> TakesDone:
    """Render what is missing; a failed chunk is told of and the rest goes on. `wait` is for a window to open."""
    total_s = sum(plan.estimated_s for plan in job.takes)
    done_s = 0.0
    stop = conditions.stop

    def on_take(plan: PlannedTake) -> None:
        nonlocal done_s
        if stop.is_set():
            raise StoppedError
        done_s += plan.estimated_s
        conditions.on_progress("takes", done_s, total_s)

    def render() -> TakesDone:
        store, auditions = job.store, job.auditions
        found = find_takes(job.takes, store, on_take)
        language, admission = job.manifest.language, conditions.admission
        cast = give_prompts(
            job.takes, found.keys(), job.engine, job.traits, auditions, language, admission=admission, wait=wait
        )
        limits = job.traits.seconds_per_byte
        done = render_takes(
            cast.takes,
            job.engine,
            store,
            on_take,
            limits=limits,
            found=found,
            wait=wait,
            admission=admission,
        )
        done = leave_out_faulty(done) if job.manifest.on_failure == "gap" else done
        return replace(
            done,
            missing={**cast.missing, **done.missing},
            unshared=done.unshared or auditions.problem,
            failed_auditions=cast.failed,
            poor_auditions=cast.poor,
        )

    # Not in the main thread: there a Ctrl-C may strike inside a callback from C, which can only print and forget it.
    return in_parallel(lambda work: work(), [render], 1, stop)[0]


def join_all_chapters(job: Job, done: TakesDone, conditions: Conditions) -> list[ChapterAudio]:
    """Join every chapter that has a take to be heard, with gaps for the others; remove what earlier runs left."""
    by_chapter: dict[int, list[PlannedTake]] = {}
    for plan in job.takes:
        by_chapter.setdefault(plan.chunk.chapter, []).append(plan)
    takes = done.delivered
    whole = [index for index, plans in by_chapter.items() if any(plan.key in takes for plan in plans)]
    joined = 0

    def join(index: int) -> ChapterAudio:
        nonlocal joined
        chapter, pauses = job.script.chapters[index], job.manifest.pauses
        audio = join_chapter(job.workspace.chapters, index + 1, chapter, by_chapter[index], takes, pauses)
        joined += 1
        conditions.on_progress("chapters", joined, len(whole))
        return audio

    chapters = in_parallel(join, whole, conditions.jobs, conditions.stop)
    kept = {path for chapter in chapters for path in (chapter.path, chapter.path.with_suffix(".json"))}
    for left in set(job.workspace.chapters.iterdir()) - kept:
        if left.is_file():
            left.unlink()
    return chapters


def deliver_all(job: Job, chapters: Sequence[ChapterAudio], conditions: Conditions) -> list[Deliverable]:
    """Make every file the manifest asks for."""
    narrator = job.casting.roles[None].voice.name if None in job.heard() else ""
    total = len(job.script.chapters)
    orders = plan_orders(job.manifest, chapters, total, narrator, job.cover, job.workspace)
    total_s = sum(2 * order.audio_s for order in orders)  # each is encoded, then decoded and measured
    done_s = 0.0

    def on_audio(seconds: float) -> None:
        nonlocal done_s
        if conditions.stop.is_set():
            raise StoppedError
        done_s += seconds
        conditions.on_progress("deliverables", min(done_s, total_s), total_s)

    shelf = Shelf(job.workspace)
    together: dict[Hashable, list[Order]] = {}
    for order in orders:
        together.setdefault(order.mastering, []).append(order)
    # The longest first, so that no core is left with a whole book at the end.
    groups = sorted(together.values(), key=lambda group: -group[0].audio_s)
    made = in_parallel(lambda group: deliver(group, shelf, on_audio), groups, conditions.jobs, conditions.stop)
    shelf.sweep(orders)
    by_path = {item.path: item for items in made for item in items}
    return [by_path[shelf.name(order.path)] for order in orders]


def _claim(job: Job) -> None:
    """See that the folder belongs to this manifest, and not to one of the same name elsewhere."""
    record = job.workspace.root / "job.json"
    mine = str(job.owner.resolve())
    held = read_json(record)
    owner = held if isinstance(held, dict) else {}
    other, engines = owner.get("manifest"), owner.get("engines", [])
    if other not in (None, mine) and Path(other).is_file():
        what = f"this folder holds the job of {other}."
        raise RequestError(Problem(str(job.workspace.root), what, "Rename the manifest, or choose another --out."))
    write_json(record, {"manifest": mine, "engines": sorted({*engines, job.traits.name})})
