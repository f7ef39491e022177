"""Morning digest: what became of all jobs since yesterday, and which of them need a person.

In: the output folder with its jobs' reports, and what the drop folder refused. Out: a `Digest`. A report that is
damaged, or of something else, is passed over. How the digest looks is `digest_page`'s affair.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import Problem
from pipeline.files import read_json

_LONGEST_ERROR = 10_000  # characters of an error text


@dataclass(frozen=True)
class Ear:
    """A take to listen to: its file, relative to the output folder (empty where it is gone), and what is odd."""

    take: str
    where: str
    text: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """Words that are silence in a chapter, at `at_s` seconds from its start."""

    chapter: str
    at_s: float
    text: str
    why: str


@dataclass(frozen=True)
class Disk:
    """Bytes that takes (with auditions), chapters, and deliverables (with all the rest) use."""

    takes: int = 0
    chapters: int = 0
    deliverables: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.takes + self.chapters + self.deliverables


@dataclass(frozen=True)
class Work:
    """What a device has made, and the seconds it worked on it."""

    takes: int
    audio_s: float
    work_s: float

    @property
    def speed_x(self) -> float:
        """Seconds of audio per second of work."""
        return round(self.audio_s / self.work_s, 1) if self.work_s > 0 else 0.0


@dataclass(frozen=True)
class JobNight:
    """One job's last run. Paths are relative to the output folder."""

    name: str
    title: str
    status: str  # done, partial, failed
    finished_at: datetime
    audio_s: float  # of the whole job
    rendered_s: float  # of it, new in this run
    devices: Mapping[str, Work]
    ears: tuple[Ear, ...]
    gaps: tuple[Missing, ...]
    problems: tuple[Problem, ...]  # other than those
    report: str
    files: tuple[str, ...]
    disk: Disk

    @property
    def verdict(self) -> Literal["done", "look", "failed"]:
        """Whether a person has to look, or there is nothing to look at."""
        if self.status == "failed":
            return "failed"
        return "look" if self.status == "partial" or self.ears or self.gaps else "done"


@dataclass(frozen=True)
class Failure:
    """A manifest of the drop folder that came to no report, and why."""

    name: str
    at: datetime
    text: str


@dataclass(frozen=True)
class Digest:
    """All of a night."""

    since: datetime
    until: datetime
    jobs: tuple[JobNight, ...]
    failures: tuple[Failure, ...]
    waiting: tuple[str, ...]
    devices: Mapping[str, Work]
    disk: Disk  # of all jobs in the folder
    free_bytes: int

    @property
    def rendered_s(self) -> float:
        """Seconds of audio that are new."""
        return sum(job.rendered_s for job in self.jobs)

    def of(self, verdict: str) -> list[JobNight]:
        """The jobs that came out so."""
        return [job for job in self.jobs if job.verdict == verdict]

    @property
    def counts(self) -> dict[str, int]:
        """Jobs by how they came out."""
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
        told = ["no jobs ran"]
        if count["jobs"]:
            whole = count["done"] == count["jobs"]
            jobs = f"{count['jobs']} job{'s' * (count['jobs'] != 1)} done"
            told = [("all " if whole and count["jobs"] > 1 else "" if whole else f"{count['done']} of ") + jobs]
        told += [f"{count['look']} need{'s' * (count['look'] == 1)} you"] if count["look"] else []
        told += [f"{count['failed']} failed"] if count["failed"] else []
        told += [f"{count['waiting']} waiting"] if count["waiting"] else []
        line = ", ".join(told)
        return line[0].upper() + line[1:]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        devices = {name: asdict(work) | {"speed_x": work.speed_x} for name, work in self.devices.items()}
        jobs = [asdict(job) | {"finished_at": job.finished_at.isoformat(), "verdict": job.verdict} for job in self.jobs]
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "verdict": self.verdict,
            "counts": self.counts,
            "rendered_s": round(self.rendered_s, 3),
            "devices": devices,
            "jobs": jobs,
            "failures": [asdict(failure) | {"at": failure.at.isoformat()} for failure in self.failures],
            "waiting": list(self.waiting),
            "disk": asdict(self.disk) | {"free": self.free_bytes},
        }


def make_digest(
    output: Path, *, since: datetime, now: datetime, failed_folder: Path | None = None, waiting: Sequence[str] = ()
) -> Digest:
    """Put the jobs together that finished after `since` and until `now`, both with a time zone; the latest first.

    `failed_folder` has the drop folder's `<name>.error.txt`; `waiting` names what still lies in the inbox.
    """
    folders = sorted(path for path in output.glob("*/") if (path / "report.json").is_file() and not path.is_symlink())
    disks = {folder: disk_used(folder) for folder in folders}
    nights = (_read(folder, disks[folder]) for folder in folders)
    jobs = {night.name: night for night in nights if night and since < night.finished_at <= now}
    failures = {failure.name: failure for failure in _failures(failed_folder) if since < failure.at <= now}
    for name in failures.keys() & jobs.keys():  # a job that is partial has a report and an error text, of one run
        older = failures if jobs[name].status != "done" or failures[name].at < jobs[name].finished_at else jobs
        del older[name]
    devices: dict[str, Work] = {}
    for job in jobs.values():
        for name, work in job.devices.items():
            devices[name] = _sum(devices.get(name, Work(0, 0.0, 0.0)), work)
    everything = list(disks.values())
    there = next((path for path in (output, *output.absolute().parents) if path.exists()), Path())
    return Digest(
        since=since,
        until=now,
        jobs=tuple(sorted(jobs.values(), key=lambda job: (job.finished_at, job.name), reverse=True)),
        failures=tuple(sorted(failures.values(), key=lambda failure: (failure.at, failure.name), reverse=True)),
        waiting=tuple(waiting),
        devices=dict(sorted(devices.items())),
        disk=Disk(*(sum(getattr(disk, part) for disk in everything) for part in ("takes", "chapters", "deliverables"))),
        free_bytes=shutil.disk_usage(there).free,
    )


def latest_digest(output: Path, folder: Path | None = None, hours: float = 24) -> Digest:
    """What was made in the last hours, and with a drop folder what failed and waits there."""
    now = datetime.now().astimezone()
    since = now - timedelta(hours=hours)
    if folder is None:
        return make_digest(output, since=since, now=now)
    return make_digest(output, since=since, now=now, failed_folder=folder / "failed", waiting=names_waiting(folder))


def names_waiting(folder: Path) -> list[str]:
    """Names of what lies in a drop folder's inbox, scripts in YAML among them: nothing is read."""
    return sorted(path.name for path in (folder / "inbox").glob("[!.]*.y*ml"))


def disk_used(folder: Path) -> Disk:
    """What a job's folder takes; links are not followed."""
    sizes = {"takes": 0, "chapters": 0, "deliverables": 0}
    for place, _folders, names in os.walk(folder):
        first = next(iter(Path(place).relative_to(folder).parts), "")
        part = {"takes": "takes", "voices": "takes", "chapters": "chapters"}.get(first, "deliverables")
        for name in names:
            try:
                sizes[part] += (Path(place) / name).lstat().st_size
            except OSError:  # it was there a moment ago
                continue
    return Disk(**sizes)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Work(_Part):
    takes: int = 0
    audio_s: float = 0.0
    work_s: float = 0.0


class _Ear(_Part):
    take: str
    where: str = ""
    text: str = ""
    faults: tuple[str, ...] = ()


class _Gap(_Part):
    chapter: int | str
    at_s: float = 0.0
    text: str = ""
    why: str = ""


class _Problem(_Part):
    where: str
    what: str
    next: str = ""


class _File(_Part):
    path: str


class _Report(_Part):
    """`report.json` as far as a digest needs it; what older ones lack has a default."""

    title: str
    status: Literal["done", "partial", "failed"]
    audio_s: float
    wall_s: float
    speed_x: float
    deliverables: tuple[_File, ...] = ()
    problems: tuple[_Problem, ...] = ()
    finished_at: datetime | None = None
    devices: Mapping[str, _Work] = {}
    ears: tuple[_Ear, ...] = ()
    gaps: tuple[_Gap, ...] = ()


def _read(folder: Path, disk: Disk) -> JobNight | None:
    """A job's report; None where it is none."""
    path = folder / "report.json"
    try:
        report = _Report.model_validate(read_json(path))
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (ValidationError, OSError):
        return None
    ears = tuple(Ear(_inside(folder, ear.take), ear.where, ear.text, ear.faults) for ear in report.ears)
    gaps = tuple(Missing(str(gap.chapter), gap.at_s, gap.text, gap.why) for gap in report.gaps)
    told = [ear.text[:60] for ear in ears if ear.text] + [gap.text[:60] for gap in gaps if gap.text]
    made = sum(work.audio_s for work in report.devices.values()) if report.devices else report.speed_x * report.wall_s
    return JobNight(
        name=folder.name,
        title=report.title,
        status=report.status,
        finished_at=(report.finished_at or written).astimezone(),
        audio_s=report.audio_s,
        rendered_s=round(made, 3),
        devices={name or "here": Work(work.takes, work.audio_s, work.work_s) for name, work in report.devices.items()},
        ears=ears,
        gaps=gaps,
        problems=tuple(
            Problem(problem.where, problem.what, problem.next)
            for problem in report.problems
            if not any(text in problem.what for text in told)
        ),
        report=_inside(folder, "report.md"),
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


def _failures(folder: Path | None) -> Iterator[Failure]:
    for path in sorted(folder.glob("*.error.txt")) if folder else ():
        try:
            text = path.read_text(encoding="utf-8", errors="replace")[:_LONGEST_ERROR].strip()
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone()
        except OSError:
            continue
        yield Failure(path.name.removesuffix(".error.txt"), at, text)


def _sum(one: Work, other: Work) -> Work:
    return Work(one.takes + other.takes, one.audio_s + other.audio_s, one.work_s + other.work_s)
