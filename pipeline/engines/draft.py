"""The draft voice: espeak-ng from the `espeakng-loader` wheel. Intelligible at once, on any machine, no download."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.audio import Pcm
from pipeline.engines import Engine, Failed, Line, Rendered, Request, Voice
from pipeline.engines.espeak import SAMPLE_RATE_HZ, espeak_text, espeak_with_voice
from pipeline.engines.lines import render_lines
from pipeline.errors import EngineError, Problem

_VERSION = 1  # raised whenever this file changes what a line sounds like
_GAP_S = 0.15  # between the lines of a take

# espeak-ng's speak_lib.h
_CHARS_UTF8 = 1
_RATE, _PITCH = 1, 3
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class DraftEngine:
    """espeak-ng, one line after another."""

    sample_rate_hz = SAMPLE_RATE_HZ
    slots = 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """The wheel's version stands for the library and its data."""
        return f"draft/{_VERSION}/espeakng-loader-{importlib.metadata.version('espeakng-loader')}"

    def identity(self, voice: Voice) -> Mapping[str, Any]:
        """espeak-ng's parameters."""
        draft = voice.draft
        return {"variant": draft.variant, "accent": draft.accent, "rate_wpm": draft.rate_wpm, "pitch": draft.pitch}

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """Name the languages and variants espeak-ng does not have."""
        languages, variants = _available()
        missing = [] if _base(language) in languages else [f'the draft voice does not speak "{language}"']
        for voice in voices:
            if voice.draft.variant not in variants:
                missing.append(f'voice "{voice.name}": espeak-ng has no variant "{voice.draft.variant}"')
            if voice.draft.accent.lower() not in languages:
                missing.append(f'voice "{voice.name}": espeak-ng has no accent "{voice.draft.accent}"')
        return missing

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak each request in turn."""
        return render_lines(
            requests, lambda request, line: _speak(line, request.language, request.seed), SAMPLE_RATE_HZ, _GAP_S
        )


def open_engine() -> Engine:
    """The draft engine. Raises `EngineError` where the extra `draft` is not installed."""
    try:
        importlib.metadata.version("espeakng-loader")
    except importlib.metadata.PackageNotFoundError:
        raise EngineError(
            Problem("engine draft", "espeak-ng is not installed.", "Run: .venv/bin/pip install --editable '.[draft]'")
        ) from None
    return DraftEngine()


def _base(language: str) -> str:
    return language.lower().split("-")[0]


def _espeak_voice(line: Line, language: str) -> str:
    """`en-us+f3`: the voice's accent where it is one of the job's language, else the language itself."""
    accent = line.voice.draft.accent.lower()
    spoken = accent if _base(accent) == _base(language) else language.lower()
    if spoken not in _available()[0]:
        spoken = _base(language)
    return f"{spoken}+{line.voice.draft.variant}"


@functools.cache
def _available() -> tuple[frozenset[str], frozenset[str]]:
    """Languages (lower case) and variants, read from the wheel's data."""
    import espeakng_loader  # noqa: PLC0415 - an optional extra

    data = Path(espeakng_loader.get_data_path())
    languages = {file.name.lower() for file in (data / "lang").rglob("*") if file.is_file()}
    variants = {file.name for file in (data / "voices" / "!v").iterdir()}
    return frozenset(languages), frozenset(variants)


def _speak(line: Line, language: str, seed: int) -> Pcm:
    """One line as mono PCM `[T]`. Raises `EngineError` where espeak-ng refuses it."""
    blocks: list[bytes] = []

    def collect(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            blocks.append(ctypes.string_at(samples, count * 2))
        return 0

    callback = _CALLBACK(collect)  # kept in a name: espeak-ng holds no reference
    text = espeak_text(line.text) + b"\0"
    with espeak_with_voice(_espeak_voice(line, language), seed) as library:
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetParameter(_RATE, line.voice.draft.rate_wpm, 0)
        library.espeak_SetParameter(_PITCH, line.voice.draft.pitch, 0)
        library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, _CHARS_UTF8, None, None)
    pcm = np.frombuffer(b"".join(blocks), "<i2").astype(np.float32) / np.float32(32768)
    if not pcm.any():
        raise EngineError(Problem("engine draft", "espeak-ng made no sound of this text."))
    return pcm
