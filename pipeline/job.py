"""Job: one run of a manifest, from checking everything to the report.

`open_job` reads and checks, and renders nothing; `render_job` runs the stages in their order. Both ways to run a job,
the command and the Prefect flow, come through here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from threadpoolctl import threadpool_limits

from pipeline.auditions import give_prompts
from pipeline.chapters import ChapterAudio, join_chapter
from pipeline.chunks import pack, sayer, too_long
from pipeline.engines import TRAITS, DiaOptions, Engine, Traits, open_engine
from pipeline.errors import EngineError, Problem, RequestError, did_you_mean, raise_if_any
from pipeline.export import Deliverable, Shelf, deliver
from pipeline.manifest import Dia, Manifest, load_manifest
from pipeline.orders import Cover, Order, plan_orders
from pipeline.prompts import prompt_problems
from pipeline.report import Report, make_report, summary
from pipeline.script import Script, load_script, speakers
from pipeline.settings import Settings
from pipeline.tags import read_cover
from pipeline.takes import PlannedTake, TakesDone, TakeStore, plan_takes, render_takes
from pipeline.text import NONVERBAL_TAGS, nearest_tag, spoken, unknown_tags, unspeakable
from pipeline.voices import Casting, Library, cast_speakers, load_library
from pipeline.workspace import Workspace, atomic_write, read_json, safe_name, write_json

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
class Job:
    """A checked request: everything that is to be done, and nothing done yet."""

    manifest: Manifest
    script: Script
    casting: Casting
    engine: Engine
    traits: Traits
    takes: tuple[PlannedTake, ...]
    cover: Cover | None
    warnings: tuple[Problem, ...]
    workspace: Workspace

    @property
    def name(self) -> str:
        """The job's folder."""
        return self.workspace.job

    @property
    def store(self) -> TakeStore:
        """Its takes on disk."""
        return TakeStore(self.workspace.takes)


def open_job(path: Path, settings: Settings, *, engine: str | None = None, allow_outside: bool = False) -> Job:
    """Read and check a manifest and all it names. Raises `RequestError` with every problem there is."""
    manifest, problems = load_manifest(path, allow_outside=allow_outside)
    check = _Checker(problems)
    script = check(lambda: _load_script(manifest, allow_outside=allow_outside))
    library = check(lambda: load_library((path.parent / "voices", *settings.voices)))
    cover = check(lambda: _load_cover(manifest)) if manifest.cover else None
    casting = check(lambda: _cast(manifest, script, library)) if library else None
    name = engine or manifest.engine
    opened = check(lambda: _open_engine(manifest, name, settings))
    if casting and name in TRAITS:
        problems += _engine_problems(manifest, casting, TRAITS[name], opened)
    if script and name in TRAITS:
        say = sayer(manifest.language, tags=TRAITS[name].speaks_tags)
        turns = [turn for chapter in script.chapters for turn in chapter.turns]
        problems += too_long(turns, TRAITS[name].budget, say)
        problems += _unknown_turn_voices(script, library or {})
    raise_if_any(problems)
    assert script and library and casting and opened
    traits = TRAITS[name]
    say = sayer(manifest.language, tags=traits.speaks_tags)
    packed = [pack(chapter.turns, index, traits.budget, say) for index, chapter in enumerate(script.chapters)]
    for chapter, chunks in zip(script.chapters, packed, strict=True):
        if not chunks:
            what = f'the chapter "{chapter.title}" has nothing that can be spoken in language "{manifest.language}".'
            problems.append(Problem(chapter.where, what, 'Set "language:", or take the chapter out.'))
    raise_if_any(problems)
    everything = [chunk for chunks in packed for chunk in chunks]
    planned = plan_takes(script, everything, casting, library, opened, language=manifest.language, seed=manifest.seed)
    return Job(
        manifest=manifest,
        script=script,
        casting=casting,
        engine=opened,
        traits=traits,
        takes=tuple(planned),
        cover=cover,
        warnings=(
            *script.warnings,
            *casting.warnings,
            *_unspeakable(script, manifest.language),
            *_foreign(manifest, traits),
            *(_unknown_tags(script) if traits.speaks_tags else ()),
        ),
        workspace=Workspace(settings.output, safe_name(path.stem)),
    )


def render_job(
    job: Job,
    *,
    jobs: int,
    on_progress: OnProgress = lambda _stage, _done, _total: None,
    stage: RunStage = in_place,
) -> Report:
    """Run a job's stages, each once, resuming from whatever takes are there.

    `stage` runs one stage; the Prefect flow passes its own to make a task of it. Raises `RequestError` where another
    process holds the job, and `StorageError` where the disk does not take the work.
    """
    started = time.monotonic()
    with job.workspace.lock():
        _claim(job)
        done = stage("takes", lambda: render_all_takes(job, on_progress))
        chapters = stage("chapters", lambda: join_all_chapters(job, done, jobs, on_progress))
        made = stage("deliverables", lambda: deliver_all(job, chapters, jobs, on_progress))
        report = make_report(
            job=job.name,
            title=job.manifest.title,
            total_chapters=len(job.script.chapters),
            done=done,
            total_takes=len(job.takes),
            casting=job.casting,
            speakers=_heard(job),
            chapters=chapters,
            deliverables=made,
            warnings=job.warnings,
            wall_s=time.monotonic() - started,
        )
        write_json(job.workspace.report, report.as_dict())
        atomic_write(job.workspace.report.with_suffix(".md"), summary(report).encode())
        return report


def dia_options(dia: Dia, settings: Settings) -> DiaOptions:
    """How Dia speaks in a job, and with what on this machine."""
    return replace(
        dia.options(),
        weights=settings.weights,
        codec=settings.codec,
        device=settings.device,
        codec_device=settings.codec_device,
        kernels=settings.kernels,
        slots=settings.slots,
    )


def render_all_takes(job: Job, on_progress: OnProgress) -> TakesDone:
    """Render what is missing; a failed chunk is told of and the rest goes on."""
    total_s = sum(plan.estimated_s for plan in job.takes)
    done_s = 0.0
    stop = threading.Event()

    def on_take(plan: PlannedTake) -> None:
        nonlocal done_s
        if stop.is_set():
            raise StoppedError
        done_s += plan.estimated_s
        on_progress("takes", done_s, total_s)

    def render() -> TakesDone:
        auditions = TakeStore(job.workspace.voices)
        cast = give_prompts(job.takes, job.store.keys(), job.engine, job.traits, auditions, job.manifest.language)
        done = render_takes(cast.takes, job.engine, job.store, on_take, limits=job.traits.seconds_per_byte)
        return replace(done, failed=(*cast.failed, *done.failed), flagged=(*cast.doubtful, *done.flagged))

    # Not in the main thread: there a Ctrl-C may strike inside a callback from C, which can only print and forget it.
    return in_parallel(lambda work: work(), [render], 1, stop)[0]


def join_all_chapters(job: Job, done: TakesDone, jobs: int, on_progress: OnProgress) -> list[ChapterAudio]:
    """Join every chapter whose takes are all there, and remove what earlier runs left."""
    by_chapter: dict[int, list[PlannedTake]] = {}
    for plan in job.takes:
        by_chapter.setdefault(plan.chunk.chapter, []).append(plan)
    whole = [index for index, plans in by_chapter.items() if all(plan.key in done.takes for plan in plans)]
    joined = 0

    def join(index: int) -> ChapterAudio:
        nonlocal joined
        chapter, pauses = job.script.chapters[index], job.manifest.pauses
        audio = join_chapter(job.workspace.chapters, index + 1, chapter, by_chapter[index], done.takes, pauses)
        joined += 1
        on_progress("chapters", joined, len(whole))
        return audio

    chapters = in_parallel(join, whole, jobs)
    kept = {path for chapter in chapters for path in (chapter.path, chapter.path.with_suffix(".json"))}
    for left in set(job.workspace.chapters.iterdir()) - kept:
        if left.is_file():
            left.unlink()
    return chapters


def deliver_all(job: Job, chapters: Sequence[ChapterAudio], jobs: int, on_progress: OnProgress) -> list[Deliverable]:
    """Make every file the manifest asks for."""
    narrator = job.casting.roles[None].voice.name if None in _heard(job) else ""
    total = len(job.script.chapters)
    orders = plan_orders(job.manifest, chapters, total, narrator, job.cover, job.workspace)
    total_s = sum(2 * order.audio_s for order in orders)  # each is encoded, then decoded and measured
    done_s = 0.0
    stop = threading.Event()

    def on_audio(seconds: float) -> None:
        nonlocal done_s
        if stop.is_set():
            raise StoppedError
        done_s += seconds
        on_progress("deliverables", min(done_s, total_s), total_s)

    shelf = Shelf(job.workspace)
    together: dict[Hashable, list[Order]] = {}
    for order in orders:
        together.setdefault(order.mastering, []).append(order)
    # The longest first, so that no core is left with a whole book at the end.
    groups = sorted(together.values(), key=lambda group: -group[0].audio_s)
    made = in_parallel(lambda group: deliver(group, shelf, on_audio), groups, jobs, stop)
    shelf.sweep(orders)
    by_path = {item.path: item for items in made for item in items}
    return [by_path[shelf.name(order.path)] for order in orders]


class StoppedError(Exception):
    """Raised inside a worker thread whose results nobody waits for any more."""


def in_parallel(work: Callable[[S], T], items: Sequence[S], jobs: int, stop: threading.Event | None = None) -> list[T]:
    """`work` on every item in `jobs` threads (the heavy parts release the interpreter's lock).

    The first error ends it: what has not begun is dropped, and `stop` tells the rest.
    """
    # Left alone, numpy's linear algebra starts a thread for each core in each of ours, and they wait for one another.
    with threadpool_limits(1), ThreadPoolExecutor(max(jobs, 1)) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            if stop is not None:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Checker:
    """Runs checks one after another and collects what they raise."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def __call__(self, load: Callable[[], T]) -> T | None:
        try:
            return load()
        except RequestError as error:
            self._problems += error.problems
            return None


def _load_script(manifest: Manifest, *, allow_outside: bool) -> Script | None:
    """The script; of one that was refused as outside, or is not named at all, there is nothing more to say."""
    names = [name for name in manifest.script if name and (allow_outside or not manifest.is_outside(name))]
    if not names:
        return None
    paths = [(manifest.file(name), str(manifest.file(name))) for name in names]
    return load_script(paths, title=manifest.title, kind=manifest.kind, cast=manifest.cast)


def _load_cover(manifest: Manifest) -> Cover | None:
    assert manifest.cover is not None
    data, mime, size = read_cover(manifest.file(manifest.cover), manifest.where("cover"))
    return Cover(data, mime, size)


def _open_engine(manifest: Manifest, name: str, settings: Settings) -> Engine:
    try:
        return open_engine(name, dia_options(manifest.dia, settings))
    except EngineError as error:
        where = manifest.where("engine")
        raise RequestError(
            *(Problem(where, f"{problem.where}: {problem.what}", problem.next) for problem in error.problems)
        ) from None


def _cast(manifest: Manifest, script: Script | None, library: Library | None) -> Casting:
    where = {name: manifest.where("cast", name) for name in manifest.cast}
    where["narrator"] = manifest.where("narrator")
    return cast_speakers(speakers(script) if script else [], manifest.cast, manifest.narrator, library or {}, where)


def _engine_problems(manifest: Manifest, casting: Casting, traits: Traits, engine: Engine | None) -> Iterator[Problem]:
    voices = list(dict.fromkeys(role.voice for role in casting.roles.values()))
    if traits.audition:  # it speaks as the prompt does
        for voice in voices:
            yield from prompt_problems(voice, manifest.where("cast"))
    if engine is not None:
        wrong_language = engine.check(manifest.language, [])
        for what in wrong_language:
            yield Problem(manifest.where("language"), f"{what}.", "Choose another language or engine.")
        for what in engine.check(manifest.language, voices):
            if what not in wrong_language:
                yield Problem(manifest.where("cast"), f"{what}.", "Choose another voice, or mend this one.")


def _foreign(manifest: Manifest, traits: Traits) -> Iterator[Problem]:
    if traits.languages and manifest.language.lower().split("-")[0] not in traits.languages:
        known = ", ".join(sorted(traits.languages))
        what = (
            f'the engine {traits.name} was made for "{known}" and may speak "{manifest.language}" as if it were that.'
        )
        yield Problem(manifest.where("language"), f"{what}.", "Listen before you render a whole book.")


def _unknown_turn_voices(script: Script, library: Library) -> Iterator[Problem]:
    for chapter in script.chapters:
        for turn in chapter.turns:
            if turn.voice is not None and turn.voice not in library:
                yield Problem(turn.where, f'no voice "{turn.voice}" in voices/.', did_you_mean(turn.voice, library))


def _unknown_tags(script: Script) -> Iterator[Problem]:
    for chapter in script.chapters:
        for turn in chapter.turns:
            for tag in unknown_tags(turn.text):
                hint = nearest_tag(tag.strip("()"))
                next_step = f"Did you mean {hint}?" if hint else did_you_mean(tag, NONVERBAL_TAGS)
                yield Problem(turn.where, f"{tag} is no tag the engine knows, and is read as words.", next_step)


def _unspeakable(script: Script, language: str) -> Iterator[Problem]:
    for chapter in script.chapters:
        for turn in chapter.turns:
            if not turn.text.isascii() and (run := unspeakable(spoken(turn.text, tags=False), language)):
                what = f'"{run}" cannot be spoken in language "{language}" and is left out of the sound.'
                yield Problem(turn.where, what, "Write it in letters the voice can read.")


def _heard(job: Job) -> list[str | None]:
    """Everyone who speaks, in order of appearance."""
    return list(dict.fromkeys(piece.speaker for plan in job.takes for piece in plan.chunk.pieces))


def _claim(job: Job) -> None:
    """See that the folder belongs to this manifest, and not to one of the same name elsewhere."""
    record = job.workspace.root / "job.json"
    mine = str(job.manifest.path.resolve())
    owner = read_json(record)
    other = owner.get("manifest") if isinstance(owner, dict) else None
    if other not in (None, mine) and Path(other).is_file():
        what = f"this folder holds the job of {other}."
        raise RequestError(Problem(str(job.workspace.root), what, "Rename the manifest, or choose another --out."))
    write_json(record, {"manifest": mine})
