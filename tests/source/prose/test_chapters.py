"""Chapters of documents: first ones with headings below them, and parts that belong to the titles of chapters."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.source.script import Kind, Script
from tests.support.books import read_file

ACTS = """
Title: Foo

# The Storm

## The Gathering

ANN
Hello.

# The Calm

## The Quest

ANN
Bye.
"""


def read(tmp_path: Path, name: str, text: str, kind: Kind = "audiobook") -> Script:
    (tmp_path / name).write_text(text.lstrip(), encoding="utf-8")
    return read_file(tmp_path / name, kind)


def titles(script: Script) -> list[str]:
    return [chapter.title for chapter in script.chapters]


def html(*lines: str) -> str:
    """A page of lines such as "h1 The title", and of paragraphs."""
    words = (line.partition(" ") for line in lines)
    elements = (f"<{tag}>{text}</{tag}>" for tag, _space, text in words)
    return f"<html><body>{''.join(elements)}</body></html>"


def test_the_first_chapter_keeps_its_title_above_another_heading(tmp_path: Path) -> None:
    """In a screenplay, on a page and in Markdown alike."""
    page = html("h1 The Storm", "h2 The Gathering", "p Hello.", "h1 The Calm", "h2 The Quest", "p Bye.")
    markdown = "# The Storm\n\n## The Gathering\n\nHello.\n\n# The Calm\n\n## The Quest\n\nBye.\n"
    for name, text in (("a.fountain", ACTS), ("a.html", page), ("a.md", markdown)):
        assert titles(read(tmp_path, name, text)) == ["The Storm", "The Calm"], name


def test_the_first_heading_is_a_title_where_no_other_of_its_kind_follows(tmp_path: Path) -> None:
    page = html("h1 The Book", "h2 One day", "p He came.", "h2 Another", "p She came.")
    assert titles(read(tmp_path, "a.html", page)) == ["One day", "Another"]


def test_what_stands_above_a_motto_is_a_title(tmp_path: Path) -> None:
    """Though its level comes back: hardly anything stands below it."""
    long = " ".join(["It went on and on."] * 40)
    page = html("h1 The Book", "h2 by Ann", "p A motto.", "h1 One", "h2 a", f"p {long}", "h1 Two", "h2 b", f"p {long}")
    assert "The Book" not in titles(read(tmp_path, "a.html", page))


@pytest.mark.parametrize("kind", ["audiobook", "podcast"])
def test_a_part_belongs_to_the_title_of_the_chapter_below_it(kind: Kind, tmp_path: Path) -> None:
    page = html(
        *("h1 Treasure", "h1 PART ONE", "h2 1", "h3 The Dog", "p He came.", "h2 2", "h3 The Cat", "p She came."),
        *("h1 PART TWO—The Sea", "h2 3", "h3 The Cow", "p It came.", "h2 4", "h3 The End", "p It went."),
    )
    script = read(tmp_path, "a.html", page, kind)
    assert titles(script) == ["PART ONE. 1. The Dog", "2. The Cat", "PART TWO—The Sea. 3. The Cow", "4. The End"]
    said = [turn.text for turn in script.chapters[1].turns]
    assert said == (["2. The Cat", "She came."] if kind == "audiobook" else ["She came."])


def test_a_part_of_the_same_level_takes_what_stands_below_it_along(tmp_path: Path) -> None:
    """A half title in between is none of it; sections that begin anew in every chapter are no chapters."""
    page = html(
        *("h1 Jack", "h2 EPOCH THE FIRST.", "h3 1703", "h2 Jack", "h2 CHAPTER I.", "p He came.", "h2 CHAPTER II."),
        *("p She came.", "h2 EPOCH THE SECOND.", "h3 1715", "h2 CHAPTER I.", "p It went."),
    )
    assert titles(read(tmp_path, "a.html", page)) == [
        "EPOCH THE FIRST. 1703. CHAPTER I.",
        "CHAPTER II.",
        "EPOCH THE SECOND. 1715. CHAPTER I.",
    ]
    stories = html(
        *("h1 The Dog", "h2 I", "p A.", "h2 II", "p B.", "h1 The Cat", "h2 I", "p C.", "h2 II", "p D."),
    )
    assert titles(read(tmp_path, "b.html", stories)) == ["The Dog", "The Cat"]
