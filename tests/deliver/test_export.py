"""Deliverables are on target when decoded, marked and tagged, and made only once."""

# mypy: allow-untyped-calls
# mutagen is typed only in part.

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import mutagen.id3
import mutagen.mp4
import numpy as np
import pyloudnorm
import pytest
import soundfile

from pipeline.audio.codecs import Probe, decode, probe
from pipeline.audio.loudness import Levels
from pipeline.deliver.export import check_limits
from pipeline.deliver.mastering import TOLERANCE
from pipeline.deliver.record import DeliveryRecord
from pipeline.files import file_hash, read_record, write_record
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings
from pipeline.source.presets import PRESETS
from tests.support.commands import SCRIPT, MakeJob

Render = Callable[..., tuple[Job, Report]]
LONG = "**Ann:** " + "The lamp is lit before the ships come home, and nobody on the quay says a word about it. " * 12


@pytest.fixture
def render(make_job: MakeJob, settings: Settings) -> Render:
    """Renders a job and gives it back with its report."""

    def run(*arguments: str, engine: str = "draft", **keys: Any) -> tuple[Job, Report]:
        job = open_job(make_job(*arguments, **keys), settings, engine=engine)
        return job, render_job(job, Conditions(jobs=2))

    return run


def _file(job: Job, report: Report, preset: str) -> Path:
    (path,) = [item.path for item in report.deliverables if item.preset == preset]
    return job.workspace.root / path


def _pcm(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.concatenate(list(decode(path)))


@pytest.mark.parametrize("engine", ["draft", "tone"])
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_levels_are_on_target_when_decoded(render: Render, preset: str, engine: str) -> None:
    """Loudness or RMS within 0.3, true peak under the ceiling; checked against other code than the report's own."""
    job, report = render(LONG, engine=engine, deliver=[preset])
    wanted = PRESETS[preset]
    (item,) = report.deliverables
    assert report.status == "done", report.problems
    assert all(item.limits.values())
    path = _file(job, report, preset)
    pcm = _pcm(path).astype(np.float64)
    assert probe(path).sample_rate_hz == wanted.sample_rate_hz
    loudness = pyloudnorm.Meter(44_100, filter_class="DeMan").integrated_loudness(pcm)
    rms_db = 10 * np.log10(np.mean(pcm**2))
    assert item.lufs == pytest.approx(loudness, abs=0.1)
    assert item.rms_db == pytest.approx(rms_db, abs=0.02)
    level = loudness if wanted.lufs is not None else rms_db
    assert level == pytest.approx(wanted.lufs if wanted.lufs is not None else wanted.rms_db, abs=TOLERANCE + 0.05)
    assert 20 * np.log10(np.abs(pcm).max()) <= wanted.true_peak_dbtp


def test_a_level_that_needs_hard_limiting_is_reached_too(render: Render) -> None:
    """-17.5 LUFS under -4 dBTP takes ten decibels off the peaks."""
    _job, report = render(LONG, deliver=[{"preset": "podcast", "lufs": -17.5, "true_peak_dbtp": -4}])
    assert report.deliverables[0].limits == dict.fromkeys(report.deliverables[0].limits, True)


def test_a_level_out_of_reach_is_told(render: Render) -> None:
    """-9 LUFS under -9 dBTP cannot be had: the file is delivered, and the report says what it misses."""
    _job, report = render(LONG, deliver=[{"preset": "podcast", "lufs": -9, "true_peak_dbtp": -9}])
    assert report.status == "partial"
    assert not report.deliverables[0].limits["level"]
    assert any("level" in problem.what for problem in report.problems)


def test_chapter_marks_stand_where_the_chapters_sound(render: Render) -> None:
    """Within 20 ms of the onset found in the decoded sound, in MP3, M4B and JSON."""
    job, report = render(deliver=["podcast", "m4b"], engine="tone")  # its sounds begin at once, as no consonant does
    for preset in ("podcast", "m4b"):
        path = _file(job, report, preset)
        with av.open(path) as container:
            marks = [chapter["start"] * float(chapter["time_base"] or 0) for chapter in container.chapters()]
            titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
        assert titles == ["One", "Two"]
        assert marks[0] == 0
        listed = json.loads(path.with_suffix(".chapters.json").read_text())
        assert [entry["startTime"] for entry in listed["chapters"]] == pytest.approx(marks, abs=0.002)
        pcm = _pcm(path)
        near = round((marks[1] - 1) * 44_100)
        onset = near + int(np.flatnonzero(np.abs(pcm[near:]) > 0.004)[0])
        assert marks[1] == pytest.approx(onset / 44_100, abs=0.02)


def test_a_cover_that_many_files_share_is_written_once(make_job: MakeJob, settings: Settings, tmp_path: Path) -> None:
    """Six chapters' files are made at the same time in one folder."""
    from PIL import Image

    Image.effect_noise((300, 300), 100).save(tmp_path / "cover.png")
    script = "\n\n".join(f"# Chapter {number}\n\nIt is short." for number in range(6))
    path = make_job(script, kind="audiobook", cover="cover.png", deliver=["acx"])
    report = render_job(open_job(path, settings, engine="tone"), Conditions(jobs=6))
    assert report.status == "done", report.problems
    (cover,) = (settings.output / "job").rglob("cover.png")
    assert cover.read_bytes() == (tmp_path / "cover.png").read_bytes()


def test_tags_are_those_that_shelves_read(render: Render, tmp_path: Path) -> None:
    """Album, author, narrator, series, track, year, cover; ID3 in its version 2.3."""
    from PIL import Image

    Image.new("RGB", (64, 64), "teal").save(tmp_path / "cover.png")
    job, report = render(
        "# One\n\nThe narrator speaks.\n\n# Two\n\nAnd speaks again.",
        kind="audiobook", title="Das Boot & más", author="Ann Önym", series="Boats", part="2", year=1999,
        narrator="ben", read_by="Ben Zephaniah", cover="cover.png", description="About boats.", deliver=["acx", "m4b"],
    )  # fmt: skip
    acx = [job.workspace.root / item.path for item in report.deliverables if item.preset == "acx"]
    assert [path.name for path in acx] == ["01 - One.mp3", "02 - Two.mp3"]
    folder = Path("acx/Ann Önym/Boats/Vol 2 - Das Boot & más")
    assert acx[0].parent == job.workspace.root / folder
    assert (acx[0].parent / "cover.png").is_file()
    id3 = mutagen.id3.ID3(acx[1])
    assert id3.version == (2, 3, 0)
    wanted = {"TIT2": "Two", "TALB": "Das Boot & más", "TPE1": "Ann Önym", "TCOM": "Ben Zephaniah", "TRCK": "2/2"}
    assert {name: str(id3[name]) for name in wanted} == wanted
    assert id3.getall("APIC")[0].data == (tmp_path / "cover.png").read_bytes()
    m4b = mutagen.mp4.MP4(_file(job, report, "m4b"))
    assert m4b.tags is not None
    assert m4b.tags["\xa9alb"] == ["Das Boot & más"]
    assert m4b.tags["\xa9ART"] == ["Ann Önym"]
    assert len(m4b.tags["covr"]) == 1
    with av.open(_file(job, report, "m4b")) as container:
        assert container.metadata["title"] == "Das Boot & más"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One", "Two"]


@pytest.mark.parametrize("text", ["Go on.", "Yes, dear.", "Stop!"])
def test_a_chapter_of_two_words_meets_the_limits_of_acx(render: Render, text: str) -> None:
    """It cannot be as loud as a longer one without peaks over theirs, and need not be; an invented voice is no name."""
    job, report = render(f"# One\n\n{text}", deliver=["acx"], kind="audiobook", title="T")
    assert report.status == "done", report.problems
    assert all(report.deliverables[0].limits.values())
    assert "TCOM" not in mutagen.id3.ID3(_file(job, report, "acx"))


def test_transcripts_show_the_display_text_in_time(render: Render) -> None:
    """All words of the script, tags and numbers as written, inside the file's length."""
    job, report = render("**Ann:** In 1984 (laughs) it cost $5.\n\n**Bob:** Did it?", deliver=["podcast"])
    path = _file(job, report, "podcast")
    segments = json.loads(path.with_suffix(".transcript.json").read_text())["segments"]
    assert [(s["speaker"], s["body"]) for s in segments] == [
        ("Ann", "In 1984 (laughs) it cost $5."),
        ("Bob", "Did it?"),
    ]
    assert 0.4 < segments[0]["startTime"] < segments[0]["endTime"] < segments[1]["startTime"]
    assert segments[1]["endTime"] < report.deliverables[0].audio_s
    assert "<v Ann>" in path.with_suffix(".vtt").read_text()
    assert "Bob: Did it?" in path.with_suffix(".srt").read_text()


def test_a_finished_job_is_left_as_it_is(render: Render) -> None:
    """A second run touches no sound."""
    job, report = render(deliver=["podcast", "wav"])
    files = {
        path: path.stat().st_mtime_ns for path in job.workspace.root.rglob("*.*") if path.suffix in (".mp3", ".wav")
    }
    _job, again = render(deliver=["podcast", "wav"])
    assert again.takes.rendered == 0
    assert again.deliverables == report.deliverables
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_files_nobody_wants_any_more_are_removed(render: Render) -> None:
    """A renamed chapter leaves no old file behind, unless somebody has changed it, and the report says which went."""
    keys: dict[str, Any] = {"deliver": ["acx"], "kind": "audiobook"}
    job, report = render(**keys, engine="tone")
    old = [job.workspace.root / item.path for item in report.deliverables]
    old[1].write_bytes(b"mine now")
    line = SCRIPT.split("\n\n")[1]
    _job, again = render(f"# New\n\n{line}", **keys, engine="tone")
    assert again.status == "done"
    assert not old[0].exists()
    assert not old[0].with_suffix(".vtt").exists()
    assert old[1].read_bytes() == b"mine now"
    assert report.deliverables[0].path in again.removed
    assert len(again.removed) == 6
    assert sorted(path.name for path in job.workspace.chapters.iterdir()) == ["01 - New.flac", "01 - New.json"]


def test_a_run_that_is_not_done_removes_nothing(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a good run has finished stays, and so does what other presets made."""
    job, report = render(deliver=["wav", "flac"], engine="tone")
    old = [job.workspace.root / item.path for item in report.deliverables]
    line = SCRIPT.split("\n\n")[1]
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.deliver.export.check_limits", lambda *_arguments: {"level": False})
        _job, again = render(f"# New\n\n{line}", deliver=["podcast"], engine="tone")
    assert again.status == "partial"
    assert all(path.is_file() for path in old)
    _job, again = render(f"# New\n\n{line}", deliver=["m4b"], engine="tone")
    assert again.status == "done"
    assert all(path.is_file() for path in old)
    assert not again.removed
    assert set(old) < set(DeliveryRecord(job.workspace).leftovers())


def test_a_record_that_names_files_elsewhere_removes_nothing(render: Render, tmp_path: Path) -> None:
    """Whoever may write in the job's folder cannot have files outside it removed."""
    job, _report = render(deliver=["wav"], engine="tone")
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    record = read_record(job.workspace.deliverables, dict)
    assert record is not None
    entry = next(iter(record["files"].values()))
    record["files"]["../../victim.txt"] = entry | {"sha256": file_hash(victim)}
    write_record(job.workspace.deliverables, record)
    _job, again = render(deliver=["wav"], engine="tone")
    assert again.status == "done"
    assert victim.read_text() == "mine"
    assert DeliveryRecord(job.workspace).leftovers(everything=True)
    assert victim not in DeliveryRecord(job.workspace).leftovers(everything=True)


def test_room_tone_fills_head_gaps_and_tail(render: Render) -> None:
    """Never digital silence; about -70 dB RMS in the pause between two turns."""
    job, report = render("**Ann:** Before.\n\n[pause 2s]\n\n**Bob:** After.", deliver=["wav"])
    pcm, _rate = soundfile.read(_file(job, report, "wav"))
    assert np.abs(pcm).reshape(-1)[: len(pcm) // 441 * 441].reshape(-1, 441).max(axis=1).min() > 0
    assert report.deliverables[0].noise_floor_db == pytest.approx(-70, abs=1.5)


def test_missed_limits_are_told() -> None:
    """Every limit is checked on its own."""
    bad = Levels(9000, -25, -26, -0.5, -50, 2, 0.1)
    limits = check_limits(PRESETS["acx"], bad, Probe(48_000, 2, "mp3", 128, 9000, None))
    assert not any(limits.values())
    good = Levels(600, -19.5, -20.1, -3.4, -70, 0.75, 2)
    assert all(check_limits(PRESETS["acx"], good, Probe(44_100, 1, "mp3", 192, 600, None)).values())
