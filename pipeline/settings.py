"""Settings of the machine, not of the job: where voices and output live, how many cores may be used.

Read once by the commands and the flow, and passed on; the stages never look at the environment themselves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Problem, RequestError

_PACKAGE = Path(__file__).parent
KERNELS = ("amx", "vnni", "plain", "torch")  # of the Dia engine on a CPU, quickest first


@dataclass(frozen=True)
class Settings:
    """`PODCAST_OUTPUT` and `PODCAST_VOICES` (folders, separated as in PATH) override the defaults.

    `PODCAST_TAKES` is the URL of a store of takes that several machines share, `PODCAST_CLUSTER` the address of a Dask
    scheduler, `PODCAST_WINDOW` the hours in which new chunks may be started, such as 23:00-06:30.

    The rest is for the Dia engine: `PODCAST_WEIGHTS` and `PODCAST_CODEC` (a folder or a hub id), `PODCAST_DEVICE`,
    `PODCAST_CODEC_DEVICE`, `PODCAST_SLOTS` (takes generated at once) and `PODCAST_KERNELS` (the most that the CPU's
    kernels may use).
    """

    output: Path
    voices: tuple[Path, ...]  # searched in this order; the first voice of a name wins
    jobs: int  # chapters and deliverables worked on at once
    weights: str | None = None
    codec: str | None = None
    device: str | None = None
    codec_device: str | None = None
    slots: int | None = None
    kernels: str | None = None
    takes: str | None = None
    cluster: str | None = None
    window: str | None = None

    def environment(self) -> dict[str, str]:
        """What makes a process of this machine load the same settings, but for the number of jobs."""
        values = {
            "PODCAST_OUTPUT": str(self.output.absolute()),
            "PODCAST_VOICES": os.pathsep.join(str(folder.absolute()) for folder in self.voices),
            "PODCAST_WEIGHTS": self.weights,
            "PODCAST_CODEC": self.codec,
            "PODCAST_CODEC_DEVICE": self.codec_device,
            "PODCAST_SLOTS": None if self.slots is None else str(self.slots),
            "PODCAST_KERNELS": self.kernels,
            "PODCAST_TAKES": self.takes,
            "PODCAST_CLUSTER": self.cluster,
            "PODCAST_WINDOW": self.window,
        }
        return {name: value for name, value in values.items() if value is not None}


def load_settings() -> Settings:
    """The settings this process runs under."""
    environ = os.environ
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
        kernels=_one_of(KERNELS, "PODCAST_KERNELS", environ.get("PODCAST_KERNELS", "")),
        takes=environ.get("PODCAST_TAKES") or None,
        cluster=environ.get("PODCAST_CLUSTER") or None,
        window=environ.get("PODCAST_WINDOW") or None,
    )


def _positive(number: str) -> int | None:
    """A whole number above 0; None for nothing. Raises `RequestError` for anything else."""
    if number and not (number.isdecimal() and int(number) > 0):
        what = f'"{number}" is no whole number above 0.'
        raise RequestError(Problem("PODCAST_SLOTS", what, "Set it to one, or unset it."))
    return int(number) if number else None


def _one_of(known: Sequence[str], name: str, value: str) -> str | None:
    """One of `known`; None for nothing. Raises `RequestError` for anything else."""
    if value and value not in known:
        raise RequestError(Problem(name, f'"{value}" is unknown.', f"Set it to one of: {', '.join(known)}."))
    return value or None


def bundled_voices() -> Path:
    """The voices that ship: beside the package in a checkout, inside it when installed from a wheel."""
    inside = _PACKAGE / "bundled_voices"
    return inside if inside.is_dir() else _PACKAGE.parent / "voices"


def usable_cores() -> int:
    """Cores this process may run on, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
