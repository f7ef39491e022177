"""Fixtures shared by all tests: small jobs on the tone and draft engines, and the real command."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pipeline.settings import Settings, bundled_voices
from tests.support.commands import SCRIPT, MakeJob
from tests.support.models import (
    HAMA,
    KOKORO,
    MISSING,
    RECORDINGS,
    WHISPER,
    Model,
    ModelMissingError,
    closing_line,
    model_folder,
)
from tests.support.served import Served, serving, write_show

# Tiny models are quicker with one thread, and several wait for one another where tests share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts pytest in the background has it ignore Ctrl-C, and so would every command that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("podcast", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("podcast")

# Those that take minutes, the longest first.
LONGEST = (
    "whole/test_overnight_faults.py",
    "night/test_prefect_flow.py",
    "whole/test_weeks.py",
    "night/test_prefect_server.py",
    "whole/test_faults.py",
    "whole/test_full_disk.py",
    "engines/dia/test_engine.py",
    "whole/test_docs.py",
    "whole/test_hosts.py",
    "whole/test_kokoro.py",
    "whole/test_proof.py",
    "whole/test_dia_parity.py",
    "engines/dia/kernels/test_kernels.py",
    "whole/test_networks.py",
    "engines/test_pool.py",
)
SUMMARIES = pytest.StashKey[list[str]]()
MISSING_MODELS = pytest.StashKey[set[str]]()
# Where it names a file, tests that are named there fail where they would be skipped.
REQUIRED = os.environ.get("TESTS_REQUIRED")


def required_tests(file: Path) -> tuple[str, ...]:
    """Node ids, or their beginnings, one a line. Lines that end in `as root` count for root alone."""
    lines = [line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return tuple(
        line.removesuffix(" as root") for line in lines if line and (os.geteuid() == 0 or not line.endswith(" as root"))
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a required test's skip."""
    report = yield
    if REQUIRED and report.skipped and item.nodeid.startswith(required_tests(item.config.rootpath / REQUIRED)):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: is named in {REQUIRED} and was not run ({reason}). Install what it lacks."
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first: at the end, one process would be at them while the others have nothing."""
    places = {Path(__file__).parent / file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the summaries of one process of several to the one that prints."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["summaries"] = session.config.stash.get(SUMMARIES, [])
        output["missing_models"] = sorted(MISSING)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over the summaries of a process."""
    summaries = getattr(node, "workeroutput", {}).get("summaries", [])
    node.config.stash.setdefault(SUMMARIES, []).extend(summaries)
    missing = getattr(node, "workeroutput", {}).get("missing_models", [])
    node.config.stash.setdefault(MISSING_MODELS, set()).update(missing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the summaries at the end of the session, and which models were missing."""
    for text in config.stash.get(SUMMARIES, []):
        terminalreporter.write_line(f"\n{text}")
    if missing := config.stash.get(MISSING_MODELS, set()) | MISSING.keys():
        terminalreporter.write_line(f"\n{closing_line(missing)}", red=True, bold=True)


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Writes a manifest and its script into the test's folder and returns the manifest's path."""

    def make(script: str = SCRIPT, *, name: str = "job", **keys: Any) -> Path:
        (tmp_path / f"{name}.md").write_text(script, encoding="utf-8")
        manifest = tmp_path / f"{name}.yaml"
        if keys.get("engine") == "dia":  # random weights speak noise, again and again
            keys = {"checks": {"retakes": 0}} | keys
        body: Mapping[str, Any] = {"title": "A test", "script": f"{name}.md"} | keys
        manifest.write_text(json.dumps(body), encoding="utf-8")  # JSON is YAML
        return manifest

    return make


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Output into the test's folder, the voices that ship."""
    return Settings(output=tmp_path / "output", voices=(bundled_voices(),), jobs=2)


@pytest.fixture(scope="session")
def kokoro_weights() -> Path:
    """A folder with Kokoro in it."""
    return _model_or_skip(KOKORO)


@pytest.fixture(scope="session")
def whisper() -> Path:
    """A folder with a recogniser of speech in it."""
    return _model_or_skip(WHISPER)


@pytest.fixture(scope="session")
def hama() -> Path:
    """A folder with a recogniser of phones in it."""
    return _model_or_skip(HAMA)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """A folder with a person's recordings in it, and their texts."""
    return _model_or_skip(RECORDINGS)


def _model_or_skip(model: Model) -> Path:
    try:
        return model_folder(model)
    except ModelMissingError as error:
        pytest.skip(f"the model {model.name} cannot be had: {error}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`podcast serve`, with a drop folder, in a folder with a manifest; on a free port, with its own Prefect home."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "manifests").mkdir()
    write_show(folder / "manifests", "show")
    with serving(folder, "--watch", "night") as served:
        yield served
