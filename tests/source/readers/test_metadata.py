"""What script files say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.readers.metadata import read_metadata
from pipeline.source.script import Metadata


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
