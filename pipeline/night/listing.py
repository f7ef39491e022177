"""Listing: which files of a folder are jobs: manifests, and scripts that no manifest names.

In: a folder. Out: its jobs, each read again only where it has changed. Knows no times, and nothing of other folders.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.errors import Problem, RequestError
from pipeline.files import read_bytes
from pipeline.source.documents import read_text, read_yaml
from pipeline.source.keys import LEXICON_SUFFIXES, is_lexicon, is_yaml_script
from pipeline.source.manifest import Manifest, load_manifest
from pipeline.source.readers import YAML_SUFFIXES, conversion, is_script, is_transcript
from pipeline.workspace import LEXICON, VOICES, job_name

LOCK = ".lock"  # held by the watcher that renders a job
WHOLE = ".whole"  # in the folder of a job: it was dropped as a folder, with all that it names
ALONE = ".script-alone"  # in the folder of a job: the name of the script in it that came without a manifest
OURS = (LOCK, WHOLE, ALONE)
_PASSING_SUFFIXES = ("~", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp")
_NO_JOB = re.compile(
    r"(?:readme|licen[cs]e|copying|notice|changelog|notes?)(?:\..*)?|.*\.(?:error\.txt|report\.md|report\.json|(?:edits|decisions)\.ya?ml)",
    re.IGNORECASE,
)

_MANIFEST_SUFFIXES = (".yaml", ".yml")

FileStamp = tuple[int, int]  # bytes, nanoseconds


@dataclass(frozen=True)
class ListedFile:
    """A file that may be a job, as it was last read."""

    stamp: FileStamp
    script_stamp: FileStamp | None  # of the first script it names, which may have its title
    manifest: Manifest | None = None
    problems: tuple[Problem, ...] = ()
    kind: Literal["manifest", "script", "neither"] = "manifest"
    text: str = ""  # of a manifest that is wrong, which may mean files that it does not name

    def names(self) -> Iterator[tuple[str, str]]:
        """The place and the text of every path in the manifest."""
        if self.manifest is not None and self.kind == "manifest":
            scripts = enumerate(self.manifest.script)
            yield from ((self.manifest.where("script", index), script.file) for index, script in scripts if script.file)
            if self.manifest.cover:
                yield self.manifest.where("cover"), self.manifest.cover


@dataclass(frozen=True)
class Listing:
    """The jobs of a folder."""

    files: Mapping[Path, ListedFile] = field(default_factory=dict)  # all that was read
    manifests: Mapping[Path, ListedFile] = field(default_factory=dict)
    scripts: Mapping[Path, ListedFile] = field(default_factory=dict)  # that no manifest names

    @property
    def jobs(self) -> Mapping[Path, ListedFile]:
        """Scripts and manifests."""
        return {**self.scripts, **self.manifests}


def list_jobs(folder: Path, before: Mapping[Path, ListedFile]) -> Listing:
    """What is in a folder now. `before` is what was read at the look before. Raises `OSError`."""
    files: dict[Path, ListedFile] = {}
    for name in sorted(list_names(folder)):
        path = folder / name
        if _may_be_job(name) and not is_lexicon(path) and (stamp := stamp_of(path)):
            known = before.get(path)
            is_same = known and known.stamp == stamp and known.script_stamp == _script_stamp(known.manifest)
            files[path] = known if known and is_same else _read(path, stamp)
    named = {folder / name for path, file in files.items() for _where, name in file.names() if folder / name != path}
    named |= {folder / name for file in files.values() for name in mentioned(file, folder)}
    unnamed = {path: file for path, file in files.items() if path not in named}
    return Listing(
        files,
        {path: file for path, file in unnamed.items() if file.kind == "manifest"},
        {path: file for path, file in unnamed.items() if file.kind == "script"},
    )


def _may_be_job(name: str) -> bool:
    """Whether a file of this name can be a manifest or a script."""
    is_listed = is_script(Path(name)) or conversion(Path(name), name) is not None
    return is_listed and not is_passing(name) and not _NO_JOB.fullmatch(name)


def mentioned(file: ListedFile, folder: Path) -> list[str]:
    """Scripts in a folder whose names stand somewhere in a manifest that is wrong."""
    names = sorted(list_names(folder)) if file.text else ()
    scripts = [name for name in names if _may_be_job(name) and Path(name).suffix.lower() not in _MANIFEST_SUFFIXES]
    return [name for name in scripts if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", file.text)]


def jobs_of_claim(folder: Path, before: Mapping[Path, ListedFile]) -> Listing:
    """What is in a claim's folder, or in one of done/ and failed/: a script is a job there only where it came alone.

    Others are companions, also when their manifest has moved on, or is not there yet.
    """
    listing = list_jobs(folder, before)
    alone = name_alone(folder)
    scripts = {path: file for path, file in listing.scripts.items() if path.name == alone}
    return Listing(listing.files, listing.manifests, scripts)


def mark_alone(folder: Path, script: str | None) -> None:
    """Note in a job's folder that this script came alone, or that none did. Raises `OSError`."""
    if script is None:
        (folder / ALONE).unlink(missing_ok=True)
    elif script != name_alone(folder):  # another watcher may move the folder just now
        temporary = folder / f"{ALONE}.{os.getpid()}"
        temporary.write_bytes(os.fsencode(script))
        temporary.replace(folder / ALONE)


def name_alone(folder: Path) -> str | None:
    """The script in a job's folder that came alone."""
    try:
        return os.fsdecode(read_bytes(folder / ALONE))
    except OSError:
        return None


def manifest_in(folder: Path, name: str) -> Path | None:
    """The manifest of the job `name` in its claim's folder, as it is now; a script that came alone is one."""
    jobs = jobs_of_claim(folder, {}).jobs
    return next((path for path in jobs if job_name(path).casefold() == name.casefold()), None)


def companions_in(folder: Path, but: str) -> set[str]:
    """The files named by every manifest in a folder but one."""
    others = [file for path, file in jobs_of_claim(folder, {}).jobs.items() if path.name != but]
    named = {Path(name).as_posix() for file in others for _where, name in file.names()}
    return named | set(shared_in(folder)) if others else set()


def _read(path: Path, stamp: FileStamp) -> ListedFile:
    kind: Literal["manifest", "script", "neither"] = "script"
    text, manifest, problems = "", None, tuple[Problem, ...]()
    if path.is_symlink():  # it would lead elsewhere once it is moved
        kind = "manifest" if path.suffix.lower() in _MANIFEST_SUFFIXES else "script"
        problem = Problem(str(path), f"the {kind} is a link.", "Drop the file itself.")
        return ListedFile(stamp, None, None, (problem,), kind)
    try:
        if path.suffix.lower() in YAML_SUFFIXES and not is_transcript(path):
            kind = "manifest" if path.suffix.lower() in _MANIFEST_SUFFIXES else "neither"
            text = read_text(path, str(path))
            data = read_yaml(text, str(path)).data
            if is_yaml_script(data):
                kind = "script"
            elif kind == "neither" or isinstance(data, list):
                return ListedFile(stamp, None, kind="neither")
        # What lies outside is looked for at every look, as a link may be made at any time.
        manifest, wrong = load_manifest(path, allow_outside=True)
        problems = tuple(wrong)
    except RequestError as error:
        problems = error.problems
    text = text if problems and kind == "manifest" else ""
    return ListedFile(stamp, _script_stamp(manifest), manifest, problems, kind, text)


def _script_stamp(manifest: Manifest | None) -> FileStamp | None:
    return stamp_of(manifest.file(manifest.script[0].file)) if manifest else None


def stamp_of(path: Path) -> FileStamp | None:
    """What shows that a file has changed; None where there is no regular file."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # a NUL in the name
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def shared_in(root: Path) -> Iterator[str]:
    """The files of voices/ and lexicons, also those that are still being copied; which are used, the script says."""
    for folder, _folders, names in os.walk(root / VOICES):
        for name in sorted(names) if Path(folder) != root / VOICES else ():  # each has a folder of its own
            if stamp_of(path := Path(folder, name)):
                yield path.relative_to(root).as_posix()
    lexicons = [root / f"{LEXICON}{suffix}" for suffix in LEXICON_SUFFIXES]
    lexicons += [root / LEXICON / name for name in sorted(list_names(root / LEXICON))]
    yield from (path.relative_to(root).as_posix() for path in lexicons if is_lexicon(path) and stamp_of(path))


def list_names(folder: Path) -> list[str]:
    """The names of all that lies in a folder; none where it is gone. Raises `OSError`."""
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):  # removed meanwhile
        return []


def is_passing(path: str) -> bool:
    """Whether a name is one that copying programs use until the file is whole (rsync's begin with a dot)."""
    return Path(path).name.startswith(".") or path.lower().endswith(_PASSING_SUFFIXES)
