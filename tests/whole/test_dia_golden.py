"""The Dia engine beside what needs no transformers: the golden file, and the formulas of the first release."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.network.model import Model
from tests.support import tiny_dia
from tests.support.dia_plain import Config, Plain, first_release_probabilities, first_release_scores
from tests.support.dia_reference import (
    DECISIVE,
    GOLDEN,
    KEPT,
    NETWORKS,
    ROWS,
    RUNS,
    SAMPLINGS,
    TEXTS,
    TOLERANCE,
    a_prompt,
    a_text,
    engine_greedy,
    engine_logits,
    engine_model,
    engine_probabilities,
    fingerprint,
    some_logits,
    some_rows,
    weights_of,
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Products this small gain nothing from threads, which wait for one another where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def _golden() -> dict[str, Any]:
    with np.load(GOLDEN) as file:
        return dict(file)


@functools.cache
def _engine(network: str, eos_bias: float = 0.0) -> Model:
    return engine_model(NETWORKS[network], weights_of(network, eos_bias))


# The golden file


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_are_the_ones_of_the_golden_file(network: str) -> None:
    """If this fails, so does all below: torch makes other random numbers, and the file is to be written again."""
    np.testing.assert_allclose(fingerprint(network), _golden()[f"{network}/weights"], atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
def test_encodings(network: str) -> None:
    """The encoder's output for three texts."""
    for index, text in enumerate(TEXTS):
        encoded = _engine(network).encode(torch.from_numpy(text))
        np.testing.assert_allclose(encoded, _golden()[f"{network}/encoded/{index}"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("at_a_time", [20, 1])
def test_logits(network: str, at_a_time: int) -> None:
    """Logits over given rows, with a text and without, in one go and row by row."""
    model = _engine(network)
    for name, text in (("conditional", model.prefill_text(torch.from_numpy(TEXTS[0]))), ("unconditional", None)):
        logits = engine_logits(model, text, ROWS, at_a_time)[..., KEPT]
        np.testing.assert_allclose(logits, _golden()[f"{network}/{name}"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", RUNS)
def test_greedy_codes(name: str) -> None:
    """Codes of texts and prompts of different lengths in one batch, up to the cap or EOS."""
    run = RUNS[name]
    for index, codes in enumerate(engine_greedy(_engine(run.network, run.eos_bias), *run.inputs())):
        np.testing.assert_array_equal(codes, _golden()[f"codes/{name}/{index}"])


@pytest.mark.parametrize("name", SAMPLINGS)
def test_candidates_and_probabilities(name: str) -> None:
    """What may be drawn, and how probably, whatever EOS and the other special tokens do."""
    expected = _golden()[f"probabilities/{name}"]
    made = engine_probabilities(*some_logits(0), SAMPLINGS[name]).numpy()
    np.testing.assert_array_equal(made > 1e-6, expected > 1e-6)
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6)


# The first release

FIRST_RELEASES: dict[str, Config] = {
    "tiny": tiny_dia.TINY,
    "odd": tiny_dia.config_dict(
        encoder={"hidden_size": 20, "num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 6},
        decoder={
            "num_hidden_layers": 2,
            "hidden_size": 29,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "head_dim": 4,
            "cross_num_attention_heads": 3,
            "cross_num_key_value_heads": 3,
            "cross_head_dim": 10,
            "intermediate_size": 51,
        },
    ),
    "small": tiny_dia.config_dict(
        encoder={"num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 8},
        decoder={
            "num_hidden_layers": 1,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "cross_num_attention_heads": 1,
            "cross_num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
        },
        norm_eps=1e-3,
    ),
}


def _first_release(network: str, eos_bias: float = 0.0) -> tuple[Model, Plain]:
    config = FIRST_RELEASES[network]
    state = tiny_dia.make_state(config, seed=4, eos_bias=eos_bias)
    spelling = tiny_dia.v1_spelling(config)
    spelling["model"]["rope_max_timescale"] = config["decoder_config"]["rope_parameters"]["rope_theta"]
    spelling["model"]["normalization_layer_epsilon"] = config["norm_eps"]
    return engine_model(spelling, state), Plain(config, state, cross_rope=True)


@pytest.mark.parametrize("network", FIRST_RELEASES)
@pytest.mark.parametrize("length", [1, 9, 60])
def test_first_release_logits(network: str, length: int) -> None:
    """Logits are those of the formulas, for texts shorter and longer than what is read, and without one."""
    model, plain = _first_release(network)
    text, rows = a_text(length, seed=length), some_rows(25, seed=length)
    for tokens, read in ((text, model.prefill_text(torch.from_numpy(text))), (np.zeros_like(text), None)):
        expected = plain.logits(tokens, rows.numpy())
        for at_a_time in (len(rows), 1):
            made = engine_logits(model, read, rows, at_a_time)
            np.testing.assert_allclose(made, expected, rtol=0, atol=TOLERANCE)


def test_first_release_is_another_network() -> None:
    """The same weights under the other schema give other logits: the rotation counts."""
    text, rows = a_text(30, seed=0), some_rows(25, seed=0)
    state = tiny_dia.make_state(tiny_dia.TINY, seed=4)
    rotated, plain = (
        engine_logits(model, model.prefill_text(torch.from_numpy(text)), rows)
        for model in (engine_model(tiny_dia.v1_spelling(tiny_dia.TINY), state), engine_model(tiny_dia.TINY, state))
    )
    assert float((rotated - plain).abs().max()) > 1


@pytest.mark.parametrize(
    ("network", "eos_bias", "prompt", "cfg_scale", "frames"),
    [
        ("tiny", 0.0, 0, 3.0, 12),
        ("tiny", 9.0, 7, 0.0, 11),
        ("tiny", 12.0, 18, 3.0, 4),  # with the whole logit of EOS it would be 0
        ("odd", 6.0, 18, 0.0, 3),  # 1
        ("odd", 12.0, 7, 3.0, 9),
        ("small", 6.0, 18, 0.0, 8),  # 2
        ("small", 6.0, 18, 3.0, 10),  # 2
    ],
)
def test_first_release_greedy_codes(network: str, eos_bias: float, prompt: int, cfg_scale: float, frames: int) -> None:
    """Codes are those of the formulas, up to EOS or the cap of 12 frames."""
    model, plain = _first_release(network, eos_bias)
    text, codes = a_text(20, seed=prompt), a_prompt(prompt, seed=prompt)
    expected, margin = plain.greedy(text, codes, 12, cfg_scale)
    assert margin > DECISIVE
    assert len(expected) == frames
    (made,) = engine_greedy(model, [text], [codes], 12, cfg_scale)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("cfg_scale", [0.0, 3.0])
@pytest.mark.parametrize(("temperature", "top_p", "top_k"), [(1.3, 0.95, 35), (1.0, 0.8, 100), (0.7, 1.0, 4)])
def test_first_release_probabilities(cfg_scale: float, temperature: float, top_p: float, top_k: int) -> None:
    """It draws from the guided logits themselves, with EOS in the first codebook at four fifths of its logit."""
    cond, uncond = some_logits(1)
    sampling = Sampling(cfg_scale, temperature, top_p, top_k, from_guided=True)
    made = engine_probabilities(cond, uncond if cfg_scale else None, sampling)
    for item in range(len(cond)):
        pair = cond[item].double().numpy(), uncond[item].double().numpy()
        scores = first_release_scores(*pair, cfg_scale, eos=1024)
        for channel, ours in enumerate(made[item].numpy()):
            expected = first_release_probabilities(scores[channel], temperature, top_p, top_k)
            np.testing.assert_array_equal(ours > 1e-6, expected > 1e-6)
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6)
