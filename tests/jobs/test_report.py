"""The report is written once, as others rely on it, and read by whoever wants to know."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pipeline.deliver.record import Deliverable
from pipeline.errors import Problem
from pipeline.jobs.job import open_job
from pipeline.jobs.report import (
    ChapterSummary,
    Gap,
    Report,
    SpeakerVoice,
    TakeCounts,
    make_report,
    read_report,
    write_report,
)
from pipeline.settings import Settings
from pipeline.takes.outcome import DeviceWork, Ear, MissingTake, TakesDone, leave_out_faulty
from pipeline.workspace import Production
from tests.support.commands import MakeJob

FLAGGED = Problem("a.md:3", 'the best take of "Hi." clips.', "Listen to takes/a.flac.")
LIMIT = Problem("acx/1.mp3", "misses its limit for level.", "See its levels in the report.")
REPORT = Report(
    job="a",
    title="A book",
    status="partial",
    takes=TakeCounts(4, rendered=2, reused=1, failed=1),
    audio_s=61.5,
    wall_s=10.0,
    speed_x=6.2,
    voices={"Ann": SpeakerVoice("ada", default=True)},
    chapters=(ChapterSummary(1, "One", 61.5, 3),),
    deliverables=(Deliverable("acx/1.mp3", "acx", 63.0, -19.0, -20.1, -3.4, -70.0, {"level": False}),),
    problems=(FLAGGED, LIMIT),
    devices={"cuda:0": DeviceWork(2, 61.23456, 10.000049)},
    gaps=(Gap(1, 2.5, "Gone.", "it came out silent."),),
    ears=(Ear("takes/a.flac", "a.md:3", "Hi.", ("clips",)),),
    finished_at=datetime(2026, 1, 31, 6, tzinfo=timezone.utc),  # noqa: UP017 - its ISO form has no Z
    other_problems=(LIMIT,),
)
JSON = {
    "job": "a",
    "title": "A book",
    "status": "partial",
    "takes": {"total": 4, "rendered": 2, "reused": 1, "failed": 1},
    "audio_s": 61.5,
    "wall_s": 10.0,
    "speed_x": 6.2,
    "voices": {"Ann": {"voice": "ada", "default": True}},
    "chapters": [{"number": 1, "title": "One", "audio_s": 61.5, "turns": 3}],
    "deliverables": [
        {
            "path": "acx/1.mp3",
            "preset": "acx",
            "audio_s": 63.0,
            "lufs": -19.0,
            "rms_db": -20.1,
            "true_peak_dbtp": -3.4,
            "noise_floor_db": -70.0,
            "limits": {"level": False},
        }
    ],
    "problems": [{"where": problem.where, "what": problem.what, "next": problem.next} for problem in (FLAGGED, LIMIT)],
    "devices": {"cuda:0": {"takes": 2, "audio_s": 61.235, "work_s": 10.0, "speed_x": 6.1}},
    "gaps": [{"chapter": 1, "at_s": 2.5, "text": "Gone.", "why": "it came out silent."}],
    "ears": [
        {"take": "takes/a.flac", "where": "a.md:3", "text": "Hi.", "faults": ["clips"], "at_s": None, "score": 0.0}
        | {"tried": [], "chapter": 0, "chapter_at_s": None}
    ],
    "finished_at": "2026-01-31T06:00:00+00:00",
    "other_problems": [{"where": LIMIT.where, "what": LIMIT.what, "next": LIMIT.next}],
    "removed": [],
    "author": "",
    "series": "",
    "part": "",
    "unspoken": 0,
    "retaken": 0,
}


def test_the_json_is_as_others_rely_on(tmp_path: Path) -> None:
    """Field for field, in this order, beside the same for people."""
    write_report(tmp_path / "report.json", REPORT)
    assert (tmp_path / "report.json").read_text() == json.dumps(JSON, indent=1) + "\n"
    people = (tmp_path / "report.md").read_text()
    assert people.startswith("# A book: partial\n")
    assert f"- {FLAGGED}\n- {LIMIT}\n" in people


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """All of it, but for what JSON rounds; what is not known is passed over."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(JSON | {"mood": "fine", "takes": JSON["takes"] | {"lost": 3}}))  # type: ignore[operator]
    assert read_report(path) == REPORT.model_copy(update={"devices": {"cuda:0": DeviceWork(2, 61.235, 10.0)}})
    assert REPORT.rendered_s == 61.23456


def test_a_short_report_has_defaults(tmp_path: Path) -> None:
    """As older ones are; how much was rendered is known by the speed."""
    (tmp_path / "report.json").write_text(
        json.dumps({key: JSON[key] for key in ("title", "status", "audio_s", "wall_s", "speed_x")})
    )
    report = read_report(tmp_path / "report.json")
    assert report is not None
    assert (report.devices, report.finished_at, report.other_problems) == ({}, None, None)
    assert report.rendered_s == 62.0


def test_where_there_is_no_report_there_is_none(tmp_path: Path) -> None:
    """Also where something else lies."""
    assert read_report(tmp_path / "report.json") is None
    assert read_report(tmp_path) is None


def test_problems_have_one_order_and_those_of_ears_and_gaps_are_set_apart(
    make_job: MakeJob, settings: Settings
) -> None:
    """Auditions, takes that are missing, poor auditions, takes with faults, and then what is not of a take."""
    job = open_job(make_job(), settings, engine="tone")
    hoarse, mute, poor, unshared, warning = (Problem(name, "is wrong.") for name in "hmpuw")
    done = TakesDone(
        takes={},
        reused=0,
        missing={"b": MissingTake(mute, "it came out silent.")},
        ears={"a": Ear("takes/a.flac", "a.md:3", "Hi.", ("clips",))},
        unshared=unshared,
        failed_auditions=(hoarse,),
        poor_auditions=(poor,),
    )

    def report(done: TakesDone) -> Report:
        return make_report(
            job="a",
            production=Production("A book"),
            total_chapters=0,
            done=done,
            total_takes=2,
            casting=job.casting,
            speakers=[],
            chapters=[],
            deliverables=[],
            warnings=[warning],
            unspoken=0,
            wall_s=1.0,
            finished_at=datetime.now(timezone(timedelta(hours=1))),
        )

    (flagged,) = done.flagged
    assert report(done).problems == (hoarse, mute, poor, flagged, unshared, warning)
    assert report(done).other_problems == (hoarse, mute, poor, unshared, warning)
    left_out = leave_out_faulty(replace(done, missing={}))
    assert left_out.flagged == ()
    assert [problem.what for problem in report(left_out).problems][1] == '"Hi." was left out: its best take clips.'
    assert report(left_out).other_problems == (hoarse, poor, unshared, warning)
