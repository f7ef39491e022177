"""Sound: files in and out, levels, small cuts. Here are the types that other packages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.float32]  # mono, full scale 1.0
Format = Literal["mp3", "m4b", "wav", "flac"]


@dataclass(frozen=True)
class ChapterMark:
    """A named stretch of one file, in seconds from the file's first sample."""

    title: str
    start_s: float
    end_s: float
