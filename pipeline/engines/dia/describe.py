"""What the engine would run on, for people: devices, precision, threads, kernels and slots."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.engines import Machine
from pipeline.engines.dia import kernels
from pipeline.engines.dia.batching.scheduler import MOST_SLOTS
from pipeline.engines.dia.devices import choose, cpu_features, devices, memory, threads
from pipeline.engines.dia.loader import attention
from pipeline.engines.dia.network.attention import KvSizes, PlainAttention
from pipeline.engines.dia.runtime import SHARE_OF_MEMORY, set_threads
from pipeline.engines.dia.weights.config import read_config
from pipeline.words import size_text

_TEXT, _ROWS = 300, 2000  # bytes and rows of a long take, 20 s


def describe(machine: Machine, weights: Path | None) -> list[tuple[str, str]]:
    """Names and lines: each device, the CPU, what the model would run on, and how many takes at once.

    `weights` is None where there are none, which leaves the takes out. Raises `EngineError` as `choose` does.
    """
    present, usable = devices(), memory()
    choice = choose(machine.device, None, present)
    tier = kernels.tier(cpu_features(), machine.kernels)
    return [
        *(
            (f"device {one.name}", f"{one.model}, {size_text(one.memory_bytes)}, {', '.join(one.precisions)}")
            for one in present
        ),
        ("threads", f"{set_threads()} of {threads()} physical cores; OMP_NUM_THREADS sets them"),
        ("memory", f"{size_text(usable.available)} of {size_text(usable.total)} available"),
        ("instruction sets", " ".join(sorted(cpu_features())) or "none known"),
        ("kernels", f"{tier or 'none of our own, torch alone'}; PODCAST_KERNELS holds them to less"),
        ("dia runs on", " ".join([f"{choice.device} in {choice.precision}: {choice.why}.", *choice.warnings])),
        *([] if weights is None else _slots(weights, machine.slots, tier)),
    ]


def _slots(weights: Path, limit: int | None, tier: str | None) -> list[tuple[str, str]]:
    """How many takes at once, in each precision of the CPU: `limit`, or what half of the memory holds."""
    config = read_config(weights)
    room = memory().available * SHARE_OF_MEMORY
    lines = []
    for precision in ("int8", "bf16"):
        kind = attention(config, precision, tier) or PlainAttention(config, torch.bfloat16, torch.device("cpu"))
        bytes_each = KvSizes.of(kind).total(_TEXT, _ROWS, 2)
        count = limit or max(1, min(MOST_SLOTS, int(room / bytes_each)))
        line = f"{count} takes of 20 s at once, {bytes_each / 1e6:.0f} MB each; PODCAST_SLOTS sets them"
        lines.append((f"slots in {precision}", line))
    return lines
