"""The network on a CPU in int8 and bf16, in each tier of kernels: against the plain one, and against itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.engines.dia import kernels
from pipeline.engines.dia.devices import cpu_features
from pipeline.engines.dia.network.attention import Sizes
from pipeline.engines.dia.network.attention_cpu import FusedAttention
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import parse_config
from tests.support import dia_fixtures, tiny_dac, tiny_dia
from tests.support.dia_fixtures import (
    CONFIG,
    USUAL,
    V1,
    V1_CONFIG,
    alone,
    by_key,
    eager,
    equal,
    fused,
    requests,
    run,
    tiny,
    usable_tiers,
)

tiers = pytest.mark.parametrize("tier", usable_tiers(), ids=str)
precisions = pytest.mark.parametrize("precision", ["int8", "bf16"])
TEXT = b"[S1] It is only a matter of time."


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny network is no faster with more, and much slower where other tests run beside it."""
    with dia_fixtures.threads(1):
        yield


def logits(model: Model, rows: Tensor, text: bytes | None = TEXT, at_once: int = 1000) -> Tensor:
    """What `model` makes of `rows` `[n, C]`, of which it reads so many at once and the rest one by one."""
    lane = model.lane(None if text is None else model.read(torch.tensor(list(text))), len(rows))
    parts = [rows[:at_once], *(row[None] for row in rows[at_once:])]
    return model.logits(torch.cat([model.step([lane], part[None])[0] for part in parts]))


def some_rows(count: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 1024, (count, 9)))


@tiers
@precisions
def test_a_take_is_the_same_in_any_company(precision: str, tier: str | None) -> None:
    """Code for code: alone, in a full batch, in another order, with other limits, and on other numbers of threads."""
    model, wanted = fused(precision, tier), requests(6, longest=10)
    expected = alone(model, wanted)
    assert len({len(made.codes) for made in expected.values()}) > 3
    assert equal(run(model, wanted, 6), expected)
    with dia_fixtures.threads(3):
        assert equal(by_key(eager(model, USUAL, 2).generate(wanted[::-1])), expected)


@tiers
def test_the_older_network_too(tier: str | None) -> None:
    """Its cross-attention turns keys and queries."""
    model, wanted = fused("int8", tier, config=V1_CONFIG), requests(4, longest=6)
    assert equal(run(model, wanted, 4, V1), alone(model, wanted, V1))


@pytest.mark.parametrize("tier", [tier for tier in usable_tiers() if tier])
@precisions
def test_rows_are_read_at_once_as_they_are_one_by_one(precision: str, tier: str) -> None:
    """Bit for bit: for attention of our own, a prompt's rows are nothing special."""
    model, rows = fused(precision, tier), some_rows(40)
    for text in (TEXT, None):
        assert torch.equal(logits(model, rows, text), logits(model, rows, text, at_once=1))


def off(model: Model, expected: Tensor, rows: Tensor) -> float:
    """How far `model` is from the `expected` logits, in parts of their spread."""
    made = torch.stack([logits(model, rows), logits(model, rows, None)])
    return float((made - expected).square().mean().sqrt() / expected.std())


@tiers
def test_errors_are_those_of_rounding(tier: str | None) -> None:
    """Against float32: bf16's is small, int8's a few times as large."""
    rows = some_rows(60)
    plain = tiny(torch.float32)
    expected = torch.stack([logits(plain, rows), logits(plain, rows, None)])
    assert off(fused("bf16", tier), expected, rows) < 0.02
    assert 0.002 < off(fused("int8", tier), expected, rows) < 0.06


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_tiers_agree(count: int, seed: int) -> None:
    """To rounding, and the products of int8 bit for bit (see there)."""
    rows = some_rows(count, seed)
    made = [logits(fused("int8", tier), rows) for tier in usable_tiers() if tier is not None]
    for other in made[1:]:
        torch.testing.assert_close(other, made[0], atol=0.15, rtol=0.02)


def test_memory_is_what_lanes_and_texts_take() -> None:
    """int8 takes a little more than half of what bf16 does."""
    int8, bf16 = fused("int8", "plain"), fused("bf16", "plain")
    for model in (int8, bf16):
        text, lane = model.read(torch.tensor(list(TEXT))), model.lane(None, 100)
        taken = sum(part.nbytes for part in (*text.cache, *lane.cache))
        assert taken == pytest.approx(Sizes.of(model.attention).take(len(TEXT), 100, 1), rel=0.3)
    small, large = (Sizes.of(model.attention).take(300, 1000, 2) for model in (int8, bf16))
    assert small < 0.8 * large


def test_heads_of_odd_sizes_are_left_to_torch() -> None:
    """The kernels know multiples of 16."""
    config = tiny_dia.config_dict(decoder={"head_dim": 10})
    assert FusedAttention.suits(CONFIG)
    assert not FusedAttention.suits(parse_config(config, "odd"))


# Which kernels


def test_the_best_kernels_that_are_allowed_are_used() -> None:
    """And none where torch is to do it alone."""
    found = kernels.tier(cpu_features())
    assert found == usable_tiers()[0]
    assert kernels.tier(cpu_features(), "plain") == "plain"
    assert kernels.tier(frozenset(), None) == "plain"
    assert kernels.tier(cpu_features(), "torch") is None


def test_kernels_that_compute_wrongly_are_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next ones are, and it is said."""
    from pipeline.engines.dia.kernels import attention

    best = usable_tiers()[0]
    monkeypatch.setattr(attention, "check", lambda tier: "off by 3" if tier == best else "")
    assert kernels.tier(cpu_features()) == usable_tiers()[1]
    assert f"kernels {best} compute wrongly here and are not used: off by 3" in caplog.text


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ({}, ""),
        ({"PODCAST_KERNELS": "plain"}, ""),
        ({"PODCAST_KERNELS": "torch"}, ""),
        ({"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2"}, ""),
        ({"PYTHONPATH": "no numba"}, "no kernels of our own, and slower for it: there is no numba here"),
        ({"XDG_CACHE_HOME": "/dev/null"}, "they cannot be kept in /dev/null"),
    ],
    ids=["all that is here", "plain", "torch", "a CPU of 2003", "no numba", "no cache"],
)
def test_int8_speaks_on_machines_that_have_less(without: dict[str, str], told: str, tmp_path: Path) -> None:
    """The command, on tiny weights, in a process of its own."""
    config = tiny_dia.config_dict(
        encoder={"max_position_embeddings": 1024}, decoder={"max_position_embeddings": 3072, "head_dim": 64}
    )
    tiny_dia.write_transformers(tmp_path / "source", config, tiny_dia.make_state(config, eos_bias=1.0))
    packed.convert(tmp_path / "source", tmp_path / "weights")
    tiny_dac.write_transformers(tmp_path / "weights" / "dac")
    if "PYTHONPATH" in without:
        (tmp_path / "without").mkdir()
        (tmp_path / "without" / "numba.py").write_text('raise ImportError("there is no numba here")')
        without = {"PYTHONPATH": str(tmp_path / "without")}
    program = (
        "from pipeline.engines import *\n"
        "from pipeline.settings import load_settings\n"
        f"machine = DiaMachine.of(load_settings(weights={str(tmp_path / 'weights')!r}))\n"
        "sound = DiaSound(precision='int8', max_seconds=0.3)\n"
        "request = Request('1', (Line(Voice('a', DraftVoice()), 'A line of some length.'),), 'en', 1)\n"
        "(made,) = open_engine('dia', sound, machine).render([request])\n"
        "print(len(made.pcm))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | without, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) <= 0.3 * 44_100
    assert told in done.stderr


def test_nothing_is_compiled_at_import(tmp_path: Path) -> None:
    """The engine and its kernels load without an entry in numba's cache."""
    modules = ("runtime", "network.attention_cpu", "kernels.products")
    program = f"import {', '.join(f'pipeline.engines.dia.{name}' for name in modules)}"
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
    assert list(tmp_path.iterdir()) == []
