"""The commands as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
import soundfile
import yaml

from tests.support.commands import SCRIPT, MakeJob, run_podcast

REPORT_KEYS = {
    "job", "title", "status", "takes", "audio_s", "wall_s", "speed_x", "voices", "chapters", "deliverables", "problems",
    "devices", "gaps", "ears", "finished_at", "other_problems",
}  # fmt: skip
DELIVERABLE_KEYS = {
    "path", "preset", "audio_s", "lufs", "rms_db", "true_peak_dbtp", "noise_floor_db", "limits",
}  # fmt: skip


def test_render_prints_the_report_and_writes_it(make_job: MakeJob, tmp_path: Path) -> None:
    """The contract of report.json; people read stderr."""
    make_job(name="show")
    result = run_podcast("render", "show.yaml", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "output/show/report.json").read_text())
    assert report.keys() == REPORT_KEYS
    assert report["takes"] == {"total": 4, "rendered": 4, "reused": 0, "failed": 0}
    assert report["voices"]["Ann"].keys() == {"voice", "default"}
    assert report["voices"]["Ann"]["default"] is True
    assert [chapter.keys() for chapter in report["chapters"]] == [{"number", "title", "audio_s", "turns"}] * 2
    assert [item.keys() for item in report["deliverables"]] == [DELIVERABLE_KEYS] * 2
    assert all(value for item in report["deliverables"] for value in item["limits"].values())
    assert report["speed_x"] > 0
    assert "# A test: done" in result.stderr
    assert (tmp_path / "output/show/report.md").read_text() in result.stderr
    again = run_podcast("render", "show.yaml", cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout == ""
    assert "0 rendered, 4 reused" in again.stderr


def test_plan_says_what_and_why_and_changes_nothing(make_job: MakeJob, tmp_path: Path) -> None:
    """Before the first render, after it, and after an edit."""
    make_job()
    before = json.loads(run_podcast("plan", "job.yaml", "--json", cwd=tmp_path).stdout)
    assert before.keys() == {"job", "audio_s", "takes", "chunks"}
    assert before["takes"] == {"total": 4, "render": 4, "reuse": 0}
    assert before["chunks"][0].keys() == {"key", "chapter", "speakers", "text", "action", "reason"}
    assert not (tmp_path / "output").exists()
    run_podcast("render", "job.yaml", "--engine", "tone", cwd=tmp_path)
    (tmp_path / "job.md").write_text(SCRIPT.replace("Does it not?", "Or does it not?"))
    after = json.loads(run_podcast("plan", "job.yaml", "--engine", "tone", "--json", cwd=tmp_path).stdout)
    assert after["takes"] == {"total": 4, "render": 1, "reuse": 3}
    (chunk,) = [chunk for chunk in after["chunks"] if chunk["action"] == "render"]
    assert (chunk["reason"], chunk["chapter"], chunk["speakers"]) == ("text", 2, ["Bob"])
    people = run_podcast("plan", "job.yaml", "--engine", "tone", cwd=tmp_path)
    assert "render 1" in people.stdout
    assert "text" in people.stdout


def test_a_starter_renders_as_it_is(tmp_path: Path) -> None:
    """And every key it shows is a real one."""
    assert run_podcast("new", "shows/my-show", cwd=tmp_path).returncode == 0
    manifest = tmp_path / "shows/my-show.yaml"
    result = run_podcast("render", manifest, "--engine", "tone", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["title"] == "My show"
    shown = "\n".join(
        line.removeprefix("# ") for line in manifest.read_text().splitlines() if not line.startswith("# Only")
    )
    shown = shown.split("\n", 1)[1].replace("cover: cover.jpg", "# no cover")
    assert yaml.safe_load(shown)["pauses"]["scene_s"] == 1.5
    (tmp_path / "shows/all.yaml").write_text(shown)
    everything = run_podcast("plan", tmp_path / "shows/all.yaml", cwd=tmp_path)
    assert everything.returncode == 0, everything.stderr
    again = run_podcast("new", "shows/my-show", cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_voices_are_listed_and_sampled(tmp_path: Path) -> None:
    """For people, for machines, and as sound."""
    assert "ada" in run_podcast("voices", cwd=tmp_path).stdout
    listed = json.loads(run_podcast("voices", "--json", cwd=tmp_path).stdout)
    assert {"name", "description", "consent", "prompt", "draft"} <= listed["voices"][0].keys()
    assert run_podcast("voices", "--say", "ada", "A short sample.", cwd=tmp_path).returncode == 0
    assert soundfile.info(tmp_path / "ada.wav").duration > 0.5
    wrong = run_podcast("voices", "--say", "adda", cwd=tmp_path)
    assert wrong.returncode == 2
    assert 'Did you mean "ada"?' in wrong.stderr


def test_say_speaks_a_line(tmp_path: Path) -> None:
    """The same bytes every time; a bad ending or text is refused."""
    for name in ("x.wav", "y.wav"):
        assert run_podcast("say", "Hello there.", "--out", name, "--voice", "ben", cwd=tmp_path).returncode == 0
    assert (tmp_path / "x.wav").read_bytes() == (tmp_path / "y.wav").read_bytes()
    for arguments in (
        ["Hi.", "--out", "x.mp3"],
        ["...", "--out", "z.wav"],
        ["Hi.", "--out", "z.wav", "--engine", "dia"],
    ):
        result = run_podcast("say", *arguments, cwd=tmp_path)
        assert result.returncode in (1, 2)
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "z.wav").exists()


def test_doctor_finds_this_machine_well(tmp_path: Path) -> None:
    """A line for each thing it looked at."""
    result = run_podcast("doctor", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    findings = json.loads(result.stdout)["findings"]
    names = {finding["name"] for finding in findings}
    assert {"python", "machine", "voices", "draft engine", "encoders", "output", "prefect"} <= names
    assert {"device cpu", "threads", "instruction sets", "dia runs on"} <= names
    assert all(finding["ok"] and finding["detail"] for finding in findings)
    broken = run_podcast("doctor", cwd=tmp_path, env={"PODCAST_OUTPUT": "/proc/nowhere"})
    assert broken.returncode == 1
    assert "PROBLEM  output" in broken.stdout


def test_a_transcript_needs_two_lines(tmp_path: Path) -> None:
    """As podcasts publish them: escaped notes and time stamps, a break, many speakers."""
    (tmp_path / "t.md").write_text(
        "**Adam Stone:** Welcome back, everybody. \\[laughs\\] It has been a while since we sat here.\n\n"
        "**Jo Reed:** \\[00:42\\] It really has. You know, I was [reading this](https://example.org) the other day.\n\n"
        "**Break:** \\[01:33\\]\n\n"
        "**Adam Stone:** So, where were we?\n\nRight: the beginning.\n\n"
        "**Guest:** I was not here for the beginning.\n"
    )
    (tmp_path / "t.yaml").write_text("title: Episode 12\nscript: t.md\n")
    result = run_podcast("render", "t.yaml", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["voices"].keys() == {"Adam Stone", "Jo Reed", "Guest"}
    assert len({role["voice"] for role in report["voices"].values()}) == 3
    path = tmp_path / "output/t" / report["deliverables"][0]["path"]
    words = path.with_suffix(".vtt").read_text()
    assert "00:42" not in words.replace("00:00:42", "")
    assert "reading this the other day" in words.replace("\n", " ")
    with av.open(path) as container:
        assert container.metadata["title"] == "Episode 12"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["--version"], 0), (["nonsense"], 2), (["render"], 2), (["render", "nope.yaml"], 2)],
)
def test_exit_codes(tmp_path: Path, arguments: list[str], code: int) -> None:
    """0 done, 2 a wrong request; never a traceback."""
    result = run_podcast(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert "Traceback" not in result.stderr
