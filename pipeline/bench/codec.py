"""How fast the codec is on this machine's CPU: `podcast bench codec`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.bench.engine import FRAMES_PER_S, machine
from pipeline.bench.random_weights import Size, random_weights
from pipeline.bench.samples import in_turn
from pipeline.engines.dia import devices
from pipeline.engines.dia.codec.codec import HOP, SAMPLE_RATE_HZ, load_codec
from pipeline.engines.dia.codec.weights import CODEBOOK_SIZE, CODEBOOKS
from pipeline.engines.dia.weights.hub import locate


def bench_codec(
    path: str | None,
    *,
    size: Size = "full",
    folder: Path | None = None,
    seconds: float,
    samples: int,
    sample_s: float,
    kernels: str | None = None,
) -> dict[str, Any]:
    """Measure the codec at `path`, or one of random weights: decoding in bf16 and fp32, and encoding.

    `seconds` of sound are decoded and encoded in each call, for samples of at least `sample_s`. `kernels` as in
    `Machine`. Raises `EngineError` where the codec cannot be loaded.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(devices.threads())
    file = locate(path, "codec") if path else random_weights(size, folder).codec
    numbers = np.random.default_rng(0)
    codes = numbers.integers(0, CODEBOOK_SIZE, (max(round(seconds * FRAMES_PER_S), 1), CODEBOOKS))
    sound = (0.1 * numbers.standard_normal(len(codes) * HOP)).astype(np.float32)
    loaded = {
        name: load_codec(file, dtype=dtype) for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))
    }
    calls: dict[str, Callable[[], object]] = {
        f"decode {name}": partial(codec.decode, codes) for name, codec in loaded.items()
    }
    calls["encode"] = partial(loaded["fp32"].encode, sound)
    measured = in_turn(calls, wanted=samples, least_s=sample_s)
    length_s = len(sound) / SAMPLE_RATE_HZ
    rows = [
        {"what": name, "speed_x": round(length_s / time.seconds, 3)} | time.as_dict() for name, time in measured.items()
    ]
    return {"machine": machine(kernels), "seconds": round(length_s, 2), "codec": rows}
