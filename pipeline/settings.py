"""Settings of the machine, not of the job: where voices and output live, how many cores may be used.

Read once by the commands and the flow, and passed on; the stages never look at the environment themselves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Problem, RequestError

_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """`PODCAST_OUTPUT` and `PODCAST_VOICES` (folders, separated as in PATH) override the defaults.

    The rest is for the Dia engine: `PODCAST_WEIGHTS` and `PODCAST_CODEC` (a folder or a hub id), `PODCAST_DEVICE`,
    `PODCAST_CODEC_DEVICE` and `PODCAST_SLOTS` (takes generated at once).
    """

    output: Path
    voices: tuple[Path, ...]  # searched in this order; the first voice of a name wins
    jobs: int  # chapters and deliverables worked on at once
    weights: str | None = None
    codec: str | None = None
    device: str | None = None
    codec_device: str | None = None
    slots: int | None = None


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings this process runs under."""
    named = [Path(part) for part in environ.get("PODCAST_VOICES", "").split(os.pathsep) if part]
    return Settings(
        output=Path(environ.get("PODCAST_OUTPUT", "output")),
        voices=(*named, Path("voices"), bundled_voices()),
        jobs=usable_cores(),
        weights=environ.get("PODCAST_WEIGHTS") or None,
        codec=environ.get("PODCAST_CODEC") or None,
        device=environ.get("PODCAST_DEVICE") or None,
        codec_device=environ.get("PODCAST_CODEC_DEVICE") or None,
        slots=_positive(environ.get("PODCAST_SLOTS", "")),
    )


def _positive(number: str) -> int | None:
    """A whole number above 0; None for nothing. Raises `RequestError` for anything else."""
    if number and not (number.isdecimal() and int(number) > 0):
        what = f'"{number}" is no whole number above 0.'
        raise RequestError(Problem("PODCAST_SLOTS", what, "Set it to one, or unset it."))
    return int(number) if number else None


def bundled_voices() -> Path:
    """The voices that ship: beside the package in a checkout, inside it when installed from a wheel."""
    inside = _PACKAGE / "bundled_voices"
    return inside if inside.is_dir() else _PACKAGE.parent / "voices"


def usable_cores() -> int:
    """Cores this process may run on, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
