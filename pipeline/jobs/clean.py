"""Clean: takes and auditions that no manifest refers to any more, and finished files of earlier titles and presets.

In: the output folder, and a way to ask a manifest which takes it has. Out: a list; nothing is removed until that is
asked for, and then only what is still unused. Chapters, reports and all that is not known here stay.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.deliver.record import DeliveryRecord
from pipeline.errors import PodcastError, Problem, RequestError, did_you_mean, raise_if_any
from pipeline.files import read_record, storage_errors
from pipeline.source.manifest import load_manifest, manifest_of
from pipeline.workspace import Folders, Workspace, job_name, workspaces

KeysOf = Callable[[Path, str], Set[str]]  # a manifest and an engine: names of its takes and auditions, no endings

T = TypeVar("T")

_TAKE = re.compile(r"([0-9a-f]{32}(?:\.choice)?)\.(?:flac|json)")
_LEFT = re.compile(
    r"[0-9a-f]{32}(?:\.choice)?\.(?:flac|json)\.damaged|\.[0-9a-f]{32}(?:\.choice)?\.[0-9a-f]+\.tmp\.(?:flac|json)"
)


@dataclass(frozen=True)
class UnusedFile:
    """A file that no manifest refers to, and its size."""

    path: Path
    bytes: int


@dataclass(frozen=True)
class JobCleaning:
    """What is unused in one job's folder. `note` is what a person should know before it is removed."""

    folder: Path
    files: tuple[UnusedFile, ...]
    note: Problem | None = None

    @property
    def bytes(self) -> int:
        """Bytes of its files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class Cleaning:
    """What is unused in all jobs, and the jobs that were left alone, with the reason."""

    jobs: tuple[JobCleaning, ...]
    skipped: tuple[Problem, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of the files of all jobs."""
        return sum(job.bytes for job in self.jobs)

    def as_dict(self) -> dict[str, Any]:
        """What `podcast clean --json` prints."""
        return {
            "bytes": self.bytes,
            "jobs": [
                {
                    "job": job.folder.name,
                    "bytes": job.bytes,
                    "files": [file.path.relative_to(job.folder).as_posix() for file in job.files],
                    "note": job.note.as_dict() if job.note else None,
                }
                for job in self.jobs
            ],
            "skipped": [problem.as_dict() for problem in self.skipped],
        }


def find_unused(output: Path, keys_of: KeysOf, jobs: Sequence[str] = ()) -> Cleaning:
    """Look through `jobs` in `output` (none named: all there are), and change nothing.

    `keys_of` may raise `PodcastError`; that job is left alone. Raises `RequestError` for a name that is no job here.
    """
    there = {each.root.name: Workspace(output, each.root.name) for each in workspaces(output).values()}
    raise_if_any(
        [Problem(str(output), f'no job "{job}".', did_you_mean(job, there)) for job in jobs if job not in there]
    )
    return _each([there[job] for job in dict.fromkeys(jobs or there)], lambda workspace: _look(workspace, keys_of))


def remove(cleaning: Cleaning, keys_of: KeysOf) -> Cleaning:
    """Remove what was found, as far as it is still unused now that each job is held. Gives back what is gone."""
    return _each(cleaning.jobs, lambda job: _remove(job, keys_of))


def _each(items: Iterable[T], work: Callable[[T], JobCleaning]) -> Cleaning:
    """`work` on every item; the problems of one that fails are kept, and the others go on."""
    done: list[JobCleaning] = []
    skipped: list[Problem] = []
    for item in items:
        try:
            done.append(work(item))
        except PodcastError as error:
            skipped += error.problems
    return Cleaning(tuple(job for job in done if job.files or job.note), tuple(skipped))


def _look(workspace: Workspace, keys_of: KeysOf) -> JobCleaning:
    folder = workspace.root
    if workspace.is_held():
        raise RequestError(Problem(str(folder), "another process is at work on this job.", "Clean it afterwards."))
    used, note = _used(workspace, keys_of)
    files = tuple(_unused(workspace, used))
    return JobCleaning(folder, files, note if files else None)


def _remove(job: JobCleaning, keys_of: KeysOf) -> JobCleaning:
    stuck: list[OSError] = []
    workspace = Workspace(job.folder.parent, job.folder.name)
    with workspace.lock():  # which removes temporary files itself
        still = set(_unused(workspace, _used(workspace, keys_of)[0]))  # an edit may have brought one back
        for file in sorted(still.intersection(job.files), key=lambda file: file.path.suffix == ".flac"):
            try:
                file.path.unlink()  # the JSON first: without it a take is not finished
            except OSError as error:
                stuck.append(error)
        gone = tuple(file for file in job.files if not os.path.lexists(file.path))
    what = f"{len(stuck)} files could not be removed: {stuck[0].strerror}." if stuck else ""
    return JobCleaning(job.folder, gone, Problem(str(job.folder), what, "See whose they are.") if stuck else None)


def _used(workspace: Workspace, keys_of: KeysOf) -> tuple[Set[str], Problem | None]:
    """The keys that the job's manifests refer to, and what is odd about them."""
    folder = workspace.root
    named = [each.manifests for each in (workspace, *workspace.others())]
    if not all(named):
        what = "its job.json cannot be read, so that nobody knows what it needs."
        raise RequestError(Problem(str(folder), what, "Render it again, then clean."))
    used: set[str] = set()
    gone: list[Path] = []
    for manifest in sorted({_of(manifest) for manifests in named for manifest in manifests}):
        if _is_there(folder, manifest):
            used.update(*(_keys(folder, manifest, engine, keys_of) for engine in sorted(_engines(workspace))))
        else:
            gone.append(manifest)
    if used or not gone:
        return used, None
    return used, Problem(str(folder), f"its manifest {gone[0]} is gone, so all its takes are unused.")


def _of(manifest: Path) -> Path:
    """The manifest of a job that was rendered of a script alone, which has got one since."""
    return manifest_of(manifest) or manifest


def _is_there(folder: Path, manifest: Path) -> bool:
    """Whether a manifest of the job in `folder` is where it was. Raises `RequestError` where it may come back."""
    with storage_errors(manifest):
        there, reachable = manifest.is_file(), manifest.parent.is_dir()
    if there:
        return True
    if not reachable:  # a drive that is not mounted is no reason to throw a book away
        what = f"the folder of its manifest, {manifest.parent}, is not there."
        raise RequestError(Problem(str(folder), what, "Bring it back, or remove the job's folder yourself."))
    if moved := _moved(manifest):
        raise RequestError(Problem(str(folder), f"its manifest is still {moved}.", "Clean it once that is done."))
    return False


def _moved(manifest: Path) -> Path | None:
    """Where a manifest of a drop folder is, which belongs into `done/` only once all of it is."""
    folders = Folders.around(manifest)
    if manifest.parent.parent != folders.done:
        return None
    with storage_errors(folders.root):
        failed = sorted(folders.failed.iterdir()) if folders.failed.is_dir() else []
        places = (folders.inbox, *failed, folders.running / job_name(manifest))
        moved = [place / manifest.name for place in places if (place / manifest.name).is_file()]
    return moved[0] if moved else None


def _is_earlier(workspace: Workspace) -> bool:
    """Whether what was made here has had other titles since: there are manifests, and none makes it any more."""
    production = workspace.production
    there = [_of(manifest) for manifest in workspace.manifests if manifest.is_file()]
    if production is None or not there:
        return False
    try:
        return all(load_manifest(path)[0].production != production for path in there)
    except PodcastError:  # nobody knows what it makes
        return False


def _presets(workspace: Workspace) -> set[str]:
    """The presets that manifests of what is made here still ask for: one may deliver what another does not."""
    presets: set[str] = set()
    for path in map(_of, workspace.manifests):
        try:
            manifest, _problems = load_manifest(path, allow_outside=True)
        except PodcastError:  # it is gone, or nobody knows
            continue
        if manifest.production == workspace.production:
            presets |= {preset.preset for preset in manifest.deliver}
    return presets


def _keys(folder: Path, manifest: Path, engine: str, keys_of: KeysOf) -> Set[str]:
    try:
        return keys_of(manifest, engine)
    except PodcastError as error:
        what = f"its manifest cannot be opened for the engine {engine}: {error.problems[0]}"
        raise RequestError(Problem(str(folder), what)) from error


def _engines(workspace: Workspace) -> set[str]:
    """The engines that made what is there, by their fingerprints: `draft` of `draft/1`."""
    folders = (workspace.takes, workspace.voices)
    records = (read_record(path, dict) for folder in folders for path in folder.glob("*.json"))
    parts = (record.get("parts") for record in records if record)
    return {str(part.get("engine")).split("/")[0] for part in parts if isinstance(part, dict)}


def _unused(workspace: Workspace, used: Set[str]) -> Iterator[UnusedFile]:
    """Takes and auditions outside `used`, what damage or a crash left beside them, and finished files left over.

    Regular files only.
    """
    for each in (workspace, *workspace.others()):
        for path in DeliveryRecord(each).leftovers(_presets(each), everything=_is_earlier(each)):
            yield UnusedFile(path, path.lstat().st_size)
    for folder in (workspace.takes, workspace.voices):
        if folder.is_symlink() or not folder.is_dir():
            continue
        with storage_errors(folder):
            for path in sorted(folder.iterdir()):
                take = _TAKE.fullmatch(path.name)
                if (take and take[1] not in used) or _LEFT.fullmatch(path.name):
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        yield UnusedFile(path, status.st_size)
