"""What the checks say, and what people decide, by the commands."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import MakeJob, run_podcast

SCRIPT = """**Ann:** It was late in the evening, and the rain went on and on over the roofs of the town.

---

**Ben:** Yes, it did, and nobody could remember when it had begun to rain so hard on the town.
"""


def test_lines_are_judged_made_again_and_approved(make_job: MakeJob, tmp_path: Path) -> None:
    """Each command tells what it did, and the next one goes by it."""
    make_job(SCRIPT, deliver=["flac"])
    tone = ("--engine", "tone")
    before = run_podcast("qa", "job.yaml", *tone, "--json", cwd=tmp_path)
    assert json.loads(before.stdout)["judged"] == 0
    assert run_podcast("approve", "job.yaml", "5", *tone, cwd=tmp_path).returncode == 2
    assert run_podcast("render", "job.yaml", *tone, "--strict", cwd=tmp_path).returncode == 0
    later = run_podcast("retake", "job.yaml", "5", *tone, "--later", "--by", "Ann", cwd=tmp_path)
    assert (later.returncode, later.stdout) == (0, "")
    assert "again: job.md:5" in later.stderr
    plan = json.loads(run_podcast("plan", "job.yaml", *tone, "--json", cwd=tmp_path).stdout)
    assert [chunk["action"] for chunk in plan["chunks"]] == ["reuse", "render"]
    again = run_podcast("retake", "job.yaml", "job.md:5", *tone, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["takes"]["rendered"] == 1
    assert run_podcast("approve", "job.yaml", "5", *tone, "--by", "Ann", cwd=tmp_path).returncode == 0
    plan = json.loads(run_podcast("plan", "job.yaml", *tone, "--json", cwd=tmp_path).stdout)
    assert [chunk["approved"] for chunk in plan["chunks"]] == [False, True]
    refused = run_podcast("retake", "job.yaml", "5", *tone, cwd=tmp_path)
    assert refused.returncode == 2
    assert "was approved by Ann" in refused.stderr
    report = json.loads(run_podcast("qa", "job.yaml", *tone, "--strict", "--json", cwd=tmp_path).stdout)
    assert (report["approved"], report["judged"], report["left"]) == (1, 1, [])
    people = run_podcast("qa", "job.yaml", *tone, "--recalibrate", cwd=tmp_path).stdout
    assert "1 of 2 takes judged, 1 approved by people" in people
    cleaned = json.loads(run_podcast("clean", "--rejected", "--json", cwd=tmp_path).stdout)
    kept = plan["chunks"][1]["take"]
    assert not any(kept in file for job in cleaned["jobs"] for file in job["files"])


def test_all_names_that_are_none_are_told_at_once(make_job: MakeJob, tmp_path: Path) -> None:
    """And nothing is decided."""
    make_job(SCRIPT)
    result = run_podcast("retake", "job.yaml", "999", "nowhere", "0" * 32, "--engine", "tone", cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 3
    assert not list(tmp_path.glob("*.decisions.yaml"))


PLACES = "north south east west old new red white high low".split()


def test_what_is_left_is_told_with_an_exit_code_where_that_is_asked_for(make_job: MakeJob, tmp_path: Path) -> None:
    """The worst first; the same to people and in JSON. To compare anew changes nothing else."""
    turns = [f"At the {place} gate they waited for the last of the boats to come in from the sea." for place in PLACES]
    make_job("\n\n---\n\n".join(turns), deliver=["flac"])
    faults = [{"text": turns[number], "kind": kind, "cure": "never"} for number, kind in ((2, "clipped"), (5, "loop"))]
    (tmp_path / "faults.json").write_text(json.dumps({"faults": faults}))
    env, faulty = {"PODCAST_FAULTS": str(tmp_path / "faults.json")}, ("--engine", "faulty")
    assert run_podcast("render", "job.yaml", *faulty, cwd=tmp_path, env=env).returncode == 0
    told = run_podcast("qa", "job.yaml", *faulty, "--json", cwd=tmp_path, env=env)
    report = json.loads(told.stdout)
    assert told.returncode == 0
    assert report.keys() == {
        *("job", "title", "takes", "judged", "approved", "retaken"),
        *("chapters", "voices", "kinds", "remedies", "left"),
    }
    assert report["left"][0].keys() == {
        *("where", "chapter", "at_s", "take", "voices", "text", "score", "findings", "failure", "tried"),
    }
    assert len(report["left"]) == 2
    people = run_podcast("qa", "job.yaml", *faulty, "--strict", cwd=tmp_path, env=env)
    assert people.returncode == 1
    places = [people.stdout.index(f"{one['where']} ") for one in report["left"]]
    assert places == sorted(places)
    assert "2 takes are left to listen to:" in people.stdout
    records = {path: path.read_bytes() for path in (tmp_path / "output").rglob("*") if path.is_file()}
    anew = run_podcast("qa", "job.yaml", *faulty, "--recalibrate", "--json", cwd=tmp_path, env=env)
    assert anew.returncode == 0
    after = {path: path.read_bytes() for path in (tmp_path / "output").rglob("*") if path.is_file()}
    assert {path.name for path in records if records[path] != after[path]} <= {"checks.json"}
    assert records.keys() == after.keys()
    wrong = run_podcast("qa", "nothing.yaml", *faulty, cwd=tmp_path, env=env)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
