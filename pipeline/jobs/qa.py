"""QA: what the checks say of a job's takes, what was tried about it, what helped, and what is left, riskiest first.

In: a job whose takes were judged. Out: a `QualityReport`. Renders nothing and changes nothing but, where that is asked
for, the statistics that later takes are compared by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.checks.statistics import compare
from pipeline.checks.verdicts import Finding, judge
from pipeline.jobs.job import Job, chapter_times, ignored_checks
from pipeline.takes.baseline import Baseline, voices_of
from pipeline.takes.borders import plan_name
from pipeline.takes.choices import Choice, JudgedAttempt, read_choice
from pipeline.takes.history import history, retakes_in
from pipeline.takes.plan import PlannedTake
from pipeline.words import clock, counted, table

_SHOWN = 40  # doubtful takes


@dataclass(frozen=True)
class DoubtfulTake:
    """A take that is delivered with faults, or words that nothing could be delivered of."""

    where: str
    chapter: int  # its number
    at_s: float | None  # in the chapter as it was joined last; None: it was not
    take: str  # its file, relative to the job's folder; "" where there is none
    voices: str
    text: str
    score: float
    findings: tuple[Finding, ...]
    failure: str
    tried: tuple[str, ...]  # the remedies, in their order

    @property
    def why(self) -> str:
        """What is wrong with it, for people."""
        return self.failure.rstrip(".") or " and ".join(finding.what for finding in self.findings)


@dataclass(frozen=True)
class KindTally:
    """Takes in which a check found a fault at any attempt, and those that stand with it."""

    check: str
    takes: int
    left: int


@dataclass(frozen=True)
class RemedyTally:
    """How often a remedy was tried, and how often the attempt was without a fault."""

    remedy: str
    tried: int
    helped: int


@dataclass(frozen=True)
class TakeTally:
    """Takes of a chapter or of a voice, what was found in them, and what was tried."""

    name: str
    takes: int
    retaken: int
    doubtful: int
    kinds: tuple[KindTally, ...]
    remedies: tuple[RemedyTally, ...]


@dataclass(frozen=True)
class QualityReport:
    """What `podcast qa` shows; `left` has the riskiest first."""

    job: str
    title: str
    takes: int
    judged: int
    approved: int
    retaken: int
    chapters: tuple[TakeTally, ...]
    voices: tuple[TakeTally, ...]
    kinds: tuple[KindTally, ...]
    remedies: tuple[RemedyTally, ...]
    left: tuple[DoubtfulTake, ...]

    def as_dict(self) -> dict[str, Any]:
        """What `podcast qa --json` prints."""
        return asdict(self)


@dataclass(frozen=True)
class _JudgedTake:
    """A planned take with the attempts at it, those of what it was cut from first; its own first is a split then."""

    plan: PlannedTake
    choice: Choice
    history: tuple[JudgedAttempt, ...]

    @property
    def stands(self) -> JudgedAttempt | None:
        """The attempt that stands."""
        return next((one for one in self.choice.attempts if one.take == self.choice.stands), None)

    @property
    def shown(self) -> JudgedAttempt:
        """The attempt that stands, or the best of those that cannot be delivered."""
        return self.stands or max(self.choice.attempts, key=lambda attempt: attempt.score)

    @property
    def retakes(self) -> tuple[JudgedAttempt, ...]:
        """The attempts that were made for a fault."""
        return retakes_in(self.history, self.plan)

    @property
    def is_doubtful(self) -> bool:
        """Whether what stands has faults, or nothing does."""
        stands = self.stands
        return stands is None or bool(stands.bad)


def quality_report(job: Job, *, recalibrate: bool = False) -> QualityReport:
    """What is on record of a job's takes.

    With `recalibrate` the statistics are made anew of the takes that stand, and kept; then what is left is what stands
    out now. No take is made again for that. Raises `StorageError` where the statistics cannot be written.
    """
    judged = list(_judged_takes(job))
    if recalibrate:
        baseline = Baseline(job.workspace.checks, plan_name(job.traits, job.manifest.language))
        baseline.replace([(one.plan, stands) for one in judged if (stands := one.stands) is not None], job.takes)
        judged = [_rejudged(one, baseline, job) for one in judged]
    by_chapter = {index: [one for one in judged if one.plan.chunk.chapter == index] for index in job.takes_by_chapter}
    voices = sorted({voices_of(one.plan) for one in judged})
    titles = [chapter.title for chapter in job.script.chapters]
    return QualityReport(
        job=job.name,
        title=job.manifest.title,
        takes=len(job.takes),
        judged=len(judged),
        approved=sum(bool(plan.approved) for plan in job.takes),
        retaken=sum(bool(one.retakes) for one in judged),
        chapters=tuple(_tally(f"{index + 1}. {titles[index]}", takes) for index, takes in by_chapter.items()),
        voices=tuple(_tally(name, [one for one in judged if voices_of(one.plan) == name]) for name in voices),
        kinds=tuple(_kinds(judged)),
        remedies=tuple(_remedies(judged)),
        left=tuple(_left(job, judged)),
    )


def _judged_takes(job: Job) -> Iterator[_JudgedTake]:
    folder = job.workspace.takes
    for plan in job.takes:
        choice = None if plan.approved else read_choice(folder, plan.key)
        if choice is not None:
            yield _JudgedTake(plan, choice, history(folder, choice))


def _rejudged(one: _JudgedTake, baseline: Baseline, job: Job) -> _JudgedTake:
    voices, ignored = baseline.of(voices_of(one.plan)), ignored_checks(job)

    def judged(attempt: JudgedAttempt) -> JudgedAttempt:
        if not attempt.measured:
            return attempt
        findings = judge(attempt.measured, job.traits.seconds_per_byte)
        compared = compare(attempt.measured, voices.statistics) if voices else ()
        return attempt.judged(one for one in (*findings, *compared) if one.check not in ignored)

    own = len(one.choice.attempts)
    choice = replace(one.choice, attempts=tuple(map(judged, one.choice.attempts)))
    return _JudgedTake(one.plan, choice, (*one.history[:-own], *map(judged, one.history[-own:])))


def _tally(name: str, takes: Sequence[_JudgedTake]) -> TakeTally:
    retaken, doubtful = sum(bool(one.retakes) for one in takes), sum(one.is_doubtful for one in takes)
    return TakeTally(name, len(takes), retaken, doubtful, tuple(_kinds(takes)), tuple(_remedies(takes)))


def _kinds(judged: Iterable[_JudgedTake]) -> Iterator[KindTally]:
    everywhere: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for one in judged:
        everywhere.update({finding.check for attempt in one.history for finding in attempt.bad})
        left.update({finding.check for finding in one.shown.bad})
    for check, takes in everywhere.most_common():
        yield KindTally(check, takes, left[check])


def _remedies(judged: Iterable[_JudgedTake]) -> Iterator[RemedyTally]:
    tried: Counter[str] = Counter()
    helped: Counter[str] = Counter()
    attempts = {attempt.take: attempt for one in judged for attempt in one.retakes}  # halves share their parent's
    for attempt in attempts.values():
        tried[attempt.remedy] += 1
        helped[attempt.remedy] += attempt.is_usable and not attempt.bad
    for remedy, count in tried.most_common():
        yield RemedyTally(remedy, count, helped[remedy])


def _left(job: Job, judged: Sequence[_JudgedTake]) -> list[DoubtfulTake]:
    doubtful = [one for one in judged if one.is_doubtful]
    chapters = {one.plan.chunk.chapter for one in doubtful}
    times = {index: chapter_times(job, index) for index in chapters}
    rows = [_doubtful_take(one, times[one.plan.chunk.chapter].get(one.plan.key)) for one in doubtful]
    return sorted(rows, key=lambda row: row.score)


def _doubtful_take(one: _JudgedTake, chapter_at_s: float | None) -> DoubtfulTake:
    shown = one.shown
    delivered = shown.bad if one.stands else ()  # of what is missing the chapter has no sound
    within_s = next((finding.at_s for finding in delivered if finding.at_s is not None), 0.0)
    return DoubtfulTake(
        where=one.plan.where,
        chapter=one.plan.chunk.chapter + 1,
        at_s=None if chapter_at_s is None else round(chapter_at_s + within_s, 2),
        take=f"takes/{shown.take}.flac" if shown.pcm_sha256 else "",
        voices=voices_of(one.plan),
        text=one.plan.text,
        score=shown.score if one.stands else 0.0,
        findings=shown.bad,
        failure=shown.failure,
        tried=tuple(attempt.remedy for attempt in one.retakes),
    )


def quality_lines(report: QualityReport) -> Iterator[str]:
    """The report for people."""
    judged = f"{report.judged} of {counted(report.takes, 'take')} judged"
    approved = f", {report.approved} approved by people" if report.approved else ""
    doubtful = counted(len(report.left), "take") + (" is" if len(report.left) == 1 else " are")
    rest = report.takes - report.judged - report.approved
    missing = f", {rest} not yet (podcast render makes and judges them)" if rest else ""
    yield f"{report.job}: {judged}{approved}, {report.retaken} taken again{missing}"
    yield f"{doubtful} left to listen to" + (":" if report.left else "")
    for one in report.left[:_SHOWN]:
        at = f" at {clock(one.at_s)}" if one.at_s is not None else ""
        tried = f"; tried: {', '.join(one.tried)}" if one.tried else ""
        yield f"  {one.score:3.0f}  {one.where}  chapter {one.chapter}{at}: it {one.why}{tried}"
        yield f'       {one.take or "nothing to deliver"}  "{one.text[:60]}"'
    if len(report.left) > _SHOWN:
        yield f"  ... and {len(report.left) - _SHOWN} more (--json lists all)"
    if report.kinds:
        yield ""
        yield table([("fault", "takes", "left"), *((one.check, str(one.takes), str(one.left)) for one in report.kinds)])
    if report.remedies:
        yield ""
        rows = ((one.remedy, str(one.tried), str(one.helped)) for one in report.remedies)
        yield table([("remedy", "tried", "helped"), *rows])
    for name, tallies in (("chapter", report.chapters), ("voice", report.voices)):
        yield ""
        yield table([(name, "takes", "taken again", "doubtful", "found", "tried"), *map(_tally_row, tallies)])


def _tally_row(one: TakeTally) -> tuple[str, ...]:
    faults = ", ".join(f"{kind.check} {kind.takes}" for kind in one.kinds)
    tried = ", ".join(f"{remedy.remedy} {remedy.tried} ({remedy.helped} helped)" for remedy in one.remedies)
    return one.name, str(one.takes), str(one.retaken), str(one.doubtful), faults, tried
