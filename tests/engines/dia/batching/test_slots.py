"""Continuous batching: takes depend on nothing but themselves, each is made once, and no memory is no end."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import DiaConfig
from tests.support.dia_fixtures import (
    LAST,
    NO_MEMORY,
    QUICK,
    TEMPERATURES,
    UNGUIDED,
    UNREAD,
    USUAL,
    V1,
    V1_CONFIG,
    Watched,
    alone,
    by_key,
    eager,
    equal,
    jobs,
    requests,
    run,
    same,
    shortage,
    tiny,
)

pytestmark = pytest.mark.usefixtures("one_thread")


# A take depends on nothing but itself


@pytest.mark.parametrize(
    ("model", "sampling", "cfg_frames"),
    [
        (tiny, USUAL, None),
        (lambda: tiny(torch.bfloat16), USUAL, None),
        (lambda: tiny(torch.bfloat16), USUAL, 5),
        (tiny, UNGUIDED, None),
        (lambda: tiny(config=V1_CONFIG), V1, None),
        (tiny, Sampling(temperature=0), None),
    ],
    ids=["fp32", "bf16", "bf16, guidance for 5 frames", "no guidance", "v1", "greedy"],
)
def test_a_take_is_the_same_in_any_company(
    model: Callable[[], Model], sampling: Sampling, cfg_frames: int | None
) -> None:
    """Code for code: alone, in a full batch, in another order, with other limits, with prompts read before."""
    wanted = requests(6, longest=10)
    expected = alone(model(), wanted, sampling, cfg_frames)
    assert len({len(made.codes) for made in expected.values()}) > 3
    assert equal(run(model(), wanted, 6, sampling, cfg_frames), expected)
    slots = eager(model(), sampling, 2, cfg_frames)
    assert equal(by_key(slots.generate(wanted)), expected)
    slots.limit = 4
    assert equal(by_key(slots.generate(wanted[::-1])), expected)


@pytest.mark.parametrize(
    ("config", "sampling", "cfg_frames"),
    [(QUICK, USUAL, None), (QUICK, USUAL, 5), (QUICK, UNGUIDED, None), (V1_CONFIG, V1, None)],
    ids=["usual", "guidance for 5 frames", "no guidance", "v1"],
)
def test_each_take_has_its_own_temperature(config: DiaConfig, sampling: Sampling, cfg_frames: int | None) -> None:
    """Code for code what it is alone, and what a stepper makes that has this temperature for all."""
    model, wanted = tiny(config=config), requests(12, longest=20, temperatures=TEMPERATURES)
    mixed = run(model, wanted, 5, sampling, cfg_frames)
    assert equal(mixed, alone(model, wanted, sampling, cfg_frames))
    plain = [replace(request, temperature=None) for request in wanted]
    usual = run(model, plain, 5, sampling, cfg_frames)
    for request, without in zip(wanted, plain, strict=True):
        all_alike = replace(sampling, temperature=sampling.temperature_of(request.temperature))
        assert same(mixed[request.key], run(model, [without], 1, all_alike, cfg_frames)[request.key])
    as_usual = {request.key for request in wanted if request.temperature is None}
    assert {key for key in mixed if same(mixed[key], usual[key])} >= as_usual
    assert sum(not same(mixed[key], usual[key]) for key in mixed.keys() - as_usual) > 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_the_logits_are_the_same_in_any_company(dtype: torch.dtype) -> None:
    """Bit for bit, with guidance and without its text: codes alone would hide small differences."""
    wanted = requests(6, longest=12)
    lone, crowd = Watched(dtype), Watched(dtype)
    alone(lone, wanted)
    run(crowd, wanted, 4)
    assert len(lone.logits_of) == 2 * len(wanted)
    assert lone.logits_of.keys() == crowd.logits_of.keys()
    for name, rows in lone.logits_of.items():
        assert torch.equal(torch.stack(rows), torch.stack(crowd.logits_of[name]))


# Scheduling


@settings(max_examples=10)
@given(jobs, st.integers(0, 2_000_000))
def test_takes_share_the_room_there_is(wanted: list[GenerationRequest], room: int) -> None:
    """Those that run together fit; one that fits nowhere runs alone; and all become what they are alone."""
    model = Watched(config=QUICK)
    slots = eager(model, USUAL, 5, room=room)
    needed = {bytes(one.text.tolist()): slots.stepper.kv_bytes(one) for one in wanted}
    assert equal(by_key(slots.generate(wanted)), alone(tiny(config=QUICK), wanted))
    for batch in model.batches:
        texts = [name for name in batch if not name.endswith(UNREAD)]
        assert len(texts) == 1 or sum(needed[text] for text in texts) <= room


@settings(max_examples=12)
@given(jobs, st.integers(1, 5))
def test_every_request_is_met_once_and_pulled_when_there_is_room(wanted: list[GenerationRequest], limit: int) -> None:
    """However many, however long, with any prompts: never more at a time than the limit, none pulled ahead of it."""
    prompts = [request.prompt.copy() for request in wanted]
    made: dict[str, Generated] = {}

    def incoming() -> Iterator[GenerationRequest]:
        for number, request in enumerate(wanted, 1):
            assert number <= len(made) + limit
            yield request

    model = Watched(config=QUICK)
    for generated in eager(model, USUAL, limit).generate(incoming()):
        assert generated.key not in made
        made[generated.key] = generated
    assert made.keys() == {request.key for request in wanted}
    assert all(len(batch) <= 2 * limit for batch in model.batches)
    for request, before in zip(wanted, prompts, strict=True):
        codes = made[request.key].codes
        assert made[request.key].reason == ""
        assert codes.dtype == np.int16
        assert codes.shape[1:] == (9,)
        assert len(codes) <= request.max_frames
        assert ((codes >= 0) & (codes < 1024)).all()
        np.testing.assert_array_equal(request.prompt, before)


def test_nothing_is_pulled_for_who_takes_no_more() -> None:
    """A stream that is closed leaves the rest of the requests alone, and one after the other they come in order."""
    pulled: list[str] = []

    def incoming() -> Iterator[GenerationRequest]:
        for request in requests(9, longest=5):
            pulled.append(request.key)
            yield request

    stream = eager(tiny(config=QUICK), USUAL, 1).generate(incoming())
    assert not pulled
    assert [next(stream).key, next(stream).key] == ["take 0", "take 1"]
    assert pulled == ["take 0", "take 1"]
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(pulled) == 2


def test_nothing_is_computed_for_an_empty_slot() -> None:
    """The network is asked for as many rows, all in all, as for each take by itself; and `slot_steps` says so."""
    wanted = requests(7, longest=20)
    model = Watched()
    slots = eager(model, USUAL, 4)
    made = by_key(slots.generate(wanted))
    steps = sum(len(generated.codes) + LAST for generated in made.values())
    assert sum(map(len, model.batches)) == 2 * steps
    assert (slots.steps, slots.slot_steps) == (len(model.batches), steps)
    assert len(model.batches[0]) == 8
    assert len(model.batches[-1]) == 2


def test_a_prompt_is_read_once_without_a_text() -> None:
    """And once with each text."""
    wanted = requests(5, longest=5, prompts=[12])
    model = Watched()
    run(model, wanted, 3)
    assert model.calls["step"] - model.calls["logits"] == 5 + 1


def test_more_prompts_than_are_kept() -> None:
    """Readings that were given up are made again."""
    wanted = requests(16, longest=2, prompts=range(1, 13))
    assert len({len(request.prompt) for request in wanted}) > 8
    assert equal(run(tiny(config=QUICK), wanted, 3), alone(tiny(config=QUICK), wanted))


# Memory


@pytest.mark.parametrize("error", range(3), ids=["GPU", "CPU", "Python"])
def test_too_little_memory_halves_the_limit(error: int, caplog: pytest.LogCaptureFixture) -> None:
    """Said in a warning; all takes are made nevertheless, and are what they would have been."""
    wanted = requests(8, prompts=[0])
    model = Watched(config=QUICK)
    model.fault = shortage([("step", 1), ("step", 4), ("logits", 3)][error], error=NO_MEMORY[error])
    slots = eager(model, USUAL, 8)
    assert equal(by_key(slots.generate(wanted)), run(tiny(config=QUICK), wanted, 8))
    assert [record.getMessage() for record in caplog.records] == ["out of memory: going on with 4 takes at a time"]
    assert caplog.records[0].levelno == logging.WARNING
    assert slots.limit == 4


@pytest.mark.parametrize(
    ("call", "room"), [(("prefill_text", 4), 3), (("lane", 7), 2), (("lane", 8), 3), (("step", 4), 2)], ids=str
)
def test_a_take_that_finds_no_room_waits(call: tuple[str, int], room: int) -> None:
    """Those that are at it go on, and none of them begins again."""
    wanted = requests(6, longest=20, prompts=[12])
    model = Watched(config=QUICK)
    model.fault = shortage(call)
    slots = eager(model, USUAL, 6)
    made = by_key(slots.generate(wanted))
    assert equal(made, run(tiny(config=QUICK), wanted, 6))
    assert slots.limit == room
    assert max(map(len, model.batches)) == 2 * room
    assert slots.slot_steps == sum(len(generated.codes) + max(QUICK.delays) for generated in made.values())


def test_the_limit_shrinks_to_what_there_is_memory_for(caplog: pytest.LogCaptureFixture) -> None:
    """Eight takes, then four, then two where there is room for five lanes; so it stays for the requests to come."""
    wanted = requests(8, longest=10, prompts=[0])
    model = Watched(config=QUICK)

    def fault(method: str, _call: int) -> None:
        if method == "step" and len(model.batch) > 5:
            raise NO_MEMORY[1]()

    model.fault = fault
    slots = eager(model, USUAL, 8)
    assert equal(by_key(slots.generate(wanted)), run(tiny(config=QUICK), wanted, 8))
    assert slots.limit == 2
    assert len(list(slots.generate(wanted))) == 8
    assert [record.args for record in caplog.records] == [(4,), (2,)]


@pytest.mark.parametrize("method", ["prefill_text", "step"])
def test_a_take_too_large_even_alone_is_reported(method: str) -> None:
    """No other is lost to it, and another seed would not help."""
    wanted = requests(6, longest=10, prompts=[0])
    large = bytes(wanted[2].text.tolist())
    model = Watched(config=QUICK)

    def fault(called: str, _call: int) -> None:
        if called == method and large in (model.batch if method == "step" else [model.reading]):
            raise NO_MEMORY[0]()

    model.fault = fault
    made, expected = run(model, wanted, 4), run(tiny(config=QUICK), wanted, 4)
    assert expected.pop("take 2").reason == ""
    failed = made.pop("take 2")
    assert failed.reason == "there is not enough memory for it, even alone."
    assert not failed.retry
    assert failed.codes.shape == (0, 9)
    assert equal(made, expected)


@settings(max_examples=12)
@given(
    jobs,
    st.integers(1, 5),
    st.sets(st.tuples(st.sampled_from(["prefill_text", "lane", "step", "logits"]), st.integers(1, 25)), max_size=4),
)
def test_no_request_is_lost_whenever_memory_runs_out(
    wanted: list[GenerationRequest], limit: int, calls: set[tuple[str, int]]
) -> None:
    """Each is met once: with the codes it has undisturbed, or with a reason."""
    model = Watched(config=QUICK)
    model.fault = shortage(*calls)
    made, expected = run(model, wanted, limit), run(tiny(config=QUICK), wanted, limit)
    failed = [generated for generated in made.values() if generated.reason]
    assert all("not enough memory" in generated.reason and not len(generated.codes) for generated in failed)
    assert len(failed) <= len(calls)
    assert all(same(generated, expected[key]) for key, generated in made.items() if not generated.reason)


def test_what_did_not_fit_is_gone_before_anything_begins_again() -> None:
    """Otherwise the next attempt would find no more memory than the last."""
    model = Watched(config=QUICK)
    alive: list[int] = []

    def fault(method: str, call: int) -> None:
        if alive == [-1] and method == "prefill_text":
            alive[0] = sum(lane() is not None for lane in model.lanes)
        if (method, call) == ("step", 20):
            alive.append(-1)
            raise NO_MEMORY[0]()

    model.fault = fault
    run(model, requests(8, prompts=[0]), 8)
    assert alive == [0]


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("no")])
@pytest.mark.parametrize("call", [("prefill_text", 3), ("step", 9)], ids=str)
def test_any_other_error_is_not_taken_for_a_want_of_memory(error: Exception, call: tuple[str, int]) -> None:
    """It would come again and again."""
    model = Watched(config=QUICK)
    model.fault = shortage(call, error=lambda: error)
    with pytest.raises(type(error), match=str(error)):
        run(model, requests(5, prompts=[0]), 4)


# Numbers that are none


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("lane", "sampling"), [(b"", USUAL), (UNREAD, USUAL), (b"", UNGUIDED)])
def test_a_take_without_numbers_ends_with_a_reason(value: float, lane: bytes, sampling: Sampling) -> None:
    """In one cell of either lane; another seed may help. All other takes are what they would have been."""
    wanted = requests(6, longest=20, prompts=[0, 7])
    spoilt = bytes(wanted[1].text.tolist()) + lane
    model = Watched(config=QUICK)

    def spoil(names: list[bytes], logits: Tensor) -> Tensor:
        logits = logits.clone()
        if spoilt in names and len(model.logits_of[spoilt]) == 6:
            logits[names.index(spoilt), 4, 17] = value
        return logits

    model.spoil = spoil
    made, expected = run(model, wanted, 4, sampling), run(tiny(config=QUICK), wanted, 4, sampling)
    failed = made.pop("take 1")
    assert expected.pop("take 1").reason == ""
    assert "NaN" in failed.reason
    assert failed.retry
    assert failed.codes.shape == (0, 9)
    assert len(model.logits_of[spoilt]) == 6
    assert equal(made, expected)
