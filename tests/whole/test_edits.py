"""An edited script: what it costs, and that a run which was killed goes on with the chunks it had."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs.job import open_job
from pipeline.settings import Settings
from tests.support.commands import run_podcast
from tests.support.faults import made, prose, render_here, takes_of

KILLED = """\
import os, sys
from pathlib import Path
from pipeline.jobs import stages
from pipeline.jobs.job import open_job
from pipeline.settings import Settings, bundled_voices

def killed(*_nothing):
    os._exit(9)

moment, conditions = sys.argv[1], {"jobs": 1}
if moment == "before the plan":
    stages.write_borders = killed
elif moment == "before the takes":
    conditions["stage"] = killed
else:
    conditions["on_progress"] = killed
job = open_job(Path("job.yaml"), Settings(output=Path("output"), voices=(bundled_voices(),)), engine="tone")
stages.render_job(job, stages.Conditions(**conditions))
"""


@pytest.fixture
def edited(tmp_path: Path, settings: Settings) -> Path:
    """A folder with a finished job, of which a line was then changed so that a fresh plan would cut it otherwise."""
    (tmp_path / "job.yaml").write_text("title: A test\nscript: job.md\ndeliver: [flac]\n")
    paragraphs = prose(900).split("\n\n")
    (tmp_path / "job.md").write_text("\n\n".join(paragraphs))
    render_here(tmp_path)
    for index in range(1, len(paragraphs)):
        changed = [*paragraphs[:index], f"{paragraphs[index]} Indeed, and so it is.", *paragraphs[index + 1 :]]
        (tmp_path / "job.md").write_text("\n\n".join(changed))
        if open_job(tmp_path / "job.yaml", settings, engine="tone").kept_chunks > 1:
            return tmp_path
    raise AssertionError("no edit moved a border")


def _plan(folder: Path, *more: str) -> dict[str, Any]:
    result = run_podcast("plan", "job.yaml", "--engine", "tone", "--json", *more, cwd=folder)
    assert result.returncode == 0, result.stderr
    plan: dict[str, Any] = json.loads(result.stdout)
    return plan


def test_an_edit_renders_few_chunks_and_plan_says_so(edited: Path) -> None:
    """Fewer than a fresh plan would, which `--fresh` shows, and a render without chunks.json makes."""
    kept, fresh = _plan(edited), _plan(edited, "--fresh")
    assert kept["takes"]["render"] <= 2 < fresh["takes"]["render"]
    assert fresh["kept_chunks"] == 0
    people = run_podcast("plan", "job.yaml", "--engine", "tone", cwd=edited).stdout
    assert f"{kept['kept_chunks']} chunks keep their borders from the last render" in people
    assert "keep their borders" not in run_podcast("plan", "job.yaml", "--engine", "tone", "--fresh", cwd=edited).stdout
    job = edited / "output" / "job"
    plans = json.loads((job / "chunks.json").read_text())["plans"]
    assert _plan(edited) == kept
    assert json.loads((job / "chunks.json").read_text())["plans"] == plans  # planning changes nothing
    (job / "chunks.json").unlink()
    assert _plan(edited)["chunks"] == fresh["chunks"]


def test_an_engine_that_was_only_listened_with_loses_no_take_of_another(edited: Path) -> None:
    """Each has borders of its own: an edit that the draft voice has spoken costs the other no more for it."""
    before = _plan(edited)
    render_here(edited, engine="draft")
    assert _plan(edited)["chunks"] == before["chunks"]
    assert json.loads((edited / "output/job/chunks.json").read_text())["plans"].keys() == {
        "tone en 80-300",
        "draft en 80-300",
    }


def test_a_title_that_is_corrected_after_an_edit_renders_nothing_again(edited: Path) -> None:
    """Though its folder has no borders yet; and what another title has does not touch them afterwards."""
    render_here(edited)
    manifest = edited / "job.yaml"
    manifest.write_text(manifest.read_text().replace("A test", "A corrected test"))
    assert _plan(edited)["takes"]["render"] == 0
    render_here(edited)
    assert (edited / "output/job/A corrected test/chunks.json").is_file()
    (edited / "output/job/chunks.json").unlink()
    assert _plan(edited)["takes"]["render"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before the plan", "before the takes", "after a take"])
def test_a_killed_run_goes_on_with_the_same_chunks(moment: str, edited: Path, tmp_path: Path) -> None:
    """And gives the same bytes as one that was not killed."""
    shutil.copytree(edited, unharmed := tmp_path / "unharmed")
    killed = subprocess.run([sys.executable, "-c", KILLED, moment], cwd=edited, check=False)
    assert killed.returncode == 9
    (job, other) = (render_here(folder) for folder in (edited, unharmed))
    assert made(job) == made(other)
    assert takes_of(other)["rendered"] <= 2
