"""On a CUDA GPU, where there is one: the same takes alone, in any company, in graphs and without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from pipeline.engines.dia.batching.cuda_slots import CudaStepper, on_stream
from pipeline.engines.dia.batching.scheduler import Generated, Scheduler
from pipeline.engines.dia.network import attention
from pipeline.engines.dia.network.attention_cuda import BLOCK, LayerCache, attend_in_tiles, steady_tile
from pipeline.engines.dia.network.linear import Fp8Linear, Linear, multiplies
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import DiaConfig
from tests.support.cuda_fixtures import GREEDY, LONG, PLAIN, attend_alike, decode_all, long_requests, static
from tests.support.dia_fixtures import TEMPERATURES, USUAL, equal, requests, run, tiny, weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")


@pytest.fixture(autouse=True)
def the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plain attention attend in blocks: a code is drawn by rank, and two scores may differ by mere rounding."""
    monkeypatch.setattr(attention, "attend", attend_alike)


def on_gpu(dtype: torch.dtype, config: DiaConfig = LONG, product: Any = Linear) -> Model:
    """The tiny network on a GPU."""
    return Model(config, {name: part.cuda() for name, part in weights(dtype, 0.5).items()}, product)


def test_greedy_codes_on_a_gpu_are_those_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32."""
    wanted = [*requests(6, longest=30), *(replace(one, key=f"long {one.key}") for one in long_requests())]
    monkeypatch.setattr(attention, "attend", PLAIN)
    expected = run(tiny(eos_bias=0.5, config=LONG), wanted, 4, GREEDY)
    assert equal(decode_all(static(on_gpu(torch.float32), GREEDY, 4), wanted), expected)


@pytest.mark.parametrize("fp8", [False, True], ids=["", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_takes_on_a_gpu_are_the_same_in_any_company(dtype: torch.dtype, fp8: bool) -> None:
    """Code for code: alone, in graphs of every size, in another order, beside takes of other temperatures."""
    wanted = [
        *requests(40, longest=30, temperatures=TEMPERATURES),
        *(replace(one, key=f"long {one.key}") for one in long_requests()),
    ]
    model = on_gpu(dtype)
    lone: dict[str, Generated] = {}
    for request in wanted:
        lone |= decode_all(static(model, USUAL, 1, fp8=fp8), [request])
    for limit in (2, 5, 32, 128):
        assert equal(decode_all(static(model, USUAL, limit, fp8=fp8), wanted[::-1]), lone)


def test_a_temperature_on_a_gpu_is_that_of_a_stepper_that_has_it_for_all() -> None:
    """Code for code, in one batch with others; and without one of its own it is the stepper's."""
    wanted = requests(12, longest=30, temperatures=TEMPERATURES)
    mixed = decode_all(static(on_gpu(torch.bfloat16), USUAL, 5), wanted)
    for temperature in set(TEMPERATURES):
        sampling = replace(USUAL, temperature=USUAL.temperature_of(temperature))
        plain = [replace(one, temperature=None) for one in wanted if one.temperature == temperature]
        alike = decode_all(static(on_gpu(torch.bfloat16), sampling, 5), plain)
        assert equal(alike, {key: mixed[key] for key in alike})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_graphs_on_a_gpu_change_nothing(dtype: torch.dtype) -> None:
    """Steps that are replayed and steps that are taken one by one, also where guidance ends."""
    wanted = [
        *requests(12, longest=60, temperatures=TEMPERATURES),
        *(replace(one, key=f"long {one.key}") for one in long_requests()),
    ]
    for cfg_frames in (None, 20):
        expected = decode_all(static(on_gpu(dtype), USUAL, 4, cfg_frames, graphs=False), wanted)
        stepper = CudaStepper(on_gpu(dtype), USUAL, cfg_frames)
        assert equal(decode_all(Scheduler(stepper, 4), wanted), expected)
        assert stepper._graph_of


def test_logits_on_a_gpu_have_the_same_bits_alone_and_among_128() -> None:
    """At the sizes of the real network, where libraries choose among many kernels."""
    decoder = replace(LONG.decoder, heads=16, kv_heads=4, head_dim=128)
    counts = tuple(1 << power for power in range(9))
    device = str(torch.device("cuda", torch.cuda.current_device()))
    tile = steady_tile(counts, decoder.heads, 4, 128, torch.bfloat16, torch.bfloat16, device)
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(256, 16, 128, generator=generator).cuda().bfloat16()
    there = LayerCache(*(torch.randn(256, 4, 2 * BLOCK, 128, generator=generator).cuda().bfloat16() for _ in range(2)))
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


def test_fp8_products_on_a_gpu() -> None:
    """Where it multiplies in fp8, as near to the exact product as its rounding allows."""
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(2048, 1024, generator=generator).cuda(), torch.randn(100, 1024, generator=generator).cuda()
    exact = x @ weight.T
    for native in {False, multiplies(weight)}:
        found = Fp8Linear(weight.bfloat16(), native=native)(x)
        assert (found - exact).norm() / exact.norm() < 0.06


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
