"""The public face: what `import pipeline` offers and loads, and the examples of docs/python.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from tests.support.commands import REPOSITORY


def test_nothing_but_the_standard_library_is_loaded() -> None:
    """Until a name is used."""
    program = (
        "import sys; before = set(sys.modules); import pipeline; dir(pipeline); print(pipeline.__version__);"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [pipeline.__version__, "pipeline"]


def test_each_public_name_is_what_its_module_defines() -> None:
    """And a name that is not public is no attribute."""
    for name in pipeline.__all__:
        assert getattr(pipeline, name).__name__ == name
        assert getattr(pipeline, name).__doc__
    assert dir(pipeline) == sorted(pipeline.__all__)
    with pytest.raises(AttributeError, match="render_jobs"):
        _ = pipeline.render_jobs


def test_the_examples_of_the_docs_run(tmp_path: Path) -> None:
    """Top to bottom, in one fresh folder, as one program."""
    shutil.copytree(REPOSITORY / "manifests", tmp_path / "manifests")
    page = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("done\n")
    assert (tmp_path / "output" / "quickstart" / "report.json").is_file()
