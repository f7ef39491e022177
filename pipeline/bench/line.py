"""Benchmarks: the whole line as a user runs it, each step a process of its own.

Machines are shared and noisy, so everything is run several times and the median is reported.
"""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import EngineError, Problem
from pipeline.jobs.disk import estimate
from pipeline.jobs.job import open_job
from pipeline.jobs.stages import OnProgress
from pipeline.settings import load_settings, usable_cores
from pipeline.words import speed_text

_WORDS = (
    "the of and a to in was he that it his her you as had with for she not at but be on they have him which said so "
    "from this all were there been would their no one what out about time could little into very then up down light "
    "house river morning evening people never under garden letter window silence harbour captain question answer"
).split()
_TURN_WORDS = 77  # a podcast turn: 10,000 words in 130 turns
_CHAPTERS_OF_BOOK = 40
_PLAN_CHUNKS, _PLAN_CHAPTERS = 100_000, 800
_WORDS_PER_CHUNK = 39  # of this text, at about 190 bytes a chunk


@dataclass(frozen=True)
class CommandRun:
    """A command that has ended: its time, the memory it took, what it printed."""

    wall_s: float
    peak_mb: float
    stdout: str


_Arguments = tuple[str | Path, ...]
_Run = Callable[..., list[CommandRun]]  # of a stage's name and the commands it consists of


def bench_pipeline(words: int, runs: int, on_progress: OnProgress) -> dict[str, Any]:
    """Measure the line on this machine and return one JSON object."""
    with tempfile.TemporaryDirectory(prefix="podcast-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)

        def run(stage: str, *commands: _Arguments) -> list[CommandRun]:
            ended = []
            for number, arguments in enumerate(commands):
                on_progress(stage, number, len(commands))
                ended.append(run_command(folder, *arguments))
            on_progress(stage, len(commands), len(commands))
            return ended

        return {
            "machine": machine(),
            "runs": runs,
            "help_s": round(statistics.median(each.wall_s for each in run("help", *[("--help",)] * max(runs, 5))), 3),
            "episode": _episode(folder, words, run, runs),
            "book": _book(folder, run, runs),
            "chapter_2h": _long_chapter(folder, run),
            "plan": _plan(folder, run, runs),
        }


def _episode(folder: Path, words: int, run: _Run, runs: int) -> dict[str, Any]:
    """Draft voice, podcast and m4b, from nothing."""
    manifest = write_job(folder, "episode", dialogue(words), deliver=["podcast", "m4b"])
    command = ("render", manifest, "--engine", "draft", "--json", "--out")
    measured = run("episode", *[(*command, folder / f"run{number}") for number in range(runs)])
    report = json.loads(measured[0].stdout)
    wall_s = statistics.median(each.wall_s for each in measured)
    return {
        "words": words,
        "takes": report["takes"]["total"],
        "audio_s": report["audio_s"],
        "wall_s": round(wall_s, 2),
        "speed_x": round(report["audio_s"] / wall_s, 1),
        "peak_mb": round(max(each.peak_mb for each in measured)),
        "all_limits_met": all(all(item["limits"].values()) for item in report["deliverables"]),
    }


def _book(folder: Path, run: _Run, runs: int) -> dict[str, Any]:
    """A book of 3,000 takes and more than ten hours on the tone engine, and the same command again."""
    text = "\n\n".join(
        f"# Chapter {number}\n\n{dialogue(3_000, seed=number)}" for number in range(1, _CHAPTERS_OF_BOOK + 1)
    )
    manifest = write_job(folder, "book", text, kind="audiobook", deliver=["acx", "m4b"])
    arguments = ("render", manifest, "--engine", "tone", "--out", folder / "book", "--json")
    (first,) = run("book", arguments)
    again = run("book again", *[arguments] * runs)
    report = json.loads(first.stdout)
    return {
        "takes": report["takes"]["total"],
        "chapters": len(report["chapters"]),
        "audio_s": report["audio_s"],
        "wall_s": round(first.wall_s, 1),
        "peak_mb": round(first.peak_mb),
        "again_s": round(statistics.median(each.wall_s for each in again), 2),
    }


def _long_chapter(folder: Path, run: _Run) -> dict[str, Any]:
    """One chapter of two hours."""
    manifest = write_job(folder, "long", dialogue(24_000), deliver=["podcast"])
    (ended,) = run("chapter", ("render", manifest, "--engine", "tone", "--out", folder / "long", "--json"))
    audio_s = json.loads(ended.stdout)["audio_s"]
    return {"audio_s": audio_s, "wall_s": round(ended.wall_s, 1), "peak_mb": round(ended.peak_mb)}


def _plan(folder: Path, run: _Run, runs: int) -> dict[str, Any]:
    """A plan of a hundred thousand chunks, and the estimate of the disk space that a render of it would begin with."""
    text = "\n\n".join(
        f"# Chapter {number}\n\n{dialogue(_PLAN_CHUNKS * _WORDS_PER_CHUNK // _PLAN_CHAPTERS, seed=number)}"
        for number in range(_PLAN_CHAPTERS)
    )
    manifest = write_job(folder, "plan", text)
    measured = run("plan", *[("plan", manifest, "--json")] * runs)
    job = open_job(manifest, load_settings(output=folder))
    started = time.perf_counter()
    estimate(job)
    estimate_s = time.perf_counter() - started
    return {
        "chunks": json.loads(measured[0].stdout)["takes"]["total"],
        "chapters": _PLAN_CHAPTERS,
        "wall_s": round(statistics.median(each.wall_s for each in measured), 2),
        "peak_mb": round(max(each.peak_mb for each in measured)),
        "disk_estimate_s": round(estimate_s, 3),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    from pipeline.engines.dia.devices import cpu_model  # noqa: PLC0415 - torch takes a second to load

    return {"cores": usable_cores(), "cpu": cpu_model(), "python": platform.python_version()}


def dialogue(words: int, seed: int = 0) -> str:
    """Turns of three speakers, about as long as in real transcripts."""
    dice = random.Random(seed)  # noqa: S311 - only has to be the same every time
    turns: list[str] = []
    while words > 0:
        length = min(max(3, round(dice.expovariate(1 / _TURN_WORDS))), words)
        words -= length
        speaker = ("Ann", "Bob", "Cleo")[len(turns) % 3]
        turns.append(f"**{speaker}:** {' '.join(sentences(dice, length))}")
    return "\n\n".join(turns)


def sentences(dice: random.Random, words: int) -> Iterator[str]:
    """Sentences of 4 to 22 of the commonest words, `words` in all."""
    while words > 0:
        length = min(dice.randint(4, 22), words)
        words -= length
        words_of_sentence = [dice.choice(_WORDS) for _ in range(length)]
        if length > 12:
            words_of_sentence[length // 2] += ","
        yield " ".join(words_of_sentence).capitalize() + "."


def write_job(folder: Path, name: str, script: str, **keys: Any) -> Path:
    """A manifest and its script in `folder`."""
    (folder / f"{name}.md").write_text(script)
    manifest = folder / f"{name}.yaml"
    manifest.write_text(json.dumps({"title": name, "script": f"{name}.md", "author": "Bench"} | keys))  # JSON is YAML
    return manifest


def run_command(folder: Path, *arguments: str | Path) -> CommandRun:
    """Run a `podcast` command in a process of its own. Raises `EngineError` where it fails."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    with (folder / "stdout").open("w+") as stdout, (folder / "stderr").open("w+") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=stdout, stderr=stderr)
        try:
            _pid, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C, which a terminal sends to both, and others do not
            process.kill()
            raise
        wall_s = time.perf_counter() - started
        if code := os.waitstatus_to_exitcode(status):
            stderr.seek(0)
            problem = Problem("bench", f"podcast {arguments[0]} ended with {code}.", stderr.read()[-2000:])
            raise EngineError(problem)
        stdout.seek(0)
        kilobyte = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
        return CommandRun(wall_s, usage.ru_maxrss * kilobyte / 1e6, stdout.read())


def table(results: dict[str, Any]) -> str:
    """The results as a table for a terminal, each with its goal."""
    episode, book, long, plan = (results[name] for name in ("episode", "book", "chapter_2h", "plan"))
    rows = [
        ("podcast --help", f"{results['help_s']:.2f} s", "0.3 s"),
        (
            f"episode of {episode['words']:,} words, draft, podcast + m4b",
            f"{speed_text(episode['speed_x'])}x real time "
            f"({episode['audio_s'] / 60:.0f} min in {episode['wall_s']:.0f} s, "
            f"{episode['peak_mb']} MB)",
            "100x on 2 cores",
        ),
        (
            f"book of {book['takes']:,} takes, {book['audio_s'] / 3600:.1f} h, tone, acx + m4b",
            f"{book['wall_s']:.0f} s, {book['peak_mb']} MB",
            "1500 MB",
        ),
        ("the finished book again", f"{book['again_s']:.1f} s", "5 s"),
        (f"one chapter of {long['audio_s'] / 3600:.1f} h", f"{long['wall_s']:.0f} s, {long['peak_mb']} MB", "1500 MB"),
        (f"plan of {plan['chunks']:,} chunks", f"{plan['wall_s']:.1f} s, {plan['peak_mb']} MB", "10 s"),
        (f"estimate of its disk space, {plan['chapters']} chapters", f"{plan['disk_estimate_s']:.2f} s", "1 s"),
    ]
    width = max(len(name) for name, _value, _goal in rows)
    machine = results["machine"]
    lines = [
        f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}; medians of {results['runs']} runs"
    ]
    return "\n".join(lines + [f"{name:<{width}}  {value}  (goal: {goal})" for name, value, goal in rows])
