"""What `podcast doctor` tells of devices, and what it does where torch is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.engines import Machine
from pipeline.engines.dia.describe import describe
from tests.support.commands import run_podcast


def test_doctor_finds_this_machine_well(tmp_path: Path) -> None:
    """A line for each thing it looked at; those of each device and of the CPU are as the engine sees them."""
    result = run_podcast("doctor", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    lines = dict(describe(Machine(), None))
    assert {"device cpu", "threads", "instruction sets", "dia runs on"} <= lines.keys()
    assert "GB, fp32" in lines["device cpu"]
    del lines["memory"]  # what happens to be free
    told = result.stdout.splitlines()
    assert {f"ok       {name}: {line}" for name, line in lines.items()} <= set(told)
    assert any(line.startswith("ok       memory: ") for line in told)


def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    """And looks at all else."""
    result = run_podcast("doctor", cwd=tmp_path, env={"PODCAST_OUTPUT": "/proc/nowhere"})
    assert result.returncode == 1
    (problem,) = [line for line in result.stdout.splitlines() if line.startswith("PROBLEM")]
    assert problem.startswith("PROBLEM  output: ")
    assert "ok       dia runs on: " in result.stdout


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("raise OSError('libcudart.so.13: cannot open shared object file')", "OSError: libcudart.so.13: cannot open"),
        ("raise RuntimeError('half installed')", "RuntimeError: half installed"),
        ("", "ImportError: cannot import name"),
    ],
)
def test_doctor_works_where_torch_does_not(tmp_path: Path, statement: str, told: str) -> None:
    """Everything else is looked at as ever, and the broken one comes with what to do."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text(statement + "\n")
    result = run_podcast("doctor", "--json", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}
    broken = findings.pop("devices")
    assert not broken["ok"]
    assert told in broken["detail"]
    assert "pip install" in broken["next"]
    assert {"python", "voices", "draft engine", "encoders", "output", "prefect"} <= findings.keys()
    assert all(finding["ok"] for finding in findings.values())
