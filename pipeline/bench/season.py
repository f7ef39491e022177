"""`podcast bench overnight`: a season of podcasts on worker processes, some of which are killed now and then.

In: how many manifests, how long, and how often a worker dies. Out: hours of audio, speed, how busy the workers were,
and the memory of every process over time. The command is run as a user runs it, and must end with everything done.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pipeline.bench.line import dialogue, machine, write_job
from pipeline.errors import EngineError, Problem
from pipeline.jobs.stages import OnProgress

_SAMPLE_S = 1.0


@dataclass
class _Watched:
    """What was seen of the command while it ran: megabytes of its processes, second by second."""

    main_mb: list[float] = field(default_factory=list)
    worker_mb: list[float] = field(default_factory=list)  # the largest of them
    workers: int = 0
    kills: int = 0


def bench_overnight(
    manifests: int, words: int, kill_every_s: float, device: str | None, on_progress: OnProgress
) -> dict[str, Any]:
    """Render a season on the draft voice and return one JSON object. Raises `EngineError` where it is not all done."""
    with tempfile.TemporaryDirectory(prefix="podcast-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        season = [
            write_job(folder, f"episode{number:02d}", dialogue(words, seed=number), deliver=["podcast", "m4b"])
            for number in range(manifests)
        ]
        devices = ("--device", device) if device else ()
        command = [sys.executable, "-m", "pipeline", "render", *map(str, season), "--json"]
        started = time.perf_counter()
        with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
            process = psutil.Popen([*command, *devices], cwd=folder, stdout=stdout, stderr=stderr)
            seen = _watch(
                process,
                kill_every_s,
                lambda: on_progress("episodes", len(list(folder.glob("output/*/report.json"))), manifests),
            )
        wall_s = time.perf_counter() - started
        reports = json.loads((folder / "stdout").read_text() or "[]")
        reports = reports if isinstance(reports, list) else [reports]
        undone = manifests - sum(report["status"] == "done" for report in reports)
        if process.returncode or undone:
            errors = (folder / "stderr").read_text()[-2000:]
            raise EngineError(Problem("bench", f"{undone} of {manifests} manifests were not done.", errors))
        return {"machine": machine(), "manifests": manifests, "words": words} | _results(reports, seen, wall_s)


def _watch(process: psutil.Popen, kill_every_s: float, on_look: Callable[[], None]) -> _Watched:
    """Sample memory until the command ends, and kill a worker now and then."""
    seen, dice, last_kill = _Watched(), random.Random(0), time.monotonic()  # noqa: S311 - any worker will do
    while process.poll() is None:
        on_look()
        workers = list(_workers(process))
        seen.workers = max(seen.workers, len(workers))
        seen.main_mb.append(_rss_mb([process]))
        seen.worker_mb.append(max((_rss_mb([worker]) for worker in workers), default=0.0))
        if workers and kill_every_s and time.monotonic() - last_kill > kill_every_s:
            dice.choice(workers).kill()
            seen.kills += 1
            last_kill = time.monotonic()
        time.sleep(_SAMPLE_S)
    return seen


def _workers(process: psutil.Popen) -> Iterator[psutil.Process]:
    try:
        for child in process.children(recursive=True):
            if "spawn_main" in " ".join(child.cmdline()):
                yield child
    except psutil.Error:  # it ended meanwhile
        return


def _rss_mb(processes: Sequence[psutil.Process]) -> float:
    try:
        return float(sum(process.memory_info().rss for process in processes) / 1e6)
    except psutil.Error:
        return 0.0


def _results(reports: Sequence[Mapping[str, Any]], seen: _Watched, wall_s: float) -> dict[str, Any]:
    audio_s = sum(report["audio_s"] for report in reports)
    work_s = sum(device["work_s"] for report in reports for device in report["devices"].values())
    spoken_s = sum(device["audio_s"] for report in reports for device in report["devices"].values())
    return {
        "takes": sum(report["takes"]["rendered"] for report in reports),
        "audio_h": round(audio_s / 3600, 2),
        "wall_s": round(wall_s, 1),
        "speed_x": round(audio_s / wall_s, 1),
        "workers": seen.workers,
        "kills": seen.kills,
        "worker_speed_x": round(spoken_s / work_s, 1) if work_s else 0.0,
        "worker_busy": round(work_s / (wall_s * seen.workers), 3) if seen.workers else 0.0,
        "main_mb": _over_time(seen.main_mb),
        "worker_mb": _over_time(seen.worker_mb),
    }


def _over_time(samples: Sequence[float]) -> dict[str, Any]:
    """Medians of ten parts of the time, and the most there ever was."""
    size = max(1, len(samples) // 10)
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    return {"tenths": [round(statistics.median(part)) for part in parts][:10], "most": round(max(samples, default=0.0))}


def table(results: Mapping[str, Any]) -> str:
    """The results as a table for a terminal."""
    machine = results["machine"]
    return "\n".join(
        [
            f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}",
            f"{results['manifests']} manifests of {results['words']:,} words, draft, podcast + m4b, "
            f"{results['workers']} workers, {results['kills']} of them killed",
            f"{results['takes']:,} takes, {results['audio_h']} h of audio in {results['wall_s']:.0f} s: "
            f"{results['speed_x']:.0f}x real time",
            f"workers: {results['worker_speed_x']:.0f}x while they speak, busy {100 * results['worker_busy']:.0f} % "
            "of the time (the rest goes into encoding)",
            f"memory of the command over time: {results['main_mb']['tenths']} MB, at most {results['main_mb']['most']}",
            f"of the largest worker: {results['worker_mb']['tenths']} MB, at most {results['worker_mb']['most']}",
        ]
    )
