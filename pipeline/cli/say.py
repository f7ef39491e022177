"""One line of text as sound: the quickest way to hear an engine or a voice, and to see what it is given."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from pipeline.engines import (
    DEFAULT_SOUND,
    THIS_MACHINE,
    TRAITS,
    DiaSound,
    Failed,
    Line,
    Machine,
    Rendered,
    Request,
    Voice,
    open_engine,
)
from pipeline.errors import EngineError, Problem, RequestError, raise_if_any
from pipeline.files import atomic_path
from pipeline.jobs.request import normalizer_of
from pipeline.source.lexicons import unusable_entries
from pipeline.source.script import Chapter, Script, Turn
from pipeline.source.spoken.lexicon import Lexicon
from pipeline.source.spoken.pairs import Normalizer, said
from pipeline.takes.chunks import pack

# What is said while it takes its time.
SPEAKING = "the engine is loading and speaking; Dia's kernels are compiled the first time, which takes a minute or two"
_FORMATS = {".wav": "WAV", ".flac": "FLAC"}


def say(
    text: str,
    voice: Voice,
    out: Path,
    *,
    engine: str,
    seed: int = 0,
    language: str = "en",
    sound: DiaSound = DEFAULT_SOUND,
    machine: Machine = THIS_MACHINE,
    codes: Path | None = None,
    lexicon: Lexicon | None = None,
) -> float:
    """Speak `text` into `out` (WAV or FLAC, 24-bit, the engine's rate) and return its seconds.

    With `codes` (a .npy file) what the sound was decoded from goes there, `[frames, codebooks]` int16. For Dia a text
    with `[S1]` at its beginning is taken as it stands, and a voice without a prompt speaks without one. Raises
    `RequestError` where the text, the language or a file's ending is no good, `EngineError` where the engine breaks,
    and `StorageError`.
    """
    if out.suffix.lower() not in _FORMATS:
        raise RequestError(Problem(str(out), "only .wav and .flac can be written.", "Name the file so."))
    if codes is not None and codes.suffix.lower() != ".npy":
        raise RequestError(Problem(str(codes), "codes are written as .npy.", "Name the file so."))
    _check_language(engine, language)
    speaker = open_engine(engine, sound, machine)
    raise_if_any(
        [
            Problem("say", f"{what}.", "Choose another voice, or mend this one.")
            for what in speaker.check(language, [voice])
        ]
    )
    lines = _lines(text, voice, engine, normalizer_of(TRAITS[engine], language, lexicon))
    requests = [Request(str(index), (line,), language, seed) for index, line in enumerate(lines)]
    finished: dict[str, Rendered] = {}
    for result in speaker.render(requests):
        if isinstance(result, Failed):
            if result.next:
                raise EngineError(Problem("say", result.reason, result.next))
            raise RequestError(Problem("say", result.reason, "Change the text or the voice."))
        if not np.isfinite(result.pcm).all():
            what = f"the engine {engine} made numbers of this text that are no sound."
            raise EngineError(Problem("say", what, "Fetch its weights again, or try another seed."))
        finished[result.request.key] = result
    in_order = [finished[request.key] for request in requests]
    if codes is not None:
        _write_codes(codes, in_order, engine)
    pcm = np.concatenate([rendered.pcm for rendered in in_order])
    encoded = io.BytesIO()  # libsndfile has no words for what a disk refuses
    soundfile.write(encoded, pcm, speaker.sample_rate_hz, format=_FORMATS[out.suffix.lower()], subtype="PCM_24")
    _write(out, encoded)
    return len(pcm) / speaker.sample_rate_hz


def shown(text: str, engine: str, language: str, lexicon: Lexicon | None) -> dict[str, Any]:
    """What is displayed of `text` and what an engine is given for it, whole and in pairs. Loads no engine.

    Raises `RequestError` for a language that the engine refuses.
    """
    _check_language(engine, language)
    text = " ".join(text.split())
    pairs = normalizer_of(TRAITS[engine], language, lexicon).pairs(text)
    rows = [{"display": text[pair.start : pair.end], "spoken": pair.spoken} for pair in pairs]
    return {"display": text, "spoken": said(pairs), "pairs": rows}


def unusable(text: str, engine: str, language: str, lexicon: Lexicon | None) -> list[Problem]:
    """What to say of entries that stand in `text` and that an engine cannot use."""
    if lexicon is None:
        return []
    script = Script((Chapter("", (Turn(None, text, "chapter", "say"),), "say"),))
    return list(unusable_entries(lexicon, script, TRAITS[engine], language))


def _check_language(engine: str, language: str) -> None:
    if refusal := TRAITS[engine].refusal(language):
        raise RequestError(Problem("--language", f"{refusal}.", "Choose another language or engine."))


def _lines(text: str, voice: Voice, engine: str, normalizer: Normalizer) -> list[Line]:
    """The text in pieces the engine speaks well."""
    if engine == "dia" and text.startswith("[S1]"):
        return [Line(voice, text)]
    turn = Turn(None, " ".join(text.split()), "chapter", "say")
    chunks = pack(Chapter("", (turn,), turn.where), 0, TRAITS[engine].budget, normalizer)
    if not chunks:
        raise RequestError(Problem("say", "there is nothing to say in this text.", "Give some words."))
    return [Line(voice, piece.spoken) for chunk in chunks for piece in chunk.pieces]


def _write_codes(path: Path, rendered: Sequence[Rendered], engine: str) -> None:
    codes = [each.codes for each in rendered if each.codes is not None]
    if len(codes) < len(rendered):
        raise RequestError(Problem("--codes", f"the engine {engine} makes sound without codes.", "Use --engine dia."))
    encoded = io.BytesIO()
    np.save(encoded, np.concatenate(codes))
    _write(path, encoded)


def _write(path: Path, content: io.BytesIO) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())
