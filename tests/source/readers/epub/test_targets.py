"""Contents that lead nowhere, and chapters all the same."""

from __future__ import annotations

from pathlib import Path

from tests.support.books import Book, Entry, document, read_file, spoken_lines, titles

TEXT = "<p>" + "The sea was calm and the boats lay at the quay. " * 9 + "</p>"
DOCUMENTS = {
    "one.xhtml": f"<h2>I</h2><h3>The Keeper</h3>{TEXT}",
    "two.xhtml": f"<h2>The Boat</h2>{TEXT}",
    "three.xhtml": f"<h2>III</h2><p>Storm</p>{TEXT}",
    "four.xhtml": f"<h2>Home</h2>{TEXT}",
}


def book(tmp_path: Path, toc: list[Entry], documents: dict[str, str] | None = None, version: int = 3) -> Path:
    return Book(documents or DOCUMENTS, toc, version=version).write(tmp_path / "b.epub")


def test_another_case_is_the_same_name_as_on_systems_that_know_no_case(tmp_path: Path) -> None:
    toc = [("The Keeper", "One.xhtml"), ("The Boat", "TWO.XHTML"), ("Storm", "three.xhtml"), ("Home", "four.xhtml")]
    for version in (2, 3):
        script = read_file(book(tmp_path, toc, version=version))
        assert len(titles(script)) == 4
        assert script.warnings == ()


def test_files_in_another_case_than_the_manifest_says(tmp_path: Path) -> None:
    """Then the contents, notes and landmarks may be in either."""
    note = '<p id="n">1. A note.</p>'
    documents = {"one.xhtml": f'<h2>One</h2><p>A word.<a href="Notes.xhtml#n"><sup>1</sup></a></p>{TEXT}'}
    whole = Book(documents | {"NOTES.xhtml": note}, [("One", "ONE.xhtml")], landmarks={"endnotes": "notes.xhtml"})
    members = whole.members()
    written = Book({}, extra={name.replace("NOTES", "notes"): data for name, data in members.items()})
    script = read_file(written.write(tmp_path / "b.epub"))
    assert spoken_lines(script)[:2] == ["One", "A word."]
    assert "notes.xhtml (footnote)" in str(script.warnings[0])


def test_an_entry_whose_document_is_missing_leads_to_that_of_its_title(tmp_path: Path) -> None:
    toc = [("The Keeper", "one.xhtml"), ("The Boat", "2.xhtml"), ("III: Storm", "gone.xhtml"), ("Home", "four.xhtml")]
    script = read_file(book(tmp_path, toc))
    assert titles(script) == ["I. The Keeper", "The Boat", "III: Storm", "Home"]
    assert [str(note) for note in script.warnings] == [
        'b.epub: 2 entries of the book\'s contents lead nowhere: "The Boat" (OEBPS/2.xhtml), "III: Storm" '
        "(OEBPS/gone.xhtml). Look whether each chapter begins where it should."
    ]


def test_an_entry_of_another_title_leads_to_the_next_heading(tmp_path: Path) -> None:
    toc = [("The Keeper", "one.xhtml"), ("Second", "2.xhtml"), ("Storm", "three.xhtml"), ("Gone", "5.xhtml")]
    script = read_file(book(tmp_path, [*toc, ("Home", "four.xhtml")]))
    assert len(titles(script)) == 4
    assert "The Boat" in titles(script)
    assert '2 entries of the book\'s contents lead nowhere: "Second" (OEBPS/2.xhtml)' in str(script.warnings[0])


def test_ids_that_are_missing_are_those_of_their_headings(tmp_path: Path) -> None:
    body = "<h2 id='A'>One</h2><p>a</p><h2>Two</h2><p>b</p><h2 id='z'>Three</h2><p>c</p>"
    toc = [("One", "x.xhtml#a"), ("Two", "x.xhtml#b"), ("Three", "x.xhtml#c"), ("Four", "x.xhtml#d")]
    script = read_file(book(tmp_path, toc, {"x.xhtml": document(body)}))
    assert titles(script) == ["One", "Two", "Three"]
    assert '1 entry of the book\'s contents leads nowhere: "Four"' in str(script.warnings[0])
