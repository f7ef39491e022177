"""`podcast retake` and `podcast approve`, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.support.commands import MakeJob, run_podcast

SCRIPT = """**Ann:** It was late in the evening, and the rain went on and on over the roofs of the town.

---

**Ben:** Yes, it did, and nobody could remember when it had begun to rain so hard on the town.

---

**Ann:** Will you come along to the harbour?

**Ben:** I will, as soon as the rain is over and the roads are dry again.
"""
TONE = ("--engine", "tone")


@pytest.fixture
def folder(make_job: MakeJob, tmp_path: Path) -> Path:
    """With a job of three takes that is rendered, the last of which two speak."""
    make_job(SCRIPT, deliver=["flac"])
    assert run_podcast("render", "job.yaml", *TONE, cwd=tmp_path).returncode == 0
    return tmp_path


def decisions(folder: Path) -> list[dict[str, object]]:
    """What stands beside the manifest."""
    path = folder / "job.decisions.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else []


def test_what_is_decided_for_later_is_made_by_the_next_render(folder: Path) -> None:
    """With all that was given; in JSON the lines are named."""
    options = ("--seed", "7", "--by", "Ann", "--note", "too dull", "--later", "--json")
    later = run_podcast("retake", "job.yaml", "job.md:5", *TONE, *options, cwd=folder)
    assert later.returncode == 0, later.stderr
    assert [Path(where).name for where in json.loads(later.stdout)["takes"]] == ["job.md:5"]
    (one,) = decisions(folder)
    assert (one["retake"], one["seed"], one["by"], one["note"]) == (1, 7, "Ann", "too dull")
    rendered = run_podcast("render", "job.yaml", *TONE, "--json", cwd=folder)
    assert json.loads(rendered.stdout)["takes"]["rendered"] == 1
    again = run_podcast("retake", "job.yaml", "5", "7", *TONE, "--json", cwd=folder)
    assert again.returncode == 0
    assert json.loads(again.stdout)["takes"] == {"total": 3, "rendered": 1, "reused": 2, "failed": 0}
    assert [line.split(":")[0] for line in again.stderr.splitlines()].count("again") == 1  # line 7 is within no other
    assert [one["retake"] for one in decisions(folder)] == [2]


def test_another_voice_is_heard_and_one_that_there_is_not_is_told(folder: Path) -> None:
    """Before anything is decided; nor does one voice speak a take of two."""
    for wrong, line, told in (("grcae", "5", 'Did you mean "grace"?'), ("grace", "9", "has two speakers.")):
        refused = run_podcast("retake", "job.yaml", line, *TONE, "--voice", wrong, cwd=folder)
        assert (refused.returncode, refused.stdout, told in refused.stderr) == (2, "", True)
    assert decisions(folder) == []
    spoken = run_podcast("retake", "job.yaml", "5", *TONE, "--voice", "grace", "--json", cwd=folder)
    assert json.loads(spoken.stdout)["takes"]["rendered"] == 1
    approved = run_podcast("approve", "job.yaml", "5", *TONE, cwd=folder)
    assert (approved.returncode, approved.stderr.splitlines()[-1].startswith("stands: ")) == (0, True)
    again = run_podcast("render", "job.yaml", *TONE, "--json", cwd=folder)
    assert json.loads(again.stdout)["takes"]["rendered"] == 0


@pytest.mark.parametrize("wrong", [("--seed", "-1"), ("--alternatives", "0"), ("--seed", "x"), ()])
def test_what_is_no_request_is_refused(folder: Path, wrong: tuple[str, ...]) -> None:
    """With exit code 2, and nothing is written."""
    lines = ("5",) if wrong else ()
    refused = run_podcast("retake", "job.yaml", *lines, *TONE, *wrong, cwd=folder)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert not list(folder.glob("*.decisions.yaml"))


def test_alternatives_are_made_and_one_is_approved_by_its_file(folder: Path) -> None:
    """Then it stands, and the others can be cleaned."""
    more = run_podcast("retake", "job.yaml", "5", *TONE, "--alternatives", "3", "--json", cwd=folder)
    assert more.returncode == 0, more.stderr
    takes = folder / "output/job/takes"
    newest = max(takes.glob("*.flac"), key=lambda path: path.stat().st_mtime_ns)
    assert len(list(takes.glob("*.flac"))) == 5
    approved = run_podcast("approve", "job.yaml", f"takes/{newest.name}", *TONE, "--json", cwd=folder)
    assert [Path(where).name for where in json.loads(approved.stdout)["takes"]] == ["job.md:5"]
    plan = json.loads(run_podcast("plan", "job.yaml", *TONE, "--json", cwd=folder).stdout)
    assert [(chunk["take"], chunk["approved"]) for chunk in plan["chunks"]][1] == (f"takes/{newest.name}", True)
    cleaned = json.loads(run_podcast("clean", "--rejected", "--delete", "--json", cwd=folder).stdout)
    assert cleaned["bytes"] > 0
    assert newest.exists()
    assert len(list(takes.glob("*.flac"))) == 4  # with the one that stands once the approval is withdrawn
    again = json.loads(run_podcast("render", "job.yaml", *TONE, "--json", cwd=folder).stdout)
    assert again["takes"]["rendered"] == 0


def test_what_is_lost_is_told_by_whatever_looks_at_the_edit(folder: Path) -> None:
    """And what is withdrawn is gone."""
    assert run_podcast("approve", "job.yaml", "1", "5", *TONE, "--by", "Ann", cwd=folder).returncode == 0
    (folder / "job.md").write_text(SCRIPT.replace("It was late", "It was early"))
    lost = "job.decisions.yaml:2: 1 approved take is lost by this edit."
    planned = run_podcast("plan", "job.yaml", *TONE, cwd=folder)
    assert (planned.returncode, planned.stderr.count(lost)) == (0, 1)
    rendered = run_podcast("render", "job.yaml", *TONE, cwd=folder)
    before, after = rendered.stderr.split("A test: done")  # before anything is rendered, and in the report
    assert (rendered.returncode, before.count(lost), after.count(lost)) == (0, 1, 1)
    (folder / "job.md").write_text(SCRIPT)
    assert "lost" not in run_podcast("plan", "job.yaml", *TONE, cwd=folder).stderr
    withdrawn = run_podcast("approve", "job.yaml", "5", *TONE, "--withdraw", cwd=folder)
    assert (withdrawn.returncode, withdrawn.stderr.splitlines()[-1]) == (0, "1 taken out")
    assert [one["by"] for one in decisions(folder)] == ["Ann"]


@pytest.mark.parametrize("text", ["{", "- words: a\n", "yes\n"])
def test_a_damaged_file_of_decisions_is_told_and_left_as_it_is(folder: Path, text: str) -> None:
    """Nobody's decisions are written over."""
    (folder / "job.decisions.yaml").write_text(text)
    for command in ("retake", "approve", "qa", "plan"):
        lines = ("5",) if command in ("retake", "approve") else ()
        refused = run_podcast(command, "job.yaml", *lines, *TONE, cwd=folder)
        assert refused.returncode == 2
        assert "job.decisions.yaml:1:" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert (folder / "job.decisions.yaml").read_text() == text
