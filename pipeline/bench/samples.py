"""Times measured on a machine that others use too: every sample says how much of it they took.

Samples they disturbed are dropped as long as enough others are left. Alternatives are measured in turn, so that what
changes slowly (heat, neighbours) meets them all alike. Knows nothing of what is measured.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

QUIET = 0.05  # of the cores: what others may use of them during a sample that counts as clean
ENOUGH = 3  # clean samples, without which the others count too
_STAT = Path("/proc/stat")

K = TypeVar("K")


@dataclass(frozen=True)
class Sample:
    """`seconds` of one measurement, and the share of this process's cores that others used; None: nothing tells."""

    seconds: float
    others: float | None

    @property
    def clean(self) -> bool:
        """Whether others left the cores alone, as far as can be known."""
        return self.others is None or self.others <= QUIET


@dataclass(frozen=True)
class Measured:
    """The median of those samples that count. `noisy`: too few were clean, so that all of them do."""

    seconds: float
    samples: int
    dropped: int
    noisy: bool

    def as_dict(self) -> dict[str, Any]:
        """What a report says of the samples."""
        return {"samples": self.samples, "dropped": self.dropped, "noisy": self.noisy}


def select(samples: Sequence[Sample]) -> Measured:
    """Drop the samples that others disturbed, unless fewer than `ENOUGH` were left. Raises `ValueError` for none."""
    if not samples:
        raise ValueError("there is no sample")
    clean = [sample for sample in samples if sample.clean]
    noisy = len(clean) < min(ENOUGH, len(samples))
    kept = samples if noisy else clean
    median = statistics.median(sample.seconds for sample in kept)
    return Measured(median, len(kept), len(samples) - len(kept), noisy)


@dataclass
class Timer:
    """What `timed` found, once its block has ended."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def sample(self) -> Sample:
        """The block's time as one sample."""
        return self.samples[-1]


@contextmanager
def timed() -> Iterator[Timer]:
    """Take the time of a block of code, and what others did meanwhile."""
    timer = Timer()
    busy, own, start = _busy_s(), time.process_time(), time.perf_counter()
    yield timer
    wall_s = time.perf_counter() - start
    own_s, busy_after = time.process_time() - own, _busy_s()
    others = None
    if busy is not None and busy_after is not None:
        others = max(busy_after - busy - own_s, 0.0) / (wall_s * _cores())
    timer.samples.append(Sample(wall_s, others))


def in_turn(
    alternatives: Mapping[K, Callable[[], object]],
    *,
    wanted: int,
    least_s: float,
    on_sample: Callable[[], None] = lambda: None,
) -> dict[K, Measured]:
    """Measure one call of each alternative until it has `wanted` clean samples, or twice as many in all.

    A sample repeats the call until `least_s` have passed: clocks of processes are too coarse for less. The first call
    of each warms caches and does not count. `on_sample` is called after each of the first `wanted` rounds' samples.
    """
    samples: dict[K, list[Sample]] = {name: [] for name in alternatives}
    for call in alternatives.values():
        call()
    for turn in range(2 * wanted):
        for name, call in alternatives.items():
            if sum(sample.clean for sample in samples[name]) < wanted:
                samples[name].append(_sample(call, least_s))
            if turn < wanted:
                on_sample()
    return {name: select(taken) for name, taken in samples.items()}


def _sample(call: Callable[[], object], least_s: float) -> Sample:
    calls = 0
    with timed() as timer:
        until = time.perf_counter() + least_s
        while not calls or time.perf_counter() < until:
            call()
            calls += 1
    return Sample(timer.sample.seconds / calls, timer.sample.others)


def _busy_s() -> float | None:
    """Seconds for which this process's cores did not idle, for whomever; None where nothing tells."""
    try:
        text = _STAT.read_text(encoding="ascii")
    except OSError:
        return None
    mine = _affinity()
    lines = re.findall(r"^cpu(\d+) (.*)$", text, re.MULTILINE)
    # user nice system idle iowait irq softirq steal; what a guest uses counts as user already
    ticks = [[int(number) for number in numbers.split()[:8]] for core, numbers in lines if int(core) in mine]
    if not ticks:
        return None
    return sum(sum(core) - core[3] - core[4] for core in ticks) / os.sysconf("SC_CLK_TCK")


def _affinity() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(_cores()))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
