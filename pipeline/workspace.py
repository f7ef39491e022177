"""A job's folder: where everything in it lies, and which process has it; and the folders of a drop folder.

output/<job>/
  takes/<key>.flac + .json             finished takes: the job's checkpoint, whatever its title
  takes/<key>.choice.json              what the checks say of the takes of a chunk, and which of them stands
  voices/<key>.flac + .json            auditions: the prompts of voices that bring none
  chapters/01 - Title.flac + .json     joined takes, with the time of every turn
  <preset>/<Author>/<Title>/…          deliverables
  deliverables.json                    how each of them was made
  report.json  report.md
  chunks.json                          the chunks of the last plan, by engine: an edit leaves the others as they are
  checks.json                          how the voices speak, by which takes are compared
  job.json                             whose these are: title, author, series and part, and the manifests that have them
  <title>/                             the same, from chapters/ on, of a second title that a manifest of this name had
  .lock  .lock.json                    held by the process that renders, and which one that is
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import filelock

from pipeline.errors import Problem, RequestError
from pipeline.files import (
    content_key,
    ensure_folder,
    read_json,
    read_record,
    safe_name,
    set_aside,
    storage_errors,
    write_json,
)
from pipeline.words import ordinal

VOICES = "voices"  # the folder of voices beside a manifest
LEXICON = "lexicon"  # the folder of words beside it that are said otherwise, and the stem of a file of them
_PATIENCE_S = 0.2  # of `lock`, with a process that only looks whether the lock is free
_OWN_NAMES = {
    *(
        "takes",
        "voices",
        "chapters",
        "chunks.json",
        "checks.json",
        "job.json",
        "report.json",
        "report.md",
        "deliverables.json",
    ),
    *("acx", "flac", "m4b", "podcast", "wav"),  # folders of presets
}
_RESERVED = {"auditions", "digest.html", "digest.json", "logs", LEXICON}  # what else lies in the output folder


def job_name(manifest: Path) -> str:
    """The name of a manifest's job, and of its folder; not one of those that lie beside the jobs' folders."""
    name = safe_name(manifest.stem)
    return f"_{name}" if name.casefold() in _RESERVED else name


@dataclass(frozen=True)
class Production:
    """What is made: manifests that agree in this are the same production, wherever they lie."""

    title: str
    author: str = ""
    series: str = ""
    part: str = ""


class Workspace:
    """The paths in the folder of one job, and its lock.

    `root` is what all manifests of a name share, `home` what belongs to one production: the root itself for the first
    that was rendered there, a folder in it (`title`) for another.
    """

    def __init__(self, output: Path, name: str, title: str = "") -> None:
        self.root = output / name
        self.home = self.root / title
        self.job = self.home.relative_to(output).as_posix()
        self.takes = self.root / "takes"
        self.voices = self.root / "voices"
        self.chapters = self.home / "chapters"
        self.chunks = self.home / "chunks.json"
        self.checks = self.home / "checks.json"
        self.deliverables = self.home / "deliverables.json"
        self.report = self.home / "report.json"
        self.summary = self.home / "report.md"
        self.record = self.home / "job.json"
        self._lock = self.root / ".lock"
        self._holder = self.root / ".lock.json"

    @property
    def production(self) -> Production | None:
        """Whose `home` is; None where nobody is known to have it."""
        record = read_record(self.record, dict) or {}
        if "title" not in record:  # older versions kept none
            return None
        return Production(*(str(record.get(part.name, "")) for part in fields(Production)))

    @property
    def manifests(self) -> list[Path]:
        """The manifests that made it; none where that is not known, or one of them can be no manifest's path."""
        record = read_record(self.record, dict) or {}
        named = record.get("manifests", [record.get("manifest")])  # older: one
        names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
        is_sound = all(os.path.isabs(name) and "\0" not in name for name in names)  # noqa: PTH117 - of a text
        return [Path(name) for name in names] if is_sound else []

    def of(self, production: Production) -> Workspace:
        """The workspace of a production in the same folder: the one it has, or else the first that is free."""
        title = safe_name(production.title)
        numbered = f"{title} ({content_key(asdict(production))[:8]})"
        names = ("", numbered) if _is_ours(title) else ("", title, numbered)
        there = [Workspace(self.root.parent, self.root.name, name) for name in names]
        own = (workspace for workspace in there if workspace.production == production)
        free = (workspace for workspace in there if workspace._is_free(production))
        return next(own, None) or next(free, there[-1])

    def _is_free(self, production: Production) -> bool:
        """Whether nothing is there yet, but for takes; or what is there is of `production`, and its record was lost."""
        if self.production is not None:
            return False
        report = read_json(self.report)
        if isinstance(report, dict) and "title" in report:  # that of an older version has no more
            return all(report.get(name, value) == value for name, value in asdict(production).items())
        if self.home != self.root:
            return not os.path.lexists(self.home)
        return read_record(self.deliverables, dict) is None

    def chapter(self, number: int, of: int, title: str) -> Path:
        """The sound of one of so many chapters."""
        return self.chapters / f"{ordinal(number, of)} - {safe_name(title)}.flac"

    def others(self) -> list[Workspace]:
        """Those of further productions in the same folder."""
        titles = [Workspace(self.root.parent, self.root.name, folder.name) for folder in _folders(self.root)]
        return [workspace for workspace in titles if workspace.record.is_file()]

    def create(self) -> None:
        """Make the folders. Raises `StorageError` where that cannot be done."""
        with storage_errors(self.root):
            for folder in (self.takes, self.voices, self.chapters):
                ensure_folder(folder, self.root)

    @contextmanager
    def lock(self, wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the job. Raises `RequestError` naming the holder if another process has it.

        With `wait`, which is told that again and again meanwhile and may raise, it waits for the holder instead. The
        lock is the operating system's, so it is gone with its process however that ended.
        """
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        if self._lock.is_symlink() or self._lock.is_dir():  # which can be no lock
            set_aside(self._lock)
        lock = filelock.FileLock(self._lock, timeout=_PATIENCE_S)
        with storage_errors(self.root):
            while not lock.is_locked:
                try:
                    lock.acquire()
                except filelock.Timeout:
                    if wait is None:
                        hint = "Wait for it, or stop it first."
                        raise RequestError(Problem(str(self.root), self._held(), hint)) from None
                    wait(self._held())
        try:
            for left in self.root.rglob(".*.tmp*"):  # of a process that was killed while writing
                if not left.is_dir():
                    left.unlink(missing_ok=True)
            write_json(self._holder, {"pid": os.getpid(), "host": socket.gethostname()})
            yield
        finally:
            self._holder.unlink(missing_ok=True)
            lock.release()

    def is_held(self) -> bool:
        """Whether a process has the job. Raises `StorageError` where that cannot be known.

        One on another machine, whose locks may not reach this one, is taken to live.
        """
        if not self._lock.exists():  # nobody ever had it: nothing is left behind there
            return False
        holder = read_json(self._holder)
        host = holder.get("host") if isinstance(holder, dict) else None
        if isinstance(host, str) and host != socket.gethostname():
            return True
        with storage_errors(self._lock):
            try:
                with filelock.FileLock(self._lock, timeout=0):
                    return False
            except filelock.Timeout:
                return True

    def _held(self) -> str:
        holder = read_json(self._holder)
        try:
            who = f"process {holder['pid']} on {holder['host']}"
        except (TypeError, KeyError):
            who = "another process"
        return f"{who} is rendering this job."


def workspaces(
    output: Path, file: Callable[[Workspace], Path] = lambda workspace: workspace.record
) -> dict[str, Workspace]:
    """Every production in an output folder that has `file`, by its name (`dune`, or `dune/Another title`).

    Links are left out: they lead somewhere else.
    """
    roots = [Workspace(output, folder.name) for folder in _folders(output)]
    by_name = {workspace.job: workspace for root in roots for workspace in (root, *root.others())}
    return {name: workspace for name, workspace in by_name.items() if file(workspace).is_file()}


def outputs_above(output: Path) -> Iterator[Path]:
    """The usual output folders in the folders above this one, where the usual one is meant: from a subfolder."""
    if output == Path("output"):
        for number in range(1, len(Path.cwd().parents) + 1):
            above = Path(*[os.pardir] * number, "output")
            if any(above.glob("*/job.json")):
                yield above


def _is_ours(title: str) -> bool:
    """Whether a folder of this name would stand where something of the job belongs, now or later."""
    return title.casefold() in _OWN_NAMES or title.casefold().endswith(".damaged")


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, without links."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


@dataclass(frozen=True)
class Folders:
    """The four folders of a drop folder."""

    root: Path

    @classmethod
    def around(cls, manifest: Path) -> Folders:
        """Those of the drop folder to whose done/<job>/ a manifest belongs."""
        return cls(manifest.parent.parent.parent)

    @property
    def inbox(self) -> Path:
        """Where manifests are dropped."""
        return self.root / "inbox"

    @property
    def running(self) -> Path:
        """A folder for each manifest that is claimed."""
        return self.root / "running"

    @property
    def done(self) -> Path:
        """What was rendered, a folder for each job."""
        return self.root / "done"

    @property
    def failed(self) -> Path:
        """What was not, a folder for each job, with its `.error.txt`."""
        return self.root / "failed"

    def create(self) -> None:
        """Make those that are missing. Raises `OSError`."""
        for folder in (self.inbox, self.running, self.done, self.failed):
            folder.mkdir(parents=True, exist_ok=True)

    def prepare(self) -> None:
        """Make all four, and see that files can be written there. Raises `RequestError`."""
        for folder in (self.inbox, self.running, self.done, self.failed):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                what = f"the drop folder cannot be used ({error.strerror or error})."
                raise RequestError(Problem(str(folder), what, "Make it writable, or name another folder.")) from None
