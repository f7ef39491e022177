"""The Dia engine behind the door: it finds and checks weights at once, and loads torch when it first renders."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engines import AUDITION, DiaSound, Engine, Failed, Machine, Rendered, Request, Voice
from pipeline.engines.devices import Worker, parse_devices, share_cores
from pipeline.engines.dia.batching.scheduler import MOST_SLOTS
from pipeline.engines.dia.weights.config import DiaConfig, read_config
from pipeline.engines.dia.weights.fingerprint import fingerprint, packed_metadata
from pipeline.engines.dia.weights.hub import DEFAULT_CODEC, DEFAULT_DIA, locate
from pipeline.errors import EngineError, Problem

if TYPE_CHECKING:
    from pipeline.engines.dia.runtime import Runtime

_VERSION = 3  # raised whenever this folder changes what a take sounds like
_TRANSCRIPT_BYTES = 330  # two of them and a chunk fit the encoder's 1,024


class DiaEngine:
    """Our own inference of Dia, with continuous batching."""

    sample_rate_hz = 44_100

    def __init__(self, sound: DiaSound, machine: Machine) -> None:
        """Find and check everything but load nothing. Raises `EngineError` where weights are missing."""
        self._weights = locate(machine.weights or DEFAULT_DIA, "dia")
        self.sound = _with_precision(sound, self._weights)
        self._machine = machine
        self.config: DiaConfig = read_config(self._weights)
        beside = self._weights / "dac"
        with_it = machine.codec is None and beside.is_dir()
        self._codec = beside if with_it else locate(machine.codec or DEFAULT_CODEC, "codec")

    @functools.cached_property
    def fingerprint(self) -> str:
        """Weights, codec and how Dia speaks. Devices and the number of slots change no more than the last bits."""
        files = f"{fingerprint(self._weights)[:16]}/{fingerprint(self._codec)[:16]}"
        return f"dia/{_VERSION}/{self.config.network}/{files}/{self.sound}"

    @property
    def slots(self) -> int:
        """What memory holds, which is known when the model is loaded."""
        return self._runtime.scheduler.limit if "_runtime" in self.__dict__ else self._machine.slots or MOST_SLOTS

    def identity(self, voice: Voice) -> Mapping[str, Any]:
        """The prompt, or the audition that stands in for it."""
        if voice.prompt is None:
            return {"audition": AUDITION, "seed": voice.seed}
        return {"prompt": voice.prompt_sha256, "transcript": voice.transcript}

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """Name the voices whose transcript leaves no room for a text."""
        return [
            f'the transcript of voice "{voice.name}" has {len(voice.transcript.encode())} bytes, more than '
            f"{_TRANSCRIPT_BYTES}"
            for voice in voices
            if len(voice.transcript.encode()) > _TRANSCRIPT_BYTES
        ]

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak the requests in as many slots as there is memory for, in the order they finish."""
        return self._runtime.render(requests)

    @functools.cached_property
    def _runtime(self) -> Runtime:
        from pipeline.engines.dia.runtime import Runtime, load  # noqa: PLC0415 - torch takes a second to load

        loaded = load(self.config, self._weights, self._codec, self.sound.precision, self._machine)
        return Runtime(self.config, loaded, self.sound, self._machine)


def _with_precision(sound: DiaSound, weights: Path) -> DiaSound:
    """`sound` in int8 where the weights are. Raises `EngineError` where int8 is neither asked for nor calibrated."""
    metadata = packed_metadata(weights)
    if metadata is None or sound.precision == "int8":
        return sound
    if sound.precision is not None:
        what = f"holds int8 weights, which cannot be used in {sound.precision}."
        raise EngineError(Problem(str(weights), what, "Use precision: auto or int8, or other weights."))
    calibration = json.loads(metadata["told"]).get("calibration")
    if not calibration or not calibration["allowed"]:
        fault = "whose calibration found them too far off." if calibration else "without calibration."
        hint = "Make calibrated ones with: podcast weights calibrate. Or set precision: int8 and listen."
        raise EngineError(Problem(str(weights), f"holds int8 weights {fault}", hint))
    return replace(sound, precision="int8")


def engine_workers(machine: Machine) -> tuple[Worker, ...]:
    """A worker for each GPU, else for the CPU in shares of up to 16 threads; none without weights."""
    try:
        locate(machine.weights or DEFAULT_DIA, "dia")
    except EngineError:
        return ()
    from pipeline.engines.dia.devices import devices, threads  # noqa: PLC0415 - torch takes a second to load

    gpus = [device.name for device in devices() if device.kind in ("cuda", "mps")]
    return parse_devices(",".join(gpus)) if gpus else share_cores(threads())


def open_engine(sound: DiaSound, machine: Machine) -> Engine:
    """Dia on this machine. Raises `EngineError` where weights are missing or are another model's."""
    return DiaEngine(sound, machine)
