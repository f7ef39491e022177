"""The draft voice: the same bytes anywhere, and complaints beforehand."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from pipeline.engines import DraftVoice, Failed, Line, Rendered, Request, Voice, open_engine

ANN, BOB = Voice("ann", DraftVoice("f2")), Voice("bob", DraftVoice("m3", rate_wpm=150, pitch=30))


def _request(key: str, *lines: tuple[Voice, str], seed: int = 1, language: str = "en") -> Request:
    return Request(key, tuple(Line(voice, text) for voice, text in lines), language, seed)


def _one(engine: str, request: Request) -> Rendered:
    (rendered,) = open_engine(engine).render([request])
    assert isinstance(rendered, Rendered)
    return rendered


def test_the_draft_voice_repeats_to_the_byte_in_another_process() -> None:
    """Whatever was said before."""
    code = (
        "import hashlib; from pipeline.engines import *; e = open_engine('draft')\n"
        "r = Request('k', (Line(Voice('ann', DraftVoice('f2')), 'The lamp is lit.'),), 'en', 77)\n"
        "print(hashlib.sha256(next(e.render([r])).pcm.tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    _one("draft", _request("before", (BOB, "Something else first, in another voice.")))
    here = _one("draft", _request("k", (ANN, "The lamp is lit."), seed=77))
    assert hashlib.sha256(here.pcm.tobytes()).hexdigest() == there


def test_the_draft_voices_differ() -> None:
    """By variant, by pitch, by rate, by seed and by language."""
    base = DraftVoice("f2")
    voices = [base, DraftVoice("m3"), DraftVoice("f2", pitch=80), DraftVoice("f2", rate_wpm=120)]
    sounds = {_one("draft", _request("k", (Voice("x", v), "Hello there."))).pcm.tobytes() for v in voices}
    sounds.add(_one("draft", _request("k", (ANN, "Hello there."), seed=9)).pcm.tobytes())
    sounds.add(_one("draft", _request("k", (ANN, "Hello there."), language="de")).pcm.tobytes())
    assert len(sounds) == 6


def test_draft_speech_is_as_long_as_speech() -> None:
    """Between 10 and 22 bytes a second, not cut off and not silent."""
    text = "The old lighthouse keeper climbed the stairs every evening and lit the lamp before the ships came home."
    rendered = _one("draft", _request("k", (ANN, text)))
    assert 10 < len(text) / (len(rendered.pcm) / 22_050) < 22
    assert 0.1 < np.abs(rendered.pcm).max() <= 1


def test_what_espeak_cannot_do_fails_alone() -> None:
    """The other requests are rendered."""
    requests = [_request("a", (ANN, "Yes."), language="xx"), _request("b", (ANN, "Yes."))]
    first, second = open_engine("draft").render(requests)
    assert isinstance(first, Failed)
    assert "xx" in first.reason
    assert isinstance(second, Rendered)


def test_what_no_text_holds_hides_none_of_it() -> None:
    """A zero, which ends a text for espeak-ng, and half of a surrogate pair."""
    plain, odd = open_engine("draft").render(
        [_request(k, (ANN, t)) for k, t in (("a", "a cat"), ("b", "a\0\ud800cat"))]
    )
    assert isinstance(plain, Rendered)
    assert isinstance(odd, Rendered)
    assert np.array_equal(plain.pcm, odd.pcm)


@pytest.mark.parametrize(
    ("language", "voice", "complaint"),
    [
        ("en", ANN, None),
        ("en-gb", ANN, None),
        ("de", ANN, None),
        ("xx", ANN, '"xx"'),
        ("en", Voice("zed", DraftVoice("zzz")), '"zed"'),
        ("en", Voice("zed", DraftVoice("f2", accent="mars")), '"mars"'),
    ],
)
def test_the_draft_engine_says_beforehand_what_it_lacks(language: str, voice: Voice, complaint: str | None) -> None:
    """Languages, variants and accents."""
    found = open_engine("draft").check(language, [voice])
    assert (complaint is None) == (not found)
    assert complaint is None or complaint in found[0]
