"""A chapter full of prices, dates, kings, addresses and foreign names, read by Kokoro, and heard by recognisers.

Names are judged by their phones, as the lexicon has them; all else by its words, both sides as they are said. The same
chapter as it stands, without a spoken form and a lexicon, shows that both measures can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.engines import Line, Rendered, Request
from pipeline.jobs.job import Job, open_job
from pipeline.settings import Settings, bundled_voices
from pipeline.source.spoken.pairs import Normalizer, said
from pipeline.takes.plan import PlannedTake
from tests.conftest import SUMMARIES
from tests.support.listening import misheard, transcribe, transcribe_file, words
from tests.support.phones import NAME, expected_phones, misheard_phones

CHAPTER = Path(__file__).parent / "proof"
_NAME_WORD = "name"
_AS_IT_STANDS = Normalizer("en")


@dataclass
class Count:
    """How many of something were wrong."""

    wrong: int = 0
    total: int = 0

    def __str__(self) -> str:
        return f"{self.wrong}/{self.total} ({100 * self.share:.1f} %)"

    @property
    def share(self) -> float:
        """Of 1."""
        return self.wrong / self.total

    def add(self, wrong: int, total: int) -> None:
        """Count some more."""
        self.wrong += wrong
        self.total += total


@dataclass
class Hearing:
    """What is misheard of the chapter: its words, the phones of its names and those of other words."""

    words: Count
    names: Count
    others: Count
    problems: list[object]

    def __str__(self) -> str:
        return f"words {self.words}, phones of names {self.names}, of other words {self.others}"


@pytest.fixture(scope="module")
def job(kokoro_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The chapter, with its lexicon."""
    settings = Settings(
        output=tmp_path_factory.mktemp("output"), voices=(bundled_voices(),), kokoro=str(kokoro_weights)
    )
    return open_job(CHAPTER / "job.yaml", settings)


def _spoken(take: PlannedTake) -> list[str]:
    return [line.text for line in take.request.lines]


def _as_it_stands(take: PlannedTake) -> list[str]:
    return [said(_AS_IT_STANDS.pairs(piece.text)) for piece in take.chunk.pieces]


def _hear(job: Job, texts_of: Callable[[PlannedTake], list[str]], whisper: Path, hama: Path) -> Hearing:
    """Takes read from these texts, compared with what should be said."""
    hearing = Hearing(Count(), Count(), Count(), [])
    for take in job.takes:
        lines = tuple(Line(*pair) for pair in zip((x.voice for x in take.request.lines), texts_of(take), strict=True))
        (rendered,) = job.engine.render([Request(take.key, lines, "en", 1)])
        assert isinstance(rendered, Rendered)
        pcm, rate_hz = np.asarray(rendered.pcm), job.engine.sample_rate_hz
        should = " ".join(_spoken(take))
        expected, recognized = list(_expected_words(should)), words(transcribe(whisper, pcm, rate_hz))
        wrong = [expected[index] for index in misheard(expected, recognized) if expected[index] != _NAME_WORD]
        hearing.words.add(len(wrong), len(expected) - expected.count(_NAME_WORD))
        sounds = list(expected_phones(hama, should))
        unheard = [sounds[index] for index in misheard_phones(hama, [phone for phone, _name in sounds], pcm, rate_hz)]
        in_names = sum(is_name for _phone, is_name in unheard)
        names = sum(is_name for _phone, is_name in sounds)
        hearing.names.add(in_names, names)
        hearing.others.add(len(unheard) - in_names, len(sounds) - names)
        if wrong or in_names:
            hearing.problems.append((should, wrong, " ".join(recognized), unheard))
    return hearing


def _expected_words(spoken: str) -> Iterator[str]:
    """With one word for each name."""
    for index, part in enumerate(NAME.split(spoken)):
        yield from [_NAME_WORD] if index % 2 else words(part)


def _tell(request: pytest.FixtureRequest, text: str) -> None:
    request.config.stash.setdefault(SUMMARIES, []).append(text)


def test_the_chapter_is_long_enough(job: Job) -> None:
    """And its names stand in it as IPA."""
    text = " ".join(take.chunk.text for take in job.takes)
    assert len(text.split()) >= 300
    assert len(NAME.findall(" ".join(line.text for take in job.takes for line in take.request.lines))) >= 24
    assert not job.warnings


@pytest.mark.slow
@pytest.mark.speech
def test_the_chapter_is_understood(job: Job, whisper: Path, hama: Path, request: pytest.FixtureRequest) -> None:
    """At most 3 % of its words are misheard, and at most 5 % of the phones of its names."""
    hearing = _hear(job, _spoken, whisper, hama)
    _tell(request, f"The chapter as it is said, misheard: {hearing}")
    assert hearing.words.total >= 300
    assert hearing.names.total >= 100
    assert hearing.words.share <= 0.03, hearing
    assert hearing.names.share <= 0.05, hearing
    assert hearing.others.share <= 0.05, hearing


@pytest.mark.slow
@pytest.mark.speech
def test_as_it_stands_the_chapter_is_not_understood(
    job: Job, whisper: Path, hama: Path, request: pytest.FixtureRequest
) -> None:
    """The text given to the voice as it is displayed: what is misheard is three times what may be."""
    hearing = _hear(job, _as_it_stands, whisper, hama)
    _tell(request, f"The chapter as it stands, misheard: {hearing}")
    assert hearing.words.share > 3 * 0.03, hearing
    assert hearing.names.share > 3 * 0.05, hearing


@pytest.mark.slow
@pytest.mark.speech
def test_a_person_is_understood(recordings: Path, whisper: Path, request: pytest.FixtureRequest) -> None:
    """The recogniser and the count of words, on a recording of a person reading: at most 3 % are misheard."""
    count = Count()
    for file in sorted(recordings.glob("*.wav")):
        expected = words(file.with_suffix(".txt").read_text(encoding="utf-8"))
        count.add(len(misheard(expected, words(transcribe_file(whisper, file)))), len(expected))
    _tell(request, f"A person, misheard: words {count}")
    assert count.total == 71
    assert count.share <= 0.03
