"""The pool of slots for GPUs: the same takes as `Slots` makes, with the same bits in any company."""

from __future__ import annotations

import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.batching import cuda_slots as pool
from pipeline.engines.dia.batching.cuda_slots import Pool, Shape, on_stream
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.slots import Generated, Prompted, Slots
from pipeline.engines.dia.network import attention
from pipeline.engines.dia.network import attention_cuda as pool_attention
from pipeline.engines.dia.network.attention import Attention, Lane, PlainAttention, Text
from pipeline.engines.dia.network.attention_cuda import (
    BLOCK,
    Kept,
    Store,
    attend_in_blocks,
    attend_in_tiles,
    steady_tile,
)
from pipeline.engines.dia.network.linear import FP8, ROWS, Fp8Linear, Linear, multiplies, to_fp8
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import DiaConfig
from tests.support import dia_fixtures
from tests.support.dia_fixtures import (
    CONFIG,
    NO_MEMORY,
    QUICK,
    USUAL,
    V1,
    V1_CONFIG,
    Fault,
    by_key,
    equal,
    jobs,
    requests,
    run,
    same,
    shortage,
    tiny,
    weights,
)

UNGUIDED = Sampling(cfg_scale=0)
GREEDY = Sampling(temperature=0)
# Takes of several blocks of rows and of text.
LONG = replace(
    QUICK,
    encoder=replace(CONFIG.encoder, max_positions=600),
    decoder=replace(CONFIG.decoder, max_positions=1100),
)
KINDS: dict[str, tuple[DiaConfig, Sampling, int | None]] = {
    "usual": (CONFIG, USUAL, None),
    "quick": (QUICK, USUAL, None),
    "guidance for 5 frames": (QUICK, USUAL, 5),
    "guidance for 1 frame": (QUICK, USUAL, 1),
    "no guidance": (QUICK, UNGUIDED, None),
    "v1": (replace(V1_CONFIG, delays=QUICK.delays), V1, None),
    "greedy": (QUICK, GREEDY, None),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny network is no faster with more, and much slower where other tests run beside it."""
    with dia_fixtures.threads(1):
        yield


PLAIN = attention.attend


def attend_alike(query: Tensor, keys: Tensor, values: Tensor, *, causal: bool = False) -> Tensor:
    """Plain attention as it is for many rows at a time, and as the pool's for one."""
    if len(query) > 1:
        return PLAIN(query, keys, values, causal=causal)
    length = keys.shape[1]
    padded = (functional.pad(part, (0, 0, 0, -length % BLOCK))[None] for part in (keys, values))
    return attend_in_blocks(query, Kept(*padded), torch.tensor([length]), -(-length // BLOCK))


@pytest.fixture(autouse=True)
def the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `Slots` attend in blocks too: a code is drawn by rank, and two scores may differ by no more than rounding."""
    monkeypatch.setattr(attention, "attend", attend_alike)


def pooled(slots: Slots, wanted: Sequence[Prompted]) -> dict[str, Generated]:
    """What becomes of each request."""
    made = by_key(slots.generate(iter(wanted)))
    assert made.keys() == {request.key for request in wanted}
    return made


def long_requests() -> list[Prompted]:
    """Takes that begin before, at and after the edges of blocks, with texts of one to three blocks."""
    rng = np.random.default_rng(5)
    rows, texts = (0, BLOCK - 10, BLOCK - 1, BLOCK, 530), (3, BLOCK, BLOCK + 1, 600, 20)
    return [
        Prompted(
            key=f"take {number}",
            text=rng.integers(1, 256, text),
            prompt=rng.integers(0, 1024, (frames, 9)).astype(np.int16),
            seed=number,
            max_frames=4 + 3 * number,
        )
        for number, (frames, text) in enumerate(zip(rows, texts, strict=True))
    ]


class Watched(Pool):
    """A pool with a record of each take's logits, `[C, V]`, of either kind of lane."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logits_of: defaultdict[str, list[Tensor]] = defaultdict(list)
        self.shapes: list[Shape] = []

    def _step(self, shape: Shape) -> None:
        self.shapes.append(shape)
        super()._step(shape)

    def _draw(self, cond: Tensor, uncond: Tensor | None, row: Tensor) -> tuple[Tensor, Tensor]:
        for number, slot in self._seats.items():
            if self._state.active[number]:
                self.logits_of[slot.request.key].extend(part[number] for part in (cond, uncond) if part is not None)
        return super()._draw(cond, uncond, row)


class Failing(Model):
    """The tiny network with a place for faults: `fault` is told a method's name and how often it has been called."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.fault: Fault = lambda _method, _call: None
        super().__init__(LONG, dict(weights(torch.float32, 2.0)))
        self.calls.clear()

    def read(self, tokens: Tensor) -> Text:
        self.enter("read")
        return super().read(tokens)

    def lane(self, text: Text | None, capacity: int) -> Lane:
        self.enter("lane")
        return super().lane(text, capacity)

    def logits(self, hidden: Tensor) -> Tensor:
        self.enter("logits")
        return super().logits(hidden)

    def enter(self, method: str) -> None:
        self.calls[method] += 1
        self.fault(method, self.calls[method])


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """A network that is told of new stores, too, by the name of `resized`."""
    model = Failing()
    resized = Store.resized

    def watched(self: Store, slots: int, capacity: int) -> Store:
        model.enter("resized")
        return resized(self, slots, capacity)

    monkeypatch.setattr(Store, "resized", watched)
    return model


# The same takes


@kinds
@pytest.mark.parametrize("limit", [1, 5])
def test_takes_are_those_of_slots(kind: str, limit: int) -> None:
    """Code for code, for every kind of guidance and either network; and as many steps of takes are counted."""
    config, sampling, cfg_frames = KINDS[kind]
    wanted = requests(5, longest=10)
    slots = Slots(tiny(config=config), sampling, limit, cfg_frames)
    ours = Pool(tiny(config=config), sampling, limit, cfg_frames)
    assert equal(pooled(ours, wanted), pooled(slots, wanted))
    assert ours.slot_steps == slots.slot_steps
    assert ours.steps >= slots.slot_steps / limit


@settings(max_examples=8)
@given(jobs, st.integers(1, 5), st.sampled_from(sorted(KINDS)), st.randoms(use_true_random=False))
def test_takes_are_those_of_slots_whatever_is_asked_for(
    wanted: list[Prompted], limit: int, kind: str, chance: Any
) -> None:
    """Any texts, prompts, lengths and seeds, in any order, pulled no sooner than there is room."""
    config, sampling, cfg_frames = KINDS[kind]
    expected = run(tiny(config=config), wanted, 4, sampling, cfg_frames)
    chance.shuffle(wanted)
    made: dict[str, Generated] = {}

    def incoming() -> Iterator[Prompted]:
        for number, request in enumerate(wanted, 1):
            assert number <= len(made) + limit
            yield request

    for generated in Pool(tiny(config=config), sampling, limit, cfg_frames).generate(incoming()):
        assert generated.key not in made
        made[generated.key] = generated
    assert equal(made, expected)


@pytest.mark.parametrize("sampling", [USUAL, GREEDY], ids=["drawn", "greedy"])
def test_takes_of_many_blocks_are_those_of_slots(sampling: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts and texts longer than a block of keys; the likeliest codes with plain attention, too."""
    wanted, model = long_requests(), tiny(eos_bias=0.0, config=LONG)
    ours = Watched(model, sampling, 3)
    if sampling == GREEDY:
        monkeypatch.setattr(attention, "attend", PLAIN)
    assert equal(pooled(ours, wanted), run(model, wanted, 3, sampling))
    assert {(shape.blocks, shape.text_blocks) for shape in ours.shapes} >= {(2, 2), (2, 3), (3, 3)}


def test_a_take_may_fill_all_positions() -> None:
    """The last row is read and written like any other."""
    (request,) = requests(1, prompts=[20])
    room = CONFIG.decoder.max_positions - 20 - max(CONFIG.delays) - 2
    wanted = [replace(request, max_frames=room)]
    model = tiny(eos_bias=0.0)
    made = pooled(Pool(model, USUAL, 1), wanted)
    assert made[request.key].codes.shape == (room, 9)
    assert equal(made, run(model, wanted, 1))


def test_an_end_at_once_is_an_empty_take() -> None:
    """It is noticed only steps later, and all that is written until then does no harm."""
    (made,) = Pool(tiny(eos_bias=60.0), USUAL, 2).generate(requests(1, prompts=[20]))
    assert (made.codes.shape, made.reason) == ((0, 9), "")


def test_a_stream_that_is_closed_leaves_the_pool_to_the_next() -> None:
    """In the middle of its takes."""
    wanted = requests(5, longest=12)
    ours = Pool(tiny(), USUAL, 3)
    stream = ours.generate(wanted)
    first = next(stream)
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    expected = run(tiny(), wanted, 3)
    assert same(first, expected[first.key])
    assert equal(pooled(ours, wanted), expected)
    ours.limit = 2
    assert equal(pooled(ours, wanted[::-1]), expected)


# The same bits


@pytest.mark.parametrize("fp8", [False, True], ids=["", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_the_logits_are_the_same_in_any_company(dtype: torch.dtype, fp8: bool) -> None:
    """Bit for bit: alone, in other slots, in larger graphs, beside longer takes and texts, in a pool that grew."""
    wanted, model = long_requests(), tiny(dtype, eos_bias=0.0, config=LONG)
    lone: dict[str, list[Tensor]] = {}
    for request in wanted:
        ours = Watched(model, USUAL, 1, fp8=fp8)
        pooled(ours, [request])
        lone |= ours.logits_of
    for limit, order in ((5, wanted), (2, wanted[::-1])):
        crowd = Watched(model, USUAL, limit, fp8=fp8)
        pooled(crowd, order)
        assert crowd.logits_of.keys() == lone.keys()
        for key, rows in lone.items():
            assert torch.equal(torch.stack(rows), torch.stack(crowd.logits_of[key]))


def kept(generator: torch.Generator, lanes: int, heads: int, places: int, size: int) -> Kept:
    """Random keys and values."""
    return Kept(*torch.randn(2, lanes, heads, places, size, generator=generator))


@settings(max_examples=20)
@given(st.lists(st.integers(1, 3 * BLOCK), min_size=1, max_size=4), st.sampled_from([1, 2, 4]), st.integers(0, 99))
def test_what_is_not_heard_changes_no_bit(lengths: list[int], group: int, seed: int) -> None:
    """Neither what lies beyond a lane's length, nor more blocks, nor other lanes; and the mean is right."""
    generator = torch.Generator().manual_seed(seed)
    lanes, size = len(lengths), 16
    query = torch.randn(lanes, 2 * group, size, generator=generator)
    there = kept(generator, lanes, 2, 3 * BLOCK, size)
    found = attend_in_blocks(query, there, torch.tensor(lengths), 3)
    for lane, length in enumerate(lengths):
        here = slice(lane, lane + 1)
        blocks = -(-length // BLOCK)
        other = kept(generator, 1, 2, 3 * BLOCK, size)
        for mine, its in zip(other, there.lanes(here), strict=True):
            mine[:, :, :length] = its[:, :, :length]
        other.keys[:, :, length:] *= 1e30
        for count in range(blocks, 4):
            again = attend_in_blocks(query[here], other, torch.tensor([length]), count)
            assert torch.equal(again[0], found[lane])
        keys, values = (part[lane, :, :length].double().repeat_interleave(group, dim=0)[None] for part in there)
        exact = functional.scaled_dot_product_attention(query[lane].double()[None, :, None], keys, values, scale=1.0)
        torch.testing.assert_close(found[lane].double(), exact.flatten(), atol=1e-5, rtol=1e-5)


def test_bf16_scores_are_not_rounded() -> None:
    """They are large, as nothing divides them: in bf16 two that differ by 1 at 300 would be the same."""
    query = torch.zeros(1, 1, 16, dtype=torch.bfloat16)
    query[..., 0], query[..., 1] = 100.0, 1.0
    keys = torch.zeros(1, 1, BLOCK, 16, dtype=torch.bfloat16)
    keys[..., :2, 0], keys[..., 1, 1] = 3.0, 1.0
    values = torch.zeros_like(keys)
    values[..., 1, :] = 1.0
    found = attend_in_blocks(query, Kept(keys, values), torch.tensor([2]), 1)
    torch.testing.assert_close(found, torch.full((1, 16), 1 / (1 + math.exp(-1))), atol=3e-3, rtol=0)


def test_fewer_lanes_attend_together_where_a_kernel_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library computes otherwise from 12 products on, and for 3 lanes: the tile gives each lane its bits."""
    product = pool_attention._product

    def differing(left: Tensor, right: Tensor) -> Tensor:
        return product(left, right) * (1 + 1e-6 if len(left) >= 12 or len(left) == 6 else 1)

    monkeypatch.setattr(pool_attention, "_product", differing)
    search = steady_tile.__wrapped__
    arguments = (4, 2, 16, torch.float32, torch.float32, "cpu")
    assert search((1, 2, 4), *arguments) == 4
    assert search((1, 2, 4, 8), *arguments) == 4
    assert search((1, 2, 4, 7), *arguments) == 2
    assert search((1, 3), *arguments) == 2
    generator = torch.Generator().manual_seed(1)
    query, there = torch.randn(7, 4, 16, generator=generator), kept(generator, 7, 2, BLOCK, 16)
    lengths = torch.arange(7) + 5
    alone = [attend_in_blocks(query[[n]], there.lanes(slice(n, n + 1)), lengths[[n]], 1) for n in range(7)]
    assert torch.equal(attend_in_tiles(query, there, lengths, 1, 2), torch.cat(alone))
    assert not torch.equal(attend_in_tiles(query, there, lengths, 1, 7), torch.cat(alone))


# Numbers that are none


@pytest.mark.parametrize("kind", ["usual", "guidance for 5 frames", "no guidance"])
def test_takes_without_numbers_end_with_a_reason(kind: str) -> None:
    """Those that read a code with a NaN behind it, as in `Slots`; those after them in their slots are not touched."""
    config, sampling, cfg_frames = KINDS[kind]
    state = dict(weights(torch.float32, 2.0))
    embedding = state["decoder.embeddings.embed.weight"].clone()
    embedding[range(100, 9 * 1028, 1028)] = math.nan  # code 100 of each codebook
    embedding[range(350, 9 * 1028, 1028)] = math.inf
    state["decoder.embeddings.embed.weight"] = embedding
    model = Model(config, state)
    wanted = requests(14, longest=16, prompts=[0, 3])
    ours = Pool(model, sampling, 3, cfg_frames)
    made = pooled(ours, wanted)
    broken = [one for one in made.values() if one.reason]
    assert 3 <= len(broken) <= 12
    assert all("NaN" in one.reason and one.retry and one.codes.shape == (0, 9) for one in broken)
    assert equal(made, run(model, wanted, 3, sampling, cfg_frames))
    with torch.inference_mode():
        ours._step(Shape(3, 1, 1, guided=sampling.cfg_scale > 0))  # of empty slots
    assert all(part.isfinite().all() for layer in ours._heard.layers for part in layer)
    assert equal(pooled(ours, wanted[::-1]), made)


def test_what_guidance_would_be_counts_no_longer_once_it_has_ended() -> None:
    """Even if it comes to no numbers."""

    class Spoilt(Pool):
        def _draw(self, cond: Tensor, uncond: Tensor | None, row: Tensor) -> tuple[Tensor, Tensor]:
            if uncond is not None:
                over = row - self._state.first[: len(row)] + 1 >= 5
                uncond = uncond.masked_fill(over[:, None, None], math.nan)
            return super()._draw(cond, uncond, row)

    wanted = requests(3, longest=12)
    model = tiny(eos_bias=0.0, config=QUICK)
    assert equal(pooled(Spoilt(model, USUAL, 3, 5), wanted), run(model, wanted, 3, cfg_frames=5))


# Memory


@pytest.mark.parametrize("error", range(3), ids=["GPU", "CPU", "Python"])
def test_too_little_memory_for_a_step_halves_the_limit(
    error: int, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    """All takes begin again in a smaller pool, and are what they would have been."""
    wanted = requests(8)
    failing.fault = shortage(("logits", [1, 4, 6][error]), error=NO_MEMORY[error])
    ours = Pool(failing, USUAL, 8)
    assert equal(pooled(ours, wanted), run(tiny(config=QUICK), wanted, 8))
    assert [record.getMessage() for record in caplog.records] == ["out of memory: going on with 4 takes at a time"]
    assert ours.limit == 4


def test_a_pool_is_as_large_as_there_is_memory_for(failing: Failing) -> None:
    """Nothing is given up before fewer takes have been tried; and what fits is kept for the next requests."""
    wanted = requests(8, longest=5)
    failing.fault = shortage(("resized", 1), ("resized", 2), ("resized", 4))
    ours = Pool(failing, USUAL, 9)
    assert equal(pooled(ours, wanted), run(tiny(config=QUICK), wanted, 8))
    assert ours.limit == 1
    assert failing.calls["resized"] == 6
    pooled(ours, wanted)
    assert failing.calls["resized"] == 6


def test_a_pool_that_cannot_grow_goes_on_as_it_is(failing: Failing) -> None:
    """A longer take waits until there are fewer at a time; those that are at it lose nothing."""
    wanted = requests(4, prompts=[0])
    wanted.insert(2, replace(long_requests()[3], key="long", max_frames=5))
    failing.fault = shortage(("resized", 3), ("resized", 5))
    ours = Pool(failing, USUAL, 4)
    made = pooled(ours, wanted)
    assert equal(made, run(tiny(config=LONG), wanted, 4))
    assert ours.limit == 1


@pytest.mark.parametrize("method", ["read", "resized", "logits"])
def test_a_take_too_large_even_alone_is_reported(method: str, failing: Failing) -> None:
    """No other is lost to it."""

    def fault(called: str, _call: int) -> None:
        if called == method and reading[0] == "take 2":
            raise NO_MEMORY[0]()

    reading = [""]

    def incoming() -> Iterator[Prompted]:
        for request in requests(4, prompts=[0], longest=9):
            reading[0] = request.key
            yield request

    failing.fault = fault
    ours = Pool(failing, USUAL, 1)
    failing.fault = fault
    made = {}
    for generated in ours.generate(incoming()):
        made[generated.key] = generated
        ours._release()  # so that each take needs a pool anew
    assert made["take 2"].reason == "there is not enough memory for it, even alone."
    expected = run(tiny(config=QUICK), requests(4, prompts=[0], longest=9), 1)
    assert all(same(made[key], expected[key]) for key in expected if key != "take 2")


@settings(max_examples=8)
@given(
    jobs,
    st.integers(1, 5),
    st.sets(st.tuples(st.sampled_from(["read", "lane", "logits"]), st.integers(1, 25)), max_size=4),
)
def test_no_request_is_lost_whenever_memory_runs_out(
    wanted: list[Prompted], limit: int, calls: set[tuple[str, int]]
) -> None:
    """Each is met once: with the codes it has undisturbed, or with a reason."""
    model = Failing()
    ours = Pool(model, USUAL, limit)
    model.fault = shortage(*calls)
    made, expected = pooled(ours, wanted), run(tiny(config=QUICK), wanted, limit)
    failed = [generated for generated in made.values() if generated.reason]
    assert all("not enough memory" in generated.reason and not len(generated.codes) for generated in failed)
    assert len(failed) <= len(calls)
    assert all(same(generated, expected[key]) for key, generated in made.items() if not generated.reason)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("no")])
def test_any_other_error_is_not_taken_for_a_want_of_memory(error: Exception, failing: Failing) -> None:
    """It would come again and again."""
    failing.fault = shortage(("logits", 9), error=lambda: error)
    with pytest.raises(type(error), match=str(error)):
        pooled(Pool(failing, USUAL, 4), requests(5, prompts=[0]))


def test_only_what_plain_attention_has_read_can_be_taken_over() -> None:
    """Another kind keeps its keys and values in ways of its own."""

    class Another:
        def __init__(self) -> None:
            self.plain = PlainAttention(CONFIG, torch.float32, torch.device("cpu"))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.plain, name)

    another: Attention = Another()
    model = Model(CONFIG, dict(weights(torch.float32, 2.0)), attention=another)
    with pytest.raises(TypeError, match="plain"):
        Pool(model, USUAL, 2)


# Graphs


class Graph:
    """Stands for `torch.cuda.CUDAGraph`: notes down the step that it captures, and takes it when it is replayed."""

    capturing: Graph | None = None
    made: list[Graph]  # each test's own

    def __init__(self) -> None:
        self.shape: Shape | None = None
        self.step: Callable[[], None] = lambda: None
        self.replays = 0
        Graph.made.append(self)

    def pool(self) -> int:
        return 7

    def replay(self) -> None:
        self.replays += 1
        self.step()


class Captured(Pool):
    """A pool whose steps are not taken while a graph is captured, as with CUDA."""

    def _step(self, shape: Shape) -> None:
        graph = Graph.capturing
        if graph is None:
            super()._step(shape)
        else:
            step, memory = super()._step, self._heard

            def replay() -> None:
                assert self._heard is memory
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
    ours = Captured(tiny(), USUAL, 6, graphs=True)
    assert equal(pooled(ours, wanted), run(tiny(), wanted, 6))
    shapes = [graph.shape for graph in Graph.made]
    assert len(set(shapes)) == len(shapes)
    assert {shape.slots for shape in shapes if shape} == {1, 2, 4, 6}
    assert shapes[0] == Shape(slots=6, blocks=1, text_blocks=1, guided=True)
    assert sum(graph.replays for graph in Graph.made) == ours.steps - len(shapes)
    assert memory_pools == [None, *[7] * (len(shapes) - 1)]
    pooled(ours, wanted)
    assert len(Graph.made) == len(shapes)


def test_graphs_are_for_so_many_blocks_and_for_guidance_as_long_as_there_is_any(
    memory_pools: list[int | None],
) -> None:
    """Blocks of rows and of text; none of them is looked at in vain."""
    model = tiny(eos_bias=0.0, config=LONG)
    wanted = [replace(request, max_frames=30) for request in long_requests()]
    ours = Captured(model, GREEDY, 1, cfg_frames=12, graphs=True)
    assert equal(pooled(ours, wanted), run(model, wanted, 1, GREEDY, cfg_frames=12))
    assert {graph.shape for graph in Graph.made} == {
        Shape(1, blocks, text_blocks, guided)
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
    ours = Captured(model, USUAL, 2, graphs=True)
    assert equal(pooled(ours, wanted), run(model, wanted, 2))
    assert Shape(2, 1, 1, True) in {graph.shape for graph in Graph.made}
    assert Shape(2, 2, 1, True) in {graph.shape for graph in Graph.made}
    assert memory_pools.count(None) == 2


def test_graphs_are_dropped_with_an_empty_pool(memory_pools: list[int | None]) -> None:
    """A larger one takes its place."""
    wanted = [*requests(2, prompts=[0], longest=9), replace(long_requests()[3], key="long", max_frames=9)]
    model = tiny(config=LONG)
    ours = Captured(model, USUAL, 1, graphs=True)
    assert equal(pooled(ours, wanted), run(model, wanted, 1))
    assert [graph.shape for graph in Graph.made] == [Shape(1, 1, 1, True), Shape(1, 2, 3, True)]
    assert len(ours._captured) == 1
    assert memory_pools == [None, None]
    assert equal(pooled(ours, wanted[:1]), run(model, wanted[:1], 1))


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
    ours = Captured(tiny(), USUAL, 4, graphs=True)
    assert equal(pooled(ours, wanted), run(tiny(), wanted, 4))
    assert ours.limit == 2
    assert len(memory_pools) > 1


def test_nothing_is_looked_at_between_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step waits for nothing: no number leaves the device, and its shapes do not depend on any."""
    ours = Pool(tiny(), USUAL, 4)
    step = ours._step

    def forbidden(*_args: Any, **_options: Any) -> Any:
        raise AssertionError("a step looks at numbers")

    def watched(shape: Shape) -> None:
        with monkeypatch.context() as patch:
            for name in ("item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__"):
                patch.setattr(Tensor, name, forbidden)
            step(shape)

    monkeypatch.setattr(ours, "_step", watched)
    wanted = requests(5, longest=9)
    assert equal(pooled(ours, wanted), run(tiny(), wanted, 4))


def test_ends_are_looked_for_every_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sooner only where one is known to come; and what a take costs beyond its end is less than that."""
    ours = Pool(tiny(), USUAL, 2)
    looks: list[int] = []
    look = ours._look

    def looked() -> set[str]:
        looks.append(ours.steps)
        return look()

    monkeypatch.setattr(ours, "_look", looked)
    wanted = requests(4, longest=60)
    pooled(ours, wanted)
    between = np.diff([0, *looks])
    assert between.max() == pool._STEPS_UNSEEN
    assert len(looks) < ours.steps / 4


# The codec's stream


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
    pool._stream.cache_clear()
    with on_stream(torch.device("cpu")):
        assert not events
    for _ in range(2):
        with on_stream(torch.device("cuda:3")):
            events.append("work")
    pool._stream.cache_clear()
    once = ["entered", "work", "left", "waited for"]
    assert events == ["made for cuda:3", *once, *once]


# fp8


@given(st.integers(0, 2**31), st.floats(-60, 60))
def test_fp8_keeps_three_bits_of_each_number(seed: int, power: float) -> None:
    """Of any size; the largest is kept best, and nothing becomes a NaN."""
    x = torch.randn(5, 48, generator=torch.Generator().manual_seed(seed)) * 2.0**power
    x[2] = 0
    rounded, scales = to_fp8(x)
    found = rounded.float() * scales[:, None]
    assert rounded.dtype == FP8
    assert found.isfinite().all()
    least = x.abs().amax(-1, keepdim=True) / 448 * 2**-9  # half of the smallest step
    assert ((found - x).abs() <= x.abs() / 16 * 1.001 + least).all()


@pytest.mark.parametrize("native", [False, True], ids=["restored", "multiplied"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", [(96, 48), (1040, 96)], ids=str)
def test_a_product_in_fp8_is_right_to_its_rounding(dtype: torch.dtype, native: bool, shape: tuple[int, int]) -> None:
    """And a row has the same bits alone and among others."""
    generator = torch.Generator().manual_seed(shape[0])
    weight = torch.randn(shape, generator=generator) * torch.logspace(-3, 3, shape[0])[:, None]
    x = torch.randn(ROWS + 9, shape[1], generator=generator)
    product = Fp8Linear(weight.to(dtype), native=native)
    found, exact = product(x), x @ weight.T
    assert found.dtype == torch.float32
    error = (found - exact).norm(dim=0) / exact.norm(dim=0)  # of each output channel, small and large
    assert (error < (0.07 if native else 0.05)).all()
    assert (error > 0.005).all()
    assert all(torch.equal(product(row[None])[0], found[index]) for index, row in enumerate(x))
    assert torch.equal(product(x[7:]), found[7:])


def test_a_cpu_restores_fp8_weights() -> None:
    """Only some GPUs multiply in fp8."""
    weight = torch.randn(32, 32)
    assert not multiplies(weight)
    assert torch.equal(Fp8Linear(weight)(weight), Fp8Linear(weight, native=False)(weight))


def test_takes_in_fp8_are_nearly_what_they_are_without() -> None:
    """The first logits, after a prompt of two blocks that is kept in fp8, and with weights in fp8."""
    (request,) = [replace(long_requests()[3], max_frames=2)]
    first: list[Tensor] = []
    for product, fp8 in ((Linear, False), (Linear, True), (Fp8Linear, False)):
        model = Model(LONG, dict(weights(torch.float32, 0.0)), product=product)
        ours = Watched(model, USUAL, 1, fp8=fp8)
        pooled(ours, [request])
        first.append(torch.stack(ours.logits_of[request.key][:2]))
    exact = first[0]
    for found in first[1:]:
        assert 0 < (found - exact).norm() / exact.norm() < 0.15


@pytest.mark.parametrize("fp8", [False, True], ids=["", "fp8"])
def test_a_store_keeps_its_lanes_when_it_grows_and_when_they_move(fp8: bool) -> None:
    """Both lanes of each slot, wherever they lie."""
    cpu, dtype = torch.device("cpu"), FP8 if fp8 else torch.float32
    store = Store(2, 3, 16, 2, dtype, cpu).resized(3, 4)
    caches = {(slot, side): tuple(torch.randn(2, 2, 3, 4, 16)) for slot in range(3) for side in range(2)}
    for (slot, side), cache in caches.items():
        store.put(slot, side, cache, 4)
    store = store.resized(5, 9)
    store.move(2, 4, 4)
    store.move(0, 2, 3)
    store = store.resized(5, 9)
    for slot, origin, length in ((4, 2, 4), (1, 1, 4), (2, 0, 3)):
        for side in range(2):
            (place,) = [place for place in range(10) if place == (5 + slot if side else 4 - slot)]
            for index, layer in enumerate(store.layers):
                found, expected = (part[place, :, :length] for part in (layer.keys, layer.values)), caches[origin, side]
                for kind, (part, its) in enumerate(zip(found, expected, strict=True)):
                    whole = its[index, :, :length]
                    if layer.key_scales is not None and layer.value_scales is not None:
                        scales = (layer.key_scales, layer.value_scales)[kind]
                        torch.testing.assert_close(
                            part.float() * scales[place, :, :length, None], whole, atol=0.1, rtol=0.07
                        )
                    else:
                        assert torch.equal(part, whole)
    store.clear(4)
    assert not any(part[[0, 9]].float().any() for layer in store.layers for part in layer)


# On a GPU

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")


def on_gpu(dtype: torch.dtype, config: DiaConfig = LONG, product: Any = Linear) -> Model:
    """The tiny network on a GPU."""
    return Model(config, {name: part.cuda() for name, part in weights(dtype, 0.5).items()}, product)


@needs_gpu
def test_greedy_codes_on_a_gpu_are_those_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32."""
    wanted = [*requests(6, longest=30), *(replace(one, key=f"long {one.key}") for one in long_requests())]
    monkeypatch.setattr(attention, "attend", PLAIN)
    expected = run(tiny(eos_bias=0.5, config=LONG), wanted, 4, GREEDY)
    assert equal(pooled(Pool(on_gpu(torch.float32), GREEDY, 4), wanted), expected)


@needs_gpu
@pytest.mark.parametrize("fp8", [False, True], ids=["", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_takes_on_a_gpu_are_the_same_in_any_company(dtype: torch.dtype, fp8: bool) -> None:
    """Code for code: alone, in graphs of every size, in another order."""
    wanted = [*requests(40, longest=30), *(replace(one, key=f"long {one.key}") for one in long_requests())]
    model = on_gpu(dtype)
    lone: dict[str, Generated] = {}
    for request in wanted:
        lone |= pooled(Pool(model, USUAL, 1, fp8=fp8), [request])
    for limit in (2, 5, 32, 128):
        assert equal(pooled(Pool(model, USUAL, limit, fp8=fp8), wanted[::-1]), lone)


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_graphs_on_a_gpu_change_nothing(dtype: torch.dtype) -> None:
    """Steps that are replayed and steps that are taken one by one, also where guidance ends."""
    wanted = [*requests(12, longest=60), *(replace(one, key=f"long {one.key}") for one in long_requests())]
    for cfg_frames in (None, 20):
        expected = pooled(Pool(on_gpu(dtype), USUAL, 4, cfg_frames, graphs=False), wanted)
        ours = Pool(on_gpu(dtype), USUAL, 4, cfg_frames)
        assert equal(pooled(ours, wanted), expected)
        assert ours._captured


@needs_gpu
def test_logits_on_a_gpu_have_the_same_bits_alone_and_among_128() -> None:
    """At the sizes of the real network, where libraries choose among many kernels."""
    decoder = replace(LONG.decoder, heads=16, kv_heads=4, head_dim=128)
    counts = tuple(1 << power for power in range(9))
    device = str(torch.device("cuda", torch.cuda.current_device()))
    tile = steady_tile(counts, decoder.heads, 4, 128, torch.bfloat16, torch.bfloat16, device)
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(256, 16, 128, generator=generator).cuda().bfloat16()
    there = Kept(*(torch.randn(256, 4, 2 * BLOCK, 128, generator=generator).cuda().bfloat16() for _ in range(2)))
    lengths = (torch.arange(256, device="cuda") * 91) % (2 * BLOCK) + 1
    whole = attend_in_tiles(query, there, lengths, 2, tile)
    for count in counts:
        some = attend_in_tiles(query[:count], there.lanes(slice(count)), lengths[:count], 2, tile)
        assert torch.equal(some, whole[:count])
    weight = torch.randn(2048, 2048, generator=generator).cuda().bfloat16() / 45
    x = torch.randn(256, 2048, generator=generator).cuda()
    for product in (Linear(weight), Fp8Linear(weight)):
        together = product(x)
        assert all(torch.equal(product(x[:count]), together[:count]) for count in counts)


@needs_gpu
def test_fp8_products_on_a_gpu() -> None:
    """Where it multiplies in fp8, as near to the exact product as its rounding allows."""
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(2048, 1024, generator=generator).cuda(), torch.randn(100, 1024, generator=generator).cuda()
    exact = x @ weight.T
    for native in {False, multiplies(weight)}:
        found = Fp8Linear(weight.bfloat16(), native=native)(x)
        assert (found - exact).norm() / exact.norm() < 0.06


@needs_gpu
def test_the_second_stream_on_a_gpu_gives_finished_results() -> None:
    """Read from any thread or stream."""
    device = torch.device("cuda", torch.cuda.current_device())
    x = torch.randn(2000, 2000, device=device)
    expected = x @ x
    torch.cuda.synchronize(device)
    with on_stream(device):
        assert torch.cuda.current_stream(device) != torch.cuda.default_stream(device)
        made = x @ x
    torch.testing.assert_close(made, expected)
