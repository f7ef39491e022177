"""Documents that a producer names, and those that nobody reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.books import Book, document, lost_nodes, read_file, spoken_lines

ONE = '<h2>One</h2><p>A word.<a href="notes.xhtml#n1"><sup>1</sup></a> And on.</p>'
NOTES = (
    '<section{0}><h2>Notes</h2><ol><li{1} id="n1"><p>What it means. <a href="one.xhtml">↩</a></p></li></ol></section>'
)
ABOUT = "<h2>About the Author</h2><p>Jo March lives in Concord.</p>"


def book(tmp_path: Path, notes: str, version: int = 3) -> Path:
    documents = {"one.xhtml": ONE, "text/notes.xhtml": notes, "about.xhtml": ABOUT}
    documents["one.xhtml"] = ONE.replace("notes.xhtml", "text/notes.xhtml")
    extra = {"OEBPS/lost.xhtml": document("<h2>A Lost Chapter</h2><p>Nobody names me.</p>")}
    return Book(documents, [("One", "one.xhtml")], version=version, extra=extra).write(tmp_path / "b.epub")


@pytest.mark.parametrize("name", ["About the Author", "about  the author", "about.xhtml", "OEBPS/about.xhtml"])
def test_a_document_is_named_by_its_heading_and_by_its_file(name: str, tmp_path: Path) -> None:
    script = read_file(book(tmp_path, NOTES.format("", "")), read=(name,))
    assert spoken_lines(script)[-2:] == ["About the Author", "Jo March lives in Concord."]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["notes.xhtml", "Notes"])
@pytest.mark.parametrize(
    "kinds", [("", ""), (' class="endnotes"', ' class="endnote"'), (' epub:type="endnotes"', ' epub:type="endnote"')]
)
def test_notes_are_read_where_they_are_named(version: int, name: str, kinds: tuple[str, str], tmp_path: Path) -> None:
    """With their heading, and without the arrows that lead back."""
    script = read_file(book(tmp_path, NOTES.format(*kinds), version), read=(name,))
    assert spoken_lines(script) == ["One", "A word. And on.", "Notes", "1. What it means."]


def test_documents_that_the_order_does_not_name_are_told_of_and_read_at_the_end(tmp_path: Path) -> None:
    path = book(tmp_path, NOTES.format("", ""))
    told = "documents that the order of the book does not name are not read: lost.xhtml."
    assert told in " ".join(map(str, read_file(path).warnings))
    for name in ("A Lost Chapter", "lost.xhtml"):
        script = read_file(path, read=(name,))
        assert spoken_lines(script)[-2:] == ["A Lost Chapter", "Nobody names me."]
        assert told not in " ".join(map(str, script.warnings))
        assert lost_nodes(path, script.ledgers[0]) == []


def test_a_document_outside_of_order_and_contents_is_a_chapter_of_its_own(tmp_path: Path) -> None:
    chapters = {f"{name}.xhtml": f"<h2>{name}</h2><p>Text of {name}.</p>" for name in ("One", "Two", "Three")}
    extra = {"OEBPS/lost.xhtml": document("<h2>A Lost Chapter</h2><p>Nobody names me.</p>")}
    contents = [(name.partition(".")[0], name) for name in chapters]
    path = Book(chapters, contents, extra=extra).write(tmp_path / "b.epub")
    script = read_file(path, read=("A Lost Chapter",))
    assert [chapter.title for chapter in script.chapters] == ["One", "Two", "Three", "A Lost Chapter"]


def test_a_file_that_nobody_names_and_nobody_can_read_stops_nothing(tmp_path: Path) -> None:
    noise = bytes(range(1, 9)) * 99
    extra = {"OEBPS/noise.html": noise, "__MACOSX/OEBPS/._one.xhtml": noise}
    path = Book({"one.xhtml": ONE}, [("One", "one.xhtml")], extra=extra).write(tmp_path / "b.epub")
    script = read_file(path)
    assert spoken_lines(script)[0] == "One"
    assert [note.where for note in script.warnings if "no text" in note.what] == ["b.epub:OEBPS/noise.html"]


def test_a_document_without_text_that_is_to_be_read_is_told_of(tmp_path: Path) -> None:
    documents = {"one.xhtml": ONE, "map.xhtml": '<img src="map.png" alt="A map"/>'}
    path = Book(documents, [("One", "one.xhtml")]).write(tmp_path / "b.epub")
    assert "OEBPS/map.xhtml is to be read, and has no text" in str(read_file(path, read=("map.xhtml",)).warnings[0])
