"""The Dia engine as the rest of the program sees it. Weights are found here; torch loads when it first renders."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engines import AUDITION, DiaOptions, Engine, Failed, Rendered, Request, Voice
from pipeline.engines.dia.batching.scheduler import MOST_SLOTS
from pipeline.engines.dia.weights.config import DiaConfig, read_config
from pipeline.engines.dia.weights.fingerprint import fingerprint, packed_metadata
from pipeline.engines.dia.weights.hub import DEFAULT_CODEC, DEFAULT_DIA, locate
from pipeline.errors import EngineError, Problem

if TYPE_CHECKING:
    from pipeline.engines.dia.runtime import Runtime

_VERSION = 2  # raised whenever this folder changes what a take sounds like
_TRANSCRIPT_BYTES = 330  # two of them and a chunk fit the encoder's 1,024


class DiaEngine:
    """Our own inference of Dia, with continuous batching."""

    sample_rate_hz = 44_100

    def __init__(self, options: DiaOptions) -> None:
        """Find and check everything but load nothing. Raises `EngineError` where weights are missing."""
        self._weights = locate(options.weights or DEFAULT_DIA, "dia")
        self.options = _with_precision(options, self._weights)
        self.config: DiaConfig = read_config(self._weights)
        beside = self._weights / "dac"
        with_it = options.codec is None and beside.is_dir()
        self._codec = beside if with_it else locate(options.codec or DEFAULT_CODEC, "codec")

    @functools.cached_property
    def fingerprint(self) -> str:
        """Weights, codec and settings. Devices and the number of slots change no more than the last bits."""
        files = f"{fingerprint(self._weights)[:16]}/{fingerprint(self._codec)[:16]}"
        return f"dia/{_VERSION}/{self.config.network}/{files}/{self.options.sound()}"

    @property
    def slots(self) -> int:
        """Settled when the model is loaded: what memory holds."""
        return self._runtime.scheduler.limit if "_runtime" in self.__dict__ else self.options.slots or MOST_SLOTS

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

        loaded = load(self.config, self._weights, self._codec, self.options)
        return Runtime(self.config, loaded, self.options)


def _with_precision(options: DiaOptions, weights: Path) -> DiaOptions:
    """`options` for int8 where the weights are, which must be asked for or allowed by their calibration."""
    metadata = packed_metadata(weights)
    if metadata is None or options.precision == "int8":
        return options
    if options.precision is not None:
        what = f"holds int8 weights, which cannot be used in {options.precision}."
        raise EngineError(Problem(str(weights), what, "Use precision: auto or int8, or other weights."))
    told = json.loads(metadata["told"]).get("calibration")
    if not told or not told["allowed"]:
        what = "holds int8 weights " + ("whose calibration found them too far off." if told else "without calibration.")
        hint = "Make calibrated ones with: podcast weights calibrate. Or set precision: int8 and listen."
        raise EngineError(Problem(str(weights), what, hint))
    return replace(options, precision="int8")


def open_engine(options: DiaOptions) -> Engine:
    """The engine of `options`. Raises `EngineError` where weights are missing or are another model's."""
    return DiaEngine(options)
