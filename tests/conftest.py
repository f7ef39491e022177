"""Fixtures shared by all tests: small jobs on the tone and draft engines, and the real command."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pipeline.settings import Settings, bundled_voices
from tests.support.commands import SCRIPT, MakeJob

# Tiny models are quicker with one thread, and several wait for one another where tests share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts pytest in the background has it ignore Ctrl-C, and so would every command that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("podcast", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("podcast")


TOLD = pytest.StashKey[list[str]]()
LONGEST = {
    "test_overnight_faults",
    "test_faults",
    "test_prefect_flow",
    "test_engine",
    "test_dia_parity",
    "test_networks",
}


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
