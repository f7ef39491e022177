"""Where `check.py` runs: a GPU with Dia at its real size, or a CPU with a tiny one. Clocks, weights, slots, a codec."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.bench.random_weights import config_dict
from pipeline.engines.dia.batching.cuda_slots import CudaSlot, CudaStepper
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import GenerationRequest
from pipeline.engines.dia.codec.layers import PlainDecoder
from pipeline.engines.dia.loader import in_fp8, product
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import parse_config
from pipeline.engines.dia.weights.tensors import expected_shapes

FRAMES_PER_S = 44_100 / 512
WINDOW, REACH = 172, 10  # frames the codec decodes at a time, and those it needs before and after them


@dataclass
class Device:
    """Where the checks run: a GPU at Dia's real size, or a CPU at a tiny one."""

    rehearse: bool
    ends_at: float
    loaded: dict[bool, Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.torch = torch.device("cpu" if self.rehearse else "cuda:0")
        self.config = parse_config(config_dict("tiny" if self.rehearse else "full"), "check.py")
        self.repeats = 1 if self.rehearse else 10

    @property
    def left_s(self) -> float:
        return self.ends_at - time.monotonic()

    def size(self, full: int) -> int:
        """A size that is smaller in a rehearsal."""
        return max(full // 64, 16) if self.rehearse else full

    def sync(self) -> None:
        if not self.rehearse:
            torch.cuda.synchronize()

    def free(self) -> None:
        if not self.rehearse:
            torch.cuda.empty_cache()

    def seconds(self, call: Callable[[], object]) -> float:
        """What one call takes, with all that the device has to do for it."""
        self.sync()
        began = time.perf_counter()
        call()
        self.sync()
        return time.perf_counter() - began

    def median_ms(self, call: Callable[[], object], warm: int = 3) -> float:
        """The median of some calls, after `warm` others."""
        for _ in range(0 if self.rehearse else warm):
            call()
        return 1e3 * sorted(self.seconds(call) for _ in range(self.repeats))[self.repeats // 2]

    def random(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
        return torch.randn(*shape, device=self.torch, dtype=dtype)

    def model(self, *, fp8: bool = False) -> Model:
        """Dia with random weights; one precision at a time is kept."""
        if fp8 not in self.loaded:
            self.loaded.clear()
            self.free()
            state = self._state()
            self.loaded[fp8] = Model(self.config, in_fp8(state) if fp8 else state, partial(product, tier=None))
        return self.loaded[fp8]

    def _state(self) -> dict[str, Any]:
        """Numbers that keep activations at the size they have in a trained network; EOS is never the likeliest."""
        state: dict[str, Any] = {}
        numbers = torch.Generator(self.torch).manual_seed(0)
        for name, shape in expected_shapes(self.config).items():
            if name.endswith("norm.weight"):
                state[name] = torch.ones(shape, device=self.torch)
                continue
            state[name] = torch.randn(shape, device=self.torch, generator=numbers, dtype=torch.bfloat16)
            if "embed" not in name:
                state[name] *= shape[1] ** -0.5
        state["logits_dense.weight"][self.config.eos] = 0
        return state

    def stepper(self, *, fp8: bool = False, graphs: bool | None = None) -> CudaStepper:
        return CudaStepper(self.model(fp8=fp8), Sampling(), fp8=fp8, graphs=graphs)


def request(number: int, text: int, context: int, frames: int) -> GenerationRequest:
    """A text of `text` bytes, spoken after a prompt of `context` frames, up to `frames` of them."""
    prompt = np.random.default_rng(0).integers(0, 1024, (context, 9)).astype(np.int16)
    return GenerationRequest(str(number), np.full(text, 65), prompt, number, frames)


def admit(stepper: CudaStepper, slots: int, context: int, text: int, frames: int) -> list[CudaSlot]:
    """So many slots that have read `context` rows and a text of `text` bytes."""
    active = []
    for number in range(slots):
        slot = stepper.prefill(request(number, text, context, frames))
        stepper.allocate(slot, slots)
        active.append(slot)
    return active


# DAC's decoder by its published sizes: the package that has it needs not be here


class Snake1d(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))


class ResidualUnit(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        wide = nn.Conv1d(channels, channels, 7, padding=3 * dilation, dilation=dilation)
        self.block = nn.Sequential(Snake1d(channels), wide, Snake1d(channels), nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.block(x)
        return x + added


class DacDecoder(nn.Module):
    """As `PlainDecoder` takes it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(1024, width, 7, padding=3)]
        for number, stride in enumerate((8, 8, 4, 2)):
            wide, narrow = width >> number, width >> (number + 1)
            upsampling = nn.ConvTranspose1d(wide, narrow, 2 * stride, stride, padding=stride // 2)
            layers += [Snake1d(wide), upsampling, *(ResidualUnit(narrow, dilation) for dilation in (1, 3, 9))]
        layers += [Snake1d(width >> 4), nn.Conv1d(width >> 4, 1, 7, padding=3), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        sound: Tensor = self.model(x)
        return sound


def dac_decoder(device: Device, dtype: torch.dtype) -> PlainDecoder:
    return PlainDecoder(DacDecoder(device.size(1536)).to(device.torch, dtype).eval())


def window(device: Device, decoder: PlainDecoder, frames: int = WINDOW) -> Callable[[], Tensor]:
    """Decodes so many frames, with those before and after them."""
    latent = device.random(1, 1024, frames + 2 * REACH, dtype=torch.float32)
    return partial(decoder, latent, REACH, REACH + frames)
