"""How fast Kokoro is here: `podcast bench kokoro`.

In: shapes, each so many worker processes of so many threads. Out: seconds of sound per second for each, measured in
turn, and whether the sound is the same. Knows no jobs: joining, mastering and encoding are not in it.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any

from pipeline.bench.line import machine, sentences
from pipeline.engines import DraftVoice, Failed, Line, Machine, Request, Voice, open_engine
from pipeline.engines.kokoro.engine import KokoroEngine
from pipeline.engines.kokoro.weights import locate_kokoro
from pipeline.errors import EngineError, Problem
from pipeline.jobs.stages import OnProgress
from pipeline.settings import usable_cores
from pipeline.words import table as columns

_WARM_UP = "Yes."
_LOAD_S = 300.0  # for all workers to load

# Columns of the table, by what the report calls them.
_SPEEDS = {
    "speed_x": "speed_x",
    "speed_x_per_worker": "per worker",
    "speed_x_per_thread": "per thread",
    "speed_x_per_cpu_s": "per second of CPU",
}


@dataclass(frozen=True)
class Shape:
    """So many worker processes, each with a session of so many threads."""

    workers: int
    threads: int

    def __str__(self) -> str:
        return f"{self.workers}x{self.threads}"


@dataclass(frozen=True)
class _Spoken:
    """What a worker says of one chunk. `cpu_s` is of all threads of its process."""

    audio_s: float
    cpu_s: float
    digest: str


@dataclass(frozen=True)
class _Pass:
    """All chunks once, by the workers of one shape."""

    wall_s: float
    cpu_s: float
    audio_s: float
    digest: str


def usual_shapes(cores: int) -> tuple[Shape, ...]:
    """One worker alone, one for each core (as renders have them), and the cores shared out in two other ways."""
    shapes = (Shape(1, 1), Shape(cores, 1), Shape(max(cores // 2, 1), 2), Shape(1, cores))
    return tuple(dict.fromkeys(shapes))


def bench_kokoro(
    weights: str | None, shapes: Sequence[Shape], *, chunks: int, words: int, runs: int, on_progress: OnProgress
) -> dict[str, Any]:
    """Render `chunks` of so many `words` in each of `shapes` (none: the usual ones), and return one JSON object.

    `weights` as in `Machine.kokoro`. Speeds are seconds of sound per second, of the median run. Raises `EngineError`
    where weights or the extra are missing, and where a worker fails.
    """
    open_engine("kokoro", machine=Machine(kokoro=weights))  # what is missing is told before anything starts
    shapes = tuple(shapes) or usual_shapes(usable_cores())
    dice = random.Random(0)  # noqa: S311 - only has to be the same every time
    texts = [" ".join(sentences(dice, words)) for _ in range(chunks)]
    taken: dict[Shape, list[_Pass]] = {shape: [] for shape in shapes}
    for turn in range(runs):
        for place, shape in enumerate(shapes):
            on_progress("runs", turn * len(shapes) + place, runs * len(shapes))
            taken[shape].append(_run(weights, shape, texts))
    on_progress("runs", runs * len(shapes), runs * len(shapes))
    digest = taken[shapes[0]][0].digest
    rows = [_row(shape, taken_runs, digest) for shape, taken_runs in taken.items()]
    return {"machine": machine(), "chunks": chunks, "runs": runs, "shapes": rows}


def _row(shape: Shape, runs: Sequence[_Pass], digest: str) -> dict[str, Any]:
    wall_s = statistics.median(run.wall_s for run in runs)
    cpu_s = statistics.median(run.cpu_s for run in runs)
    audio_s = runs[0].audio_s
    return asdict(shape) | {
        "audio_s": round(audio_s, 2),
        "wall_s": round(wall_s, 2),
        "speed_x": round(audio_s / wall_s, 3),
        "speed_x_per_worker": round(audio_s / wall_s / shape.workers, 3),
        "speed_x_per_thread": round(audio_s / wall_s / (shape.workers * shape.threads), 3),
        "speed_x_per_cpu_s": round(audio_s / cpu_s, 3),
        "same_sound": all(run.digest == digest for run in runs),
    }


def table(results: Mapping[str, Any]) -> str:
    """The results for a terminal; the fastest shape is named below."""
    host = results["machine"]
    rows = [
        (
            str(Shape(row["workers"], row["threads"])),
            f"{row['wall_s']:.1f} s",
            *(f"{row[name]:.2f}" for name in _SPEEDS),
            "" if row["same_sound"] else "other sound than the first",
        )
        for row in results["shapes"]
    ]
    best = max(results["shapes"], key=lambda row: float(row["speed_x"]))
    sound = f"{results['chunks']} chunks, {results['shapes'][0]['audio_s']:.0f} s of sound"
    return "\n".join(
        [
            f"{host['cores']} cores, {host['cpu']}, Python {host['python']}; {sound}, {results['runs']} runs",
            columns([("workers x threads", "work", *_SPEEDS.values(), ""), *rows]),
            f"fastest: {Shape(best['workers'], best['threads'])}; "
            "where others use the machine too, compare by the second of CPU",
        ]
    )


def _run(weights: str | None, shape: Shape, texts: Sequence[str]) -> _Pass:
    """Load the workers, and take the time of what they do once all of them have spoken."""
    context = get_context("spawn")
    barrier = context.Barrier(shape.workers)
    with ProcessPoolExecutor(shape.workers, context, _load, (weights, shape.threads, barrier)) as pool:
        for warm in [pool.submit(_warm_up) for _ in range(shape.workers)]:
            warm.result()
        started = time.perf_counter()
        spoken = list(pool.map(_speak, texts))
        wall_s = time.perf_counter() - started
    digest = hashlib.sha256("".join(one.digest for one in spoken).encode()).hexdigest()
    return _Pass(wall_s, sum(one.cpu_s for one in spoken), sum(one.audio_s for one in spoken), digest)


# What runs in a worker process: its engine, and what it waits at until all are loaded.
_engine: KokoroEngine | None = None
_barrier: Barrier | None = None


def _load(weights: str | None, threads: int, barrier: Barrier) -> None:
    global _engine, _barrier
    _engine, _barrier = KokoroEngine(locate_kokoro(weights), threads), barrier


def _warm_up() -> None:
    """Load the network, and wait for the others: so each worker gets one of these."""
    assert _barrier is not None
    _barrier.wait(_LOAD_S)
    _speak(_WARM_UP)
    _barrier.wait(_LOAD_S)


def _speak(text: str) -> _Spoken:
    assert _engine is not None
    before_s = time.process_time()
    (result,) = _engine.render([Request("bench", (Line(Voice("bench", DraftVoice()), text),), "en", 0)])
    if isinstance(result, Failed):
        raise EngineError(Problem("bench kokoro", result.reason, result.next))
    cpu_s = time.process_time() - before_s
    digest = hashlib.sha256(result.pcm.tobytes()).hexdigest()
    return _Spoken(len(result.pcm) / _engine.sample_rate_hz, cpu_s, digest)
