"""Samples: those that others disturbed are dropped, and alternatives are measured in turn."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bench import samples
from pipeline.bench.engine import chunks
from pipeline.bench.random_weights import BenchWeights
from pipeline.bench.samples import ENOUGH, QUIET, Sample, hold, in_turn, occupancy, select, timed
from pipeline.engines.dia.batching.cuda_slots import CudaStepper
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.slots import EagerStepper
from pipeline.engines.dia.network.attention import Lane
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import read_config
from pipeline.engines.dia.weights.tensors import load_weights
from pipeline.errors import EngineError


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
def test_a_median_of_clean_samples_is_not_moved_by_noisy_ones(drawn: list[tuple[float, float | None]]) -> None:
    """Whatever the others' samples are."""
    made = [Sample(seconds, others) for seconds, others in drawn]
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
def test_a_process_does_not_take_itself_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what the cores did, as the system counts it, the work of this process is its own; the rest is others'."""
    cores, ticks = sorted(os.sched_getaffinity(0)), os.sysconf("SC_CLK_TCK")
    clock = SimpleNamespace(wall_s=0.0, own_s=0.0)
    clock.perf_counter, clock.process_time = lambda: clock.wall_s, lambda: clock.own_s
    monkeypatch.setattr(samples, "time", clock)
    monkeypatch.setattr(samples, "_STAT", tmp_path / "stat")

    def count(busy_s: float) -> None:
        """Each core has been busy so long, a part of it for the system, and idle for longer."""
        lines = [f"cpu{core} {round(busy_s * ticks) - 3} 0 3 99999 7 0 0 0 0 0" for core in cores]
        (tmp_path / "stat").write_text("\n".join([f"cpu {10**9} 0 0 0 0 0 0 0 0 0", *lines, ""]))

    for own_s, others in ((4.0 * len(cores), 0.0), (1.0 * len(cores), 0.75), (5.0 * len(cores), 0.0)):
        count(1.0)
        with timed() as timer:
            clock.wall_s += 4.0
            clock.own_s += own_s
            count(5.0)
        assert timer.sample == Sample(4.0, others)


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
    for mine, other in zip(first.cache, second.cache, strict=True):
        assert mine.data_ptr() != other.data_ptr()
        assert torch.equal(mine[:, :, :9], other[:, :, :9])


def test_static_slots_cannot_be_held(tiny: BenchWeights) -> None:
    """CUDA's decode steps are graphs of several; it is said what can be measured there."""
    config = read_config(tiny.dia)
    stepper = CudaStepper(Model(config, load_weights(tiny.dia, config, torch.float32, "cpu")), Sampling())
    with pytest.raises(EngineError, match=r"measured on a CPU.*--part render"):
        hold(stepper, np.array([1, 65, 66]), 10, 2)


def test_slots_of_a_long_job_are_full() -> None:
    """Takes that all last as long leave none of them empty; one long take leaves all others so."""
    assert occupancy(4, [1.0] * 8)["occupancy"] == 1.0
    assert occupancy(4, [0.2] * 3 + [4.0])["occupancy"] < 0.5
    found = occupancy(8, [length / 4 for _text, length in chunks(100)])
    assert (found["chunks"], found["slots"]) == (100, 8)
    assert 0.8 < found["occupancy"] < 1
