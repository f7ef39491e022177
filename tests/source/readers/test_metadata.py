"""What script files say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.readers import load_script
from pipeline.source.readers.metadata import read_metadata
from pipeline.source.script import Metadata, Reading
from tests.support.office_files import docx, paragraph


@pytest.mark.parametrize(
    ("text", "metadata"),
    [
        (
            "---\ntitle: The Storm\nauthor: [Ann Lee, Bo]\nlang: de\ndescription: Wind.\ndate: 2020\n---\n\nText.",
            Metadata("The Storm", "Ann Lee, Bo", "de", "Wind."),
        ),
        ('\ufeff\n---\nTitle: "One: two"\nAuthors: Ann\n...\nText.', Metadata("One: two", "Ann")),
        ("---\ntitle: Open: two\n---\n", Metadata()),
        ("---\n- title: x\n---\n", Metadata()),
        ("---\ntitle: {a: b}\nauthor:\n---\n", Metadata()),
        ("# The Storm\n\n---\ntitle: x\n---\n", Metadata()),
        ("---\n\nAnn: Hello.\n", Metadata()),
        ("", Metadata()),
    ],
)
def test_front_matter_of_markdown(tmp_path: Path, text: str, metadata: Metadata) -> None:
    path = tmp_path / "x.md"
    path.write_text(text, encoding="utf-8")
    assert read_metadata(path) == metadata
    text_file = path.rename(tmp_path / "x.txt")
    assert read_metadata(text_file) == Metadata()


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"---\n{text}\n---\n".encode("utf-8", "replace"))
)
def test_whatever_a_file_holds_ends_nothing(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("metadata") / "x.md"
    path.write_bytes(data)
    assert isinstance(read_metadata(path).title, str)


def test_what_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read_metadata(tmp_path / "gone.md") == Metadata()
    assert read_metadata(tmp_path) == Metadata()


def test_a_document_of_word_has_the_title_that_stands_in_it(tmp_path: Path) -> None:
    core = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Template</dc:title><dc:creator>Jo</dc:creator>'
        "</cp:coreProperties>"
    )
    body = [paragraph("The Storm", style="Titel"), paragraph("It blows.")]
    (tmp_path / "a.docx").write_bytes(docx(*body, parts={"docProps/core.xml": core}))
    assert read_metadata(tmp_path / "a.docx") == Metadata(
        "The Storm", "Jo", read_metadata(tmp_path / "a.docx").language
    )
    script = load_script([(tmp_path / "a.docx", "a.docx")], [Reading("audiobook")], title="T")
    assert [turn.text for turn in script.chapters[0].turns] == ["It blows."]


def test_the_head_of_a_file_of_project_gutenberg_tells_title_and_author(tmp_path: Path) -> None:
    text = "The Project Gutenberg eBook of Emma\n\nTitle: Emma\n\nAuthor: Jane Austen\n\nText.\n"
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.txt").write_text("Title: Emma\n\nText.\n")
    assert read_metadata(tmp_path / "a.txt") == Metadata("Emma", "Jane Austen")
    assert read_metadata(tmp_path / "b.txt") == Metadata()


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("The Project Gutenberg eBook of The Raven, by Edgar Allan Poe.", ("The Raven", "Edgar Allan Poe")),
        ("Dubliners, by James Joyce", ("Dubliners", "James Joyce")),
        ("A Day at Sea", ("A Day at Sea", "")),
    ],
)
def test_the_title_of_a_page(title: str, expected: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(f"<html lang='en'><head><title>{title}</title></head><p>Text.</p></html>")
    metadata = read_metadata(tmp_path / "a.html")
    assert (metadata.title, metadata.author, metadata.language) == (*expected, "en")
