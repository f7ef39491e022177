"""How many planted faults the checks find, and how often they cry wolf: `podcast bench checks`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from pipeline.bench.line import sentences
from pipeline.engines import Line, Request, Voice

_TWO_SPEAKERS_EVERY = 5  # takes
_WORDS = (4, 17)


def requests(voices: Sequence[Voice], numbers: range) -> Iterator[Request]:
    """Takes of one voice after another, now and then of two, each of a few sentences nobody has said before."""
    for number in numbers:
        dice = random.Random(number)  # noqa: S311 - only has to be the same every time
        speakers = [voices[number % len(voices)]]
        if number % _TWO_SPEAKERS_EVERY == 0:
            speakers.append(voices[(number + 1) % len(voices)])
        lines = [Line(voice, " ".join(sentences(dice, dice.randint(*_WORDS) // len(speakers)))) for voice in speakers]
        yield Request(f"take-{number}", tuple(lines), "en", number)
