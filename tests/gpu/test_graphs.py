"""CUDA graphs and streams without CUDA: when a step is captured and replayed, and what is looked at in between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.engines.dia.batching import cuda_slots
from pipeline.engines.dia.batching.cuda_slots import CudaStepper, StepShape, on_stream
from pipeline.engines.dia.batching.scheduler import Scheduler
from pipeline.engines.dia.network import attention
from pipeline.engines.dia.network.attention_cuda import BLOCK
from tests.support import dia_fixtures
from tests.support.cuda_fixtures import GREEDY, LONG, attend_alike, decode_all, long_requests
from tests.support.dia_fixtures import USUAL, equal, requests, run, tiny


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny network is no faster with more, and much slower where other tests run beside it."""
    with dia_fixtures.threads(1):
        yield


@pytest.fixture(autouse=True)
def the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plain attention attend in blocks: a code is drawn by rank, and two scores may differ by mere rounding."""
    monkeypatch.setattr(attention, "attend", attend_alike)


class Graph:
    """Stands for `torch.cuda.CUDAGraph`: notes down the step that it captures, and takes it when it is replayed."""

    capturing: Graph | None = None
    made: list[Graph]  # each test's own

    def __init__(self) -> None:
        self.shape: StepShape | None = None
        self.step: Callable[[], None] = lambda: None
        self.replays = 0
        Graph.made.append(self)

    def pool(self) -> int:
        return 7

    def replay(self) -> None:
        self.replays += 1
        self.step()


class Captured(CudaStepper):
    """A pool whose steps are not taken while a graph is captured, as with CUDA."""

    def _step(self, shape: StepShape) -> None:
        graph = Graph.capturing
        if graph is None:
            super()._step(shape)
        else:
            step, memory = super()._step, self._self_cache

            def replay() -> None:
                assert self._self_cache is memory
                step(shape)

            graph.shape, graph.step = shape, replay


@pytest.fixture
def memory_pools(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Graphs without CUDA; the memory pools they were given."""
    given: list[int | None] = []

    @contextlib.contextmanager
    def capture(graph: Graph, pool: int | None, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        given.append(pool)
        Graph.capturing = graph
        try:
            yield
        finally:
            Graph.capturing = None

    Graph.made = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return given


def test_a_step_is_captured_once_for_each_shape_and_then_replayed(memory_pools: list[int | None]) -> None:
    """When it is first needed; in powers of two of slots, and all of them; in one pool of memory."""
    wanted = requests(9, longest=20)
    scheduler = Scheduler(Captured(tiny(), USUAL, graphs=True), 6)
    assert equal(decode_all(scheduler, wanted), run(tiny(), wanted, 6))
    shapes = [graph.shape for graph in Graph.made]
    assert len(set(shapes)) == len(shapes)
    assert {shape.slots for shape in shapes if shape} == {1, 2, 4, 6}
    assert shapes[0] == StepShape(slots=6, blocks=1, text_blocks=1, guided=True)
    assert sum(graph.replays for graph in Graph.made) == scheduler.steps - len(shapes)
    assert memory_pools == [None, *[7] * (len(shapes) - 1)]
    decode_all(scheduler, wanted)
    assert len(Graph.made) == len(shapes)


def test_a_graph_serves_all_temperatures(memory_pools: list[int | None]) -> None:
    """It reads them from the device: those of other takes need no other."""
    wanted = requests(6, prompts=[0], longest=20)
    scheduler = Scheduler(Captured(tiny(), USUAL, graphs=True), 3)
    assert equal(decode_all(scheduler, wanted), run(tiny(), wanted, 3))
    before = len(Graph.made)
    other = [replace(one, temperature=number % 3) for number, one in enumerate(wanted)]
    expected = run(tiny(), other, 3)
    assert not equal(expected, run(tiny(), wanted, 3))
    shapes = {graph.shape for graph in Graph.made}
    assert equal(decode_all(scheduler, other), expected)
    assert len({graph.shape for graph in Graph.made}) == len(Graph.made)
    assert {graph.shape for graph in Graph.made[before:]}.isdisjoint(shapes)
    assert memory_pools


def test_graphs_are_for_so_many_blocks_and_for_guidance_as_long_as_there_is_any(
    memory_pools: list[int | None],
) -> None:
    """Blocks of rows and of text; none of them is looked at in vain."""
    model = tiny(eos_bias=0.0, config=LONG)
    wanted = [replace(request, max_frames=30) for request in long_requests()]
    scheduler = Scheduler(Captured(model, GREEDY, cfg_frames=12, graphs=True), 1)
    assert equal(decode_all(scheduler, wanted), run(model, wanted, 1, GREEDY, cfg_frames=12))
    assert {graph.shape for graph in Graph.made} == {
        StepShape(1, blocks, text_blocks, guided)
        for rows, text_blocks in ((0, 1), (BLOCK - 10, 1), (BLOCK - 1, 2), (BLOCK, 3), (530, 1))
        for blocks, guided in {
            (-(-(rows + 16) // BLOCK), True),
            (-(-(rows + 32) // BLOCK), False),
            (-(-(rows + 33) // BLOCK), False),
        }
    }
    assert memory_pools


def test_graphs_are_dropped_when_a_pool_in_use_grows(memory_pools: list[int | None]) -> None:
    """They would go on in the memory of before."""
    wanted = [
        replace(request, max_frames=count) for request, count in zip(requests(3, prompts=[0]), (9, 60, 9), strict=True)
    ]
    wanted[2] = replace(long_requests()[2], key="take 2", text=wanted[2].text)
    model = tiny(eos_bias=0.0, config=LONG)
    scheduler = Scheduler(Captured(model, USUAL, graphs=True), 2)
    assert equal(decode_all(scheduler, wanted), run(model, wanted, 2))
    assert StepShape(2, 1, 1, True) in {graph.shape for graph in Graph.made}
    assert StepShape(2, 2, 1, True) in {graph.shape for graph in Graph.made}
    assert memory_pools.count(None) == 2


def test_graphs_are_dropped_with_an_empty_pool(memory_pools: list[int | None]) -> None:
    """A larger one takes its place."""
    wanted = [*requests(2, prompts=[0], longest=9), replace(long_requests()[3], key="long", max_frames=9)]
    model = tiny(config=LONG)
    stepper = Captured(model, USUAL, graphs=True)
    scheduler = Scheduler(stepper, 1)
    assert equal(decode_all(scheduler, wanted), run(model, wanted, 1))
    assert [graph.shape for graph in Graph.made] == [StepShape(1, 1, 1, True), StepShape(1, 2, 3, True)]
    assert len(stepper._graph_of) == 1
    assert memory_pools == [None, None]
    assert equal(decode_all(scheduler, wanted[:1]), run(model, wanted[:1], 1))


def test_too_little_memory_for_a_graph_is_a_want_of_memory(
    monkeypatch: pytest.MonkeyPatch, memory_pools: list[int | None]
) -> None:
    """Although CUDA complains of the broken capture in the end."""
    whole = torch.cuda.graph

    @contextlib.contextmanager
    def failing(*args: Any, **options: Any) -> Iterator[None]:
        with whole(*args, **options):
            try:
                yield
                if len(Graph.made) == 1:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
            except torch.OutOfMemoryError:
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904

    monkeypatch.setattr(torch.cuda, "graph", failing)
    wanted = requests(4)
    scheduler = Scheduler(Captured(tiny(), USUAL, graphs=True), 4)
    assert equal(decode_all(scheduler, wanted), run(tiny(), wanted, 4))
    assert scheduler.limit == 2
    assert len(memory_pools) > 1


def test_nothing_is_looked_at_between_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step waits for nothing: no number leaves the device, and its shapes do not depend on any."""
    stepper = CudaStepper(tiny(), USUAL)
    step = stepper._step

    def forbidden(*_args: Any, **_options: Any) -> Any:
        raise AssertionError("a step looks at numbers")

    def watched(shape: StepShape) -> None:
        with monkeypatch.context() as patch:
            for name in ("item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__"):
                patch.setattr(Tensor, name, forbidden)
            step(shape)

    monkeypatch.setattr(stepper, "_step", watched)
    wanted = requests(5, longest=9)
    assert equal(decode_all(Scheduler(stepper, 4), wanted), run(tiny(), wanted, 4))


def test_ends_are_looked_for_every_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sooner only where one is known to come; and what a take costs beyond its end is less than that."""
    stepper = CudaStepper(tiny(), USUAL)
    scheduler = Scheduler(stepper, 2)
    looks: list[int] = []
    look = stepper._read_back

    def looked() -> None:
        looks.append(scheduler.steps)
        look()

    monkeypatch.setattr(stepper, "_read_back", looked)
    wanted = requests(4, longest=60)
    decode_all(scheduler, wanted)
    between = np.diff([0, *looks])
    assert between.max() == cuda_slots._STEPS_UNSEEN
    assert len(looks) < scheduler.steps / 4


def test_a_second_stream_is_one_on_cuda_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made once for each device, and waited for at the end; elsewhere there is nothing to be done."""
    events: list[str] = []

    class Stream:
        def __init__(self, device: torch.device) -> None:
            events.append(f"made for {device}")

        def synchronize(self) -> None:
            events.append("waited for")

    @contextlib.contextmanager
    def entered(_stream: Stream) -> Iterator[None]:
        events.append("entered")
        yield
        events.append("left")

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", entered)
    cuda_slots._stream.cache_clear()
    with on_stream(torch.device("cpu")):
        assert not events
    for _ in range(2):
        with on_stream(torch.device("cuda:3")):
            events.append("work")
    cuda_slots._stream.cache_clear()
    once = ["entered", "work", "left", "waited for"]
    assert events == ["made for cuda:3", *once, *once]
