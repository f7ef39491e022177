"""The commands as a user runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import av
import pytest

from tests.support.commands import PODCAST, MakeJob, run_podcast

REPORT_KEYS = {
    "job", "title", "status", "takes", "audio_s", "wall_s", "speed_x", "voices", "chapters", "deliverables", "problems",
    "devices", "gaps", "ears", "finished_at", "other_problems", "removed", "author", "series",
    "part", "unspoken", "retaken",
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
    lines = [line for line in result.stderr.splitlines() if " % (" not in line]  # progress, on a busy machine
    first, _length, takes, where, *files = lines
    assert (first, takes) == ("A test: done", "Takes: 4 in all, 4 rendered, 0 reused, 0 failed.")
    assert where == "report: output/show/report.md"
    assert takes in (tmp_path / "output/show/report.md").read_text()
    assert [Path("output/show") / item["path"] for item in report["deliverables"]] == [Path(file) for file in files]
    assert all((tmp_path / file).is_file() for file in files)
    again = run_podcast("render", "show.yaml", cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout == ""
    assert "0 rendered, 4 reused" in again.stderr


@pytest.mark.slow
def test_several_manifests_end_with_the_digest(make_job: MakeJob, tmp_path: Path) -> None:
    """Its page is named on stderr; stdout is the list of reports. One manifest has its report alone."""
    make_job(name="one")
    assert run_podcast("render", "one.yaml", "--engine", "tone", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "output/digest.html").exists()
    make_job(name="two", cast={"Ann": "nobody"})
    both = run_podcast("render", "one.yaml", "two.yaml", "--engine", "tone", "--json", cwd=tmp_path)
    assert both.returncode == 1
    assert [report["job"] for report in json.loads(both.stdout)] == ["one"]
    assert both.stderr.splitlines()[-1] == "1 of 2 jobs done; the last 24 hours: output/digest.html"
    assert "A test" in (tmp_path / "output/digest.html").read_text()
    digest = json.loads((tmp_path / "output/digest.json").read_text())
    assert [job["name"] for job in digest["jobs"]] == ["one"]
    (tmp_path / "output/digest.html").unlink()
    make_job(name="one", cast={"Ann": "nobody"})
    assert run_podcast("render", "one.yaml", "two.yaml", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "output/digest.html").exists()


def test_any_title_is_rendered_in_any_locale(make_job: MakeJob, tmp_path: Path) -> None:
    """Also in one of ASCII; what it prints is UTF-8 for machines."""
    make_job(title="Mäuse 耳", deliver=["podcast"])
    ascii_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run_podcast("render", "job.yaml", "--engine", "tone", "--json", cwd=tmp_path, env=ascii_locale)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["title"] == "Mäuse 耳"
    assert (tmp_path / "output/job/podcast/Unknown author/Mäuse 耳").is_dir()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["render job.yaml --engine tone --json", "plan job.yaml", "plan job.yaml --json"])
def test_an_output_that_takes_nothing_is_told(command: str, make_job: MakeJob, tmp_path: Path) -> None:
    """After the work is done."""
    make_job(deliver=["podcast"])
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [PODCAST, *command.split()], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("stdout: it cannot be written to (No space left on device).")
    assert "Traceback" not in ended.stderr


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


def test_a_script_is_a_job_without_a_manifest(tmp_path: Path) -> None:
    """Alone, and beside manifests; `plan` and `check` take it too, and what it made is not unused."""
    (tmp_path / "01_the-storm.md").write_text("Ann: It blows.\n\nBob: It does.\n\nAnn: It does not stop.\n")
    (tmp_path / "turns.yaml").write_text("- Ann: Hello.\n- Bob: Hi.\n")
    for folder in (tmp_path, tmp_path / "own"):
        folder.mkdir(exist_ok=True)
        (folder / "book.md").write_text("---\ntitle: A Book\nauthor: Jo Reed\n---\n\nOnce upon a time.\n")
    (tmp_path / "own/m.yaml").write_text("script: book.md\ndeliver: podcast\n")
    refused = run_podcast("render", "own/book.md", cwd=tmp_path)
    assert (refused.returncode, "own/m.yaml in its place" in refused.stderr) == (2, True)
    names = ("01_the-storm.md", "turns.yaml", "book.md", "own/m.yaml")
    for name in names:
        assert run_podcast("plan", name, cwd=tmp_path).returncode == 0
        checked = run_podcast("check", name, "--json", cwd=tmp_path)
        assert checked.returncode == 0, checked.stderr
    (tmp_path / "lexicon").mkdir()
    for lexicon in ("lexicon.yaml", "lexicon/all.yaml"):  # as they come with manifests/*
        (tmp_path / lexicon).write_text("Ann: anne\n")
    for beside in ("own/m.edits.yaml", "turns.decisions.yaml"):
        (tmp_path / beside).write_text("[]")
    others = ("own/book.md", "lexicon.yaml", "lexicon", "lexicon/all.yaml", "own/m.edits.yaml", "turns.decisions.yaml")
    result = run_podcast("render", *names, *others, "--engine", "tone", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    reports = {report["job"]: report for report in json.loads(result.stdout)}
    assert {job: report["title"] for job, report in reports.items()} == {
        "01_the-storm": "The storm", "turns": "Turns", "book": "A Book", "m": "A Book",
    }  # fmt: skip
    assert reports["01_the-storm"]["voices"].keys() == {"Ann", "Bob"}
    assert (tmp_path / "output/book/m4b/Jo Reed/A Book/A Book.m4b").is_file()
    assert (tmp_path / "output/m/podcast/Jo Reed/A Book/A Book.mp3").is_file()
    cleaned = run_podcast("clean", "--json", cwd=tmp_path)
    assert cleaned.returncode == 0, cleaned.stderr
    assert json.loads(cleaned.stdout)["bytes"] == 0
    (tmp_path / "turns.yaml").unlink()
    cleaned = run_podcast("clean", "--json", cwd=tmp_path)
    assert [job["job"] for job in json.loads(cleaned.stdout)["jobs"]] == ["turns"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["--version"], 0), (["nonsense"], 2), (["render"], 2), (["render", "nope.yaml"], 2)],
)
def test_exit_codes(tmp_path: Path, arguments: list[str], code: int) -> None:
    """0 done, 2 a wrong request; never a traceback."""
    result = run_podcast(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", ">&- 2>&-", ">&-"])
def test_a_job_that_is_done_is_done_though_nobody_can_be_told(closed: str, make_job: MakeJob, tmp_path: Path) -> None:
    """A night in cron whose log cannot be written is no failed night."""
    make_job(deliver=["flac"])
    for command in ("plan job.yaml", "render job.yaml --engine tone", "digest", "clean"):
        ended = subprocess.run(
            f"{PODCAST} {command} {closed}", shell=True, cwd=tmp_path, capture_output=True, check=False
        )
        assert ended.returncode == 0, (command, ended.stderr)
        assert b"Traceback" not in ended.stderr
    assert len(list((tmp_path / "output/job/flac").rglob("*.flac"))) == 2


def test_a_script_gets_a_manifest_and_its_takes_stay(tmp_path: Path) -> None:
    """`podcast new` writes it; what was rendered of the script alone is its own, for `clean` too."""
    (tmp_path / "talk.md").write_text("Ann: It blows.\n\nBob: It does.\n\nAnn: It does not stop.\n")
    assert run_podcast("render", "talk.md", "--engine", "tone", cwd=tmp_path).returncode == 0
    assert run_podcast("new", "talk.md", cwd=tmp_path).returncode == 0
    result = run_podcast("render", "talk.yaml", "--engine", "tone", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["takes"]["rendered"] == 0
    cleaned = run_podcast("clean", "--json", cwd=tmp_path)
    assert (cleaned.returncode, json.loads(cleaned.stdout)["bytes"]) == (0, 0), cleaned.stderr
