"""Sound: files in and out, levels, assembly.

A chapter mark stands here because the tag writers need it too, and they shall not need FFmpeg.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChapterMark:
    """A named stretch of one file, in seconds from the file's first sample."""

    title: str
    start_s: float
    end_s: float
