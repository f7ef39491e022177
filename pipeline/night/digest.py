"""Morning digest: what became of all jobs since yesterday, and which of them need a person.

In: the output folder with its jobs' reports, and what the drop folder refused. Out: a `Digest`. A report that is
damaged, or of something else, is passed over. How the digest looks is the business of `page.py`.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import Problem, StorageError
from pipeline.files import read_bytes, read_json, write_json
from pipeline.jobs.report import Report, read_report
from pipeline.night.inbox import Inbox
from pipeline.takes.outcome import HERE, DeviceWork, Ear
from pipeline.words import counted
from pipeline.workspace import Folders, Workspace, workspaces

_LONGEST_ERROR = 10_000  # characters of an error text
_DROP_FOLDERS = ".drop-folders.json"  # in the output folder


@dataclass(frozen=True)
class Disk:
    """Bytes that takes (with auditions), chapters, and deliverables (with all the rest) use."""

    takes: int = 0
    chapters: int = 0
    deliverables: int = 0

    def __add__(self, other: Disk) -> Disk:
        return Disk(self.takes + other.takes, self.chapters + other.chapters, self.deliverables + other.deliverables)

    @property
    def total(self) -> int:
        """Takes, chapters and deliverables together."""
        return self.takes + self.chapters + self.deliverables


@dataclass(frozen=True)
class JobNight:
    """One job's last run. Its own paths are relative to the output folder, and empty where a file is gone."""

    name: str  # of its folder
    report: Report
    finished_at: datetime
    ears: tuple[Ear, ...]  # of the report, with paths as here
    summary: str  # the report for people
    files: tuple[str, ...]  # deliverables that are there
    disk: Disk

    @property
    def rendered_s(self) -> float:
        """Seconds of audio that are new."""
        return round(self.report.rendered_s, 3)

    @property
    def devices(self) -> Mapping[str, DeviceWork]:
        """What each device did, by name."""
        return {name or HERE: work for name, work in self.report.devices.items()}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Those of the report that no ear and no gap stands for."""
        others = self.report.other_problems
        return self.report.problems if others is None else others

    @property
    def verdict(self) -> Literal["done", "look", "failed"]:
        """Whether a person has to look, or there is nothing to look at."""
        if self.report.status == "failed":
            return "failed"
        needs_look = self.report.status == "partial" or self.ears or self.report.gaps or self.report.unspoken
        return "look" if needs_look else "done"

    def as_dict(self) -> dict[str, Any]:
        """The job as `digest.json` has it."""
        return {
            "name": self.name,
            "title": self.report.title,
            "status": self.report.status,
            "finished_at": self.finished_at.isoformat(),
            "audio_s": self.report.audio_s,
            "rendered_s": self.rendered_s,
            "devices": {name: asdict(work) for name, work in self.devices.items()},
            "ears": [asdict(ear) for ear in self.ears],
            "gaps": [asdict(gap) | {"chapter": str(gap.chapter)} for gap in self.report.gaps],  # a number in reports
            "problems": [asdict(problem) for problem in self.problems],
            "report": self.summary,
            "files": list(self.files),
            "disk": asdict(self.disk),
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Failure:
    """A manifest that the drop folder refused, or whose job ended without a report."""

    name: str
    at: datetime
    text: str  # of its error file


@dataclass(frozen=True)
class Digest:
    """What became of the jobs of a night, the latest first."""

    since: datetime
    until: datetime
    jobs: tuple[JobNight, ...]
    failures: tuple[Failure, ...]
    waiting: tuple[str, ...]  # names of manifests in the inbox
    devices: Mapping[str, DeviceWork]
    disk: Disk  # of all jobs in the folder
    free_bytes: int

    @property
    def rendered_s(self) -> float:
        """Seconds of audio that are new."""
        return sum(job.rendered_s for job in self.jobs)

    def of(self, verdict: str) -> list[JobNight]:
        """The jobs of this verdict."""
        return [job for job in self.jobs if job.verdict == verdict]

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs there are, of each verdict and waiting."""
        return {
            "jobs": len(self.jobs) + len(self.failures),
            "done": len(self.of("done")),
            "look": len(self.of("look")),
            "failed": len(self.of("failed")) + len(self.failures),
            "waiting": len(self.waiting),
        }

    @property
    def verdict(self) -> str:
        """`17 of 20 jobs done, 2 need you, 1 failed`."""
        count = self.counts
        parts = ["no jobs ran"]
        if count["jobs"]:
            whole = count["done"] == count["jobs"]
            jobs = f"{counted(count['jobs'], 'job')} done"
            parts = [("all " if whole and count["jobs"] > 1 else "" if whole else f"{count['done']} of ") + jobs]
        parts += [f"{count['look']} need{'s' * (count['look'] == 1)} you"] if count["look"] else []
        parts += [f"{count['failed']} failed"] if count["failed"] else []
        parts += [f"{count['waiting']} waiting"] if count["waiting"] else []
        line = ", ".join(parts)
        return line[0].upper() + line[1:]

    def as_dict(self) -> dict[str, Any]:
        """The object that `digest.json` holds."""
        devices = {name: asdict(work) | {"speed_x": work.speed_x} for name, work in self.devices.items()}
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "verdict": self.verdict,
            "counts": self.counts,
            "rendered_s": round(self.rendered_s, 3),
            "devices": devices,
            "jobs": [job.as_dict() for job in self.jobs],
            "failures": [asdict(failure) | {"at": failure.at.isoformat()} for failure in self.failures],
            "waiting": list(self.waiting),
            "disk": asdict(self.disk) | {"free": self.free_bytes},
        }


def make_digest(
    output: Path, *, since: datetime, now: datetime, failed_folders: Sequence[Path] = (), waiting: Sequence[str] = ()
) -> Digest:
    """Put the jobs together that finished after `since` and until `now`, both with a time zone; the latest first.

    `failed_folders` have drop folders' `<name>.error.txt`; `waiting` names what still lies in their inboxes.
    """
    jobs_there = workspaces(output, lambda workspace: workspace.report).values()
    disks = {workspace: disk_used(workspace) for workspace in jobs_there}
    nights = (_read(workspace, disk) for workspace, disk in disks.items())
    jobs = {night.name: night for night in nights if night and since < night.finished_at <= now}
    all_failures = (failure for folder in failed_folders for failure in _failures(folder))
    failures = {failure.name: failure for failure in all_failures if since < failure.at <= now}
    for name in failures.keys() & jobs.keys():  # a job that is partial has a report and an error text, of one run
        if jobs[name].report.status != "done" or failures[name].at < jobs[name].finished_at:
            del failures[name]
    devices: defaultdict[str, DeviceWork] = defaultdict(DeviceWork)
    for job in jobs.values():
        for name, work in job.devices.items():
            devices[name] += work
    existing = next((path for path in (output, *output.absolute().parents) if path.exists()), Path())
    return Digest(
        since=since,
        until=now,
        jobs=tuple(sorted(jobs.values(), key=lambda job: (job.finished_at, job.name), reverse=True)),
        failures=tuple(sorted(failures.values(), key=lambda failure: (failure.at, failure.name), reverse=True)),
        waiting=tuple(waiting),
        devices=dict(sorted(devices.items())),
        disk=sum(disks.values(), Disk()),
        free_bytes=shutil.disk_usage(existing).free,
    )


def latest_digest(output: Path, inbox: Inbox | None = None, hours: float = 24) -> Digest:
    """The digest of the last hours, with what failed and waits around `inbox`; without, in all that were watched."""
    now = datetime.now().astimezone()
    inboxes = [Inbox(Folders(folder)) for folder in drop_folders(output)] if inbox is None else [inbox]
    waiting = [name for each in inboxes for name in names_waiting(each)]
    failed = [each.folders.failed for each in inboxes]
    return make_digest(output, since=now - timedelta(hours=hours), now=now, failed_folders=failed, waiting=waiting)


def remember_drop_folder(output: Path, folder: Path) -> None:
    """Note a drop folder whose jobs go to `output`, for digests to come; where that cannot be written, they lack it."""
    known, place = _noted(output), str(folder.absolute())
    if place not in known:
        with suppress(OSError, StorageError):
            output.mkdir(parents=True, exist_ok=True)
            write_json(output / _DROP_FOLDERS, [*known, place])


def drop_folders(output: Path) -> list[Path]:
    """Those that were watched, and are still there."""
    return [folder for folder in map(Path, _noted(output)) if Folders(folder).failed.is_dir()]


def _noted(output: Path) -> list[str]:
    known = read_json(output / _DROP_FOLDERS)
    names = known if isinstance(known, list) else []
    return [name for name in names if isinstance(name, str) and "\0" not in name]


def names_waiting(inbox: Inbox) -> list[str]:
    """Manifests in a drop folder's inbox, and in folders there, and scripts without one."""
    try:
        return sorted(drop.place for drop in inbox.look(0.0).drops)
    except OSError:  # whoever watches it tells of it
        return []


def disk_used(workspace: Workspace) -> Disk:
    """What the files of a production use, and its job's takes where it has the root; links are not followed."""
    sizes = {"takes": 0, "chapters": 0, "deliverables": 0}
    parts = {workspace.takes: "takes", workspace.voices: "takes", workspace.chapters: "chapters"}
    others = {other.home for other in workspace.others()} if workspace.home == workspace.root else set()
    for place, folders, names in os.walk(workspace.home):
        folders[:] = [name for name in folders if Path(place, name) not in others]
        part = next((part for folder, part in parts.items() if Path(place).is_relative_to(folder)), "deliverables")
        for name in names:
            try:
                sizes[part] += (Path(place) / name).lstat().st_size
            except OSError:  # it was there a moment ago
                continue
    return Disk(**sizes)


def _read(workspace: Workspace, disk: Disk) -> JobNight | None:
    """A job's last run; None where its report is none."""
    folder = workspace.root
    report = read_report(workspace.report)
    if report is None:
        return None
    try:
        written_at = datetime.fromtimestamp(workspace.report.stat().st_mtime, UTC)
        finished_at = (report.finished_at or written_at).astimezone()
    except (OSError, ValueError, OverflowError):  # it was there a moment ago; no year of this calendar
        return None
    return JobNight(
        name=workspace.job,
        report=report,
        finished_at=finished_at,
        ears=tuple(replace(ear, take=_inside(folder, ear.take)) for ear in report.ears),
        summary=_inside(folder, workspace.summary.relative_to(folder).as_posix()),
        files=tuple(name for file in report.deliverables if (name := _inside(folder, file.path))),
        disk=disk,
    )


def _inside(folder: Path, name: str) -> str:
    """A file of the job, relative to the output folder; empty where it is not there, or outside."""
    try:
        path = (folder / name).resolve(strict=True)
        inside = path.relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return ""
    return (folder.name / inside).as_posix() if path.is_file() else ""


def _failures(folder: Path) -> Iterator[Failure]:
    for path in sorted(folder.glob("*/*.error.txt")):
        try:
            text = read_bytes(path).decode(errors="replace")[:_LONGEST_ERROR].strip()
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone()
        except OSError:
            continue
        yield Failure(path.name.removesuffix(".error.txt"), at, text)
