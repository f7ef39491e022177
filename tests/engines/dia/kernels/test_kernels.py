"""Which kernels a machine gets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engines.dia import kernels
from pipeline.engines.dia.devices import cpu_features
from pipeline.engines.dia.weights import packed
from tests.support import tiny_dac, tiny_dia
from tests.support.dia_fixtures import usable_tiers


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


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny ones in int8, whose heads suit the kernels."""
    folder = tmp_path_factory.mktemp("int8")
    config = tiny_dia.config_dict(
        encoder={"max_position_embeddings": 1024}, decoder={"max_position_embeddings": 3072, "head_dim": 64}
    )
    tiny_dia.write_transformers(folder / "source", config, tiny_dia.make_state(config, eos_bias=1.0))
    packed.convert(folder / "source", folder / "weights")
    for name in ("source", "weights"):
        tiny_dac.write_transformers(folder / name / "dac")
    return folder / "weights"


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ({}, ""),
        pytest.param({"PODCAST_KERNELS": "plain"}, "", marks=pytest.mark.slow),
        pytest.param({"PODCAST_KERNELS": "torch"}, "", marks=pytest.mark.slow),
        pytest.param(
            {"PYTHONPATH": "no numba"},
            "no kernels of our own, and slower for it: there is no numba here",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2", "XDG_CACHE_HOME": "/dev/null"},
            "they cannot be kept in /dev/null",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["all that is here", "plain", "torch", "no numba", "a CPU of 2003 and no cache"],
)
def test_int8_speaks_on_machines_that_have_less(
    without: dict[str, str], told: str, weights: Path, tmp_path: Path
) -> None:
    """The command, on tiny weights, in a process of its own."""
    if "PYTHONPATH" in without:
        (tmp_path / "without").mkdir()
        (tmp_path / "without" / "numba.py").write_text('raise ImportError("there is no numba here")')
        without = {"PYTHONPATH": str(tmp_path / "without")}
    program = (
        "from pipeline.engines import *\n"
        "from pipeline.settings import load_settings\n"
        f"machine = Machine.of(load_settings(weights={str(weights)!r}))\n"
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


# A line for each kernel, on every tier of kernels that this CPU has.
_HASHES = """
import hashlib, numpy as np, torch
from pipeline.engines.dia.devices import cpu_features
from pipeline.engines.dia.kernels import attention, matmul, rows
from pipeline.engines.dia.kernels.packing import Bf16Weight, Int8Weight

draw = torch.Generator().manual_seed(0)
normal = lambda *shape: torch.randn(*shape, generator=draw)
tell = lambda name, x: print(name, hashlib.sha256(x.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest())
tell("norm", rows.rms_norm(normal(4, 300), normal(300), 1e-5))
tell("gate", rows.silu_gate(normal(4, 300)))
x, scale = normal(500, rows.LANES * 3).bfloat16(), normal(rows.LANES * 3).abs() + 0.1
inverse = 1 / scale
rows.snake(x.data_ptr(), x.data_ptr(), *x.shape, scale.data_ptr(), inverse.data_ptr())
tell("snake", x)
few, many, weight = normal(3, 200), normal(190, 200), normal(72, 200)
for tier in matmul.tiers(cpu_features()):
    for x in (few, many):
        tell(f"int8 {tier}", matmul.int8_linear(x, Int8Weight.pack(weight), tier))
        if tier == "amx":
            tell("bf16", matmul.bf16_linear(x, Bf16Weight.pack(weight)))
    for dtype in (torch.int8, torch.bfloat16):
        cache, places = attention.new_cache(dtype, 1, 2, 192, 64), np.arange(190)
        attention.store(normal(190, 256), attention.Rows.of([cache], places, places), 0)
        query = normal(190, 512) / 4
        read = attention.Rows.of([cache], places + 1, places)
        tell(f"attention {dtype} {tier}", attention.attend(query, read, 0, tier))
"""


@pytest.mark.slow
def test_the_process_that_compiles_kernels_computes_the_same_bits_as_the_next(tmp_path: Path) -> None:
    """What is compiled anew and what comes from the cache: else a take would differ from the one made after a crash."""
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", _HASHES], env=env, check=True, capture_output=True, text=True).stdout
        for _time in range(2)
    )
    assert first.splitlines() == second.splitlines()
    assert len(first.splitlines()) >= 3 + 4 * (len(usable_tiers()) - 1)


# Renders the requests of the numbers that are named, and tells of the last.
_TAKES = """
import hashlib, sys
from pipeline.engines import *
from pipeline.settings import load_settings

weights, precision, *numbers = sys.argv[1:]
sound = DiaSound(precision=precision, max_seconds=0.3)
engine = open_engine("dia", sound, Machine.of(load_settings(weights=weights)))
for number in numbers:
    text = "A line of some length, and more. " * int(number)
    (take,) = engine.render([Request(number, (Line(Voice("a", DraftVoice()), text),), "en", int(number))])
print(hashlib.sha256(take.pcm.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def new_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where nothing has been compiled, until the first test that uses it."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "bf16", "fp32"])
def test_the_first_take_of_a_process_is_as_one_that_comes_later(precision: str, weights: Path, new_cache: Path) -> None:
    """Whatever torch and our kernels load, choose or warm up when they are first used; int8 on any threads, too.

    The first to run compiles its kernels, the others what these leave.
    """
    folder = weights if precision == "int8" else weights.with_name("source")

    def take(*numbers: str, **more: str) -> str:
        command = [sys.executable, "-c", _TAKES, str(folder), precision, *numbers]
        return subprocess.run(command, env=os.environ | more, check=True, capture_output=True, text=True).stdout

    first = take("2", XDG_CACHE_HOME=str(new_cache))
    assert take("5", "1", "2") == first
    if precision == "int8":
        assert take("2", OMP_NUM_THREADS="1") == take("2", OMP_NUM_THREADS="3") == first


def test_nothing_is_compiled_at_import(tmp_path: Path) -> None:
    """The engine and its kernels load without an entry in numba's cache."""
    modules = ("runtime", "network.attention_cpu", "kernels.matmul")
    program = f"import {', '.join(f'pipeline.engines.dia.{name}' for name in modules)}"
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
    assert list(tmp_path.iterdir()) == []
