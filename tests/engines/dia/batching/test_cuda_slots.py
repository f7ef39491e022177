"""The CUDA stepper on a CPU: the same takes as the eager one's, with the same bits in any company."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.engines.dia.batching.cuda_slots import CudaStepper, StepShape
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest, Scheduler
from pipeline.engines.dia.network import attention
from pipeline.engines.dia.network.attention import Attention, Lane, PlainAttention, Text
from pipeline.engines.dia.network.attention_cuda import StaticCache
from pipeline.engines.dia.network.linear import Fp8Linear, Linear
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import DiaConfig
from tests.support.cuda_fixtures import GREEDY, LONG, PLAIN, Watched, attend_alike, decode_all, long_requests, static
from tests.support.dia_fixtures import (
    CONFIG,
    NO_MEMORY,
    QUICK,
    TEMPERATURES,
    UNGUIDED,
    USUAL,
    V1,
    V1_CONFIG,
    Fault,
    eager,
    equal,
    jobs,
    requests,
    run,
    same,
    shortage,
    tiny,
    weights,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

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


@pytest.fixture(autouse=True)
def the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plain attention attend in blocks: a code is drawn by rank, and two scores may differ by mere rounding."""
    monkeypatch.setattr(attention, "attend", attend_alike)


class Failing(Model):
    """The tiny network with a place for faults: `fault` is told a method's name and how often it has been called."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.fault: Fault = lambda _method, _call: None
        super().__init__(LONG, dict(weights(torch.float32, 2.0)))
        self.calls.clear()

    def prefill_text(self, tokens: Tensor) -> Text:
        self.enter("prefill_text")
        return super().prefill_text(tokens)

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
    resized = StaticCache.resized

    def watched(self: StaticCache, slots: int, capacity: int) -> StaticCache:
        model.enter("resized")
        return resized(self, slots, capacity)

    monkeypatch.setattr(StaticCache, "resized", watched)
    return model


# The same takes


@kinds
@pytest.mark.parametrize("limit", [1, 5])
def test_takes_are_those_of_slots(kind: str, limit: int) -> None:
    """Code for code, for every kind of guidance and either network; and as many steps of takes are counted."""
    config, sampling, cfg_frames = KINDS[kind]
    wanted = requests(5, longest=10)
    slots = eager(tiny(config=config), sampling, limit, cfg_frames)
    scheduler = static(tiny(config=config), sampling, limit, cfg_frames)
    assert equal(decode_all(scheduler, wanted), decode_all(slots, wanted))
    assert scheduler.slot_steps == slots.slot_steps
    assert scheduler.steps >= slots.slot_steps / limit


@kinds
def test_each_take_has_its_own_temperature(kind: str) -> None:
    """Code for code that of slots, in places that move and in a pool that grows; and alone."""
    config, sampling, cfg_frames = KINDS[kind]
    wanted = requests(10, longest=20, temperatures=TEMPERATURES)
    expected = run(tiny(config=config), wanted, 4, sampling, cfg_frames)
    assert equal(decode_all(static(tiny(config=config), sampling, 4, cfg_frames), wanted), expected)
    lone = static(tiny(config=config), sampling, 1, cfg_frames)
    assert equal(decode_all(lone, wanted[::-1]), expected)


@settings(max_examples=8)
@given(jobs, st.integers(1, 5), st.sampled_from(sorted(KINDS)), st.randoms(use_true_random=False))
def test_takes_are_those_of_slots_whatever_is_asked_for(
    wanted: list[GenerationRequest], limit: int, kind: str, chance: Any
) -> None:
    """Any texts, prompts, lengths and seeds, in any order, pulled no sooner than there is room."""
    config, sampling, cfg_frames = KINDS[kind]
    expected = run(tiny(config=config), wanted, 4, sampling, cfg_frames)
    chance.shuffle(wanted)
    made: dict[str, Generated] = {}

    def incoming() -> Iterator[GenerationRequest]:
        for number, request in enumerate(wanted, 1):
            assert number <= len(made) + limit
            yield request

    for generated in static(tiny(config=config), sampling, limit, cfg_frames).generate(incoming()):
        assert generated.key not in made
        made[generated.key] = generated
    assert equal(made, expected)


@pytest.mark.parametrize("sampling", [USUAL, GREEDY], ids=["drawn", "greedy"])
def test_takes_of_many_blocks_are_those_of_slots(sampling: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts and texts longer than a block of keys; the likeliest codes with plain attention, too."""
    wanted, model = long_requests(), tiny(eos_bias=0.0, config=LONG)
    watched = Watched(model, sampling)
    if sampling == GREEDY:
        monkeypatch.setattr(attention, "attend", PLAIN)
    assert equal(decode_all(Scheduler(watched, 3), wanted), run(model, wanted, 3, sampling))
    assert {(shape.blocks, shape.text_blocks) for shape in watched.shapes} >= {(2, 2), (2, 3), (3, 3)}


def test_a_take_may_fill_all_positions() -> None:
    """The last row is read and written like any other."""
    (request,) = requests(1, prompts=[20])
    room = CONFIG.decoder.max_positions - 20 - max(CONFIG.delays) - 2
    wanted = [replace(request, max_frames=room)]
    model = tiny(eos_bias=0.0)
    made = decode_all(static(model, USUAL, 1), wanted)
    assert made[request.key].codes.shape == (room, 9)
    assert equal(made, run(model, wanted, 1))


def test_an_end_at_once_is_an_empty_take() -> None:
    """It is noticed only steps later, and all that is written until then does no harm."""
    (made,) = static(tiny(eos_bias=60.0), USUAL, 2).generate(requests(1, prompts=[20]))
    assert (made.codes.shape, made.reason) == ((0, 9), "")


def test_a_stream_that_is_closed_leaves_the_pool_to_the_next() -> None:
    """In the middle of its takes."""
    wanted = requests(5, longest=12)
    scheduler = static(tiny(), USUAL, 3)
    stream = scheduler.generate(wanted)
    first = next(stream)
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    expected = run(tiny(), wanted, 3)
    assert same(first, expected[first.key])
    assert equal(decode_all(scheduler, wanted), expected)
    scheduler.limit = 2
    assert equal(decode_all(scheduler, wanted[::-1]), expected)


@pytest.mark.parametrize("fp8", [False, True], ids=["", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_the_logits_are_the_same_in_any_company(dtype: torch.dtype, fp8: bool) -> None:
    """Bit for bit: alone, in other slots, in larger graphs, beside longer takes and texts, in a pool that grew."""
    wanted, model = long_requests(), tiny(dtype, eos_bias=0.0, config=LONG)
    lone: dict[str, list[Tensor]] = {}
    for request in wanted:
        watched = Watched(model, USUAL, fp8=fp8)
        decode_all(Scheduler(watched, 1), [request])
        lone |= watched.logits_of
    for limit, order in ((5, wanted), (2, wanted[::-1])):
        crowd = Watched(model, USUAL, fp8=fp8)
        decode_all(Scheduler(crowd, limit), order)
        assert crowd.logits_of.keys() == lone.keys()
        for key, rows in lone.items():
            assert torch.equal(torch.stack(rows), torch.stack(crowd.logits_of[key]))


def test_takes_in_fp8_are_nearly_what_they_are_without() -> None:
    """The first logits, after a prompt of two blocks that is kept in fp8, and with weights in fp8."""
    (request,) = [replace(long_requests()[3], max_frames=2)]
    first: list[Tensor] = []
    for product, fp8 in ((Linear, False), (Linear, True), (Fp8Linear, False)):
        model = Model(LONG, dict(weights(torch.float32, 0.0)), product=product)
        watched = Watched(model, USUAL, fp8=fp8)
        decode_all(Scheduler(watched, 1), [request])
        first.append(torch.stack(watched.logits_of[request.key][:2]))
    exact = first[0]
    for found in first[1:]:
        assert 0 < (found - exact).norm() / exact.norm() < 0.15


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
    stepper = CudaStepper(model, sampling, cfg_frames)
    scheduler = Scheduler(stepper, 3)
    made = decode_all(scheduler, wanted)
    broken = [one for one in made.values() if one.reason]
    assert 3 <= len(broken) <= 12
    assert all("NaN" in one.reason and one.retry and one.codes.shape == (0, 9) for one in broken)
    assert equal(made, run(model, wanted, 3, sampling, cfg_frames))
    with torch.inference_mode():
        stepper._step(StepShape(3, 1, 1, guided=sampling.cfg_scale > 0))  # of empty slots
    assert all(part.isfinite().all() for layer in stepper._self_cache.layers for part in layer)
    assert equal(decode_all(scheduler, wanted[::-1]), made)


def test_what_guidance_would_be_counts_no_longer_once_it_has_ended() -> None:
    """Even if it comes to no numbers."""

    class Spoilt(CudaStepper):
        def _draw(self, cond: Tensor, uncond: Tensor | None, row: Tensor) -> tuple[Tensor, Tensor]:
            if uncond is not None:
                over = row - self._state.first[: len(row)] + 1 >= 5
                uncond = uncond.masked_fill(over[:, None, None], math.nan)
            return super()._draw(cond, uncond, row)

    wanted = requests(3, longest=12)
    model = tiny(eos_bias=0.0, config=QUICK)
    assert equal(decode_all(Scheduler(Spoilt(model, USUAL, 5), 3), wanted), run(model, wanted, 3, cfg_frames=5))


# Memory


@pytest.mark.parametrize("error", range(3), ids=["GPU", "CPU", "Python"])
def test_too_little_memory_for_a_step_halves_the_limit(
    error: int, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    """All takes begin again in a smaller pool, and are what they would have been."""
    wanted = requests(8)
    failing.fault = shortage(("logits", [1, 4, 6][error]), error=NO_MEMORY[error])
    scheduler = static(failing, USUAL, 8)
    assert equal(decode_all(scheduler, wanted), run(tiny(config=QUICK), wanted, 8))
    assert [record.getMessage() for record in caplog.records] == ["out of memory: going on with 4 takes at a time"]
    assert scheduler.limit == 4


def test_a_pool_is_as_large_as_there_is_memory_for(failing: Failing) -> None:
    """Nothing is given up before fewer takes have been tried; and what fits is kept for the next requests."""
    wanted = requests(8, longest=5)
    failing.fault = shortage(("resized", 1), ("resized", 2), ("resized", 4))
    scheduler = static(failing, USUAL, 9)
    assert equal(decode_all(scheduler, wanted), run(tiny(config=QUICK), wanted, 8))
    assert scheduler.limit == 1
    assert failing.calls["resized"] == 6
    decode_all(scheduler, wanted)
    assert failing.calls["resized"] == 6


def test_a_pool_that_cannot_grow_goes_on_as_it_is(failing: Failing) -> None:
    """A longer take waits until there are fewer at a time; those that are at it lose nothing."""
    wanted = requests(4, prompts=[0])
    wanted.insert(2, replace(long_requests()[3], key="long", max_frames=5))
    failing.fault = shortage(("resized", 3), ("resized", 5))
    scheduler = static(failing, USUAL, 4)
    made = decode_all(scheduler, wanted)
    assert equal(made, run(tiny(config=LONG), wanted, 4))
    assert scheduler.limit == 1


@pytest.mark.parametrize("method", ["prefill_text", "resized", "logits"])
def test_a_take_too_large_even_alone_is_reported(method: str, failing: Failing) -> None:
    """No other is lost to it."""

    def fault(called: str, _call: int) -> None:
        if called == method and reading[0] == "take 2":
            raise NO_MEMORY[0]()

    reading = [""]

    def incoming() -> Iterator[GenerationRequest]:
        for request in requests(4, prompts=[0], longest=9):
            reading[0] = request.key
            yield request

    stepper = CudaStepper(failing, USUAL)
    failing.fault = fault
    made = {}
    for generated in Scheduler(stepper, 1).generate(incoming()):
        made[generated.key] = generated
        stepper._release()  # so that each take needs a pool anew
    assert made["take 2"].reason == "there is not enough memory for it, even alone."
    expected = run(tiny(config=QUICK), requests(4, prompts=[0], longest=9), 1)
    assert all(same(made[key], expected[key]) for key in expected if key != "take 2")


@settings(max_examples=8)
@given(
    jobs,
    st.integers(1, 5),
    st.sets(st.tuples(st.sampled_from(["prefill_text", "lane", "logits"]), st.integers(1, 25)), max_size=4),
)
def test_no_request_is_lost_whenever_memory_runs_out(
    wanted: list[GenerationRequest], limit: int, calls: set[tuple[str, int]]
) -> None:
    """Each is met once: with the codes it has undisturbed, or with a reason."""
    model = Failing()
    scheduler = static(model, USUAL, limit)
    model.fault = shortage(*calls)
    made, expected = decode_all(scheduler, wanted), run(tiny(config=QUICK), wanted, limit)
    failed = [generated for generated in made.values() if generated.reason]
    assert all("not enough memory" in generated.reason and not len(generated.codes) for generated in failed)
    assert len(failed) <= len(calls)
    assert all(same(generated, expected[key]) for key, generated in made.items() if not generated.reason)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("no")])
def test_any_other_error_is_not_taken_for_a_want_of_memory(error: Exception, failing: Failing) -> None:
    """It would come again and again."""
    failing.fault = shortage(("logits", 9), error=lambda: error)
    with pytest.raises(type(error), match=str(error)):
        decode_all(static(failing, USUAL, 4), requests(5, prompts=[0]))


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
        static(model, USUAL, 2)
