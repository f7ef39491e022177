"""`podcast verify`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import MakeJob, run_podcast


def test_verify_tells_what_differs_with_its_exit_code(make_job: MakeJob, tmp_path: Path) -> None:
    """0 where all are equal, 1 where one is gone, 2 for what is no request; people read stderr."""
    make_job()
    engine = ("--engine", "tone")
    unrendered = run_podcast("verify", "job.yaml", *engine, cwd=tmp_path)
    assert (unrendered.returncode, "nothing of this job is rendered yet" in unrendered.stderr) == (2, True)
    assert run_podcast("render", "job.yaml", *engine, cwd=tmp_path).returncode == 0
    good = run_podcast("verify", "job.yaml", *engine, cwd=tmp_path)
    assert (good.returncode, good.stdout) == (0, "")
    assert good.stderr.splitlines()[-1] == "1 of 4 takes rendered again: 1 equal."
    next((tmp_path / "output/job/takes").glob("*.flac")).unlink()
    bad = run_podcast("verify", "job.yaml", *engine, "--sample", "100%", "--json", cwd=tmp_path)
    report = json.loads(bad.stdout)
    assert (bad.returncode, report["ok"], report["sample"], report["missing"]) == (1, False, 4, 1)
    missing = next(take for take in report["takes"] if take["verdict"] == "missing")
    *_progress, told, counted = bad.stderr.splitlines()
    assert told == f"{missing['where']}: {missing['take']} is not there. podcast render makes it."
    assert counted == "4 of 4 takes rendered again: 3 equal, 1 missing."
    for sample in ("none", "0%"):
        wrong = run_podcast("verify", "job.yaml", *engine, "--sample", sample, cwd=tmp_path)
        assert (wrong.returncode, wrong.stderr.startswith(f'--sample: "{sample}" is no sample.')) == (2, True)
