"""Chunks stay where they are: an edit costs its own chunks and one neighbour at most, and many wear out nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines import TRAITS, Budget
from pipeline.files import read_record, write_record
from pipeline.source.lexicons import lexicon_of_word
from pipeline.source.script import Turn
from pipeline.source.spoken.pairs import Normalizer
from pipeline.takes.borders import LastPlan, plan_name, read_borders, repack, write_borders
from pipeline.takes.chunks import MAX_SPEAKERS, Chunk, pack, units_of
from pipeline.takes.matches import KeptChunk
from pipeline.workspace import Production, Workspace
from tests.support.turns import chapter_of, edits, random_text, scripts

BUDGET = Budget()
SPEECH = Normalizer("en")
NAME = plan_name(TRAITS["tone"], "en")
SHORT_TURNS = st.integers(1, 14)
any_script = st.one_of(scripts(), scripts(SHORT_TURNS))
Content = tuple[tuple[str | None, str], ...]


def kept(chunks: Sequence[Chunk]) -> list[KeptChunk]:
    """What the next plan knows of these chunks."""
    plan = []
    for chunk in chunks:
        who = list(dict.fromkeys((piece.speaker, piece.voice) for piece in chunk.pieces))
        lines = ((who.index((piece.speaker, piece.voice)), piece.spoken) for piece in chunk.pieces)
        plan.append(KeptChunk(tuple(lines), chunk.after_break))
    return plan


def plan(chapters: Sequence[Sequence[Turn]], before: Sequence[Chunk]) -> list[Chunk]:
    """The chunks of a script whose last plan was `before`."""
    return repack([chapter_of(turns) for turns in chapters], BUDGET, SPEECH, LastPlan(kept(before)))[0]


def content(chunk: Chunk) -> Content:
    """The texts and speakers of a chunk."""
    return tuple((piece.speaker, piece.spoken) for piece in chunk.pieces)


def holds(chunk: Chunk, turn: int) -> bool:
    """Whether a chunk has something of a turn."""
    return any(piece.turn == turn for piece in chunk.pieces)


def fits(chunk: Chunk) -> bool:
    """Whether an engine can speak it."""
    who = {piece.speaker for piece in chunk.pieces}
    return chunk.spoken_bytes <= BUDGET.max_bytes and len(who) <= MAX_SPEAKERS


@given(any_script)
def test_without_a_last_plan_it_is_the_fresh_one(turns: list[Turn]) -> None:
    """Also where the last plan was of another text."""
    fresh = pack(chapter_of(turns), 0, BUDGET, SPEECH)
    assert repack([chapter_of(turns)], BUDGET, SPEECH, LastPlan()) == (fresh, 0)
    assert repack(
        [chapter_of(turns)], BUDGET, SPEECH, LastPlan([KeptChunk(((0, "Something else."),), after_break=True)])
    ) == (
        fresh,
        0,
    )


@given(any_script, st.data())
@settings(max_examples=300)
def test_an_edit_costs_its_own_chunks_and_one_neighbour(turns: list[Turn], data: st.DataObject) -> None:
    """Two, where a turn inside a chunk can share one with neither part that is left of it."""
    before = pack(chapter_of(turns), 0, BUDGET, SPEECH)
    index, kind, edited = data.draw(edits(turns))
    after = plan([edited], before)
    old = {content(chunk) for chunk in before}
    new = [chunk for chunk in after if content(chunk) not in old]
    had = 0 if kind == "insert" else sum(holds(chunk, index) for chunk in before)
    has = 0 if kind == "delete" else sum(holds(chunk, index) for chunk in new)
    stands_alone = kind != "delete" and _stands_alone(edited, index, before, turn_was=kind == "change")
    assert len(new) <= max(had, has) + 1 + stands_alone
    assert all(map(fits, after))


def _stands_alone(edited: Sequence[Turn], index: int, before: Sequence[Chunk], *, turn_was: bool) -> bool:
    """Whether the edited turn parts what a chunk was, and no chunk could hold it, or its end, with either part."""
    turn, turns_back = edited[index], 0 if turn_was else 1
    around = [chunk for chunk in before if holds(chunk, index)]
    if not around:
        return False
    left = [piece for piece in around[0].pieces if piece.turn < index]
    right = [piece for piece in around[-1].pieces if piece.turn > index - turns_back]
    if not left or not right:
        return False
    ((*_, last),) = [unit.atoms for unit in units_of(chapter_of([turn]), 0, BUDGET, SPEECH)]
    first = units_of(chapter_of([turn]), 0, BUDGET, SPEECH)[0].atoms[0]
    may_join = [
        (left, first.size, turn),
        (right, last.size, edited[right[0].turn + turns_back]),
    ]
    return not any(
        sum(len(piece.spoken) + 1 for piece in part) + size <= BUDGET.max_bytes
        and len({turn.speaker, *(piece.speaker for piece in part)}) <= MAX_SPEAKERS
        and after.border not in ("chapter", "scene")
        and after.pause_s is None
        for part, size, after in may_join
    )


@given(any_script, st.data())
def test_planning_again_changes_nothing(turns: list[Turn], data: st.DataObject) -> None:
    """A run that was killed, with its plan on disk, goes on with the same chunks."""
    chunks = pack(chapter_of(turns), 0, BUDGET, SPEECH)
    assert plan([turns], chunks) == chunks
    for _ in range(3):
        _index, _kind, turns = data.draw(edits(turns))
        if not turns:
            break
        chunks = plan([turns], chunks)
        assert plan([turns], chunks) == chunks


@given(st.lists(any_script, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_every_word_is_said_once_whatever_became_of_the_script(chapters: list[list[Turn]], dice: random.Random) -> None:
    """Chapters and turns moved, taken out, said by others, parted and joined."""
    before = [chunk for index, turns in enumerate(chapters) for chunk in pack(chapter_of(turns), index, BUDGET, SPEECH)]
    dice.shuffle(chapters)
    edited = [[_altered(turn, dice) for turn in turns if dice.random() < 0.9] for turns in chapters]
    after = plan(edited, before)
    said = [(c.chapter, p.turn, p.speaker, word) for c in after for p in c.pieces for word in p.text.split()]
    assert said == [
        (chapter, index, turn.speaker, word)
        for chapter, turns in enumerate(edited)
        for index, turn in enumerate(turns)
        for word in turn.text.split()
    ]
    for chunk in after:
        assert fits(chunk)
        turns = edited[chunk.chapter]
        assert all(turns[p.turn].border != "scene" and turns[p.turn].pause_s is None for p in chunk.pieces[1:])
    assert plan(edited, after) == after


def _altered(turn: Turn, dice: random.Random) -> Turn:
    match dice.randrange(12):
        case 0:
            return replace(turn, speaker="S1")
        case 1:
            return replace(turn, border=dice.choice(("turn", "scene")))
        case 2:
            return replace(turn, text=f"{turn.text} {random_text(dice, 5)}")
    return turn


@pytest.mark.parametrize("words", [8, 60])
def test_many_edits_wear_out_nothing(words: int) -> None:
    """After 200 of them chunks are as seldom too short as those of a fresh plan, and as large."""
    dice = random.Random(words)
    chunks = fresh = short = fresh_short = 0
    for _ in range(3):
        turns = [Turn("S1", random_text(dice, 20), "chapter", "s:0")]
        before: list[Chunk] = []
        for _edit in range(200):
            text = random_text(dice, max(2, round(dice.expovariate(1 / words))))
            turn = Turn(f"S{dice.randint(1, 3)}", text, "turn", "s:1")
            index = dice.randint(1, len(turns))
            turns[index : index + dice.choice((0, 1, 2))] = [turn] * dice.choice((1, 1, 2 if len(turns) < 60 else 0))
            before = plan([turns], before)
            assert all(map(fits, before))
        after = pack(chapter_of(turns), 0, BUDGET, SPEECH)
        chunks, fresh = chunks + len(before), fresh + len(after)
        short += sum(chunk.spoken_bytes < BUDGET.min_bytes for chunk in before)
        fresh_short += sum(chunk.spoken_bytes < BUDGET.min_bytes for chunk in after)
    assert short <= 1.2 * fresh_short + 3
    assert 0.85 * fresh <= chunks <= 1.15 * fresh


def test_edits_of_a_dialogue_touch_one_chunk_nearly_always() -> None:
    """Each of 144 short lines said otherwise, one at a time."""
    dice = random.Random(144)
    lengths = [max(2, round(dice.expovariate(1 / 10))) for _ in range(144)]
    turns = [Turn(f"S{i % 2}", random_text(dice, words), "turn", f"s:{i}") for i, words in enumerate(lengths)]
    before = pack(chapter_of(turns), 0, BUDGET, SPEECH)
    old = {content(chunk) for chunk in before}
    costs = []
    for index, turn in enumerate(turns):
        edited = [*turns]
        edited[index] = replace(turn, text=f"{turn.text} Indeed.")
        costs.append(sum(content(chunk) not in old for chunk in plan([edited], before)))
    assert max(costs) <= 2
    assert costs.count(1) >= 130


def test_a_renamed_speaker_and_another_scene_move_nothing_else() -> None:
    """Chunks are known by what is said and by whose turn it is, not by names."""
    dice = random.Random(3)
    turns = [Turn(f"S{i % 2}", random_text(dice, 12), "turn", f"s:{i}") for i in range(40)]
    before = pack(chapter_of(turns), 0, BUDGET, SPEECH)
    renamed = plan([[replace(turn, speaker=f"New {turn.speaker}") for turn in turns]], before)
    assert [[p.spoken for p in c.pieces] for c in renamed] == [[p.spoken for p in c.pieces] for c in before]
    first = before[3].pieces[0].turn
    parted = plan([[replace(t, border="scene") if i == first else t for i, t in enumerate(turns)]], before)
    assert [content(chunk) for chunk in parted] == [content(chunk) for chunk in before]


def test_what_is_no_longer_kept_apart_is_joined() -> None:
    """A short chunk before a scene that is taken out."""
    turns = [
        Turn("S1", "A" * 90 + ".", "chapter", "s"),
        Turn("S1", "The end.", "scene", "s"),
        Turn("S1", "B" * 90 + ".", "scene", "s"),
    ]
    before = pack(chapter_of(turns), 0, BUDGET, SPEECH)
    assert len(before) == 3
    assert len(plan([[*turns[:2], replace(turns[2], border="turn")]], before)) == 2


def _workspace(folder: Path, title: str = "") -> Workspace:
    workspace = Workspace(folder, "job", title)
    workspace.home.mkdir(parents=True)
    return workspace


def _claim(workspace: Workspace) -> None:
    write_record(workspace.record, {"title": "A title", "author": "", "series": "", "part": "", "manifests": []})


@given(turns=any_script)
def test_a_plan_comes_back_from_disk(turns: list[Turn], tmp_path_factory: pytest.TempPathFactory) -> None:
    """As it was, with two speakers and hard borders; those of other engines beside it."""
    workspace = _workspace(tmp_path_factory.mktemp("output"))
    chunks, other = pack(chapter_of(turns), 0, BUDGET, SPEECH), plan_name(TRAITS["dia"], "en")
    write_borders(workspace, other, chunks[:1])
    write_borders(workspace, NAME, chunks)
    assert read_borders(workspace, NAME).chunks == kept(chunks)
    assert read_borders(workspace, other).chunks == kept(chunks[:1])
    assert read_borders(workspace, plan_name(TRAITS["tone"], "fr")) == LastPlan([])


def _write(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


@pytest.mark.parametrize(
    "damage",
    [
        *map(_write, ["", "[]", "{}", "\0", '{"plans": {}}', '{"check": 1, "plans": [["0 a"]]}']),
        Path.unlink,
        lambda path: write_record(path, {"plans": {NAME: [["no slot"], ["", "7 a", "0", "0 "], []]}}),
        lambda path: write_record(path, {"plans": {NAME: "0 a"}}),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_damaged_plan_is_a_fresh_one(damage: Callable[[Path], object], tmp_path: Path) -> None:
    """And is written anew."""
    turns = [Turn("S1", random_text(random.Random(1), 200), "chapter", "s:1")]
    workspace, fresh = _workspace(tmp_path), pack(chapter_of(turns), 0, BUDGET, SPEECH)
    write_borders(workspace, NAME, fresh)
    damage(workspace.chunks)
    assert repack([chapter_of(turns)], BUDGET, SPEECH, read_borders(workspace, NAME)) == (fresh, 0)
    write_borders(workspace, NAME, fresh)
    assert read_borders(workspace, NAME).chunks == kept(fresh)


def test_a_corrected_title_goes_by_the_borders_of_the_one_before(tmp_path: Path) -> None:
    """Until it has a record of its own."""
    turns = [Turn("S1", random_text(random.Random(1), 200), "chapter", "s:1")]
    root, chunks = _workspace(tmp_path), pack(chapter_of(turns), 0, BUDGET, SPEECH)
    write_borders(root, NAME, chunks)
    _claim(root)
    corrected = root.of(Production("Another"))
    assert corrected.home != root.home
    assert read_borders(corrected, NAME).chunks == kept(chunks)
    corrected.home.mkdir()
    _claim(corrected)
    assert read_borders(corrected, NAME).chunks == []


def test_the_same_plan_is_not_written_twice(tmp_path: Path) -> None:
    """A run that changes nothing leaves the file alone."""
    workspace = _workspace(tmp_path)
    chunks = pack(chapter_of([Turn("S1", "Hello there.", "chapter", "s:1")]), 0, BUDGET, SPEECH)
    write_borders(workspace, NAME, chunks)
    before = workspace.chunks.stat().st_mtime_ns
    write_borders(workspace, NAME, chunks)
    assert workspace.chunks.stat().st_mtime_ns == before
    assert read_record(workspace.chunks, dict) == {
        "plans": {NAME: [["0 Hello there."]]},
        "split_texts": {},
    }


@given(
    any_script,
    st.sampled_from(["win", "wih-nuh", "a longer way to say this than anybody who writes would ever think of"]),
)
def test_an_entry_of_a_lexicon_costs_the_chunks_it_touches_and_a_neighbour_of_each(
    turns: list[Turn], respelling: str
) -> None:
    """No more than as many others, however long the respelling; one that matches nothing costs nothing."""
    before = plan([turns], [])
    words = [word.strip(".,") for turn in turns for word in turn.text.split()]
    for word in ("Nowhere", words[len(words) // 2], max(words, key=len)):
        lexicon = lexicon_of_word(word, respelling, "lexicon.yaml:1")
        after, _kept = repack([chapter_of(turns)], BUDGET, Normalizer("en", lexicon=lexicon), LastPlan(kept(before)))
        touched = [
            any(list(lexicon.matches(piece.text, piece.speaker, (1, ""))) for piece in chunk.pieces) for chunk in before
        ]
        contents = [content(chunk) for chunk in after]
        assert all(map(fits, after))
        assert any(touched) or contents == [content(chunk) for chunk in before]
        others = [content(chunk) for chunk, is_touched in zip(before, touched, strict=True) if not is_touched]
        assert sum(other not in contents for other in others) <= sum(touched)
