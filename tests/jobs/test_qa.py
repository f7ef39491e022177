"""What is told of a job's takes: what was found and tried, what helped, and what is left, the worst first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.deliver.chapters import take_times
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.qa import KindTally, QualityReport, quality_lines, quality_report
from pipeline.jobs.retake import approve, named_takes
from pipeline.jobs.stages import Conditions, render_all_takes, render_job
from pipeline.settings import Settings
from pipeline.takes.baseline import Baseline
from pipeline.takes.borders import plan_name
from pipeline.takes.choices import read_choice, write_choice
from tests.support.commands import MakeJob

PLACES = "north south east west old new red white high low".split()
FAULTS = {"south": ("music", "temperature"), "high": ("clipped", "never"), "red": ("noise", "never")}
CHAPTERS = (PLACES[:5], PLACES[5:])


def line(place: str) -> str:
    """What is said of a place."""
    return f"The keeper of the {place} light walked slowly down to the water, and looked at the grey sky for long."


class Show:
    """A manifest of ten takes in two chapters, to be opened with an engine that has faults."""

    def __init__(self, make_job: MakeJob, settings: Settings, tmp_path: Path) -> None:
        scenes = ("\n\n---\n\n".join(map(line, places)) for places in CHAPTERS)
        self.manifest = make_job(
            "\n\n".join(f"# Part\n\n{scene}" for scene in scenes), deliver=["flac"], narrator="ada"
        )
        self._settings, self._plan = settings, tmp_path / "faults.json"
        self.spoil(FAULTS)

    def spoil(self, faults: dict[str, tuple[str, str]]) -> None:
        """What goes wrong from now on, and its cure, by the place that is spoken of."""
        words = {place: line(place)[:40] for place in faults}
        plan = [{"text": words[place], "kind": kind, "cure": cure} for place, (kind, cure) in faults.items()]
        self._plan.write_text(json.dumps({"faults": plan}))

    def open(self) -> Job:
        return open_job(self.manifest, self._settings, engine="faulty")

    def report(self, *, recalibrate: bool = False) -> QualityReport:
        return quality_report(self.open(), recalibrate=recalibrate)


@pytest.fixture
def show(make_job: MakeJob, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    monkeypatch.setenv("PODCAST_FAULTS", str(tmp_path / "faults.json"))
    return Show(make_job, settings, tmp_path)


def files(job: Job) -> dict[str, bytes]:
    """All of a job's folder, but its statistics."""
    root = job.workspace.root
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "checks.json"}


def test_a_job_that_was_not_rendered_has_nothing_to_tell(show: Show) -> None:
    """And nothing is made for it."""
    report = show.report()
    assert (report.takes, report.judged, report.retaken, report.left) == (10, 0, 0, ())
    assert [chapter.takes for chapter in report.chapters] == [0, 0]
    assert not show.open().workspace.root.exists()


def test_what_was_found_and_tried_and_what_is_left(show: Show) -> None:
    """By chapter, voice, kind and remedy; the worst first, with its time in the chapter."""
    rendered = render_job(show.open(), Conditions(jobs=1))
    job, report = show.open(), show.report()
    assert (report.takes, report.judged, report.approved) == (len(job.takes), len(job.takes), 0)
    assert [chapter.name for chapter in report.chapters] == ["1. Part", "2. Part"]
    assert sum(chapter.takes for chapter in report.chapters) == len(job.takes)
    assert [voice.name for voice in report.voices] == ["ada"]
    assert report.voices[0].doubtful == len(report.left) == sum(chapter.doubtful for chapter in report.chapters)
    assert report.retaken == sum(chapter.retaken for chapter in report.chapters) >= 3
    assert KindTally("music", 1, 0) in report.kinds
    assert [KindTally("music", 1, 0) in chapter.kinds for chapter in report.chapters] == [True, False]
    assert report.voices[0].kinds == report.kinds
    assert report.voices[0].remedies == report.remedies
    cooler = next(one for one in report.remedies if one.remedy == "temperature")
    assert cooler.tried > cooler.helped >= 1  # what never goes was tried to be mended so, too
    assert [(ear.take, ear.chapter, ear.chapter_at_s, ear.tried, ear.score) for ear in rendered.ears] == [
        (one.take, one.chapter, one.at_s, one.tried, one.score) for one in report.left
    ]
    told = [problem.what for problem in rendered.problems if "best take" in problem.what]
    assert all(ear.heard_at in what and "tried: " in what for ear, what in zip(rendered.ears, told, strict=True))
    assert {kind.check for kind in report.kinds if kind.left} >= {"clipped", "noise"}
    assert [one.score for one in report.left] == sorted(one.score for one in report.left)
    for one in report.left:
        assert one.chapter == 2
        assert (job.workspace.root / one.take).is_file()
        assert one.why and one.tried
        assert any(finding.check in ("clipped", "noise") for finding in one.findings)
    assert json.loads(json.dumps(report.as_dict()))["left"][0]["where"] == report.left[0].where


def test_alternatives_that_were_asked_for_are_no_retakes(make_job: MakeJob, settings: Settings) -> None:
    """Nor does a remedy get the credit for them."""
    render_job(manifest := open_job(make_job(takes=3, deliver=["flac"]), settings, engine="tone"), Conditions(jobs=1))
    report = quality_report(open_job(manifest.manifest.path, settings, engine="tone"))
    assert (report.judged, report.retaken, report.remedies) == (report.takes, 0, ())


def test_what_was_tried_of_halves_begins_with_what_they_were_cut_from(show: Show) -> None:
    """Each attempt counts once, and a half's first is that of the split."""
    show.spoil({"red": ("music", "never"), "low": ("slow", "never")})
    render_job(show.open(), Conditions(jobs=1))
    report = show.report()
    assert [one.tried for one in report.left if "split" in one.tried] == [("temperature", "split", "temperature")]
    parents = {take.chunk.split.parent for take in show.open().takes if take.chunk.split}
    assert len(parents) == 3  # of them one that is a half itself
    tried = {one.remedy: one.tried for one in report.remedies}
    assert (tried["split"], tried["temperature"]) == (6, 2)
    choices = [read_choice(show.open().workspace.takes, parent) for parent in parents]
    assert sum(choice is not None and choice.cut_from in parents for choice in choices) == 1


def test_a_time_is_one_in_the_chapter(show: Show) -> None:
    """Where the take begins in it, and where the fault is in the take; None where there is no chapter yet."""
    job = show.open()
    job.workspace.create()
    render_all_takes(job, Conditions(jobs=1))
    before = show.report().left
    assert before
    assert [one.at_s for one in before] == [None] * len(before)
    render_job(show.open(), Conditions(jobs=1))
    job, report = show.open(), show.report()
    assert [one.take for one in report.left] == [one.take for one in before]
    begins = take_times(job.workspace.chapter(2, 2, "Part"), job.takes_by_chapter[1])
    for one in report.left:
        plan = next(plan for plan in job.takes if plan.where == one.where and plan.text == one.text)
        within_s = next((finding.at_s for finding in one.findings if finding.at_s is not None), 0.0)
        assert one.at_s == pytest.approx(begins[plan.key] + within_s, abs=0.01)


@pytest.mark.parametrize("kind", ["silent", "empty"])
def test_what_nothing_can_be_delivered_of_stands_first(show: Show, kind: str) -> None:
    """With why, and with its last sound where there is one."""
    show.spoil({**FAULTS, "white": (kind, "never")})
    render_job(show.open(), Conditions(jobs=1))
    report = show.report()
    assert report.left[0].score == 0
    assert KindTally(kind, 1, 1) in report.kinds
    assert "white" in " ".join(one.text for one in report.left if one.score == 0)
    assert bool(report.left[0].take) == (kind == "silent")
    assert report.left[0].why.startswith("is silent" if kind == "silent" else "has no sound")
    job = show.open()
    plan = next(plan for plan in job.takes if plan.where == report.left[0].where and plan.text == report.left[0].text)
    begins = take_times(job.workspace.chapter(2, 2, "Part"), job.takes_by_chapter[1])
    assert report.left[0].at_s == pytest.approx(begins[plan.key], abs=0.01)  # where it is missing
    lines = "\n".join(quality_lines(report))
    assert ("nothing to deliver" in lines) == (kind == "empty")


def test_an_approved_take_is_left_no_longer(show: Show) -> None:
    """Whatever the checks say; it is counted."""
    render_job(show.open(), Conditions(jobs=1))
    before = show.report()
    job = show.open()
    approve(job, named_takes(job, [before.left[0].take]))
    after = show.report()
    assert (after.approved, after.judged) == (1, before.judged - 1)
    assert [one.take for one in after.left] == [one.take for one in before.left[1:]]


def test_to_recalibrate_only_tells(show: Show) -> None:
    """The statistics are of the takes that stand; no take, choice or chapter changes, and nothing is made again."""
    show.spoil({})
    render_job(show.open(), Conditions(jobs=1))
    job = show.open()
    first, before = job.workspace.checks.read_bytes(), files(job)
    report = show.report()
    assert report.left == ()
    plan = job.takes[3]
    choice = read_choice(job.workspace.takes, plan.key)
    assert choice is not None
    (attempt,) = choice.attempts
    loud = replace(attempt, measured={**attempt.measured, "level_db": attempt.measured["level_db"] + 20})
    write_choice(job.workspace.takes, replace(choice, attempts=(loud,)))
    baseline = Baseline(job.workspace.checks, plan_name(job.traits, "en"))
    baseline.replace([], ())
    assert show.report().left == ()
    changed = files(job)
    told = show.report(recalibrate=True)
    assert [(one.where, [finding.check for finding in one.findings]) for one in told.left] == [(plan.where, ["level"])]
    assert files(job) == changed
    assert show.report().left == ()  # it stands as it was judged
    write_choice(job.workspace.takes, choice)
    assert show.report(recalibrate=True) == report
    assert (files(job), job.workspace.checks.read_bytes()) == (before, first)
    again = render_job(show.open(), Conditions(jobs=1))
    assert (again.takes.rendered, again.ears) == (0, ())


def test_what_the_manifest_ignores_is_not_told_by_new_statistics(show: Show) -> None:
    """Either."""
    ignored = '{"checks": {"ignore": ["noise", "cut_end"], "retakes": 0}, '
    show.manifest.write_text(show.manifest.read_text().replace("{", ignored, 1))
    render_job(show.open(), Conditions(jobs=1))
    checks = {finding.check for one in show.report(recalibrate=True).left for finding in one.findings}
    assert "clipped" in checks
    assert not checks & {"noise", "cut_end"}


def test_people_are_told_of_some_and_programs_of_all(show: Show) -> None:
    """With the takes to listen to before anything else."""
    render_job(show.open(), Conditions(jobs=1))
    report = show.report()
    lines = list(quality_lines(report))
    assert lines[0].startswith(f"job: {report.judged} of {report.takes} takes judged")
    assert lines[1].endswith("left to listen to:")
    assert all(any(one.where in text and one.why in text for text in lines) for one in report.left)
    assert all(any(one.take in text for text in lines) for one in report.left)
    many = replace(report, left=report.left[:1] * 100)
    assert "  ... and 60 more (--json lists all)" in list(quality_lines(many))
    assert len(json.loads(json.dumps(many.as_dict()))["left"]) == 100
    none = list(quality_lines(replace(report, left=(), approved=2)))
    assert "2 approved by people" in none[0]
    assert none[1] == "0 takes are left to listen to"
