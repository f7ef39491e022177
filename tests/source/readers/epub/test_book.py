"""Books as a careful reader would read them: chapters, what stands before and behind them, notes, plays."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs.request import read_request
from pipeline.source.readers.epub.book import read_book_cover, read_book_metadata
from tests.support.books import PIXEL, Book, document, lost_nodes, read_file, spoken_lines, titles
from tests.support.odd_packages import fault

CHAPTER = "<h2>{0}</h2><p>The text of {0}.</p>"
DOCUMENTS = {
    "cover.xhtml": '<img src="cover.png" alt="The cover"/>',
    "title.xhtml": "<h1>The Lighthouse</h1><p>by Jo March</p>",
    "copyright.xhtml": "<p>Copyright © 2020 Jo March. All rights reserved.</p><p>ISBN 978-3-16-148410-0</p>",
    "dedication.xhtml": "<p>To Beth.</p>",
    "one.xhtml": CHAPTER.format("One") + '<p>A word.<a href="notes.xhtml#n1" id="r1"><sup>1</sup></a> And on.</p>',
    "two.xhtml": '<h2>Two</h2><p>It begins.</p><p><span id="page_9" class="pagenum">9</span>It ends.</p>',
    "notes.xhtml": '<h2>Notes</h2><p id="n1"><a href="one.xhtml#r1">1.</a> What it means.</p><p>It goes on.</p>'
    '<p id="n2"><a href="one.xhtml#r1">2.</a> Nobody asks.</p>',
    "about.xhtml": "<h2>About the Author</h2><p>Jo March lives in Concord.</p>",
}
TOC = [
    ("Title Page", "title.xhtml"),
    ("Dedication", "dedication.xhtml"),
    ("One", "one.xhtml"),
    ("Two", "two.xhtml"),
    ("Notes", "notes.xhtml"),
    ("About the Author", "about.xhtml"),
]
LINES = [
    *("Dedication", "To Beth.", "One", "The text of One.", "A word. And on."),
    *("Two", "It begins.", "It ends."),
]


@pytest.mark.parametrize("version", [2, 3])
def test_a_whole_book(version: int, tmp_path: Path) -> None:
    path = Book(DOCUMENTS, TOC, version=version, cover=PIXEL).write(tmp_path / "book.epub")
    script = read_file(path)
    assert titles(script) == ["Dedication", "One", "Two"]
    assert spoken_lines(script) == LINES
    assert lost_nodes(path, script.ledgers[0]) == []
    reasons = {passage.text: passage.reason for passage in script.ledgers[0].passages()}
    assert reasons["The Lighthouse"] == "front matter"
    assert reasons["The cover"] == "picture"
    assert reasons["9"] == "page number"
    assert "copyright.xhtml (front matter)" in str(script.warnings[0])


def test_what_the_book_tells_of_itself(tmp_path: Path) -> None:
    book = Book(
        DOCUMENTS, TOC, description="&lt;p&gt;A &lt;b&gt;storm&lt;/b&gt;.&lt;/p&gt;", cover=PIXEL, language="en-GB"
    )
    path = book.write(tmp_path / "book.kepub")
    told = read_book_metadata(path, "book.epub")
    assert (told.title, told.author, told.language, told.description) == (
        "The Lighthouse",
        "Jo March",
        "en-GB",
        "A storm .",
    )
    assert read_book_cover(path, "book.epub") == PIXEL
    assert read_book_cover(Book({"a.xhtml": "<p>a</p>"}).write(tmp_path / "b.epub"), "b.epub") is None


def test_documents_are_read_and_skipped_as_their_producer_says(tmp_path: Path) -> None:
    path = Book(DOCUMENTS, TOC).write(tmp_path / "book.epub")
    assert "Jo March lives in Concord." in spoken_lines(read_file(path, read=("about the author",)))
    assert "All rights reserved." in " ".join(spoken_lines(read_file(path, read=("copyright.xhtml",))))
    assert "It begins." not in spoken_lines(read_file(path, skip=("Two",)))


@pytest.mark.parametrize(
    ("body", "title", "lines"),
    [
        ("<h2>7</h2><h3>The Storm</h3><p>a</p>", "Seven", ["7. The Storm", "a"]),
        ("<h2>Chapter 1</h2><p>The Storm</p><p>a</p>", "Chapter 1: The Storm", ["Chapter 1. The Storm", "a"]),
        ("<p>1</p><p>The Storm</p><p>a</p>", "1. The Storm", ["1. The Storm", "a"]),
        ("<p class='t'>The Storm</p><p>a</p>", "The Storm", ["The Storm", "a"]),
        ("<img src='head.png' alt='Chapter'/><p>a</p>", "The Storm", ["The Storm", "a"]),
        ("<h2>The Storm<br/>or the Calm</h2><p>a</p>", "The Storm", ["The Storm. or the Calm", "a"]),
        ("<hgroup><h2>I</h2><p>The Storm</p></hgroup><p>a</p>", "I: The Storm", ["I. The Storm", "a"]),
        ("<header><h2>I.</h2></header><p>a</p>", "One", ["I.", "a"]),
        ("<h2><a id='x'></a>The Storm</h2><p>a</p>", "The Storm", ["The Storm", "a"]),
        ("<h1>Title</h1><h2>1.1 Basics</h2><p>a</p>", "Title", ["Title", "1.1 Basics", "a"]),
    ],
)
def test_the_title_of_a_chapter(body: str, title: str, lines: list[str], tmp_path: Path) -> None:
    path = Book({"a.xhtml": body, "b.xhtml": CHAPTER.format("Later")}, [(title, "a.xhtml"), ("Later", "b.xhtml")])
    script = read_file(path.write(tmp_path / "b.epub"))
    assert spoken_lines(script) == [*lines, "Later", "The text of Later."]
    assert titles(script) in ([lines[0], "Later"], [title, "Later"])


def test_chapters_within_one_document_begin_at_their_places(tmp_path: Path) -> None:
    body = '<h2 id="a">One</h2><p>a</p><p>b</p><h2><span id="b"/>Two</h2><p>c</p><h2>Three</h2><a id="c"/><p>d</p>'
    toc = [("One", "x.xhtml#a"), ("Two", "x.xhtml#b"), ("Three", "x.xhtml#c")]
    script = read_file(Book({"x.xhtml": body}, toc).write(tmp_path / "b.epub"))
    assert titles(script) == ["One", "Two", "Three"]
    assert spoken_lines(script) == ["One", "a", "b", "Two", "c", "Three", "d"]


def test_parts_belong_to_the_title_of_their_first_chapter_and_sections_to_their_chapter(tmp_path: Path) -> None:
    documents = {
        "p1.xhtml": "<h1>Part One</h1>",
        "a.xhtml": CHAPTER.format("Alpha") + '<h3 id="s">Within</h3><p>More.</p>',
        "b.xhtml": CHAPTER.format("Beta"),
        "p2.xhtml": "<h1>Part Two</h1>",
        "c.xhtml": CHAPTER.format("Gamma"),
    }
    toc = [
        ("Part One", "p1.xhtml"),
        (">Alpha", "a.xhtml"),
        (">>Within", "a.xhtml#s"),
        (">Beta", "b.xhtml"),
        ("Part Two", "p2.xhtml"),
        (">Gamma", "c.xhtml"),
    ]
    for version in (2, 3):
        script = read_file(Book(documents, toc, version=version).write(tmp_path / "b.epub"))
        assert titles(script) == ["Part One. Alpha", "Beta", "Part Two. Gamma"]
        assert spoken_lines(script)[:4] == ["Part One. Alpha", "The text of Alpha.", "Within", "More."]


def test_without_contents_documents_that_begin_with_headings_are_chapters(tmp_path: Path) -> None:
    documents = {name: CHAPTER.format(name) for name in ("One", "Two")}
    documents = {f"{name}.xhtml": body for name, body in documents.items()} | {"more.xhtml": "<p>Still two.</p>"}
    script = read_file(Book(documents).write(tmp_path / "b.epub"))
    assert titles(script) == ["One", "Two"]
    assert spoken_lines(script)[-1] == "Still two."


def test_contents_that_name_one_chapter_of_many_are_no_guide(tmp_path: Path) -> None:
    documents = {f"{name}.xhtml": CHAPTER.format(name) for name in ("One", "Two", "Three", "Four")}
    script = read_file(Book(documents, [("Start", "One.xhtml")]).write(tmp_path / "b.epub"))
    assert titles(script) == ["One", "Two", "Three", "Four"]


def test_chapters_at_takes_the_headings(tmp_path: Path) -> None:
    body = "<h1>Book</h1><h2>One</h2><p>a</p><h2>Two</h2><p>b</p>"
    path = Book({"x.xhtml": body}, [("Book", "x.xhtml")]).write(tmp_path / "b.epub")
    assert titles(read_file(path, chapters_at=2)) == ["One", "Two"]


@pytest.mark.parametrize(
    "body",
    [
        "<h2>Contents</h2><ul><li><a href='a.xhtml'>One</a> 1</li><li><a href='b.xhtml'>Two</a> 20</li>"
        "<li><a href='a.xhtml#x'>Three</a></li></ul>",
        "<p>Table of Contents</p><p><a href='a.xhtml'>Alpha</a></p>"
        "<p><a href='b.xhtml'>Beta</a></p><p><a href='b.xhtml'>Gamma</a></p>",
        "<h2>Index</h2><p>Storms, 12, 15</p><p>Tides, 3</p>",
        "<h2>List of Illustrations</h2><p>A ship</p>",
    ],
)
def test_lists_of_what_is_in_the_book_are_not_read(body: str, tmp_path: Path) -> None:
    documents = {"toc.xhtml": body, "a.xhtml": CHAPTER.format("Alpha"), "b.xhtml": CHAPTER.format("Beta")}
    script = read_file(Book(documents, [("Alpha", "a.xhtml"), ("Beta", "b.xhtml")]).write(tmp_path / "b.epub"))
    assert spoken_lines(script) == ["Alpha", "The text of Alpha.", "Beta", "The text of Beta."]


@pytest.mark.parametrize("kind", ["guide", "landmarks", "type", "role"])
def test_landmarks_and_types_tell_what_is_not_read(kind: str, tmp_path: Path) -> None:
    body = "<p>Some words of a publisher.</p>"
    by_type = {"type": 'epub:type="copyright-page"', "role": 'role="doc-colophon"'}.get(kind, "")
    documents = {"x.xhtml": document(body, attributes=by_type), "a.xhtml": CHAPTER.format("Alpha")}
    told: dict[str, Any] = {
        "guide": {"guide": {"title-page": "x.xhtml"}},
        "landmarks": {"landmarks": {"titlepage": "x.xhtml"}},
    }
    book = Book(documents, [("Alpha", "a.xhtml")], **told.get(kind, {}))
    assert spoken_lines(read_file(book.write(tmp_path / "b.epub"))) == ["Alpha", "The text of Alpha."]


def test_a_play_gives_speakers(tmp_path: Path) -> None:
    row = '<tr><td epub:type="z3998:persona">{0}</td><td>{1}</td></tr>'
    play = (
        "<h2>Act I</h2><p><i epub:type='z3998:stage-direction'>A room.</i></p><table>"
        "<tr><td/><td><i epub:type='z3998:stage-direction'>Enter <b epub:type='z3998:persona'>Jack</b>.</i></td></tr>"
        + row.format("Jack", "Good morning. <i epub:type='z3998:stage-direction'>He sits.</i> How are you?")
        + row.format("Lane", "<p>Well, sir.</p><p>Very well.</p>")
        + "<tr><td/><td><p>And the guests.</p></td></tr>"
        + row.format("Jack", "<p><span>Of all the lines</span><br/><span>of verse</span></p>")
        + "</table><p>So it ends.</p>"
    )
    path = Book(
        {"a.xhtml": document(play), "b.xhtml": CHAPTER.format("Act II")}, [("Act I", "a.xhtml"), ("Act II", "b.xhtml")]
    )
    script = read_file(path.write(tmp_path / "b.epub"))
    assert spoken_lines(script)[:8] == [
        "Act I",
        "Jack: Good morning. How are you?",
        "Lane: Well, sir.",
        "Lane: Very well.",
        "And the guests.",
        "Jack: Of all the lines, of verse",
        "So it ends.",
        "Act II",
    ]
    assert lost_nodes(tmp_path / "b.epub", script.ledgers[0]) == []


def test_a_dialogue_in_a_book_is_read_by_its_labels_and_a_few_words_with_colons_are_not(tmp_path: Path) -> None:
    dialogue = "<h2>One</h2>" + "".join(f"<p><b>{name}:</b> Line.</p>" for name in ("Ann", "Bob") * 4)
    script = read_file(Book({"a.xhtml": dialogue}, [("One", "a.xhtml")]).write(tmp_path / "b.epub"))
    assert spoken_lines(script)[1] == "Ann: Line."
    prose = "<h2>One</h2>" + "<p>Plain prose.</p>" * 40 + "<p>Serves: four</p><p>Serves: six</p>"
    script = read_file(Book({"a.xhtml": prose}, [("One", "a.xhtml")]).write(tmp_path / "c.epub"))
    assert {turn.speaker for turn in script.chapters[0].turns} == {None}


def test_what_is_not_in_the_order_of_the_book_is_accounted_for(tmp_path: Path) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><title>A drawing</title><text>Ship</text></svg>'
    book = Book(
        {"a.xhtml": CHAPTER.format("Alpha"), "pop.xhtml": "<p>A pop-up.</p>"},
        [("Alpha", "a.xhtml")],
        non_linear=["pop.xhtml"],
        extra={"OEBPS/draw.svg": svg, "OEBPS/orphan.xhtml": document("<p>Nobody names me.</p>")},
    )
    path = book.write(tmp_path / "b.epub")
    script = read_file(path)
    assert spoken_lines(script) == ["Alpha", "The text of Alpha."]
    assert [node for node in lost_nodes(path, script.ledgers[0]) if "draw.svg" not in node] == []


def test_the_title_of_the_book_is_no_chapter(tmp_path: Path) -> None:
    documents = {
        "t.xhtml": "<h1>The Lighthouse</h1><h2>One</h2><p>It was a dark and stormy night.</p>",
        "b.xhtml": CHAPTER.format("Two"),
    }
    toc = [("The Lighthouse", "t.xhtml"), ("One", "t.xhtml"), ("Two", "b.xhtml")]
    assert spoken_lines(read_file(Book(documents, toc).write(tmp_path / "b.epub")))[:2] == [
        "One",
        "It was a dark and stormy night.",
    ]


@pytest.mark.parametrize("part", range(4))
def test_odd_packages_are_refused_or_accounted_for(part: int, tmp_path: Path) -> None:
    """`python -m tests.support.odd_packages 10000` tries more of them."""
    assert {seed: what for seed in range(part * 50, part * 50 + 50) if (what := fault(seed, tmp_path))} == {}


@pytest.mark.parametrize("href", ["data:image/png;base64,A", "data:image/png;base64,\u00e4", "../../x.png", ""])
def test_a_cover_that_is_a_broken_drawing_is_told_of_and_stops_nothing(href: str, tmp_path: Path) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{href}"/></svg>'
    book = Book({"a.xhtml": CHAPTER.format("Alpha")}, extra={"OEBPS/cover.svg": svg})
    item = (
        '<item id="c" href="cover.svg" media-type="image/svg+xml" properties="cover-image"/><item id="self" href=""/>'
    )
    opf = str(book.members()["OEBPS/content.opf"]).replace("<manifest>", f"<manifest>{item}")
    path = replace(book, extra={**book.extra, "OEBPS/content.opf": opf}).write(tmp_path / "b.epub")
    request = read_request(path)
    assert request.problems == ()
    assert any("cover" in note.what for note in request.notes)


def test_encrypted_text_is_refused_however_it_is_named(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(3000)
    book = Book({"a.xhtml": CHAPTER.format("Alpha")}, extra={"OEBPS/a.xhtml": noise})
    assert "encrypted (DRM)" in str(read_file(book.write(tmp_path / "b.epub")).problems[0])
    data = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData>'
        '<EncryptionMethod Algorithm="aes"/><CipherReference URI="OEBPS/A.xhtml"/></EncryptedData></encryption>'
    )
    book = Book({"a.xhtml": CHAPTER.format("Alpha")}, extra={"META-INF/encryption.xml": data})
    assert "protected by DRM" in str(read_file(book.write(tmp_path / "c.epub")).problems[0])


def test_documents_that_are_not_in_the_book_are_told_of(tmp_path: Path) -> None:
    path = Book(DOCUMENTS, TOC).write(tmp_path / "book.epub")
    notes = [str(note) for note in read_file(path, skip=("Twoo",)).warnings]
    assert any('no document of the book is called "Twoo"' in note and "Two" in note for note in notes)


def test_a_book_of_more_tags_than_any_has_is_refused(tmp_path: Path) -> None:
    many = document("<p>a</p>" + "<b/>" * 700_000)
    path = Book(dict.fromkeys(("a.xhtml", "b.xhtml", "c.xhtml"), many)).write(tmp_path / "b.epub")
    assert "tags, which no EPUB needs" in str(read_file(path).problems[0])


def test_a_title_in_the_contents_that_says_more_is_the_title_and_the_heading_is_said(tmp_path: Path) -> None:
    documents = {
        "a.xhtml": "<h3>190</h3><p>Of rabbis.</p><h4>The Clover</h4><p>a</p>",
        "b.xhtml": CHAPTER.format("Later"),
    }
    path = Book(documents, [("190 The Clover", "a.xhtml"), ("Later", "b.xhtml")]).write(tmp_path / "b.epub")
    assert titles(read_file(path)) == ["190 The Clover", "Later"]
    assert spoken_lines(read_file(path))[:3] == ["190", "Of rabbis.", "The Clover"]


def test_what_is_left_out_by_types_within_is_told_of_and_read_where_it_is_asked_for(tmp_path: Path) -> None:
    colophon = '<section epub:type="colophon"><h2>Colophon</h2><p>Set in Garamond.</p></section>'
    notes = '<section epub:type="endnotes"><ol><li epub:type="endnote" id="n1"><p>A note.</p></li></ol></section>'
    documents = {"a.xhtml": '<h2>A</h2><p>Word.<a href="n.xhtml#n1" epub:type="noteref">1</a></p>', "n.xhtml": notes}
    documents["colophon.xhtml"] = colophon
    path = Book(documents, [("A", "a.xhtml"), ("Endnotes", "n.xhtml")]).write(tmp_path / "b.epub")
    script = read_file(path)
    assert spoken_lines(script) == ["A", "Word."]
    assert "n.xhtml (footnote), colophon.xhtml (boilerplate)" in str(script.warnings[0])
    assert spoken_lines(read_file(path, read=("Endnotes", "colophon.xhtml")))[2:] == [
        *("Endnotes", "1. A note."),
        *("Colophon", "Set in Garamond."),
    ]


def test_an_epigraph_on_a_title_page_is_read(tmp_path: Path) -> None:
    page = '<section epub:type="titlepage"><h1>T</h1><div epub:type="epigraph"><p>Nam Sibyllam.</p></div></section>'
    path = Book({"a.xhtml": page + CHAPTER.format("One")}, [("One", "a.xhtml")], title="T").write(tmp_path / "b.epub")
    assert "Nam Sibyllam." in spoken_lines(read_file(path))


TEXT = "<p>" + "The sea was calm and the boats lay at the quay. " * 30 + "</p>"
MIDDLE = {f"c{number:02d}.xhtml": CHAPTER.format(f"Chapter {number}") + TEXT for number in range(24)}


@pytest.mark.parametrize("title", ["Notes", "Index", "Contents", "Cover", "Credits", "Praise", "Excerpt from a Diary"])
def test_a_chapter_in_the_middle_of_a_book_may_be_called_as_it_likes(title: str, tmp_path: Path) -> None:
    documents = {**MIDDLE, "c12.xhtml": f"<h2>{title}</h2><p>The story goes on.</p>"}
    toc = [(title if name == "c12.xhtml" else f"Chapter {name[1:3]}", name) for name in documents]
    assert "The story goes on." in spoken_lines(read_file(Book(documents, toc).write(tmp_path / "b.epub")))


@pytest.mark.parametrize(
    "first",
    [
        "<h1>One</h1><p>First published in The Strand. Printed in London.</p>" + TEXT * 2,
        "<h1>The Sign</h1><p>He drew a © on the wall.</p>",
        "<h1>Prologue</h1><p>The Lighthouse.</p>",
        "<h1>Notes</h1><p>Dear Ann, I write these notes by night.</p>",
        '<h1>One</h1><p>The end<sup><a href="#n">1</a></sup>.</p><p id="n">1. A note.</p>',
    ],
)
def test_a_chapter_that_the_contents_name_is_no_front_matter(first: str, tmp_path: Path) -> None:
    documents = {"a.xhtml": first, "b.xhtml": CHAPTER.format("Later") + TEXT}
    path = Book(documents, [("The Beginning", "a.xhtml"), ("Later", "b.xhtml")]).write(tmp_path / "b.epub")
    assert len(spoken_lines(read_file(path))) > 3


def test_a_landmark_within_a_document_is_not_the_document(tmp_path: Path) -> None:
    book = Book(
        {"a.xhtml": "<h2 id='toc'>One</h2>" + TEXT},
        [("One", "a.xhtml")],
        guide={"toc": "a.xhtml#toc", "title-page": "a.xhtml#t"},
        landmarks={"endnotes": "a.xhtml#n"},
    )
    assert spoken_lines(read_file(book.write(tmp_path / "b.epub")))[0] == "One"


def test_the_title_of_the_book_above_the_first_chapter_is_not_its_title(tmp_path: Path) -> None:
    documents = {"a.xhtml": "<h1>The Lighthouse</h1><h2>Chapter One</h2>" + TEXT, "b.xhtml": CHAPTER.format("Two")}
    path = Book(documents, [("Chapter One", "a.xhtml"), ("Two", "b.xhtml")]).write(tmp_path / "b.epub")
    assert titles(read_file(path)) == ["Chapter One", "Two"]
    documents = {"a.xhtml": "<h1>The Lighthouse</h1>" + TEXT, "b.xhtml": CHAPTER.format("Two")}
    path = Book(documents, [("The Lighthouse", "a.xhtml"), ("Two", "b.xhtml")]).write(tmp_path / "c.epub")
    assert titles(read_file(path)) == ["The Lighthouse", "Two"]


def test_contents_that_lead_to_nothing_begin_chapters_with_their_documents(tmp_path: Path) -> None:
    toc = [("One", "a.xhtml#nope"), ("Two", "b.xhtml#nope")]
    documents = {"a.xhtml": CHAPTER.format("One"), "b.xhtml": CHAPTER.format("Two")}
    assert titles(read_file(Book(documents, toc).write(tmp_path / "b.epub"))) == ["One", "Two"]


def test_brackets_are_the_authors_in_the_documents_of_a_book_in_which_nobody_speaks(tmp_path: Path) -> None:
    row = '<tr><td epub:type="z3998:persona">{0}</td><td>Good morning to you.</td></tr>'
    play = "<h2>Act I</h2><table>" + "".join(row.format(name) for name in ("Jack", "Lane", "Jack")) + "</table>"
    tale = "<h2>A Tale</h2><p>It was late. [Here I pulled out my watch.] So he left.</p>"
    toc = [("Act I", "a.xhtml"), ("A Tale", "b.xhtml")]
    path = Book({"a.xhtml": document(play), "b.xhtml": tale}, toc).write(tmp_path / "b.epub")
    assert "It was late. Here I pulled out my watch. So he left." in spoken_lines(read_file(path))


def test_a_book_of_one_document_is_that_document(tmp_path: Path) -> None:
    path = Book({"cover.xhtml": "<h1>Cover</h1><p>How to use it.</p>"}).write(tmp_path / "b.epub")
    assert "How to use it." in spoken_lines(read_file(path))
