"""The benchmarks run on a tiny network, and tell what they measured; how fast that is is nobody's affair here."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.bench.engine import QUICK, Plan, bench_engine, chunks, suited
from pipeline.bench.random_weights import BenchWeights
from pipeline.bench.table import engine_table, goals
from pipeline.engines import DiaSound, Machine
from pipeline.errors import EngineError
from tests.support.commands import run_podcast

FEW = Plan(precisions=("fp32",), slots=(1, 2), contexts=(20,), chunks=2, samples=1, sample_s=0.0, quick=True)
STEP_KEYS = {
    "precision", "slots", "context", "guided", "step_ms", "steps_per_s", "speed_x", "samples", "dropped", "noisy",
}  # fmt: skip
RENDER_KEYS = {
    "precision", "kind", "slots", "chunks", "prompt_s", "audio_s", "wall_s", "speed_x", "occupancy", "others", "noisy",
}  # fmt: skip
AGAINST_KEYS = {"ours", "transformers", "decoder_ratio", "end_to_end_ratio"}


def run_few(tiny: BenchWeights, max_seconds: float | None = None, **changes: Any) -> dict[str, Any]:
    """The engine's benchmark with next to nothing to do, on weights that are there already."""
    return bench_engine(
        Machine(device="cpu", kernels="torch"),
        dataclasses.replace(FEW, **changes),
        sound=DiaSound(max_seconds=max_seconds),
        size="tiny",
        folder=tiny.dia.parent,
        on_progress=lambda _stage, _done, _total: None,
    )


def test_chunks_are_as_long_as_real_ones() -> None:
    """80 to 300 bytes, the same every time, spoken at about 15 bytes a second."""
    made = chunks(200)
    assert made == chunks(200)
    assert all(80 <= len(text.encode()) <= 300 for text, _seconds in made)
    assert all(10 < len(text) / seconds < 20 for text, seconds in made)


@pytest.mark.slow
def test_an_engine_is_measured(tiny: BenchWeights) -> None:
    """Steps, chunks from text to sound and the scheduler; the table names machine and goals."""
    found = run_few(tiny, parts=("steps", "render", "occupancy"), occupancy_chunks=10)
    assert [(row["slots"], row["guided"]) for row in found["steps"]] == [(1, True), (2, True), (2, False)]
    assert all(row.keys() == STEP_KEYS and row["speed_x"] > 0 for row in found["steps"])
    assert [(row["kind"], row["chunks"], row["prompt_s"]) for row in found["renders"]] == [
        ("alone", 1, 0),
        ("many", 2, 0),
    ]
    assert all(row.keys() == RENDER_KEYS for row in found["renders"])
    assert [row["audio_s"] for row in found["renders"]] == pytest.approx([1.5, 3.1], abs=0.03)
    assert found["occupancy"]["chunks"] == 10
    assert found["machine"]["kernels"] == "torch"
    table = engine_table(found)
    assert found["machine"]["cpu"] in table
    assert all(goal.name in table for goal in goals(found))
    assert all(goal.value is None for goal in goals(found) if "end to end" in goal.name)  # it was too quick for that


@pytest.mark.slow
def test_many_chunks_have_a_voice_prompt_where_there_is_time(tiny: BenchWeights) -> None:
    """And as many as were asked for."""
    found = run_few(tiny, max_seconds=0.5, parts=("render",), quick=False, chunks=3)
    assert [(row["prompt_s"], row["chunks"]) for row in found["renders"]] == [(0, 1), (0, 3), (5.0, 3)]
    assert [row["audio_s"] for row in found["renders"]] == pytest.approx([0.5, 1.5, 1.5], abs=0.05)
    as_int8 = found | {"renders": [row | {"precision": "int8"} for row in found["renders"]]}
    named = {goal.name: goal.value for goal in goals(as_int8)}
    assert named["int8, end to end"] == found["renders"][1]["speed_x"]
    assert named["int8, end to end, with a prompt"] == found["renders"][2]["speed_x"]
    assert named["bf16, end to end"] is None


@pytest.mark.slow
def test_the_engine_is_measured_beside_transformers(tiny: BenchWeights) -> None:
    """The same weights, its best batch, and a figure from end to end."""
    found = run_few(tiny, parts=("render",), against=True)
    against = found["against"]
    assert against.keys() == AGAINST_KEYS
    theirs = against["transformers"]
    assert str(theirs["batch"]) in theirs["batches"]
    assert theirs["codec"] in theirs["codecs"]
    assert 0 < theirs["end_to_end_speed_x"] < theirs["speed_x"]
    assert against["decoder_ratio"] == pytest.approx(against["ours"]["speed_x"] / theirs["speed_x"], abs=0.02)
    assert "Beside transformers" in engine_table(found)


def test_transformers_may_be_missing(tiny: BenchWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is measured, and it is said how to get it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EngineError, match="pip install transformers"):
        run_few(tiny, against=True)


def test_too_little_memory_is_told_before_anything_is_loaded(tiny: BenchWeights) -> None:
    """With what would help."""
    with pytest.raises(EngineError, match=r"fp32 with 1000000000 slots .* fewer --slots"):
        run_few(tiny, slots=(10**9,), parts=("steps",))


def test_an_unknown_device_is_told() -> None:
    with pytest.raises(EngineError, match='there is no "tpu"'):
        suited("tpu")
    assert suited("cpu")[-1] in ("bf16", "fp32")


@pytest.mark.slow
def test_the_commands_run(tmp_path: Path) -> None:
    """As a user runs them: one JSON object on stdout, and a table without --json."""
    env = {"XDG_CACHE_HOME": str(tmp_path), "PODCAST_KERNELS": "torch"}
    arguments = ("bench", "engine", "--size", "tiny", "--part", "occupancy", "--slots", "32", "--quick")
    made = run_podcast(*arguments, "--json", cwd=tmp_path, env=env)
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    assert report.keys() == {
        "machine", "weights", "quick", "load", "steps", "renders", "occupancy", "against", "goals",
    }  # fmt: skip
    assert report["occupancy"]["chunks"] == QUICK.occupancy_chunks
    assert {"name", "value", "goal", "unit", "most", "met"} == report["goals"][0].keys()
    wrong = run_podcast("bench", "engine", "--weights", str(tmp_path / "none"), cwd=tmp_path, env=env)
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr
