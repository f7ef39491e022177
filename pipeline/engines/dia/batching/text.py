"""What Dia reads: the bytes of one string, in which `[S1]` and `[S2]` tell two speakers apart.

The transcripts of the voice prompts go first, as their sound does. Tags alternate and the text begins with `[S1]`;
it ends with the tag of the speaker who would come next, without which the last word is often cut off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipeline.engines import Line, Voice

_TAGS = ("[S1]", "[S2]")
_ANY_TAG = re.compile(r"\s*\[S\d\]\s*")


def speakers(lines: Sequence[Line]) -> list[Voice]:
    """The voices of a chunk in order of appearance, those with a prompt first: the first is `[S1]`."""
    return sorted({line.voice.name: line.voice for line in lines}.values(), key=lambda voice: voice.prompt is None)


def compose(lines: Sequence[Line]) -> str:
    """The whole string for a chunk. One line that has its own tags is taken as it stands.

    Raises `ValueError` for more than two voices.
    """
    if len(lines) == 1 and lines[0].text.startswith(_TAGS):
        return lines[0].text
    voices = speakers(lines)
    if len(voices) > len(_TAGS):
        raise ValueError(f"{len(voices)} voices in one chunk, and Dia speaks with two at most.")
    tag = {voice.name: mark for voice, mark in zip(voices, _TAGS, strict=False)}
    spoken = [(tag[voice.name], _ANY_TAG.sub(" ", voice.transcript).strip()) for voice in voices if voice.prompt]
    spoken += [(tag[line.voice.name], line.text) for line in lines]
    parts = [
        f"{mark} {' '.join(text for _mark, text in turn)}" for mark, turn in groupby(spoken, key=lambda pair: pair[0])
    ]
    closing = _TAGS[1] if parts[-1].startswith(_TAGS[0]) else _TAGS[0]
    return " ".join([*parts, closing])


def tokens(text: str) -> NDArray[np.int64]:
    """The string's bytes `[T]`, each tag as one: 1 and 2. 0 stands for no text at all and is left out."""
    raw = text.replace("\0", "").encode()
    for number, tag in enumerate(_TAGS, 1):
        raw = raw.replace(tag.encode(), bytes([number]))
    return np.frombuffer(raw, np.uint8).astype(np.int64)
