"""Entries: what may be written in a lexicon, and what is said where it is wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.documents import read_yaml
from pipeline.source.spoken.entries import LexiconEntry, read_entries
from pipeline.source.spoken.text import spoken
from tests.support.commands import REPOSITORY


def entries_of(text: str) -> list[LexiconEntry]:
    """Of YAML in which nothing is wrong."""
    entries, problems = read_entries(read_yaml(text, "lexicon.yaml"), (), 1)
    assert problems == []
    return entries


def problems_of(text: str) -> list[str]:
    return [str(problem) for problem in read_entries(read_yaml(text, "lexicon.yaml"), (), 1)[1]]


@pytest.mark.parametrize(
    ("value", "say", "ipa"),
    [
        ("win", "win", ""),
        ('""', "", ""),
        ("/wɪn/", None, "wɪn"),
        ("{say: win, ipa: wɪn}", "win", "wɪn"),
        ('{ipa: "/\'gi:/"}', None, "ˈɡiː"),
        ("“shi‑vawn”", None, ""),
        ("shi‑vawn, or so", "shi-vawn, or so", ""),
        ("{say: caf\u0065\u0301}", "café", ""),
    ],
)
def test_what_is_said_is_a_respelling_or_ipa(value: str, say: str | None, ipa: str) -> None:
    """IPA with or without slashes, with the signs of a keyboard; quotes cannot be spoken."""
    if say is None and not ipa:
        assert "cannot stand in a respelling" in problems_of(f"Word: {value}\n")[0]
        return
    (entry,) = entries_of(f"Word: {value}\n")
    assert (entry.say, entry.ipa) == (say, ipa)


def test_all_that_is_wrong_is_told_at_once_with_its_line() -> None:
    text = """\
A: {sya: win}
B:
C: 42
D: {say: "(laughs)"}
"…": x
E: {ipa: "w1n"}
F: {say: win, case: exactly}
G:
  - win
  - {say: won, speaker: Ann}
  - wan
H: {say: "-"}
I: [[x]]
J: []
K: {match: stem}
L: {ipa: "ˈ"}
M: /ˌː/
N: {say: win, speaker: []}
O: {say: win, chapter: ""}
P: {say: win, job: [a, " "]}
Q: {say: win, chapter: -1}
R: {say: win, chapter: [1, -20]}
"""
    assert problems_of(text) == [
        'lexicon.yaml:1: unknown key "sya". Did you mean "say"?',
        'lexicon.yaml:2: nothing is said for this word. Write a respelling, ipa:, or "" for silence.',
        'lexicon.yaml:3: "4" cannot stand in a respelling ("42"). Write it in letters, spaces, hyphens, apostrophes '
        "and commas.",
        'lexicon.yaml:4: "(" cannot stand in a respelling ("(laughs)"). Write it in letters, spaces, hyphens, '
        "apostrophes and commas.",
        'lexicon.yaml:5: "…" has no letter and no digit. Write a word as it stands in the script.',
        'lexicon.yaml:6: "1" is no sign of IPA ("w1n"). Write it as in /ˈwɪnə/.',
        'lexicon.yaml:7: "exactly" is no case. Did you mean "exact"?',
        'lexicon.yaml:11: "G" is said in two ways in one place. Keep one; the first is at lexicon.yaml:9.',
        'lexicon.yaml:12: the respelling "-" has no letter. Write say: "" for silence.',
        "lexicon.yaml:13: a list stands among the ways to say this word. Write a respelling, or lines such as say: "
        "and ipa:.",
        "lexicon.yaml:14: the list of ways to say this word is empty. Write a respelling, or lines such as say: and "
        "ipa:.",
        'lexicon.yaml:15: nothing is said for this word. Write a respelling, ipa:, or "" for silence.',
        'lexicon.yaml:16: there is no sound in this IPA. Write it as in /wɪn/, or say: "" for silence.',
        'lexicon.yaml:17: there is no sound in this IPA. Write it as in /wɪn/, or say: "" for silence.',
        "lexicon.yaml:18: speaker: names nothing. Take it out, and the entry is for all.",
        "lexicon.yaml:19: chapter: names nothing. Take it out, and the entry is for all.",
        "lexicon.yaml:20: job: names nothing. Take it out, and the entry is for all.",
        "lexicon.yaml:21: there is no chapter -1. They are counted from 1; a title will do, too.",
        "lexicon.yaml:22: there is no chapter -20. They are counted from 1; a title will do, too.",
    ]


def test_the_examples_of_the_docs_are_right() -> None:
    page = (REPOSITORY / "docs" / "lexicon.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert [len(entries_of(example)) for example in examples] == [5, 7]


def test_a_word_has_a_length() -> None:
    assert "1000 characters long" in problems_of(f'"{"x" * 1000}": win\n')[0]
    assert "characters long" in problems_of(f'x: "{"y" * 10_000}"\n')[0]
    assert "characters long" in problems_of(f'x: {{ipa: "{"y" * 10_000}"}}\n')[0]


@given(st.text(max_size=30))
def test_a_respelling_is_said_as_it_stands(say: str) -> None:
    """Whatever is taken is spoken text already: saying it again changes nothing."""
    located = read_yaml("x: {say: placeholder}", "x")
    located.data["x"]["say"] = say
    for entry in read_entries(located, (), 1)[0]:
        assert entry.say is not None
        assert spoken(entry.say, tags=True) == entry.say
