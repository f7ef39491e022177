"""Edits: what is found of them, what they change, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.edits import Edit, load_edits
from pipeline.source.readers import load_script
from pipeline.source.script import Kind, Reading, Script
from tests.support.books import Book
from tests.support.odd_sources import lost_words
from tests.support.readings import said
from tests.support.scene import FORMATS, READING, TURNS

TEXT = """\
---
title: teh front matter
---

# A *Tale*

**Ann:** I saw teh cat, the “old”
one. It was **very** big and it's mine.

**Bob:** The cat? [sighs] emo-
tional. The end of it.

**Ann:** The cat. You’re right , so.
"""


def edited(
    folder: Path, *edits: tuple[str, ...], text: str = TEXT, name: str = "s.md", kind: Kind = "podcast"
) -> Script:
    """A script with edits made in it, each its old words, its new ones, and more around them."""
    (folder / name).write_text(text, encoding="utf-8")
    listed = [
        Edit(number, f"job.edits.yaml:{number}", old, new, at[0] if at else old, None, "")
        for number, (old, new, *at) in enumerate(edits, start=1)
    ]
    return load_script([(folder / name, name)], [Reading(kind)], title="Job", edits=listed)


CASES: dict[str, tuple[tuple[str, ...], str]] = {
    "a word": (("teh", "the"), "I saw the cat, the “old” one. It was very big and it's mine."),
    "over a line end and other quotes": (
        ('"old" one', "new one"),
        "I saw teh cat, the new one. It was very big and it's mine.",
    ),
    "marks between words": (("was very big", "is small"), "I saw teh cat, the “old” one. It is small and it's mine."),
    "half of an emphasis": (("very big", "*small*"), "I saw teh cat, the “old” one. It was small and it's mine."),
    "within an emphasis": (("very", "rather"), "I saw teh cat, the “old” one. It was rather big and it's mine."),
    "taken out": (("and it's mine", ""), "I saw teh cat, the “old” one. It was very big."),
    "a tag": (("It was", "[laughs] It was"), "I saw teh cat, the “old” one. (laughs) It was very big and it's mine."),
    "a bracket": (("It was", "[angry] It was"), "I saw teh cat, the “old” one. It was very big and it's mine."),
    "an address": (
        ("mine", "https://x.org/a"),
        "I saw teh cat, the “old” one. It was very big and it's https://x.org/a.",
    ),
    "words around it": (("cat", "dog", "teh cat"), "I saw teh dog, the “old” one. It was very big and it's mine."),
}


@pytest.mark.parametrize("case", CASES)
def test_what_an_edit_changes(case: str, tmp_path: Path) -> None:
    edit, text = CASES[case]
    script = edited(tmp_path, edit)
    assert (script.problems, said(script)[0]) == ((), ("Ann", text))
    assert [(one.number, one.old, one.new) for one in script.edits] == [(1, *edit[:2])]
    assert lost_words(script, script.ledgers[0].text) == ""
    (passage,) = [one for one in script.ledgers[0].passages() if one.reason == "edit"]
    assert passage.where.startswith("s.md:")


def test_edits_change_labels_pauses_and_headings(tmp_path: Path) -> None:
    """Whatever the new words are, they are read as if they had been written so."""
    script = edited(
        tmp_path,
        ("**Bob:**", "**Cay:**"),
        ("The end", "[pause 2s] The end"),
        ("emotional", "sentimental"),
        ("Tale", "Story"),
        ("The cat.", "**Ann:** No. **Cay:** Yes.", "The cat. You're"),
    )
    assert script.problems == script.warnings == ()
    assert script.chapters[0].title == "A Story"
    turns = script.chapters[0].turns
    assert [(turn.speaker, turn.text, turn.pause_s) for turn in turns[1:4]] == [
        ("Cay", "The cat? (sighs) sentimental.", None),
        ("Cay", "The end of it.", 2.0),
        ("Ann", "No.", None),
    ]
    assert said(script)[4] == ("Cay", "Yes. You’re right , so.")
    assert [one.where for one in script.edits] == ["s.md:10", "s.md:11", "s.md:10", "s.md:5", "s.md:13"]


def test_what_is_not_found_is_told_with_what_is_near(tmp_path: Path) -> None:
    script = edited(tmp_path, ("I saw the cats", "x"), ("mihne", "x"), ("zzzz qqqq", "x"), ("front matter", "x"))
    assert script.problems == ()
    assert [str(note) for note in script.warnings if "edits" in note.where] == [
        'job.edits.yaml:1: "I saw the cats" no longer stands in the script. The nearest words are "I saw teh cat,".',
        'job.edits.yaml:2: "mihne" no longer stands in the script. The nearest words are "mine.".',
        'job.edits.yaml:3: "zzzz qqqq" no longer stands in the script. Take the edit out, or correct it.',
        'job.edits.yaml:4: "front matter" no longer stands in the script. Take the edit out, or correct it.',
    ]


def test_what_stands_several_times_asks_for_more(tmp_path: Path) -> None:
    """And no edit changes what another does; nor a part of a word, nor the words of two speakers."""
    script = edited(tmp_path, ("cat", "x"), ("very big", "x"), ("was very", "x"), ("ca", "x"), ("mine. The", "x"))
    assert [str(problem) for problem in script.problems] == [
        'job.edits.yaml:1: "cat" stands 3 times: s.md:7, s.md:10, s.md:13. Write a few words around the one that is '
        "meant, as at: …",
        "job.edits.yaml:2: edit 3 changes some of the same words. Make one edit of the two.",
    ]
    assert [note.where for note in script.warnings if "edits" in note.where] == ["job.edits.yaml:4", "job.edits.yaml:5"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_but_yaml_may_be_edited(name: str, tmp_path: Path) -> None:
    """With the same edits, and the same turns then."""
    content = FORMATS[name]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    edits = [
        Edit(1, "e:1", "bus. I am Ann, and", "tram, and", "the late bus. I am Ann, and this", None, ""),
        Edit(2, "e:2", "always late", "late [laughs]", "always late", None, ""),
        Edit(3, "e:3", '"So it goes"', "So be it", '"So it goes"', tmp_path / name, ""),
    ]
    script = load_script([(tmp_path / name, name)], [READING], title="Job", edits=edits)
    if name == "scene.yaml":
        assert [problem.next for problem in script.problems] == ["Change the script's own file."] * 3
        return
    warnings = [warning for warning in script.warnings if not warning.what.startswith("headers, hidden text")]  # RTF's
    assert (script.problems, warnings) == ((), [])
    assert [text for _speaker, text in said(script)] == [
        "Good evening, and welcome to the late tram, and this is the stop by the river.",
        "(laughs) It is late (laughs), isn't it?",
        TURNS[2][1],
        "So be it, as they say… Shall we?",
    ]
    assert lost_words(script, script.ledgers[0].text) == ""


def test_an_edit_of_what_is_not_read_is_told(tmp_path: Path) -> None:
    """A screenplay's names and action, which its format has told already."""
    text = "He waits.\n\nANN\nHi.\n\nBOB\nYes.\n"
    script = edited(tmp_path, ("ANN", "EVE"), ("waits", "runs"), ("Yes", "No"), text=text, name="s.fountain")
    assert said(script) == [("ANN", "Hi."), ("BOB", "No.")]
    assert [str(note).partition(":")[2][:24] for note in script.warnings] == [
        "1: an edit changes words",
        "3: an edit changes words",
    ]
    assert lost_words(script, script.ledgers[0].text) == ""


def test_an_edit_names_its_file_where_there_are_several(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(f"Hello from {name[0]}. The end.")
    paths = [(tmp_path / name, name) for name in ("a.md", "b.md")]
    edits = [
        Edit(1, "e:1", "end", "start", "end", tmp_path / "b.md", ""),
        Edit(2, "e:2", "The", "An", "The", None, ""),
        Edit(3, "e:3", "a", "c", "from a", None, ""),
    ]
    script = load_script(paths, [Reading()] * 2, title="Job", edits=edits)
    assert [text for _name, text in said(script)] == ["Hello from c. The end.", "Hello from b. The start."]
    assert ["stands 2 times: a.md:1, b.md:1" in str(problem) for problem in script.problems] == [True]


def test_a_file_of_edits_is_read_strictly(tmp_path: Path) -> None:
    """All problems at once, each with its line."""
    path = tmp_path / "job.edits.yaml"
    assert load_edits(path, {}) == ((), [])
    path.write_text("""\
- old: "teh"
  new: the
  at: saw teh cat
  file: a.md
  note: a typo
- old: x
  new: ""
""")
    files = {"a.md": tmp_path / "a.md"}
    (first, second), problems = load_edits(path, files)
    assert problems == []
    assert (first.number, first.old, first.new, first.at, first.file, first.note) == (
        1,
        "teh",
        "the",
        "saw teh cat",
        tmp_path / "a.md",
        "a typo",
    )
    assert (second.where, second.new, second.at, second.file) == (f"{path}:6", "", "x", None)
    path.write_text(
        "- old: x\n- new: x\n  odl: y\n- old: a\n  new: b\n  at: c\n  file: b.md\n- z\n"
        "- old: [q]\n  new: x\n- old: q\n  new: q\n"
    )
    edits, problems = load_edits(path, files)
    assert edits == ()
    assert [str(problem).removeprefix(f"{path}:").split(". ")[0] for problem in problems] == [
        '1: there is no "new"',
        '3: unknown key "odl"',
        '2: there is no "old"',
        '6: the words of "at" do not contain those of "old"',
        '7: the manifest names no script "b.md"',
        "8: this is no edit",
        '9: "old" is no text',
        '9: there is no "old"',
        '12: "old" and "new" are the same',
    ]
    path.write_text("old: x")
    with pytest.raises(RequestError, match="no list of edits"):
        load_edits(path, files)


WORDS = st.lists(
    st.sampled_from(["a", "b.", "**c**", "\n", "\n\n", "Ann:", "[laughs]", "“d”", "e_", "<i>f</i>"]), max_size=20
)


@given(
    WORDS,
    st.sampled_from(["a", "b. a", "c", "Ann:", "[laughs]", "d", "f a"]),
    st.sampled_from(["", "x", "**Ann:** y", "[z"]),
)
def test_any_edit_keeps_the_account(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], old: str, new: str
) -> None:
    for name in ("s.md", "s.srt", "s.fountain"):
        script = edited(tmp_path_factory.getbasetemp(), (old, new), text=" ".join(words), name=name)
        for ledger in script.ledgers:
            assert lost_words(script, ledger.text) == ""


def test_an_edit_leaves_what_stands_behind_it_as_it_was(tmp_path: Path) -> None:
    """Titles of the contents, code and signs of emphasis move along."""
    first = "<h3>190</h3><p>Of teh rabbis.</p>"
    second = "<h3>191</h3><p>Of <b>bold</b> foxes, <code>a[1]</code>.</p>"
    book = Book({"a.xhtml": first, "b.xhtml": second}, [("190 The Clover", "a.xhtml"), ("191 The Fox", "b.xhtml")])
    path = book.write(tmp_path / "b.epub")
    edits = [Edit(1, "e:1", "teh", "the very old", "teh", None, "")]
    script = load_script([(path, "b.epub")], [Reading("audiobook")], title="T", edits=edits)
    assert [chapter.title for chapter in script.chapters] == ["190 The Clover", "191 The Fox"]
    assert [turn.text for turn in script.chapters[1].turns] == ["191", "Of bold foxes, a[1]."]
    assert script.chapters[0].turns[1].text == "Of the very old rabbis."
