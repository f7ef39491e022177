"""The code keeps its own rules: types, lint, format, import contracts, sizes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import REPOSITORY

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]],
    ids=" ".join,
)
def test_the_checkers_find_nothing(command: list[str]) -> None:
    """Run as a developer would run them."""
    result = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_files_and_functions_stay_small() -> None:
    """No file over 400 lines, no function over 60."""
    for path in sorted((REPOSITORY / "pipeline").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        assert source.count("\n") <= 400, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}:{node.lineno} {node.name}"


def test_the_command_loads_nothing_heavy_at_import() -> None:
    """So that `--help` answers at once: no prefect, torch, scipy, pydantic or av."""
    heavy = {"prefect", "torch", "scipy", "numpy", "pydantic", "av"}
    code = f"import sys, pipeline.cli.main; print(*{heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_the_project_names_no_registry_and_no_foreign_path() -> None:
    """What is committed works anywhere."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = REPOSITORY / name
        if path.suffix in (".py", ".md", ".toml", ".yaml", "") and path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"/root/|/tmp/|/home/\w|pypi\.org|files\.pythonhosted", text), name
