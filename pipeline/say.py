"""One line of text as sound: the quickest way to hear an engine or a voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from pipeline.chunks import pack, sayer
from pipeline.engines import TRAITS, Failed, Line, Request, Voice, open_engine
from pipeline.errors import Problem, RequestError, raise_if_any
from pipeline.script import Turn
from pipeline.workspace import atomic_path

_FORMATS = {".wav": "WAV", ".flac": "FLAC"}


def say(text: str, voice: Voice, out: Path, *, engine: str, seed: int = 0, language: str = "en") -> float:
    """Speak `text` into `out` (WAV or FLAC, 24-bit, the engine's rate) and return its seconds.

    Raises `RequestError` where the text, the language or the file's ending is no good.
    """
    if out.suffix.lower() not in _FORMATS:
        raise RequestError(Problem(str(out), "only .wav and .flac can be written.", "Name the file so."))
    speaker = open_engine(engine)
    raise_if_any([Problem("say", f"{what}.", "Choose another.") for what in speaker.check(language, [voice])])
    turn = Turn(None, " ".join(text.split()), "chapter", "say")
    chunks = pack([turn], 0, TRAITS[engine].budget, sayer(language, tags=TRAITS[engine].speaks_tags))
    if not chunks:
        raise RequestError(Problem("say", "there is nothing to say in this text.", "Give some words."))
    lines = [Line(voice, piece.spoken) for chunk in chunks for piece in chunk.pieces]
    requests = [Request(str(index), (line,), language, seed) for index, line in enumerate(lines)]
    finished = {}
    for result in speaker.render(requests):
        if isinstance(result, Failed):
            raise RequestError(Problem("say", result.reason, "Change the text or the voice."))
        finished[result.request.key] = result.pcm
    pcm = np.concatenate([finished[request.key] for request in requests])
    with atomic_path(out) as temporary:
        soundfile.write(temporary, pcm, speaker.sample_rate_hz, format=_FORMATS[out.suffix.lower()], subtype="PCM_24")
    return len(pcm) / speaker.sample_rate_hz
