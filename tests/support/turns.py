"""Scripts of random turns, and edits of one turn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from hypothesis import strategies as st

from pipeline.source.script import Border, Chapter, Turn

Kind = Literal["change", "insert", "delete"]
BORDERS: list[Border] = ["turn", "turn", "turn", "paragraph", "scene"]
WORDS = st.one_of(st.integers(1, 14), st.integers(15, 58), st.integers(59, 300))


def random_text(dice: random.Random, words: int) -> str:
    """Words that are seldom the same twice, with sentences and clauses."""
    said = []
    for index in range(words):
        word = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9)))
        said.append(word + ("," if dice.random() < 0.1 else ". "[: dice.random() < 0.12] if index < words - 1 else "."))
    return " ".join(said)


def chapter_of(turns: Sequence[Turn]) -> Chapter:
    """A chapter without a title."""
    return Chapter("", tuple(turns), "s.md:1")


@st.composite
def scripts(draw: st.DrawFn, words: st.SearchStrategy[int] = WORDS) -> list[Turn]:
    """Turns as long as those of real transcripts: half under 15 words, a quarter over 58."""
    dice = random.Random(draw(st.integers(0, 2**32)))
    turns = []
    for index in range(draw(st.integers(1, 60))):
        border: Border = "chapter" if index == 0 else dice.choice(BORDERS)
        pause_s = 1.0 if dice.random() < 0.03 else None
        text = random_text(dice, draw(words))
        turns.append(Turn(f"S{dice.randint(1, 4)}", text, border, f"s.md:{index}", pause_s))
    return turns


@st.composite
def edits(draw: st.DrawFn, turns: Sequence[Turn]) -> tuple[int, Kind, list[Turn]]:
    """A script with one turn changed, inserted or deleted; with its index, and which it was."""
    index = draw(st.integers(0, len(turns) - 1))
    dice = random.Random(draw(st.integers(0, 2**32)))
    new = replace(turns[index], text=random_text(dice, dice.randint(1, 80)), speaker=f"S{dice.randint(1, 4)}")
    kind: Kind = draw(st.sampled_from(["change", "insert", "delete"]))
    edited = [*turns]
    if kind == "change":
        edited[index] = new
    elif kind == "insert":
        edited.insert(index, new)
    else:
        del edited[index]
    if edited:
        edited[0] = replace(edited[0], border="chapter")
    return index, kind, edited
