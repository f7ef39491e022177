"""Headings, scene breaks, lists and tables."""

from __future__ import annotations

import pytest

from pipeline.source.readers.yaml import parse_yaml
from pipeline.source.script import Kind, Reading
from tests.support.odd_sources import letters
from tests.support.readings import parse_markdown


def chapters(text: str, kind: Kind = "podcast", level: int | None = None) -> list[tuple[str, list[str]]]:
    script = parse_markdown(text, "s.md", title="Job", reading=Reading(kind, chapters_at=level))
    return [(chapter.title, [turn.text for turn in chapter.turns]) for chapter in script.chapters]


BOOK = "# Book\n\n## Part one\n\na\n\n## Part two\n\nb"


def test_a_book_of_parts_has_a_chapter_for_each() -> None:
    assert chapters(BOOK) == [("Part one", ["a"]), ("Part two", ["b"])]
    assert chapters(BOOK, "audiobook") == [("Part one", ["Part one", "a"]), ("Part two", ["Part two", "b"])]
    assert chapters(BOOK, level=1) == [("Book", ["a", "b"])]
    assert chapters("# A\n\na\n\n## b\n\nc\n\n# D\n\nd") == [("A", ["a", "c"]), ("D", ["d"])]
    assert chapters("# A\n\na\n\n## b\n\nc\n\n# D\n\nd", level=2) == [("A", ["a"]), ("b", ["c"]), ("D", ["d"])]
    assert chapters("# Book\n\nFor Ann.\n\n## One\n\na\n\n## Two\n\nb")[0] == ("Book", ["For Ann."])


def test_headings_that_are_not_read_in_a_podcast_are_told_of() -> None:
    (note,) = parse_markdown("# A\n\na\n\n## Later\n\nb", "s.md", title="Job").warnings
    assert (note.where, note.what) == ("s.md:5", "1 heading below chapters, not read: Later.")
    assert "chapters_at: 2" in note.next


@pytest.mark.parametrize("sign", ["#", "# # #", "##", "* * *", "~~~", "***", "⁂", "-----", "§"])
def test_signs_alone_are_scene_breaks(sign: str) -> None:
    script = parse_markdown(f"a\n\n{sign}\n\nb", "s.md", title="Job")
    assert [(turn.text, turn.border) for turn in script.chapters[0].turns] == [("a", "chapter"), ("b", "scene")]


def test_headings_without_words_are_numbered() -> None:
    text = "# ![](a.png)\n\na\n\n# ![](b.png)\n\nb\n\n# ![](c.png)\n\nc"
    assert [title for title, _said in chapters(text)] == ["Chapter 1", "Chapter 2", "Chapter 3"]


@pytest.mark.parametrize("text", ["1918. The war ended.", "3. Oktober 1990", "1. first\n2. second", "1984\n2001. So"])
def test_numbers_at_the_beginning_of_a_line_are_spoken(text: str) -> None:
    ((_title, said),) = chapters(text)
    assert " ".join(said) == " ".join(text.split())


@pytest.mark.parametrize(
    "text", ["# 1 on my list", "[Aside]: ...really?", "<grins>", "Really\n====\nYes.", "[x]: http://y.z"]
)
def test_nothing_in_a_turn_of_data_is_a_heading_or_a_definition(text: str) -> None:
    source = f"- text: {text.encode('unicode_escape').decode()!r}\n".replace("'", '"').replace("\\\\", "\\")
    (chapter,) = parse_yaml(source, "s.yaml", title="Job").chapters
    assert letters(" ".join(turn.text for turn in chapter.turns)) == letters(text)


def test_a_footnote_may_have_two_paragraphs() -> None:
    text = "One.[^1]\n\n[^1]: A note\n\n    in two parts.\n\nTwo."
    assert chapters(text) == [("Job", ["One.", "Two."])]


def test_a_name_in_brackets_is_no_link_definition() -> None:
    script = parse_markdown("[Bob]: ...sorry.\n\n[ep]: {{ page.url }}\n\n[notes][ep] follow", "s.md", title="Job")
    turns = [(turn.speaker, turn.text) for turn in script.chapters[0].turns]
    assert turns == [("Bob", "...sorry."), ("Bob", "notes follow")]


def test_callouts_are_read_without_their_sign() -> None:
    assert chapters("> [!note] Mind\n> the gap") == [("Job", ["Mind the gap"])]


def test_plain_text_has_chapters_by_their_lines() -> None:
    text = "CHAPTER I.\n\na b c.\n\nCHAPTER II. The Sea\n\nd e f.\n\nI think that CHAPTER III is lost.\n"
    script = parse_markdown(text, "s.txt", title="Job", plain_text=True)
    assert [chapter.title for chapter in script.chapters] == ["CHAPTER I.", "CHAPTER II. The Sea"]
