"""A first job."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import yaml

from tests.support.commands import run_podcast


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


def test_the_next_command_can_be_pasted(tmp_path: Path) -> None:
    """Also where the name has a space."""
    answer = run_podcast("new", "My Show's", cwd=tmp_path)
    following = answer.stderr.splitlines()[-1].removeprefix("Next: podcast ")
    assert run_podcast(*shlex.split(following), "--engine", "tone", cwd=tmp_path).returncode == 0
