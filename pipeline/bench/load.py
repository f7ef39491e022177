"""How long the engine takes to load, and its memory, in a process of its own, which has nothing else in it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.bench.random_weights import BenchWeights
from pipeline.bench.samples import hold, timed
from pipeline.engines import DiaSound, Machine
from pipeline.engines.dia.batching.text import tokens
from pipeline.engines.dia.codec.codec import CODEBOOKS, WINDOW
from pipeline.engines.dia.runtime import Loaded, Runtime
from pipeline.engines.dia.weights.config import read_config
from pipeline.errors import EngineError, Problem
from pipeline.files import cache_folder

_STATUS = Path("/proc/self/status")


def measure_loading(
    precision: str, machine: Machine, weights: BenchWeights, context: int, text: str, *, first: bool = True
) -> dict[str, Any]:
    """Load the engine when nothing is kept from earlier times, if `first`, and once more.

    Then let `machine.slots` takes read `context` rows and `text`, and look at the memory in use. Times are in seconds,
    without the import of torch; memory is in MB, None where the system does not tell. Raises `EngineError` where the
    process fails.
    """
    task = {
        "precision": precision,
        "machine": dataclasses.asdict(machine),
        "weights": str(weights.dia),
        "codec": str(weights.codec),
        "context": context,
        "text": text,
    }
    if first:
        home = cache_folder() / "bench"
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".first-", dir=home) as empty:
            environment = os.environ | {"XDG_CACHE_HOME": empty}
            cold, warm = _run(task, environment), _run(task, environment)
    else:
        cold, warm = None, _run(task, os.environ)
    return {
        "first_s": cold and cold["load_s"],
        "first_peak_mb": cold and cold["peak_mb"],
        "again_s": warm["load_s"],
        "noisy": warm["noisy"] or (cold is not None and cold["noisy"]),
        "rss_mb": warm["rss_mb"],
        "peak_mb": warm["peak_mb"],
        "slots": machine.slots,
        "slots_rss_mb": warm["slots_rss_mb"],
        "slots_peak_mb": warm["slots_peak_mb"],
    }


def _run(task: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipeline.bench.load", json.dumps(task)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        what = f"the process that loads the engine ended with {process.returncode}."
        raise EngineError(Problem("bench engine", what, process.stderr.strip().rpartition("\n")[2]))
    figures: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return figures


def _load(task: Mapping[str, Any]) -> dict[str, Any]:
    """Load the engine, and measure time and memory: what `_run` starts a process for."""
    sound, machine = DiaSound(precision=task["precision"]), Machine(**task["machine"])
    folder = Path(task["weights"])
    with timed() as timer:
        config = read_config(folder)
        loaded = Loaded(config, folder, Path(task["codec"]), sound.precision, machine)
        runtime = Runtime(config, loaded, sound, machine)
    figures = {
        "load_s": round(timer.sample.seconds, 2),
        "noisy": not timer.sample.clean,
        "rss_mb": _megabytes("VmRSS"),
        "peak_mb": _megabytes("VmHWM"),
    }
    slots = machine.slots or 1
    with torch.inference_mode():
        step = hold(runtime.scheduler.stepper, tokens(task["text"]), task["context"], slots)
        step(slots, task["context"], True)
        runtime._codec.decode(np.zeros((2 * WINDOW, CODEBOOKS), np.int64))
    return figures | {"slots_rss_mb": _megabytes("VmRSS"), "slots_peak_mb": _megabytes("VmHWM")}


def _megabytes(name: str) -> int | None:
    """Memory of this process as /proc calls it. `getrusage` would tell the peak of the process that started it."""
    try:
        line = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return round(int(line[1]) * 1024 / 1e6) if line else None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_load(json.loads(sys.argv[1]))) + "\n")
