"""Stages: what a job goes through, in order, from takes to the report.

In: a checked `Job`. Out: its files and a `Report`, resuming from whatever takes are there. Every way to run a job, the
command, the drop folder and the Prefect flow, comes through here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.deliver.chapters import ChapterAudio, join_chapter
from pipeline.deliver.export import Deliverable, DeliveryRecord, deliver, write_covers
from pipeline.deliver.orders import Order, plan_orders
from pipeline.errors import Problem, RequestError
from pipeline.files import read_json, write_json
from pipeline.jobs.job import Job
from pipeline.jobs.report import Report, make_report, write_report
from pipeline.settings import usable_cores
from pipeline.takes.auditions import give_prompts
from pipeline.takes.plan import PlannedTake
from pipeline.takes.render import TakesDone, find_takes, leave_out_faulty, render_takes
from pipeline.threads import in_parallel
from pipeline.window import Admission

T = TypeVar("T")
S = TypeVar("S")
OnProgress = Callable[[str, float, float], None]  # stage, done, total


class RunStage(Protocol):
    """How a stage of a job is run."""

    def __call__(self, name: str, work: Callable[[], T], /) -> T:
        """Call `work`, the stage called `name`, and return its result."""


def in_place(_name: str, work: Callable[[], T]) -> T:
    """Call the stage in this thread."""
    return work()


@dataclass(frozen=True)
class Conditions:
    """What one job runs under: `jobs` threads join its chapters and make its files, while it holds `finishing`.

    `admission` says when chunks may be started, and ends the job from another thread. `stage` runs one stage: the
    Prefect flow makes a task of each.
    """

    jobs: int = field(default_factory=usable_cores)
    admission: Admission = field(default_factory=Admission)
    on_progress: OnProgress = lambda _stage, _done, _total: None
    stage: RunStage = in_place
    finishing: AbstractContextManager[object] = field(default_factory=nullcontext)


def render_job(job: Job, conditions: Conditions | None = None) -> Report:
    """Run a job's stages in this process, each once, resuming from whatever takes are there.

    Raises `RequestError` where another process holds the job, `StorageError` where the disk does not take the work, and
    `StoppedError` once `conditions.admission.stop` is set.
    """
    conditions = conditions or Conditions()
    started = time.monotonic()
    stage = conditions.stage
    with job.workspace.lock():
        _claim(job)
        done = stage("takes", lambda: render_all_takes(job, conditions))
        with conditions.finishing:
            chapters = stage("chapters", lambda: join_all_chapters(job, done, conditions))
            deliverables = stage("deliverables", lambda: deliver_all(job, chapters, conditions))
        report = make_report(
            job=job.name,
            title=job.manifest.title,
            total_chapters=len(job.script.chapters),
            done=done,
            total_takes=len(job.takes),
            casting=job.casting,
            speakers=job.speakers,
            chapters=chapters,
            deliverables=deliverables,
            warnings=job.warnings,
            wall_s=time.monotonic() - started - conditions.admission.slept_s,
            finished_at=datetime.now().astimezone(),
        )
        write_report(job.workspace.report, report)
        return report


def render_all_takes(job: Job, conditions: Conditions) -> TakesDone:
    """Render the takes that are missing; a chunk that fails is reported and the others go on."""
    done_s = 0.0
    admission = conditions.admission

    def on_take(plan: PlannedTake) -> None:
        nonlocal done_s
        admission.raise_if_stopped()
        done_s += plan.estimated_s
        conditions.on_progress("takes", done_s, job.audio_s)

    def render() -> TakesDone:
        store, auditions = job.store, job.auditions
        finished = find_takes(job.takes, store, on_take)
        language = job.manifest.language
        cast = give_prompts(
            job.takes, finished.keys(), job.engine, job.traits, auditions, language, admission=admission
        )
        limits = job.traits.seconds_per_byte
        done = render_takes(
            cast.takes,
            job.engine,
            store,
            on_take,
            limits=limits,
            finished=finished,
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
    return in_parallel(lambda work: work(), [render], 1, admission.stop)[0]


def join_all_chapters(job: Job, done: TakesDone, conditions: Conditions) -> list[ChapterAudio]:
    """Join every chapter that has a take to deliver, with gaps for missing ones; remove files of earlier runs."""
    takes = done.delivered
    whole = [index for index, plans in job.takes_by_chapter.items() if any(plan.key in takes for plan in plans)]
    joined = 0

    def join(index: int) -> ChapterAudio:
        nonlocal joined
        chapter, pauses = job.script.chapters[index], job.manifest.pauses
        path = job.workspace.chapter(index + 1, chapter.title)
        audio = join_chapter(path, index + 1, chapter, job.takes_by_chapter[index], takes, pauses)
        joined += 1
        conditions.on_progress("chapters", joined, len(whole))
        return audio

    chapters = in_parallel(join, whole, conditions.jobs, conditions.admission.stop)
    kept = {path for chapter in chapters for path in (chapter.path, chapter.path.with_suffix(".json"))}
    for left in set(job.workspace.chapters.iterdir()) - kept:
        if left.is_file():
            left.unlink()
    return chapters


def deliver_all(job: Job, chapters: Sequence[ChapterAudio], conditions: Conditions) -> list[Deliverable]:
    """Encode, tag and measure every file the manifest asks for, in the order of the presets."""
    narrator = job.casting.roles[None].voice.name if None in job.speakers else ""
    total = len(job.script.chapters)
    orders = plan_orders(job.manifest, chapters, total, narrator, job.cover, job.workspace)
    total_s = sum(2 * order.audio_s for order in orders)  # each is encoded, then decoded and measured
    done_s = 0.0

    def on_audio(seconds: float) -> None:
        nonlocal done_s
        conditions.admission.raise_if_stopped()
        done_s += seconds
        conditions.on_progress("deliverables", min(done_s, total_s), total_s)

    write_covers(orders, job.cover)
    record = DeliveryRecord(job.workspace)
    together: dict[Hashable, list[Order]] = {}
    for order in orders:
        together.setdefault(order.mastering, []).append(order)
    # The longest first, so that no core is left with a whole book at the end.
    groups = sorted(together.values(), key=lambda group: -group[0].audio_s)
    stop = conditions.admission.stop
    delivered = in_parallel(lambda group: deliver(group, record, on_audio), groups, conditions.jobs, stop)
    record.sweep(orders)
    by_path = {item.path: item for items in delivered for item in items}
    return [by_path[record.name(order.path)] for order in orders]


def _claim(job: Job) -> None:
    """Write into the folder which manifest it belongs to. Raises `RequestError` where that is another one."""
    record = job.workspace.record
    owner_path = str(job.owner.resolve())
    held = read_json(record)
    owner = held if isinstance(held, dict) else {}
    other, engines = owner.get("manifest"), owner.get("engines", [])
    if other not in (None, owner_path) and Path(other).is_file():
        what = f"this folder holds the job of {other}."
        raise RequestError(Problem(str(job.workspace.root), what, "Rename the manifest, or choose another --out."))
    write_json(record, {"manifest": owner_path, "engines": sorted({*engines, job.traits.name})})
