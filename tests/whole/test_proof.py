"""A chapter full of prices, dates, kings, addresses and foreign names, read by Kokoro, and heard by two recognisers.

Names are judged by their phones, as the lexicon has them; all else by its words, both sides as they are said.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.engines import Line, Rendered, Request
from pipeline.engines.kokoro.phonemes import ESPEAK_VOICES
from pipeline.jobs.job import Job, open_job
from pipeline.settings import Settings, bundled_voices
from pipeline.takes.plan import PlannedTake
from tests.conftest import SUMMARIES
from tests.support.listening import misheard, transcribe, words
from tests.support.phones import NAME, expected_phones, recognized_phones

CHAPTER = Path(__file__).parent / "proof"
_NAME_WORD = "name"


@pytest.fixture(scope="module")
def job(kokoro_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The chapter, with its lexicon."""
    settings = Settings(
        output=tmp_path_factory.mktemp("output"), voices=(bundled_voices(),), kokoro=str(kokoro_weights)
    )
    return open_job(CHAPTER / "job.yaml", settings)


def _render(job: Job, take: PlannedTake, *texts: str) -> Rendered:
    lines = tuple(Line(line.voice, text) for line, text in zip(take.request.lines, texts, strict=True))
    (rendered,) = job.engine.render([Request(take.key, lines, "en", 1)])
    assert isinstance(rendered, Rendered)
    return rendered


def _heard_words(folder: Path, rendered: Rendered, job: Job) -> list[str]:
    return words(transcribe(folder, np.asarray(rendered.pcm), job.engine.sample_rate_hz))


def _expected_words(spoken: str) -> Iterator[str]:
    """With one word for each name."""
    for index, part in enumerate(NAME.split(spoken)):
        yield from [_NAME_WORD] if index % 2 else words(part)


def _tell(request: pytest.FixtureRequest, figures: str) -> None:
    request.config.stash.setdefault(SUMMARIES, []).append(f"The chapter, misheard: {figures}")


def test_the_chapter_is_long_enough(job: Job) -> None:
    """And its names stand in it as IPA."""
    text = " ".join(take.chunk.text for take in job.takes)
    assert len(text.split()) >= 300
    assert len(NAME.findall(" ".join(line.text for take in job.takes for line in take.request.lines))) >= 12
    assert not job.warnings


@pytest.mark.slow
@pytest.mark.speech
def test_the_chapter_is_understood(job: Job, whisper: Path, hama: Path, request: pytest.FixtureRequest) -> None:
    """At most 3 % of its words are misheard, and of the phones of its names no more than of those of other words.

    That is what the recogniser of phones gets wrong itself, as the words are understood.
    """
    words_wrong = words_count = phones_wrong = phones_count = others_wrong = others_count = 0
    problems = []
    for take in job.takes:
        texts = [line.text for line in take.request.lines]
        rendered = _render(job, take, *texts)
        expected = list(_expected_words(" ".join(texts)))
        recognized = _heard_words(whisper, rendered, job)
        wrong = [expected[index] for index in misheard(expected, recognized) if expected[index] != _NAME_WORD]
        words_wrong += len(wrong)
        words_count += len(expected) - expected.count(_NAME_WORD)
        accent = ESPEAK_VOICES[take.request.lines[0].voice.kokoro.voice[0]]
        sounds = list(expected_phones(" ".join(texts), accent))
        heard = recognized_phones(hama, np.asarray(rendered.pcm), job.engine.sample_rate_hz)
        in_names = [sounds[index][1] for index in misheard([phone for phone, _is_name in sounds], heard)]
        phones_wrong += sum(in_names)
        phones_count += sum(is_name for _phone, is_name in sounds)
        others_wrong += len(in_names) - sum(in_names)
        others_count += sum(not is_name for _phone, is_name in sounds)
        if wrong or any(in_names):
            problems.append((texts, wrong, " ".join(recognized), "".join(heard)))
    figures = f"words {words_wrong}/{words_count}, phones of names {phones_wrong}/{phones_count}"
    _tell(request, f"{figures}, of other words {others_wrong}/{others_count}")
    assert words_count >= 300
    assert words_wrong <= 0.03 * words_count, (figures, problems)
    assert phones_wrong / phones_count <= others_wrong / others_count, (figures, problems)
