"""Report: what was made, how fast, and everything a person should look at.

`report.json` is a contract others rely on; the Markdown summary is the same for people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from pipeline.deliver.chapters import ChapterAudio, Gap
from pipeline.deliver.export import Deliverable
from pipeline.errors import Problem
from pipeline.source.voices import NARRATOR, Casting
from pipeline.takes.render import DeviceWork, TakesDone
from pipeline.words import clock


@dataclass(frozen=True)
class Report:
    """A finished run of a job, as `report.json` has it."""

    job: str
    title: str
    status: str  # done, partial, failed
    takes: Mapping[str, int]
    audio_s: float
    wall_s: float
    speed_x: float
    voices: Mapping[str, Mapping[str, Any]]
    chapters: Sequence[Mapping[str, Any]]
    deliverables: Sequence[Mapping[str, Any]]
    problems: Sequence[Mapping[str, str]]
    devices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gaps: Sequence[Mapping[str, Any]] = ()
    ears: Sequence[Mapping[str, Any]] = ()
    finished_at: str = ""  # with the offset from UTC

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def make_report(
    *,
    job: str,
    title: str,
    total_chapters: int,
    done: TakesDone,
    total_takes: int,
    casting: Casting,
    speakers: Sequence[str | None],
    chapters: Sequence[ChapterAudio],
    deliverables: Sequence[Deliverable],
    warnings: Sequence[Problem],
    wall_s: float,
    finished_at: datetime,
) -> Report:
    """Put a run together. `warnings` are what a person should know though nothing failed for it."""
    gaps = [(chapter, gap) for chapter in chapters for gap in chapter.gaps]
    missed = _missed(job, deliverables, total_chapters, len(chapters))
    told = (*done.flagged, *((done.unshared,) if done.unshared else ()))
    status = "done" if not (done.failed or gaps or missed) else "partial" if deliverables else "failed"
    return Report(
        job=job,
        title=title,
        status=status,
        takes={
            "total": total_takes,
            "rendered": done.rendered,
            "reused": done.reused,
            "failed": len(done.failed),
        },
        audio_s=round(sum(chapter.audio_s for chapter in chapters), 3),
        wall_s=round(wall_s, 3),
        speed_x=round(done.rendered_s / wall_s, 1),
        voices={
            speaker or NARRATOR: {"voice": casting.roles[speaker].voice.name, "default": casting.roles[speaker].default}
            for speaker in speakers
        },
        chapters=[
            {
                "number": chapter.number,
                "title": chapter.title,
                "audio_s": round(chapter.audio_s, 3),
                "turns": len(chapter.turns),
            }
            for chapter in chapters
        ],
        deliverables=[asdict(item) for item in deliverables],
        problems=[problem.as_dict() for problem in (*_not_heard(done, gaps), *told, *missed, *warnings)],
        devices={name: _device(work) for name, work in sorted(done.devices.items())},
        gaps=[
            {"chapter": chapter.number, "at_s": gap.start_s, "text": gap.text, "why": _why(done, gap)}
            for chapter, gap in gaps
        ],
        ears=[
            {"take": take.path, "where": take.where, "text": take.text, "faults": list(take.faults)}
            for take in done.ears
        ],
        finished_at=finished_at.isoformat(timespec="seconds"),
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


def _not_heard(done: TakesDone, gaps: Sequence[tuple[ChapterAudio, Gap]]) -> Iterator[Problem]:
    """What failed, and what is missing where; where it left a gap, with its time."""
    places = {gap.take: f" (chapter {chapter.number} at {clock(gap.start_s)})" for chapter, gap in gaps}
    missing = [gone.problem for gone in done.missing.values()]
    yield from (problem for problem in done.failed if problem not in missing)
    for key, gone in done.missing.items():
        yield replace(gone.problem, where=gone.problem.where + places.get(key, ""))


def _why(done: TakesDone, gap: Gap) -> str:
    return done.missing[gap.take].why if gap.take in done.missing else "it was not rendered."


def _device(work: DeviceWork) -> dict[str, Any]:
    return {
        "takes": work.takes,
        "audio_s": round(work.audio_s, 3),
        "work_s": round(work.work_s, 3),
        "speed_x": round(work.audio_s / work.work_s, 1) if work.work_s else 0.0,
    }


def summary(report: Report) -> str:
    """The report for people, in Markdown."""
    takes = report.takes
    lines = [
        f"# {_cell(report.title)}: {report.status}",
        "",
        f"{clock(report.audio_s)} of audio in {clock(report.wall_s)}"
        + (f", {report.speed_x:.0f} times real time." if takes["rendered"] else ", nothing new to render."),
        f"Takes: {takes['total']} in all, {takes['rendered']} rendered, {takes['reused']} reused, "
        f"{takes['failed']} failed.",
        "",
        "| file | length | LUFS | dB RMS | dBTP | noise floor | limits |",
        "|---|---|---|---|---|---|---|",
    ]
    for item in report.deliverables:
        missed = [name for name, met in item["limits"].items() if not met]
        verdict = f"misses {', '.join(missed)}" if missed else f"all {len(item['limits'])} met"
        lines.append(
            f"| {_cell(item['path'])} | {clock(item['audio_s'])} | {item['lufs']:.1f} | {item['rms_db']:.1f} "
            f"| {item['true_peak_dbtp']:.1f} | {item['noise_floor_db']:.0f} | {verdict} |"
        )
    if report.devices:
        lines += ["", "| device | takes | audio | work | times real time |", "|---|---|---|---|---|"]
    for name, work in report.devices.items():
        lines.append(
            f"| {_cell(name)} | {work['takes']} | {clock(work['audio_s'])} | {clock(work['work_s'])} "
            f"| {work['speed_x']:.1f} |"
        )
    lines += ["", "| speaker | voice | |", "|---|---|---|"]
    for speaker, role in report.voices.items():
        lines.append(f"| {_cell(speaker)} | {role['voice']} | {'by default' if role['default'] else 'as asked'} |")
    lines += ["", "| chapter | title | length | turns |", "|---|---|---|---|"]
    for chapter in report.chapters:
        lines.append(
            f"| {chapter['number']} | {_cell(chapter['title'])} | {clock(chapter['audio_s'])} | {chapter['turns']} |"
        )
    if report.gaps:
        lines += ["", "Gaps, each of silence with its words marked as missing:", ""]
    for gap in report.gaps:
        lines.append(f'- chapter {gap["chapter"]} at {clock(gap["at_s"])}: "{_cell(gap["text"][:60])}": {gap["why"]}')
    if report.problems:
        lines += ["", "To look at:", ""]
        lines += [f"- {Problem(**problem)}" for problem in report.problems]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
