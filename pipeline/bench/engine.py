"""How fast Dia is on this machine: `podcast bench engine` and `podcast bench codec`.

Everything is measured through what a render goes through, `Runtime` and `Scheduler`; weights are random ones unless
others are named. `speed_x` is seconds of sound in a second of work, over all takes at once. What comes out is one JSON
object, which `table.py` has in words.
"""

from __future__ import annotations

import gc
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.audio import flac
from pipeline.bench.load import measure_loading
from pipeline.bench.random_weights import BenchWeights, Size, random_weights
from pipeline.bench.samples import Measured, hold, in_turn, occupancy, timed
from pipeline.bench.transformers import BATCHES, compare, require_transformers
from pipeline.engines import DEFAULT_SOUND, DiaSound, DraftVoice, Failed, Line, Machine, Request, Voice
from pipeline.engines.dia import devices, kernels
from pipeline.engines.dia.batching.text import tokens
from pipeline.engines.dia.codec.weights import HOP, SAMPLE_RATE_HZ
from pipeline.engines.dia.runtime import Loaded, Runtime
from pipeline.engines.dia.weights.config import DiaConfig, read_config
from pipeline.engines.dia.weights.hub import DEFAULT_CODEC, locate
from pipeline.engines.dia.weights.tensors import expected_shapes
from pipeline.errors import EngineError, Problem
from pipeline.files import atomic_write
from pipeline.jobs.stages import OnProgress
from pipeline.words import size_text

FRAMES_PER_S = SAMPLE_RATE_HZ / HOP
PRECISIONS = ("int8", "bf16", "fp32")
PARTS = ("load", "steps", "render", "occupancy")

_SENTENCE = "The evening was calm, and a light wind moved over the fields while we talked about the day behind us. "
_TEXT_BYTES = 300  # of the text that is read while single steps are measured
_USUAL_BYTES = 180  # of a chunk
_BYTES_PER_S = 15.0  # of speech
_PROMPT_S = 5.0
_BYTES_PER_NUMBER: Mapping[str, float] = {"int8": 1.1, "bf16": 2, "fp32": 4}  # with the scales of int8
_SPARE = 1.25  # of memory, for what a step and the codec need besides


@dataclass(frozen=True)
class Plan:
    """What is measured, and how thoroughly: `samples` of at least `sample_s`, steps at `slots` x `contexts`.

    `chunks` are rendered from end to end, in as many slots as the largest of `slots`, unless `quick`: then a few short
    ones in few slots. `occupancy_chunks` go through the scheduler alone.
    """

    parts: tuple[str, ...] = PARTS
    precisions: tuple[str, ...] = ()
    slots: tuple[int, ...] = (1, 8, 16, 32)
    contexts: tuple[int, ...] = (500, 1000)
    chunks: int = 32
    samples: int = 5
    sample_s: float = 0.5
    occupancy_chunks: int = 500
    guidance_slots: int = 16
    memory_slots: int = 16
    quick: bool = False
    against: bool = False


QUICK = Plan(slots=(1, 16, 32), contexts=(1000,), chunks=8, samples=3, sample_s=0.3, occupancy_chunks=200, quick=True)


@dataclass(frozen=True)
class _Bench:
    """What all measurements share."""

    plan: Plan
    sound: DiaSound
    target: Machine
    config: DiaConfig
    weights: BenchWeights
    on_progress: OnProgress

    def runtime(self, precision: str) -> Runtime:
        sound = replace(self.sound, precision=precision)
        target = replace(self.target, slots=max(self.plan.slots))
        loaded = Loaded(self.config, self.weights.dia, self.weights.codec, precision, target)
        return Runtime(self.config, loaded, sound, target)


def bench_engine(
    target: Machine,
    plan: Plan,
    *,
    sound: DiaSound = DEFAULT_SOUND,
    size: Size = "full",
    folder: Path | None = None,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Measure the engine and return one JSON object.

    Random weights of `size` are made in `folder`, the user's cache unless given, where `target` names no weights.
    Raises `EngineError` for weights, devices and precisions that are not here, for too little memory or disk, and
    where transformers is to be compared with and is missing.
    """
    precisions = plan.precisions or suited(target.device)
    for precision in precisions:
        devices.choose(target.device, precision)
    if plan.against:
        require_transformers()
    weights = _weights(target, size, folder, on_progress)
    plan = replace(plan, precisions=precisions)
    bench = _Bench(plan, sound, target, read_config(weights.dia), weights, on_progress)
    groups = _groups(bench)
    results: dict[str, Any] = {
        "weights": f"random, {size}" if target.weights is None else target.weights,
        "quick": plan.quick,
        "load": {},
        "steps": [],
        "renders": [],
        "occupancy": None,
        "against": None,
    }
    with torch.inference_mode():
        for group in groups if {"steps", "render"} & set(plan.parts) else ():
            runtimes = {precision: bench.runtime(precision) for precision in group}
            if "steps" in plan.parts:
                results["steps"] += _steps(bench, runtimes)
            for precision in group:
                runtime = runtimes.pop(precision)
                if "render" in plan.parts:
                    results["renders"] += _renders(bench, precision, runtime)
                del runtime
                gc.collect()
        if plan.against:
            results["against"] = _against(bench, results["renders"])
    if "load" in plan.parts:  # last: by now every kernel is compiled and all weights are packed
        results["load"] = _loading(bench)
    if "occupancy" in plan.parts:
        on_progress("occupancy", 0, 1)
        lengths = [chunk_s for _text, chunk_s in chunks(plan.occupancy_chunks)]
        results["occupancy"] = occupancy(max(plan.slots), lengths)
        on_progress("occupancy", 1, 1)
    return {"machine": machine(target.kernels)} | results


def suited(device: str | None) -> tuple[str, ...]:
    """The two quickest precisions that `device` computes in. Raises `EngineError` for a device that is not here."""
    devices.choose(device, None)
    fitting = []
    for precision in PRECISIONS:
        try:
            choice = devices.choose(device, precision)
        except EngineError:
            continue
        if not choice.warnings:  # it is no emulation
            fitting.append(precision)
    return tuple(fitting[:2])


def machine(most: str | None) -> dict[str, Any]:
    """What was measured on, and the kernels that it computes with, `most` at best."""
    cpu = next(device for device in devices.devices() if device.kind == "cpu")
    return {
        "cpu": cpu.model,
        "cores": devices.threads(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(cpu.memory_bytes / 1e9, 1),
        "torch": torch.__version__,
        "instructions": sorted(devices.cpu_features()),
        "kernels": kernels.tier(devices.cpu_features(), most) or "torch",
    }


def text(length: int) -> str:
    """English of `length` bytes."""
    return (_SENTENCE * (length // len(_SENTENCE) + 1))[:length]


def chunks(count: int) -> list[tuple[str, float]]:
    """Texts of 80 to 300 bytes, most of them about 190, and the seconds that speech takes for each, the same always."""
    dice = random.Random(0)  # noqa: S311 - only has to be the same every time
    lengths = [min(max(round(dice.gauss(190, 55)), 80), 300) for _ in range(count)]
    return [(text(length), length / _BYTES_PER_S * dice.uniform(0.85, 1.15)) for length in lengths]


def _weights(target: Machine, size: Size, folder: Path | None, on_progress: OnProgress) -> BenchWeights:
    if target.weights is None:
        return random_weights(size, folder, lambda done, total: on_progress("making random weights", done, total))
    dia = locate(target.weights, "dia")
    beside = dia / "dac"
    with_it = target.codec is None and beside.is_dir()
    return BenchWeights(dia, beside if with_it else locate(target.codec or DEFAULT_CODEC, "codec"))


def _loading(bench: _Bench) -> dict[str, Any]:
    plan, loading = bench.plan, {}
    for number, precision in enumerate(plan.precisions):
        bench.on_progress("loading", number, len(plan.precisions))
        target = replace(bench.target, slots=plan.memory_slots)
        loading[precision] = measure_loading(
            precision, target, bench.weights, max(plan.contexts), text(_TEXT_BYTES), first=not plan.quick
        )
    bench.on_progress("loading", 1, 1)
    return loading


def _groups(bench: _Bench) -> list[tuple[str, ...]]:
    """The precisions that fit into memory together, to be measured in turn: all of them or each alone.

    Raises `EngineError` for one that does not even fit alone.
    """
    plan = bench.plan
    needed = {
        f"{precision} with {max(plan.slots)} slots": _bytes(bench.config, precision, plan)
        for precision in plan.precisions
    }
    together = sum(needed.values())
    if plan.against:
        transformers_bytes = _bytes(bench.config, "bf16", replace(plan, slots=(2 * max(BATCHES),)))
        needed[f"{plan.precisions[0]} beside transformers"] = next(iter(needed.values())) + transformers_bytes
    available = devices.memory().available or float("inf")
    problems = [
        Problem(
            "memory",
            f"{what} takes about {size_text(count)}, and {size_text(int(available))} are free.",
            "Ask for fewer --slots or another --precision.",
        )
        for what, count in needed.items()
        if count > available
    ]
    if problems:
        raise EngineError(*problems)
    if together <= available:
        return [plan.precisions]
    return [(precision,) for precision in plan.precisions]


def _bytes(config: DiaConfig, precision: str, plan: Plan) -> int:
    """Memory for the weights and for takes that are as long as the longest context, twice guided, with their texts."""
    decoder = config.decoder
    weights = sum(torch.Size(shape).numel() for shape in expected_shapes(config).values())
    row = 2 * decoder.layers * decoder.kv_heads * decoder.head_dim
    read = 2 * decoder.layers * decoder.cross_kv_heads * decoder.cross_head_dim
    numbers = weights + max(plan.slots) * (2 * row * max(plan.contexts) + read * _TEXT_BYTES)
    return round(_SPARE * _BYTES_PER_NUMBER[precision] * numbers)


def _steps(bench: _Bench, runtimes: Mapping[str, Runtime]) -> list[dict[str, Any]]:
    """Whole steps of the decoder, sampling included, of takes that have read `contexts` rows, and some unguided."""
    plan, most = bench.plan, max(bench.plan.slots)
    calls: dict[tuple[str, int, int, bool], Callable[[], object]] = {}
    for number, (precision, runtime) in enumerate(runtimes.items()):
        bench.on_progress("reading", number, len(runtimes))
        step = hold(runtime.scheduler.stepper, tokens(f"[S1] {text(_TEXT_BYTES)}"), max(plan.contexts), most)
        kinds = [(count, context, True) for count in plan.slots for context in plan.contexts]
        kinds.append((min(plan.guidance_slots, most), max(plan.contexts), True))
        kinds.append((min(plan.guidance_slots, most), max(plan.contexts), False))
        for kind in dict.fromkeys(kinds):
            calls[precision, *kind] = partial(step, *kind)
    bench.on_progress("reading", 1, 1)
    done = 0

    def on_sample() -> None:
        nonlocal done
        done += 1
        bench.on_progress(f"steps in {', '.join(runtimes)}", done, plan.samples * len(calls))

    measured = in_turn(calls, wanted=plan.samples, least_s=plan.sample_s, on_sample=on_sample)
    return [_step_row(*kind, step_time) for kind, step_time in measured.items()]


def _step_row(precision: str, slots: int, context: int, guided: bool, measured: Measured) -> dict[str, Any]:
    return {
        "precision": precision,
        "slots": slots,
        "context": context,
        "guided": guided,
        "step_ms": round(measured.seconds * 1000, 2),
        "steps_per_s": round(1 / measured.seconds, 3),
        "speed_x": round(slots / measured.seconds / FRAMES_PER_S, 4),
    } | measured.as_dict()


def _renders(bench: _Bench, precision: str, runtime: Runtime) -> list[dict[str, Any]]:
    """Chunks from text to sound: one alone, many without a voice prompt, and as many with one."""
    plan = bench.plan
    # All as long: as many as there are slots keep these busy to the end, and minutes are enough instead of an hour. How
    # many slots a job of all lengths keeps busy is measured apart.
    work = [(text(_USUAL_BYTES), _USUAL_BYTES / _BYTES_PER_S)] * plan.chunks
    if plan.quick:
        work = [(text(80), 1.5 + 0.1 * number) for number in range(plan.chunks)]
    one = [(text(100), 1.5 if plan.quick else 8.0)]
    most = min(max(plan.slots), plan.chunks)
    with tempfile.TemporaryDirectory(prefix="podcast-bench-") as name:
        clip = Path(name) / "prompt.flac"
        _write_clip(clip)
        rows = []
        for kind, limit, prompt, wanted in (
            ("alone", 1, None, one),
            ("many", most, None, work),
            ("many, with a prompt", most, clip, work),
        ):
            if prompt is None or not plan.quick:
                stage = f"{precision}, {kind}"
                rows.append(
                    {"precision": precision, "kind": kind} | _render(bench, stage, runtime, limit, prompt, wanted)
                )
    return rows


def _render(
    bench: _Bench, stage: str, runtime: Runtime, limit: int, prompt: Path | None, work: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    voice = Voice(
        "bench", DraftVoice(), prompt=prompt, transcript=text(round(_PROMPT_S * _BYTES_PER_S)) if prompt else ""
    )
    requests = [
        Request(str(number), (Line(voice, text),), "en", number, max_s) for number, (text, max_s) in enumerate(work)
    ]
    scheduler = runtime.scheduler
    scheduler.limit = limit
    steps, slot_steps = scheduler.steps, scheduler.slot_steps
    total_s = sum(max_s for _text, max_s in work)
    audio_s = 0.0
    bench.on_progress(stage, 0, total_s)
    with timed() as timer:
        for result in runtime.render(requests):
            if isinstance(result, Failed):
                raise EngineError(Problem("bench engine", f"a take came to nothing: {result.reason}", result.next))
            audio_s += len(result.pcm) / SAMPLE_RATE_HZ
            bench.on_progress(stage, min(audio_s, total_s), total_s)
    bench.on_progress(stage, total_s, total_s)
    steps, slot_steps = scheduler.steps - steps, scheduler.slot_steps - slot_steps
    others = timer.sample.others
    return {
        "slots": limit,
        "chunks": len(work),
        "prompt_s": _PROMPT_S if prompt else 0.0,
        "audio_s": round(audio_s, 2),
        "wall_s": round(timer.sample.seconds, 2),
        "speed_x": round(audio_s / timer.sample.seconds, 4),
        "occupancy": round(slot_steps / (steps * limit), 3),
        "others": None if others is None else round(others, 3),
        "noisy": not timer.sample.clean,
    }


def _write_clip(path: Path) -> None:
    """A tone that swells and fades like syllables do, in a little noise."""
    time = np.arange(round(_PROMPT_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = np.random.default_rng(0).standard_normal(len(time))
    sound = 0.2 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 2 * time) ** 2 + 0.01 * noise
    atomic_write(path, flac.encode(flac.quantize(sound.astype(np.float32)), SAMPLE_RATE_HZ))


def _against(bench: _Bench, renders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Our first precision beside transformers, in turn, and both from end to end."""
    precision, plan = bench.plan.precisions[0], bench.plan
    runtime = bench.runtime(precision)
    words = tokens(f"[S1] {text(_TEXT_BYTES)}")
    context, most = max(plan.contexts), max(plan.slots)
    step = hold(runtime.scheduler.stepper, words, context, most)
    bench.on_progress("transformers", 0, 1)
    comparison = compare(
        bench.weights,
        words,
        context,
        lambda: step(most, context, True),
        samples=plan.samples,
        sample_s=plan.sample_s,
        codec_s=2.0,
    )
    bench.on_progress("transformers", 1, 1)
    ours = _step_row(precision, most, context, True, comparison.pop("ours"))
    whole = next((row for row in renders if (row["precision"], row["kind"]) == (precision, "many")), None)
    return {
        "ours": ours,
        "transformers": comparison,
        "decoder_ratio": round(ours["speed_x"] / comparison["speed_x"], 2),
        "end_to_end_ratio": whole and round(whole["speed_x"] / comparison["end_to_end_speed_x"], 2),
    }
