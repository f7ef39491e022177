"""Stages: what a job goes through, in order, from takes to the report.

In: a checked `Job`. Out: its files and a `Report`, resuming from whatever takes are there. Every way to run a job, the
command, the drop folder and the Prefect flow, comes through here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.deliver.chapters import ChapterAudio, join_chapter
from pipeline.deliver.export import deliver, write_covers
from pipeline.deliver.orders import Order, plan_orders
from pipeline.deliver.provenance import Origin, origin_of
from pipeline.deliver.record import Deliverable, DeliveryRecord
from pipeline.engines import Traits
from pipeline.errors import Problem, RequestError
from pipeline.files import file_hash, read_record, storage_errors, write_record
from pipeline.jobs.job import Job, chapter_times, ignored_checks
from pipeline.jobs.report import Report, make_report, write_report
from pipeline.settings import usable_cores
from pipeline.takes.auditions import PromptedTakes, give_prompts
from pipeline.takes.baseline import Baseline
from pipeline.takes.borders import plan_name, write_borders
from pipeline.takes.chunks import Chunk, SplitTexts
from pipeline.takes.judging import Judging
from pipeline.takes.longer_prompts import followed_by
from pipeline.takes.outcome import MissingTake, TakesDone, leave_out_faulty
from pipeline.takes.plan import PlannedTake
from pipeline.takes.render import find_takes, render_takes
from pipeline.takes.retakes import TEMPERATURE_OF_DIA, Policy
from pipeline.takes.splits import Splitter
from pipeline.threads import in_parallel
from pipeline.window import Admission

_SLOWLY = 1.5  # times what a text usually takes

T = TypeVar("T")
S = TypeVar("S")
OnProgress = Callable[[str, float, float], None]  # stage, done, total
Bars = Callable[[str], AbstractContextManager[OnProgress]]  # by the title of what is done


def no_bars(_title: str) -> AbstractContextManager[OnProgress]:
    """Bars that nobody sees."""
    return nullcontext(lambda _stage, _done, _total: None)


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
    Prefect flow makes a task of each. While another run has the job, `on_held` is told again and again who that is.
    """

    jobs: int = field(default_factory=usable_cores)
    admission: Admission = field(default_factory=Admission)
    on_progress: OnProgress = lambda _stage, _done, _total: None
    stage: RunStage = in_place
    finishing: AbstractContextManager[object] = field(default_factory=nullcontext)
    on_held: Callable[[str], None] = lambda _who: None

    def wait_for_holder(self, who: str) -> None:
        """Let a moment go by until whoever has the job may be done with it. Raises `StoppedError`."""
        self.on_held(who)
        self.admission.raise_if_stopped()


def render_job(job: Job, conditions: Conditions | None = None) -> Report:
    """Run a job's stages in this process, each once, resuming from whatever takes are there.

    Waits for another run that has the job. Raises `RequestError` where another script is finished, `StorageError` where
    the disk does not take the work, and `StoppedError` once `conditions.admission.stop` is set.
    """
    conditions = conditions or Conditions()
    stage = conditions.stage
    with job.workspace.lock(conditions.wait_for_holder):
        started = time.monotonic()
        # Only now is it certain which of the folder's productions is this job's: another may just have come first.
        job = replace(job, workspace=job.workspace.of(job.manifest.production))
        job.workspace.create()
        _claim(job)
        done = stage("takes", lambda: render_all_takes(job, conditions))
        job = replace(job, takes=done.planned)
        with conditions.finishing:
            chapters = stage("chapters", lambda: join_all_chapters(job, done, conditions))
            done = _with_times(job, done)
            orders = _orders(job, chapters)
            deliverables = stage("deliverables", lambda: deliver_all(job, orders, _origin(job, done), conditions))
        report = make_report(
            job=job.name,
            production=job.manifest.production,
            total_chapters=len(job.script.chapters),
            done=done,
            total_takes=len(job.takes),
            casting=job.casting,
            speakers=job.speakers,
            chapters=chapters,
            deliverables=deliverables,
            warnings=job.warnings,
            unspoken=job.unspoken,
            wall_s=time.monotonic() - started - conditions.admission.slept_s,
            finished_at=datetime.now().astimezone(),
        )
        if report.status == "done":
            report = report.model_copy(update={"removed": _tidy(job, chapters, orders)})
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
        retakes = job.manifest.checks.retakes
        cast = give_prompts(
            job.takes,
            finished.keys(),
            job.engine,
            job.traits,
            auditions,
            language,
            retakes=retakes,
            admission=admission,
        )
        baseline = Baseline(job.workspace.checks, plan_name(job.traits, language))
        done = render_takes(
            cast.takes,
            job.engine,
            store,
            on_take,
            judging=_judging(job, cast, baseline),
            finished=finished,
            admission=admission,
        )
        done = leave_out_faulty(done) if job.manifest.on_failure == "gap" else done
        return replace(
            done,
            planned=_with_missing(job.takes, done.planned, cast.missing),
            missing={**cast.missing, **done.missing},
            notes=(*done.notes, *baseline.notes),
            unshared=done.unshared or auditions.problem,
            failed_auditions=cast.failed,
            poor_auditions=cast.poor,
        )

    # Not in the main thread: there a Ctrl-C may strike inside a callback from C, which can only print and forget it.
    return in_parallel(lambda work: work(), [render], 1, admission.stop)[0]


def _with_times(job: Job, done: TakesDone) -> TakesDone:
    """`done` with when what needs ears is heard in its chapter."""
    chapters = {plan.key: plan.chunk.chapter for plan in done.planned if plan.key in done.ears}
    times = {index: chapter_times(job, index) for index in set(chapters.values())}
    ears = dict(done.ears)
    for key, index in chapters.items():
        begins_s = times[index].get(key)
        at_s = None if begins_s is None else round(begins_s + (ears[key].at_s or 0.0), 2)
        ears[key] = replace(ears[key], chapter=index + 1, chapter_at_s=at_s)
    return replace(done, ears=ears)


def _with_missing(
    takes: Sequence[PlannedTake], planned: Sequence[PlannedTake], missing: Mapping[str, MissingTake]
) -> tuple[PlannedTake, ...]:
    """What was planned in the end, and the takes that could not even be begun, in the order of the book."""
    lost = [take for take in takes if take.key in missing]
    return tuple(sorted([*planned, *lost], key=lambda take: take.place)) if lost else tuple(planned)


def _room_s(plan: PlannedTake, traits: Traits) -> float | None:
    """How long a prompt may be, so that what is to be said has its time behind it, slowly said; None: any."""
    return None if traits.window_s is None else traits.window_s - _SLOWLY * plan.estimated_s


def _judging(job: Job, cast: PromptedTakes, baseline: Baseline) -> Judging:
    """How the takes of a job are judged and made again."""
    workspace, manifest, traits = job.workspace, job.manifest, job.traits
    name = plan_name(traits, manifest.language)

    def keep(chunks: Sequence[Chunk], split_texts: SplitTexts) -> None:
        write_borders(workspace, name, chunks, split_texts)

    splitter = Splitter(job.planner, job.normalizer, job.takes, job.split_texts, keep)
    own = manifest.dia.temperature
    policy = Policy(manifest.checks.retakes, traits.remedies, TEMPERATURE_OF_DIA if own is None else own)
    return Judging(
        traits.seconds_per_byte,
        ignored_checks(job),
        policy,
        lambda plan, share, retakes: [cast.prompted(half) for half in splitter.split(plan, share, retakes)],
        baseline,
        lambda voice, take, plan: followed_by(voice, take, job.store, workspace.voices, _room_s(plan, traits)),
    )


def join_all_chapters(job: Job, done: TakesDone, conditions: Conditions) -> list[ChapterAudio]:
    """Join every chapter that has a take to deliver, with gaps for missing ones."""
    job, takes = replace(job, takes=done.planned), done.delivered
    whole = [index for index, plans in job.takes_by_chapter.items() if any(plan.key in takes for plan in plans)]
    joined = 0

    def join(index: int) -> ChapterAudio:
        nonlocal joined
        chapter, pauses = job.script.chapters[index], job.manifest.pauses
        path = job.workspace.chapter(index + 1, len(job.script.chapters), chapter.title)
        audio = join_chapter(path, index + 1, chapter, job.takes_by_chapter[index], takes, pauses)
        joined += 1
        conditions.on_progress("chapters", joined, len(whole))
        return audio

    return in_parallel(join, whole, conditions.jobs, conditions.admission.stop)


def _orders(job: Job, chapters: Sequence[ChapterAudio]) -> list[Order]:
    return plan_orders(job.manifest, chapters, len(job.script.chapters), _reader(job), job.cover, job.workspace)


def _reader(job: Job) -> str:
    """Who reads the book, for its tags: a voice that was invented is nobody's name."""
    voice = job.casting.roles[None].voice
    return job.manifest.read_by or (voice.name if None in job.speakers and voice.prompt is not None else "")


def _origin(job: Job, done: TakesDone) -> Origin:
    manifest, traits = job.manifest, job.traits
    return origin_of(
        traits.name,
        job.engine.fingerprint,
        manifest.language,
        manifest.seed,
        job.takes_by_chapter,
        done.delivered,
        job.store,
        job.library,
    )


def deliver_all(job: Job, orders: Sequence[Order], origin: Origin, conditions: Conditions) -> list[Deliverable]:
    """Encode, tag and measure every file that is ordered, in the order of the presets."""
    total_s = sum(2 * order.audio_s for order in orders)  # each is encoded, then decoded and measured
    done_s = 0.0

    def on_audio(seconds: float) -> None:
        nonlocal done_s
        conditions.admission.raise_if_stopped()
        done_s += seconds
        conditions.on_progress("deliverables", min(done_s, total_s), total_s)

    record = DeliveryRecord(job.workspace)
    together: dict[Hashable, list[Order]] = {}
    for order in orders:
        together.setdefault(order.mastering, []).append(order)
    # The longest first, so that no core is left with a whole book at the end.
    groups = sorted(together.values(), key=lambda group: -group[0].audio_s)
    stop = conditions.admission.stop
    delivered = in_parallel(lambda group: deliver(group, record, origin, on_audio), groups, conditions.jobs, stop)
    write_covers(orders, job.cover)
    by_path = {item.path: item for items in delivered for item in items}
    return [by_path[record.name(order.path)] for order in orders]


def _tidy(job: Job, chapters: Sequence[ChapterAudio], orders: Sequence[Order]) -> tuple[str, ...]:
    """After a run that is done: remove what it no longer wants of its own chapters and files; returns which files."""
    kept = {chapter.path.with_suffix(".json") for chapter in chapters}
    folder = job.workspace.chapters
    for record_path in () if folder.is_symlink() else set(folder.glob("*.json")) - kept:
        record, sound = read_record(record_path, dict), record_path.with_suffix(".flac")
        if record is not None and record.get("file_sha256") == file_hash(sound):  # else it is not ours
            with storage_errors(record_path):
                sound.unlink(missing_ok=True)
                record_path.unlink()
    return tuple(DeliveryRecord(job.workspace).settle(orders))


def refusal(job: Job) -> Problem | None:
    """Why it is not rendered: finished files of another script would be replaced."""
    manifest = job.manifest
    texts = {turn.text for chapter in job.script.chapters for turn in chapter.turns}
    replaced = DeliveryRecord(job.workspace).replaced_by(texts, {preset.preset for preset in manifest.deliver})
    if not replaced:
        return None
    what = f'"{manifest.title}" is finished, with a script that has no line of this one ({replaced}).'
    return Problem(manifest.where("title"), what, "Add part: or another title to this one, or remove that file.")


def _claim(job: Job) -> None:
    """Write whose `home` it is, and where its script is cut. Raises `RequestError` where that is refused."""
    if (problem := refusal(job)) is not None:
        raise RequestError(problem)
    workspace, manifest = job.workspace, job.manifest
    earlier = [str(path) for path in workspace.manifests if _may_be_there(path)]
    manifests = sorted({str(job.owner.resolve()), *earlier})
    # First, as a production with a record of its own no longer goes by the borders of others.
    chunks = [take.chunk for take in job.takes]
    write_borders(workspace, plan_name(job.traits, manifest.language), chunks, job.split_texts)
    write_record(workspace.record, asdict(manifest.production) | {"manifests": manifests})


def _may_be_there(manifest: Path) -> bool:
    """Whether a manifest is there, or nobody can tell: its drive may not be mounted."""
    return os.path.isfile(manifest) or not os.path.isdir(manifest.parent)  # noqa: PTH112, PTH113 - they raise nothing
