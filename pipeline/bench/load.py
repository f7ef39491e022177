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

from pipeline.bench.random_weights import BenchWeights, cache_folder
from pipeline.bench.samples import hold, timed
from pipeline.engines import DiaMachine, DiaSound
from pipeline.engines.dia.batching.text import tokens
from pipeline.engines.dia.codec.codec import CODEBOOKS, WINDOW
from pipeline.engines.dia.runtime import Loaded, Runtime
from pipeline.engines.dia.weights.config import read_config
from pipeline.errors import EngineError, Problem

_STATUS = Path("/proc/self/status")


def measure_loading(
    precision: str, machine: DiaMachine, weights: BenchWeights, context: int, text: str, *, first: bool = True
) -> dict[str, Any]:
    """Load the engine when nothing is kept from earlier times, if `first`, and once more.

    Then let `machine.slots` takes read `context` rows and `text`, and look at the memory in use. Times are in seconds,
    without the import of torch; memory is in MB, None where the system does not tell. Raises `EngineError` where the
    process fails.
    """
    asked = {
        "precision": precision,
        "machine": dataclasses.asdict(machine),
        "weights": str(weights.dia),
        "codec": str(weights.codec),
        "context": context,
        "text": text,
    }
    if first:
        home = cache_folder()
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".first-", dir=home) as empty:
            environment = os.environ | {"XDG_CACHE_HOME": empty}
            made, again = _run(asked, environment), _run(asked, environment)
    else:
        made, again = None, _run(asked, os.environ)
    return {
        "first_s": made and made["load_s"],
        "first_peak_mb": made and made["peak_mb"],
        "again_s": again["load_s"],
        "noisy": again["noisy"] or (made is not None and made["noisy"]),
        "rss_mb": again["rss_mb"],
        "peak_mb": again["peak_mb"],
        "slots": machine.slots,
        "slots_rss_mb": again["slots_rss_mb"],
        "slots_peak_mb": again["slots_peak_mb"],
    }


def _run(asked: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipeline.bench.load", json.dumps(asked)]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if made.returncode:
        what = f"the process that loads the engine ended with {made.returncode}."
        raise EngineError(Problem("bench engine", what, made.stderr.strip()[-2000:]))
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return found


def _load(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the process does."""
    sound, machine = DiaSound(precision=asked["precision"]), DiaMachine(**asked["machine"])
    folder = Path(asked["weights"])
    with timed() as timer:
        config = read_config(folder)
        loaded = Loaded(config, folder, Path(asked["codec"]), sound.precision, machine)
        runtime = Runtime(config, loaded, sound, machine)
    found = {
        "load_s": round(timer.sample.seconds, 2),
        "noisy": not timer.sample.clean,
        "rss_mb": _megabytes("VmRSS"),
        "peak_mb": _megabytes("VmHWM"),
    }
    slots = machine.slots or 1
    with torch.inference_mode():
        step = hold(runtime.scheduler.stepper, tokens(asked["text"]), asked["context"], slots)
        step(slots, asked["context"], True)
        runtime._codec.decode(np.zeros((2 * WINDOW, CODEBOOKS), np.int64))
    return found | {"slots_rss_mb": _megabytes("VmRSS"), "slots_peak_mb": _megabytes("VmHWM")}


def _megabytes(name: str) -> int | None:
    """Memory of this process as /proc calls it. `getrusage` would tell the peak of the process that started it."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return round(int(found[1]) * 1024 / 1e6) if found else None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_load(json.loads(sys.argv[1]))) + "\n")
