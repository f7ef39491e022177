"""Sound of the draft voice, which is the same bytes everywhere."""

from __future__ import annotations

import functools

from pipeline.audio import Pcm
from pipeline.engines import DraftVoice, Line, Rendered, Request, Voice, open_engine

RATE_HZ = 22_050
SENTENCE = "The old lighthouse keeper climbed the stairs every evening, and lit the lamp before the ships came home."
WOMAN, MAN = Voice("ann", DraftVoice("f2")), Voice("bob", DraftVoice("m3", pitch=30))


@functools.cache
def speech(*lines: tuple[Voice, str]) -> Pcm:
    """What the draft voice makes of `lines`."""
    request = Request("k", tuple(Line(voice, text) for voice, text in lines), "en", 1)
    (rendered,) = open_engine("draft").render([request])
    assert isinstance(rendered, Rendered)
    return rendered.pcm
