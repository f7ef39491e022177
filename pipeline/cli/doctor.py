"""Doctor: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.engines import DraftVoice, Engine, Failed, Line, Machine, Request, Voice, open_engine
from pipeline.errors import PodcastError
from pipeline.settings import Settings
from pipeline.source.voices import load_library
from pipeline.words import counted, size_text


@dataclass(frozen=True)
class Inspection:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    next: str = ""


def examine(settings: Settings) -> Iterator[Inspection]:
    """Look at everything a render needs, one after another."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if hasattr(os, "sysconf") else 0
    yield Inspection("python", True, f"{platform.python_version()} on {platform.platform()}")
    yield Inspection("machine", True, f"{settings.jobs} usable cores, {memory_gb:.0f} GB of memory")
    for name, check, hint in (
        ("voices", lambda: _voices(settings), "Mend the voice named, or take its folder out."),
        ("draft engine", _draft, "Run: .venv/bin/pip install --editable '.[draft]'"),
        ("kokoro engine", lambda: _kokoro(settings.kokoro), "See: podcast weights list"),
        ("encoders", _encoders, "Reinstall the packages av and lameenc."),
        ("output", lambda: _output(settings.output), "Make room, or set PODCAST_OUTPUT or --out."),
        ("prefect", _prefect, "Start it with: podcast serve"),
    ):
        yield _finding(name, check, hint)
    if settings.cluster is not None:
        address = settings.cluster
        yield _finding("cluster", lambda: _cluster(address), "Start it, or unset PODCAST_CLUSTER.")
    yield _finding("dia weights", lambda: _weights(settings.weights), "See: podcast weights list")
    yield from _devices(settings)


def _finding(name: str, check: Callable[[], str], hint: str) -> Inspection:
    try:
        return Inspection(name, True, check())
    except (PodcastError, OSError, ImportError, LookupError) as error:
        return Inspection(name, False, str(error), hint)


def _voices(settings: Settings) -> str:
    library = load_library(settings.voices)
    if not library:
        raise LookupError("no voices found")
    return f"{len(library)}: {', '.join(sorted(library))}"


def _draft() -> str:
    return _spoken(open_engine("draft"))


def _kokoro(where: str | None) -> str:
    from pipeline.engines.kokoro.weights import describe_kokoro

    if importlib.util.find_spec("kokoro_onnx") is None:
        return "not installed; only engine: kokoro needs it (.venv/bin/pip install --editable '.[kokoro]')"
    if describe_kokoro(where).path is None:
        return "its weights are not here; only engine: kokoro needs them (podcast weights fetch kokoro)"
    return _spoken(open_engine("kokoro", machine=Machine(kokoro=where)))


def _spoken(engine: Engine) -> str:
    """What the engine says of itself, and how long a word or two took it."""
    request = Request("doctor", (Line(Voice("doctor", DraftVoice()), "All is well."),), "en", 0)
    (spoken,) = engine.render([request])
    if isinstance(spoken, Failed):
        raise LookupError(f"{spoken.reason} {spoken.next}".rstrip())
    return f"{engine.fingerprint}, spoke {len(spoken.pcm) / engine.sample_rate_hz:.1f} s in {spoken.work_s:.3f} s"


def _weights(where: str | None) -> str:
    from pipeline.engines.dia.weights.hub import DEFAULT_DIA

    folder = _located(where)
    if folder is None:
        return f"{DEFAULT_DIA} is not here; only engine: dia needs it (podcast weights fetch)"
    return f"{where or DEFAULT_DIA} in {folder}"


def _located(where: str | None) -> Path | None:
    """The folder of the weights; None for the usual ones that are not here."""
    from pipeline.engines.dia.weights.hub import DEFAULT_DIA, locate

    try:
        return locate(where or DEFAULT_DIA, "dia")
    except PodcastError:
        if where is not None:
            raise
        return None


def _devices(settings: Settings) -> Iterator[Inspection]:
    """What the Dia engine would run on. It takes torch, and whatever torch raises is a finding too."""
    try:
        from pipeline.engines.crew import plan_workers
        from pipeline.engines.dia.describe import describe

        workers = plan_workers(settings, ("draft", "kokoro", "dia"))
        device = workers[0].device if settings.device else None
        machine = replace(Machine.of(settings), device=device)
        names = ", ".join(
            f"{one.name} ({counted(one.threads, 'thread')})" if one.threads else one.name for one in workers
        )
        yield Inspection("workers", True, f"{names}; --device and PODCAST_DEVICE name others")
        yield from [Inspection(name, True, line) for name, line in describe(machine, _located(settings.weights))]
    except PodcastError as error:
        yield Inspection("devices", False, str(error))
    except Exception as error:  # a torch half installed, or built for another driver, raises all kinds of things
        reason = f"{type(error).__name__}: {error}"
        yield Inspection("devices", False, reason, "Is torch in order? Run: pip install --force-reinstall torch")


def _encoders() -> str:
    import av.codec

    av.codec.Codec("aac", "w")
    return f"AAC by PyAV {importlib.metadata.version('av')}, MP3 by lameenc {importlib.metadata.version('lameenc')}"


def _output(folder: Path) -> str:
    parent = folder
    while not parent.exists():
        parent = parent.parent
    with tempfile.TemporaryFile(dir=parent):
        pass
    return f"{folder.absolute()} is writable, {size_text(shutil.disk_usage(parent).free)} free"


def _cluster(address: str) -> str:
    from pipeline.engines.crew import join_crew

    with join_crew(address) as crew:
        return f"{address}, workers: {', '.join(sorted(crew.capacities())) or 'none yet'}"


def _prefect() -> str:
    version = importlib.metadata.version("prefect")
    url = os.environ.get("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310 - the address is the user's own
            return f"{version}, server at {url}"
    except (OSError, ValueError):
        return f"{version}, no server at {url} (only podcast serve needs one)"
