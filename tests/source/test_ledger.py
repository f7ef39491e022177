"""Nothing disappears without a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.ledger import Source
from pipeline.source.readers.yaml import parse_yaml
from tests.support.odd_sources import fault, letters, lost_words
from tests.support.readings import parse_markdown


def test_what_bears_no_mark_is_left() -> None:
    source = Source("**Ann:** emo-\ntional [x]")
    source.leave_out(0, 9, "label")
    assert source.replace(9, 20, "emotional", "hyphen")
    assert not source.replace(0, 12, "no", "a letter of it is left out")
    assert source.stretch(0, 24).text == "emotional [x]"
    stretch = source.stretch(0, 24)
    stretch.leave_out(9, 13, "cue")
    assert source.stretch(0, 24).text == "emotional"
    entries = source.entries([(9, 20, 7)])
    assert [(entry.start, entry.end, entry.reason, entry.turn, entry.words) for entry in entries] == [
        (0, 9, "label", None, None),
        (9, 20, None, 7, "emotional"),
        (20, 24, "cue", None, None),
    ]


def test_the_first_reason_holds() -> None:
    source = Source("abc")
    source.leave_out(0, 2, "comment")
    source.leave_out(1, 3, "cue")
    assert [(entry.reason, entry.end) for entry in source.entries([])] == [("comment", 2), ("cue", 3)]


def test_a_character_that_nobody_marked_and_no_turn_speaks_is_unread() -> None:
    """So that a fault of a reader is seen."""
    assert [entry.reason for entry in Source("lost").entries([])] == ["unread"]


@given(st.text(), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
def test_the_rest_is_what_was_not_marked(text: str, ranges: list[tuple[int, int]]) -> None:
    source = Source(text)
    kept = list(text)
    for start, end in ranges:
        source.leave_out(start, end, "markup")
        kept[start:end] = [""] * len(kept[start:end])
    stretch = source.stretch(0, len(text))
    assert stretch.text == "".join(kept)
    assert all(text[stretch.place(index)] == char for index, char in enumerate(stretch.text))


def test_passages_name_their_line() -> None:
    (ledger,) = parse_markdown("a\n\n**Ann:** b\n\n**Ann:** \\[door 00:01\\] c [laughs]", "s.md", title="T").ledgers
    assert [(one.where, one.reason, one.text, one.words) for one in ledger.passages()] == [
        ("s.md:3", "label", "**Ann:**", None),
        ("s.md:5", "label", "**Ann:**", None),
        ("s.md:5", "cue", "[door 00:01", None),
        ("s.md:5", "tag", "[laughs]", "(laughs)"),
    ]


@given(st.text())
def test_any_text_is_accounted_for(text: str) -> None:
    """Line ends aside, which a file has as `\\n` once it is decoded."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    assert lost_words(parse_markdown(text, "s.md", title="T"), text) == ""


@pytest.mark.parametrize("part", range(4))
def test_odd_sources_are_accounted_for(part: int, tmp_path: Path) -> None:
    """Letter by letter, against the decoded bytes: `python -m tests.support.odd_sources 10000` tries more of them."""
    faults = {seed: what for seed in range(50 * part, 50 * part + 50) if (what := fault(seed, tmp_path))}
    assert faults == {}


YAML = r"""
# a comment
chapters:
  - title: "A \u00e9t\xe9 *title*"   # another
    turns:
      - speaker: Ann
        text: >-
          Folded
          text, [laughs]

          in two. "Quoted"
      - Bob: 'It''s [music] "so".'
      - {text: "one\ttwo\nthree \
          four", pause_s: 1}
"""


def test_a_yaml_source_is_accounted_for() -> None:
    script = parse_yaml(YAML, "s.yaml", title="T")
    assert lost_words(script, YAML) == ""
    (ledger,) = script.ledgers
    reasons = {entry.reason for entry in ledger.entries if ledger.words(entry)}
    assert reasons == {None, "comment", "structure", "label", "cue", "chapter title"}
    assert letters(script.chapters[0].title) == letters("A été title")
    assert [turn.text for turn in script.chapters[0].turns] == [
        'Folded text, (laughs) in two. "Quoted"',
        'It\'s "so".',
        "one two three four",
    ]
