"""Report: what a run made, how fast, and everything a person should look at.

In: what the stages of a run leave behind. Out: a `Report`. `report.json` is a contract that others rely on, and this
file alone knows it: a run writes it, and the digest, the drop folder and the flow read it. `report.md` is for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_serializer

from pipeline.deliver.chapters import ChapterAudio, ChapterGap
from pipeline.deliver.record import Deliverable
from pipeline.errors import Problem, lines_of, printable
from pipeline.files import read_bytes, write_json, write_text
from pipeline.source.voices import NARRATOR, Casting
from pipeline.takes.outcome import DeviceWork, Ear, TakesDone
from pipeline.words import clock, counted, speed_text
from pipeline.workspace import Production

_MOST_FILES = 6  # of one folder, before the folder is named instead
_MOST = 1e9  # takes, or seconds: whoever adds reports up need not fear an overflow


@dataclass(frozen=True)
class TakeCounts:
    """Takes of a job, by what the run did with them. Auditions that came to nothing count among the failed."""

    total: int = 0
    rendered: int = 0
    reused: int = 0
    failed: int = 0


@dataclass(frozen=True)
class SpeakerVoice:
    """The voice that a speaker has."""

    voice: str
    default: bool  # nobody chose it


@dataclass(frozen=True)
class ChapterSummary:
    """A chapter that was joined."""

    number: int
    title: str
    audio_s: float
    turns: int


@dataclass(frozen=True)
class Gap:
    """Words that are silence in a chapter, `at_s` seconds from its start."""

    chapter: int  # its number
    at_s: float = 0.0
    text: str = ""
    why: str = ""


def _plausible(work: DeviceWork) -> DeviceWork:
    if not all(0 <= value <= _MOST for value in (work.takes, work.audio_s, work.work_s)):
        raise ValueError("no device does that in one run")
    return work


class Report(BaseModel):
    """A finished run of a job. Paths are relative to the job's folder.

    Strict about what it knows and blind to what it does not, as `report.json` may be of another version or of somebody
    else: then the defaults stand for what it lacks.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    job: str = ""
    title: str
    status: Literal["done", "partial", "failed"]
    takes: TakeCounts = TakeCounts()
    audio_s: float = Field(ge=0, le=_MOST)
    wall_s: float = Field(ge=0, le=_MOST)  # without the hours outside the window
    speed_x: float = Field(ge=0, le=_MOST)  # what was rendered, by `wall_s`
    voices: Mapping[str, SpeakerVoice] = {}  # by speaker
    chapters: tuple[ChapterSummary, ...] = ()
    deliverables: tuple[Deliverable, ...] = ()
    problems: tuple[Problem, ...] = ()
    devices: Mapping[str, Annotated[DeviceWork, AfterValidator(_plausible)]] = {}  # by name
    gaps: tuple[Gap, ...] = ()
    ears: tuple[Ear, ...] = ()
    finished_at: datetime | None = None
    other_problems: tuple[Problem, ...] | None = None  # those that no gap and no ear stands for; None: not known
    removed: tuple[str, ...] = ()  # files of earlier runs that this one no longer wants
    author: str = ""
    series: str = ""
    part: str = ""
    unspoken: int = 0  # turns with words that no voice can say
    retaken: int = 0  # attempts at takes that had faults before

    @property
    def rendered_s(self) -> float:
        """Seconds of audio that this run rendered."""
        if not self.devices:  # an older report, or a run that had nothing to render
            return self.speed_x * self.wall_s
        return sum(work.audio_s for work in self.devices.values())

    def as_dict(self) -> dict[str, Any]:
        """The object that `report.json` holds."""
        return self.model_dump(mode="json")

    @field_serializer("devices")
    def _devices_json(self, devices: Mapping[str, DeviceWork]) -> dict[str, Any]:
        return {
            name: {
                "takes": work.takes,
                "audio_s": round(work.audio_s, 3),
                "work_s": round(work.work_s, 3),
                "speed_x": work.speed_x,
            }
            for name, work in devices.items()
        }

    @field_serializer("finished_at")
    def _finished_at_json(self, finished_at: datetime | None) -> str | None:
        return finished_at.isoformat(timespec="seconds") if finished_at else None


def write_report(path: Path, report: Report) -> None:
    """Write the report as JSON to `path`, and for people beside it, as Markdown. Raises `StorageError`."""
    write_json(path, report.as_dict())
    write_text(path.with_suffix(".md"), summary(report))


def read_report(path: Path) -> Report | None:
    """The report in `path`; None where there is none, or it is damaged or something else."""
    try:
        return Report.model_validate_json(read_bytes(path))
    except (OSError, ValidationError):
        return None


def make_report(
    *,
    job: str,
    production: Production,
    total_chapters: int,
    done: TakesDone,
    total_takes: int,
    casting: Casting,
    speakers: Sequence[str | None],
    chapters: Sequence[ChapterAudio],
    deliverables: Sequence[Deliverable],
    warnings: Sequence[Problem],
    unspoken: int,
    wall_s: float,
    finished_at: datetime,
) -> Report:
    """Put a run together. `warnings` are what a person should know though nothing failed for it."""
    gaps = [(chapter, gap) for chapter in chapters for gap in chapter.gaps]
    missed = _missed(job, deliverables, total_chapters, len(chapters))
    missing = _missing(done, gaps)
    shown = {*done.ears, *(gap.take for _chapter, gap in gaps)}
    not_of_takes = (*((done.unshared,) if done.unshared else ()), *missed, *done.notes, *warnings)
    return Report(
        job=job,
        **asdict(production),
        status="done" if not (done.failed or gaps or missed) else "partial" if deliverables else "failed",
        takes=TakeCounts(total_takes, done.rendered, done.reused, len(done.failed)),
        audio_s=round(sum(chapter.audio_s for chapter in chapters), 3),
        wall_s=round(wall_s, 3),
        speed_x=round(done.rendered_s / wall_s, 1),
        voices={
            speaker or NARRATOR: SpeakerVoice(casting.roles[speaker].voice.name, casting.roles[speaker].default)
            for speaker in speakers
        },
        chapters=tuple(
            ChapterSummary(chapter.number, chapter.title, round(chapter.audio_s, 3), len(chapter.turns))
            for chapter in chapters
        ),
        deliverables=tuple(deliverables),
        problems=(*done.failed_auditions, *missing.values(), *done.poor_auditions, *done.flagged, *not_of_takes),
        devices=dict(sorted(done.devices.items())),
        gaps=tuple(Gap(chapter.number, gap.start_s, gap.text, _why(done, gap)) for chapter, gap in gaps),
        ears=tuple(sorted(done.ears.values(), key=lambda ear: ear.score)),
        finished_at=finished_at,
        unspoken=unspoken,
        retaken=done.retaken,
        other_problems=(
            *done.failed_auditions,
            *(problem for take, problem in missing.items() if take not in shown),
            *done.poor_auditions,
            *not_of_takes,
        ),
    )


def _missed(job: str, deliverables: Sequence[Deliverable], chapters: int, joined: int) -> list[Problem]:
    """Limits that are not kept, and chapters that are not there."""
    missed = [
        Problem(item.path, f"misses its limit for {name.replace('_', ' ')}.", "See its levels in the report.")
        for item in deliverables
        for name, met in item.limits.items()
        if not met
    ]
    if joined < chapters:
        what = f"{chapters - joined} of {chapters} chapters have nothing that can be heard."
        missed.append(Problem(job, what, "See the takes that failed."))
    return missed


def _missing(done: TakesDone, gaps: Sequence[tuple[ChapterAudio, ChapterGap]]) -> dict[str, Problem]:
    """The problems of missing takes, by key; with the time in the chapter where a take left a gap."""
    places = {gap.take: f" (chapter {chapter.number} at {clock(gap.start_s)})" for chapter, gap in gaps}
    return {
        key: replace(missing.problem, where=missing.problem.where + places.get(key, ""))
        for key, missing in done.missing.items()
    }


def _why(done: TakesDone, gap: ChapterGap) -> str:
    return done.missing[gap.take].why if gap.take in done.missing else "it was not rendered."


def closing_lines(report: Report) -> list[str]:
    """The report in a few lines, for the end of a command: how it went, and what to look at."""
    takes = report.takes
    speed = f", {speed_text(report.speed_x)} times real time." if takes.rendered else ", nothing new to render."
    again = f", {counted(report.retaken, 'retake')}" if report.retaken else ""
    doubtful = f"Doubtful: {counted(len(report.ears), 'take')} to listen to (podcast qa shows them, riskiest first)."
    removed = f"removed {counted(len(report.removed), 'file')} that it no longer makes (see the report)"
    return [
        f"{printable(report.title)}: {report.status}",
        f"{clock(report.audio_s)} of audio in {clock(report.wall_s)}{speed}",
        f"Takes: {takes.total} in all, {takes.rendered} rendered, {takes.reused} reused, {takes.failed} failed{again}.",
        *([removed] if report.removed else []),
        *(f"- {line}" for line in lines_of(report.problems)),
        *([doubtful] if report.ears else []),
    ]


def file_lines(report: Report, root: Path) -> list[str]:
    """Where a report's files are, seen from `root`, the job's folder: each, or of many in one folder that folder."""
    by_folder: dict[Path, list[Path]] = {}
    for item in report.deliverables:
        path = root / item.path
        by_folder.setdefault(path.parent, []).append(path)
    return [
        printable(line)
        for folder, paths in by_folder.items()
        for line in (map(str, paths) if len(paths) <= _MOST_FILES else [f"{folder}/ ({len(paths)} files)"])
    ]


def summary(report: Report) -> str:
    """The report for people, in Markdown."""
    _title, length, takes, *_others = closing_lines(report)
    lines = [
        f"# {_cell(report.title)}: {report.status}",
        "",
        length,
        takes,
        "",
        "| file | length | LUFS | dB RMS | dBTP | noise floor | limits |",
        "|---|---|---|---|---|---|---|",
    ]
    for item in report.deliverables:
        missed = [name for name, met in item.limits.items() if not met]
        verdict = f"misses {', '.join(missed)}" if missed else f"all {len(item.limits)} met"
        lines.append(
            f"| {_cell(item.path)} | {clock(item.audio_s)} | {item.lufs:.1f} | {item.rms_db:.1f} "
            f"| {item.true_peak_dbtp:.1f} | {item.noise_floor_db:.0f} | {verdict} |"
        )
    if report.devices:
        lines += ["", "| device | takes | audio | work | times real time |", "|---|---|---|---|---|"]
    for name, work in report.devices.items():
        lines.append(
            f"| {_cell(name)} | {work.takes} | {clock(work.audio_s)} | {clock(work.work_s)} "
            f"| {speed_text(work.speed_x)} |"
        )
    lines += ["", "| speaker | voice | |", "|---|---|---|"]
    for speaker, role in report.voices.items():
        lines.append(f"| {_cell(speaker)} | {role.voice} | {'by default' if role.default else 'as asked'} |")
    lines += ["", "| chapter | title | length | turns |", "|---|---|---|---|"]
    for chapter in report.chapters:
        lines.append(f"| {chapter.number} | {_cell(chapter.title)} | {clock(chapter.audio_s)} | {chapter.turns} |")
    if report.gaps:
        lines += ["", "Gaps, each of silence with its words marked as missing:", ""]
    for gap in report.gaps:
        lines.append(f'- chapter {gap.chapter} at {clock(gap.at_s)}: "{_cell(gap.text[:60])}": {gap.why}')
    if report.removed:
        lines += ["", "Removed, as this run no longer makes them:", ""]
        lines += [f"- {_cell(name)}" for name in report.removed]
    if report.problems:
        lines += ["", "To look at:", ""]
        lines += [f"- {problem}" for problem in report.problems]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
