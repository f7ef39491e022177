"""Sections of a page: what stands before and behind the text of a book in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.source.script import Script
from tests.support.books import read_file
from tests.support.readings import said

CHAPTERS = "".join(f"<h2>CHAPTER {at}</h2><p>He came {at} times, and so on.</p>" for at in range(1, 13))
ILLUSTRATIONS = "<h2>LIST OF ILLUSTRATIONS.</h2><table><tr><td>The Lighthouse</td><td>12</td></tr></table>"
BEHIND = (
    "<div class='chapter'><h2>Errata.</h2></div><p>For cat read dog.</p>"
    "<h2>INDEX</h2><p>Cats, 12, 14.</p><ul><li>Dogs, 3</li></ul><pre>End of the Project Gutenberg EBook of Foo</pre>"
)


def read(tmp_path: Path, body: str, **reading: Any) -> Script:
    (tmp_path / "a.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return read_file(tmp_path / "a.html", "audiobook", **reading)


def words(script: Script) -> str:
    return " ".join(text for _who, text in said(script))


def test_lists_errata_and_indexes_are_left_out_by_title(tmp_path: Path) -> None:
    """With the reasons that an EPUB's have; the licence behind them keeps its own."""
    script = read(tmp_path, ILLUSTRATIONS + CHAPTERS + BEHIND)
    assert [chapter.title for chapter in script.chapters] == [f"CHAPTER {at}" for at in range(1, 13)]
    assert "Lighthouse" not in words(script) and "Cats" not in words(script) and "read dog" not in words(script)
    reasons = {one.text: one.reason for one in script.ledgers[0].passages()}
    assert reasons["LIST OF ILLUSTRATIONS. The Lighthouse 12"] == "contents"
    assert reasons["Errata."] == reasons["For cat read dog."] == "boilerplate"
    assert reasons["INDEX Cats, 12, 14. Dogs, 3"] == "contents"
    assert reasons["End of the Project Gutenberg EBook of Foo"] == "boilerplate"
    (note,) = (one for one in script.warnings if "not read" in one.what)
    assert note.what == "these chapters of the page are not read: Errata. (boilerplate)."


def test_the_producer_says_otherwise(tmp_path: Path) -> None:
    script = read(tmp_path, ILLUSTRATIONS + CHAPTERS + BEHIND, read=("errata.",), skip=("Chapter 2",))
    assert "For cat read dog." in words(script)
    assert "He came 2 times" not in words(script) and "He came 3 times" in words(script)
    (problem,) = read(tmp_path, CHAPTERS, read=("Chaptre 2",)).problems
    assert problem.what == 'no chapter of the page is called "Chaptre 2".'


def test_a_chapter_in_the_middle_and_a_short_page_are_read(tmp_path: Path) -> None:
    middle = CHAPTERS + "<h2>Index</h2><p>She pointed.</p>" + CHAPTERS
    assert "She pointed." in words(read(tmp_path, middle))
    assert "She pointed." in words(read(tmp_path, "<h2>Index</h2><p>She pointed.</p><h2>So</h2><p>Yes.</p>"))


def test_a_box_of_a_transcriber_is_left_out(tmp_path: Path) -> None:
    boxes = [f"<div class='{name}'><p>Typos were mended.</p></div>" for name in ("transnote", "tn", "mynote")]
    script = read(tmp_path, f"{''.join(boxes)}<p class='tn'>He came.</p>")
    assert words(script) == "He came."
    assert {one.reason for one in script.ledgers[0].passages()} == {"boilerplate"}


def index(*, numbers: bool, letters: bool = False) -> str:
    """An index of 500 words and more: with numbers of pages, or without; with a heading for each letter, or without."""
    rest = "place, 12, 14" if numbers else "well-known painter of the town, whom she knew"
    entries = [
        (f"<h3>{first.upper()}</h3>" if letters and second == "a" else "") + f"<p>{first}{second}bel, the {rest}.</p>"
        for first in "abcdefghijklm"
        for second in "aeiou"
    ]
    return "<h2>INDEX</h2>" + "".join(entries)


@pytest.mark.parametrize(("numbers", "letters"), [(True, False), (True, True), (False, False), (False, True)])
def test_a_long_index_is_left_out(numbers: bool, letters: bool, tmp_path: Path) -> None:
    """By its numbers, or by the order of its entries; its letters are no chapters."""
    script = read(
        tmp_path, CHAPTERS + index(numbers=numbers, letters=letters) + "<h2>Transcriber's Amendments</h2><p>x</p>"
    )
    assert [chapter.title for chapter in script.chapters] == [f"CHAPTER {at}" for at in range(1, 13)]
    assert "bel, the" not in words(script)


def test_a_long_chapter_called_index_is_read(tmp_path: Path) -> None:
    prose = "".join(
        f"<p>{first}hen he came home, and nobody was there for him.</p>" for first in "TWSABTWHMITBWSTAHWTB" * 3
    )
    assert "nobody was there" in words(read(tmp_path, f"{CHAPTERS}<h2>Index</h2>{prose}"))


def test_a_title_page_of_many_headings_is_no_chapter(tmp_path: Path) -> None:
    """The list behind it is still one of the first sections."""
    title_page = "<h1>The Sea</h1>" + "".join(
        f"<h3>{line}</h3>" for line in "by Ann Lee with pictures and London 1900 now".split()
    )
    script = read(tmp_path, f"{title_page}<h2>Preface</h2><p>So.</p>{ILLUSTRATIONS}{CHAPTERS}{CHAPTERS}")
    assert "Lighthouse" not in words(script)


TITLES = [
    "General Index",
    "Subject Index",
    "Index of Names",
    "Index to First Lines",
    "Illustrations",
    "Transcription Notes",
]
TITLES += ["Contents and Illustrations", "Transcriber’s Amendments", "Endnotes", "Footnotes", "Notes"]


@pytest.mark.parametrize("title", TITLES)
def test_titles_of_what_is_not_read(title: str, tmp_path: Path) -> None:
    assert "Adelaide" not in words(read(tmp_path, f"{CHAPTERS}<h2>{title}</h2><p>Adelaide, a song.</p>"))


def test_notes_in_the_middle_are_known_by_their_marks(tmp_path: Path) -> None:
    script = read(tmp_path, f"{CHAPTERS}<h2>Notes</h2><p>She sang them.</p>{CHAPTERS}")
    assert "She sang them." in words(script)
