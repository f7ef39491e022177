"""`check.py`, which is for a machine with a GPU: rehearsed on a CPU, with no packages but those it names."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.gpu import check
from tests.gpu.check import CHECKS, Finding
from tests.gpu.device import Device

ROOT = Path(__file__).parents[2]
NAMED = ("torch", "triton", "numpy", "numba", "scipy", "safetensors", "pyyaml")
# Runs `check.py` with other packages out of reach, and says in the end which were loaded.
ALONE = """
import atexit, runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ImportError(f"{{name}} is not installed on that machine")

def packages():
    found = {{name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__spec__", None)}}
    return found - sys.stdlib_module_names

before = packages()
sys.meta_path.insert(0, Missing())
atexit.register(lambda: print("loaded:", *sorted(packages() - before), file=sys.stderr))
sys.argv = ["check.py", "--rehearse"]
runpy.run_path("tests/gpu/check.py", run_name="__main__")
"""


def distribution(name: str) -> str:
    """One spelling of its name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_with(names: tuple[str, ...]) -> set[str]:
    """Those distributions, and all that they bring."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = distribution(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # triton comes with torch for CUDA alone
            continue
        waiting += [re.split(r"[^\w.-]", need)[0] for need in needs if "extra ==" not in need]
    return found


@pytest.mark.slow
def test_it_is_rehearsed_with_the_packages_it_names() -> None:
    """Every check has findings, none fails, and nothing is loaded beside those packages and what they bring."""
    there = installed_with(NAMED)
    packages = metadata.packages_distributions()
    brought = {top for top, names in packages.items() if there & {distribution(name) for name in names}}
    missing = packages.keys() - brought - {"pipeline", "tests"}
    assert missing >= {"prefect", "distributed", "soundfile", "soxr", "pydantic", "click"}
    ended = subprocess.run(
        [sys.executable, "-c", ALONE.format(missing=missing)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    *_findings, table = ended.stdout.split("\n\n")
    assert table.endswith("nothing failed\n")
    assert {line[:16].strip() for line in table.splitlines()[:-1]} == CHECKS.keys() - {"little memory"}  # a GPU's alone
    (loaded,) = (line.split()[1:] for line in ended.stderr.splitlines() if line.startswith("loaded:"))
    assert {name for name in loaded if not name.startswith("_")} - brought == {"pipeline", "tests"}


def test_a_check_that_raises_has_failed_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_device: Device) -> Iterator[Finding]:
        yield Finding("begun", "1 ms")
        raise RuntimeError("CUDA error")

    def sound(_device: Device) -> Iterator[Finding]:
        yield Finding("measured", "2 ms")

    monkeypatch.setattr(check, "CHECKS", {"broken": (1, broken), "sound": (1, sound), "long": (99, sound)})
    monkeypatch.setattr(sys, "argv", ["check.py", "--rehearse", "--budget", "50"])
    assert check.main() == 1
    table = capsys.readouterr().out.partition("\n\n")[2].splitlines()
    assert [line.split()[:2] for line in table] == [
        ["broken", "begun"],
        ["broken", "RuntimeError"],
        ["sound", "measured"],
        ["long", "left"],
        ["broken", "RuntimeError"],
    ]
    assert table[1].endswith("FAILED")


def test_every_check_is_explained() -> None:
    """In the docstring, in the order they run; and together they fit the time they have."""
    assert check.__doc__ is not None
    assert re.findall(r"^    (\S.{14}) ", check.__doc__, re.MULTILINE) == [f"{name:15}" for name in CHECKS]
    assert sum(needed_s for needed_s, _check in CHECKS.values()) <= 480


def test_no_time_is_no_check() -> None:
    device = Device(rehearse=True, ends_at=time.monotonic())
    assert {finding.case for _name, finding in check.run(device)} == {"left out"}
