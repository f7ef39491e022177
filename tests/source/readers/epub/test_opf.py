"""What a package document says of the order of a book."""

from __future__ import annotations

from pathlib import Path

from tests.support.books import PIXEL, Book, read_file

DOCUMENTS = {"a.xhtml": "<h2>One</h2><p>a</p>"}


def test_what_would_lie_outside_of_the_book_is_named_by_its_place(tmp_path: Path) -> None:
    members = Book(DOCUMENTS).members()
    opf = str(members["OEBPS/content.opf"])
    opf = opf.replace("<manifest>", '<manifest><item id="i7" href="../../secret.txt" media-type="text/html"/>')
    opf = opf.replace("<spine>", '<spine><itemref idref="i7"/><itemref idref="i8"/>')
    path = Book({}, extra=members | {"OEBPS/content.opf": opf}).write(tmp_path / "b.epub")
    assert [note.what for note in read_file(path).warnings] == [
        'the order of the book names "../../secret.txt", which would lie outside of the book.',
        'the order of the book names "i8", which is no text in it.',
    ]


def test_a_cover_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    members = Book(DOCUMENTS, cover=PIXEL).members()
    gone = {name: data for name, data in members.items() if not name.endswith(".png")}
    path = Book({}, extra=gone).write(tmp_path / "b.epub")
    assert [note.what for note in read_file(path).warnings] == ["its cover, OEBPS/cover.png, is missing."]
    opf = str(members["OEBPS/content.opf"]).replace("cover.png", "/../../etc/cover.png")
    path = Book({}, extra=members | {"OEBPS/content.opf": opf}).write(tmp_path / "c.epub")
    told = 'its cover, "/../../etc/cover.png", would lie outside of the book.'
    assert [note.what for note in read_file(path).warnings] == [told]
