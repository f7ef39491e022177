"""What is displayed of a script: all of it, once, from its turns through pairs and chunks to every transcript."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.deliver.transcript import Cue, to_json, to_srt, to_vtt
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.stages import Conditions, join_all_chapters, render_all_takes
from pipeline.settings import Settings, bundled_voices
from pipeline.source.spoken.pairs import said
from pipeline.source.spoken.text import has_speech
from pipeline.source.voices import NARRATOR
from tests.support.spoken_words import cases
from tests.support.subtitles import letters, parse_srt, parse_vtt

PLAIN = [
    "So it goes.",
    "Well, well, well;",
    "“Stop!”",
    "no",
    "A long way round, and nobody knew why.",
    "(laughs)",
    "...",
    "好。",
]
# More than a chunk holds, as they are written, or only as they are said.
ENDLESS = [
    "x" * 700,
    "漢字" * 250,
    "9" * 120,
    ("word" * 20 + "-") * 9,
    "1,234,567," * 30 + "890",
    "(" + "ab" * 200 + ").",
]
NUMBERS = {
    "en": [display for name in ("abbreviations", "numbers", "romans", "web") for display, _spoken in cases(name)],
    "de": ["Am 3. März 2021", "z. B. 12,50 €", "um 15:30 Uhr", "3–4 kg", "§ 5", "Dr. Weiß"],
    "fr": ["le 3 mars 2021", "12,50 €", "Mme Roy", "3 %", "1er"],
    "ru": ["3 марта 2021 г.", "12,5 кг", "25 %", "слово"],
    "xx": ["5 apples", "§ 3", "word"],
}
BREAKS = ["\n\n---\n\n", "\n\n# Another chapter\n\n", "\n\n", "\n\n", "\n\n"]


@st.composite
def manuscripts(draw: st.DrawFn) -> tuple[str, str]:
    """A language, and a script in Markdown with scenes, chapters, written pauses and several speakers."""
    language = draw(st.sampled_from(sorted(NUMBERS)))
    words = st.one_of(st.sampled_from(PLAIN), st.sampled_from(NUMBERS[language]), st.sampled_from(NUMBERS[language]))
    words = st.one_of(words, words, words, words, st.sampled_from(ENDLESS), st.just("[pause 1s]"))
    parts = ["# One\n\n**Ann:** So it begins."]
    for _turn in range(draw(st.integers(1, 7))):
        speaker = draw(st.sampled_from(["**Ann:** ", "**Bob:** ", "**Cleo:** ", ""]))
        parts += [draw(st.sampled_from(BREAKS)), speaker, " ".join(draw(st.lists(words, min_size=1, max_size=12)))]
    return language, "".join(parts)


def _job(folder: Path, language: str, script: str) -> Job:
    (folder / "job.md").write_text(script)
    (folder / "job.yaml").write_text(
        f"title: A test\nscript: job.md\nlanguage: {language}\nspeakers: [Ann, Bob, Cleo]\n"
    )
    return open_job(
        folder / "job.yaml", Settings(output=folder / "output", voices=(bundled_voices(),), jobs=1), engine="tone"
    )


def _word_characters(text: str) -> str:
    return re.sub(r"\W", "", text)


def _displayed_by_chunks(job: Job) -> list[list[tuple[str, str]]]:
    """Of each chapter, who displays what: the pieces of each turn joined, held against the turn and its pairs."""
    pieces = {
        key: list(group)
        for key, group in groupby(
            ((take.chunk.chapter, piece) for take in job.takes for piece in take.chunk.pieces),
            key=lambda one: (one[0], one[1].turn),
        )
    }
    displayed: list[list[tuple[str, str]]] = []
    for number, chapter in enumerate(job.script.chapters):
        displayed.append([])
        for index, turn in enumerate(chapter.turns):
            pairs = job.normalizer.pairs(turn.text, speaker=turn.speaker, chapter=(number + 1, chapter.title))
            between = "".join(turn.text[before.end : after.start] for before, after in pairwise(pairs))
            assert not between.strip()
            of_turn = [piece for _chapter, piece in pieces.get((number, index), [])]
            assert letters("".join(piece.text for piece in of_turn)) == (letters(turn.text) if of_turn else "")
            assert _word_characters("".join(piece.spoken for piece in of_turn)) == _word_characters(said(pairs))
            assert of_turn or not has_speech(said(pairs))
            if of_turn:
                displayed[-1].append((turn.speaker or NARRATOR, letters(turn.text)))
    return displayed


@settings(max_examples=25)
@given(manuscripts())
def test_every_character_is_displayed_once(manuscript: tuple[str, str]) -> None:
    """Whatever is said for it, wherever it is cut, and though it is longer than a chunk: by its turn, in order."""
    with TemporaryDirectory() as name:
        job = _job(Path(name), *manuscript)
        displayed = _displayed_by_chunks(job)
        job.workspace.create()
        chapters = join_all_chapters(job, render_all_takes(job, Conditions(jobs=1)), Conditions(jobs=1))
    assert len(chapters) == len([turns for turns in displayed if turns])
    for chapter, turns in zip(chapters, filter(None, displayed), strict=True):
        text = "".join(text for _speaker, text in turns)
        assert [(turn.speaker, letters(turn.text)) for turn in chapter.turns] == turns
        assert all(cue.text and cue.start_s < cue.end_s for cue in chapter.cues)
        assert letters("".join(segment["body"] for segment in json.loads(to_json(chapter.cues))["segments"])) == text
        assert letters("".join(text for _speaker, text in parse_vtt(to_vtt(chapter.cues)))) == text
        nameless = [replace(cue, speaker="") for cue in chapter.cues]
        assert letters("".join(parse_srt(to_srt(nameless)))) == text.replace("-->", "→")
        assert _by_speaker(chapter.cues) == _by_speaker([Cue(0, 0, *turn) for turn in turns])


def _by_speaker(cues: Sequence[Cue]) -> list[tuple[str, str]]:
    """Who speaks, and all that is displayed until another does."""
    groups = groupby(cues, key=lambda cue: cue.speaker)
    return [(speaker, letters("".join(cue.text for cue in group))) for speaker, group in groups]
