"""Sounds written to files and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.audio import ChapterMark, Format
from pipeline.audio.codecs import BLOCK, decode, open_writer

Pcm = npt.NDArray[np.float32]


def impulse(samples: int, place: int) -> Pcm:
    """Very soft noise [T] with one loud sample."""
    pcm = (np.random.default_rng(7).standard_normal(samples) * 1e-3).astype(np.float32)
    pcm[place] = 0.9
    return pcm


def save(
    path: Path,
    format: Format,
    pcm: Pcm,
    *,
    rate: int = 44100,
    kbps: int = 96,
    chapters: int = 0,
    step: int = 10007,
) -> Path:
    marks = [ChapterMark(f"Kapitel {n} é", n * 0.25, n * 0.25 + 0.25) for n in range(chapters)]
    with open_writer(path, format, rate, kbps, chapters=marks, frames=pcm.size) as writer:
        for start in range(0, pcm.size, step):
            writer.write(pcm[start : start + step])
    return path


def load(path: Path) -> Pcm:
    blocks = list(decode(path))
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    assert all(block.size == BLOCK for block in blocks[:-1])
    return np.concatenate(blocks)
