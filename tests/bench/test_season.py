"""The season's benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import run_podcast


@pytest.mark.slow
def test_a_season_is_measured_while_workers_die(tmp_path: Path) -> None:
    """Everything is done in the end, and memory is told for the command and its workers."""
    ended = run_podcast(
        "bench", "overnight", "--manifests", "2", "--words", "150", "--kill-every", "1.5", "--json", cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["takes"] > 4
    assert told["kills"] >= 1
    assert 0 < told["worker_busy"] < 1
    assert told["main_mb"]["most"] > 50
    assert told["worker_mb"]["most"] > 50
