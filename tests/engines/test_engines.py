"""The engines keep what the door promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.engines import (
    REMEDIES,
    TRAITS,
    DiaSound,
    DraftVoice,
    Line,
    Machine,
    Rendered,
    Request,
    Voice,
    engine_workers,
    open_engine,
)
from pipeline.errors import EngineError
from tests.support.tiny_weights import write_weights

ANN, BOB = Voice("ann", DraftVoice("f2")), Voice("bob", DraftVoice("m3", rate_wpm=150, pitch=30))
ENGINES = ["tone", "draft"]


def _request(key: str, *lines: tuple[Voice, str], seed: int = 1, language: str = "en") -> Request:
    return Request(key, tuple(Line(voice, text) for voice, text in lines), language, seed)


def _one(engine: str, request: Request) -> Rendered:
    (rendered,) = open_engine(engine).render([request])
    assert isinstance(rendered, Rendered)
    return rendered


@pytest.mark.parametrize("engine", ENGINES)
def test_every_request_comes_back_once_whatever_the_order(engine: str) -> None:
    """And a take depends on nothing but its request."""
    requests = [_request(str(n), (ANN, f"Number {n} is said."), (BOB, "Is it?"), seed=n) for n in range(6)]
    forward = {r.request.key: r for r in open_engine(engine).render(requests)}
    backward = {r.request.key: r for r in open_engine(engine).render(requests[::-1])}
    assert list(forward) == [str(n) for n in range(6)]
    assert forward.keys() == backward.keys()
    for key, rendered in forward.items():
        assert isinstance(rendered, Rendered)
        other = backward[key]
        assert isinstance(other, Rendered)
        assert np.array_equal(rendered.pcm, other.pcm)


@pytest.mark.parametrize("engine", ENGINES)
def test_requests_are_pulled_one_by_one(engine: str) -> None:
    """The next only when the one before is done, so that a caller can save each take at once."""
    pulled = []

    def requests() -> Iterator[Request]:
        for n in range(3):
            pulled.append(n)
            yield _request(str(n), (ANN, "Well then."))

    rendering = open_engine(engine).render(requests())
    next(rendering)
    assert pulled == [0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_chunk_of_two_speakers_knows_when_each_is_heard(engine: str) -> None:
    """Spans lie in order, inside the take, and each holds sound."""
    rendered = _one(engine, _request("k", (ANN, "One two three."), (BOB, "Four five six."), (ANN, "Seven.")))
    rate = open_engine(engine).sample_rate_hz
    assert rendered.spans is not None
    assert len(rendered.spans) == 3
    end_s = 0.0
    for span in rendered.spans:
        assert end_s <= span.start_s < span.end_s <= len(rendered.pcm) / rate
        assert rendered.pcm[round(span.start_s * rate) : round(span.end_s * rate)].any()
        end_s = span.end_s


def test_engines_that_are_not_there(tmp_path: Path) -> None:
    """Dia needs weights; others are not known."""
    with pytest.raises(EngineError, match="nowhere"):
        open_engine("dia", machine=Machine(weights=str(tmp_path / "nowhere")))
    with pytest.raises(EngineError, match='Did you mean "draft"'):
        open_engine("drat")


def test_how_dia_speaks_is_told_in_a_take_s_key_as_it_always_was() -> None:
    """Byte for byte: another text would be another take."""
    assert str(DiaSound()) == "cfg_scale=3.0,top_p=0.95"
    every = DiaSound(cfg_scale=2.5, temperature=0.0, top_k=30, cfg_frames=100, max_seconds=9.5, precision="int8")
    assert str(every) == (
        "cfg_scale=2.5,temperature=0.0,top_p=0.95,top_k=30,cfg_frames=100,max_seconds=9.5,precision=int8"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_another_seed_is_a_remedy_where_each_voice_sounds_different_by_it(engine: str) -> None:
    """espeak-ng's seed moves the breath of some voices, and nothing in others; the temperature is nothing to either."""
    takes = [_one(engine, replace(_request("k", (BOB, "Well then.")), seed=seed, temperature=0.5)) for seed in (1, 2)]
    assert ("seed" in TRAITS[engine].remedies) == (not np.array_equal(takes[0].pcm, takes[1].pcm))
    assert np.array_equal(takes[0].pcm, _one(engine, _request("k", (BOB, "Well then."))).pcm)
    assert {"split"} <= TRAITS[engine].remedies <= REMEDIES == TRAITS["dia"].remedies
    assert TRAITS["kokoro"].remedies == {"split"}


def test_only_engines_with_a_model_ask_for_workers(tmp_path: Path) -> None:
    """And without weights there is nothing to ask for; any workers suit Kokoro."""
    for name, traits in TRAITS.items():
        assert traits.needs_workers == (name in ("dia", "kokoro", "faulty-kokoro"))
        assert engine_workers(name, Machine(weights=str(tmp_path / "nowhere"))) == ()
    workers = engine_workers("dia", Machine(weights=str(write_weights(tmp_path / "weights"))))
    assert workers
    assert all(worker.gpu is not None or (worker.threads or 99) <= 16 for worker in workers)
