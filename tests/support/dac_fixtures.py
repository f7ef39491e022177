"""Codes and sounds for the codec's tests, and the complaints of files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.audio import Pcm
from pipeline.engines.dia.codec.codec import load_codec
from pipeline.errors import EngineError


def codes_of(frames: int, seed: int = 1) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(0, 1024, (frames, 9)).astype(np.int16)


def noise(samples: int) -> Pcm:
    return np.random.default_rng(2).normal(0, 0.1, samples).astype(np.float32)


def problems(path: Path, **options: Any) -> str:
    with pytest.raises(EngineError) as caught:
        load_codec(path, **options)
    assert all(problem.where and problem.what and problem.next for problem in caught.value.problems)
    return str(caught.value)
