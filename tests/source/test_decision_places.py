"""Decision places: each decision keeps its chunk, whatever happens to the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.decision_places import PlacedWords, context, match_decisions
from pipeline.source.decisions import Decision

ADA, BEN = ("ada",), ("ben",)


def book(text: str) -> list[PlacedWords]:
    """Chunks parted by bars, those that begin with > spoken by Ben."""
    chunks = [chunk.strip() for chunk in text.split("|")]
    return [PlacedWords(chunk.removeprefix("> "), BEN if chunk.startswith("> ") else ADA) for chunk in chunks]


def take(number: int) -> str:
    return f"{number:032x}.flac"


def approvals(chunks: Sequence[PlacedWords], *indices: int) -> list[Decision]:
    """Approvals of these chunks, each of a take of its index."""
    return [
        Decision(number, f"d:{number}", chunks[at].words, chunks[at].voices, *context(chunks, at), approve=take(at))
        for number, at in enumerate(indices, start=1)
    ]


def decided(number: int, words: str, before: str = "", after: str = "", by: str = "", **kind: int | str) -> Decision:
    return Decision(number, f"d:{number}", words, ADA, before, after, by=by, **kind)  # type: ignore[arg-type]


def test_the_words_around_a_chunk() -> None:
    """Twelve on either side, over as many chunks as they take; fewer at both ends of the book."""
    chunks = [PlacedWords(f"a{at}  b{at}\nc{at}", ADA) for at in range(9)]
    assert context(chunks, 0) == ("", "a1 b1 c1 a2 b2 c2 a3 b3 c3 a4 b4 c4")
    assert context(chunks, 2) == ("a0 b0 c0 a1 b1 c1", "a3 b3 c3 a4 b4 c4 a5 b5 c5 a6 b6 c6")
    assert context(chunks, 8)[0].split()[0] == "a4"
    long = [PlacedWords(" ".join(map(str, range(30))), ADA)] * 3
    assert context(long, 1) == (" ".join(map(str, range(18, 30))), " ".join(map(str, range(12))))
    assert context(long[:1], 0) == ("", "")


BEFORE = "He came. | Will you? | Yes. | Then go. | Are you sure? | Yes. | So be it."
MOVES = {  # what the script became, and where the chunks 2 and 5 that were approved stand there
    "unchanged": (BEFORE, {2: 2, 5: 5}),
    "another earlier": (
        "Yes. | He came. | Will you? | Yes. | Then go. | Are you sure? | Yes. | So be it.",
        {3: 2, 6: 5},
    ),
    "others in both places": (
        "He came. | Yes. | Will you? | Yes. | Then go. | Yes. | Are you sure? | Yes. | So be it. | Yes.",
        {3: 2, 7: 5},
    ),
    "neighbours edited": (
        "He came. | Will you ever? | Yes. | Then come. | Are you quite sure? | Yes. | So be it.",
        {2: 2, 5: 5},
    ),
    "one removed": ("He came. | Will you? | Then go. | Are you sure? | Yes. | So be it.", {4: 5}),
    "one edited": ("He came. | Will you? | Yes! | Then go. | Are you sure? | Yes. | So be it.", {5: 5}),
    "another voice": ("He came. | Will you? | > Yes. | Then go. | Are you sure? | Yes. | So be it.", {5: 5}),
    "scenes swapped": ("Are you sure? | Yes. | So be it. | He came. | Will you? | Yes. | Then go.", {1: 5, 5: 2}),
    "elsewhere only": ("One. | Yes. | Two. | Yes. | Three.", {}),
    "one alone, elsewhere": ("One. | Yes. | Two.", {1: 2}),
    "cut otherwise": ("He came. Will you? | Yes. | Then go. Are you sure? | Yes. | So be it.", {1: 2, 3: 5}),
}


@pytest.mark.parametrize("case", MOVES)
def test_an_approval_keeps_its_chunk(case: str) -> None:
    """By what stands around it; of neither that it was about, nobody has it."""
    after, places = MOVES[case]
    decisions = approvals(book(BEFORE), 2, 5)
    matches = match_decisions(decisions, book(after))
    assert {at: one.approve for at, one in matches.approved.items()} == {at: take(was) for at, was in places.items()}
    assert len(matches.lost) == 2 - len(places)
    assert matches.problems == ()


WORDS = st.sampled_from("the sea and was of he said no now".split())
CHUNKS = st.one_of(st.just("Yes."), st.lists(WORDS, min_size=1, max_size=9).map(" ".join))


@given(st.data(), st.lists(CHUNKS, min_size=1, max_size=30))
def test_no_edit_elsewhere_takes_a_decision_from_its_chunk(data: st.DataObject, texts: list[str]) -> None:
    """Chunks come and go further than the words of a decision reach, others of the same words among them."""
    unique = [f"{text} {at}" if text != "Yes." else text for at, text in enumerate(texts)]
    pad = [" ".join(f"{side}{at}" for at in range(12)) for side in "ab"]
    chunks = [PlacedWords(text, ADA) for text in (*unique, pad[0], "Yes.", pad[1], *unique)]
    approved = len(unique) + 1
    (decision,) = approvals(chunks, approved)
    before = [PlacedWords(text, ADA) for text in data.draw(st.lists(CHUNKS, max_size=20))]
    after = [PlacedWords(text, ADA) for text in data.draw(st.lists(CHUNKS, max_size=20))]
    kept = data.draw(st.sampled_from(["both", "before", "after"]))
    edited = [*before, *chunks[approved - (kept != "after") : approved + 1 + (kept != "before")], *after]
    place = len(before) + (kept != "after")
    assert match_decisions([decision], edited).approved == {place: decision}
    others = approvals(edited, *(at for at, one in enumerate(edited) if one.words == "Yes." and at != place))
    matches = match_decisions([*others, decision], edited)
    assert matches.approved[place] is decision
    assert len(matches.approved) == len(others) + 1


@given(st.data(), st.lists(CHUNKS, max_size=25))
def test_every_decision_is_about_one_chunk_or_told_of(data: st.DataObject, texts: list[str]) -> None:
    """With its own words and voices, whatever the script has become; unchanged, every decision has its chunk."""
    chunks = [PlacedWords(text, data.draw(st.sampled_from([ADA, BEN]))) for text in texts]
    decisions = approvals(chunks, *range(len(chunks)))
    same = match_decisions(decisions, chunks)
    assert (len(same.approved), same.lost, same.problems) == (len(chunks), (), ())
    assert [same.approved[at].words for at in range(len(chunks))] == [chunk.words for chunk in chunks]
    edited = [chunk for chunk in chunks if data.draw(st.booleans())]
    for _new in range(data.draw(st.integers(0, 5))):
        edited.insert(data.draw(st.integers(0, len(edited))), PlacedWords(data.draw(CHUNKS), ADA))
    matches = match_decisions(decisions, edited)
    for at, one in matches.approved.items():
        assert (one.words, one.voices) == (edited[at].words, edited[at].voices)
    places = [one.number for one in matches.approved.values()]
    assert len(set(places)) == len(places)
    told = {one.number for one, _problem in matches.lost} | {int(one.where[2:]) for one in matches.problems}
    assert told | set(places) == {one.number for one in decisions}


def test_kinds_are_matched_apart() -> None:
    """An approved chunk may have alternatives, and white space is all alike."""
    chunks = book("One. | Two  words. | Three.")
    given_ = [
        decided(1, "Two words.", "One.", "Three.", takes=3),
        decided(2, "Two\twords.", "One.", "Three.", approve=take(1)),
        decided(3, "Three.", "", "", retake=2),
    ]
    matches = match_decisions(given_, chunks)
    assert (matches.approved, matches.alternatives, matches.retakes) == ({1: given_[1]}, {1: given_[0]}, {2: given_[2]})
    assert match_decisions((), chunks) == match_decisions((), ()) == type(matches)()


def test_what_two_people_decide_of_one_take() -> None:
    """Both are told of with their lines, and the first approval stands; who says the same says nothing new."""
    chunks = book("One. | Yes. | Two. | Yes. | Three.")
    first = decided(1, "Yes.", "One.", "Two. Yes. Three.", "Ann", retake=1, seed=7)
    second = decided(2, "Yes.", "One.", "Two. Yes. Three.", "Ben", approve=take(1))
    third = decided(3, "Yes.", "One.", "Two. Yes. Three.", "", approve=take(2))
    same = decided(4, "Yes.", "One.", "Two. Yes. Three.", "Eve", approve=take(1))
    for given_ in ([first, second], [second, third], [second, same], [first, same]):
        matches = match_decisions(given_, chunks)
        assert matches.retakes == {}
        assert matches.lost == ()
        assert matches.approved == {1: next(one for one in given_ if one.approve)}
        assert len(matches.problems) == (0 if given_ == [second, same] else 2)
    assert [str(problem) for problem in match_decisions([first, second, third], chunks).problems] == [
        f'd:1: Ann asked for a retake with seed 7 for "Yes.", and Ben approved {take(1)} (d:2). '
        "That one stands; take one of the two out.",
        f'd:2: Ben approved {take(1)} for "Yes.", and Ann asked for a retake with seed 7 (d:1). '
        "This one stands; take one of the two out.",
        f'd:2: Ben approved {take(1)} for "Yes.", and somebody approved {take(2)} (d:3). '
        "This one stands; take one of the two out.",
        f'd:3: somebody approved {take(2)} for "Yes.", and Ben approved {take(1)} (d:2). '
        "That one stands; take one of the two out.",
    ]


def test_a_place_that_was_edited_between_two_decisions_is_one_place() -> None:
    """An older approval does not move on to other chunks of the same words because somebody decided again."""
    was = book("He said | Yes. | and went away at once. | He said | No. | He said | Yes. | and came.")
    now = book("He said | Yes. | and went away soon. | He said | No. | He said | Yes. | and came.")
    (old,) = approvals(was, 1)
    new = decided(2, "Yes.", *context(now, 1), "Ben", retake=1)
    matches = match_decisions([old, new], now)
    assert (matches.approved, matches.retakes, len(matches.problems)) == ({1: old}, {}, 2)


def test_what_is_about_no_chunk_is_told() -> None:
    chunks = book("I saw the cats by the sea. | > Hello there. | One. | Yes. | Two. | Yes. | Three.")
    cases = {
        (
            "I saw a cat by the sea.",
            "",
            "",
        ): 'no longer stands in the script as the words of a take. The nearest words are "I saw the cats by the sea.".',
        (
            "I saw the cats by the tea.",
            "",
            "",
        ): 'no longer stands in the script as the words of a take. The nearest words are "… cats by the sea.".',
        ("Hello there.", "", "One."): "is spoken by ben now, and was by ada. Take the decision out, or correct it.",
        (
            "Yes.",
            "Nine.",
            "Ten.",
        ): "stands in the script 2 times, but nowhere new between the words that this decision names. "
        "Take the decision out, or correct it.",
        (
            "Zzzz qqqq.",
            "",
            "",
        ): "no longer stands in the script as the words of a take. Take the decision out, or correct it.",
    }
    for (words, before, after), told in cases.items():
        matches = match_decisions([decided(1, words, before, after, takes=2)], chunks)
        assert [str(problem) for _one, problem in matches.lost] == [f'd:1: "{words}" {told}']
    matches = match_decisions([decided(1, "One.", takes=2), decided(2, "Ones.", takes=2)], chunks)
    assert ["nearest" in problem.next for _one, problem in matches.lost] == [True]
    matches = match_decisions([decided(1, "Ones.", takes=2), decided(2, "Twos.", takes=2)], chunks)
    assert all(problem.next.startswith("None of these 2 decisions is about a take") for _one, problem in matches.lost)
