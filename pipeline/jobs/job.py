"""Job: a manifest with all that it names, read and checked; nothing is rendered yet.

In: a manifest's path. Out: a `Job` that knows every take it needs, or every problem at once.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pipeline.deliver.orders import Cover
from pipeline.deliver.tags import read_cover
from pipeline.engines import TRAITS, DiaMachine, Engine, Traits, open_engine
from pipeline.errors import EngineError, Problem, RequestError, did_you_mean, raise_if_any
from pipeline.files import is_inside, safe_name
from pipeline.settings import Settings, load_settings
from pipeline.source.documents import siblings
from pipeline.source.manifest import Manifest, load_manifest
from pipeline.source.prompts import prompt_problems
from pipeline.source.readers import is_script, load_script
from pipeline.source.script import Script, speakers
from pipeline.source.spoken.text import NONVERBAL_TAGS, nearest_tag, spoken, unknown_tags, unspeakable
from pipeline.source.voices import Casting, Library, cast_speakers, load_library
from pipeline.takes.auditions import plan_audition
from pipeline.takes.borders import plan_name, read_borders, repack
from pipeline.takes.chunks import Chunk, sayer, too_long
from pipeline.takes.plan import PlannedTake, plan_takes
from pipeline.takes.shared import check_shared
from pipeline.takes.store import TakeStore
from pipeline.workspace import Production, Workspace, job_name, outputs_above

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """A manifest that was checked with all it names: what is to be rendered, by which voices, into which folder.

    `owner` is where its manifest belongs: in a drop folder, not where it lies while it is rendered. `shared` is the
    URL of a store of takes that other machines fill too.
    """

    manifest: Manifest
    script: Script
    casting: Casting
    engine: Engine
    traits: Traits
    takes: tuple[PlannedTake, ...]
    cover: Cover | None
    warnings: tuple[Problem, ...]
    unspoken: int  # turns with words that no voice can say
    kept_chunks: int  # of the last plan, which a fresh one would cut otherwise
    workspace: Workspace
    owner: Path
    shared: str | None = None

    @property
    def name(self) -> str:
        """Its folder in the output folder."""
        return self.workspace.job

    @functools.cached_property
    def store(self) -> TakeStore:
        """The finished takes on disk."""
        return self._store(self.workspace.takes)

    @functools.cached_property
    def auditions(self) -> TakeStore:
        """Takes that are the prompts of voices which bring none."""
        return self._store(self.workspace.voices)

    def _store(self, folder: Path) -> TakeStore:
        shared = None if self.shared is None else f"{self.shared.rstrip('/')}/{self.workspace.root.name}/{folder.name}"
        return TakeStore(folder, shared)

    @functools.cached_property
    def speakers(self) -> tuple[str | None, ...]:
        """Everyone who speaks, in order of appearance; None is the narrator."""
        return tuple(dict.fromkeys(piece.speaker for plan in self.takes for piece in plan.chunk.pieces))

    @functools.cached_property
    def audio_s(self) -> float:
        """Seconds of speech to expect of all its takes."""
        return sum(plan.estimated_s for plan in self.takes)

    @functools.cached_property
    def takes_by_chapter(self) -> Mapping[int, Sequence[PlannedTake]]:
        """Its takes by the index of their chapter, in the order of the book."""
        by_chapter: dict[int, list[PlannedTake]] = {}
        for plan in self.takes:
            by_chapter.setdefault(plan.chunk.chapter, []).append(plan)
        return by_chapter


def open_job(
    path: Path | str,
    settings: Settings | None = None,
    *,
    engine: str | None = None,
    allow_outside: bool = False,
    owner: Path | None = None,
    fresh: bool = False,
) -> Job:
    """Read and check a manifest and all it names; nothing is rendered. Raises `RequestError` with every problem.

    Without `settings` they are those of this machine, see `load_settings`. `engine` takes the place of the manifest's.
    `allow_outside` lets its paths leave its folder. `owner` is where the manifest belongs, if that is not where it
    lies. The script is cut where the last render cut it, as far as it still says the same, unless `fresh`.
    """
    path, settings = Path(path), settings or load_settings()
    manifest, problems = load_manifest(path, allow_outside=allow_outside)
    check = _Checker(problems)
    if settings.takes is not None and (problem := check_shared(settings.takes)) is not None:
        problems.append(problem)
    script = check(lambda: _load_script(manifest, allow_outside=allow_outside))
    library = check(lambda: _load_library(path.parent, settings.voices, allow_outside=allow_outside))
    cover = check(lambda: _load_cover(manifest)) if manifest.cover else None
    casting = check(lambda: _cast(manifest, script, library)) if library else None
    name = engine or manifest.engine
    opened = check(lambda: _open_engine(manifest, name, settings))
    if casting and name in TRAITS:
        problems += _engine_problems(manifest, casting, TRAITS[name], opened)
    if script and name in TRAITS:
        problems += _script_problems(script, manifest.language, TRAITS[name], library or {})
    raise_if_any(problems)
    assert script and library and casting and opened
    traits = TRAITS[name]
    workspace = Workspace(settings.output, job_name(path)).of(manifest.production)
    chunks, kept_chunks = _pack(script, manifest.language, traits, None if fresh else workspace)
    unspoken = tuple(_unspeakable(script, manifest.language))
    planned = plan_takes(script, chunks, casting, library, opened, language=manifest.language, seed=manifest.seed)
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
            *unspoken,
            *_foreign(manifest, traits),
            *_rendered_above(settings.output, job_name(path), owner or path),
            *traits.unheard((line.voice for take in planned for line in take.request.lines), manifest.where("engine")),
            *(_unknown_tags(script) if traits.speaks_tags else ()),
        ),
        unspoken=len(unspoken),
        kept_chunks=kept_chunks,
        workspace=workspace,
        owner=owner or path,
        shared=settings.takes,
    )


def apart(jobs: Iterable[Job]) -> list[Job]:
    """Jobs that are opened together, those of one file name and different titles each with a home of its own."""
    of_home: dict[Path, Production] = {}
    separate = []
    for job in jobs:
        workspace, production = job.workspace, job.manifest.production
        if of_home.setdefault(workspace.home, production) != production:
            workspace = Workspace(workspace.root.parent, workspace.root.name, safe_name(production.title))
            job = replace(job, workspace=workspace)  # noqa: PLW2901 - the same job
        of_home[job.workspace.home] = production
        separate.append(job)
    return separate


def _pack(script: Script, language: str, traits: Traits, workspace: Workspace | None) -> tuple[list[Chunk], int]:
    """The script in chunks, and how many of the workspace's last plan it keeps where a fresh one would not.

    Raises `RequestError` for chapters that come to none.
    """
    kept = read_borders(workspace, plan_name(traits, language)) if workspace else []
    say = sayer(language, tags=traits.speaks_tags)
    chunks, kept_chunks = repack([chapter.turns for chapter in script.chapters], traits.budget, say, kept)
    spoken_chapters = {chunk.chapter for chunk in chunks}
    empty = [chapter for index, chapter in enumerate(script.chapters) if index not in spoken_chapters]
    what, hint = f'nothing that can be spoken in language "{language}".', 'Set "language:", or take the chapter out.'
    raise_if_any([Problem(chapter.where, f'the chapter "{chapter.title}" has {what}', hint) for chapter in empty])
    return chunks, kept_chunks


def referred_keys(job: Job) -> set[str]:
    """Keys of all takes and auditions that the job is made of."""
    voices = {line.voice for take in job.takes for line in take.request.lines if line.voice.prompt is None}
    auditions = voices if job.traits.audition else set()
    planned = (plan_audition(voice, job.engine, job.traits, job.manifest.language) for voice in auditions)
    return {take.key for take in (*job.takes, *planned)}


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
    missing = [_missing(manifest, index) if name in names else None for index, name in enumerate(manifest.script)]
    problems = [problem for problem in missing if problem]
    gone = {manifest.script[index] for index, problem in enumerate(missing) if problem}
    paths = [manifest.file(name) for name in names if name not in gone]
    try:
        script = load_script(
            [(path, str(path)) for path in paths], title=manifest.title, kind=manifest.kind, cast=manifest.cast
        )
    except RequestError as error:
        problems += error.problems if paths else ()
    raise_if_any(problems)
    return script


def _missing(manifest: Manifest, index: int) -> Problem | None:
    """That a script which the manifest names is not there."""
    name = manifest.script[index]
    path = manifest.file(name)
    if os.path.exists(path) or not is_script(path):  # noqa: PTH110 - it raises nothing
        return None
    return Problem(manifest.where("script", index), f'there is no file "{name}".', siblings(path))


def _load_library(folder: Path, others: Sequence[Path], *, allow_outside: bool) -> Library:
    """The voices beside the manifest and of this machine's own folders."""
    own = folder / "voices"
    outside = [file.parent for file in sorted(own.glob("*/voice.yaml")) if not is_inside(file, folder)]
    if outside and not allow_outside:
        hint = "Copy it there, name its folder with PODCAST_VOICES, or allow it with --allow-outside."
        raise RequestError(
            *(Problem(str(voice), "the voice is outside the manifest's folder.", hint) for voice in outside)
        )
    return load_library((own, *others))


def _load_cover(manifest: Manifest) -> Cover | None:
    assert manifest.cover is not None
    data, mime, size = read_cover(manifest.file(manifest.cover), manifest.where("cover"))
    return Cover(data, mime, size)


def _open_engine(manifest: Manifest, name: str, settings: Settings) -> Engine:
    try:
        return open_engine(name, manifest.dia.sound(), DiaMachine.of(settings))
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


def _rendered_above(output: Path, name: str, manifest: Path) -> Iterator[Problem]:
    """That there is an output folder above this one, where the manifest may have been rendered, and another is made."""
    for above in () if os.path.exists(output / name) else outputs_above(output):  # noqa: PTH110 - it raises nothing
        hint = f"Render it from there, or with --out {above}."
        if manifest.resolve() in Workspace(above, name).manifests:
            yield Problem(
                str(output), f"this manifest was rendered into {above}, and nothing of that is used here.", hint
            )
            return
        if not output.exists():
            yield Problem(str(output), f"it is not here, and is made; there is one in {above}.", hint)
            return


def _script_problems(script: Script, language: str, traits: Traits, library: Library) -> Iterator[Problem]:
    turns = [turn for chapter in script.chapters for turn in chapter.turns]
    yield from too_long(turns, traits.budget, sayer(language, tags=traits.speaks_tags))
    yield from _unknown_turn_voices(script, library)


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
