"""Voices as the command lists and samples them."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from tests.support.commands import run_podcast


def test_voices_are_listed_and_sampled(tmp_path: Path) -> None:
    """For people, for machines, and as sound."""
    assert "ada" in run_podcast("voices", cwd=tmp_path).stdout
    listed = json.loads(run_podcast("voices", "--json", cwd=tmp_path).stdout)
    assert {"name", "description", "consent", "prompt", "draft"} <= listed["voices"][0].keys()
    scottish = next(line for line in run_podcast("voices", cwd=tmp_path).stdout.splitlines() if "Scottish" in line)
    name = scottish.split()[0]
    as_kokoro = run_podcast("voices", "--engine", "kokoro", cwd=tmp_path).stdout.splitlines()
    assert next(line.split()[2] for line in as_kokoro if line.startswith(f"{name} ")) == "British"
    assert run_podcast("voices", "--say", "ada", "A short sample.", cwd=tmp_path).returncode == 0
    assert soundfile.info(tmp_path / "ada.wav").duration > 0.5
    wrong = run_podcast("voices", "--say", "adda", cwd=tmp_path)
    assert wrong.returncode == 2
    assert 'Did you mean "ada"?' in wrong.stderr
