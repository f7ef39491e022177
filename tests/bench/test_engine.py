"""The benchmarks run on a tiny network, and tell what they measured; how fast that is is nobody's affair here."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bench.codec import bench_codec
from pipeline.bench.engine import QUICK, Plan, bench_engine, chunks, suited
from pipeline.bench.load import measure_loading
from pipeline.bench.random_weights import BenchWeights, config_dict, random_weights
from pipeline.bench.samples import ENOUGH, QUIET, Sample, hold, in_turn, occupancy, select, timed
from pipeline.bench.table import codec_table, engine_table, goals
from pipeline.engines import DiaMachine, DiaSound
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.slots import EagerStepper
from pipeline.engines.dia.codec.codec import load_codec
from pipeline.engines.dia.network.attention import Lane
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import parse_config, read_config
from pipeline.engines.dia.weights.tensors import expected_shapes, load_weights
from pipeline.errors import EngineError
from tests.support.commands import run_podcast

FEW = Plan(precisions=("fp32",), slots=(1, 2), contexts=(20,), chunks=2, samples=1, sample_s=0.0, quick=True)
STEP_KEYS = {
    "precision", "slots", "context", "guided", "step_ms", "steps_per_s", "speed_x", "samples", "dropped", "noisy",
}  # fmt: skip
RENDER_KEYS = {
    "precision", "kind", "slots", "chunks", "prompt_s", "audio_s", "wall_s", "speed_x", "occupancy", "others", "noisy",
}  # fmt: skip
LOAD_KEYS = {
    "first_s", "first_peak_mb", "again_s", "noisy", "rss_mb", "peak_mb", "slots", "slots_rss_mb", "slots_peak_mb",
}  # fmt: skip
AGAINST_KEYS = {"ours", "transformers", "decoder_ratio", "end_to_end_ratio"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BenchWeights:
    """The tiny random weights."""
    return random_weights("tiny", tmp_path_factory.mktemp("bench"))


def run_few(tiny: BenchWeights, max_seconds: float | None = None, **changes: Any) -> dict[str, Any]:
    """The engine's benchmark with next to nothing to do, on weights that are there already."""
    return bench_engine(
        DiaMachine(device="cpu", kernels="torch"),
        dataclasses.replace(FEW, **changes),
        sound=DiaSound(max_seconds=max_seconds),
        size="tiny",
        folder=tiny.dia.parent,
        on_progress=lambda _stage, _done, _total: None,
    )


@pytest.mark.parametrize(
    ("others", "kept", "dropped", "noisy"),
    [
        ([0.0, 0.0, 0.0], 3, 0, False),
        ([0.0, 0.9, 0.01, 0.0], 3, 1, False),
        ([None, None, None], 3, 0, False),  # nothing tells, so nothing is dropped
        ([0.0, 0.9, 0.9, 0.0], 4, 0, True),
        ([0.9], 1, 0, True),
        ([0.0], 1, 0, False),
    ],
)
def test_samples_that_others_disturbed_are_dropped(
    others: list[float | None], kept: int, dropped: int, noisy: bool
) -> None:
    """As long as enough are left; otherwise all count, and it is said."""
    found = select([Sample(1.0, share) for share in others])
    assert (found.samples, found.dropped, found.noisy) == (kept, dropped, noisy)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.one_of(st.none(), st.floats(0, 1))), min_size=ENOUGH, max_size=20))
def test_a_median_of_clean_samples_is_not_moved_by_noisy_ones(samples: list[tuple[float, float | None]]) -> None:
    """Whatever the others' samples are."""
    made = [Sample(seconds, others) for seconds, others in samples]
    clean = [sample.seconds for sample in made if sample.others is None or sample.others <= QUIET]
    found = select(made)
    assert found.samples + found.dropped == len(made)
    if len(clean) >= ENOUGH:
        assert found.seconds == np.median(clean)
    else:
        assert found.noisy
        assert found.seconds == np.median([sample.seconds for sample in made])


def test_no_sample_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="no sample"):
        select([])


def test_alternatives_are_measured_in_turn() -> None:
    """One call of each that does not count, then one sample of each, again and again."""
    called: list[str] = []
    ticks: list[int] = []
    found = in_turn(
        {name: partial(called.append, name) for name in "ab"},
        wanted=2,
        least_s=0.0,
        on_sample=lambda: ticks.append(1),
    )
    assert called[:6] == ["a", "b", "a", "b", "a", "b"]
    assert found.keys() == {"a", "b"}
    assert all(measured.seconds >= 0 and measured.samples >= 2 for measured in found.values())
    assert len(ticks) == 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what others do")
def test_a_process_does_not_take_itself_for_others() -> None:
    """Work of this process counts as its own; the rest of what the cores did cannot be more than all of them."""
    with timed() as timer:
        sum(range(10**6))
    assert timer.sample.others is not None
    assert 0 <= timer.sample.others <= 1


def test_random_weights_are_those_of_a_dia(tiny: BenchWeights) -> None:
    """The engine reads them and its codec's; made once, they stay."""
    config = read_config(tiny.dia)
    state = load_weights(tiny.dia, config, torch.bfloat16, "cpu")
    assert state.keys() == expected_shapes(config).keys()
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert not state["logits_dense.weight"][config.eos].any()
    sound = load_codec(tiny.codec).decode(np.zeros((5, 9), np.int64))
    assert np.isfinite(sound).all()
    before = {file: file.stat().st_mtime_ns for file in tiny.dia.rglob("*")}
    assert random_weights("tiny", tiny.dia.parent) == tiny
    assert {file: file.stat().st_mtime_ns for file in tiny.dia.rglob("*")} == before


def test_the_full_network_is_dia() -> None:
    """As many parameters as Dia-1.6B has."""
    config = parse_config(config_dict("full"), "config.json")
    assert sum(torch.Size(shape).numel() for shape in expected_shapes(config).values()) == 1_611_160_576


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is needed and what is free."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=2_000_000_000))
    with pytest.raises(EngineError, match=r"take 3\.5 GB, and 2\.0 GB are free\. Make room"):
        random_weights("full", tmp_path / "deep" / "cache")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be written"):
        random_weights("tiny", tmp_path / "file" / "cache")


def test_takes_stand_still_while_their_step_is_measured(tiny: BenchWeights) -> None:
    """Each step reads the row it should, in as many takes as it should, and can be repeated."""
    config = read_config(tiny.dia)
    lengths: list[list[tuple[bool, int]]] = []

    class Watched(Model):
        def step(self, lanes: Any, codes: torch.Tensor) -> torch.Tensor:
            made = super().step(lanes, codes)
            lengths.append([(lane.text is not None, lane.length) for lane in lanes])
            return made

    with torch.inference_mode():
        stepper = EagerStepper(Watched(config, load_weights(tiny.dia, config, torch.float32, "cpu")), Sampling())
        step = hold(stepper, np.array([1, 65, 66]), 30, 3)
        lengths.clear()
        for count, length, guided in [(3, 30, True), (3, 30, True), (1, 20, True), (2, 20, False), (2, 30, True)]:
            step(count, length, guided)
    cond, uncond = [(True, 30)], [(False, 30)]
    assert lengths == [
        3 * cond + 3 * uncond,
        3 * cond + 3 * uncond,
        [(True, 20), (False, 20)],
        [(True, 20)] * 2,
        2 * cond + 2 * uncond,
    ]


def test_held_takes_have_read_what_a_take_reads(tiny: BenchWeights) -> None:
    """Their keys and values are those of a take that goes on from the same rows, in every lane."""
    config = read_config(tiny.dia)
    model = Model(config, load_weights(tiny.dia, config, torch.float32, "cpu"))
    kept: list[list[Lane]] = []
    step_of_model = model.step

    def step(lanes: Any, codes: torch.Tensor) -> torch.Tensor:
        kept.append(list(lanes))
        return step_of_model(lanes, codes)

    model.step = step  # type: ignore[method-assign]
    with torch.inference_mode():
        hold(EagerStepper(model, Sampling()), np.array([1, 65, 66]), 10, 2)(2, 10, True)
    first, second = kept[-1][:2]
    for mine, its in zip(first.cache, second.cache, strict=True):
        assert mine.data_ptr() != its.data_ptr()
        assert torch.equal(mine[:, :, :9], its[:, :, :9])


def test_slots_of_a_long_job_are_full() -> None:
    """Takes that all last as long leave none of them empty; one long take leaves all others so."""
    assert occupancy(4, [1.0] * 8)["occupancy"] == 1.0
    assert occupancy(4, [0.2] * 3 + [4.0])["occupancy"] < 0.5
    found = occupancy(8, [length / 4 for _text, length in chunks(100)])
    assert (found["chunks"], found["slots"]) == (100, 8)
    assert 0.8 < found["occupancy"] < 1


def test_chunks_are_as_long_as_real_ones() -> None:
    """80 to 300 bytes, the same every time, spoken at about 15 bytes a second."""
    made = chunks(200)
    assert made == chunks(200)
    assert all(80 <= len(text.encode()) <= 300 for text, _seconds in made)
    assert all(10 < len(text) / seconds < 20 for text, seconds in made)


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


def test_the_codec_is_measured(tiny: BenchWeights) -> None:
    """Both ways, in both precisions."""
    found = bench_codec(
        None, size="tiny", folder=tiny.dia.parent, seconds=0.2, samples=1, sample_s=0.0, kernels="torch"
    )
    assert [row["what"] for row in found["codec"]] == ["decode bf16", "decode fp32", "encode"]
    assert all(row["speed_x"] > 0 for row in found["codec"])
    assert found["seconds"] == pytest.approx(0.2, abs=0.01)
    table = codec_table(found)
    assert all(name in table for name in ("decode bf16", "encode", found["machine"]["cpu"]))


def test_transformers_may_be_missing(tiny: BenchWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is measured, and it is said how to get it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EngineError, match="pip install transformers"):
        run_few(tiny, against=True)


def test_loading_is_measured_in_a_process_of_its_own(tiny: BenchWeights) -> None:
    """Nothing is left in the cache, and a process that fails says why."""
    machine = DiaMachine(device="cpu", kernels="torch", slots=2)
    found = measure_loading("fp32", machine, tiny, 20, "[S1] Hello.")
    assert found.keys() == LOAD_KEYS
    assert found["first_s"] > 0
    if sys.platform.startswith("linux"):
        assert 0 < found["rss_mb"] <= found["slots_rss_mb"] <= found["slots_peak_mb"]
    with pytest.raises(EngineError, match="no precision"):
        measure_loading("nine bits", machine, tiny, 20, "[S1] Hello.", first=False)


def test_too_little_memory_is_told_before_anything_is_loaded(tiny: BenchWeights) -> None:
    """With what would help."""
    with pytest.raises(EngineError, match=r"fp32 with 1000000000 slots .* fewer --slots"):
        run_few(tiny, slots=(10**9,), parts=("steps",))


def test_an_unknown_device_is_told() -> None:
    with pytest.raises(EngineError, match='there is no "tpu"'):
        suited("tpu")
    assert suited("cpu")[-1] in ("bf16", "fp32")


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
