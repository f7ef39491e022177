"""Longer prompts: a voice's recording, and behind it the best take that the job has of the voice so far.

In: a voice, and a take that it speaks alone. Out: the same voice with the longer prompt. A voice that drifts off is
held by more of itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from pipeline.audio import Pcm, flac
from pipeline.audio.edit import silence
from pipeline.engines import Voice
from pipeline.files import atomic_write
from pipeline.takes.attempts import prompt_path
from pipeline.takes.store import TakeStore

_GAP_S = 0.35  # between the two, as between sentences


def followed_by(
    voice: Voice, take_key: str, store: TakeStore, folder: Path, most_s: float | None = None
) -> Voice | None:
    """`voice` with its prompt followed by a take in `store`; the sound is written into `folder`, under its content.

    None where the take or the prompt is no longer there, or both last more than `most_s`. Raises `StorageError` where
    the sound cannot be written.
    """
    take, parts = store.find(take_key), store.parts(take_key)
    if take is None or parts is None:
        return None
    text = " ".join(line for _slot, line in parts[0].get("lines", []))
    sound = take.read()
    if voice.prompt is not None:
        try:
            prompt = _read(voice.prompt, take.sample_rate_hz)
        except (OSError, soundfile.LibsndfileError):
            return None
        sound = np.concatenate([prompt, silence(_GAP_S, take.sample_rate_hz), sound])
    if most_s is not None and len(sound) > most_s * take.sample_rate_hz:
        return None
    samples = flac.quantize(sound)
    digest = flac.pcm_hash(samples)
    path = prompt_path(folder, digest)
    if not path.is_file():
        atomic_write(path, flac.encode(samples, take.sample_rate_hz))
    transcript = f"{voice.transcript} {text}".strip()
    return replace(voice, prompt=path, prompt_sha256=digest, transcript=transcript)


def _read(path: Path, sample_rate_hz: int) -> Pcm:
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    return mono if rate == sample_rate_hz else np.asarray(soxr.resample(mono, rate, sample_rate_hz), np.float32)
