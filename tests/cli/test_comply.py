"""`podcast comply` as a person and a program use it; every preset meets what it is meant for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.jobs.job import open_job
from pipeline.jobs.stages import render_job
from pipeline.settings import Settings
from pipeline.source.presets import PRESETS
from tests.support.commands import MakeJob, run_podcast
from tests.support.sounds import impulse, save

MEANT_FOR = {"podcast": "apple", "acx": "acx", "m4b": "apple", "wav": "master", "flac": "master"}
LINE = "**Ann:** " + "The lamp is lit before the ships come home, and nobody on the quay says a word about it. " * 4


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_meets_the_profile_it_is_meant_for(make_job: MakeJob, settings: Settings, preset: str) -> None:
    """With real encoders, and the command that judges other people's files."""
    script = f"# One\n\n{LINE}\n\n# Two\n\n{LINE}"
    job = open_job(make_job(script, deliver=[preset], kind="audiobook"), settings, engine="draft")
    report = render_job(job)
    assert report.status == "done", report.problems
    files = [job.workspace.root / item.path for item in report.deliverables]
    result = run_podcast("comply", *files, "--for", MEANT_FOR[preset], "--json", cwd=settings.output)
    assert result.returncode == 0, result.stdout
    assert [Path(file["path"]) for file in json.loads(result.stdout)["files"]] == files


def test_the_json_has_these_fields_and_no_others(tmp_path: Path) -> None:
    """One that fails makes the exit code 1."""
    name = "-odd \n name.mp3"
    save(tmp_path / name, "mp3", impulse(44_100, 5))
    result = run_podcast("comply", "--for", "acx", "--json", "--", name, cwd=tmp_path)
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert report.keys() == {"files"}
    (file,) = report["files"]
    assert file.keys() == {"path", "profile", "ok", "checks"}
    assert (file["path"], file["profile"], file["ok"]) == (name, "acx", False)
    for row in file["checks"]:
        assert row.keys() == {"name", "value", "limit", "ok", "source"}
    assert "Traceback" not in result.stderr


def test_what_fails_stands_in_a_row(tmp_path: Path) -> None:
    save(tmp_path / "a.wav", "wav", impulse(44_100, 5))
    result = run_podcast("comply", "a.wav", "a.wav", "--for", "acx", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith("a.wav: fails acx\n")
    assert result.stdout.count("a.wav") == 1
    assert any(line.startswith("FAILS") and "format" in line and "mp3" in line for line in result.stdout.splitlines())
    assert "1 of 1 file failed acx" in result.stderr


def test_a_wrong_request_is_told_whole(tmp_path: Path) -> None:
    """Profile and files, and nothing on stdout."""
    (tmp_path / "own.yaml").write_text("profile: x\nsource: y\nlufs: {min: high}\n")
    (tmp_path / "text.mp3").write_text("Hello.")
    for name, place in (("acxx", "--for: "), ("own.yaml", "own.yaml:3: ")):
        result = run_podcast("comply", "text.mp3", "none.mp3", "--for", name, "--json", cwd=tmp_path)
        assert result.returncode == 2
        assert result.stdout == ""
        for start in (place, "text.mp3: ", "none.mp3: "):
            assert any(line.startswith(start) for line in result.stderr.splitlines()), result.stderr
