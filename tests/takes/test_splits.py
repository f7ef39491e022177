"""A chunk in two: nothing is lost or cut within a word, and the next plan has the same border."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines import TRAITS, Budget
from pipeline.jobs.job import Job, open_job
from pipeline.settings import Settings, bundled_voices
from pipeline.source.script import Script, Turn
from pipeline.source.spoken.pairs import Normalizer
from pipeline.takes.borders import plan_name, read_borders, repack, write_borders
from pipeline.takes.chunks import Chunk, SplitOff, pack
from pipeline.takes.plan import PlannedTake
from pipeline.takes.splits import LEAST_BYTES, Splitter, split_chunk
from pipeline.workspace import Workspace
from tests.support.turns import chapter_of, edits, scripts

BUDGET = Budget()
SPEECH = Normalizer("en")
NAME = plan_name(TRAITS["tone"], "en")


def words(*chunks: Chunk) -> list[tuple[int, str]]:
    """Every word that is said, with its turn."""
    return [(piece.turn, word) for chunk in chunks for piece in chunk.pieces for word in piece.spoken.split()]


def displayed(*chunks: Chunk) -> list[str]:
    """Every word that is displayed."""
    return [word for chunk in chunks for piece in chunk.pieces for word in piece.text.split()]


@given(scripts(), st.data())
@settings(max_examples=60)
def test_the_halves_say_what_the_whole_said(turns: list[Turn], data: st.DataObject) -> None:
    """In the same order, each word whole, and neither half is next to nothing."""
    chapter = chapter_of(turns)
    chunk = data.draw(st.sampled_from(pack(chapter, 0, BUDGET, SPEECH)))
    halves = split_chunk(chunk, chapter, data.draw(st.floats(0, 1)), BUDGET, SPEECH, {})
    if halves is None:
        spoken = " ".join(piece.spoken for piece in chunk.pieces)
        assert chunk.spoken_bytes < 2 * LEAST_BYTES + max(map(len, spoken.split())) + 1
        return
    assert words(*halves.chunks) == words(chunk)
    assert displayed(*halves.chunks) == displayed(chunk)
    assert all(half.spoken_bytes >= LEAST_BYTES for half in halves.chunks)
    assert [half.after_break for half in halves.chunks] == [chunk.after_break, False]


@given(scripts(), st.data())
@settings(max_examples=40)
def test_the_next_plan_has_the_same_halves(turns: list[Turn], data: st.DataObject) -> None:
    """Also after cutting a half once more, and, where it can be found, after an edit of another turn."""
    chapter = chapter_of(turns)
    chunks = pack(chapter, 0, BUDGET, SPEECH)
    split_texts: dict[str, tuple[str, str]] = {}
    for number in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(chunks) - 1))
        halves = split_chunk(chunks[index], chapter, data.draw(st.floats(0, 1)), BUDGET, SPEECH, split_texts)
        if halves is not None:
            if halves.cut_atom is not None:
                split_texts[halves.cut_atom[0]] = halves.cut_atom[1]
            off = [SplitOff(f"{number:032}", half, number + 1, "root" if half == 0 else "") for half in (0, 1)]
            chunks[index : index + 1] = [
                Chunk(one.chapter, one.pieces, one.after_break, split)
                for one, split in zip(halves.chunks, off, strict=True)
            ]
    planned = _planned_again(turns, chunks, split_texts)
    assert [(one.pieces, one.split) for one in planned] == [(one.pieces, one.split) for one in chunks]


def _planned_again(turns: list[Turn], chunks: list[Chunk], split_texts: dict[str, tuple[str, str]]) -> list[Chunk]:
    """What a plan makes of a script whose last plan was `chunks`, by way of the disk."""
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), "job")
        workspace.create()
        write_borders(workspace, NAME, chunks, split_texts)
        return repack([chapter_of(turns)], BUDGET, SPEECH, read_borders(workspace, NAME))[0]


@given(scripts(st.integers(20, 60)), st.data())
@settings(max_examples=40)
def test_an_edit_elsewhere_leaves_halves_as_they_are(turns: list[Turn], data: st.DataObject) -> None:
    """Those that hold nothing of the edited turn, and are not beside it."""
    chapter = chapter_of(turns)
    chunks = pack(chapter, 0, BUDGET, SPEECH)
    index = data.draw(st.integers(0, len(chunks) - 1))
    halves = split_chunk(chunks[index], chapter, 0.5, BUDGET, SPEECH, {})
    if halves is None:
        return
    split_texts = dict([halves.cut_atom]) if halves.cut_atom else {}
    chunks[index : index + 1] = halves.chunks
    edited, _kind, after = data.draw(edits(turns))
    if not after or any(abs(piece.turn - edited) <= 4 for half in halves.chunks for piece in half.pieces):
        return
    planned = _planned_again(after, chunks, split_texts)
    said = [[word for _turn, word in words(one)] for one in planned]
    for half in halves.chunks:
        assert [word for _turn, word in words(half)] in said


TWO = "They walked on. And then they ran away."
CLAUSES = "The keeper of the light walked down to the water, and looked at the grey sky for a long long time."
NO_CLAUSES = "The keeper of the light walked slowly down to the grey water in the rain."


@pytest.mark.parametrize(
    ("texts", "share", "first"),
    [
        ([TWO, "Nobody saw them at all."], 0.5, TWO),
        (["One two three four five. Six seven eight nine. Ten.", "Yes, they did."], 0.4, "One two three four five."),
        ([CLAUSES], 0.5, "The keeper of the light walked down to the water,"),
        ([CLAUSES], 0.9, CLAUSES[:-22]),  # its clause ends too far off
        ([f"Here. {CLAUSES}"], 0.5, "Here. The keeper of the light walked down to the water,"),  # "Here." is too short
        ([NO_CLAUSES], 0.5, "The keeper of the light walked slowly"),
        ([NO_CLAUSES], 0.0, "The keeper of the light"),
        ([NO_CLAUSES], 1.0, "The keeper of the light walked slowly down to the"),
        (["It is far too short."], 0.5, None),
        (["Incomprehensibilities honorificabilitudinitatibus."], 0.5, "Incomprehensibilities"),
        (["A honorificabilitudinitatibus."], 0.5, None),
    ],
)
def test_a_chunk_is_cut_where_its_turns_sentences_clauses_or_words_end(
    texts: list[str], share: float, first: str | None
) -> None:
    """In that order, as far as that is near enough; nothing is left alone that is next to nothing."""
    turns = [Turn("Ann", text, "turn" if index else "chapter", "s.md:1") for index, text in enumerate(texts)]
    chapter = chapter_of(turns)
    (chunk,) = pack(chapter, 0, BUDGET, SPEECH)
    halves = split_chunk(chunk, chapter, share, BUDGET, SPEECH, {})
    assert (halves and halves.chunks[0].text) == first


NAMES = ("S1", "S2", "S3", "S4")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job whose four speakers have voices."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "job.md").write_text("\n\n".join(f"**{name}:** Hello." for name in NAMES) + "\n")
    (folder / "job.yaml").write_text("title: A job\nscript: job.md\n")
    return open_job(folder / "job.yaml", Settings(output=folder / "out", voices=(bundled_voices(),)), engine="tone")


@given(turns=scripts(), doubled=st.booleans(), data=st.data())
@settings(max_examples=40)
def test_what_is_cut_is_planned_so_again_and_no_other_take_changes(
    job: Job, turns: list[Turn], doubled: bool, data: st.DataObject
) -> None:
    """However often, also where the book says everything twice: the number of what was cut is not given to another."""
    book = Script((chapter_of(turns), chapter_of(turns)) if doubled else (chapter_of(turns),))
    planner = replace(job.planner, script=book)
    chunks = [chunk for index, one in enumerate(book.chapters) for chunk in pack(one, index, BUDGET, SPEECH)]
    takes = planner.plan(chunks)
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), "job")
        workspace.create()

        def planned_again() -> list[PlannedTake]:
            last = read_borders(workspace, NAME)
            return planner.plan(repack(book.chapters, BUDGET, SPEECH, last)[0])

        splitter = Splitter(planner, SPEECH, takes, {}, partial(write_borders, workspace, NAME))
        for retakes in range(1, data.draw(st.integers(1, 4)) + 1):
            index = data.draw(st.integers(0, len(takes) - 1))
            halves = splitter.split(takes[index], data.draw(st.floats(0, 1)), retakes)
            if not halves:
                continue
            assert [(half.chunk.split.half, half.chunk.split.retakes) for half in halves if half.chunk.split] == [
                (0, retakes),
                (1, retakes),
            ]
            takes[index : index + 1] = halves
            again = planned_again()
            assert [take.key for take in again] == [take.key for take in takes]
            for one, other in zip(again, takes, strict=True):
                assert (one.request, one.chunk.split, one.place) == (other.request, other.chunk.split, other.place)
                assert (words(one.chunk), displayed(one.chunk)) == (words(other.chunk), displayed(other.chunk))
