"""The Dia engine beside transformers' Dia, on the same random weights: from single tensors up to generated codes.

What is compared is float32 on a CPU. Codes are compared exactly, and only where the margin says that no rounding could
have chosen others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from torch import Tensor

from pipeline.engines.dia.batching.prefill import Prefill
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import GenerationRequest, Scheduler
from pipeline.engines.dia.batching.slots import EagerStepper
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import read_config
from pipeline.engines.dia.weights.tensors import load_weights
from tests.support import tiny_dia
from tests.support.dia_plain import Codes, Config, Plain
from tests.support.dia_reference import (
    DECISIVE,
    TEXTS,
    TOLERANCE,
    a_prompt,
    a_text,
    engine_greedy,
    engine_logits,
    engine_model,
    engine_probabilities,
    reference_encoded,
    reference_greedy,
    reference_logits,
    reference_model,
    reference_probabilities,
    some_logits,
    some_rows,
)

pytestmark = pytest.mark.slow

PROMPTS = {"none": (0, 0, 0), "equal": (20, 20, 20), "ragged": (5, 0, 17)}


@functools.cache
def _tiny(eos_bias: float = 0.0) -> tuple[Model, Any]:
    state = tiny_dia.make_state(tiny_dia.TINY, seed=0, eos_bias=eos_bias)
    return engine_model(tiny_dia.TINY, state), reference_model(tiny_dia.TINY, state)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Products this small gain nothing from threads, which wait for one another where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _prompts(lengths: tuple[int, ...]) -> list[Codes]:
    return [a_prompt(length, seed) for seed, length in enumerate(lengths)]


def _difference(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Networks of any shape: hidden sizes that are not heads times head size, groups of heads, odd widths."""

    def number(least: int, most: int) -> int:
        return draw(st.integers(least, most))

    def heads(prefix: str = "") -> dict[str, int]:
        kv_heads = number(1, 3)
        return {
            f"{prefix}num_key_value_heads": kv_heads,
            f"{prefix}num_attention_heads": kv_heads * number(1, 3),
            f"{prefix}head_dim": 2 * number(1, 8),
        }

    def half(max_positions: list[int]) -> dict[str, Any]:
        theta = draw(st.sampled_from([10_000.0, 500.0]))
        return {
            "num_hidden_layers": number(1, 3),
            "hidden_size": number(8, 50),
            "intermediate_size": number(3, 90),
            "max_position_embeddings": draw(st.sampled_from(max_positions)),
            "norm_eps": draw(st.sampled_from([1e-5, 1e-3])),
            "rope_parameters": {"rope_type": "default", "rope_theta": theta},
            **heads(),
        }

    return tiny_dia.config_dict(encoder=half([41, 96, 1024]), decoder=half([77, 256, 3072]) | heads("cross_"))


# Weights


@pytest.mark.parametrize("old_keys", [False, True])
def test_transformers_loads_what_the_engine_loads(tmp_path: Path, old_keys: bool) -> None:
    """A folder in transformers' layout gives both the same tensors, and transformers misses and ignores none."""
    state = tiny_dia.make_state(tiny_dia.TINY, seed=3)
    tiny_dia.write_transformers(tmp_path, tiny_dia.TINY, state, shards=2, old_keys=old_keys)
    reference = reference_model(tiny_dia.TINY, state)
    loaded, notes = type(reference).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(notes.values())
    theirs = {name.removeprefix("model."): tensor for name, tensor in loaded.state_dict().items()}
    ours = load_weights(tmp_path, read_config(tmp_path), torch.float32, torch.device("cpu"))
    assert ours.keys() == theirs.keys() == state.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


# The network


@settings(max_examples=40)
@given(configs(), st.integers(0, 1000), st.integers(1, 41), st.integers(1, 40))
def test_network(config: Config, seed: int, length: int, count: int) -> None:
    """Encodings and logits are transformers' for any sizes, with a text and without, in one go or row by row."""
    state = tiny_dia.make_state(config, seed)
    model, reference = engine_model(config, state), reference_model(config, state)
    text, rows = a_text(length, seed), some_rows(count, seed)
    tokens = torch.from_numpy(text)
    assert _difference(model.encode(tokens), reference_encoded(reference, text)) < TOLERANCE
    for unconditional in (False, True):
        read = None if unconditional else model.prefill_text(tokens)
        at_once = engine_logits(model, read, rows)
        assert _difference(at_once, reference_logits(reference, text, rows, unconditional=unconditional)) < TOLERANCE
        assert _difference(at_once, engine_logits(model, read, rows, at_a_time=1)) < TOLERANCE


# Greedy codes


@pytest.mark.parametrize("cfg_scale", [0.0, 3.0])
@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("eos_bias", [0.0, 4.0])
def test_greedy_codes(cfg_scale: float, prompts: str, eos_bias: float) -> None:
    """Three texts of different lengths in one batch: they end at the cap, or with a bias to EOS by themselves."""
    model, reference = _tiny(eos_bias)
    given = _prompts(PROMPTS[prompts])
    expected = reference_greedy(reference, TEXTS, given, 40, cfg_scale)
    lengths = [len(codes) for codes in expected.codes]
    assert lengths == [40, 40, 40] if eos_bias == 0 else len({*lengths, 40}) > 2
    assert expected.margin > DECISIVE
    for codes, theirs in zip(engine_greedy(model, TEXTS, given, 40, cfg_scale), expected.codes, strict=True):
        np.testing.assert_array_equal(codes, theirs)


@pytest.mark.parametrize("max_frames", [0, 1, 7, 16, 17])
def test_length_cap(max_frames: int) -> None:
    """A cap ends both at the same frame, also one shorter than the delays."""
    model, reference = _tiny()
    given = _prompts(PROMPTS["ragged"])
    expected = reference_greedy(reference, TEXTS, given, max_frames, 3.0)
    assert [len(codes) for codes in expected.codes] == [max_frames] * 3
    for codes, theirs in zip(engine_greedy(model, TEXTS, given, max_frames, 3.0), expected.codes, strict=True):
        np.testing.assert_array_equal(codes, theirs)


@settings(max_examples=40)
@given(
    configs(),
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(1, 41), st.integers(0, 18)), min_size=1, max_size=3),
    st.integers(0, 20),
    st.sampled_from([0.0, 1.5, 3.0]),
    st.sampled_from([0.0, 3.0, 6.0]),
)
def test_greedy_codes_of_any_network(
    config: Config, seed: int, items: list[tuple[int, int]], max_frames: int, cfg_scale: float, eos_bias: float
) -> None:
    """Texts and prompts of any lengths, none among them, give transformers' codes for any sizes of the network."""
    state = tiny_dia.make_state(config, seed, eos_bias)
    texts = [a_text(length, seed + index) for index, (length, _) in enumerate(items)]
    prompts = [a_prompt(length, seed + index) for index, (_, length) in enumerate(items)]
    expected = reference_greedy(reference_model(config, state), texts, prompts, max_frames, cfg_scale)
    assume(expected.margin > DECISIVE)
    made = engine_greedy(engine_model(config, state), texts, prompts, max_frames, cfg_scale)
    for codes, theirs in zip(made, expected.codes, strict=True):
        np.testing.assert_array_equal(codes, theirs)


# Sampling


@settings(max_examples=60)
@given(
    st.integers(0, 10_000),
    st.sampled_from([None, 1.5, 3.0, 4.0]),
    st.sampled_from([0.5, 1.0, 1.2, 1.8]),
    st.sampled_from([0.3, 0.9, 0.95, 1.0]),
    st.sampled_from([1, 2, 5, 45, 200]),
)
def test_candidates_and_probabilities(
    seed: int, cfg_scale: float | None, temperature: float, top_p: float, top_k: int
) -> None:
    """The same tokens may be drawn, and as probably, whatever EOS and the other special tokens do.

    Where guidance chooses nothing but special tokens transformers comes to no numbers; here guidance is left out then.
    """
    cond, uncond = some_logits(seed)
    guided = None if cfg_scale is None else uncond

    def expected_at(top_p: float) -> tuple[Tensor, Tensor]:
        wanted = Sampling(cfg_scale or 0.0, temperature, top_p, top_k)
        made = reference_probabilities(_tiny()[1], cond, guided, wanted)
        without = reference_probabilities(_tiny()[1], cond, None, wanted)
        return torch.where(made.isnan(), without, made), made.isnan()

    reached = expected_at(1.0)[0].double().sort(descending=True).values.cumsum(-1)
    assume(top_p == 1 or float((reached - top_p).abs().min()) > 1e-6)  # no rounding decides who is the last
    expected, nothing = expected_at(top_p)
    ours = engine_probabilities(cond, guided, Sampling(cfg_scale or 0.0, temperature, top_p, top_k))
    assert bool(nothing[3, 1:].all()) == (top_k <= 2 and cfg_scale is not None)
    assert torch.equal(ours > 1e-6, expected > 1e-6)
    assert _difference(ours, expected) < 1e-6


# Shortcuts


@pytest.mark.parametrize("cross_rope", [False, True])
def test_unconditional_lane_needs_no_text(cross_rope: bool) -> None:
    """A lane without a text is what reading a whole text of zeros gives, in both networks and for every length."""
    spelling = tiny_dia.v1_spelling(tiny_dia.TINY) if cross_rope else tiny_dia.TINY
    model = engine_model(spelling, tiny_dia.make_state(tiny_dia.TINY, seed=0))
    rows = some_rows(40, seed=1)
    short = engine_logits(model, None, rows)
    for length in (1, 37, 96):
        zeros = torch.zeros(length, dtype=torch.long)
        assert _difference(short, engine_logits(model, model.prefill_text(zeros), rows)) < TOLERANCE / 5


def test_unconditional_reading_of_a_prompt_is_shared() -> None:
    """The second take with a prompt copies what the first has read: the same bits as reading it anew."""
    model, reference = _tiny(4.0)
    prompts = _prompts((20, 9))
    shared = Scheduler(EagerStepper(model, Sampling(temperature=0)), limit=1)
    order = [(text, prompt) for text in TEXTS for prompt in prompts]
    requests = [GenerationRequest(str(index), text, prompt, 0, 12) for index, (text, prompt) in enumerate(order)]
    expected = reference_greedy(reference, [text for text, _ in order], [prompt for _, prompt in order], 12, 3.0)
    assert expected.margin > DECISIVE
    for made in shared.generate(requests):
        np.testing.assert_array_equal(made.codes, expected.codes[int(made.key)])
    prefill = Prefill(model, guided=True)
    for prompt in [*prompts, *prompts]:
        grid = np.concatenate([np.full((1, 9), 1026), prompt.astype(np.int64)])[: len(prompt)]
        copied, anew = model.lane(None, 40), model.lane(None, len(grid))
        prefill.copy_prompt(copied, grid)
        model.step([anew], torch.from_numpy(grid)[None])
        assert copied.length == len(grid)
        for left, right in zip(copied.cache, anew.cache, strict=True):
            assert torch.equal(left[:, :, : len(grid)], right)


def test_text_needs_no_padding() -> None:
    """Padding to 1,024 places with a mask, as the reference's processors do, changes neither encodings nor logits."""
    config = tiny_dia.config_dict(encoder={"max_position_embeddings": 1024})
    state = tiny_dia.make_state(config, seed=5)
    model, reference = engine_model(config, state), reference_model(config, state)
    rows = some_rows(30, seed=6)
    for text in TEXTS:
        tokens = torch.from_numpy(text)
        assert _difference(model.encode(tokens), reference_encoded(reference, text, padded=1024)) < TOLERANCE
        conditional = engine_logits(model, model.prefill_text(tokens), rows)
        assert _difference(conditional, reference_logits(reference, text, rows, padded=1024)) < TOLERANCE
        theirs = reference_logits(reference, text, rows, padded=1024, unconditional=True)
        assert _difference(engine_logits(model, None, rows), theirs) < TOLERANCE


# The formulas, and a larger network


def test_formulas_are_those_of_transformers() -> None:
    """What the first release is compared with elsewhere is transformers' Dia but for the rotation."""
    config, state = tiny_dia.TINY, tiny_dia.make_state(tiny_dia.TINY, seed=0)
    text, rows = TEXTS[0], some_rows(30, seed=7)
    expected = reference_logits(_tiny()[1], text, rows)
    made = Plain(config, state, cross_rope=False).logits(text, rows.numpy())
    assert _difference(torch.from_numpy(made).float(), expected) < TOLERANCE


LARGER = tiny_dia.config_dict(
    encoder={
        "num_hidden_layers": 4,
        "hidden_size": 512,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 2048,
    },
    decoder={
        "num_hidden_layers": 8,
        "hidden_size": 768,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "cross_num_attention_heads": 8,
        "cross_num_key_value_heads": 8,
        "cross_head_dim": 128,
        "intermediate_size": 3072,
        "max_position_embeddings": 1024,
    },
)


def test_larger_network() -> None:
    """129 million parameters: logits that do not drift apart over 500 frames, and the same codes over 250."""
    state = tiny_dia.make_state(LARGER, seed=1)
    for name in state:
        if "q_proj" in name:  # scores grow with the root of the head size; these are as soft as the tiny network's
            state[name] *= (16 / 128) ** 0.5
    model, reference = engine_model(LARGER, state), reference_model(LARGER, state)
    text, rows = a_text(60, seed=0), some_rows(516, seed=0)
    conditional = engine_logits(model, model.prefill_text(torch.from_numpy(text)), rows)
    assert _difference(conditional, reference_logits(reference, text, rows)) < TOLERANCE
    theirs = reference_logits(reference, text, rows, unconditional=True)
    assert _difference(engine_logits(model, None, rows), theirs) < TOLERANCE
    prompts = _prompts((0,))
    expected = reference_greedy(reference, [text], prompts, 250, 3.0)
    assert len(expected.codes[0]) == 250
    assert expected.margin > 10 * DECISIVE
    (codes,) = engine_greedy(model, [text], prompts, 250, 3.0)
    np.testing.assert_array_equal(codes, expected.codes[0])
