"""Kokoro's benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.bench.kokoro import Shape, table, usual_shapes
from tests.support.commands import run_podcast


def test_the_usual_shapes_share_the_cores_out() -> None:
    """Each once; on one core there is no more to try than a second thread."""
    assert list(map(str, usual_shapes(8))) == ["1x1", "8x1", "4x2", "1x8"]
    assert list(map(str, usual_shapes(2))) == ["1x1", "2x1", "1x2"]
    assert list(map(str, usual_shapes(1))) == ["1x1", "1x2"]


def test_without_weights_nothing_is_measured(tmp_path: Path) -> None:
    """What is missing is told with the next step, and a shape that is none with what one is."""
    result = run_podcast("bench", "kokoro", cwd=tmp_path, env={"PODCAST_KOKORO": "nobody/has-this"})
    assert (result.returncode, result.stdout) == (1, "")
    assert "Run: podcast weights fetch kokoro" in result.stderr
    wrong = run_podcast("bench", "kokoro", "--shape", "2", cwd=tmp_path)
    assert (wrong.returncode, "two workers of one thread" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_kokoro_is_measured_in_each_shape(kokoro_weights: Path, tmp_path: Path) -> None:
    """With the same sound from one worker and from two."""
    shapes = ("--shape", "1x1", "--shape", "2x1")
    command = ("bench", "kokoro", *shapes, "--chunks", "2", "--words", "4", "--runs", "1", "--json")
    result = run_podcast(*command, cwd=tmp_path, env={"PODCAST_KOKORO": str(kokoro_weights)})
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    one, two = report["shapes"]
    assert (one["workers"], two["workers"], one["same_sound"], two["same_sound"]) == (1, 2, True, True)
    assert one["audio_s"] == two["audio_s"] > 1
    assert two["speed_x"] == pytest.approx(2 * two["speed_x_per_worker"], rel=0.05)
    assert all(str(Shape(row["workers"], row["threads"])) in table(report) for row in (one, two))
