"""The delay pattern: frame `f` of codebook `c` stands in row `1 + f + delays[c]` of what the decoder reads and writes.

Row 0, and every row up to its delay, holds BOS in a codebook.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int16]  # `[T, C]`, one row for each frame
Grid = NDArray[np.int64]  # `[rows, C]`, delayed

FREE = -1  # a cell of the grid that is still to be sampled


def delayed(prompt: Codes, delays: Sequence[int], bos: int, rows: int) -> Grid:
    """A grid of `rows` with all that is given: BOS, then the prompt's codes `[P, C]`; the rest is `FREE`."""
    grid = np.full((rows, len(delays)), FREE, np.int64)
    for codebook, delay in enumerate(delays):
        grid[: delay + 1, codebook] = bos
        column = grid[delay + 1 :, codebook]
        given = min(len(prompt), len(column))
        column[:given] = prompt[:given, codebook]
    return grid


def undelayed(grid: Grid, delays: Sequence[int], first: int, frames: int) -> Codes:
    """`frames` frames of the grid from frame `first` on (the prompt's are the first). The inverse of `delayed`."""
    columns = [grid[1 + first + delay : 1 + first + delay + frames, codebook] for codebook, delay in enumerate(delays)]
    return np.stack(columns, axis=1).astype(np.int16)
