"""Fixtures shared by all tests: small jobs on the tone and draft engines, and the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pipeline.settings import Settings, bundled_voices

# Tiny models are quicker with one thread, and several wait for one another where tests share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis.settings.register_profile("podcast", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("podcast")

REPOSITORY = Path(__file__).parent.parent
PODCAST = Path(sys.executable).with_name("podcast")

SCRIPT = """\
# One

**Ann:** Hello there, and welcome to a show that is made for nobody but the machine that tests it every day.

**Bob:** It is good to be here. I have been waiting for this moment since the last time that somebody changed a line.

Nobody asked me to go on, but here I am, going on.

---

**Ann:** After the break there is still something to say, and [pause 1.5s] we say it slowly.

# Two

**Bob:** The second chapter is shorter than the first one, and it ends with a question. Does it not?
"""

MakeJob = Callable[..., Path]
TOLD = pytest.StashKey[list[str]]()
LONGEST = {"test_overnight_faults", "test_faults", "test_flow", "test_dia_engine", "test_dia_parity", "test_networks"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files first that take minutes: at the end, one process would be at them while the others have nothing."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a process of several has to tell to the one that prints."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["told"] = session.config.stash.get(TOLD, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a process had to tell."""
    told = getattr(node, "workeroutput", {}).get("told", [])
    node.config.stash.setdefault(TOLD, []).extend(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what tests have to tell at the end of the session."""
    for text in config.stash.get(TOLD, []):
        terminalreporter.write_line(f"\n{text}")


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Writes a manifest and its script into the test's folder and returns the manifest's path."""

    def make(script: str = SCRIPT, *, name: str = "job", **keys: Any) -> Path:
        (tmp_path / f"{name}.md").write_text(script, encoding="utf-8")
        manifest = tmp_path / f"{name}.yaml"
        body: Mapping[str, Any] = {"title": "A test", "script": f"{name}.md"} | keys
        manifest.write_text(json.dumps(body), encoding="utf-8")  # JSON is YAML
        return manifest

    return make


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Output into the test's folder, the voices that ship."""
    return Settings(output=tmp_path / "output", voices=(bundled_voices(),), jobs=2)


def run_podcast(
    *arguments: str | Path, cwd: Path, timeout_s: float = 120, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the installed `podcast` command as a user would."""
    return subprocess.run(
        [PODCAST, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
