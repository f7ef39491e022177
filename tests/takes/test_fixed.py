"""The borders of an approved take stay where they are, whatever becomes of the text and the plan around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.engines import Budget
from pipeline.source.decision_places import PlacedWords, context
from pipeline.source.decisions import Decision, fold
from pipeline.source.script import Turn
from pipeline.source.spoken.pairs import Normalizer
from pipeline.takes.borders import LastPlan, repack
from pipeline.takes.chunks import Chunk, pack, units_of
from pipeline.takes.fixed import FixedSpans, fixed_spans
from pipeline.takes.matches import Place, places_of, texts_of
from tests.support.turns import chapter_of, edits, scripts
from tests.takes.test_borders import content, fits, kept

BUDGET = Budget()
SMALL, OTHER = Budget(20, 300), Budget(30, 150)
LASTS = ["the same", "none", "of another budget", "of the edited script"]
SPEECH = Normalizer("en")
SHORT = st.integers(1, 14)


def approved(chunks: Sequence[Chunk], index: int, kind: str = "approve") -> Decision:
    """A decision on one of these chunks."""
    placed = [PlacedWords(chunk.text, ("ada",)) for chunk in chunks]
    before, after = context(placed, index)
    values = {"approve": {"approve": f"{index:032x}.flac"}, "retake": {"retake": 1}, "takes": {"takes": 2}}[kind]
    return Decision(1, "", fold(chunks[index].text), ("ada",), before, after, **values)  # type: ignore[arg-type]


def planned(turns: Sequence[Turn], last: Sequence[Chunk], decisions: Sequence[Decision]) -> list[Chunk]:
    """The chunks of a script after a plan of `last`."""
    return repack([chapter_of(turns)], BUDGET, SPEECH, LastPlan(kept(last)), decisions)[0]


def places(turns: Sequence[Turn]) -> tuple[list[Place], list[str]]:
    """The places of a script, and what each displays."""
    units = units_of(chapter_of(turns), 0, BUDGET, SPEECH)
    return list(places_of([units])), list(texts_of(units))


@given(st.one_of(scripts(), scripts(SHORT)), st.sampled_from(LASTS), st.sampled_from([BUDGET, SMALL]), st.data())
@settings(max_examples=150)
def test_an_approved_take_keeps_its_borders(turns: list[Turn], last: str, cut_as: Budget, data: st.DataObject) -> None:
    """Through edits of its neighbours, where somebody else planned last or nobody, and where all is cut anew."""
    chunks = pack(chapter_of(turns), 0, cut_as, SPEECH)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(chunks) - 1), min_size=1, max_size=3)))
    decisions = [approved(chunks, index) for index in chosen]
    index, kind, edited = data.draw(edits(turns))
    assume(edited)
    for number in chosen:
        own = {piece.turn for piece in chunks[number].pieces}
        assume(not {index - 1, index} <= own if kind == "insert" else index not in own)
    kept_chunks = {
        "the same": chunks,
        "none": [],
        "of another budget": pack(chapter_of(turns), 0, OTHER, SPEECH),
        "of the edited script": pack(chapter_of(edited), 0, BUDGET, SPEECH),
    }[last]
    after = planned(edited, kept_chunks, decisions)
    said = [content(chunk) for chunk in after]
    assert all(content(chunks[number]) in said for number in chosen)
    assert all(map(fits, after))
    assert planned(edited, after, decisions) == after


@given(scripts(), st.data())
@settings(max_examples=40)
def test_what_is_not_approved_fixes_nothing(turns: list[Turn], data: st.DataObject) -> None:
    """A retake has no sound to keep, nor have several takes to choose from."""
    chunks = pack(chapter_of(turns), 0, SMALL, SPEECH)
    index = data.draw(st.integers(0, len(chunks) - 1))
    decisions = [approved(chunks, index, kind) for kind in ("retake", "takes")]
    assert fixed_spans(decisions, *places(turns)) == FixedSpans()
    assert planned(turns, [], decisions) == pack(chapter_of(turns), 0, BUDGET, SPEECH)


def turns_of(*texts: str) -> list[Turn]:
    """Turns of one speaker; the first begins the chapter."""
    return [Turn("Ann", text, "turn" if index else "chapter", "s.md:1") for index, text in enumerate(texts)]


def decision(words: str, before: str = "", after: str = "") -> Decision:
    """An approval."""
    return Decision(1, "", words, ("ada",), before, after, approve=f"{1:032x}.flac")


YES_TWICE = turns_of("Will you come?", "Yes.", "Then come now.", "Will you stay?", "Yes.", "Then stay here.")


@pytest.mark.parametrize(
    ("decisions", "spans"),
    [
        ([decision("Will you come?")], [(0, 1)]),
        ([decision("Yes. Then come now.")], [(1, 3)]),
        ([decision("Yes.", "Will you come?", "Then come now.")], [(1, 2)]),
        ([decision("Yes.", "Will you stay?", "And now others.")], [(4, 5)]),
        ([decision("Yes.", "Are you there?", "Then stay here.")], [(4, 5)]),
        ([decision("Yes.", "Are you there?", "Who is it?")], []),
        ([decision("Yes.")], []),
        ([decision("No.")], []),
        ([decision("Yes. Then")], []),
        ([decision("Then stay here. Good.")], []),
        ([decision("Will you come? Yes."), decision("Yes. Then come now.")], [(0, 2)]),
        ([decision("Then  come now."), decision("Will you come?"), decision("Will you come?")], [(0, 1), (2, 3)]),
    ],
)
def test_words_are_found_where_they_stand(decisions: list[Decision], spans: list[tuple[int, int]]) -> None:
    """Several times: where they have a neighbour that they had; of two that overlap the first."""
    assert list(fixed_spans(decisions, *places(YES_TWICE)).spans) == spans


def test_a_take_does_not_reach_over_a_hard_border() -> None:
    """As nothing is joined across it."""
    turns = turns_of("Will you come?", "Yes.")
    turns[1] = replace(turns[1], border="scene")
    assert list(fixed_spans([decision("Will you come? Yes.")], *places(turns)).spans) == []


def test_cuts_are_at_the_ends_of_spans_and_none_within() -> None:
    """Nothing else moves, and without spans nothing at all."""
    fixed = FixedSpans([(2, 4), (6, 9)])
    assert fixed.cuts([0, 3, 5, 7, 8, 10]) == [0, 2, 4, 5, 6, 9, 10]
    assert FixedSpans().cuts([0, 3, 10]) == [0, 3, 10]
    script, _texts = places(YES_TWICE)
    assert [place.hard for place in script] == [True, *[False] * 5]
    assert [place.hard for place in FixedSpans([(1, 3), (3, 5)]).harden(script)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]
    assert FixedSpans([(4, 6)]).harden(script)[:4] == script[:4]
