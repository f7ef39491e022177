"""The code keeps its own rules: types, lint, format, import contracts, sizes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LONGEST, required_tests
from tests.support.commands import REPOSITORY

BIN = Path(sys.executable).parent
DONE_TO = {"told", "heard", "made", "found", "here", "asked", "its"}


CHECKERS = ("ruff check .", "ruff format --check .", "lint-imports", "vulture")


@pytest.mark.parametrize("checker", [*CHECKERS, pytest.param("mypy", marks=pytest.mark.slow)])
def test_the_checkers_find_nothing(checker: str) -> None:
    """Run as a developer would run them: no fault of style, no broken contract, no dead name, no wrong type."""
    program, *arguments = checker.split()
    result = subprocess.run([BIN / program, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_files_and_functions_stay_small() -> None:
    """No file over 400 lines, tests among them; no function of the package over 60."""
    for folder in ("pipeline", "tests"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            assert source.count("\n") <= 400, path
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.FunctionDef) and folder == "pipeline":
                    assert (node.end_lineno or 0) - node.lineno < 60, f"{path}:{node.lineno} {node.name}"


def test_a_test_file_bears_the_name_of_the_file_it_tests() -> None:
    """Or of its folder. What tests several files is in tests/whole, and what wants a GPU in tests/gpu."""
    tests = REPOSITORY / "tests"
    for path in tests.rglob("test_*.py"):
        folder, name = REPOSITORY / "pipeline" / path.parent.relative_to(tests), path.stem.removeprefix("test_")
        if folder.name not in ("whole", "gpu"):
            assert (folder / f"{name}.py").is_file() or name == folder.name, path


def test_tests_that_are_named_are_there() -> None:
    """A name that none has would require nothing, and put nothing first."""
    assert all((REPOSITORY / "tests" / file).is_file() for file in LONGEST)
    for test in required_tests(REPOSITORY / "tests" / "required.txt"):
        file, name = test.split("::")
        assert f"\ndef {name}(" in (REPOSITORY / file).read_text(encoding="utf-8"), test


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


def test_values_are_named_by_what_they_hold() -> None:
    """Not by what was done to them, and no two classes of the package have one name."""
    classes: dict[str, Path] = {}
    for path in sorted((REPOSITORY / "pipeline").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                    assert name.strip("_") not in DONE_TO, f"{path}:{node.lineno} {name}"
                case ast.ClassDef(name=name):
                    assert name not in classes, f"{path} and {classes[name]}: {name}"
                    classes[name] = path
