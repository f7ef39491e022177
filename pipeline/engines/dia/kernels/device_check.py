"""Whether a device computes what the model needs: its kernels in small, compared with the CPU in fp32.

Each kernel draws the same numbers on both sides, rounded to the precision in question, and is judged alone, so that the
first wrong one is named. Nothing here knows weights or which device would be better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

# Largest error, relative to the largest value expected. A CPU in fp32 is within 1e-6 of fp64, and in bf16 within 0.01
# of fp32. A kernel that rounds to bf16 where fp32 was asked for is off by 0.0019 or more.
TOLERANCES: Mapping[torch.dtype, float] = {torch.float32: 1e-3, torch.bfloat16: 0.03}


@dataclass
class Numbers:
    """Seeded numbers, the same for every device: drawn and rounded on the CPU before they travel."""

    device: torch.device
    rounding: torch.dtype  # values are rounded to this
    dtype: torch.dtype  # and computed with in this
    _generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, of `shape`."""
        return torch.randn(shape, generator=self._generator).to(self.rounding).to(self.device, self.dtype)

    def below(self, end: int, *shape: int) -> Tensor:
        """Integers from 0 to `end` - 1, of `shape`."""
        return torch.randint(end, shape, generator=self._generator).to(self.device)


Kernel = Callable[[Numbers], Tensor]


def check_device(
    device: torch.device | str, dtype: torch.dtype, kernels: Mapping[str, Kernel] | None = None
) -> list[str]:
    """What `device` computes wrongly in `dtype` (fp32 or bf16), a line for each kernel; empty if it can be trusted.

    `kernels` are what runs on the device, `KERNELS` unless given; each is compared with the one of its name in
    `KERNELS` on the CPU in fp32. One that raises, as those do that a device lacks, is wrong too.
    """
    wrong = []
    for name, kernel in (KERNELS if kernels is None else kernels).items():
        with torch.inference_mode():
            expected = KERNELS[name](Numbers(torch.device("cpu"), dtype, torch.float32))
            try:
                output = kernel(Numbers(torch.device(device), dtype, dtype)).to("cpu", torch.float32)
            except (RuntimeError, AssertionError, TypeError) as raised:  # what torch raises for a kernel it lacks
                wrong.append(f"{name} raised {type(raised).__name__}: {str(raised).partition('. ')[0]}")
                continue
        error = relative_error(output, expected)
        if error > TOLERANCES[dtype]:
            wrong.append(f"{name} is off by {error:.2g}, where {TOLERANCES[dtype]:g} is allowed")
    return wrong


def relative_error(output: Tensor, expected: Tensor) -> float:
    """The largest difference between two tensors of one shape, relative to the largest value expected.

    Infinite where anything made is NaN or infinite.
    """
    if not output.isfinite().all():
        return math.inf
    return float((output - expected).abs().max() / expected.abs().max())


def _embedding(numbers: Numbers) -> Tensor:
    """The sum over 9 codebooks."""
    table, codes = numbers.normal(9 * 100, 64), numbers.below(100, 40, 9)
    first = torch.arange(9, device=numbers.device) * 100
    return table[codes + first].float().sum(1)


def _rms_norm(numbers: Numbers) -> Tensor:
    x, weight = numbers.normal(6, 2048), numbers.normal(2048)
    return functional.rms_norm(x.float(), (2048,), weight.float(), 1e-5).to(numbers.dtype)


def _linear(numbers: Numbers) -> Tensor:
    return functional.linear(numbers.normal(32, 2048), numbers.normal(256, 2048))


def _rope(numbers: Numbers) -> Tensor:
    """Half-split: element i turns with element i + 64, here at the last positions of a take."""
    low, high = numbers.normal(50, 4, 128).float().chunk(2, dim=-1)
    angle = torch.arange(3022, 3072)[:, None, None] / 10_000 ** (torch.arange(64) / 64)
    cos, sin = angle.cos().to(numbers.device), angle.sin().to(numbers.device)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1).to(numbers.dtype)


def _attention(numbers: Numbers) -> Tensor:
    """One row over the part of a cache that is filled; four heads share keys and values."""
    query = numbers.normal(1, 4, 4, 128) / 2  # scores with a standard deviation of 3: undivided ones are sharp
    keys, values = (numbers.normal(4, 100, 128)[:, :70] for _ in range(2))
    return functional.scaled_dot_product_attention(query, keys[None] / 2, values[None], scale=1.0)


def _causal_attention(numbers: Numbers) -> Tensor:
    query = numbers.normal(50, 16, 128).transpose(0, 1) / 2
    keys, values = (numbers.normal(4, 50, 128).repeat_interleave(4, dim=0) for _ in range(2))
    return functional.scaled_dot_product_attention(
        query[None], keys[None] / 2, values[None], is_causal=True, scale=1.0
    ).transpose(1, 2)


def _silu_gate(numbers: Numbers) -> Tensor:
    gate, up = numbers.normal(6, 4096).chunk(2, dim=-1)
    return (functional.silu(gate.float()) * up.float()).to(numbers.dtype)


def _sampling(numbers: Numbers) -> Tensor:
    """In fp32 whatever the precision; ids are compared through their logits, because equal logits have no order."""
    logits = 3 * numbers.normal(18, 1028).float()
    logits[:, 1025:] = -math.inf
    values, ids = logits.topk(45, dim=-1)
    reached = (values / 1.2).softmax(-1).cumsum(-1)
    return torch.cat([reached, logits.gather(-1, ids) / logits.amax()], dim=-1)


def _codec(numbers: Numbers) -> Tensor:
    """Snake, a dilated convolution, an upsampling one; more samples than 65,536, which some versions of MPS refuse."""
    x, alpha = numbers.normal(1, 16, 9000) / 2, numbers.normal(1, 16, 1).abs() / 2 + 0.5
    dilated, upsampling, last = numbers.normal(16, 16, 7), numbers.normal(16, 4, 16), numbers.normal(1, 4, 7)
    x = x + functional.conv1d(_snake(x, alpha), dilated / 16, padding=27, dilation=9)
    x = functional.conv_transpose1d(_snake(x, alpha), upsampling / 8, stride=8, padding=4)
    return functional.conv1d(x, last / 8, padding=3).tanh()


def _snake(x: Tensor, alpha: Tensor) -> Tensor:
    return x + (alpha * x).sin().square() / (alpha + 1e-9)


KERNELS: Mapping[str, Kernel] = {
    "embedding": _embedding,
    "RMSNorm": _rms_norm,
    "linear": _linear,
    "RoPE": _rope,
    "attention": _attention,
    "causal attention": _causal_attention,
    "SiLU gate": _silu_gate,
    "sampling": _sampling,
    "codec": _codec,
}
