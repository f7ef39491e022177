"""Samples of time on a machine that others use too, and what the engine has to sample: decode steps, slots in use.

Every sample says how much of the machine others took. Samples they disturbed are dropped as long as enough others are
left. Alternatives are measured in turn, so that what changes slowly (heat, neighbours) meets them all alike.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.bench.random_weights import config_dict, random_tensors
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import GenerationRequest, Scheduler, Stepper
from pipeline.engines.dia.batching.slots import EagerSlot, EagerStepper
from pipeline.engines.dia.network.attention import KvCache, Lane
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import CONFIG_NAME, parse_config
from pipeline.errors import EngineError, Problem

QUIET = 0.05  # of the cores: what others may use of them during a sample that counts as clean
ENOUGH = 3  # clean samples, without which the others count too
_STAT = Path("/proc/stat")
_OCCUPANCY_FRAMES_PER_S = 6  # instead of 86: only how lengths compare to one another decides how full the slots are

K = TypeVar("K")
Step = Callable[[int, int, bool], None]


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
    cores = _affinity()
    lines = re.findall(r"^cpu(\d+) (.*)$", text, re.MULTILINE)
    # user nice system idle iowait irq softirq steal; what a guest uses counts as user already
    ticks = [[int(number) for number in numbers.split()[:8]] for core, numbers in lines if int(core) in cores]
    if not ticks:
        return None
    return sum(sum(core) - core[3] - core[4] for core in ticks) / os.sysconf("SC_CLK_TCK")


def _affinity() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(_cores()))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# What there is to sample of the engine


def hold(stepper: Stepper[Any], text: NDArray[np.int64], rows: int, count: int) -> Step:
    """`step(slots, length, guided)`: a whole decode step of so many slots, draw included, that brings them to `length`.

    So a step can be measured as often as one likes. There are `count` slots of up to `rows` rows, which mean nothing:
    one is prefilled with `text` `[T]` and random codes, the others are copies with a KV cache of their own. Raises
    `EngineError` for a stepper whose slots are static.
    """
    if not isinstance(stepper, EagerStepper):
        what = "single decode steps are measured on a CPU; CUDA's are graphs of several."
        raise EngineError(Problem("bench engine", what, "Leave them out: --part render --part occupancy"))
    config = stepper.model.config
    codes = np.random.default_rng(0).integers(0, config.eos, (rows - 1, len(config.delays))).astype(np.int16)
    first = stepper.prefill(GenerationRequest("held", text, codes, seed=0, max_frames=1))
    held = [first, *(_twin(first) for _ in range(count - 1))]
    unconditional = [slot.uncond for slot in held]

    def step(count: int, length: int, guided: bool) -> None:
        for slot, uncond in zip(held[:count], unconditional, strict=False):
            slot.row, slot.end, slot.cond.length = length - 1, None, length - 1
            slot.uncond = uncond if guided else None
            if uncond is not None:
                uncond.length = length - 1
        stepper.decode(held[:count])

    return step


def _twin(slot: EagerSlot) -> EagerSlot:
    return replace(slot, cond=_copy(slot.cond), uncond=slot.uncond and _copy(slot.uncond))


def _copy(lane: Lane) -> Lane:
    text = lane.text and replace(lane.text, cache=_clones(lane.text.cache))
    return replace(lane, text=text, cache=_clones(lane.cache))


def _clones(cache: KvCache) -> KvCache:
    return tuple(part.clone() for part in cache)


def occupancy(limit: int, lengths_s: Sequence[float]) -> dict[str, Any]:
    """Takes of `lengths_s` in `limit` slots: the share of the slots that were in use, over all decode steps.

    The scheduler itself, with a network too small to take time. The codebooks are not delayed, because the 15 rows of
    the delay would be too many beside so few frames.
    """
    config = parse_config(config_dict("tiny"), CONFIG_NAME)
    config = replace(config, delays=(0,) * len(config.delays), decoder=replace(config.decoder, layers=1))
    with torch.inference_mode():
        model = Model(config, random_tensors(config))
        scheduler = Scheduler(EagerStepper(model, Sampling(cfg_scale=0.0, temperature=0.0)), limit)
        nothing = np.zeros((0, len(config.delays)), np.int16)
        requests = (
            GenerationRequest(str(number), np.ones(1, np.int64), nothing, number, _frames(length_s))
            for number, length_s in enumerate(lengths_s)
        )
        finished = sum(1 for _generated in scheduler.generate(requests))
    return {
        "chunks": finished,
        "slots": limit,
        "steps": scheduler.steps,
        "occupancy": round(scheduler.slot_steps / (scheduler.steps * limit), 4),
    }


def _frames(length_s: float) -> int:
    return max(round(length_s * _OCCUPANCY_FRAMES_PER_S), 1)
