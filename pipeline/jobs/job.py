"""Job: a manifest with all that it names, read and checked; nothing is rendered yet.

In: a manifest's path. Out: a `Job` that knows every take it needs, or every problem at once.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.deliver.chapters import take_times
from pipeline.deliver.orders import Cover
from pipeline.engines import Engine, Traits
from pipeline.errors import Problem, raise_if_any
from pipeline.files import safe_name
from pipeline.jobs.request import read_request
from pipeline.settings import Settings, load_settings
from pipeline.source.decision_places import PlacedWords, match_decisions
from pipeline.source.decisions import Decision
from pipeline.source.manifest import Manifest
from pipeline.source.script import Script
from pipeline.source.spoken.pairs import Normalizer
from pipeline.source.voices import Casting, Library
from pipeline.takes.attempts import prompt_path
from pipeline.takes.auditions import plan_audition
from pipeline.takes.borders import LastPlan, plan_name, read_borders, repack
from pipeline.takes.choices import attempt_keys, choice_path
from pipeline.takes.chunks import Chunk, SplitTexts
from pipeline.takes.decided import told_of_decisions, with_approvals
from pipeline.takes.plan import PlannedTake, Planner
from pipeline.takes.store import TakeStore
from pipeline.workspace import Production, Workspace, job_name, outputs_above


@dataclass(frozen=True)
class Job:
    """A manifest that was checked with all it names: what is to be rendered, by which voices, into which folder.

    `owner` is where its manifest belongs: in a drop folder, not where it lies while it is rendered. `shared` is the
    URL of a store of takes that other machines fill too.
    """

    manifest: Manifest
    script: Script
    casting: Casting
    library: Library
    engine: Engine
    traits: Traits
    takes: tuple[PlannedTake, ...]
    cover: Cover | None
    warnings: tuple[Problem, ...]
    unspoken: int  # turns with words that no voice can say
    normalizer: Normalizer
    kept_chunks: int  # of the last plan, which a fresh one would cut otherwise
    workspace: Workspace
    owner: Path
    planner: Planner
    decisions: tuple[Decision, ...]
    split_texts: SplitTexts
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
        """Seconds of normalizer to expect of all its takes."""
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
    request = read_request(path, settings, engine=engine, allow_outside=allow_outside)
    raise_if_any(request.problems)
    manifest, script, library, casting = request.manifest, request.script, request.library, request.casting
    assert script and library and casting and request.engine and request.traits and request.normalizer
    traits = request.traits
    workspace = Workspace(settings.output, job_name(path)).of(manifest.production)
    last = LastPlan() if fresh else read_borders(workspace, plan_name(traits, manifest.language))
    chunks, kept_chunks = _pack(script, request.normalizer, traits, last, request.decisions)
    planner = Planner(
        script, casting, library, request.engine, traits, manifest.language, manifest.seed, manifest.takes
    )
    decided = match_decisions(
        request.decisions,
        [PlacedWords(chunk.text, planner.voices(chunk)) for chunk in chunks] if request.decisions else [],
    )
    planned, changed = with_approvals(planner.plan(chunks, decided), decided)
    return Job(
        manifest=manifest,
        script=script,
        casting=casting,
        library=library,
        engine=request.engine,
        traits=traits,
        takes=tuple(planned),
        cover=request.cover,
        warnings=(
            *request.warnings,
            *_rendered_above(settings.output, job_name(path), owner or path),
            *told_of_decisions(decided, changed),
            *traits.unheard((line.voice for take in planned for line in take.request.lines), manifest.where("engine")),
        ),
        unspoken=len(request.unspoken),
        normalizer=request.normalizer,
        kept_chunks=kept_chunks,
        workspace=workspace,
        owner=owner or path,
        planner=planner,
        decisions=request.decisions,
        split_texts=last.split_texts,
        shared=settings.takes,
    )


def chapter_times(job: Job, index: int) -> Mapping[str, float]:
    """When each take of a chapter begins in it, in seconds, by key; none where it was not joined of these."""
    title = job.script.chapters[index].title
    return take_times(job.workspace.chapter(index + 1, len(job.script.chapters), title), job.takes_by_chapter[index])


def ignored_checks(job: Job) -> Set[str]:
    """The checks that do not count: the manifest's, and those that its engine is no speech to."""
    return job.traits.unlike_speech.union(job.manifest.checks.ignore)


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


def _pack(
    script: Script, normalizer: Normalizer, traits: Traits, last: LastPlan, decisions: Sequence[Decision]
) -> tuple[list[Chunk], int]:
    """The script in chunks, and how many of the last plan it keeps where a fresh one would not.

    Raises `RequestError` for chapters that come to none.
    """
    chunks, kept_chunks = repack(script.chapters, traits.budget, normalizer, last, decisions)
    spoken_chapters = {chunk.chapter for chunk in chunks}
    empty = [chapter for index, chapter in enumerate(script.chapters) if index not in spoken_chapters]
    what, hint = (
        f'nothing that can be spoken in language "{normalizer.language}".',
        'Set "language:", or take the chapter out.',
    )
    raise_if_any([Problem(chapter.where, f'the chapter "{chapter.title}" has {what}', hint) for chapter in empty])
    return chunks, kept_chunks


def referred_names(job: Job, *, rejected: bool = True) -> set[str]:
    """Names, without endings, of all takes, choices and auditions that the job is made of.

    With the attempts that do not stand, unless they are to be `rejected`: then those alone that stand, or that nobody
    has decided about.
    """
    voices = {line.voice for take in job.takes for line in take.request.lines if line.voice.prompt is None}
    auditions = voices if job.traits.audition else set()
    planned = [plan_audition(voice, job.engine, job.traits, job.manifest.language) for voice in auditions]
    parents = {take.chunk.split.parent for take in job.takes if take.chunk.split is not None}
    keys = [(job.workspace.takes, key) for key in (*(take.key for take in job.takes), *sorted(parents))]
    keys += [(job.workspace.voices, take.key) for take in planned]
    # Also one whose words were edited: whoever undoes that has it back.
    names = {one.approve.removesuffix(".flac") for one in job.decisions if one.approve is not None}
    for folder, key in keys:
        attempts = attempt_keys(folder, key, rejected=rejected)
        names |= {choice_path(folder, key).stem, *attempts}
        if len(attempts) > 1 or key not in attempts:
            names |= {path.stem for attempt in attempts for path in _prompts(job, attempt)}
    return names


def _prompts(job: Job, key: str) -> Iterator[Path]:
    """The prompts that were made for an attempt."""
    known = job.store.parts(key)
    for digest, _transcript in (known[0].get("prompts", {}) if known else {}).values():
        yield prompt_path(job.workspace.voices, digest)


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
