"""Kokoro's weights: the name of a folder, a file or a hub id in, a model and a folder of voices out.

The model is ONNX, a voice `[510, 1, 256]` float32 as it lies in memory: neither executes anything when it is read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.engines import KOKORO_VOICES
from pipeline.engines.hub import HUB_ID, Register, Weights, fetch_files, find_snapshot, suggest_folder
from pipeline.errors import EngineError, Problem
from pipeline.files import read_bytes

DEFAULT_KOKORO = "onnx-community/Kokoro-82M-v1.0-ONNX"
# In 8 bits, 92 MB: of the files there, the one nearest to that by which word errors were measured.
_MODEL = "onnx/model_quantized.onnx"
_VOICE_FILES = [f"voices/{name}.bin" for name in KOKORO_VOICES]
_REGISTER = Register("kokoro.json", (DEFAULT_KOKORO,))
FETCH_KOKORO = "Run: podcast weights fetch kokoro"
_STYLES, _STYLE_SIZE = 510, 256  # of a voice: one style for each number of phonemes
_LARGEST = 100.0  # in a style; in those of the 28 voices it is 3.2
_LEAST_SPREAD = 0.02  # the standard deviation of a style; of those of the 28 voices 0.13 is the least


@dataclass(frozen=True)
class KokoroFiles:
    """The file of the model, and the folder in which each voice has a file of its name."""

    model: Path
    voices: Path

    def voice(self, name: str) -> Path:
        """Where the voice called `name` would be."""
        return self.voices / f"{name}.bin"


def locate_kokoro(name: str | None) -> KokoroFiles:
    """The files that `name` (None: the usual hub id) stands for, without using the network.

    A folder or a file comes before a hub id of the same name. Voices are in `voices/` beside the model or beside its
    folder. Raises `EngineError` where there is no model, and where nothing tells which of several is meant.
    """
    name = name or DEFAULT_KOKORO
    try:
        path = Path(name).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError) as error:  # a name that is too long; ~ of a user who is not there
        raise EngineError(Problem(name, f"is no path: {error}", "Name a folder, a model or a hub id.")) from None
    if is_folder or is_file:
        return _files(path if is_file else _model_in(path))
    if not HUB_ID.fullmatch(name):
        raise EngineError(Problem(name, "there is no such folder or file.", suggest_folder(path)))
    snapshot = find_snapshot(name, _REGISTER)
    if snapshot is None or not all((snapshot[1] / file).exists() for file in (_MODEL, *_VOICE_FILES)):
        raise EngineError(Problem(name, "is no folder here, and was not fetched from the hub.", FETCH_KOKORO))
    return _files(snapshot[1] / _MODEL)


def _model_in(folder: Path) -> Path:
    if (folder / _MODEL).is_file():
        return folder / _MODEL
    models = sorted(file for file in (*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")) if file.is_file())
    if len(models) == 1:
        return models[0]
    if not models:
        raise EngineError(Problem(str(folder), "there is no model: no *.onnx.", f"Name another folder. {FETCH_KOKORO}"))
    names = ", ".join(str(model.relative_to(folder)) for model in models[:4])
    what = f"there are several models, and nothing tells which is meant: {names}."
    raise EngineError(Problem(str(folder), what, "Name the file."))


def _files(model: Path) -> KokoroFiles:
    beside = model.parent / "voices"
    above = model.parent.parent / "voices"
    return KokoroFiles(model, above if above.is_dir() and not beside.is_dir() else beside)


def read_styles(file: Path) -> NDArray[np.float32]:
    """The styles `[510, 1, 256]` of a voice. Raises `EngineError` where the file cannot be read or is no voice.

    With numbers that are none the network would not come to an end, and with a style of zeros it makes a noise.
    """
    try:
        numbers = np.frombuffer(read_bytes(file), "<f4") if file.stat().st_size == 4 * _STYLES * _STYLE_SIZE else None
    except OSError as error:
        raise EngineError(Problem(str(file), f"cannot be read: {error.strerror or error}.", FETCH_KOKORO)) from None
    if numbers is None:
        raise EngineError(Problem(str(file), "is no voice of Kokoro.", FETCH_KOKORO))
    styles = numbers.reshape(_STYLES, 1, _STYLE_SIZE)
    if not ((np.abs(numbers) <= _LARGEST).all() and (styles.std(axis=2) >= _LEAST_SPREAD).all()):
        raise EngineError(Problem(str(file), "is a damaged voice of Kokoro.", FETCH_KOKORO))
    return styles


def fetch_kokoro(name: str | None) -> Path:
    """Fetch the model and the English voices of the hub id `name` (None: the usual one), and return their folder.

    Raises `EngineError` as `fetch_files` does, and where the repository has not all of them.
    """
    name = name or DEFAULT_KOKORO

    def choose(names: Collection[str]) -> list[str]:
        needed = [_MODEL, *_VOICE_FILES]
        if missing := [file for file in needed if file not in names]:
            what = f"the repository lacks {', '.join(missing[:3])}{' and more' if missing[3:] else ''}."
            raise EngineError(Problem(name, what, f"Fetch {DEFAULT_KOKORO}, or name a folder."))
        return needed

    folder = fetch_files(name, choose, _REGISTER)
    _REGISTER.record(name, folder.name)
    return folder


def describe_kokoro(name: str | None) -> Weights:
    """How `podcast weights list` shows those that `name` stands for. Raises `EngineError` for a path without any."""
    name = name or DEFAULT_KOKORO
    commit = _REGISTER.commits().get(name)
    try:
        files = locate_kokoro(name)
    except EngineError:
        if HUB_ID.fullmatch(name) is None:
            raise
        return Weights(name, "kokoro", None, commit, 0, "kokoro")
    size = sum(file.stat().st_size for file in (files.model, *files.voices.glob("*.bin")))
    return Weights(name, "kokoro", files.voices.parent, commit, size, "kokoro")
