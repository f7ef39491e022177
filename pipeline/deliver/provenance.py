"""Provenance: how the sound of a deliverable came to be, as a file beside it says it, to people and to machines.

In: the voices and takes of a job, and a finished file. Out: JSON that names no path of the machine. What it says
follows from records alone, so that it can be written again at any time and says the same.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.deliver.orders import Order
from pipeline.source.voices import NARRATOR, Library
from pipeline.takes.attempts import VARIED, seed_of
from pipeline.takes.plan import PlannedTake
from pipeline.takes.store import Take, TakeStore

STATEMENT = "The speech in this file is synthetic: it was made by a computer program from text, and no person spoke it."
_VERSION = 1  # of the layout
# What comes between takes and a finished file; what makes the takes is in the engine's fingerprint.
_PACKAGES = ("numpy", "scipy", "soxr", "pyloudnorm", "soundfile", "lameenc", "av", "mutagen", "pillow")


@dataclass(frozen=True)
class Origin:
    """What the takes of a job come from."""

    engine: str  # its name
    fingerprint: str  # and with what weights, precision and versions it speaks
    language: str
    seed: int  # the manifest's
    voices: tuple[Mapping[str, Any], ...]
    takes: Mapping[int, tuple[Mapping[str, Any], ...]]  # by the number of their chapter, in the order of the book


def origin_of(
    engine: str,
    fingerprint: str,
    language: str,
    seed: int,
    planned: Mapping[int, Sequence[PlannedTake]],
    takes: Mapping[str, Take],
    store: TakeStore,
    library: Library,
) -> Origin:
    """Put together what is known of a job's takes.

    `planned` are by the index of their chapter, `takes`, which lie in `store`, by the keys of planned ones.
    """
    speakers: dict[str, list[str]] = {}
    for plan in (plan for plans in planned.values() for plan in plans):
        for piece, line in zip(plan.chunk.pieces, plan.request.lines, strict=True):
            names = speakers.setdefault(line.voice.name, [])
            if (name := piece.speaker or NARRATOR) not in names:
                names.append(name)
    return Origin(
        engine,
        fingerprint,
        language,
        seed,
        tuple(_voice(library, voice, names) for voice, names in sorted(speakers.items())),
        {
            index + 1: tuple(_take(plan, takes.get(plan.key), store) for plan in plans)
            for index, plans in planned.items()
        },
    )


@functools.cache
def versions() -> Mapping[str, str]:
    """This program, and what can change a sample on the way from takes to a file."""
    packages = {package: importlib.metadata.version(package) for package in ("podcast-pipeline", *_PACKAGES)}
    return {"python": platform.python_version(), **packages}


def provenance_json(order: Order, origin: Origin, sha256: str, made_with: Mapping[str, str]) -> str:
    """What the file beside a deliverable says; `sha256` is the deliverable's, `made_with` the `versions` it is of."""
    value = {
        "version": _VERSION,
        "synthetic": True,
        "statement": STATEMENT,
        "file": {"name": order.path.name, "sha256": sha256, "preset": order.preset.preset},
        "title": order.tags.title,
        "album": order.tags.album,
        "author": order.tags.artist,
        "language": origin.language,
        "made_with": dict(made_with),
        "engine": {"name": origin.engine, "fingerprint": origin.fingerprint},
        "seed": origin.seed,
        "voices": [dict(voice) for voice in origin.voices],
        "chapters": [
            {
                "number": chapter.number,
                "title": chapter.title,
                "pcm_sha256": chapter.pcm_sha256,
                "takes": [dict(take) for take in origin.takes.get(chapter.number, ())],
            }
            for chapter in order.chapters
        ],
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _voice(library: Library, name: str, speakers: Sequence[str]) -> dict[str, Any]:
    entry = library[name]
    return {
        "voice": name,
        "speakers": list(speakers),
        "description": entry.description,
        "consent": entry.consent,
        "recording_sha256": entry.voice.prompt_sha256 or None,  # of the clip it may be cloned from
    }


def _take(plan: PlannedTake, take: Take | None, store: TakeStore) -> dict[str, Any]:
    """A take that is missing has neither seed nor sound; one that was made again says what was changed for it."""
    recorded = None if take is None else store.parts(take.key)
    if take is None or recorded is None:
        return {"key": plan.key, "missing": True}
    parts, _text = recorded
    seed = f"{seed_of(parts):016x}"  # 64 bits, more than every reader of JSON keeps of a number
    changed = {name: parts[name] for name in VARIED if name in parts}
    return {"key": take.key, "attempt": parts["attempt"], **changed, "seed": seed, "pcm_sha256": take.pcm_sha256}
