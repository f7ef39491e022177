"""Chunks fit the window, lose nothing, and an edit changes only those near it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines import Budget
from pipeline.files import content_key
from pipeline.source.script import Turn
from pipeline.source.spoken.pairs import Normalizer, said
from pipeline.takes.chunks import MAX_SPEAKERS, Chunk, pack
from tests.support.spoken_words import ENGLISH, cases
from tests.support.turns import BORDERS, chapter_of, edits, random_text, scripts

BUDGET = Budget()
SAID_OTHERWISE = [
    display for name in ("abbreviations", "romans", "symbols", "web", "numbers") for display, _ in cases(name)
]
SPEECH = Normalizer("en")


def _pack(turns: Sequence[Turn], budget: Budget = BUDGET) -> list[Chunk]:
    return pack(chapter_of(turns), 0, budget, SPEECH)


def _content(chunk: Chunk) -> tuple[tuple[str | None, str], ...]:
    return tuple((piece.speaker, piece.spoken) for piece in chunk.pieces)


@given(scripts())
def test_every_word_is_said_once_in_order_by_its_speaker(turns: list[Turn]) -> None:
    """Chunks hold the words of the turns, nothing more, nothing less."""
    said = [(p.turn, p.speaker, word) for chunk in _pack(turns) for p in chunk.pieces for word in p.text.split()]
    assert said == [(index, turn.speaker, word) for index, turn in enumerate(turns) for word in turn.text.split()]


@given(scripts(), st.integers(20, 100), st.integers(200, 500))
def test_chunks_fit_the_budget(turns: list[Turn], min_bytes: int, max_bytes: int) -> None:
    """No chunk is over the budget, has three speakers, or crosses a scene or a written pause."""
    for chunk in _pack(turns, Budget(min_bytes, max_bytes)):
        assert chunk.spoken_bytes <= max_bytes
        assert len({piece.speaker for piece in chunk.pieces}) <= MAX_SPEAKERS
        for piece in chunk.pieces[1:]:
            assert turns[piece.turn].border in ("turn", "paragraph")
            assert turns[piece.turn].pause_s is None


@given(scripts())
def test_chunks_are_seldom_too_short(turns: list[Turn]) -> None:
    """A chunk under the minimum has no neighbour it could have been joined with as it is."""
    chunks = _pack(turns)
    for before, after in pairwise(chunks):
        if min(before.spoken_bytes, after.spoken_bytes) >= BUDGET.min_bytes:
            continue
        border = turns[after.pieces[0].turn]
        hard = border.border == "scene" or border.pause_s is not None
        speakers = {piece.speaker for piece in (*before.pieces, *after.pieces)}
        together = before.spoken_bytes + 1 + after.spoken_bytes
        both_short = max(before.spoken_bytes, after.spoken_bytes) < BUDGET.min_bytes
        assert hard or len(speakers) > MAX_SPEAKERS or together > BUDGET.max_bytes or not both_short


@given(scripts(), st.data())
@settings(max_examples=200)
def test_an_edit_changes_only_chunks_near_it(turns: list[Turn], data: st.DataObject) -> None:
    """Changing, inserting or deleting a turn leaves every chunk beyond two paragraphs on either side as it was.

    A paragraph shorter than two chunks counts as two chunks: a border is looked for within that distance.
    """
    index, _kind, edited = data.draw(edits(turns))
    first, last = _two_paragraphs(turns, index, -1), _two_paragraphs(turns, index, +1)
    after = {_content(chunk) for chunk in _pack(edited)}
    for chunk in _pack(turns):
        if chunk.pieces[-1].turn < first or chunk.pieces[0].turn > last:
            assert _content(chunk) in after


def _two_paragraphs(turns: Sequence[Turn], index: int, step: int) -> int:
    """The turn two paragraphs away from `index`, each at least two chunks long."""
    for _paragraph in range(2):
        size = 0
        while 0 <= index + step < len(turns) and size < 2 * BUDGET.max_bytes:
            index += step
            size += len(turns[index].text)
    return index


def test_most_edits_touch_no_more_than_their_neighbours() -> None:
    """On a transcript of ordinary turns, a changed turn alters chunks of two turns on either side, hardly ever more."""
    dice = random.Random(7)
    far = 0
    for _ in range(150):
        lengths = [max(3, round(dice.expovariate(1 / 60))) for _ in range(60)]
        turns = [Turn(f"S{i % 3}", random_text(dice, words), "turn", f"s:{i}") for i, words in enumerate(lengths)]
        index = dice.randrange(60)
        edited = [*turns]
        edited[index] = replace(turns[index], text=random_text(dice, 20))
        kept = {_content(chunk) for chunk in _pack(edited)}
        far += any(
            _content(chunk) not in kept
            for chunk in _pack(turns)
            if chunk.pieces[-1].turn < index - 2 or chunk.pieces[0].turn > index + 2
        )
    assert far <= 8  # of 150


def test_a_long_sentence_is_cut_at_clauses_else_at_words() -> None:
    """A sentence over the budget is cut after commas; without commas between words; never inside one."""
    clause = " ".join(["word"] * 30)
    chunks = _pack([Turn("A", ", ".join([clause] * 5) + ".", "chapter", "s:1")])
    assert all(chunk.pieces[0].text[-1] in ",." for chunk in chunks)
    words = _pack([Turn("A", " ".join(["antidisestablishmentarianism"] * 5000), "chapter", "s:1")])
    assert {word for chunk in words for word in chunk.pieces[0].text.split()} == {"antidisestablishmentarianism"}


def test_what_is_said_for_a_word_that_no_chunk_can_hold_is_cut_and_its_text_goes_with_the_first_part() -> None:
    """A page without spaces is one word, and is spoken all the same."""
    text = "short " + "x" * 700 + " end."
    pieces = [piece for chunk in _pack([Turn("A", text, "chapter", "s.md:3")]) for piece in chunk.pieces]
    assert "".join(piece.spoken for piece in pieces).replace(" ", "") == text.replace(" ", "")
    assert [piece.text for piece in pieces] == ["short", "x" * 700, "", "end."]


@given(st.lists(st.sampled_from(SAID_OTHERWISE), min_size=1, max_size=40), st.integers(10, 60))
def test_no_character_is_lost_between_display_spoken_text_and_chunks(texts: list[str], min_bytes: int) -> None:
    """Chunks are cut between pairs alone, or within what is said as it is displayed."""
    text = " ".join(" ".join(texts).split())
    budget = Budget(min_bytes, 2 * min_bytes)
    pairs = ENGLISH.pairs(text)
    chunks = pack(chapter_of([Turn("A", text, "chapter", "s.md:3")]), 0, budget, ENGLISH)
    pieces = [piece for chunk in chunks for piece in chunk.pieces]
    assert all(chunk.spoken_bytes <= budget.max_bytes for chunk in chunks)
    assert " ".join(piece.text for piece in pieces if piece.text) == text
    assert "".join(piece.spoken for piece in pieces).replace(" ", "") == said(pairs).replace(" ", "")
    borders = {offset for pair in pairs for offset in (pair.start, pair.end)}
    plain = [pair for pair in pairs if pair.spoken == text[pair.start : pair.end]]
    for piece in pieces:
        for pair in piece.pairs:
            ends = {pair.start, pair.end} - borders
            assert not ends or any(one.start <= pair.start and pair.end <= one.end for one in plain)


@pytest.mark.parametrize(("tags", "expected"), [(True, "Well. (laughs)"), (False, "Well.")])
def test_tags_are_kept_for_engines_that_speak_them(tags: bool, expected: str) -> None:
    """A tag stays on display either way."""
    (chunk,) = pack(chapter_of([Turn("A", "Well. (laughs)", "chapter", "s:1")]), 0, BUDGET, Normalizer("en", tags=tags))
    assert chunk.pieces[0].spoken == expected
    assert chunk.pieces[0].text == "Well. (laughs)"


def test_a_turn_without_anything_to_say_makes_no_chunk() -> None:
    """Only a tag, or only letters the voice cannot read."""
    assert _pack([Turn("A", "(laughs)", "chapter", "s:1"), Turn("B", "你好", "turn", "s:2")]) == []


def test_the_budget_must_leave_room() -> None:
    """The minimum is at most half of the maximum."""
    with pytest.raises(ValueError, match="at most half"):
        Budget(200, 300)


@pytest.mark.parametrize(
    ("words", "budget", "chunks", "digest"),
    [
        (8, Budget(), 216, "d4d30ab3df676c3f0ec3ccf9f5070c96"),
        (60, Budget(), 994, "913d17ae342eb62c974f2c7ebcbd2a0a"),
        (60, Budget(40, 120), 2295, "c2e6c0f6ed0ee68aa33ef79bb802e830"),
    ],
)
def test_a_script_that_was_never_rendered_is_cut_as_ever(words: int, budget: Budget, chunks: int, digest: str) -> None:
    """Takes of jobs without a last plan depend on it: another cut would render finished books again."""
    dice = random.Random(words)
    lengths = [max(2, round(dice.expovariate(1 / words))) for _ in range(500)]
    turns = [
        Turn(f"S{dice.randint(1, 3)}", random_text(dice, length), dice.choice(BORDERS), f"s:{index}")
        for index, length in enumerate(lengths)
    ]
    packed = _pack(turns, budget)
    assert len(packed) == chunks
    assert content_key([[[piece.turn, piece.spoken] for piece in chunk.pieces] for chunk in packed]) == digest
